//! Lowers `[validation.L]`: the gate, with everything about its app and roles that observations are made of.

use std::collections::BTreeSet;

use super::describe_evidence::{KEY, SENSOR};
use super::draft::Draft;
use super::lower::Lowering;
use super::node::{Entry, Node};
use super::{suggest, validation_findings};
use crate::model::{Address, Attributes, Finding, Type, Value};

/// What is lowered one to one.
const PLAIN: [(&str, Type); 7] = [
    ("period", Type::Duration),
    ("every", Type::Duration),
    ("fresh_token", Type::Bool),
    ("restart", Type::Bool),
    ("deployment", Type::Bool),
    ("allow_unsigned", Type::Bool),
    ("key", Type::Table(KEY)),
];

impl<'a> Lowering<'a> {
    /// Lowers all validations. Apps and roles have to be lowered already.
    pub(super) fn validations(&mut self) {
        for (label, entry) in self.root.entries("validation") {
            self.validation(label, entry);
        }
    }

    fn validation(&mut self, label: &'a str, entry: &'a Entry) {
        let node = &entry.node;
        if node.table().is_none() {
            return;
        }
        let mut draft = Draft::new("validation", label, node.span.clone()).with_key("name", Some(label));
        for (field, ty) in &PLAIN {
            draft.set(field, ty, node.get(field));
        }
        if let Some(list) = node.get("sensor")
            && let Some(sensors) = draft.value("sensors", &Type::List(&Type::Table(SENSOR)), list)
        {
            draft.places.insert("sensors".to_owned(), list.place());
            draft.attributes.insert("sensors".to_owned(), sensors);
        }
        let app = self.app_of(label, node);
        if let Some(app) = app {
            self.about_app(label, app, &mut draft);
        }
        let roles = self.roles_of(node, app);
        self.about_roles(&roles, &mut draft);
        self.about_old_role(label, node, &roles, &mut draft);
        self.about_logs(&mut draft);
        validation_findings::all(label, node, &draft.attributes, self.findings);
        self.take(Address::new("validation", label), node, vec![draft]);
    }

