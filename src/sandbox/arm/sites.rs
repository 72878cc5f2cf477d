//! Microsoft.Web: sites and slots themselves; their settings are next door.

use serde_json::{Map, Value, json};

use crate::sandbox::call::{Call, Content, Reply};
use crate::sandbox::state::{Site, World, site_key};

use super::{Answer, Arm, errors, settings, site_identity};

/// Sites of one resource group, or of all.
pub fn list(world: &World, group: Option<&str>) -> Reply {
    let here = |site: &&Site| site.slot.is_none() && group.is_none_or(|group| site.resource_group == group);
    let value: Vec<Value> = world.sites.values().filter(here).map(|site| show(world, site)).collect();
    Reply::ok(json!({"value": value, "nextLink": null, "id": null}))
}

/// Answers below `Microsoft.Web/sites`.
pub fn answer(arm: &mut Arm<'_>, call: &Call, group: &str, rest: &[&str]) -> Answer {
    match rest {
        [] if call.method == "GET" => list(arm.world, Some(group)).into(),
        [_, "slots"] if call.method == "GET" => slots(arm.world, group, &call.segments[7]).into(),
        [_, "slots", _, tail @ ..] => one(arm, call, group, (&call.segments[7], Some(&call.segments[9])), tail).into(),
        [_, tail @ ..] => one(arm, call, group, (&call.segments[7], None), tail).into(),
        [] => errors::no_route(&call.path).into(),
    }
}

fn slots(world: &World, group: &str, app: &str) -> Reply {
    if !world.sites.contains_key(&site_key(app, None)) {
        return missing(group, app, None);
    }
    let here = |site: &&Site| site.slot.is_some() && site.app.eq_ignore_ascii_case(app);
    let value: Vec<Value> = world.sites.values().filter(here).map(|site| show(world, site)).collect();
    Reply::ok(json!({"value": value, "nextLink": null, "id": null}))
}

fn missing(group: &str, app: &str, slot: Option<&str>) -> Reply {
    let slot = slot.map_or_else(String::new, |slot| format!("/slots/{slot}"));
    errors::not_found(&format!("Microsoft.Web/sites/{app}{slot}"), group)
}

fn one(arm: &mut Arm<'_>, call: &Call, group: &str, name: (&str, Option<&str>), tail: &[&str]) -> Reply {
    let (app, slot) = name;
    let key = site_key(app, slot);
    let here = arm.world.sites.get(&key).is_some_and(|site| site.resource_group == group);
    if !here {
        let parent = slot.is_none() || arm.world.sites.contains_key(&site_key(app, None));
        if call.method == "PUT" && tail.is_empty() && parent {
            return create(arm, call, group, name);
        }
        return missing(group, app, slot);
    }
    match (call.method.as_str(), tail) {
        ("GET", []) => Reply::ok(show(arm.world, &arm.world.sites[&key])),
        ("PUT" | "PATCH", []) => write(arm, call, &key),
        ("DELETE", []) => {
            if let Some(site) = arm.world.sites.remove(&key)
                && let Some(principal) = site.system_identity
            {
                arm.world.directory.remove(&principal);
            }
            Reply::empty(200)
        }
        ("POST", ["restart" | "start" | "stop"]) => {
            if let Some(site) = arm.world.sites.get_mut(&key) {
                site.running = tail[0] != "stop";
                site.restart();
            }
            Reply::empty(200)
        }
        ("POST", ["publishxml"]) => publish_profile(&arm.world.sites[&key]),
        ("POST", ["host", "default", "listkeys"]) => {
            let master = &arm.world.sites[&key].master_key;
            Reply::ok(json!({"masterKey": master, "functionKeys": {"default": master}, "systemKeys": {}}))
        }
        ("POST", ["slotsswap"]) => settings::swap(arm, call, app, slot),
        ("GET", ["basicpublishingcredentialspolicies", name]) => Reply::ok(json!({
            "id": call.path, "name": name, "type": "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
            "properties": {"allow": false}})),
        ("GET", ["functions"]) => Reply::ok(json!({"value": [], "nextLink": null})),
        ("GET", ["providers", "microsoft.managedidentity", "identities", "default"]) => {
            site_identity::extension(arm.world, &arm.world.sites[&key])
        }
        (_, ["config", rest @ ..]) => settings::answer(arm, call, &key, rest),
        _ => errors::no_route(&call.path),
    }
}

fn create(arm: &mut Arm<'_>, call: &Call, group: &str, (app, slot): (&str, Option<&str>)) -> Reply {
    let body = call.json();
    let kind = body["kind"].as_str().unwrap_or("app");
    let site = Site::new(app, slot, group, kind);
    let key = site.key();
    arm.world.sites.insert(key.clone(), site);
    let reply = write(arm, call, &key);
    if reply.status >= 400 {
        arm.world.sites.remove(&key);
    }
    reply
}

