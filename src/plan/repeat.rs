//! Reads the parsed text into a tree: variables filled in, templates laid under what extends them, tables repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{Data, Entry, Node, Table};
use super::variables::{Each, Variables};
use super::{describe, node, suggest};
use crate::model::{Finding, Place};

type Raw<'t> = Spanned<DeValue<'t>>;

/// Turns the parsed document into a tree. Texts outside `[variables]` get their variables filled in; what extends a
/// template has its keys, and what is repeated stands there once for each item. What the whole document lacks is shown at
/// its first character, which is `first` bytes long.
pub(super) fn tree(
    root: &DeTable<'_>,
    variables: &mut Variables<'_>,
    findings: &mut Vec<Finding>,
    first: usize,
) -> Node {
    let templates = root.get("template").map(Spanned::get_ref).and_then(DeValue::as_table);
    let mut reader = Reader { variables, findings, templates, extended: BTreeSet::new() };
    let mut table = Table::new();
    for (key, value) in root {
        let node = match key.get_ref().as_ref() {
            "variables" => node::plain(value),
            "resource" => reader.kinds(value),
            name if describe::is_labelled(name) => reader.labelled(value),
            // Its tables are checked where they are extended; that it holds tables is checked here.
            "template" => template(value),
            _ => reader.node(&[value], Level::Plain),
        };
        table.insert(key.get_ref().to_string(), Entry { key: key.span(), node });
    }
    reader.unused();
    Node { span: 0..first, data: Data::Table(table), filled: false }
}

struct Reader<'a, 't, 'g> {
    variables: &'a mut Variables<'g>,
    findings: &'a mut Vec<Finding>,
    /// `[template]`.
    templates: Option<&'t DeTable<'t>>,
    /// The templates that something extends.
    extended: BTreeSet<String>,
}

impl<'t> Reader<'_, 't, '_> {
    /// `[resource]`: labelled tables by kind.
    fn kinds(&mut self, value: &'t Raw<'t>) -> Node {
        let Some(kinds) = value.get_ref().as_table() else { return self.node(&[value], Level::Plain) };
        let of = |(key, labels): (&'t Spanned<_>, &'t Raw<'t>)| {
            let name: &std::borrow::Cow<'t, str> = key.get_ref();
            (name.to_string(), Entry { key: key.span(), node: self.labelled(labels) })
        };
        Node { span: value.span(), data: Data::Table(kinds.iter().map(of).collect()), filled: false }
    }

    /// Tables by label, each of them once or once for each item.
    fn labelled(&mut self, value: &'t Raw<'t>) -> Node {
        let Some(labels) = value.get_ref().as_table() else { return self.node(&[value], Level::Plain) };
        let mut table = Table::new();
        for (key, one) in labels {
            let layers = self.layers(one);
            let Some(source) = first(&layers, "for_each") else {
                let (label, _, _) = self.variables.fill(key.get_ref(), &key.span(), self.findings);
                let node = self.node(&layers, Level::Labelled);
                self.insert(&mut table, label, key.span(), node);
                continue;
            };
            if !key.get_ref().contains("${each.key}") {
                self.findings.push(same_label(key.get_ref(), key.span()));
            }
            for each in self.items(source) {
                self.variables.each = Some(each);
                let (label, _, _) = self.variables.fill(key.get_ref(), &key.span(), self.findings);
                let node = self.node(&layers, Level::Labelled);
                self.variables.each = None;
                self.insert(&mut table, label, key.span(), node);
            }
        }
        Node { span: value.span(), data: Data::Table(table), filled: false }
    }

    fn insert(&mut self, table: &mut Table, label: String, key: Range<usize>, node: Node) {
        if table.contains_key(&label) {
            let finding = Finding::error("duplicate-key", format!("`{label}` is there twice"), Place::from(key));
            let remedy = "give each repetition a label of its own; `${each.key}` tells them apart";
            // The message about a label without the key says it already.
            if !self.findings.iter().any(|other| other.rule == "same-label" && other.place == finding.place) {
                self.findings.push(finding.label("made again here").remedy(remedy));
            }
            return;
        }
        table.insert(label, Entry { key, node });
    }

