//! Lowers `[app.L]`: identities, settings, slot settings and probes.

use super::draft::Draft;
use super::lower::Lowering;
use super::names;
use super::node::{Data, Entry, Node};
use crate::model::{Address, Attributes, Type, Value};

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
        let http: Attributes = site("check").with_key("slot", slot).key;
        drafts.extend(node.get_list("probe").iter().filter_map(|probe| check(label, probe, &http)));
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
    let name = probe.get_text("name")?;
    let mut draft = Draft::new("check", format!("{label} {name}"), probe.span.clone());
    let mut http = site.clone();
    let mut set = |to: &str, ty: &Type, from: &str| {
        if let Some(value) = probe.get(from).and_then(|node| draft.value(&format!("http.{to}"), ty, node)) {
            http.insert(to.to_owned(), value);
        }
    };
    set("path", &Type::Text, "get");
    set("expect_status", &Type::Int, "expect_status");
    set("expect", &Type::Map(&Type::Any(&[Type::Text, Type::Bool, Type::Int])), "expect");
    draft.attributes.insert("http".to_owned(), Value::Map(http));
    draft.set("within", &Type::Duration, probe.get("within"));
    Some(draft)
}