    /// The label of the app that a validation is about.
    fn app_of(&mut self, label: &'a str, node: &'a Node) -> Option<&'a str> {
        let apps = self.root.get("app");
        let known = |label: &str| apps.is_some_and(|apps| apps.get(label).is_some());
        let Some(named) = node.get("app") else { return known(label).then_some(label) };
        let text = named.text()?;
        if !known(text) {
            let labels = self.root.entries("app").map(|(label, _)| label);
            self.findings.push(
                Finding::error("dangling-reference", format!("there is no [app.{text}]"), named.place())
                    .label("not declared")
                    .remedy(suggest::remedy(text, "apps", labels)),
            );
            return None;
        }
        Some(text)
    }

    /// The roles that the app signs in as: the named ones, or all that stand for an identity of it.
    fn roles_of(&mut self, node: &'a Node, app: Option<&str>) -> Vec<Address> {
        let drafts = self.out.drafts.iter().filter(|draft| draft.address.kind == "database_role");
        if node.get("roles").is_none() {
            let Some(app) = app else { return Vec::new() };
            let identity = Address::new("app_identity", app);
            let stands = |draft: &&Draft| {
                let mut references = draft.references.iter().filter_map(|written| written.reference.as_ref().ok());
                references.any(|reference| reference.address == identity)
            };
            return drafts.filter(stands).map(|draft| draft.address.clone()).collect();
        }
        let known: BTreeSet<&str> = drafts.map(|draft| draft.address.name.as_str()).collect();
        let mut found = Vec::new();
        for item in node.get_list("roles") {
            let Some(text) = item.text() else { continue };
            if known.contains(text) {
                found.push(Address::new("database_role", text));
            } else {
                self.findings.push(
                    Finding::error("dangling-reference", format!("there is no [role.{text}]"), item.place())
                        .label("not declared")
                        .remedy(suggest::remedy(text, "roles", known.iter().copied())),
                );
            }
        }
        found
    }

    /// Site, settings and probes of the app.
    fn about_app(&self, label: &str, app: &str, draft: &mut Draft) {
        let Some(node) = self.root.get("app").and_then(|apps| apps.get(app)) else { return };
        draft.attributes.insert("app".to_owned(), Value::Map(self.site_of(app, node)));
        let gone = self.removed_settings(label);
        let settings = self.draft(&Address::new("app_settings", app)).map(|draft| &draft.attributes);
        let owned = settings.and_then(|all| all.get("settings")).and_then(Value::as_map);
        let required = settings.and_then(|all| all.get("require")).and_then(Value::as_list);
        let names = owned.into_iter().flat_map(Attributes::keys).map(String::as_str);
        let names: BTreeSet<&str> = names.chain(required.into_iter().flatten().filter_map(Value::as_text)).collect();
        let names = names.into_iter().filter(|name| !gone.contains(name)).map(Value::text);
        draft.attributes.insert("settings".to_owned(), Value::List(names.collect()));
        let probe = |probe: &Node| {
            let name = probe.get_text("name")?;
            let http = self.draft(&Address::new("check", format!("{app} {name}")))?.attributes.get("http")?.clone();
            Some(Value::Map([("name".to_owned(), name.into()), ("http".to_owned(), http)].into()))
        };
        let probes = node.get_list("probe").iter().filter_map(probe).collect();
        draft.attributes.insert("probes".to_owned(), Value::List(probes));
    }

    /// The roles, and what they have to be able to do.
    fn about_roles(&self, roles: &[Address], draft: &mut Draft) {
        let role = |address: &Address| Some(Value::Map(self.draft(address)?.key.clone()));
        let listed: Vec<Value> = roles.iter().filter_map(role).collect();
        let groups = roles.iter().filter_map(|role| self.out.groups.get(&Address::new("role", &*role.name)));
        let checks = groups.flatten().filter(|address| address.kind == "check");
        let may = checks.filter_map(|address| self.draft(address)?.attributes.get("privileges").cloned());
        let may: Vec<Value> = may.collect();
        for (name, list) in [("roles", listed), ("privileges", may)] {
            if !list.is_empty() {
                draft.attributes.insert(name.to_owned(), Value::List(list));
            }
        }
    }

    fn about_old_role(&mut self, label: &str, node: &'a Node, roles: &[Address], draft: &mut Draft) {
        let named = node.get("server").is_some();
        let server = if named { self.server_name(node) } else { None };
        let Some(name) = node.get_text("old_role") else { return };
        let of_roles = roles.iter().find_map(|role| self.draft(role)?.key.get("server")?.as_text());
        let only = || match self.servers.values().collect::<Vec<_>>().as_slice() {
            [only] => Some((*only).clone()),
            _ => None,
        };
        let server = server.or_else(|| of_roles.map(str::to_owned)).or_else(only);
        match server {
            Some(server) => {
                let role = [("server".to_owned(), server.into()), ("name".to_owned(), name.into())];
                draft.attributes.insert("old_role".to_owned(), Value::Map(role.into()));
            }
            None if !named => self.findings.push(
                Finding::error(
                    "missing-key",
                    format!("`validation.{label}` does not say where `old_role` is"),
                    node.place(),
                )
                .label("`server` is required here")
                .remedy("add server = \"...\", the label of a [server] table"),
            ),
            None => {}
        }
    }

    /// The subscription of each log, where it is not said: that of the app, or of everything.
    fn about_logs(&self, draft: &mut Draft) {
        let app = draft.attributes.get("app").and_then(Value::as_map);
        let of_app = app.and_then(|app| app.get("subscription")).cloned();
        let Some(subscription) = of_app.or_else(|| self.azure("subscription").map(Value::text)) else { return };
        let Some(Value::List(sensors)) = draft.attributes.get_mut("sensors") else { return };
        for sensor in sensors {
            if let Value::Map(sensor) = sensor {
                sensor.entry("subscription".to_owned()).or_insert_with(|| subscription.clone());
            }
        }
    }

    /// The draft at an address.
    pub(super) fn draft(&self, address: &Address) -> Option<&Draft> {
        self.out.drafts.iter().find(|draft| draft.address == *address)
    }

    /// Where an app is, by its table.
    fn site_of(&self, label: &str, node: &Node) -> Attributes {
        let from_azure = |name: &str| node.get_text(name).or_else(|| self.azure(name));
        let parts = [
            ("subscription", from_azure("subscription")),
            ("resource_group", from_azure("resource_group")),
            ("app", Some(node.get_text("name").unwrap_or(label))),
            ("slot", node.get_text("slot")),
        ];
        parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
    }

    /// The settings that cleanups of a validation remove: their going is no change of what it is about.
    fn removed_settings(&self, validation: &str) -> BTreeSet<&'a str> {
        let cleanups = self.root.entries("cleanup");
        let ours = cleanups.filter(|(label, entry)| entry.node.get_text("validation").unwrap_or(label) == validation);
        ours.flat_map(|(_, entry)| entry.node.get_list("remove_settings")).filter_map(Node::text).collect()
    }
}
