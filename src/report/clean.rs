//! The one place where text from outside becomes harmless: control characters, bidi controls, CI commands, secrets.

use std::fmt::Write as _;

use crate::model::{is_unsafe, looks_secret, written_out};

/// What stands for a value that is not shown.
pub const SENSITIVE: &str = "(sensitive value)";

/// Makes one piece of text harmless for a terminal: characters that move the cursor, end the line or change the
/// reading direction are written out (`\n`, `\u{1b}`), and what looks like a secret is hidden.
pub fn clean(text: &str) -> String {
    written_out(&hide_secrets(text))
}

/// The same for a text of several lines, each by itself, for what is a program's to read: tabs stay, and so do words that
/// look like secrets, because the text must mean what it meant.
pub fn clean_lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(written_out).collect::<Vec<_>>().join("\t");
    guard_lines(&text.split('\n').map(|one| line(one.strip_suffix('\r').unwrap_or(one))).collect::<Vec<_>>().join("\n"))
}

/// One line that another library has given colours: they stay, everything else that is unsafe is written out.
pub fn clean_styled(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("\u{1b}[") {
        let style = rest[at + 2..].find(|c: char| !c.is_ascii_digit() && c != ';').map(|end| at + 2 + end);
        let end = style.filter(|end| rest[*end..].starts_with('m')).map_or(at, |end| end + 1);
        out.push_str(&written_out(&rest[..at]));
        out.push_str(&rest[at..end]);
        if end == at {
            out.push_str("\\u{1b}");
        }
        rest = &rest[end.max(at + 1)..];
    }
    out.push_str(&written_out(rest));
    guard(&out).unwrap_or(out)
}

/// Hides every word that looks like a secret, or the whole text when the secret spans words.
pub fn hide_secrets(text: &str) -> String {
    if !looks_secret(text) {
        return text.to_owned();
    }
    let hidden: String = text
        .split_inclusive(char::is_whitespace)
        .map(|word| {
            let body = word.trim_end();
            if looks_secret(body) { format!("{SENSITIVE}{}", &word[body.len()..]) } else { word.to_owned() }
        })
        .collect();
    if looks_secret(&hidden) { SENSITIVE.to_owned() } else { hidden }
}

/// Takes the meaning of a command from one finished line: GitHub reads `::error::` at the start of a line of standard
/// output and `##[...]` anywhere, Azure Pipelines reads `##vso[...]` and `##[...]` anywhere, TeamCity `##teamcity[...]`.
pub fn guard(line: &str) -> Option<String> {
    let starts = line.trim_start().starts_with("::");
    let command = |rest: &str| {
        rest.trim_start_matches('#').trim_start_matches(|c: char| c.is_ascii_alphanumeric()).starts_with('[')
    };
    let anywhere = line.match_indices("##").any(|(at, _)| command(&line[at + 2..]));
    if !starts && !anywhere {
        return None;
    }
    let line = if starts { line.replacen("::", ": :", 1) } else { line.to_owned() };
    Some(if anywhere { apart(&line) } else { line })
}

/// Puts a space between every two `#` that touch.
fn apart(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 2);
    for c in line.chars() {
        if c == '#' && out.ends_with('#') {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// The same for a text of several lines.
pub fn guard_lines(text: &str) -> String {
    text.split_inclusive('\n').map(|line| guard(line).unwrap_or_else(|| line.to_owned())).collect()
}

/// The same JSON text with every unsafe character, and every second `#` of a pair, as an escape: the same data, but no
/// command and no cursor movement. Such characters can only stand inside the strings of a JSON text.
pub fn clean_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut last = ' ';
    for c in json.chars() {
        if (is_unsafe(c) && c != '\n') || (c == '#' && last == '#') {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
        last = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{clean, clean_json, clean_lines, clean_styled, guard, guard_lines, hide_secrets};
    use proptest::prelude::*;

    #[test]
    fn controls_are_written_out() {
        assert_eq!(clean("a\u{1b}[31m\nb\u{202e}c\t\u{9b}"), "a\\u{1b}[31m\\nb\\u{202e}c\\t\\u{9b}");
    }

    #[test]
    fn colours_of_others_stay_and_nothing_else() {
        assert_eq!(clean_styled("\u{1b}[1;31mred\u{1b}[0m x\ny"), "\u{1b}[1;31mred\u{1b}[0m x\\ny");
        assert_eq!(clean_styled("a\u{1b}[2Jb\u{1b}]0;t\u{7}"), "a\\u{1b}[2Jb\\u{1b}]0;t\\u{7}");
        assert_eq!(clean_styled("##vso[x]\u{1b}["), "# #vso[x]\\u{1b}[");
        assert_eq!(clean_lines("a\tb\n::c\r\n\u{202e}\n"), "a\tb\n: :c\n\\u{202e}\n");
    }

    #[test]
    fn secrets_are_hidden_word_by_word() {
        assert_eq!(hide_secrets("at postgres://u:p@h/db it failed"), "at (sensitive value) it failed");
        assert_eq!(clean("host=h password=hunter2"), "host=h (sensitive value)");
        assert_eq!(clean("plain words"), "plain words");
    }

    #[test]
    fn commands_lose_their_meaning() {
        assert_eq!(guard("  ::error::x").as_deref(), Some("  : :error::x"));
        assert_eq!(guard("a ##VSO[task.x]").as_deref(), Some("a # #VSO[task.x]"));
        assert_eq!(guard("###vso[x]").as_deref(), Some("# # #vso[x]"));
        assert_eq!(guard("###teamcity[x]").as_deref(), Some("# # #teamcity[x]"));
        assert_eq!(guard("a::b ## c [d]"), None);
        assert_eq!(guard_lines("a\n::b\nc"), "a\n: :b\nc");
    }

    #[test]
    fn json_stays_the_same_data() {
        let text = serde_json::to_string("##vso[x] \u{202e}\u{7f}\u{e0001}").unwrap();
        let cleaned = clean_json(&text);
        assert!(!cleaned.contains("##") && cleaned.is_ascii());
        assert_eq!(serde_json::from_str::<String>(&cleaned).unwrap(), serde_json::from_str::<String>(&text).unwrap());
    }

    proptest! {
        #[test]
        fn nothing_unsafe_survives(text in "\\PC*|.*|(::|##vso\\[|\u{1b})*") {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.chars().any(crate::model::is_unsafe));
            let guarded = guard(&cleaned).unwrap_or(cleaned);
            prop_assert!(!guarded.trim_start().starts_with("::"), "{guarded}");
            prop_assert!(!guarded.to_ascii_lowercase().contains("##vso["), "{guarded}");
        }
    }
}
