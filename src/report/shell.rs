//! Words of a shell script: the one place where a name or text from outside becomes part of a command line.

use std::fmt::Write as _;

use crate::model::is_unsafe;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Taken as it is.
    Text(String),
    /// What an environment variable or a variable of the script holds; the script ends where it is not set.
    Variable(String),
}

impl From<&str> for Piece {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Quotes a text as one word of bash. What cannot be seen, or could be a command to a CI system, is written as an escape.
pub(super) fn quote(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(bare) {
        return text.to_owned();
    }
    if !text.chars().any(is_unsafe) && !text.contains("##") {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let mut quoted = String::from("$'");
    for c in text.chars().filter(|c| *c != '\0') {
        // Writing to a String cannot fail.
        let _ = match c {
            '\'' | '\\' => write!(quoted, "\\{c}"),
            '#' if quoted.ends_with('#') => write!(quoted, "\\x23"),
            c if is_unsafe(c) => c.to_string().bytes().try_for_each(|byte| write!(quoted, "\\x{byte:02x}")),
            c => write!(quoted, "{c}"),
        };
    }
    quoted.push('\'');
    // In bash a `\xHH` takes two digits at most, so that what follows is not swallowed.
    quoted
}

/// One word out of pieces.
pub(super) fn word(pieces: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => quote(text),
        Piece::Variable(name) => format!("\"${{{name}:?}}\""),
    };
    pieces.iter().map(piece).collect()
}

/// A here-document whose text the shell does not look into, with an end that is no line of it.
pub(super) fn document(text: &str) -> (String, String) {
    let mut end = "SQL".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    (format!("<<'{end}'"), format!("{text}\n{end}\n"))
}