    /// A table, and under it what it extends, the nearest first.
    fn layers(&mut self, one: &'t Raw<'t>) -> Vec<&'t Raw<'t>> {
        let mut layers = vec![one];
        let mut seen = BTreeSet::new();
        while let Some(named) = layers.last().and_then(|last| get(last, "extends")) {
            let Some(name) = named.get_ref().as_str() else {
                self.findings.push(
                    Finding::error("wrong-type", "`extends` has to be text", Place::from(named.span()))
                        .label("expected text")
                        .remedy("write extends = \"NAME\", for a table [template.NAME]"),
                );
                break;
            };
            let found = self.templates.and_then(|templates| templates.get(name));
            let Some(found) = found.filter(|_| seen.insert(name)) else {
                self.findings.push(self.not_extendable(name, found.is_some(), named.span()));
                break;
            };
            self.extended.insert(name.to_owned());
            layers.push(found);
        }
        layers
    }

    fn not_extendable(&self, name: &str, circular: bool, span: Range<usize>) -> Finding {
        if circular {
            return Finding::error("cycle", "a template extends itself", Place::from(span))
                .label("leads back to where it came from")
                .remedy("take one `extends` of the circle out");
        }
        let names = self.templates.into_iter().flatten().map(|(key, _)| key.get_ref().as_ref());
        let remedy = match self.templates {
            Some(_) => suggest::remedy(name, "templates", names),
            None => format!("declare it as [template.{name}], or take `extends` out"),
        };
        Finding::error("dangling-reference", format!("there is no [template.{name}]"), Place::from(span))
            .label("not declared")
            .remedy(remedy)
    }

    fn unused(&mut self) {
        for (key, _) in self.templates.into_iter().flatten() {
            if !self.extended.contains(key.get_ref().as_ref()) {
                let title = format!("the template `{}` is not used", key.get_ref());
                self.findings.push(
                    Finding::warning("unused-template", title, Place::from(key.span()))
                        .label("declared here")
                        .remedy(format!("write extends = \"{}\" in a table, or remove it", key.get_ref())),
                );
            }
        }
    }

    /// What a value is, when `layers` are laid over each other: tables are joined key by key, and of everything else the
    /// nearest counts.
    fn node(&mut self, layers: &[&'t Raw<'t>], level: Level) -> Node {
        let Some(nearest) = layers.first() else { return Node { span: 0..0, data: Data::Broken, filled: false } };
        let span = nearest.span();
        let mut filled = false;
        let data = match nearest.get_ref() {
            DeValue::String(text) => {
                let (text, some, well) = self.variables.fill(text, &span, self.findings);
                filled = some;
                if well { Data::Text(text) } else { Data::Broken }
            }
            DeValue::Array(list) => Data::List(list.iter().flat_map(|item| self.repeated(item)).collect()),
            DeValue::Table(_) => Data::Table(self.table(layers, level)),
            _ => node::plain(nearest).data,
        };
        Node { span, data, filled }
    }

    fn table(&mut self, layers: &[&'t Raw<'t>], level: Level) -> Table {
        let tables: Vec<&'t DeTable<'t>> = layers.iter().map_while(|layer| layer.get_ref().as_table()).collect();
        let mut keys = BTreeMap::new();
        for (key, _) in tables.iter().copied().flatten() {
            keys.entry(key.get_ref().to_string()).or_insert(key.span());
        }
        let mut joined = Table::new();
        for (name, key) in keys.into_iter().filter(|(name, _)| !level.words().contains(&name.as_str())) {
            let values: Vec<&'t Raw<'t>> = tables.iter().filter_map(|table| table.get(name.as_str())).collect();
            let node = self.node(alike(&name, &values), Level::Plain);
            let (name, _, _) = self.variables.fill(&name, &key, self.findings);
            self.insert(&mut joined, name, key, node);
        }
        joined
    }

