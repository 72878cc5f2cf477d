//! A world in memory in which a plan file can run: what its keys name is there, and so are things of others.

use std::collections::BTreeSet;

use super::{MemoryWorld, State};
use crate::model::{Attributes, Desired, Letters, Ref, Value};
use crate::resources::behaviour::theirs;
use crate::resources::password_setting::names;

/// The objects of each schema that rules name: kind and name, each with its owner.
const OBJECTS: [(&str, &str, &str); 4] = [
    ("table", "features", "owner"),
    ("table", "layers", "owner"),
    ("sequence", "features_id_seq", "owner"),
    ("function", "area(integer)", "maker"),
];

/// A role that no plan file knows, and that may do things nevertheless.
const STRANGER: &str = "stranger";

impl MemoryWorld {
    /// A world around the resources of a plan file: every site, server and database that they name, as it was before
    /// anybody used pgentra, with settings, identities, roles and grants of others that have to stay as they are.
    pub fn around(desired: &[Desired]) -> Self {
        let world = Self::new();
        world.change(|state| {
            for want in desired {
                if want.key.contains_key("app") {
                    site(state, &want.key, want);
                }
                if let Some(table) =
                    want.attributes.get("http").and_then(Value::as_map).filter(|http| http.contains_key("app"))
                {
                    site(state, &part(table, &["subscription", "resource_group", "app", "slot"]), want);
                }
                if ["escrow", "password_setting"].contains(&want.address.kind.as_str()) {
                    passwords(state, want);
                }
                if want.address.kind == "role_password" {
                    state.put("role_password", &want.key, map([("value", theirs())]));
                }
                if want.key.contains_key("server") {
                    server(state, &want.key, desired);
                }
                if want.key.contains_key("database") {
                    database(state, want, desired);
                }
            }
        });
        world
    }
}

