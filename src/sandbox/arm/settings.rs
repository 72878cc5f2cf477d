//! Microsoft.Web: what stands below `config` of a site: settings, connection strings, sticky names; and slot swaps.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::sandbox::call::{Call, Reply};
use crate::sandbox::state::{Site, World, site_key};

use super::{Arm, errors};

/// Answers below `config` of the site `key`.
pub fn answer(arm: &mut Arm<'_>, call: &Call, key: &str, rest: &[&str]) -> Reply {
    let Some(site) = arm.world.sites.get(key).cloned() else { return errors::no_route(&call.path) };
    let id = |name: &str| format!("{}/config/{name}", arm.world.site_id(&site));
    match (call.method.as_str(), rest) {
        ("POST", ["appsettings", "list"]) => app_settings(&id("appsettings"), &site),
        ("PUT", ["appsettings"]) => put_app_settings(arm.world, call, key, &id("appsettings")),
        ("POST", ["connectionstrings", "list"]) => connection_strings(&id("connectionstrings"), &site),
        ("PUT", ["connectionstrings"]) => put_connection_strings(arm.world, call, key, &id("connectionstrings")),
        ("GET", ["slotconfignames"]) if site.slot.is_none() => sticky(arm.world, &site),
        ("PUT", ["slotconfignames"]) if site.slot.is_none() => put_sticky(arm.world, call, &site),
        ("GET", ["web"]) => web(&id("web"), &site),
        ("PUT" | "PATCH", ["web"]) => put_web(arm.world, call, key, &id("web")),
        ("GET", ["configreferences", "appsettings"]) => {
            key_vault_references(&id("configreferences/appsettings"), &site)
        }
        ("POST", ["publishingcredentials", "list"]) => Reply::ok(config(
            &id("publishingcredentials"),
            "publishingcredentials",
            &json!({"publishingUserName": format!("${}", site.app), "publishingPassword": site.master_key,
                "scmUri": format!("https://{}.scm.azurewebsites.net", site.app)}),
        )),
        ("GET", ["authsettingsv2" | "authsettings" | "logs" | "metadata"]) => {
            Reply::ok(config(&id(rest[0]), rest[0], &json!({})))
        }
        _ => errors::no_route(&call.path),
    }
}

fn config(id: &str, name: &str, properties: &Value) -> Value {
    json!({"id": id, "name": name, "type": "Microsoft.Web/sites/config", "location": "East US", "tags": {},
        "properties": properties})
}

fn app_settings(id: &str, site: &Site) -> Reply {
    Reply::ok(config(id, "appsettings", &json!(site.settings)))
}

/// The dictionary of a PUT; without one nothing is written.
fn properties(call: &Call) -> Result<Map<String, Value>, Reply> {
    match call.json().get("properties") {
        Some(Value::Object(properties)) => Ok(properties.clone()),
        _ => Err(errors::app_service(400, "BadRequest", "51021", "The parameter properties has an invalid value.")),
    }
}

/// Names that differ only in case are refused, as Azure does.
fn refuse_doubles<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), Reply> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.to_ascii_lowercase()) {
            let message = format!("Parameter with name {name} already exists.");
            return Err(errors::app_service(409, "Conflict", "01013", message));
        }
    }
    Ok(())
}

fn put_app_settings(world: &mut World, call: &Call, key: &str, id: &str) -> Reply {
    let read = || -> Result<BTreeMap<String, String>, Reply> {
        let properties = properties(call)?;
        refuse_doubles(properties.keys())?;
        let wrong = |name: &String| !name.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c));
        if let Some(name) = properties.keys().find(|name| name.is_empty() || wrong(name)) {
            let message = format!(
                "AppSetting with name(s) '{name}' is not allowed. App setting names can only contain letters, numbers, periods and underscores."
            );
            return Err(errors::app_service(400, "BadRequest", "04072", message));
        }
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        Ok(properties.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
    };
    let settings = match read() {
        Ok(settings) => settings,
        Err(refusal) => return refusal,
    };
    let Some(site) = world.sites.get_mut(key) else { return errors::no_route(&call.path) };
    site.settings = settings;
    site.restart();
    app_settings(id, site)
}

fn connection_strings(id: &str, site: &Site) -> Reply {
    Reply::ok(config(id, "connectionstrings", &json!(site.connection_strings)))
}

fn put_connection_strings(world: &mut World, call: &Call, key: &str, id: &str) -> Reply {
    let properties = match properties(call).and_then(|all| refuse_doubles(all.keys()).map(|()| all)) {
        Ok(properties) => properties,
        Err(refusal) => return refusal,
    };
    let Some(site) = world.sites.get_mut(key) else { return errors::no_route(&call.path) };
    site.connection_strings = properties.into_iter().collect();
    site.restart();
    connection_strings(id, site)
}

