//! Lowers `[role.L]`: the role, all roles' grants joined per server and database, a check of each role's privileges.

use std::collections::{BTreeMap, BTreeSet};

use super::describe::{GRANT, IN_SCHEMAS, PRIVILEGES};
use super::draft::Draft;
use super::lower::Lowering;
use super::names;
use super::node::{Entry, Node};
use crate::model::{Address, Attributes, Finding, Type, Value};

const MEMBERSHIPS: Type = Type::Any(&[Type::Map(&Type::Bool), Type::Map(&Type::Map(&Type::Bool))]);

/// The grants of all roles in one database.
struct Group {
    draft: Draft,
    rules: Vec<Value>,
    exclusive: BTreeSet<String>,
}

type Groups = BTreeMap<(String, String), Group>;

impl<'a> Lowering<'a> {
    pub(super) fn roles(&mut self) {
        let mut groups = Groups::new();
        for (label, entry) in self.root.entries("role") {
            self.role(label, entry, &mut groups);
        }
        let mut servers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (server, database) in groups.keys() {
            servers.entry(database).or_default().insert(server);
        }
        let ambiguous: BTreeSet<String> = servers
            .iter()
            .filter(|(_, servers)| servers.len() > 1)
            .map(|(database, _)| (*database).to_owned())
            .collect();
        for ((server, database), Group { mut draft, rules, exclusive }) in groups {
            let name = if ambiguous.contains(&database) { format!("{server}/{database}") } else { database };
            draft.address = Address::new("database_grants", name);
            draft.attributes.insert("grants".to_owned(), Value::List(rules));
            if !exclusive.is_empty() {
                let exclusive = exclusive.into_iter().map(Value::Text).collect();
                draft.attributes.insert("exclusive".to_owned(), Value::List(exclusive));
            }
            self.out.drafts.push(draft);
        }
    }

    fn role(&mut self, label: &str, entry: &'a Entry, groups: &mut Groups) {
        let node = &entry.node;
        self.label_as_name(&format!("role.{label}"), label, entry, names::role);
        let name = node.get_text("name").unwrap_or(label);
        let server = self.server_name(node);
        let mut role = Draft::new("database_role", label, node.span.clone())
            .with_key("server", server.as_deref())
            .with_key("name", Some(name));
        self.principal(label, node, &mut role);
        role.set("adopt", &Type::Bool, node.get("adopt"));
        role.set("exclusive", &Type::Bool, node.get("exclusive"));
        role.set("member_of", &MEMBERSHIPS, node.get("member_of"));
        if let Some(members) = node.get("member_of") {
            // A membership of a list has a place of its own too.
            let items = members.list().iter();
            role.places.extend(items.filter_map(|item| Some((format!("member_of.{}", item.text()?), item.place()))));
        }
        for attribute in ["superuser", "replication", "bypass_rls", "create_db", "create_role", "inherit"] {
            role.set(attribute, &Type::Bool, node.get("attributes").and_then(|inner| inner.get(attribute)));
        }
        role.set(
            "connection_limit",
            &Type::Int,
            node.get("attributes").and_then(|inner| inner.get("connection_limit")),
        );
        let mut drafts = vec![role];
        let mut databases: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for rule in node.get_list("grants").iter().filter(|rule| rule.table().is_some()) {
            self.rule_makes_sense(rule);
            let (Some(server), Some(database)) = (&server, rule.get_text("database")) else { continue };
            let group = groups.entry((server.clone(), database.to_owned())).or_insert_with(|| Group {
                draft: Draft::new("database_grants", database, rule.span.clone())
                    .with_key("server", Some(server))
                    .with_key("database", Some(database)),
                rules: Vec::new(),
                exclusive: BTreeSet::new(),
            });
            group
                .draft
                .places
                .entry("database".to_owned())
                .or_insert_with(|| rule.get("database").map_or_else(|| rule.place(), Node::place));
            if node.get_bool("exclusive") == Some(true) {
                group.exclusive.insert(name.to_owned());
            }
            let value = rule_value(name, rule, group);
            databases.entry(database).or_default().push(value);
        }
        if let Some(server) = &server {
            let several = databases.len() > 1;
            drafts.extend(databases.into_iter().map(|(database, rules)| {
                let title =
                    if several { format!("{label} privileges in {database}") } else { format!("{label} privileges") };
                privileges_check(title, node, (server, database, name), rules)
            }));
        }
        self.take(Address::new("role", label), node, drafts);
    }

