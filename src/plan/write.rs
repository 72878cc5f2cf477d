//! Writes plan files: tables and their values to TOML text, with every name, text and comment made harmless in one place.

use std::fmt::Write as _;

use toml_edit::{Array, InlineTable, Key, Value as Toml};

use super::format;
use crate::model::{Ref, Value, is_unsafe, written_out};

/// A list or table that makes its line longer than this gets a line for each element.
const WIDE: usize = 110;

/// One table of a plan file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Comments above it, one a line.
    pub comments: Vec<String>,
    /// `["role", "x", "grants"]`; empty for the top.
    pub path: Vec<String>,
    /// Whether it is one of several: `[[role.x.grants]]`.
    pub list: bool,
    /// Its keys in order.
    pub lines: Vec<SectionLine>,
}

/// A key of a table, with comments above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionLine {
    /// Comments, one a line.
    pub comments: Vec<String>,
    /// The key.
    pub key: String,
    /// The value. [`Value::Open`] is a reference, whose address says `app`, `role` or `server`.
    pub value: Value,
}

impl Section {
    /// A table without keys.
    pub fn new(path: &[&str]) -> Self {
        Self { path: path.iter().map(|part| (*part).to_owned()).collect(), ..Self::default() }
    }

    /// Puts a comment above it.
    #[must_use]
    pub fn about(mut self, comment: impl Into<String>) -> Self {
        self.comments.push(comment.into());
        self
    }

    /// Adds a key.
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Value>) -> Self {
        self.because(key, value, None::<String>)
    }

    /// Adds a key with comments above it.
    #[must_use]
    pub fn because<C: Into<String>>(
        mut self,
        key: &str,
        value: impl Into<Value>,
        comments: impl IntoIterator<Item = C>,
    ) -> Self {
        let comments = comments.into_iter().map(Into::into).collect();
        self.lines.push(SectionLine { comments, key: key.to_owned(), value: value.into() });
        self
    }
}

/// The text of a plan file, laid out as `pgentra fmt` does.
pub fn write(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        text.push('\n');
        section.comments.iter().for_each(|line| comment(&mut text, line));
        if !section.path.is_empty() {
            let path: Vec<String> = section.path.iter().map(|part| key(part)).collect();
            let path = path.join(".");
            let (open, close) = if section.list { ("[[", "]]\n") } else { ("[", "]\n") };
            text.extend([open, path.as_str(), close]);
        } else if !section.comments.is_empty() {
            text.push('\n');
        }
        for line in &section.lines {
            line.comments.iter().for_each(|line| comment(&mut text, line));
            text.push_str(&written(&line.key, &line.value));
        }
    }
    format(&text).ok().flatten().unwrap_or(text)
}

