//! The walker: checks a parsed document against its description and says everything that is wrong with it.

use super::describe::{self, PRIVILEGES};
use super::node::{Data, Node};
use super::{names, settings, suggest};
use crate::model::{Field, Finding, Place, Schema, Type};

/// Walks one document.
pub(super) struct Walker<'f> {
    findings: &'f mut Vec<Finding>,
    schemas: &'f [&'static Schema],
    /// The kind of the table being walked, empty outside `[resource]`.
    kind: &'static str,
}

/// Where a value stands: its field, the words for messages, and whether it is an element of a list or map.
#[derive(Clone, Copy)]
struct At<'a> {
    path: &'a str,
    field: &'static Field,
    element: bool,
}

impl<'f> Walker<'f> {
    pub(super) fn new(schemas: &'f [&'static Schema], findings: &'f mut Vec<Finding>) -> Self {
        Self { findings, schemas, kind: "" }
    }

    /// Checks the whole document.
    pub(super) fn document(&mut self, root: &Node) {
        let fields: Vec<&'static Field> = describe::ROOT.iter().collect();
        self.keys("", root, &fields, &["resource"]);
        if let Some(version) = root.get("version")
            && let Data::Int(number) = version.data
            && number != 1
        {
            self.findings.push(
                Finding::error("unsupported-version", format!("version {number} is not supported"), version.place())
                    .label("not known")
                    .remedy("this pgentra reads version = 1; a newer one may read this file"),
            );
        }
        if let Some(resources) = root.get("resource") {
            self.resources(resources);
        }
    }

    fn resources(&mut self, resources: &Node) {
        let Some(kinds) = self.expect_table("resource", resources) else { return };
        for (kind, entry) in kinds {
            let Some(schema) = self.schemas.iter().find(|schema| schema.kind == kind) else {
                let known = self.schemas.iter().map(|schema| schema.kind);
                let remedy = suggest::remedy(kind, "kinds", known);
                self.findings.push(
                    Finding::error(
                        "unknown-kind",
                        format!("`{kind}` is not a kind of resource"),
                        Place::from(entry.key.clone()),
                    )
                    .label("unknown")
                    .remedy(remedy),
                );
                continue;
            };
            self.kind = schema.kind;
            let path = format!("resource.{kind}");
            for (name, entry) in self.expect_table(&path, &entry.node).into_iter().flatten() {
                self.fields(&format!("{path}.{name}"), &entry.node, &describe::written(schema));
            }
            self.kind = "";
        }
    }

    fn expect_table<'n>(&mut self, path: &str, node: &'n Node) -> Option<&'n super::node::Table> {
        if node.table().is_none() && !matches!(node.data, Data::Broken) {
            self.wrong(path, node, "a table", "{ ... }");
        }
        node.table()
    }

    /// Checks a table against its fields.
    fn fields(&mut self, path: &str, node: &Node, fields: &[&'static Field]) {
        if self.expect_table(path, node).is_some() {
            self.keys(path, node, fields, &[]);
        }
    }

    fn keys(&mut self, path: &str, node: &Node, fields: &[&'static Field], also: &[&'static str]) {
        for (key, entry) in node.table().into_iter().flatten() {
            if let Some(field) = fields.iter().find(|field| field.name == key) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                self.value(At { path: &path, field, element: false }, &field.ty, &entry.node);
            } else if !also.contains(&key.as_str()) {
                let known = fields.iter().map(|field| field.name).chain(also.iter().copied());
                let remedy = suggest::remedy(key, "valid keys", known);
                let of = if path.is_empty() { "a plan file".to_owned() } else { format!("`{path}`") };
                let title = format!("`{key}` is not a key of {of}");
                self.findings.push(
                    Finding::error("unknown-key", title, Place::from(entry.key.clone()))
                        .label("unknown")
                        .remedy(remedy),
                );
            }
        }
        settings::sensitive(node, self.findings);
        for field in fields.iter().filter(|field| field.required && node.get(field.name).is_none()) {
            if !self.kind.is_empty() && describe::from_azure(field.name) {
                continue;
            }
            let of = if path.is_empty() { "the plan file".to_owned() } else { format!("`{path}`") };
            self.findings.push(
                Finding::error("missing-key", format!("{of} lacks `{}`", field.name), node.place())
                    .label(format!("`{}` is required here", field.name))
                    .remedy(format!("add {} = {}: {}", field.name, describe::example(&field.ty), field.doc)),
            );
        }
    }

    fn value(&mut self, at: At<'_>, ty: &'static Type, node: &Node) {
        if matches!(node.data, Data::Broken) {
            return;
        }
        if !matches!(ty, Type::Map(_)) && self.special(at, ty, node) {
            return;
        }
        match (ty, &node.data) {
            (Type::Bool, Data::Bool(_)) | (Type::Int, Data::Int(_)) => self.number(at, node),
            (Type::Text, Data::Text(text)) => self.text(at, node, text),
            (Type::Word(words), Data::Text(text)) => self.word(at, node, text, words),
            (Type::Guid, Data::Text(text)) => self.checked(at, node, "invalid-guid", names::guid(text)),
            (Type::Duration, Data::Text(text)) => self.checked(at, node, "invalid-duration", names::duration(text)),
            (Type::Map(Type::Bool), Data::List(items)) => self.items(at, &Type::Text, items),
            (Type::List(item), Data::List(items)) => self.items(at, item, items),
            (Type::Map(Type::Table(fields)), Data::Table(table)) => {
                let fields: Vec<&'static Field> = describe::in_plan(fields).collect();
                for (name, entry) in table {
                    self.fields(&format!("{}.{name}", at.path), &entry.node, &fields);
                }
            }
            (Type::Map(item), Data::Table(table)) if !matches!(item, Type::Bool) => {
                for (name, entry) in table {
                    let path = format!("{}.{name}", at.path);
                    self.value(At { path: &path, element: true, ..at }, item, &entry.node);
                }
                if at.field.name == "settings" {
                    settings::check(at.path, table, self.findings);
                }
                if at.field.name == "columns" {
                    self.columns(table, item);
                }
            }
            (Type::Table(fields), Data::Table(_)) => {
                let fields: Vec<&'static Field> = describe::in_plan(fields).collect();
                self.fields(at.path, node, &fields);
            }
            (Type::Any(types), _) if types.iter().any(|ty| fits(ty, node)) => {
                if let Some(ty) = types.iter().find(|ty| fits(ty, node)) {
                    self.value(at, ty, node);
                }
            }
            _ => self.wrong(at.path, node, &describe::type_name(ty), &describe::example(ty)),
        }
    }

    fn items(&mut self, at: At<'_>, item: &'static Type, items: &[Node]) {
        for node in items {
            self.value(At { element: true, ..at }, item, node);
        }
    }

    /// Handles `{ ref = ... }` and `{ env = ... }` where they stand for the value itself.
    fn special(&mut self, at: At<'_>, ty: &Type, node: &Node) -> bool {
        if matches!(ty, Type::Table(_) | Type::List(_)) {
            return false;
        }
        // A table whose keys are names from outside may have one of these names.
        if matches!(ty, Type::Any(types) if !at.field.reference && types.iter().any(|ty| matches!(ty, Type::Map(_)))) {
            return false;
        }
        let Some((mark, inner)) = ["ref", "env"].iter().find_map(|mark| Some((*mark, node.marked(mark)?))) else {
            return false;
        };
        let allowed = at.field.reference && (mark == "ref" || at.element);
        if !allowed {
            let (what, why) = if mark == "ref" {
                ("a reference", "a reference cannot stand here: the value has to be known before anything is applied")
            } else {
                ("a secret", "a secret cannot stand here")
            };
            self.findings.push(
                Finding::error("not-literal", format!("`{}` cannot be {what}", at.path), node.place())
                    .label(why)
                    .remedy(format!("write the value itself, such as {}", describe::example(ty))),
            );
        } else if let Data::Text(text) = &inner.data {
            if mark == "env" {
                self.checked(at, inner, "invalid-value", names::env(text));
            }
        } else if !matches!(inner.data, Data::Broken) {
            self.wrong(&format!("{}.{mark}", at.path), inner, "text", "\"...\"");
        }
        for (key, entry) in node.table().into_iter().flatten().filter(|(key, _)| *key != mark) {
            self.findings.push(
                Finding::error(
                    "unknown-key",
                    format!("`{key}` cannot stand beside `{mark}`"),
                    Place::from(entry.key.clone()),
                )
                .label("unknown")
                .remedy(format!("`{mark}` stands alone: {{ {mark} = \"...\" }}")),
            );
        }
        true
    }

    fn number(&mut self, at: At<'_>, node: &Node) {
        let Data::Int(number) = node.data else { return };
        let range = match at.field.name {
            "port" => 1..=65_535,
            "expect_status" => 100..=599,
            "connection_limit" => -1..=i64::from(i32::MAX),
            _ => return,
        };
        if !range.contains(&number) {
            self.findings.push(
                Finding::error("invalid-value", format!("`{}` cannot be {number}", at.path), node.place())
                    .label("out of range")
                    .remedy(format!("use a number from {} to {}", range.start(), range.end())),
            );
        }
    }

    fn text(&mut self, at: At<'_>, node: &Node, text: &str) {
        let check = at.field.check.or_else(|| names::well_known(self.kind, at.field.name));
        if let Some(check) = check {
            self.checked(at, node, "invalid-value", check(text));
        } else if text.contains('\0') {
            let why = "a text with a NUL goes nowhere; leave it out".to_owned();
            self.checked(at, node, "invalid-value", Err(why));
        }
    }

    fn checked(&mut self, at: At<'_>, node: &Node, rule: &'static str, answer: Result<(), String>) {
        let Err(why) = answer else { return };
        let (why, remedy) = why.split_once("; ").unwrap_or((why.as_str(), at.field.doc));
        let label = if node.filled { "after its variables were filled in" } else { "not valid" };
        self.findings
            .push(Finding::error(rule, format!("`{}`: {why}", at.path), node.place()).label(label).remedy(remedy));
    }

    fn word(&mut self, at: At<'_>, node: &Node, text: &str, words: &[&str]) {
        if words.contains(&text) {
            return;
        }
        let privileges = PRIVILEGES.iter().any(|(object, _)| *object == at.field.name);
        let (rule, title, what) = if privileges {
            let object = object_name(at.field.name);
            ("invalid-privilege", format!("{object} has no privilege {text:?}"), "valid privileges")
        } else {
            ("invalid-word", format!("`{}` cannot be {text:?}", at.path), "valid words")
        };
        let mut remedy = suggest::remedy(text, what, words.iter().copied());
        if let Some((other, _)) = PRIVILEGES.iter().find(|(_, words)| privileges && words.contains(&text)) {
            remedy = format!("{text} is a privilege of {}: write it under `{other}`; {remedy}", object_name(other));
        }
        let label = if node.filled { "after its variables were filled in" } else { "not valid here" };
        self.findings.push(Finding::error(rule, title, node.place()).label(label).remedy(remedy));
    }

    /// `table -> privilege -> columns`: both keys mean something.
    fn columns(&mut self, table: &super::node::Table, item: &Type) {
        for (name, entry) in table {
            let place = Place::from(entry.key.clone());
            let (rule, title, remedy) = if matches!(item, Type::Map(_)) {
                let Err(why) = names::object(name) else { continue };
                let (why, remedy) = why.split_once("; ").unwrap_or((&why, ""));
                ("invalid-value", why.to_owned(), remedy.to_owned())
            } else {
                if describe::COLUMNS.contains(&name.as_str()) {
                    continue;
                }
                let remedy = suggest::remedy(name, "valid privileges", describe::COLUMNS.iter().copied());
                ("invalid-privilege", format!("a column has no privilege {name:?}"), remedy)
            };
            self.findings.push(Finding::error(rule, title, place).label("not valid here").remedy(remedy));
        }
    }

    fn wrong(&mut self, path: &str, node: &Node, expected: &str, example: &str) {
        let found = node.type_name();
        let dotted = node.table().is_some() && path.contains(".expect.");
        let remedy = if dotted {
            "put a dotted path in quotes: \"database.auth_method\" = \"...\"".to_owned()
        } else {
            format!("write it as {example}")
        };
        self.findings.push(
            Finding::error("wrong-type", format!("`{path}` has to be {expected}, not {found}"), node.place())
                .label(format!("expected {expected}"))
                .remedy(remedy),
        );
    }
}

/// Whether a value has the shape of a type, whatever it says.
pub(super) fn fits(ty: &Type, node: &Node) -> bool {
    match ty {
        Type::Bool => matches!(node.data, Data::Bool(_)),
        Type::Int => matches!(node.data, Data::Int(_)),
        Type::Text | Type::Word(_) | Type::Duration | Type::Guid => matches!(node.data, Data::Text(_)),
        Type::List(_) | Type::Map(Type::Bool) => matches!(node.data, Data::List(_)),
        Type::Map(_) | Type::Table(_) => matches!(node.data, Data::Table(_)),
        Type::Any(types) => types.iter().any(|ty| fits(ty, node)),
    }
}

fn object_name(field: &str) -> &'static str {
    match field {
        "database_privileges" => "a database",
        "schema" => "a schema",
        "tables" => "a table",
        "partitioned_tables" => "a partitioned table",
        "foreign_tables" => "a foreign table",
        "views" => "a view",
        "materialized_views" => "a materialized view",
        "sequences" => "a sequence",
        "functions" => "a function",
        "procedures" => "a procedure",
        "large_objects" => "a large object",
        "domains" => "a domain",
        _ => "a type",
    }
}
