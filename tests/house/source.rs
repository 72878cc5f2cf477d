//! Rust source as the rules read it: without comments and texts, without test code, and which rooms it names.

use std::collections::BTreeSet;
use std::path::Path;

/// The code of a source text: comments, texts and single characters are blanked out, line breaks stay.
pub fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = blank_length(rest, out.chars().next_back()).unwrap_or(0);
        if length > 0 {
            out.push(' ');
            out.extend(rest[..length].chars().filter(|c| *c == '\n'));
            rest = &rest[length..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// How long the comment, text or character is that begins here; `None` when none does.
fn blank_length(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    if rest.starts_with('"') {
        return Some(text_length(rest));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let hashes = rest.strip_prefix('r').map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
    if !in_word && rest.starts_with('r') && rest[1 + hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let from = 2 + hashes;
        return Some(rest[from..].find(&end).map_or(rest.len(), |at| from + at + end.len()));
    }
    // A character, not a lifetime.
    let mut chars = rest.strip_prefix('\'')?.chars();
    match (chars.next()?, chars.next()?) {
        ('\\', _) => rest[3..].find('\'').map(|at| at + 4),
        (c, '\'') => Some(2 + c.len_utf8()),
        _ => None,
    }
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The code that is not test code: what `#[cfg(test)]` stands before is cut out.
pub fn production(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        out.push_str(before);
        rest = &after[item_length(after)..];
    }
    out + rest
}

/// The length of the item that begins here: up to its semicolon, or to the end of its braces.
fn item_length(code: &str) -> usize {
    let mut depth = 0_u32;
    for (at, c) in code.char_indices() {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// The modules that a file declares for tests only.
pub fn test_modules(code: &str) -> BTreeSet<String> {
    let declared = code.split("#[cfg(test)]").skip(1).filter_map(|after| {
        let item = &after[..item_length(after)];
        let (_, name) = item.strip_suffix(';')?.split_once("mod ")?;
        Some(name.trim().to_owned())
    });
    declared.collect()
}

/// The top-level rooms that code names, by `crate::room`, `crate::{room, ...}` or enough `super::` to leave its own.
/// `depth` is how many modules deep the code is: 1 for `src/room/mod.rs`.
pub fn rooms_named(code: &str, depth: usize) -> BTreeSet<String> {
    let flat = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rooms = BTreeSet::new();
    let up = "super::".repeat(depth);
    for prefix in ["crate::", up.as_str()] {
        for (at, _) in flat.match_indices(prefix) {
            let before = flat[..at].chars().next_back();
            let part_of_more = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
            // `super::super::` holds `super::` twice; only the whole chain counts.
            if !part_of_more && !flat[..at].ends_with("super::") {
                heads(&flat[at + prefix.len()..], &mut rooms);
            }
        }
    }
    rooms
}

/// The first words of a path, or of each path of a `{...}`.
fn heads(path: &str, into: &mut BTreeSet<String>) {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(inner) = path.strip_prefix('{') else {
        into.insert(word(path));
        return;
    };
    let mut depth = 0_i32;
    let mut begins = true;
    for (at, c) in inner.char_indices() {
        match c {
            '}' if depth == 0 => return,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && !c.is_whitespace() => {
                into.insert(word(&inner[at..]));
                begins = false;
            }
            _ => {}
        }
    }
}

/// How many modules deep a file is below `src/`: 1 for `src/room.rs` and `src/room/mod.rs`, 2 for `src/room/part.rs`.
pub fn depth(inside_src: &Path) -> usize {
    let parts = inside_src.components().count();
    if inside_src.ends_with("mod.rs") { parts - 1 } else { parts }
}

#[test]
fn comments_and_texts_are_no_code() {
    let text = "use a; // crate::b\nlet c = \"crate::d \\\" crate::e\"; /* crate::f */ r#\"crate::g\"#; '\"'; fn x<'a>(y: &'a str)";
    let code = code(text);
    for gone in ["::b", "::d", "::e", "::f", "::g"] {
        assert!(!code.contains(gone), "{gone} in {code}");
    }
    assert!(code.contains("fn x<'a>(y: &'a str)") && code.contains('\n'));
}

#[test]
fn test_code_is_cut_out() {
    let code = "use a;\n#[cfg(test)]\nuse b;\n#[cfg(test)]\nmod tests { fn c() { {} } }\nuse d;\n#[cfg(test)]\npub(crate) mod e;";
    let production = production(code);
    assert!(production.contains("use a") && production.contains("use d"));
    assert!(!production.contains('b') && !production.contains("fn c"));
    assert_eq!(test_modules(code), BTreeSet::from(["e".to_owned()]));
}

#[test]
fn rooms_are_found_however_they_are_named() {
    let found = |code: &str, depth| rooms_named(code, depth).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(found("use crate::a::B; let x = crate::c::D;", 2), "a c");
    assert_eq!(found("use crate::{a::{B, C}, d, e::F};", 2), "a d e");
    assert_eq!(found("use super::super::a; use super::b; use super::super::super::c;", 2), "a super");
    assert_eq!(found("use super::a;", 1), "a");
    assert_eq!(found("use $crate::a; use mycrate::b;", 1), "");
}
