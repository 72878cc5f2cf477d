//! Drafts: resources as far as one table of the text tells, with every reference and its place, before they are joined.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::check::fits;
use super::describe::{self, ALIASES};
use super::node::{Data, Node};
use crate::model::{Address, Attributes, Field, Place, Ref, SecretSource, SecretValue, Type, Value};

/// One resource to be.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) address: Address,
    pub(super) key: Attributes,
    pub(super) attributes: Attributes,
    pub(super) after: BTreeSet<Address>,
    /// The table it comes from.
    pub(super) span: Range<usize>,
    /// Every reference in it.
    pub(super) references: Vec<Written>,
    /// Places inside it, by path: `settings.NAME`, `grants.0`.
    pub(super) places: BTreeMap<String, Place>,
}

/// A reference as it is written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) reference: Result<Ref, String>,
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

impl Draft {
    pub(super) fn new(kind: &str, name: impl Into<String>, span: Range<usize>) -> Self {
        Self {
            address: Address::new(kind, name),
            key: Attributes::new(),
            attributes: Attributes::new(),
            after: BTreeSet::new(),
            span,
            references: Vec::new(),
            places: BTreeMap::new(),
        }
    }

    /// Adds a part of the key.
    pub(super) fn with_key(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.key.insert(name.to_owned(), Value::text(value));
        }
        self
    }

    /// Adds an attribute, where the text gives one.
    pub(super) fn set(&mut self, name: &str, ty: &Type, node: Option<&Node>) {
        if let Some(node) = node
            && let Some(value) = self.value(name, ty, node)
        {
            self.places.insert(name.to_owned(), node.place());
            self.attributes.insert(name.to_owned(), value);
        }
    }

    /// The value of a node under a type; `None` where it does not fit (the walker has said so).
    pub(super) fn value(&mut self, path: &str, ty: &Type, node: &Node) -> Option<Value> {
        if !matches!(ty, Type::Map(_) | Type::Table(_)) {
            if let Some(text) = node.marked("ref").and_then(Node::text) {
                let reference = parse_reference(text);
                let open = reference.clone().ok().map(Value::Open);
                self.references.push(Written { reference, text: text.to_owned(), span: node.span.clone() });
                return open;
            }
            if let Some(name) = node.marked("env").and_then(Node::text) {
                let source = Some(SecretSource::Env(name.to_owned()));
                return Some(Value::Secret(SecretValue { source, digest: None }));
            }
        }
        match (ty, &node.data) {
            (_, Data::Bool(value)) => Some(Value::Bool(*value)),
            (_, Data::Int(number)) => Some(Value::Int(*number)),
            (Type::Map(Type::Bool), Data::List(items)) => {
                Some(Value::Map(items.iter().filter_map(|item| Some((item.text()?.to_owned(), true.into()))).collect()))
            }
            (Type::Any(types), _) => types.iter().find(|ty| fits(ty, node)).and_then(|ty| self.value(path, ty, node)),
            (_, Data::Text(text)) => Some(Value::text(text.as_str())),
            (Type::List(item), Data::List(items)) => Some(Value::List(
                items.iter().enumerate().filter_map(|(i, node)| self.part(path, &i, item, node)).collect(),
            )),
            (Type::Map(item), Data::Table(table)) => {
                let entry = |(name, entry): (&String, &super::node::Entry)| {
                    Some((name.clone(), self.part(path, name, item, &entry.node)?))
                };
                Some(Value::Map(table.iter().filter_map(entry).collect()))
            }
            (Type::Table(fields), Data::Table(_)) => Some(Value::Map(self.table(path, fields, node))),
            _ => None,
        }
    }

    fn part(&mut self, path: &str, name: &dyn std::fmt::Display, ty: &Type, node: &Node) -> Option<Value> {
        let path = format!("{path}.{name}");
        self.places.insert(path.clone(), node.place());
        self.value(&path, ty, node)
    }

    /// The values of a table's known fields.
    pub(super) fn table(&mut self, path: &str, fields: &'static [Field], node: &Node) -> Attributes {
        let mut out = Attributes::new();
        for field in describe::in_plan(fields) {
            if let Some(inner) = node.get(field.name)
                && let Some(value) = self.part(path, &field.name, &field.ty, inner)
            {
                out.insert(field.name.to_owned(), value);
            }
        }
        out
    }
}

/// Reads `kind.name.output`; `app`, `role` and `server` stand for the kind that gives the outputs.
fn parse_reference(text: &str) -> Result<Ref, String> {
    let wrong = || format!("{text:?} is not a reference");
    let (address, output) = text.rsplit_once('.').ok_or_else(wrong)?;
    let mut address: Address = address.parse().map_err(|_| wrong())?;
    if let Some((_, kind)) = ALIASES.iter().find(|(alias, _)| *alias == address.kind) {
        (*kind).clone_into(&mut address.kind);
    }
    if output.is_empty() || output.contains('"') {
        Err(wrong())
    } else {
        Ok(Ref { address, output: output.to_owned() })
    }
}
