//! Lowers `[cleanup.L]`: what is removed once a validation has opened, each part a resource of its own.

use std::collections::BTreeSet;

use super::describe::ENV;
use super::draft::Draft;
use super::lower::Lowering;
use super::node::{Entry, Node};
use super::{cleanup_findings, suggest};
use crate::model::{Address, Attributes, Finding, Type, Value};

/// The two lists that may hold a password: the plan file's key, the list's name, what is added to the address.
const LISTS: [(&str, &str, &str); 2] =
    [("remove_settings", "settings", ""), ("remove_connection_strings", "connection_strings", " connection strings")];

/// One cleanup with what its validation is about.
struct Cleanup<'a> {
    label: &'a str,
    node: &'a Node,
    gate: Address,
    /// The attributes of the validation.
    about: Attributes,
}

impl Cleanup<'_> {
    fn flag(&self, name: &str) -> bool {
        self.node.get(name).is_some_and(|value| value.bool() != Some(false))
    }

    fn irreversible(&self) -> bool {
        self.node.get_bool("irreversible") == Some(true)
    }

    fn table(&self, name: &str) -> Option<&Attributes> {
        self.about.get(name).and_then(Value::as_map)
    }

    fn draft(&self, kind: &str, suffix: &str) -> Draft {
        let mut draft = Draft::new(kind, format!("{}{suffix}", self.label), self.node.span.clone());
        draft.after.insert(self.gate.clone());
        draft
    }

    /// The names that are removed from one list.
    fn removed(&self, key: &str) -> Vec<&str> {
        self.node.get_list(key).iter().filter_map(Node::text).collect()
    }

    /// What tells the escrows of a name apart that is removed from both lists: the list's suffix.
    fn apart(&self, name: &str, suffix: &'static str) -> &'static str {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        if LISTS.iter().all(|(key, ..)| self.removed(key).into_iter().any(same)) { suffix } else { "" }
    }

    /// Where the value of a setting is kept: vault and secret. `apart` ends the secret's name.
    fn escrow(&self, name: &str, apart: &str) -> Option<Value> {
        let escrow = self.node.get("escrow")?;
        let several = LISTS.iter().map(|(key, ..)| self.removed(key).len()).sum::<usize>() > 1;
        let secret = match escrow.get_text("secret") {
            Some(secret) if several => secret_name(&[secret, name, apart.trim_start()]),
            Some(secret) => secret.to_owned(),
            None => {
                let site = |part| self.table("app").and_then(|app| app.get(part)).and_then(Value::as_text);
                secret_name(&[
                    site("app").unwrap_or(self.label),
                    site("slot").unwrap_or_default(),
                    name,
                    apart.trim_start(),
                ])
            }
        };
        let place =
            [("key_vault".to_owned(), escrow.get_text("key_vault")?.into()), ("secret".to_owned(), secret.into())];
        Some(Value::Map(place.into()))
    }
}

/// The name of a secret made of parts: what no name may hold becomes a hyphen.
fn secret_name(parts: &[&str]) -> String {
    let parts = parts.iter().filter(|part| !part.is_empty());
    let joined = parts.copied().collect::<Vec<_>>().join("-").to_ascii_lowercase();
    joined.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(127).collect()
}

impl<'a> Lowering<'a> {
    /// Lowers all cleanups. Validations have to be lowered already.
    pub(super) fn cleanups(&mut self) {
        for (label, entry) in self.root.entries("cleanup") {
            self.cleanup(label, entry);
        }
    }

