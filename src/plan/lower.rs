//! Lowers the friendly tables to the generic kinds.
//!
//! | in the plan file | resource |
//! |---|---|
//! | `[server.L]` `entra_auth`, `password_auth` | `server_auth.L` |
//! | `[server.L]` `admin` (one) | `server_admin.L` |
//! | `[server.L]` `admins` (several) | `server_admin."L/<admin>"` each |
//! | `[server.L.firewall.R]` | `firewall_rule."L/R"` |
//! | `[database.L]` | `database.L` |
//! | `[database.L.schema.S]` | `schema."L/S"` |
//! | `[app.L]` `identity` (but `"none"`) | `app_identity.L` |
//! | `[app.L]` `settings`, `require_settings`, `sensitive` | `app_settings.L` |
//! | `[app.L]` `slot_settings` | `slot_settings.L` |
//! | `[app.L.deployment]` | `deployment.L` |
//! | `[[app.L.probe]]` | `check."L <probe>"` |
//! | `[role.L]` | `database_role.L` |
//! | `[[role.L.grants]]` of all roles | one `database_grants.<database>` per server and database (1) |
//! | `[[role.L.grants]]` of one role | `check."L privileges"` (2) |
//! | `[validation.L]` | `validation.L` |
//! | `[cleanup.L]` `escrow` | `escrow."L <setting>"` each |
//! | `[cleanup.L]` `password_login`, `soak` | `password_login.L`, `soak.L` |
//! | `[cleanup.L]` `remove_settings` | `password_setting.L` |
//! | `[cleanup.L]` `remove_connection_strings` | `password_setting."L connection strings"` |
//! | `[cleanup.L]` `role_password` | `role_password.L` |
//! | `[cleanup.L]` `server_password_auth` | `server_password_auth.L` |
//! | `[resource.K.L]` | `K.L` |
//!
//! (1) `database_grants."<server>/<database>"` where two servers have a database of that name.
//! (2) `check."L privileges in <database>"` each, where it has grants in several databases.
//!
//! References say `app.L` for `app_identity.L`, `role.L` for `database_role.L`, `server.L` for `server_auth.L`; in `after`
//! such a name stands for everything that its table lowers to.

use std::collections::{BTreeMap, BTreeSet};

use super::deployment_findings;
use super::describe;
use super::draft::Draft;
use super::node::{Entry, Node};
use super::suggest;
use crate::model::{Address, Cloud, Finding, Place, Schema, Target, Value};

/// Everything that lowering makes.
pub(super) struct Lowered {
    pub(super) drafts: Vec<Draft>,
    pub(super) target: Target,
    /// `app.L`, `role.L`, `server.L` -> what the table lowers to.
    pub(super) groups: BTreeMap<Address, BTreeSet<Address>>,
    /// Every `after` as written: for whom, its text, its place.
    pub(super) after: Vec<(BTreeSet<Address>, Node)>,
}

/// Lowering of one document. Never fails: what the walker refused is left out.
pub(super) struct Lowering<'a> {
    pub(super) root: &'a Node,
    pub(super) findings: &'a mut Vec<Finding>,
    pub(super) out: Lowered,
    /// Server label -> Azure name.
    pub(super) servers: BTreeMap<String, String>,
}

/// Subscription and resource group of one table.
pub(super) struct Scope<'n> {
    pub(super) subscription: Option<&'n str>,
    pub(super) resource_group: Option<&'n str>,
}

