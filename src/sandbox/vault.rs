//! Key Vault: the data plane of secrets with versions and soft delete, and the vault as Resource Manager shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::directory::{Role, new_guid};
use super::state::World;

/// Audience of tokens for Key Vault.
pub const AUDIENCE: &str = "https://vault.azure.net";
/// Days until a deleted secret would be purged by itself.
const RETENTION_DAYS: i64 = 90;

/// A key vault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vault {
    /// Name as given.
    pub name: String,
    /// Resource group.
    pub resource_group: String,
    /// Secrets by name in lower case.
    pub secrets: BTreeMap<String, Secret>,
}

/// A secret with all its versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    /// Name as given.
    pub name: String,
    /// Versions, oldest first.
    pub versions: Vec<Version>,
    /// When it was deleted, in seconds since the epoch.
    pub deleted: Option<i64>,
    /// Until when a delete or recover has not settled, in milliseconds since the epoch.
    pub settles: i64,
}

/// One version of a secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Its id.
    pub id: String,
    /// The secret text.
    pub value: String,
    /// `contentType`.
    pub content_type: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it may be read.
    pub enabled: bool,
    /// When it was made, in seconds since the epoch.
    pub created: i64,
}

/// When a call comes: both clocks follow the sandbox's.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Seconds since the epoch.
    pub seconds: i64,
    /// Milliseconds since the epoch.
    pub millis: i64,
}