    fn cleanup(&mut self, label: &'a str, entry: &'a Entry) {
        let node = &entry.node;
        if node.table().is_none() {
            return;
        }
        let Some((gate, about)) = self.gate_of(label, node) else { return };
        cleanup_findings::all(label, node, &about, self.root, self.findings);
        let cleanup = Cleanup { label, node, gate, about };
        let mut drafts = escrows(&cleanup);
        let kept: BTreeSet<Address> = drafts.iter().map(|draft| draft.address.clone()).collect();
        let brown_out = brown_out(&cleanup, &kept);
        // Nothing is removed before the brown-out has lasted.
        let last: BTreeSet<Address> = brown_out.iter().map(|draft| draft.address.clone()).chain(kept).collect();
        drafts.extend(brown_out);
        let settings = password_settings(&cleanup);
        let role = role_password(&cleanup);
        let server = self.server_password(&cleanup);
        // With escrow: settings, role, server. Without, what can be undone comes first and the settings come last.
        let order: [Vec<Draft>; 3] =
            if cleanup.irreversible() { [server, role, settings] } else { [settings, role, server] };
        let mut before = last;
        for mut part in order {
            for draft in &mut part {
                draft.after.extend(before.iter().cloned());
            }
            before.extend(part.iter().map(|draft| draft.address.clone()));
            drafts.extend(part);
        }
        self.take(Address::new("cleanup", label), node, drafts);
    }

    /// The validation that opens a cleanup, and what it is about.
    fn gate_of(&mut self, label: &str, node: &Node) -> Option<(Address, Attributes)> {
        let named = node.get("validation");
        let text = named.map_or(Some(label), Node::text)?;
        let gate = Address::new("validation", text);
        if let Some(draft) = self.draft(&gate) {
            return Some((gate, draft.attributes.clone()));
        }
        let labels = self.root.entries("validation").map(|(label, _)| label);
        let remedy = match self.root.entries("validation").next() {
            Some(_) => suggest::remedy(text, "validations", labels),
            None => format!(
                "add [validation.{text}], which says what has to be seen, and for how long, before anything is removed"
            ),
        };
        let declared = self.root.get("validation").is_some_and(|all| all.get(text).is_some());
        if !declared {
            self.findings.push(
                Finding::error(
                    "dangling-reference",
                    format!("there is no [validation.{text}]"),
                    named.unwrap_or(node).place(),
                )
                .label("nothing is removed without evidence")
                .remedy(remedy),
            );
        }
        None
    }

    fn server_password(&self, cleanup: &Cleanup<'_>) -> Vec<Draft> {
        let Some(old) = cleanup.table("old_role").filter(|_| cleanup.flag("server_password_auth")) else {
            return Vec::new();
        };
        let server = old.get("server").and_then(Value::as_text).unwrap_or_default();
        let target = self.out.target.servers.get(server);
        let mut draft = cleanup
            .draft("server_password_auth", "")
            .with_key("subscription", target.map(|target| target.subscription.as_str()))
            .with_key("resource_group", target.map(|target| target.resource_group.as_str()))
            .with_key("server", Some(server));
        draft.attributes.insert("enabled".to_owned(), false.into());
        let within = cleanup.about.get("period").cloned().unwrap_or_else(|| "7d".into());
        draft.attributes.insert("seen_within".to_owned(), within);
        let logs = cleanup.about.get("sensors").and_then(Value::as_list).unwrap_or_default();
        let logs = logs
            .iter()
            .filter(|sensor| sensor.as_map().and_then(|sensor| sensor.get("kind")?.as_text()) == Some("server_logs"));
        let logs: Vec<Value> = logs.cloned().collect();
        if !logs.is_empty() {
            draft.attributes.insert("sensors".to_owned(), Value::List(logs));
        }
        if let Some(options) = cleanup.node.get("server_password_auth") {
            draft.set("admin_password", &Type::Table(ENV), options.get("admin_password"));
        }
        vec![draft]
    }
}

