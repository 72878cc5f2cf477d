//! Several queries in one round trip, on one snapshot: their parameters are written into the text as literals.

use super::quote::quote_literal;

/// One query of a batch: a text of `sql/`, and what its parameters stand for.
#[derive(Clone, Debug)]
pub struct Question {
    /// The text; `$1` is the first parameter. A `--` begins a comment wherever it stands, `$` a parameter.
    pub sql: &'static str,
    /// The parameters in order.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a [`Question`].
#[derive(Clone, Debug)]
pub enum Parameter {
    /// NULL.
    Null,
    /// A text.
    Text(String),
    /// Texts, as `text[]`.
    Texts(Vec<String>),
    /// Numbers, as `int8[]`.
    Numbers(Vec<i64>),
}

impl Parameter {
    fn literal(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Text(text) => quote_literal(text),
            Self::Texts(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| quote_literal(text)).collect();
                format!("ARRAY[{}]::text[]", texts.join(", "))
            }
            Self::Numbers(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
                format!("'{{{}}}'::int8[]", numbers.join(","))
            }
        }
    }
}

impl Question {
    /// A query without parameters.
    pub fn plain(sql: &'static str) -> Self {
        Self { sql, parameters: Vec::new() }
    }

    /// The text that is sent. Comments are gone, so that no literal can end up in one.
    fn text(&self) -> String {
        let mut text = String::with_capacity(self.sql.len());
        for line in self.sql.lines() {
            let mut rest = line.split("--").next().unwrap_or_default().trim();
            while let Some((before, after)) = rest.split_once('$') {
                let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                let parameter = after[..end].parse::<usize>().ok().and_then(|n| self.parameters.get(n.checked_sub(1)?));
                text.push_str(before);
                text.push_str(&parameter.map_or_else(|| "NULL".to_owned(), Parameter::literal));
                rest = &after[end..];
            }
            text.push_str(rest);
            text.push('\n');
        }
        text
    }
}

/// The message that asks all questions on one snapshot. It is a transaction of its own: what fails leaves nothing open.
pub(super) fn message(questions: &[Question]) -> String {
    let texts = questions.iter().map(|question| format!(";\n{}", question.text()));
    format!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY{}", texts.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{Parameter, Question, message};

    #[test]
    fn parameters_become_literals_and_comments_go() {
        let question = Question {
            sql: "-- $1 is a name\nSELECT $2, ($1) -- and $2\nFROM $3::int8[], $4",
            parameters: vec![
                Parameter::Text("it's \\ $2\n-- x".into()),
                Parameter::Texts(vec!["a'b".into(), String::new()]),
                Parameter::Numbers(vec![1, 22]),
                Parameter::Null,
            ],
        };
        let text =
            "\nSELECT ARRAY['a''b', '']::text[], (E'it''s \\\\ $2\n-- x')\nFROM '{1,22}'::int8[]::int8[], NULL\n";
        assert_eq!(question.text(), text);
    }

    #[test]
    fn a_batch_is_one_snapshot() {
        let text = message(&[Question::plain("SELECT 1"), Question::plain("SELECT 2\n")]);
        assert_eq!(text, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;\nSELECT 1\n;\nSELECT 2\n");
    }

    /// The texts in `sql/` keep to what a question takes: no `--` or `$` inside a literal.
    #[test]
    fn the_texts_hold_no_surprises() {
        for sql in [
            include_str!("../../sql/database_grants/roles.sql"),
            include_str!("../../sql/database_grants/defaults.sql"),
            include_str!("../../sql/database_grants/objects.sql"),
            include_str!("../../sql/database_role/state.sql"),
        ] {
            for line in sql.lines() {
                let code = line.split("--").next().unwrap_or_default();
                assert_eq!(code.matches('\'').count() % 2, 0, "a literal goes on in a comment: {line}");
                assert!(!code.contains("$$"), "{line}");
            }
        }
    }
}
