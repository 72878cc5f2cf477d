//! The world a sandbox starts with: the guide's names under fixed ids, so that plan files can be literal.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::directory::{Directory, Group, Kind, Principal, Role};
use super::state::{Knobs, Server, Site, UserAssigned, World};
use super::vault::Vault;

/// Tenant.
pub const TENANT: &str = "11111111-1111-4111-8111-111111111111";
/// Subscription.
pub const SUBSCRIPTION: &str = "22222222-2222-4222-8222-222222222222";
/// Object id of the Entra group `pg-deployers`.
pub const DEPLOYERS: &str = "33333333-3333-4333-8333-333333333333";
/// Client id of the application `pgentra-ci`.
pub const CI_CLIENT: &str = "44444444-4444-4444-8444-444444444444";
/// Object id of the service principal of `pgentra-ci`.
pub const CI_OBJECT: &str = "55555555-5555-4555-8555-555555555555";
/// Client id of the application `pgentra-reader`.
pub const READER_CLIENT: &str = "66666666-6666-4666-8666-666666666666";
/// Object id of the service principal of `pgentra-reader`.
pub const READER_OBJECT: &str = "77777777-7777-4777-8777-777777777777";
/// Object id of the person `dba@sandbox.test`, a member of `pg-deployers`.
pub const PERSON_OBJECT: &str = "88888888-8888-4888-8888-888888888888";
/// Resource group.
pub const RESOURCE_GROUP: &str = "rmhazure_rg";
/// Function app.
pub const APP: &str = "rmhazuregeoapi";
/// Its slot.
pub const SLOT: &str = "staging";
/// Flexible server.
pub const SERVER: &str = "rmhpgflex";
/// User-assigned identity.
pub const IDENTITY: &str = "rmh-geo-identity";
/// Login of the server's administrator by password.
pub const ADMIN_LOGIN: &str = "pgadmin";
/// Role the app signs in as before the migration.
pub const APP_LOGIN: &str = "geoapp";
/// Database of the app.
pub const DATABASE: &str = "geopgflex";
/// Key vault of the operators.
pub const VAULT: &str = "kv-ops";
/// Audience of tokens for PostgreSQL.
pub const POSTGRES_AUDIENCE: &str = "https://ossrdbms-aad.database.windows.net";
/// Region.
pub const LOCATION: &str = "eastus";

/// What differs from sandbox to sandbox.
#[derive(Clone, Debug)]
pub struct Start {
    /// Loopback address of PostgreSQL.
    pub postgres_host: String,
    /// Major version of PostgreSQL.
    pub postgres_version: String,
    /// Password of the role the app signs in as.
    pub app_password: String,
    /// Secret of `pgentra-ci`.
    pub ci_secret: String,
    /// Secret of `pgentra-reader`.
    pub reader_secret: String,
}

/// The world before anything was migrated.
pub fn start(start: &Start) -> World {
    let mut directory = directory(start);
    let identity_id = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{IDENTITY}"
    );
    let principal_id = directory.add_managed_identity(IDENTITY, &identity_id);
    let identity = UserAssigned { name: IDENTITY.into(), resource_group: RESOURCE_GROUP.into(), principal_id };
    let mut sites = BTreeMap::new();
    for slot in [None, Some(SLOT)] {
        let mut site = Site::new(APP, slot, RESOURCE_GROUP, "functionapp,linux");
        site.settings = settings(start);
        sites.insert(site.key(), site);
    }
    World {
        tenant: TENANT.into(),
        subscription: SUBSCRIPTION.into(),
        resource_groups: BTreeSet::from([RESOURCE_GROUP.to_owned()]),
        location: LOCATION.into(),
        directory,
        sites,
        sticky: BTreeMap::new(),
        identities: BTreeMap::from([(IDENTITY.to_owned(), identity)]),
        servers: BTreeMap::from([(SERVER.to_owned(), server(start))]),
        vaults: BTreeMap::from([(
            VAULT.to_owned(),
            Vault { name: VAULT.into(), resource_group: RESOURCE_GROUP.into(), secrets: BTreeMap::new() },
        )]),
        operations: BTreeMap::new(),
        knobs: Knobs::default(),
        ahead: 0,
    }
}

fn directory(start: &Start) -> Directory {
    let application = |name: &str, client_id: &str, secret: &str, role: Role| Principal {
        name: name.to_owned(),
        kind: Kind::Application {
            client_id: client_id.to_owned(),
            secret: Some(secret.to_owned()),
            federated: Vec::new(),
        },
        role,
    };
    let person = Principal { name: "dba@sandbox.test".into(), kind: Kind::User, role: Role::Owner };
    let members = BTreeSet::from([CI_OBJECT.to_owned(), PERSON_OBJECT.to_owned()]);
    Directory {
        principals: BTreeMap::from([
            (CI_OBJECT.to_owned(), application("pgentra-ci", CI_CLIENT, &start.ci_secret, Role::Owner)),
            (
                READER_OBJECT.to_owned(),
                application("pgentra-reader", READER_CLIENT, &start.reader_secret, Role::Reader),
            ),
            (PERSON_OBJECT.to_owned(), person),
        ]),
        groups: BTreeMap::from([(DEPLOYERS.to_owned(), Group { name: "pg-deployers".into(), members })]),
    }
}

fn settings(start: &Start) -> BTreeMap<String, String> {
    [
        ("FUNCTIONS_EXTENSION_VERSION", "~4"),
        ("FUNCTIONS_WORKER_RUNTIME", "python"),
        ("POSTGIS_HOST", &start.postgres_host),
        ("POSTGIS_PORT", "5432"),
        ("POSTGIS_DATABASE", DATABASE),
        ("POSTGIS_SCHEMA", "geo"),
        ("APP_SCHEMA", "app"),
        ("POSTGIS_USER", APP_LOGIN),
        ("POSTGIS_PASSWORD", &start.app_password),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

fn server(start: &Start) -> Server {
    let properties = json!({
        "fullyQualifiedDomainName": start.postgres_host,
        "version": start.postgres_version,
        "minorVersion": "1",
        "administratorLogin": ADMIN_LOGIN,
        "availabilityZone": "1",
        "storage": {"storageSizeGB": 32, "iops": 120, "tier": "P4", "autoGrow": "Disabled", "type": ""},
        "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled",
            "earliestRestoreDate": "2025-11-01T00:00:00+00:00"},
        "network": {"publicNetworkAccess": "Enabled"},
        "highAvailability": {"mode": "Disabled", "state": "NotEnabled"},
        "maintenanceWindow": {"customWindow": "Disabled", "dayOfWeek": 0, "startHour": 0, "startMinute": 0},
        "dataEncryption": {"type": "SystemManaged"},
        "replicationRole": "Primary",
        "replicaCapacity": 5,
        "replica": {"role": "Primary", "capacity": 5},
        "privateEndpointConnections": [],
    });
    let all = json!({"startIpAddress": "0.0.0.0", "endIpAddress": "255.255.255.255"});
    Server {
        name: SERVER.into(),
        resource_group: RESOURCE_GROUP.into(),
        sku: json!({"name": "Standard_B1ms", "tier": "Burstable"}),
        properties: match properties {
            Value::Object(properties) => properties,
            _ => Map::new(),
        },
        state: "Ready".into(),
        entra: false,
        password: true,
        auth_tenant: None,
        administrators: BTreeMap::new(),
        firewall_rules: BTreeMap::from([("AllowAll".to_owned(), all)]),
        configurations: BTreeMap::new(),
        restarts: 0,
    }
}