/// One resource for each value that is kept.
fn escrows(cleanup: &Cleanup<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let Some(site) = cleanup.table("app") else { return drafts };
    for (key, list, suffix) in LISTS {
        for name in cleanup.removed(key) {
            let apart = cleanup.apart(name, suffix);
            let Some(Value::Map(place)) = cleanup.escrow(name, apart) else { continue };
            let mut draft = cleanup.draft("escrow", &format!(" {name}{apart}"));
            draft.key.extend(site.clone());
            draft.key.extend([("list".to_owned(), list.into()), ("name".to_owned(), name.into())]);
            draft.attributes.extend(place);
            let purge = cleanup.node.get("escrow").and_then(|escrow| escrow.get("purge_after"));
            draft.set("purge_after", &Type::Duration, purge);
            drafts.push(draft);
        }
    }
    drafts
}

/// The old role's login goes, and for a while nothing else does.
fn brown_out(cleanup: &Cleanup<'_>, kept: &BTreeSet<Address>) -> Vec<Draft> {
    let Some(old) = cleanup.table("old_role").filter(|_| cleanup.flag("password_login")) else { return Vec::new() };
    let mut login = cleanup.draft("password_login", "");
    login.key.extend(old.clone());
    login.after.extend(kept.iter().cloned());
    login.attributes.insert("login".to_owned(), false.into());
    let options = cleanup.node.get("password_login");
    login.set("end_sessions_after", &Type::Duration, options.and_then(|options| options.get("end_sessions_after")));
    let mut soak = cleanup.draft("soak", "").with_key("name", Some(cleanup.label));
    soak.after.insert(login.address.clone());
    soak.attributes = cleanup.about.clone();
    for demand in ["fresh_token", "restart"] {
        soak.attributes.remove(demand);
    }
    soak.attributes.insert("validation".to_owned(), cleanup.gate.name.clone().into());
    soak.attributes.insert("period".to_owned(), "24h".into());
    soak.set("period", &Type::Duration, cleanup.node.get("soak"));
    vec![login, soak]
}

/// One resource per list of the site.
fn password_settings(cleanup: &Cleanup<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let Some(site) = cleanup.table("app") else { return drafts };
    for (key, list, suffix) in LISTS {
        let names = cleanup.removed(key);
        if names.is_empty() {
            continue;
        }
        let mut draft = cleanup.draft("password_setting", suffix);
        draft.key.extend(site.clone());
        draft.key.insert("list".to_owned(), list.into());
        let places: Attributes = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), cleanup.escrow(name, cleanup.apart(name, suffix))?)))
            .collect();
        draft.attributes.insert("names".to_owned(), Value::List(names.into_iter().map(Value::text).collect()));
        give_up_or_keep(&mut draft, cleanup, Some(Value::Map(places)));
        drafts.push(draft);
    }
    drafts
}

/// The password itself. Its escrow is that of the first setting that held it.
fn role_password(cleanup: &Cleanup<'_>) -> Vec<Draft> {
    let Some(old) = cleanup.table("old_role").filter(|_| cleanup.flag("role_password")) else { return Vec::new() };
    let mut draft = cleanup.draft("role_password", "");
    draft.key.extend(old.clone());
    draft.attributes.insert("password".to_owned(), false.into());
    let first = LISTS.iter().find_map(|(key, _, suffix)| Some((*cleanup.removed(key).first()?, *suffix)));
    let mut place = first.and_then(|(name, suffix)| cleanup.escrow(name, cleanup.apart(name, suffix)));
    // The vault is the app's, not the server's.
    if let (Some(Value::Map(place)), Some(site)) = (&mut place, cleanup.table("app")) {
        let part = |name: &str| Some((name.to_owned(), site.get(name)?.clone()));
        place.extend(["subscription", "resource_group"].into_iter().filter_map(part));
    }
    give_up_or_keep(&mut draft, cleanup, place);
    vec![draft]
}

fn give_up_or_keep(draft: &mut Draft, cleanup: &Cleanup<'_>, escrow: Option<Value>) {
    if cleanup.irreversible() {
        draft.attributes.insert("irreversible".to_owned(), true.into());
    } else if let Some(escrow) = escrow {
        draft.attributes.insert("escrow".to_owned(), escrow);
    }
}
