//! Microsoft.ManagedIdentity/userAssignedIdentities.

use serde_json::{Value, json};

use crate::sandbox::call::{Call, Reply};
use crate::sandbox::state::{UserAssigned, World};

use super::{Arm, errors};

/// Answers below `Microsoft.ManagedIdentity/userAssignedIdentities`.
pub fn answer(arm: &mut Arm<'_>, call: &Call, group: &str, rest: &[&str]) -> Reply {
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let here = arm.world.identities.values().filter(|identity| identity.resource_group == group);
            let value: Vec<Value> = here.map(|identity| show(arm.world, identity)).collect();
            Reply::ok(json!({"value": value}))
        }
        ("GET", [key]) => match arm.world.identities.get(*key) {
            Some(identity) if identity.resource_group == group => Reply::ok(show(arm.world, identity)),
            _ => missing(group, &call.segments[7]),
        },
        ("PUT" | "PATCH", [key]) => put(arm.world, group, key, &call.segments[7]),
        ("DELETE", [key]) => match arm.world.identities.remove(*key) {
            Some(identity) => {
                arm.world.directory.remove(&identity.principal_id);
                Reply::empty(200)
            }
            None => Reply::empty(204),
        },
        _ => errors::no_route(&call.path),
    }
}

fn missing(group: &str, name: &str) -> Reply {
    errors::not_found(&format!("Microsoft.ManagedIdentity/userAssignedIdentities/{name}"), group)
}

fn put(world: &mut World, group: &str, key: &str, name: &str) -> Reply {
    if let Some(identity) = world.identities.get(key) {
        return Reply::ok(show(world, identity));
    }
    let mut identity =
        UserAssigned { name: name.to_owned(), resource_group: group.to_owned(), principal_id: String::new() };
    let id = world.identity_id(&identity);
    identity.principal_id = world.directory.add_managed_identity(name, &id);
    let shown = show(world, &identity);
    world.identities.insert(key.to_owned(), identity);
    Reply::json(201, shown)
}

fn show(world: &World, identity: &UserAssigned) -> Value {
    let client = world.directory.principals.get(&identity.principal_id).and_then(|principal| principal.client_id());
    json!({"id": world.identity_id(identity), "name": identity.name, "location": world.location, "tags": {},
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "properties": {"tenantId": world.tenant, "principalId": identity.principal_id, "clientId": client}})
}
