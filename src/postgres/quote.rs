//! Quoting: the one place where a name or text from outside becomes part of an SQL text.

/// Quotes an identifier, always: `"na""me"`. A NUL byte cannot be part of a name and is left out.
pub fn quote_ident(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars().filter(|c| *c != '\0') {
        if c == '"' {
            quoted.push('"');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Quotes a text as a literal that means the same whatever `standard_conforming_strings` is.
pub fn quote_literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    if text.contains('\\') {
        quoted.push('E');
    }
    quoted.push('\'');
    for c in text.chars().filter(|c| *c != '\0') {
        if c == '\'' || c == '\\' {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

/// Writes a name for people: in quotes only when it holds anything but lower case letters, digits and `_`. Not for SQL,
/// where a keyword would be misread.
pub fn show_ident(name: &str) -> String {
    let bare = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if bare { name.to_owned() } else { quote_ident(name) }
}

/// Reads one name as [`show_ident`] writes it; answers it with the rest of the text.
pub fn take_ident(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end =
            text.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

/// Whether a text may stand between the brackets of a function's signature: type names, in quotes or of harmless
/// characters, nothing that could end the list. The catalog writes them (`format_type`), saved plans carry them.
pub fn is_signature(text: &str) -> bool {
    let outside: String = text.split('"').step_by(2).collect();
    text.matches('"').count().is_multiple_of(2)
        && outside.chars().all(|c| c.is_alphanumeric() || " ,._[]$".contains(c))
        && !outside.contains("$$")
}

#[cfg(test)]
mod tests {
    use super::{is_signature, quote_ident, quote_literal, show_ident, take_ident};
    use proptest::prelude::*;

    #[test]
    fn hostile_names_stay_names() {
        assert_eq!(quote_ident(r#"a"; DROP TABLE x; --"#), r#""a""; DROP TABLE x; --""#);
        assert_eq!(quote_literal(r"it's \ here"), r"E'it''s \\ here'");
        assert_eq!(show_ident("geo"), "geo");
        assert_eq!(show_ident("a.b"), "\"a.b\"");
        assert_eq!(show_ident("1a"), "\"1a\"");
    }

    #[test]
    fn a_signature_cannot_end_its_brackets() {
        for text in ["", "integer, text[]", r#"public."a)b", double precision"#, "numeric"] {
            assert!(is_signature(text), "{text}");
        }
        for text in ["integer) TO x", "a; b", "\"open", "a'b", "a--b", "a/*"] {
            assert!(!is_signature(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn shown_names_are_read_back(name in "[^\0]{1,70}", rest in "( in .*)?") {
            let text = format!("{}{rest}", show_ident(&name));
            prop_assert_eq!(take_ident(&text), Some((name, rest.as_str())));
        }

        #[test]
        fn a_quoted_name_ends_where_it_should(name in "[^\0]*") {
            let quoted = quote_ident(&name);
            let inner = &quoted[1..quoted.len() - 1];
            prop_assert!(!inner.replace("\"\"", "").contains('"'));
            prop_assert_eq!(inner.replace("\"\"", "\""), name);
        }
    }
}
