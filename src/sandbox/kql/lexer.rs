//! Text -> tokens of the query language.

use super::parser::Fault;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name or keyword.
    Name(String),
    /// Text in quotes.
    Text(String),
    /// A number.
    Number(f64),
    /// A span of time such as `5m`, in milliseconds.
    Span(i64),
    /// An operator or punctuation.
    Sign(&'static str),
}

const SIGNS: [&str; 22] = [
    "==", "!=", "=~", "!~", ">=", "<=", "..", "|", ",", "(", ")", "[", "]", "=", ">", "<", ".", "+", "-", "*", "/", ";",
];

/// Takes a query apart; comments are left out.
pub fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
        } else if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some((token, tail)) = quoted(rest)? {
            found.push(token);
            rest = tail;
        } else if first.is_ascii_digit() {
            let (token, tail) = number(rest)?;
            found.push(token);
            rest = tail;
        } else if first.is_alphabetic() || first == '_' || first == '$' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            found.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            found.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if rest.starts_with('!') {
            // `!contains`, `!has`: the operator is the name with the mark.
            let end = rest[1..].find(|c: char| !c.is_alphanumeric()).map_or(rest.len(), |end| end + 1);
            found.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            return Err(Fault::syntax(format!("unexpected character '{first}'")));
        }
    }
    Ok(found)
}

/// A text in single or double quotes, with backslash escapes unless an `@` stands before it.
fn quoted(text: &str) -> Result<Option<(Token, &str)>, Fault> {
    let (verbatim, body) = text.strip_prefix('@').map_or((false, text), |body| (true, body));
    let Some(mark) = body.chars().next().filter(|c| *c == '"' || *c == '\'') else { return Ok(None) };
    let mut out = String::new();
    let mut chars = body.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == mark => return Ok(Some((Token::Text(out), &body[at + 1..]))),
            '\\' if !verbatim => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, other)) => out.push(other),
                None => break,
            },
            c => out.push(c),
        }
    }
    Err(Fault::syntax("a text is not closed"))
}

fn number(text: &str) -> Result<(Token, &str), Fault> {
    let dot = |(at, c): (usize, char)| {
        !(c.is_ascii_digit() || (c == '.' && text[at + 1..].starts_with(|next: char| next.is_ascii_digit())))
    };
    let end = text.char_indices().find(|place| dot(*place)).map_or(text.len(), |(at, _)| at);
    let value: f64 = text[..end].parse().map_err(|_| Fault::syntax("no number"))?;
    let rest = &text[end..];
    let unit_end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let factor = match &rest[..unit_end] {
        "" => return Ok((Token::Number(value), rest)),
        "ms" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "second" | "seconds" => 1_000.0,
        "m" | "min" | "minute" | "minutes" => 60_000.0,
        "h" | "hr" | "hour" | "hours" => 3_600_000.0,
        "d" | "day" | "days" => 86_400_000.0,
        unit => return Err(Fault::syntax(format!("no span of time ends in '{unit}'"))),
    };
    #[allow(clippy::cast_possible_truncation, reason = "spans of a query are far below 2^53 milliseconds")]
    let span = (value * factor) as i64;
    Ok((Token::Span(span), &rest[unit_end..]))
}
