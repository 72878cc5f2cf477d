//! How `check` behaves: what an app would say of itself and what a role could do, by what a world in memory holds.

use super::{Behaviour, PLAIN, grants, shut, text};
use crate::model::{Address, Attributes, Look, Purpose, Value};
use crate::resources::memory::State;

/// `check`: passes when what it asks for is so.
pub(in crate::resources) const CHECK: Behaviour = Behaviour { complaints, ..PLAIN };

fn complaints(state: &State, asked: &Attributes) -> Vec<String> {
    let table = |name: &str| asked.get(name).and_then(Value::as_map);
    match (table("privileges"), table("login"), table("http")) {
        (Some(table), None, None) => privileges(state, table),
        (None, Some(table), None) => shut(state, table).into_iter().collect(),
        (None, None, Some(table)) => http(state, table),
        _ => vec!["a check has exactly one of privileges, login and http".to_owned()],
    }
}

fn privileges(state: &State, table: &Attributes) -> Vec<String> {
    if let Some(why) = shut(state, table) {
        return vec![why];
    }
    let role = table.get("role").cloned();
    let rules = table.get("grants").and_then(Value::as_list).unwrap_or_default().iter().map(|given| {
        let mut given = given.as_map().cloned().unwrap_or_default();
        if let Some(role) = &role {
            given.entry("role".to_owned()).or_insert_with(|| role.clone());
        }
        Value::Map(given)
    });
    let attributes = Attributes::from([("grants".to_owned(), Value::List(rules.collect()))]);
    let part = |name: &str| Some((name.to_owned(), table.get(name)?.clone()));
    let key: Attributes = [part("server"), part("database")].into_iter().flatten().collect();
    let address = Address::new("database_grants", "");
    let look = Look { address: &address, key: &key, attributes: &attributes, purpose: Purpose::Plan, via: None };
    grants::lacking(state, &look).unwrap_or_else(|failure| vec![failure.in_a_line()])
}

/// What the demo app answers: it is healthy when it can sign in the way its settings say.
fn http(state: &State, table: &Attributes) -> Vec<String> {
    if state.like("site", table, &["app", "slot"]).next().is_none() {
        return vec!["there is no such app".to_owned()];
    }
    let none = Attributes::new();
    let live = |kind| state.like(kind, table, &["app", "slot"]).next().map_or(&none, |(_, live)| live);
    let settings = live("app_settings").get("settings").and_then(Value::as_map).unwrap_or(&none);
    let (method, healthy) = if text(settings, "USE_MANAGED_IDENTITY") == Some("true") {
        let principal = text(live("app_identity"), "principal_id");
        let name = text(settings, "MANAGED_IDENTITY_NAME");
        let role = state.all().find(|(id, _)| id.kind == "database_role" && text(&id.key, "name") == name);
        ("managed_identity", principal.is_some() && role.is_some_and(|(_, role)| text(role, "object_id") == principal))
    } else {
        ("password", true)
    };
    let answer = |path: &str| match path {
        "status" => Some(if healthy { "healthy" } else { "unhealthy" }),
        "database.auth_method" => Some(method),
        _ => None,
    };
    let expect = table.get("expect").and_then(Value::as_map).into_iter().flatten();
    expect
        .filter(|(path, wanted)| answer(path) != wanted.as_text())
        .map(|(path, wanted)| format!("{path} is {:?}, expected {wanted:?}", answer(path)))
        .collect()
}
