//! The tree that a plan file is read into: every value and every key with its place.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use crate::model::Place;

/// One value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) data: Data,
    /// Whether a variable was filled in.
    pub(super) filled: bool,
}

/// What the value is.
#[derive(Clone, Debug)]
pub(super) enum Data {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Node>),
    Table(Table),
    /// Of a type that no field has, such as a date.
    Other(&'static str),
    /// A finding was made about it already.
    Broken,
}

pub(super) type Table = BTreeMap<String, Entry>;

/// One key of a table with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Range<usize>,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn place(&self) -> Place {
        Place::from(self.span.clone())
    }

    /// Says of it and all in it that it stands there.
    pub(super) fn place_at(&mut self, span: &Range<usize>) {
        self.span = span.clone();
        match &mut self.data {
            Data::List(items) => items.iter_mut().for_each(|item| item.place_at(span)),
            Data::Table(table) => {
                for entry in table.values_mut() {
                    entry.key = span.clone();
                    entry.node.place_at(span);
                }
            }
            _ => {}
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Data::Text(text) = &self.data { Some(text) } else { None }
    }

    pub(super) fn list(&self) -> &[Node] {
        if let Data::List(list) = &self.data { list } else { &[] }
    }

    pub(super) fn table(&self) -> Option<&Table> {
        if let Data::Table(table) = &self.data { Some(table) } else { None }
    }

    pub(super) fn bool(&self) -> Option<bool> {
        if let Data::Bool(value) = self.data { Some(value) } else { None }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.table().and_then(|table| table.get(name)).map(|entry| &entry.node)
    }

    pub(super) fn get_text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Node::text)
    }

    pub(super) fn get_bool(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(Node::bool)
    }

    pub(super) fn get_list(&self, name: &str) -> &[Node] {
        self.get(name).map_or(&[], Node::list)
    }

    /// The entries of a table inside it, in order of their names.
    pub(super) fn entries(&self, name: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let table = self.get(name).and_then(Node::table);
        table.into_iter().flatten().map(|(label, entry)| (label.as_str(), entry))
    }

    /// The single text of a table such as `{ ref = "..." }`: whether the value has that shape.
    pub(super) fn marked(&self, mark: &str) -> Option<&Node> {
        self.table().filter(|table| table.contains_key(mark)).and_then(|_| self.get(mark))
    }

    /// What it is, in words.
    pub(super) fn type_name(&self) -> &'static str {
        match &self.data {
            Data::Bool(_) => "true or false",
            Data::Int(_) => "a whole number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Table(table) if table.contains_key("ref") => "a reference",
            Data::Table(_) => "a table",
            Data::Other(name) => name,
            Data::Broken => "a broken value",
        }
    }
}

/// A value as it is written, without variables or repetitions.
pub(super) fn plain(value: &Spanned<DeValue<'_>>) -> Node {
    let data = match value.get_ref() {
        DeValue::String(text) => Data::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
            .map_or(Data::Other("a number out of range"), Data::Int),
        DeValue::Float(_) => Data::Other("a number with a fraction"),
        DeValue::Boolean(value) => Data::Bool(*value),
        DeValue::Datetime(_) => Data::Other("a date or time"),
        DeValue::Array(list) => Data::List(list.iter().map(plain).collect()),
        DeValue::Table(table) => Data::Table(
            table
                .iter()
                .map(|(key, item)| (key.get_ref().to_string(), Entry { key: key.span(), node: plain(item) }))
                .collect(),
        ),
    };
    Node { span: value.span(), data, filled: false }
}
