//! The control plane's state: sites, slots, identities, servers, operations; kept as JSON in the sandbox directory.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::directory::Directory;
use super::scm::Deployment;
use super::trouble::Trouble;
use super::vault::Vault;

/// Everything the emulator knows, and the knobs it is driven by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    /// Tenant id.
    pub tenant: String,
    /// Subscription id.
    pub subscription: String,
    /// Names of the resource groups.
    pub resource_groups: BTreeSet<String>,
    /// Region of everything.
    pub location: String,
    /// Principals and groups.
    pub directory: Directory,
    /// Sites and slots by [`site_key`].
    pub sites: BTreeMap<String, Site>,
    /// Slot-sticky names by application name in lower case.
    pub sticky: BTreeMap<String, Value>,
    /// User-assigned identities by name in lower case.
    pub identities: BTreeMap<String, UserAssigned>,
    /// Flexible servers by name in lower case.
    pub servers: BTreeMap<String, Server>,
    /// Key vaults by name in lower case.
    #[serde(default)]
    pub vaults: BTreeMap<String, Vault>,
    /// Long-running operations by id.
    #[serde(default)]
    pub operations: BTreeMap<String, Operation>,
    /// How it behaves.
    #[serde(default)]
    pub knobs: Knobs,
    /// Seconds by which its clock is ahead of the real one.
    #[serde(default)]
    pub ahead: i64,
}

/// How the emulator behaves; the control endpoint turns these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own, named in the documents")]
pub struct Knobs {
    /// Seconds each new token lasts; by default 3599, and 86399 for managed identities.
    pub token_lifetime: Option<i64>,
    /// Seconds by which the clock of tokens is ahead of the sandbox's.
    pub clock_shift: i64,
    /// Refuse each write with 403.
    pub read_only: bool,
    /// Milliseconds each long-running operation takes.
    pub operation_ms: u64,
    /// Seconds in `Retry-After` of long-running operations.
    pub retry_after: u64,
    /// Whether a PATCH keeps the user-assigned identities that it does not name. Azure's answer is not documented.
    pub patch_keeps_identities: bool,
    /// Milliseconds until telemetry can be queried.
    pub ingestion_ms: u64,
    /// Answer queries with 204 and nothing.
    pub query_empty: bool,
    /// Answer queries with 200 and a `PartialError` beside the rows.
    pub query_partial: bool,
    /// Answer queries with no rows, as for a caller that may not read the tables.
    pub query_blind: bool,
    /// The server's log comes into the legacy table `AzureDiagnostics` instead of one of its own.
    pub azure_diagnostics: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            token_lifetime: None,
            clock_shift: 0,
            read_only: false,
            operation_ms: 400,
            retry_after: 1,
            patch_keeps_identities: false,
            ingestion_ms: 0,
            query_empty: false,
            query_partial: false,
            query_blind: false,
            azure_diagnostics: false,
        }
    }
}

/// The key of a site (`app`) or slot (`app/slots/slot`) in [`World::sites`], in lower case.
pub fn site_key(app: &str, slot: Option<&str>) -> String {
    match slot {
        Some(slot) if !slot.eq_ignore_ascii_case("production") => format!("{app}/slots/{slot}").to_ascii_lowercase(),
        _ => app.to_ascii_lowercase(),
    }
}

/// A Function App, Web App, or slot of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Name of the app.
    pub app: String,
    /// Name of the slot; none for production.
    pub slot: Option<String>,
    /// Resource group.
    pub resource_group: String,
    /// `functionapp,linux` and the like.
    pub kind: String,
    /// Object id of the system-assigned identity.
    pub system_identity: Option<String>,
    /// User-assigned identities: ARM id in lower case to the spelling it was given in.
    pub user_identities: BTreeMap<String, String>,
    /// App settings.
    pub settings: BTreeMap<String, String>,
    /// Connection strings: name to `{value, type}`.
    pub connection_strings: BTreeMap<String, Value>,
    /// `config/web` members that were written.
    pub web_config: Map<String, Value>,
    /// Tags.
    pub tags: Map<String, Value>,
    /// Whether it is running.
    pub running: bool,
    /// Host name; `ip:port` when the platform serves it.
    pub host_name: String,
    /// Host name of its SCM site; `ip:port` when the platform serves it.
    #[serde(default)]
    pub scm_host: String,
    /// Its deployments, oldest first; none for what it was made with.
    #[serde(default)]
    pub deployments: Vec<Deployment>,
    /// How often it was restarted.
    pub restarts: u64,
    /// The secret its processes find in `IDENTITY_HEADER`.
    pub identity_header: String,
    /// Function host key.
    pub master_key: String,
    /// What its app does wrong.
    #[serde(default)]
    pub trouble: Trouble,
}

impl Site {
    /// A new site without identity and settings.
    pub fn new(app: &str, slot: Option<&str>, resource_group: &str, kind: &str) -> Self {
        let label = slot.map_or_else(|| app.to_owned(), |slot| format!("{app}-{slot}")).to_ascii_lowercase();
        Self {
            app: app.to_owned(),
            slot: slot.map(str::to_owned),
            resource_group: resource_group.to_owned(),
            kind: kind.to_owned(),
            system_identity: None,
            user_identities: BTreeMap::new(),
            settings: BTreeMap::new(),
            connection_strings: BTreeMap::new(),
            web_config: Map::new(),
            tags: Map::new(),
            running: true,
            host_name: format!("{label}.azurewebsites.net"),
            scm_host: format!("{label}.scm.azurewebsites.net"),
            deployments: Vec::new(),
            restarts: 0,
            identity_header: super::directory::new_guid(),
            master_key: super::directory::new_secret(),
            trouble: Trouble::default(),
        }
    }