    fn principal(&mut self, label: &str, node: &Node, role: &mut Draft) {
        let (identity, object_id) = (node.get("identity"), node.get("object_id"));
        role.set("object_id", &Type::Guid, identity.or(object_id));
        let kind = node.get_text("type").unwrap_or("service");
        role.attributes.insert("principal_type".to_owned(), kind.into());
        if node.table().is_some() && identity.is_some() == object_id.is_some() {
            let both = identity.is_some();
            self.findings.push(
                Finding::error(
                    if both { "conflicting-keys" } else { "missing-key" },
                    format!("`role.{label}` needs either `identity` or `object_id`"),
                    node.place(),
                )
                .label(if both { "both are given" } else { "neither is given" })
                .remedy(
                    "write identity = { ref = \"app.x.principal_id\" } or object_id = \"...\"; a role that is there \
                     already and only gets privileges goes into [resource.database_grants.<name>]",
                ),
            );
        }
    }

    fn rule_makes_sense(&mut self, rule: &Node) {
        let has = |key: &str| rule.get(key).is_some();
        let privileges = PRIVILEGES.iter().map(|(object, _)| *object).chain(["columns", "languages"]);
        if !privileges.into_iter().any(has) {
            self.findings.push(
                Finding::error("empty-grant", "this grants nothing", rule.place())
                    .label("no privileges")
                    .remedy("list privileges, such as tables = [\"SELECT\"]"),
            );
        } else if !has("schemas") && IN_SCHEMAS.into_iter().any(has) {
            self.findings.push(
                Finding::error("missing-key", "this does not say in which schemas", rule.place())
                    .label("`schemas` is required here")
                    .remedy("add schemas = [\"...\"], or schemas = \"*\" for all of them"),
            );
        }
        let future = rule.get_bool("future") == Some(true) || !rule.get_list("future").is_empty();
        let creates = ["schema", "tables", "sequences", "functions", "types"];
        if future && !creates.into_iter().any(has) {
            self.findings.push(
                Finding::error("empty-grant", "`future` has nothing to grant on what will be created", rule.place())
                    .label("no privileges on objects")
                    .remedy("list privileges on tables, sequences, functions or types, or remove `future`"),
            );
        }
        if let Some(only) = rule.get("only").filter(|_| future) {
            self.findings.push(
                Finding::error("conflicting-keys", "`future` is about everything that will be created", only.place())
                    .label("names single objects")
                    .remedy("put what is to hold for single objects into a rule of its own, without `future`"),
            );
        }
    }
}

fn rule_value(grantee: &str, rule: &Node, group: &mut Group) -> Value {
    let path = format!("grants.{}", group.rules.len());
    group.draft.places.insert(path.clone(), rule.place());
    let mut value: Attributes = group.draft.table(&path, GRANT, rule);
    value.remove("database");
    value.insert("role".to_owned(), grantee.into());
    let value = Value::Map(value);
    group.rules.push(value.clone());
    value
}

fn privileges_check(title: String, node: &Node, of: (&str, &str, &str), rules: Vec<Value>) -> Draft {
    let mut draft = Draft::new("check", title, node.span.clone());
    let (server, database, role) = of;
    let privileges = Attributes::from([
        ("server".to_owned(), server.into()),
        ("database".to_owned(), database.into()),
        ("role".to_owned(), role.into()),
        ("grants".to_owned(), Value::List(rules)),
    ]);
    draft.attributes.insert("privileges".to_owned(), Value::Map(privileges));
    draft
}

/// Marks the rules whose role this plan file makes itself, so that it need not be there when planning.
pub(super) fn mark_managed(drafts: &mut [Draft]) {
    let text = |map: &Attributes, name: &str| map.get(name).and_then(Value::as_text).map(str::to_owned);
    let roles = drafts.iter().filter(|draft| draft.address.kind == "database_role");
    let made: BTreeSet<_> = roles.map(|draft| (text(&draft.key, "server"), text(&draft.key, "name"))).collect();
    for draft in drafts.iter_mut().filter(|draft| draft.address.kind == "database_grants") {
        let server = text(&draft.key, "server");
        for field in ["grants", "revoke"] {
            let Some(Value::List(rules)) = draft.attributes.get_mut(field) else { continue };
            for rule in rules {
                if let Value::Map(rule) = rule
                    && made.contains(&(server.clone(), text(rule, "role")))
                {
                    rule.insert("managed".to_owned(), true.into());
                }
            }
        }
    }
}