    /// One item of a list: once, or once for each item of its `for_each`.
    fn repeated(&mut self, item: &'t Raw<'t>) -> Vec<Node> {
        let Some(source) = get(item, "for_each") else { return vec![self.node(&[item], Level::Item)] };
        if self.variables.each.is_some() {
            self.findings.push(
                Finding::error("nested-for-each", "a repetition inside a repetition", Place::from(source.span()))
                    .label("the table around it is repeated already")
                    .remedy("write the items out, or repeat only one of the two"),
            );
            return Vec::new();
        }
        let mut nodes = Vec::new();
        for each in self.items(source) {
            self.variables.each = Some(each);
            nodes.push(self.node(&[item], Level::Item));
            self.variables.each = None;
        }
        nodes
    }

    /// The items of a `for_each`: a list or a table, or a variable that holds one.
    fn items(&mut self, source: &'t Raw<'t>) -> Vec<Each> {
        let said = self.findings.len();
        let (node, place) = match source.get_ref().as_str() {
            Some(text) => match self.variables.many(text, &source.span(), self.findings) {
                Some(node) => (node, Place::from(source.span())),
                None => return Vec::new(),
            },
            None => (self.node(&[source], Level::Plain), Place::from(source.span())),
        };
        let items: Option<Vec<Each>> = match &node.data {
            Data::List(list) => list.iter().map(Each::of_item).collect(),
            Data::Table(table) => table.iter().map(|(key, entry)| Each::of_entry(key, &entry.node)).collect(),
            _ => None,
        };
        items.unwrap_or_else(|| {
            if self.findings.len() > said {
                return Vec::new();
            }
            self.findings.push(
                Finding::error("wrong-type", "`for_each` has to be a list of text, or a table", place)
                    .label("expected a list of text, a table of text, or a table of tables of text")
                    .remedy("write for_each = [\"a\", \"b\"], or { a = { size = \"1\" }, b = { size = \"2\" } }"),
            );
            Vec::new()
        })
    }
}

/// What a table may say about how it is read, and what is therefore no key of it.
#[derive(Clone, Copy)]
enum Level {
    /// A table by label: it may extend a template and be repeated.
    Labelled,
    /// A table in a list: it may be repeated.
    Item,
    Plain,
}

impl Level {
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Labelled => &["for_each", "extends"],
            Self::Item => &["for_each"],
            Self::Plain => &[],
        }
    }
}

/// The nearest layers that are laid over each other. A value that stands for another, such as `{ env = "NAME" }`, is not
/// joined with anything: of it and what lies under or over it the nearest counts, whole.
fn alike<'l, 't>(name: &str, layers: &'l [&'t Raw<'t>]) -> &'l [&'t Raw<'t>] {
    let pointer = |layer: &&Raw<'_>| {
        let table = layer.get_ref().as_table().filter(|table| table.len() == 1);
        table.is_some_and(|table| ["env", "ref"].iter().any(|mark| table.contains_key(*mark)))
    };
    match layers.iter().position(pointer) {
        Some(at) if !describe::is_map(name) => &layers[..at.max(1)],
        _ => layers,
    }
}

/// `[template]`: its keys alone, so that no text in it is looked at where it stands for nothing yet.
fn template(value: &Raw<'_>) -> Node {
    let node = node::plain(value);
    let Data::Table(table) = node.data else { return node };
    let keys = table.into_iter().map(|(label, entry)| {
        let data = if entry.node.table().is_some() { Data::Table(Table::new()) } else { entry.node.data };
        (label, Entry { key: entry.key, node: Node { span: entry.node.span, data, filled: false } })
    });
    Node { span: node.span, data: Data::Table(keys.collect()), filled: false }
}

fn get<'t>(value: &'t Raw<'t>, name: &str) -> Option<&'t Raw<'t>> {
    value.get_ref().as_table()?.get(name)
}

/// What the nearest layer that has the key says.
fn first<'t>(layers: &[&'t Raw<'t>], name: &str) -> Option<&'t Raw<'t>> {
    layers.iter().find_map(|layer| get(layer, name))
}

fn same_label(label: &str, span: Range<usize>) -> Finding {
    Finding::error("same-label", format!("each repetition of `{label}` has the same label"), Place::from(span))
        .label("lacks ${each.key}")
        .remedy(format!("write the label as \"{label}-${{each.key}}\""))
}

#[cfg(test)]
#[path = "repeat_tests.rs"]
mod tests;
