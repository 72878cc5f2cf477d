//! The one place where text from outside becomes harmless: control characters, bidi controls, CI commands, secrets.

use std::fmt::Write as _;

use crate::model::looks_secret;

/// What stands for a value that is not shown.
pub const SENSITIVE: &str = "(sensitive value)";

/// Makes one piece of text harmless for a terminal: characters that move the cursor, end the line or change the
/// reading direction are written out (`\n`, `\u{1b}`), and what looks like a secret is hidden.
pub fn clean(text: &str) -> String {
    let text = hide_secrets(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
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
/// output and `##[...]` anywhere, Azure Pipelines reads `##vso[...]` and `##[...]` anywhere.
pub fn guard(line: &str) -> Option<String> {
    let starts = line.trim_start().starts_with("::");
    let lower = line.to_ascii_lowercase();
    let anywhere = lower.contains("##vso[") || lower.contains("##[");
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

/// Controls (C0, C1), bidi and invisible formatting characters, line and paragraph separators, tags.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::{clean, clean_json, guard, guard_lines, hide_secrets};
    use proptest::prelude::*;

    #[test]
    fn controls_are_written_out() {
        assert_eq!(clean("a\u{1b}[31m\nb\u{202e}c\t\u{9b}"), "a\\u{1b}[31m\\nb\\u{202e}c\\t\\u{9b}");
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
        assert_eq!(guard("a::b ## c"), None);
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
            prop_assert!(!cleaned.chars().any(super::is_unsafe));
            let guarded = guard(&cleaned).unwrap_or(cleaned);
            prop_assert!(!guarded.trim_start().starts_with("::"), "{guarded}");
            prop_assert!(!guarded.to_ascii_lowercase().contains("##vso["), "{guarded}");
        }
    }
}
