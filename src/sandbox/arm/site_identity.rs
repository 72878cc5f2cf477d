//! The managed identities of a site: how a write of `identity` is understood, and how it is shown.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::sandbox::call::Reply;
use crate::sandbox::state::{Site, World};

use super::errors;

/// `identity` as Azure shows it; none when the site has no identity.
pub fn show(world: &World, site: &Site) -> Option<Value> {
    let system = site.system_identity.as_ref();
    let kind = match (system.is_some(), site.user_identities.is_empty()) {
        (true, true) => "SystemAssigned",
        (true, false) => "SystemAssigned, UserAssigned",
        (false, false) => "UserAssigned",
        (false, true) => return None,
    };
    let mut shown = Map::new();
    shown.insert("type".into(), json!(kind));
    if let Some(principal) = system {
        shown.insert("principalId".into(), json!(principal));
        shown.insert("tenantId".into(), json!(world.tenant));
    }
    if !site.user_identities.is_empty() {
        let one = |id: &String| {
            let principal = world.identity_by_id(id).map(|identity| identity.principal_id.clone()).unwrap_or_default();
            let client = world.directory.principals.get(&principal).and_then(|principal| principal.client_id());
            (id.clone(), json!({"principalId": principal, "clientId": client}))
        };
        let all: Map<String, Value> = site.user_identities.values().map(one).collect();
        shown.insert("userAssignedIdentities".into(), Value::Object(all));
    }
    Some(Value::Object(shown))
}

/// Takes a written `identity`: `type` is the whole wanted set, a user-assigned identity with null is taken away, and the
/// ones that are not named go too (unless a PATCH is to keep them, see [`crate::sandbox::state::Knobs`]).
pub fn write(world: &mut World, key: &str, identity: &Value, patch: bool) -> Result<(), Reply> {
    let kind = identity["type"].as_str().unwrap_or_default();
    let (mut system, mut user) = (false, false);
    for part in kind.split(',').map(str::trim) {
        match part.to_ascii_lowercase().as_str() {
            "systemassigned" => system = true,
            "userassigned" => user = true,
            "none" => {}
            _ => {
                let message = format!("The identity type '{kind}' is not valid.");
                return Err(errors::error(400, "InvalidIdentityType", message));
            }
        }
    }
    let Some(site) = world.sites.get(key) else { return Ok(()) };
    let named = identity["userAssignedIdentities"].as_object();
    let mut kept = match named {
        _ if !user => BTreeMap::new(),
        Some(_) if patch && world.knobs.patch_keeps_identities => site.user_identities.clone(),
        Some(_) => BTreeMap::new(),
        None => site.user_identities.clone(),
    };
    for (id, value) in named.into_iter().flatten().filter(|_| user) {
        let folded = id.trim_end_matches('/').to_ascii_lowercase();
        if value.is_null() {
            kept.remove(&folded);
            continue;
        }
        let Some(found) = world.identity_by_id(id) else { return Err(unknown(id)) };
        let spelling = site.user_identities.get(&folded).cloned().unwrap_or_else(|| world.identity_id(found));
        kept.insert(folded, spelling);
    }
    if user && kept.is_empty() {
        return Err(errors::error(
            400,
            "InvalidIdentityValues",
            "The identity type 'UserAssigned' needs at least one user-assigned identity.",
        ));
    }
    let (name, id, old) = (site.identity_name(), world.site_id(site), site.system_identity.clone());
    let new = match (old, system) {
        (Some(principal), true) => Some(principal),
        (None, true) => Some(world.directory.add_managed_identity(&name, &id)),
        (Some(principal), false) => {
            world.directory.remove(&principal);
            None
        }
        (None, false) => None,
    };
    if let Some(site) = world.sites.get_mut(key) {
        site.system_identity = new;
        site.user_identities = kept;
    }
    Ok(())
}

fn unknown(id: &str) -> Reply {
    let message = format!(
        "Identity operation for the site failed with error 'Failed to perform resource identity operation. Status: 'NotFound'. Response: 'Resource '{id}' was not found.''."
    );
    errors::error(400, "FailedIdentityOperation", message)
}

/// `…/providers/Microsoft.ManagedIdentity/identities/default` of a site: its system-assigned identity with client id.
pub fn extension(world: &World, site: &Site) -> Reply {
    let id = format!("{}/providers/Microsoft.ManagedIdentity/identities/default", world.site_id(site));
    let principal = site.system_identity.as_ref();
    let Some((principal_id, principal)) = principal.and_then(|id| world.directory.principals.get_key_value(id)) else {
        return errors::error(404, "ResourceNotFound", format!("The resource '{id}' has no system-assigned identity."));
    };
    Reply::ok(json!({"id": id, "name": "default", "type": "Microsoft.ManagedIdentity/identities",
        "location": world.location, "properties": {"tenantId": world.tenant, "principalId": principal_id,
            "clientId": principal.client_id()}}))
}