/// Asks for a token, as Key Vault does of a first call without one.
pub fn challenge(base: &str, tenant: &str) -> Reply {
    let body =
        json!({"error": {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer or PoP token."}});
    let header = format!("Bearer authorization=\"{base}/{tenant}\", resource=\"{AUDIENCE}\"");
    Reply::json(401, body).with("www-authenticate", header)
}

/// Resource Manager's view of the vaults of a resource group, or of the subscription.
pub fn resource(world: &World, base: &str, group: Option<&str>, rest: &[&str]) -> Reply {
    let show = |vault: &Vault| {
        let id = world.arm_id(&vault.resource_group, &format!("Microsoft.KeyVault/vaults/{}", vault.name));
        json!({"id": id, "name": vault.name, "type": "Microsoft.KeyVault/vaults", "location": world.location, "tags": {},
            "properties": {"vaultUri": format!("{base}/vaults/{}/", vault.name), "tenantId": world.tenant,
                "sku": {"family": "A", "name": "standard"}, "enableSoftDelete": true, "enableRbacAuthorization": true,
                "softDeleteRetentionInDays": RETENTION_DAYS, "provisioningState": "Succeeded",
                "publicNetworkAccess": "Enabled"}})
    };
    let here = |vault: &&Vault| group.is_none_or(|group| vault.resource_group == group);
    match rest {
        [] => Reply::ok(json!({"value": world.vaults.values().filter(here).map(show).collect::<Vec<_>>()})),
        [name] => match world.vaults.get(*name).filter(here) {
            Some(vault) => Reply::ok(show(vault)),
            None => {
                super::arm::errors::not_found(&format!("Microsoft.KeyVault/vaults/{name}"), group.unwrap_or_default())
            }
        },
        _ => super::arm::errors::no_type("Microsoft.KeyVault/vaults"),
    }
}

/// The action on data that a call is.
fn action(call: &Call) -> String {
    let verb = match (call.method.as_str(), call.parts().get(2..).unwrap_or_default()) {
        ("PUT", _) => "setSecret/action",
        ("GET", ["secrets", ..]) => "getSecret/action",
        ("GET", _) => "readMetadata/action",
        ("PATCH", _) => "update/action",
        ("POST", _) => "recover/action",
        ("DELETE", ["deletedsecrets", ..]) => "purge/action",
        _ => "delete",
    };
    format!("Microsoft.KeyVault/vaults/secrets/{verb}")
}

/// Answers below `/vaults/<name>/`.
pub fn answer(world: &mut World, base: &str, call: &Call, role: &Role, now: Moment) -> Reply {
    if !role.gives(&action(call), true) {
        return refuse(
            403,
            "Forbidden",
            "Caller is not authorized to perform action on resource.",
            Some("ForbiddenByRbac"),
        );
    }
    if world.knobs.read_only && call.method != "GET" {
        return refuse(403, "Forbidden", "The sandbox refuses every write.", None);
    }
    let settle = i64::try_from(world.knobs.operation_ms).unwrap_or(i64::MAX);
    let key = call.lower.get(1).cloned().unwrap_or_default();
    let Some(vault) = world.vaults.get_mut(&key) else {
        return refuse(404, "VaultNotFound", &format!("No vault named {key}."), None);
    };
    let at = format!("{base}/vaults/{}", vault.name);
    let name = call.segments.get(3).cloned().unwrap_or_default();
    let key = name.to_ascii_lowercase();
    match (call.method.as_str(), call.parts().get(2..).unwrap_or_default()) {
        ("PUT", ["secrets", _]) => set(vault, &at, &name, &call.json(), now),
        ("GET", ["secrets", _]) => get(vault, &at, &key, None, now),
        ("GET", ["secrets", _, version]) => get(vault, &at, &key, Some(version), now),
        ("PATCH", ["secrets", _, version]) => update(vault, &at, &key, version, &call.json()),
        ("DELETE", ["secrets", _]) => delete(vault, &at, &key, now, settle),
        ("GET", ["deletedsecrets", _]) => deleted(vault, &at, &key, now),
        ("POST", ["deletedsecrets", _, "recover"]) => recover(vault, &at, &key, now, settle),
        ("DELETE", ["deletedsecrets", _]) => purge(vault, &key, now),
        ("GET", ["secrets"]) => list(vault, &at),
        _ => refuse(404, "NotFound", "No such operation.", None),
    }
}

fn refuse(status: u16, code: &str, message: &str, inner: Option<&str>) -> Reply {
    let mut error = json!({"code": code, "message": message});
    if let Some(inner) = inner {
        error["innererror"] = json!({"code": inner});
    }
    Reply::json(status, json!({"error": error}))
}

fn missing(name: &str) -> Reply {
    let message = format!(
        "A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command."
    );
    refuse(404, "SecretNotFound", &message, None)
}

fn bundle(at: &str, secret: &Secret, version: &Version, with_value: bool) -> Value {
    let mut bundle = json!({
        "id": format!("{at}/secrets/{}/{}", secret.name, version.id),
        "attributes": {"enabled": version.enabled, "created": version.created, "updated": version.created,
            "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": RETENTION_DAYS},
        "tags": version.tags,
    });
    if let Some(content) = &version.content_type {
        bundle["contentType"] = json!(content);
    }
    if with_value {
        bundle["value"] = json!(version.value);
    }
    bundle
}

fn set(vault: &mut Vault, at: &str, name: &str, body: &Value, now: Moment) -> Reply {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || name.len() > 127 || !name.chars().all(plain) {
        return refuse(400, "BadParameter", "The request URI contains an invalid name.", None);
    }
    let Some(value) = body["value"].as_str() else {
        return refuse(400, "BadParameter", "Property value is required.", None);
    };
    if value.len() > 25_600 {
        return refuse(400, "BadParameter", "Property value exceeds the maximum size of 25k.", None);
    }
    let secret = vault.secrets.entry(name.to_ascii_lowercase()).or_default();
    if secret.deleted.is_some() {
        let inner = if now.millis < secret.settles { "ObjectIsBeingDeleted" } else { "ObjectIsDeletedButRecoverable" };
        let message = format!(
            "Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged."
        );
        return refuse(409, "Conflict", &message, Some(inner));
    }
    name.clone_into(&mut secret.name);
    secret.versions.push(Version {
        id: new_guid().replace('-', ""),
        value: value.to_owned(),
        content_type: body["contentType"].as_str().map(str::to_owned),
        tags: tags(body),
        enabled: body["attributes"]["enabled"].as_bool().unwrap_or(true),
        created: now.seconds,
    });
    secret.versions.last().map_or_else(|| missing(name), |version| Reply::ok(bundle(at, secret, version, true)))
}

fn tags(body: &Value) -> BTreeMap<String, String> {
    let tags = body["tags"].as_object().into_iter().flatten();
    tags.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn get(vault: &Vault, at: &str, key: &str, version: Option<&str>, now: Moment) -> Reply {
    let standing = |secret: &&Secret| secret.deleted.is_none() && now.millis >= secret.settles;
    let Some(secret) = vault.secrets.get(key).filter(standing) else { return missing(key) };
    let found = match version {
        None => secret.versions.last(),
        Some(id) => secret.versions.iter().find(|version| version.id == id),
    };
    match found {
        Some(version) if version.enabled => Reply::ok(bundle(at, secret, version, true)),
        Some(_) => {
            refuse(403, "Forbidden", "Operation get is not allowed on a disabled secret.", Some("SecretDisabled"))
        }
        None => missing(key),
    }
}

fn update(vault: &mut Vault, at: &str, key: &str, id: &str, body: &Value) -> Reply {
    let Some(secret) = vault.secrets.get_mut(key).filter(|secret| secret.deleted.is_none()) else {
        return missing(key);
    };
    let Some(version) = secret.versions.iter_mut().find(|version| version.id == id) else { return missing(key) };
    if let Some(enabled) = body["attributes"]["enabled"].as_bool() {
        version.enabled = enabled;
    }
    if body["tags"].is_object() {
        version.tags = tags(body);
    }
    let version = version.clone();
    Reply::ok(bundle(at, secret, &version, false))
}

fn deleted_bundle(at: &str, secret: &Secret, when: i64) -> Value {
    let mut bundle = secret.versions.last().map_or_else(|| json!({}), |version| bundle(at, secret, version, false));
    bundle["recoveryId"] = json!(format!("{at}/deletedsecrets/{}", secret.name));
    bundle["deletedDate"] = json!(when);
    bundle["scheduledPurgeDate"] = json!(when + RETENTION_DAYS * 86_400);
    bundle
}

fn delete(vault: &mut Vault, at: &str, key: &str, now: Moment, settle: i64) -> Reply {
    let Some(secret) = vault.secrets.get_mut(key).filter(|secret| secret.deleted.is_none()) else {
        return missing(key);
    };
    secret.deleted = Some(now.seconds);
    secret.settles = now.millis.saturating_add(settle);
    Reply::ok(deleted_bundle(at, secret, now.seconds))
}

/// The deleted secret; only once the delete has settled.
fn deleted(vault: &Vault, at: &str, key: &str, now: Moment) -> Reply {
    let found = vault.secrets.get(key).filter(|secret| now.millis >= secret.settles);
    match found.and_then(|secret| Some((secret, secret.deleted?))) {
        Some((secret, when)) => Reply::ok(deleted_bundle(at, secret, when)),
        None => missing(key),
    }
}

fn recover(vault: &mut Vault, at: &str, key: &str, now: Moment, settle: i64) -> Reply {
    let gone = |secret: &&mut Secret| secret.deleted.is_some() && now.millis >= secret.settles;
    let Some(secret) = vault.secrets.get_mut(key).filter(gone) else { return missing(key) };
    secret.deleted = None;
    secret.settles = now.millis.saturating_add(settle);
    secret.versions.last().map_or_else(|| missing(key), |version| Reply::ok(bundle(at, secret, version, false)))
}

fn purge(vault: &mut Vault, key: &str, now: Moment) -> Reply {
    let gone = |secret: &Secret| secret.deleted.is_some() && now.millis >= secret.settles;
    if vault.secrets.get(key).is_some_and(gone) {
        vault.secrets.remove(key);
        Reply::empty(204)
    } else {
        missing(key)
    }
}

fn list(vault: &Vault, at: &str) -> Reply {
    let standing = vault.secrets.values().filter(|secret| secret.deleted.is_none());
    let items = standing.filter_map(|secret| {
        let mut item = bundle(at, secret, secret.versions.last()?, false);
        item["id"] = json!(format!("{at}/secrets/{}", secret.name));
        Some(item)
    });
    Reply::ok(json!({"value": items.collect::<Vec<_>>(), "nextLink": null}))
}
