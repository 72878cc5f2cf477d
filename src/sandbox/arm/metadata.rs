//! What a client asks before it knows anything: endpoints of the cloud, providers, locations, plans, stacks.

use serde_json::{Value, json};

use crate::sandbox::call::{Call, Reply};
use crate::sandbox::names;
use crate::sandbox::state::World;

use super::errors;

/// `/metadata/endpoints` as of api-version 2022-09-01: one object. The spelling of the names is Azure's.
pub fn endpoints(base: &str) -> Reply {
    Reply::ok(json!({
        "name": "pgentraSandbox",
        "portal": base,
        "authentication": {"loginEndpoint": base, "audiences": [base, "https://management.azure.com/",
            "https://management.core.windows.net/"], "tenant": "common", "identityProvider": "AAD"},
        "resourceManager": base,
        "graph": base, "graphAudience": base, "gallery": base, "media": "https://rest.media.azure.net",
        "batch": "https://batch.core.windows.net/", "sqlManagement": base, "activeDirectoryDataLake": base,
        "vmImageAliasDoc": format!("{base}/images.json"),
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "appInsightsResourceId": "https://api.applicationinsights.io",
        "appInsightsTelemetryChannelResourceId": "https://dc.applicationinsights.azure.com/v2/track",
        "logAnalyticsResourceId": "https://api.loganalytics.io",
        "ossrdbmsResourceId": names::POSTGRES_AUDIENCE,
        "synapseAnalyticsResourceId": "https://dev.azuresynapse.net",
        "attestationResourceId": "https://attest.azure.net",
        "suffixes": {"storage": "core.windows.net", "keyVaultDns": "vault.azure.net",
            "postgresqlServerEndpoint": "postgres.database.azure.com",
            "sqlServerHostname": "database.windows.net", "mysqlServerEndpoint": "mysql.database.azure.com",
            "mariadbServerEndpoint": "mariadb.database.azure.com", "acrLoginServer": "azurecr.io",
            "mhsmDns": "managedhsm.azure.net", "attestationEndpoint": "attest.azure.net"},
    }))
}

/// `/providers/...` and `/subscriptions/{s}/providers/...`: registration states, and the stacks of function apps.
pub fn providers(rest: &[&str], call: &Call) -> Reply {
    let provider = |name: &str| {
        json!({"id": call.path, "namespace": name, "registrationState": "Registered",
            "registrationPolicy": "RegistrationRequired", "resourceTypes": []})
    };
    match rest {
        [] => {
            let all = ["Microsoft.Web", "Microsoft.ManagedIdentity", "Microsoft.DBforPostgreSQL"].map(provider);
            Reply::ok(json!({"value": all}))
        }
        ["microsoft.web", "functionappstacks"] => Reply::ok(json!({"value": [python_stack()]})),
        ["microsoft.web", "webappstacks"] => Reply::ok(json!({"value": []})),
        ["microsoft.web" | "microsoft.managedidentity" | "microsoft.dbforpostgresql"] => {
            Reply::ok(provider(call.segments.last().map_or("", String::as_str)))
        }
        [namespace, kind, ..] => errors::no_type(&format!("{namespace}/{kind}")),
        [namespace] => {
            errors::error(404, "InvalidResourceNamespace", format!("The resource namespace '{namespace}' is invalid."))
        }
    }
}

/// The one stack of function apps, that of the demo app: `az` warns of an app whose stack is not in the list.
fn python_stack() -> Value {
    let linux = json!({"runtimeVersion": "Python|3.12", "isPreview": false, "isDeprecated": false, "isHidden": false,
        "isDefault": true, "appInsightsSettings": {"isSupported": true}, "remoteDebuggingSupported": false,
        "gitHubActionSettings": {"isSupported": true, "supportedVersion": "3.12"},
        "appSettingsDictionary": {"FUNCTIONS_WORKER_RUNTIME": "python"},
        "siteConfigPropertiesDictionary": {"use32BitWorkerProcess": false, "linuxFxVersion": "Python|3.12"},
        "supportedFunctionsExtensionVersions": ["~4"], "endOfLifeDate": "2028-10-31T00:00:00Z"});
    let minor =
        json!({"displayText": "Python 3.12", "value": "3.12", "stackSettings": {"linuxRuntimeSettings": linux}});
    json!({"id": null, "name": "python", "type": "Microsoft.Web/functionAppStacks", "properties": {
        "displayText": "Python", "value": "python", "preferredOs": "linux",
        "majorVersions": [{"displayText": "Python 3", "value": "3", "minorVersions": [minor]}]}})
}

