//! Which characters do something to whoever prints them instead of being seen, and how they are written out.

/// Controls (C0, C1), bidi and invisible formatting characters, blank letters, variation selectors, line and paragraph
/// separators, tags, and what XML does not take.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
        || matches!(c, '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text on one line, with every unsafe character written out: `\n`, `\u{1b}`.
pub fn written_out(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::{is_unsafe, written_out};

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(written_out("a\u{1b}[31m\nb\u{202e}c\t\u{9b}"), "a\\u{1b}[31m\\nb\\u{202e}c\\t\\u{9b}");
        for c in ['\u{ad}', '\u{200d}', '\u{2066}', '\u{feff}', '\u{ffff}', '\u{e0041}', '\u{e0100}', '\u{85}'] {
            assert!(is_unsafe(c), "{c:?}");
        }
        for c in ['a', ' ', 'é', 'ß', '表', 'ש', '🙂', '⚠', '\u{fffd}'] {
            assert!(!is_unsafe(c), "{c:?}");
        }
    }
}
