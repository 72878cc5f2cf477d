//! Finds what is said twice, servers that nobody can connect to, and a store on the server that changes.

use std::collections::{BTreeMap, BTreeSet};

use super::describe::PRIVILEGES;
use super::draft::Draft;
use super::lower::Lowered;
use super::lower_server::server_of;
use super::node::Node;
use super::{place, suggest};
use crate::model::{Finding, Place, Schema, StoreUrl, Value};

/// Two resources with one address, and two addresses of one thing.
pub(super) fn resources(text: &str, lowered: &Lowered, schemas: &[&'static Schema], findings: &mut Vec<Finding>) {
    let mut addresses = BTreeMap::new();
    let mut things: BTreeMap<(&str, String), &Draft> = BTreeMap::new();
    let twice = findings.iter().filter(|finding| finding.rule == "declared-twice");
    let mut said: BTreeSet<usize> = twice.filter_map(|finding| Some(finding.place.as_ref()?.span.start)).collect();
    let mut drafts: Vec<&Draft> = lowered.drafts.iter().collect();
    drafts.sort_by_key(|draft| draft.span.start);
    for draft in drafts {
        let (first, what) = match addresses.insert(&draft.address, draft) {
            Some(first) => (first, format!("there are two resources with the address `{}`", draft.address)),
            None => match thing(draft, schemas).and_then(|thing| things.insert(thing, draft)) {
                Some(first) => (first, format!("`{}` and `{}` are the same thing", first.address, draft.address)),
                None => continue,
            },
        };
        if said.insert(draft.span.start) {
            let (line, _) = place::line_column(text, first.span.start);
            findings.push(
                Finding::error("declared-twice", what, Place::from(draft.span.clone()))
                    .label(format!("declared on line {line} already"))
                    .remedy("put everything about it into one table, or give one of them another name"),
            );
        }
    }
}

/// The kinds of things that have names of PostgreSQL.
const IN_POSTGRES: [&str; 6] =
    ["database", "schema", "database_role", "database_grants", "password_login", "role_password"];

/// What a draft is in the world: its kind and its whole key. Azure's names do not differ by case, PostgreSQL's do.
fn thing<'d>(draft: &'d Draft, schemas: &[&'static Schema]) -> Option<(&'d str, String)> {
    let schema = schemas.iter().find(|schema| schema.kind == draft.address.kind)?;
    let mut keys = schema.fields.iter().filter(|field| field.key).peekable();
    keys.peek()?;
    let mut key = String::new();
    for field in keys {
        let value = match draft.key.get(field.name) {
            Some(value) => format!("{value:?}"),
            None if field.required => return None,
            None => String::new(),
        };
        let sensitive = IN_POSTGRES.contains(&draft.address.kind.as_str()) && field.name != "server";
        key.push_str(if sensitive { value.clone() } else { value.to_ascii_lowercase() }.as_str());
        key.push('\n');
    }
    Some((draft.address.kind.as_str(), key))
}

/// The same privilege granted to the same role twice.
pub(super) fn grants(text: &str, root: &Node, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
    // Rules that name single objects may well overlap on purpose.
    let blanket = |rule: &&Node| rule.get("only").is_none() && rule.get("except").is_none();
    for (server, database, role, rule) in rules(root).filter(|(.., rule)| blanket(rule)) {
        let schemas: Vec<&str> = match rule.get("schemas").map(|schemas| (schemas.text(), schemas.list())) {
            Some((Some(text), _)) => vec![text],
            Some((None, list)) => list.iter().filter_map(Node::text).collect(),
            None => Vec::new(),
        };
        for (object, _) in PRIVILEGES {
            let schemas = if object == "database_privileges" { &[""][..] } else { &schemas };
            for word in rule.get_list(object) {
                let Some(privilege) = word.text() else { continue };
                let again = schemas.iter().find_map(|schema| {
                    let grant = vec![server, database, role, object, *schema, privilege];
                    seen.insert(grant, word.span.start).map(|first| (first, *schema))
                });
                if let Some((first, schema)) = again {
                    let (line, _) = place::line_column(text, first);
                    let inside = if schema.is_empty() { String::new() } else { format!(" in schema `{schema}`") };
                    findings.push(
                        Finding::error(
                            "duplicate-grant",
                            format!("{privilege} ({object}){inside} of `{database}` is granted to `{role}` twice"),
                            word.place(),
                        )
                        .label(format!("granted on line {line} already"))
                        .remedy("remove one of the two"),
                    );
                }
            }
        }
    }
}

/// Every grant rule with its server (by Azure name), database and role.
fn rules(root: &Node) -> impl Iterator<Item = (&str, &str, &str, &Node)> {
    let friendly = root.entries("role").flat_map(move |(label, entry)| {
        let role = entry.node.get_text("name").unwrap_or(label);
        let server = entry.node.get_text("server").unwrap_or_default();
        let named = root.get("server").and_then(|servers| servers.get(server));
        let server = named.and_then(|server| server.get_text("name")).unwrap_or(server);
        let rules = entry.node.get_list("grants").iter();
        rules.map(move |rule| (server, rule.get_text("database").unwrap_or_default(), role, rule))
    });
    let resources = root.get("resource").map(|resources| resources.entries("database_grants"));
    let generic = resources.into_iter().flatten().flat_map(|(_, entry)| {
        let server = entry.node.get_text("server").unwrap_or_default();
        let database = entry.node.get_text("database").unwrap_or_default();
        let rules = entry.node.get_list("grants").iter();
        rules.map(move |rule| (server, database, role_of(rule).unwrap_or_default(), rule))
    });
    friendly.chain(generic)
}

/// The role of a rule: by its name, or by what refers to it.
fn role_of(rule: &Node) -> Option<&str> {
    let named = rule.get("role")?;
    named.text().or_else(|| named.get_text("ref"))
}

/// Servers that resources inside databases name: each has to be declared, with a way to sign in.
pub(super) fn servers(lowered: &Lowered, findings: &mut Vec<Finding>) {
    let mut said = BTreeSet::new();
    for draft in &lowered.drafts {
        let inside = |name: &str| draft.attributes.get(name).and_then(Value::as_map).and_then(server_of);
        let server = match draft.address.kind.as_str() {
            kind if kind.starts_with("server_") || kind == "firewall_rule" => None,
            "check" => inside("privileges").or_else(|| inside("login")),
            "validation" | "soak" => inside("old_role"),
            _ => server_of(&draft.key),
        };
        let Some(server) = server else { continue };
        let place = draft.places.get("server").cloned().unwrap_or_else(|| Place::from(draft.span.clone()));
        let finding = match lowered.target.servers.get(server) {
            None => Finding::error("dangling-reference", format!("no [server] table is about `{server}`"), place)
                .label("not declared")
                .remedy(suggest::remedy(server, "servers", lowered.target.servers.keys().map(String::as_str))),
            Some(target) if target.connections.is_empty() && said.insert(server.to_owned()) => {
                Finding::error("no-connection", format!("nobody can sign in to the server `{server}`"), place)
                    .label("needs a connection")
                    .remedy("add `admin`, or [[server.<label>.connections]] with name and user, to the server's table")
            }
            Some(_) => continue,
        };
        findings.push(finding);
    }
}

/// A store inside the very server whose authentication changes could lock itself out.
pub(super) fn store(root: &Node, lowered: &Lowered, findings: &mut Vec<Finding>) {
    let Some(url) = root.get("store").and_then(|store| store.get("url")) else { return };
    let Some(Ok(StoreUrl::Postgres(store))) = url.text().map(str::parse) else { return };
    let host = store.host.as_str();
    let first = host.split('.').next().unwrap_or_default();
    let changed = lowered.drafts.iter().filter(|draft| draft.address.kind == "server_auth");
    for server in changed.filter_map(|draft| server_of(&draft.key)) {
        let named = lowered.target.servers.get(server).and_then(|target| target.host.as_deref());
        if server.eq_ignore_ascii_case(first) || named.is_some_and(|named| named.eq_ignore_ascii_case(host)) {
            findings.push(
                Finding::error(
                    "store-on-server",
                    format!("the store is on `{server}`, whose sign-in changes"),
                    url.place(),
                )
                .label("would lock itself out")
                .remedy("keep the store in a directory, in a blob container or on another server"),
            );
        }
    }
}