/// Lowers the whole document.
pub(super) fn lower(root: &Node, schemas: &[&'static Schema], findings: &mut Vec<Finding>) -> Lowered {
    let out = Lowered { drafts: Vec::new(), target: target(root), groups: BTreeMap::new(), after: Vec::new() };
    let mut lowering = Lowering { root, findings, out, servers: BTreeMap::new() };
    for (label, entry) in root.entries("server") {
        lowering.server(label, entry);
    }
    lowering.databases();
    for (label, entry) in root.entries("app") {
        lowering.app(label, entry);
    }
    lowering.roles();
    lowering.validations();
    lowering.cleanups();
    lowering.known_kinds(schemas);
    for schema in schemas {
        lowering.generic(schema);
    }
    deployment_findings::all(&lowering.out.drafts, lowering.findings);
    lowering.out
}

fn target(root: &Node) -> Target {
    let azure = root.get("azure");
    let cloud = match azure.and_then(|azure| azure.get_text("cloud")) {
        None | Some("public") => Cloud::Public,
        Some("usgov") => Cloud::UsGov,
        Some("china") => Cloud::China,
        Some(url) => Cloud::Custom(url.trim_end_matches('/').to_owned()),
    };
    let tenant = azure.and_then(|azure| azure.get_text("tenant")).map(str::to_owned);
    Target { cloud, tenant, ..Target::default() }
}

impl<'a> Lowering<'a> {
    /// A value of `[azure]`.
    pub(super) fn azure(&self, name: &str) -> Option<&'a str> {
        self.root.get("azure").and_then(|azure| azure.get_text(name))
    }

    /// Where a table's resources live; what is missing is said when it is `needed`.
    pub(super) fn scope(&mut self, path: &str, node: &'a Node, needed: bool) -> Scope<'a> {
        let mut part = |name: &str| {
            let value = node.get_text(name).or_else(|| self.azure(name));
            let written =
                node.get(name).is_some() || self.root.get("azure").is_some_and(|azure| azure.get(name).is_some());
            if value.is_none() && needed && !written {
                self.findings.push(
                    Finding::error("missing-key", format!("`{path}` has no `{name}`"), node.place())
                        .label(format!("`{name}` is required here"))
                        .remedy(format!("add `{name}` here, or under [azure] for all tables")),
                );
            }
            value
        };
        Scope { subscription: part("subscription"), resource_group: part("resource_group") }
    }

    /// Refuses a label that stands for a name but cannot be one.
    pub(super) fn label_as_name(
        &mut self,
        path: &str,
        label: &str,
        entry: &Entry,
        check: fn(&str) -> Result<(), String>,
    ) {
        if entry.node.table().is_none() || entry.node.get("name").is_some() {
            return;
        }
        if let Err(why) = check(label) {
            let (why, remedy) = why.split_once("; ").unwrap_or((why.as_str(), "give it a `name`"));
            self.findings.push(
                Finding::error("invalid-value", format!("`{path}`: {why}"), Place::from(entry.key.clone()))
                    .label("the label is the name, as no `name` is given")
                    .remedy(format!("{remedy}; or add a `name`")),
            );
        }
    }

    /// Takes the drafts of one friendly table over.
    pub(super) fn take(&mut self, group: Address, node: &Node, drafts: Vec<Draft>) {
        let addresses: BTreeSet<Address> = drafts.iter().map(|draft| draft.address.clone()).collect();
        for item in node.get_list("after") {
            self.out.after.push((addresses.clone(), item.clone()));
        }
        self.out.drafts.extend(drafts);
        self.out.groups.insert(group, addresses);
    }

    /// Refuses what a cleanup comes to when this version does not have the kind: it must not be passed over.
    fn known_kinds(&mut self, schemas: &[&'static Schema]) {
        let groups = self.out.groups.iter().filter(|(group, _)| group.kind == "cleanup");
        let parts: BTreeSet<&Address> = groups.flat_map(|(_, parts)| parts).collect();
        for draft in self.out.drafts.iter().filter(|draft| parts.contains(&draft.address)) {
            if schemas.iter().all(|schema| schema.kind != draft.address.kind) {
                let title = format!("this version cannot do what `{}` is about", draft.address);
                self.findings.push(
                    Finding::error("unknown-kind", title, Place::from(draft.span.clone()))
                        .label(format!("needs the kind `{}`", draft.address.kind))
                        .remedy("use a version of pgentra that has it, or take that part out"),
                );
            }
        }
    }

    fn generic(&mut self, schema: &'static Schema) {
        let Some(resources) = self.root.get("resource") else { return };
        for (name, entry) in resources.entries(schema.kind) {
            let node = &entry.node;
            let mut draft = Draft::new(schema.kind, name, node.span.clone());
            for field in describe::in_plan(schema.fields) {
                let path = field.name;
                let value = match node.get(field.name) {
                    Some(inner) => {
                        draft.places.insert(path.to_owned(), inner.place());
                        draft.value(path, &field.ty, inner)
                    }
                    // A server without Entra has no tenant.
                    None if field.name == "tenant" && node.get_bool("entra_auth").is_some_and(|entra| !entra) => None,
                    None if describe::from_azure(field.name) => self.azure(field.name).map(Value::from),
                    None => None,
                };
                match value {
                    Some(value) if field.key => draft.key.insert(path.to_owned(), value),
                    Some(value) => draft.attributes.insert(path.to_owned(), value),
                    None => {
                        if field.required && describe::from_azure(field.name) && node.get(field.name).is_none() {
                            self.nowhere(schema.kind, name, field.name, node);
                        }
                        continue;
                    }
                };
            }
            self.fill_http(&mut draft, node);
            for item in node.get_list("after") {
                self.out.after.push((BTreeSet::from([draft.address.clone()]), item.clone()));
            }
            self.out.drafts.push(draft);
        }
    }

    /// The app of a generic check lives where `[azure]` says, unless it says otherwise.
    fn fill_http(&mut self, draft: &mut Draft, node: &Node) {
        let Some(Value::Map(http)) = draft.attributes.get_mut("http").filter(|_| draft.address.kind == "check") else {
            return;
        };
        if !http.contains_key("app") {
            return;
        }
        for field in ["subscription", "resource_group"] {
            match self.azure(field) {
                _ if http.contains_key(field) => {}
                Some(value) => _ = http.insert(field.to_owned(), value.into()),
                None => self.nowhere("check", &draft.address.name, field, node),
            }
        }
    }

    fn nowhere(&mut self, kind: &str, name: &str, field: &str, node: &Node) {
        if self.root.get("azure").is_some_and(|azure| azure.get(field).is_some()) {
            return;
        }
        self.findings.push(
            Finding::error("missing-key", format!("`resource.{kind}.{name}` lacks `{field}`"), node.place())
                .label(format!("`{field}` is required here"))
                .remedy(format!("add `{field}` here, or under [azure] for all tables")),
        );
    }

    /// The Azure name of a server by its label; says so when there is none.
    pub(super) fn server_name(&mut self, node: &Node) -> Option<String> {
        let wanted = node.get("server")?;
        let label = wanted.text()?;
        if let Some(name) = self.servers.get(label) {
            return Some(name.clone());
        }
        let remedy = suggest::remedy(label, "servers", self.servers.keys().map(String::as_str));
        self.findings.push(
            Finding::error("dangling-reference", format!("there is no [server.{label}]"), wanted.place())
                .label("not declared")
                .remedy(remedy),
        );
        None
    }
}
