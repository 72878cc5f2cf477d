//! Lowers `[app.L]`: identities, settings, slot settings, deployment and probes.

use super::describe::ENV;
use super::describe_deployment::DEPLOYMENT;
use super::describe_evidence::FOLLOW;
use super::draft::Draft;
use super::lower::Lowering;
use super::names;
use super::node::{Data, Entry, Node};
use crate::model::{Address, Attributes, Finding, Type, Value, looks_secret, secret_name};

const FLAGS: Type = Type::Map(&Type::Bool);
const TEXTS: Type = Type::List(&Type::Text);

impl<'a> Lowering<'a> {
    pub(super) fn app(&mut self, label: &str, entry: &'a Entry) {
        let node = &entry.node;
        let path = format!("app.{label}");
        self.label_as_name(&path, label, entry, names::app);
        let scope = self.scope(&path, node, true);
        let name = node.get_text("name").unwrap_or(label);
        let slot = node.get_text("slot");
        let site = |kind: &str| {
            Draft::new(kind, label, node.span.clone())
                .with_key("subscription", scope.subscription)
                .with_key("resource_group", scope.resource_group)
                .with_key("app", Some(name))
        };
        let mut drafts = Vec::new();
        if let Some(identity) = node.get("identity").filter(|identity| identity.text() != Some("none")) {
            let mut draft = site("app_identity").with_key("slot", slot);
            draft.places.insert("identity".to_owned(), identity.place());
            set_identity(&mut draft, identity);
            drafts.push(draft);
        }
        if ["settings", "require_settings", "sensitive"].iter().any(|key| node.get(key).is_some()) {
            let mut draft = site("app_settings").with_key("slot", slot);
            draft.set("settings", &Type::Map(&Type::Text), node.get("settings"));
            draft.set("require", &TEXTS, node.get("require_settings"));
            draft.set("sensitive", &TEXTS, node.get("sensitive"));
            drafts.push(draft);
        }
        if let Some(names) = node.get("slot_settings") {
            let mut draft = site("slot_settings");
            draft.set("app_settings", &FLAGS, Some(names));
            drafts.push(draft);
        }
        if let Some(table) = node.get("deployment").filter(|table| table.table().is_some()) {
            let mut draft = Draft { span: table.span.clone(), ..site("deployment").with_key("slot", slot) };
            for field in DEPLOYMENT {
                draft.set(field.name, &field.ty, table.get(field.name));
            }
            drafts.push(draft);
        }
        let http: Attributes = site("check").with_key("slot", slot).key;
        for probe in node.get_list("probe") {
            probe_makes_sense(probe, self.findings);
            drafts.extend(check(label, probe, &http));
        }
        self.take(Address::new("app", label), node, drafts);
    }
}

fn set_identity(draft: &mut Draft, identity: &Node) {
    match &identity.data {
        Data::Text(_) => {
            draft.attributes.insert("system".to_owned(), true.into());
        }
        Data::List(_) => draft.set("user_assigned", &FLAGS, Some(identity)),
        _ => {
            draft.set("system", &Type::Bool, identity.get("system"));
            draft.set("user_assigned", &FLAGS, identity.get("user_assigned"));
        }
    }
}

fn check(label: &str, probe: &Node, site: &Attributes) -> Option<Draft> {
    const VALUES: Type = Type::Map(&Type::Any(&[Type::Text, Type::Bool, Type::Int]));
    let name = probe.get_text("name")?;
    let mut draft = Draft::new("check", format!("{label} {name}"), probe.span.clone());
    let mut http = site.clone();
    if probe.get("post").is_some() {
        http.insert("method".to_owned(), "POST".into());
    }
    let mut set = |to: &str, ty: &Type, from: &str| {
        if let Some(value) = probe.get(from).and_then(|node| draft.value(&format!("http.{to}"), ty, node)) {
            http.insert(to.to_owned(), value);
        }
    };
    for path in ["path", "post", "get"] {
        set("path", &Type::Text, path);
    }
    for text in ["method", "body", "token"] {
        set(text, &Type::Text, text);
    }
    set("headers", &Type::Map(&Type::Text), "headers");
    set("function_key", &Type::Table(ENV), "function_key");
    set("expect_status", &Type::Int, "expect_status");
    set("expect", &VALUES, "expect");
    set("expect_text", &TEXTS, "expect_text");
    set("latency", &Type::Duration, "latency");
    set("follow", &Type::Table(FOLLOW), "follow");
    draft.attributes.insert("http".to_owned(), Value::Map(http));
    draft.set("within", &Type::Duration, probe.get("within"));
    Some(draft)
}

/// A probe has one method and one path, and no secret among its headers.
fn probe_makes_sense(probe: &Node, findings: &mut Vec<Finding>) {
    if probe.table().is_none() {
        return;
    }
    let has = |key: &str| usize::from(probe.get(key).is_some());
    let ways = has("get") + has("post") + has("method").max(has("path"));
    let remedy = "write get = \"/path\", post = \"/path\", or method = \"PUT\" with path = \"/path\"";
    if ways == 0 || (ways == 1 && has("method") != has("path")) {
        findings.push(
            Finding::error("missing-key", "this does not say what to ask for", probe.place())
                .label("needs a method and a path")
                .remedy(remedy),
        );
    } else if ways > 1 {
        findings.push(
            Finding::error("conflicting-keys", "this asks for several things at once", probe.place())
                .label("one request to a probe")
                .remedy(remedy),
        );
    }
    for (name, entry) in probe.entries("headers") {
        let text = entry.node.text().unwrap_or_default();
        if looks_secret(text) || secret_header(name) {
            findings.push(
                Finding::error("secret-literal", format!("header `{name}` seems to hold a secret"), entry.node.place())
                    .label("a plan file is no place for secrets")
                    .remedy("write function_key = { env = \"NAME\" }, or token = \"api://audience\""),
            );
        }
    }
}

/// Whether a header, or a setting, of this name usually holds a secret.
pub(super) fn secret_header(name: &str) -> bool {
    let known = ["authorization", "cookie", "x-functions-key", "proxy-authorization"];
    known.iter().any(|known| name.eq_ignore_ascii_case(known)) || secret_name(name)
}