    /// Its key in [`World::sites`].
    pub fn key(&self) -> String {
        site_key(&self.app, self.slot.as_deref())
    }

    /// Name of its identity in Entra: the app, or `app/slots/slot`.
    pub fn identity_name(&self) -> String {
        self.slot.as_ref().map_or_else(|| self.app.clone(), |slot| format!("{}/slots/{slot}", self.app))
    }

    /// Notes that its processes must start anew.
    pub fn restart(&mut self) {
        self.restarts += 1;
    }
}

/// A user-assigned identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAssigned {
    /// Name.
    pub name: String,
    /// Resource group.
    pub resource_group: String,
    /// Object id of its principal.
    pub principal_id: String,
}

/// A flexible server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Name.
    pub name: String,
    /// Resource group.
    pub resource_group: String,
    /// `sku`.
    pub sku: Value,
    /// `properties` but for `state` and `authConfig`.
    pub properties: Map<String, Value>,
    /// Ready, Updating, Stopped.
    pub state: String,
    /// Whether Entra tokens are taken.
    pub entra: bool,
    /// Whether passwords are taken.
    pub password: bool,
    /// `authConfig.tenantId`.
    pub auth_tenant: Option<String>,
    /// Administrators by object id in lower case: `properties`.
    pub administrators: BTreeMap<String, Value>,
    /// Firewall rules: `properties`.
    pub firewall_rules: BTreeMap<String, Value>,
    /// Server parameters that were set.
    pub configurations: BTreeMap<String, String>,
    /// How often it was restarted.
    pub restarts: u64,
}

/// A long-running operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// InProgress, Succeeded, Failed.
    pub status: String,
    /// When it began.
    pub start: String,
    /// When it ended.
    pub end: Option<String>,
    /// Code and message when it failed.
    pub error: Option<(String, String)>,
    /// Path of the resource it works on.
    pub resource: String,
    /// Whether the resource is gone afterwards.
    pub deletes: bool,
}

impl World {
    /// Seconds by which the clock of tokens is ahead of the real one.
    pub fn token_shift(&self) -> i64 {
        self.ahead.saturating_add(self.knobs.clock_shift)
    }

    /// ARM id of a resource of ours: `/subscriptions/…/providers/<tail>`.
    pub fn arm_id(&self, resource_group: &str, tail: &str) -> String {
        format!("/subscriptions/{}/resourceGroups/{resource_group}/providers/{tail}", self.subscription)
    }

    /// ARM id of a site or slot.
    pub fn site_id(&self, site: &Site) -> String {
        let tail = site.slot.as_ref().map_or_else(String::new, |slot| format!("/slots/{slot}"));
        self.arm_id(&site.resource_group, &format!("Microsoft.Web/sites/{}{tail}", site.app))
    }

    /// ARM id of a user-assigned identity.
    pub fn identity_id(&self, identity: &UserAssigned) -> String {
        let tail = format!("Microsoft.ManagedIdentity/userAssignedIdentities/{}", identity.name);
        self.arm_id(&identity.resource_group, &tail)
    }

    /// ARM id of a flexible server.
    pub fn server_id(&self, server: &Server) -> String {
        self.arm_id(&server.resource_group, &format!("Microsoft.DBforPostgreSQL/flexibleServers/{}", server.name))
    }

    /// The user-assigned identity with this ARM id, in any case.
    pub fn identity_by_id(&self, id: &str) -> Option<&UserAssigned> {
        let name = id.trim_end_matches('/').rsplit('/').next()?.to_ascii_lowercase();
        let identity = self.identities.get(&name)?;
        self.identity_id(identity).eq_ignore_ascii_case(id.trim_end_matches('/')).then_some(identity)
    }

    /// Sets or takes away an app setting of a site (`app`, or `app/slots/slot`); whether there is such a site.
    pub fn set_setting(&mut self, site: &str, key: &str, value: Option<String>) -> bool {
        let Some(site) = self.sites.get_mut(&site.to_ascii_lowercase()) else { return false };
        match value {
            Some(value) => site.settings.insert(key.to_owned(), value),
            None => site.settings.remove(key),
        };
        site.restart();
        true
    }

    /// The sticky names of an app, as `properties` of `slotConfigNames`.
    pub fn sticky_names(&self, app: &str) -> Value {
        self.sticky.get(&app.to_ascii_lowercase()).cloned().unwrap_or_else(
            || json!({"connectionStringNames": null, "appSettingNames": null, "azureStorageConfigNames": null}),
        )
    }

    /// What a killed sandbox left half-way: operations count as failed, servers are ready again.
    pub fn settle(&mut self) {
        for operation in self.operations.values_mut().filter(|operation| operation.status == "InProgress") {
            "Failed".clone_into(&mut operation.status);
            operation.error = Some(("InternalServerError".into(), "The sandbox was stopped meanwhile.".into()));
        }
        for deployment in self.sites.values_mut().flat_map(|site| &mut site.deployments) {
            deployment.settle();
        }
        for server in self.servers.values_mut().filter(|server| server.state == "Updating") {
            "Ready".clone_into(&mut server.state);
        }
    }
}