/// `/subscriptions/{s}/locations`.
pub fn locations(world: &World) -> Reply {
    Reply::ok(json!({"value": [{"id": format!("/subscriptions/{}/locations/{}", world.subscription, world.location),
        "name": world.location, "displayName": "East US", "regionalDisplayName": "(US) East US"}]}))
}

/// What a resource group holds, as `az resource list` shows it; the sandbox has one group.
pub fn resources(world: &World) -> Reply {
    let sites = world.sites.values().map(|site| {
        let kind = if site.slot.is_some() { "Microsoft.Web/sites/slots" } else { "Microsoft.Web/sites" };
        (world.site_id(site), kind)
    });
    let servers = world.servers.values();
    let servers = servers.map(|server| (world.server_id(server), "Microsoft.DBforPostgreSQL/flexibleServers"));
    let identities = world.identities.values();
    let identities = identities.map(|one| (world.identity_id(one), "Microsoft.ManagedIdentity/userAssignedIdentities"));
    let one = |(id, kind): (String, &str)| {
        let names: Vec<&str> = id.split('/').skip(8).step_by(2).collect();
        json!({"name": names.join("/"), "type": kind, "location": world.location, "tags": {}, "id": id})
    };
    let all: Vec<Value> = sites.chain(servers).chain(identities).map(one).collect();
    Reply::ok(json!({"value": all}))
}

/// The App Service plans: each app has one of its own, named after it.
pub fn plans(world: &World) -> Reply {
    let apps = world.sites.values().filter(|site| site.slot.is_none());
    let all: Vec<Value> = apps.map(|site| plan(world, &site.resource_group, &format!("{}-plan", site.app))).collect();
    Reply::ok(json!({"value": all, "nextLink": null, "id": null}))
}

/// An App Service plan.
pub fn plan(world: &World, group: &str, name: &str) -> Value {
    json!({
        "id": world.arm_id(group, &format!("Microsoft.Web/serverfarms/{name}")), "name": name,
        "type": "Microsoft.Web/serverfarms", "kind": "elastic", "location": world.location,
        "sku": {"name": "EP1", "tier": "ElasticPremium", "size": "EP1", "family": "EP", "capacity": 1},
        "properties": {"reserved": true, "status": "Ready", "numberOfSites": world.sites.len(),
            "maximumNumberOfWorkers": 20, "provisioningState": "Succeeded"},
    })
}

/// What flexible servers of a region can be; enough for a client that looks its server's sku and version up.
pub fn capabilities(world: &World) -> Value {
    let sku = |name: &str, cores: u32| {
        json!({"name": name, "vCores": cores, "supportedIops": 640, "supportedMemoryPerVcoreMb": 2048,
            "supportedZones": ["1"], "supportedHaMode": ["SameZone"], "status": "Available", "supportedFeatures": []})
    };
    let storage = json!([{"name": "ManagedDisk", "defaultStorageSizeMb": 32768, "status": "Available",
        "supportedStorageMb": [{"storageSizeMb": 32768, "supportedIops": 120, "defaultIopsTier": "P4",
            "supportedIopsTiers": [{"name": "P4", "iops": 120}, {"name": "P6", "iops": 240}]}]}]);
    let edition = |name: &str, default: &str, skus: Value| {
        json!({"name": name, "defaultSkuName": default, "supportedStorageEditions": storage,
            "supportedServerSkus": skus, "status": "Available"})
    };
    let versions = ["18", "17", "16", "15", "14"];
    let versions: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(at, name)| {
            json!({"name": name, "supportedVersionsToUpgrade": versions[..at], "status": "Available",
            "supportedFeatures": []})
        })
        .collect();
    let feature = |name: &str, status: &str| json!({"name": name, "status": status});
    json!({"name": "FlexibleServerCapabilities", "status": "Available", "restricted": "Disabled",
        "supportedServerEditions": [
            edition("Burstable", "Standard_B1ms", json!([sku("Standard_B1ms", 1), sku("Standard_B2s", 2)])),
            edition("GeneralPurpose", "Standard_D2s_v3", json!([sku("Standard_D2s_v3", 2)]))],
        "supportedServerVersions": versions,
        "supportedFeatures": [feature("OfferRestricted", "Disabled"), feature("ZoneRedundantHa", "Disabled"),
            feature("ZoneRedundantHaAndGeoBackup", "Disabled"), feature("GeoBackup", "Disabled"),
            feature("IndexTuning", "Disabled"), feature("OnlineResize", "Enabled"),
            feature("StorageAutoGrowth", "Enabled"), feature("FastProvisioning", "Disabled"),
            feature("Clusters", "Disabled")],
        "supportedFastProvisioningEditions": [], "location": world.location})
}
