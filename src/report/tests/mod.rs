//! What the tests of reports share: change sets that are as awkward as they can be.

mod az;
mod data;
mod explain;
pub(crate) mod hostile;
mod parsers;
mod plans;
mod runs;
mod sql;
mod stream;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{PlanView, plan, terminal};
use crate::diff::{Action, Change, ChangeSet, Reason};
use crate::model::{Address, Attributes, Undo, Value};

/// Attributes out of the JSON form of values.
fn attributes(json: serde_json::Value) -> Attributes {
    match Value::try_from(json).unwrap() {
        Value::Map(map) => map,
        other => panic!("{other:?}"),
    }
}

fn change(kind: &str, name: &str, action: Action, before: serde_json::Value, after: serde_json::Value) -> Change {
    let end = |json: serde_json::Value| (!json.is_null()).then(|| attributes(json));
    Change {
        address: Address::new(kind, name),
        key: attributes(json!({ "app": name })),
        before: end(before),
        after: end(after),
        action,
        reason: Reason::AsWanted,
        undo: Undo::Faithful,
        outputs: Attributes::new(),
        restarts: 0,
        leans_on: BTreeSet::new(),
        routes: BTreeMap::new(),
        notes: Vec::new(),
        failure: None,
        place: None,
    }
}

fn text(changes: Vec<Change>) -> String {
    terminal(&plan(&ChangeSet { changes }, PlanView::default())).plain()
}

/// One of everything.
fn everything() -> Vec<Change> {
    let mut identity = change("app_identity", "geoapi", Action::Create, json!(null), json!({ "system": true }));
    identity.undo = Undo::Kept("others may use it".into());
    identity.restarts = 1;
    let mut role = change(
        "database_role",
        "geoapi-identity",
        Action::Update,
        json!({ "create_db": false, "object_id": "1", "principal_type": "service" }),
        json!({
            "create_db": false, "principal_type": "service",
            "object_id": { "$after_apply": { "address": "app_identity.geoapi", "output": "principal_id" } },
        }),
    );
    role.reason = Reason::LeansOn(Address::new("app_identity", "geoapi"));
    role.leans_on = BTreeSet::from([Address::new("app_identity", "geoapi")]);
    let tables: serde_json::Map<String, serde_json::Value> =
        (1..=5).map(|n| (format!("table geo.t{n} #{n}"), json!({ "app": { "$letters": "arwd" } }))).collect();
    let mut grants =
        change("database_grants", "geo", Action::Update, json!({ "privileges": {} }), json!({ "privileges": tables }));
    grants.notes = vec!["owner of geo.t9 must grant".into()];
    let secret = |digest: &str| json!({ "$secret": { "source": { "env": "PGPASS" }, "digest": digest } });
    let mut settings = change(
        "app_settings",
        "geoapi",
        Action::Update,
        json!({ "settings": { "A": "1", "OLD": "x", "KEEP": "same", "PASSWORD": secret("d1") } }),
        json!({ "settings": { "A": "2", "KEEP": "same", "NEW": "y", "PASSWORD": secret("d2") } }),
    );
    settings.restarts = 1;
    settings.undo = Undo::Never("the old value of PASSWORD cannot be read back".into());
    let gone = change("slot_settings", "old", Action::Delete, json!({ "app_settings": { "A": true } }), json!(null));
    let mut check = change("check", "health", Action::Check, json!({ "passed": false }), json!({ "passed": true }));
    check.notes = vec!["HTTP 500 from /api/health".into()];
    let mut later = change("database_role", "later", Action::Unknown, json!(null), json!({}));
    later.reason = Reason::Unreadable("server pg takes no Entra tokens yet".into());
    let mut held = change("validation", "geoapi", Action::Held, json!(null), json!({}));
    held.reason = Reason::Gate("evidence covers 2 of 7 days".into());
    let same = change("server_auth", "pg", Action::None, json!({ "entra_auth": true }), json!({ "entra_auth": true }));
    vec![identity, role, grants, settings, gone, check, later, held, same]
}