fn sticky(world: &World, site: &Site) -> Reply {
    // Azure gives this one resource without its full id.
    Reply::ok(json!({"id": null, "name": site.app, "type": "Microsoft.Web/sites", "location": "East US",
        "properties": world.sticky_names(&site.app)}))
}

fn put_sticky(world: &mut World, call: &Call, site: &Site) -> Reply {
    let properties = match properties(call) {
        Ok(properties) => properties,
        Err(refusal) => return refusal,
    };
    let names = |key: &str| properties.get(key).cloned().unwrap_or(Value::Null);
    let wanted = json!({"connectionStringNames": names("connectionStringNames"),
        "appSettingNames": names("appSettingNames"), "azureStorageConfigNames": names("azureStorageConfigNames")});
    world.sticky.insert(site.app.to_ascii_lowercase(), wanted);
    sticky(world, site)
}

fn web(id: &str, site: &Site) -> Reply {
    let mut properties = json!({"numberOfWorkers": 1, "linuxFxVersion": "Python|3.12", "netFrameworkVersion": "v4.0",
        "pythonVersion": "", "nodeVersion": "", "powerShellVersion": "", "ftpsState": "FtpsOnly",
        "minTlsVersion": "1.2", "scmType": "None", "alwaysOn": false, "cors": null, "vnetName": "",
        "healthCheckPath": null, "acrUseManagedIdentityCreds": false});
    if let Some(properties) = properties.as_object_mut() {
        properties.extend(site.web_config.clone());
    }
    Reply::ok(config(id, "web", &properties))
}

fn put_web(world: &mut World, call: &Call, key: &str, id: &str) -> Reply {
    let properties = match properties(call) {
        Ok(properties) => properties,
        Err(refusal) => return refusal,
    };
    let Some(site) = world.sites.get_mut(key) else { return errors::no_route(&call.path) };
    site.web_config.extend(properties);
    site.restart();
    web(id, site)
}

/// Settings that are Key Vault references; the sandbox has no vault, so that each counts as resolved.
fn key_vault_references(id: &str, site: &Site) -> Reply {
    let references = site.settings.iter().filter(|(_, value)| value.starts_with("@Microsoft.KeyVault("));
    let value: Vec<Value> = references
        .map(|(name, value)| {
            json!({"id": format!("{id}/{name}"), "name": name, "type": "Microsoft.Web/sites/config/configreferences",
                "properties": {"reference": value, "status": "Resolved", "source": "KeyVault",
                    "identityType": "SystemAssigned"}})
        })
        .collect();
    Reply::ok(json!({"value": value, "nextLink": null, "id": null}))
}

/// POST `slotsswap`: settings and connection strings that are not sticky change places; identities stay.
pub fn swap(arm: &mut Arm<'_>, call: &Call, app: &str, slot: Option<&str>) -> Reply {
    let body = call.json();
    let target = body["targetSlot"].as_str().unwrap_or("production");
    let (here, there) = (site_key(app, slot), site_key(app, Some(target)));
    let names = arm.world.sticky_names(app);
    let sticky = |list: &str| -> Vec<String> {
        names[list].as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let (settings, strings) = (sticky("appSettingNames"), sticky("connectionStringNames"));
    let (Some(mut first), Some(mut second)) = (arm.world.sites.remove(&here), arm.world.sites.remove(&there)) else {
        return errors::not_found(&format!("Microsoft.Web/sites/{app}/slots/{target}"), "");
    };
    exchange(&mut first.settings, &mut second.settings, &settings);
    exchange(&mut first.connection_strings, &mut second.connection_strings, &strings);
    for site in [first, second] {
        let mut site = site;
        site.restart();
        arm.world.sites.insert(site.key(), site);
    }
    Reply::empty(200)
}

fn exchange<T: Clone>(first: &mut BTreeMap<String, T>, second: &mut BTreeMap<String, T>, sticky: &[String]) {
    let stays = |name: &String| sticky.contains(name) || name.ends_with("_EXTENSION_VERSION");
    let part = |map: &BTreeMap<String, T>| -> (BTreeMap<String, T>, BTreeMap<String, T>) {
        map.clone().into_iter().partition(|(name, _)| stays(name))
    };
    let ((first_stays, first_moves), (second_stays, second_moves)) = (part(first), part(second));
    *first = first_stays.into_iter().chain(second_moves).collect();
    *second = second_stays.into_iter().chain(first_moves).collect();
}