/// PUT and PATCH. What a PUT leaves out stays: today's answer of Azure to an omitted identity is not documented.
fn write(arm: &mut Arm<'_>, call: &Call, key: &str) -> Reply {
    let Value::Object(body) = call.json() else {
        return errors::app_service(400, "BadRequest", "51021", "The request body is not a JSON object.");
    };
    if let Some(identity) = body.get("identity").filter(|identity| !identity.is_null())
        && let Err(refusal) = site_identity::write(arm.world, key, identity, call.method == "PATCH")
    {
        return refusal;
    }
    let Some(site) = arm.world.sites.get_mut(key) else { return errors::no_route(&call.path) };
    if let Some(Value::Object(tags)) = body.get("tags") {
        site.tags.clone_from(tags);
    }
    if let Some(enabled) = body.get("properties").and_then(|properties| properties["enabled"].as_bool()) {
        site.running = enabled;
    }
    let config = body.get("properties").map_or(&Value::Null, |properties| &properties["siteConfig"]);
    if let Some(pairs) = config["appSettings"].as_array() {
        site.settings = pairs
            .iter()
            .filter_map(|pair| Some((pair["name"].as_str()?.to_owned(), pair["value"].as_str()?.to_owned())))
            .collect();
    }
    site.restart();
    Reply::ok(show(arm.world, &arm.world.sites[key]))
}

fn publish_profile(site: &Site) -> Reply {
    let profile = format!(
        "<publishData><publishProfile profileName=\"{0} - Web Deploy\" publishMethod=\"MSDeploy\" publishUrl=\"{1}\" msdeploySite=\"{0}\" userName=\"\" userPWD=\"\" destinationAppUrl=\"https://{1}\" /></publishData>",
        site.app, site.host_name
    );
    Reply { status: 200, headers: Vec::new(), body: Content::Text("application/xml", profile) }
}

/// The JSON of a site or slot. App settings are never in it.
pub fn show(world: &World, site: &Site) -> Value {
    let slot = site.slot.as_ref();
    let mut shown = Map::new();
    shown.insert("id".into(), json!(world.site_id(site)));
    shown.insert("name".into(), json!(slot.map_or_else(|| site.app.clone(), |slot| format!("{}/{slot}", site.app))));
    let kind = if slot.is_some() { "Microsoft.Web/sites/slots" } else { "Microsoft.Web/sites" };
    shown.insert("type".into(), json!(kind));
    shown.insert("kind".into(), json!(site.kind));
    shown.insert("location".into(), json!("East US"));
    shown.insert("tags".into(), json!(site.tags));
    shown.insert("properties".into(), properties(world, site));
    if let Some(identity) = site_identity::show(world, site) {
        shown.insert("identity".into(), identity);
    }
    Value::Object(shown)
}

fn properties(world: &World, site: &Site) -> Value {
    let scm = &site.scm_host;
    let host = |name: &str, kind: &str| json!({"name": name, "sslState": "Disabled", "thumbprint": null, "toUpdate": null, "hostType": kind});
    json!({
        "name": site.app,
        "state": if site.running { "Running" } else { "Stopped" },
        "enabled": site.running,
        "adminEnabled": true,
        "availabilityState": "Normal",
        "usageState": "Normal",
        "defaultHostName": site.host_name,
        "hostNames": [site.host_name],
        "enabledHostNames": [site.host_name, scm],
        "hostNameSslStates": [host(&site.host_name, "Standard"), host(scm, "Repository")],
        "serverFarmId": world.arm_id(&site.resource_group, &format!("Microsoft.Web/serverfarms/{}-plan", site.app)),
        "reserved": site.kind.contains("linux"),
        "isXenon": false,
        "hyperV": false,
        "httpsOnly": true,
        "sku": "ElasticPremium",
        "repositorySiteName": site.app,
        "resourceGroup": site.resource_group,
        "keyVaultReferenceIdentity": "SystemAssigned",
        "publicNetworkAccess": "Enabled",
        "virtualNetworkSubnetId": null,
        "managedEnvironmentId": null,
        "inProgressOperationId": null,
        "slotSwapStatus": null,
        "targetSwapSlot": null,
        "outboundIpAddresses": "127.0.0.1",
        "possibleOutboundIpAddresses": "127.0.0.1",
        "lastModifiedTimeUtc": "2025-11-15T00:00:00",
        "siteConfig": {"numberOfWorkers": 1, "linuxFxVersion": "Python|3.12", "alwaysOn": false,
            "http20Enabled": false, "functionAppScaleLimit": 0, "minimumElasticInstanceCount": 1},
        "functionAppConfig": null,
    })
}