/// A comment in lines of readable width. What would end the line or means something to a terminal or a CI system is
/// written as an escape.
fn comment(text: &mut String, comment: &str) {
    let mut line = "#".to_owned();
    // Twice, because three in a row are two pairs.
    for word in written_out(comment).replace("##", "# #").replace("##", "# #").split(' ') {
        if line.chars().count() + word.chars().count() > WIDE && line != "#" {
            text.push_str(&line);
            text.push('\n');
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// A key. Variables are filled into keys, as into texts.
fn key(name: &str) -> String {
    let name = literal(name);
    if is_tame(&name) { Key::new(name).to_string() } else { escaped(&name) }
}

/// The text in which no variable is filled in when a plan file is read.
fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// Whether a text may stand in the file as it is. Any other would do something to whoever prints the file, or look like
/// another one to whoever reads it.
fn is_tame(text: &str) -> bool {
    !text.chars().any(is_unsafe) && !text.contains("##")
}

/// A TOML string of one line with every unsafe character, and every second `#` of a pair, as an escape.
fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '#' if out.ends_with('#') => out.push_str("\\u0023"),
            // Writing to a String cannot fail.
            c if is_unsafe(c) && u32::from(c) > 0xffff => drop(write!(out, "\\U{:08x}", u32::from(c))),
            c if is_unsafe(c) => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A text as a value; what the TOML library spells in another way is kept as it is written here.
fn spelled(text: &str) -> Toml {
    let tame = || Toml::from(text);
    if is_tame(text) { tame() } else { escaped(text).parse().unwrap_or_else(|_| tame()) }
}

fn written(name: &str, value: &Value) -> String {
    let line = format!("{} = {}\n", key(name), toml(value, false));
    if line.chars().count() > WIDE { format!("{} = {}\n", key(name), toml(value, true)) } else { line }
}

/// A value.
fn toml(value: &Value, open: bool) -> Toml {
    match value {
        Value::Bool(flag) => Toml::from(*flag),
        Value::Int(number) => Toml::from(*number),
        Value::Text(text) => spelled(&literal(text)),
        Value::List(list) => Toml::Array(array(list, open)),
        Value::Map(map) => {
            let mut table = InlineTable::new();
            for (name, value) in map {
                let key = key(name).parse().unwrap_or_else(|_| Key::new(literal(name)));
                table.insert_formatted(&key, toml(value, false));
            }
            if open {
                table.set_trailing("\n");
            }
            Toml::InlineTable(table)
        }
        Value::Open(Ref { address, output }) => {
            let mut table = InlineTable::new();
            table.insert("ref", spelled(&literal(&format!("{address}.{output}"))));
            Toml::InlineTable(table)
        }
        // No plan file says these.
        Value::Null | Value::Letters(_) | Value::Secret(_) => Toml::from(""),
    }
}

fn array(list: &[Value], open: bool) -> Array {
    let mut array = Array::new();
    for value in list {
        if open {
            let mut value = toml(value, false);
            value.decor_mut().set_prefix("\n  ");
            array.push_formatted(value);
        } else {
            array.push(toml(value, false));
        }
    }
    if open {
        array.set_trailing("\n");
        array.set_trailing_comma(true);
    }
    array
}

#[cfg(test)]
mod tests {
    use super::{Section, literal, write};
    use crate::model::{Address, Attributes, Ref, Value};
    use crate::plan::format;
    use crate::report::tests::hostile::{hostile, tame};
    use proptest::prelude::*;

    /// What a value is read back as; references are tables.
    fn plain(value: &Value) -> toml::Value {
        match value {
            Value::Bool(flag) => (*flag).into(),
            Value::Int(number) => (*number).into(),
            Value::Text(text) => literal(text).into(),
            Value::List(list) => toml::Value::Array(list.iter().map(plain).collect()),
            Value::Map(map) => {
                toml::Value::Table(map.iter().map(|(name, value)| (literal(name), plain(value))).collect())
            }
            other => panic!("{other:?}"),
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            ".*".prop_map(Value::Text)
        ];
        leaf.prop_recursive(3, 20, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                proptest::collection::btree_map(".{0,40}", inner, 0..4).prop_map(|map| Value::Map(map.into())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_the_names_the_text_says_that_and_is_laid_out(
            label in ".{0,40}", key in ".{0,40}", value in value(), remark in ".{0,200}",
        ) {
            let section = Section::new(&["role", &label]).about(remark.clone()).because(&key, value.clone(), [remark]);
            let text = write(&[Section::new(&[]).with("version", Value::Int(1)), section]);
            let table: toml::Table = text.parse().map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            prop_assert_eq!(&table["role"][&literal(&label)][&literal(&key)], &plain(&value));
            prop_assert_eq!(table.len(), 2, "a comment became a table: {}", text);
            prop_assert_eq!(format(&text).unwrap(), Some(text));
        }
    }

    #[test]
    fn hostile_names_stay_names_and_cannot_be_obeyed() {
        for name in hostile() {
            let reference = Ref { address: Address::new("role", &name), output: "name".into() };
            let map = Value::Map(Attributes::from([(name.clone(), Value::text(&name))]));
            let section = Section { list: true, ..Section::new(&["role", &name]) };
            let section = section.about(&name).because(&name, name.as_str(), [&name]).with("map", map);
            let section =
                section.with("list", Value::List(vec![Value::text(&name)])).with("ref", Value::Open(reference));
            let text = write(&[Section::new(&[]).about(&name).with("version", Value::Int(1)), section]);
            tame(&text);
            let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
            let (table, key) = (&table["role"][&literal(&name)][0], literal(&name));
            let read = |value: &toml::Value| value.as_str().unwrap().replace("$${", "${");
            assert_eq!(read(&table[&key]), name);
            assert_eq!((read(&table["list"][0]), read(&table["map"][&key])), (name.clone(), name.clone()));
            let reference = read(&table["ref"]["ref"]);
            assert_eq!(reference.strip_suffix(".name").unwrap().parse(), Ok(Address::new("role", name)));
            assert_eq!(format(&text).unwrap().as_deref(), Some(text.as_str()));
        }
    }

    #[test]
    fn it_reads_well() {
        let names: Vec<Value> = (0..12).map(|n| Value::text(format!("a long table name {n}"))).collect();
        let reference = Ref { address: Address::new("role", "a/b"), output: "name".into() };
        let grants = Section { list: true, ..Section::new(&["role", "a/b", "grants"]) };
        let sections = [
            Section::new(&[]).about("What this is.").with("version", Value::Int(1)).with("name", "a\nb ${c}"),
            Section::new(&["app", "x"]).with("NAME", Value::Open(reference)),
            grants.about("why\n[evil]").with("only", Value::List(names)).because(
                "columns",
                Value::Map(Attributes::from([("a.b".to_owned(), true.into())])),
                ["one", "two"],
            ),
        ];
        insta::assert_snapshot!(write(&sections), @r##"
        # What this is.

        version = 1
        name = "a\nb $${c}"

        [app.x]
        NAME = { ref = 'role."a/b".name' }

        # why\n[evil]
        [[role."a/b".grants]]
        only = [
          "a long table name 0",
          "a long table name 1",
          "a long table name 2",
          "a long table name 3",
          "a long table name 4",
          "a long table name 5",
          "a long table name 6",
          "a long table name 7",
          "a long table name 8",
          "a long table name 9",
          "a long table name 10",
          "a long table name 11",
        ]
        # one
        # two
        columns = { "a.b" = true }
        "##);
    }
}
