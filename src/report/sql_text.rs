//! A statement as it may stand in a script that a person reads in a terminal: the same statement for PostgreSQL, but on
//! one line, and without characters that a terminal or a CI system would obey.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use crate::model::is_unsafe;

/// The statement with unsafe characters of its names and texts as escapes that PostgreSQL reads back: `U&"..."` for
/// names, `E'...'` for texts. Outside of them the program writes none, and any there is becomes a blank.
pub fn sql_text(statement: &str) -> String {
    if !statement.chars().any(is_unsafe) && !statement.contains("##") {
        return statement.to_owned();
    }
    let mut out = String::with_capacity(statement.len() + 16);
    let mut rest = statement.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => out.push_str(&name(&quoted(&mut rest, '"', false))),
            '\'' => {
                let escaped = out.ends_with('E');
                if escaped {
                    out.pop();
                }
                out.push_str(&text(&quoted(&mut rest, '\'', escaped), escaped));
            }
            c if is_unsafe(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// What stands up to the closing quote, as it is written; the quote itself is consumed.
fn quoted(rest: &mut Peekable<Chars<'_>>, quote: char, backslashes: bool) -> String {
    let mut inside = String::new();
    while let Some(c) = rest.next() {
        let pair = (c == quote && rest.peek() == Some(&quote)) || (c == '\\' && backslashes);
        if c == quote && !pair {
            break;
        }
        inside.push(c);
        if pair {
            inside.extend(rest.next());
        }
    }
    inside
}

/// Characters with whether each has to be escaped: unsafe ones, and every second `#` of a pair.
fn marked(inside: &str) -> impl Iterator<Item = (char, bool)> {
    let before = std::iter::once(' ').chain(inside.chars());
    before.zip(inside.chars()).map(|(last, c)| (c, is_unsafe(c) || (c == '#' && last == '#')))
}

fn name(inside: &str) -> String {
    if !marked(inside).any(|(_, escape)| escape) {
        return format!("\"{inside}\"");
    }
    let mut out = "U&\"".to_owned();
    for (c, escape) in marked(inside) {
        match c {
            // Writing to a String cannot fail.
            c if escape => drop(write!(out, "\\+{:06x}", u32::from(c))),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
    out + "\""
}

fn text(inside: &str, escaped: bool) -> String {
    if !escaped && !marked(inside).any(|(_, escape)| escape) {
        return format!("'{inside}'");
    }
    let mut out = "E'".to_owned();
    for (c, escape) in marked(inside) {
        match c {
            c if escape => drop(write!(out, "\\U{:08x}", u32::from(c))),
            '\\' if !escaped => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
    out + "'"
}

#[cfg(test)]
mod tests {
    use super::sql_text;
    use crate::model::is_unsafe;

    #[test]
    fn harmless_statements_stay() {
        for statement in ["GRANT USAGE ON SCHEMA \"it's; --\" TO \"a\"\"b\"", "SELECT f('x', E'a\\\\b''c')", "COMMIT"] {
            assert_eq!(sql_text(statement), statement);
        }
    }

    #[test]
    fn names_and_texts_keep_their_meaning() {
        assert_eq!(sql_text("DROP ROLE \"a\n\\\"\"\u{1b}[31m\""), "DROP ROLE U&\"a\\+00000a\\\\\"\"\\+00001b[31m\"");
        assert_eq!(sql_text("SELECT f('it''s\r', 'plain')"), "SELECT f(E'it''s\\U0000000d', 'plain')");
        assert_eq!(sql_text("SELECT f(E'a\\\\\n\\'x')"), "SELECT f(E'a\\\\\\U0000000a\\'x')");
        assert_eq!(sql_text("GRANT \"##vso[x]\" TO \"b\""), "GRANT U&\"#\\+000023vso[x]\" TO \"b\"");
    }

    #[test]
    fn nothing_unsafe_is_left_even_where_the_quotes_do_not_match() {
        for statement in ["\"\n", "'\u{202e}", "E'\\", "a\nb", "\"\"\"\u{9b}", "''' \r"] {
            assert!(!sql_text(statement).chars().any(is_unsafe), "{statement:?}");
        }
    }
}