fn part(key: &Attributes, names: &[&str]) -> Attributes {
    names.iter().filter_map(|name| Some(((*name).to_owned(), key.get(*name)?.clone()))).collect()
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn site(state: &mut State, key: &Attributes, want: &Desired) {
    let key = part(key, &["subscription", "resource_group", "app", "slot"]);
    state.put("site", &key, Attributes::new());
    let known = state.get("app_settings", &key).and_then(|live| live.get("settings")).and_then(Value::as_map).cloned();
    let mut settings = known.unwrap_or_default();
    settings.extend(map([("FUNCTIONS_WORKER_RUNTIME", "python".into()), ("POSTGIS_PASSWORD", theirs())]));
    let required = want.attributes.get("require").and_then(Value::as_list).into_iter().flatten();
    settings.extend(required.filter_map(Value::as_text).map(|name| (name.to_owned(), Value::text("theirs"))));
    state.put("app_settings", &key, map([("settings", Value::Map(settings))]));
    let theirs = map([("/subscriptions/theirs/userAssignedIdentities/theirs", true.into())]);
    state.put("app_identity", &key, map([("system", false.into()), ("user_assigned", Value::Map(theirs))]));
    let app = part(&key, &["subscription", "resource_group", "app"]);
    state.put("slot_settings", &app, map([("app_settings", Value::Map(map([("THEIRS", true.into())])))]));
}

/// A list of a site that holds the values which a cleanup keeps and removes.
fn passwords(state: &mut State, want: &Desired) {
    let key = part(&want.key, &["subscription", "resource_group", "app", "slot", "list"]);
    let kept = want.key.get("name").and_then(Value::as_text);
    let held = state.get("password_setting", &key).and_then(|live| live.get("values")?.as_map().cloned());
    let mut values = held.unwrap_or_default();
    values.extend(names(&want.attributes).into_iter().chain(kept).map(|name| (name.to_owned(), theirs())));
    state.put("password_setting", &key, map([("values", Value::Map(values))]));
}

/// A server of which the plan file does not say how it lets clients in lets them in by its passwords.
fn server(state: &mut State, key: &Attributes, desired: &[Desired]) {
    let name = key.get("server");
    let asked = |want: &&Desired| want.address.kind == "server_auth" && want.key.get("server") == name;
    let place = desired.iter().find(|want| want.key.get("server") == name && want.key.contains_key("subscription"));
    let key = part(place.map_or(key, |want| &want.key), &["subscription", "resource_group", "server"]);
    let passwords = !desired.iter().any(|want| asked(&want));
    state.put("server", &key, map([("passwords", passwords.into())]));
    // An administrator needs a server that takes tokens, and another one may be there already.
    if passwords && place.is_some() {
        state.put("server_auth", &key, map([("entra_auth", true.into()), ("password_auth", true.into())]));
        let mut admin = key.clone();
        admin.insert("object_id".to_owned(), Value::text("99999999-9999-4999-8999-999999999999"));
        state.put("server_admin", &admin, map([("name", "theirs".into()), ("principal_type", "user".into())]));
    }
    let server = part(&key, &["server"]);
    role(state, &server, STRANGER);
}

fn role(state: &mut State, server: &Attributes, name: &str) {
    let mut key = server.clone();
    key.insert("name".to_owned(), Value::text(name));
    if state.get("database_role", &key).is_none() {
        state.put("database_role", &key, map([("create_db", false.into())]));
    }
}

fn database(state: &mut State, want: &Desired, desired: &[Desired]) {
    let rules: Vec<&Attributes> = want
        .attributes
        .get("grants")
        .and_then(Value::as_list)
        .into_iter()
        .flatten()
        .filter_map(Value::as_map)
        .collect();
    let mut schemas: BTreeSet<&str> = BTreeSet::from(["theirs"]);
    for rule in &rules {
        schemas.extend(rule.get("schemas").and_then(Value::as_list).into_iter().flatten().filter_map(Value::as_text));
    }
    let name = want.key.get("database").and_then(Value::as_text).unwrap_or_default();
    let mut objects = map([(&format!("database {name} #1"), "owner".into())]);
    for (at, schema) in schemas.iter().enumerate() {
        let oid = 100 * (at + 1);
        objects.insert(format!("schema {schema} #{oid}"), "owner".into());
        // A schema that the plan file makes is empty.
        let ours = |other: &Desired| {
            let named = |part: &str, name: &str| other.key.get(part).and_then(Value::as_text) == Some(name);
            other.address.kind == "schema" && named("database", name) && named("name", schema)
        };
        let held = if desired.iter().any(ours) { &[][..] } else { &OBJECTS[..] };
        for (more, (kind, object, owner)) in held.iter().enumerate() {
            objects.insert(format!("{kind} {schema}.{object} #{}", oid + more + 1), (*owner).into());
        }
    }
    let theirs =
        |entry: &String| (entry.clone(), Value::Map(map([(STRANGER, Value::Letters(Letters::new("rU".chars())))])));
    let granted = objects.keys().map(theirs).collect();
    let key = part(&want.key, &["server", "database"]);
    state.put("database_grants", &key, map([("privileges", Value::Map(granted))]));
    state.put("database", &key, map([("objects", Value::Map(objects))]));
    let ours = |role: &str| {
        desired.iter().any(|other| other.address.kind == "database_role" && other.key.get("name") == Some(&role.into()))
    };
    let server = part(&want.key, &["server"]);
    for named in rules.iter().filter_map(|rule| rule.get("role")).filter_map(|role| role_name(role, desired)) {
        if named != "PUBLIC" && !ours(&named) {
            role(state, &server, &named);
        }
    }
}

/// The role that a rule names, also by a reference to a role of the plan file.
fn role_name(role: &Value, desired: &[Desired]) -> Option<String> {
    match role {
        Value::Open(Ref { address, .. }) => {
            let giver = desired.iter().find(|want| want.address == *address)?;
            giver.key.get("name")?.as_text().map(str::to_owned)
        }
        role => role.as_text().map(str::to_owned),
    }
}
