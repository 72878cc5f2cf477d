//! The Azure actions that each kind needs. The tables of docs/permissions.md are made from it.

/// When an action is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// To look: `plan`, `verify`, `observe`, `status`.
    Plan,
    /// To write: `apply`, `rollback`.
    Apply,
}

/// What an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The app or slot.
    Site,
    /// The app, also where the resource is about a slot.
    App,
    /// The flexible server.
    Server,
    /// The server's resource group: its operations do not live below the server.
    ServerGroup,
    /// The key vault.
    Vault,
    /// The user-assigned identity.
    Identity,
    /// The subscription of the log.
    Subscription,
}

/// Which resources need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// All of the kind.
    Always,
    /// Those that ask an Application Insights component.
    Component,
    /// Those that ask a Log Analytics workspace.
    Workspace,
    /// Those that ask what is deployed.
    Deployed,
}

/// One action.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// In Azure's spelling; `{slots}` stands for `/slots` where it is about a slot.
    pub action: &'static str,
    /// Whether it is an action on data.
    pub data: bool,
    /// What it is about.
    pub on: On,
    /// When it is needed.
    pub phase: Phase,
    /// Which resources need it.
    pub when: When,
}

/// The rights of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// The kind.
    pub kind: &'static str,
    /// What it needs.
    pub rights: &'static [&'static [Right]],
    /// The smallest built-in role that has what its writes need.
    pub role: &'static str,
}

const fn right(action: &'static str, on: On, phase: Phase) -> Right {
    Right { action, data: false, on, phase, when: When::Always }
}

const fn data(action: &'static str, phase: Phase) -> Right {
    Right { action, data: true, on: On::Vault, phase, when: When::Always }
}

const fn log(action: &'static str, when: When) -> Right {
    Right { action, data: false, on: On::Subscription, phase: Phase::Plan, when }
}

use On::{App, Identity, Server, ServerGroup, Site};
use Phase::{Apply, Plan};

const SITE: &[Right] = &[right("Microsoft.Web/sites{slots}/read", Site, Plan)];
/// App settings and connection strings.
const LIST: &[Right] = &[right("Microsoft.Web/sites{slots}/config/list/action", Site, Plan)];
const WRITE_LIST: &[Right] = &[right("Microsoft.Web/sites{slots}/config/write", Site, Apply)];
const SERVER: &[Right] = &[right("Microsoft.DBforPostgreSQL/flexibleServers/read", Server, Plan)];
const OPERATIONS: &[Right] = &[
    right("Microsoft.DBforPostgreSQL/locations/azureAsyncOperation/read", ServerGroup, Apply),
    right("Microsoft.DBforPostgreSQL/locations/operationResults/read", ServerGroup, Apply),
];
const ADMIN_OPERATIONS: &[Right] = &[
    right("Microsoft.DBforPostgreSQL/locations/administratorAzureAsyncOperation/read", ServerGroup, Apply),
    right("Microsoft.DBforPostgreSQL/locations/administratorOperationResults/read", ServerGroup, Apply),
];
const VAULT: &[Right] = &[
    right("Microsoft.KeyVault/vaults/read", On::Vault, Plan),
    data("Microsoft.KeyVault/vaults/secrets/getSecret/action", Plan),
    data("Microsoft.KeyVault/vaults/secrets/readMetadata/action", Plan),
];
const LOGS: &[Right] = &[
    log("Microsoft.Insights/components/read", When::Component),
    log("Microsoft.Insights/logs/read", When::Component),
    log("Microsoft.OperationalInsights/workspaces/read", When::Workspace),
    log("Microsoft.OperationalInsights/workspaces/query/read", When::Workspace),
    log("Microsoft.OperationalInsights/workspaces/query/*/read", When::Workspace),
];
const DEPLOYED: &[Right] = &[Right {
    action: "Microsoft.Web/sites{slots}/publish/action",
    data: false,
    on: Site,
    phase: Plan,
    when: When::Deployed,
}];
const OBSERVED: &[&[Right]] = &[SITE, LIST, SERVER, VAULT, LOGS, DEPLOYED];

const NONE: &str = "none: rights in PostgreSQL alone";

const fn kind(kind: &'static str, rights: &'static [&'static [Right]], role: &'static str) -> Rights {
    Rights { kind, rights, role }
}

/// Every kind, in the order of the register.
pub const TABLE: &[Rights] = &[
    kind(
        "server_auth",
        &[SERVER, &[right("Microsoft.DBforPostgreSQL/flexibleServers/write", Server, Apply)], OPERATIONS],
        "Contributor on the server, or a role of your own",
    ),
    kind(
        "server_admin",
        &[
            SERVER,
            &[
                right("Microsoft.DBforPostgreSQL/flexibleServers/administrators/read", Server, Plan),
                right("Microsoft.DBforPostgreSQL/flexibleServers/administrators/write", Server, Apply),
                right("Microsoft.DBforPostgreSQL/flexibleServers/administrators/delete", Server, Apply),
            ],
            OPERATIONS,
            ADMIN_OPERATIONS,
        ],
        "Contributor on the server, or a role of your own",
    ),
    kind(
        "firewall_rule",
        &[
            SERVER,
            &[
                right("Microsoft.DBforPostgreSQL/flexibleServers/firewallRules/read", Server, Plan),
                right("Microsoft.DBforPostgreSQL/flexibleServers/firewallRules/write", Server, Apply),
                right("Microsoft.DBforPostgreSQL/flexibleServers/firewallRules/delete", Server, Apply),
            ],
            OPERATIONS,
        ],
        "Contributor on the server, or a role of your own",
    ),
    kind(
        "database",
        &[
            SERVER,
            &[
                right("Microsoft.DBforPostgreSQL/flexibleServers/databases/read", Server, Plan),
                right("Microsoft.DBforPostgreSQL/flexibleServers/databases/write", Server, Apply),
                right("Microsoft.DBforPostgreSQL/flexibleServers/databases/delete", Server, Apply),
            ],
            OPERATIONS,
        ],
        "Contributor on the server, or a role of your own",
    ),
    kind("schema", &[SERVER], NONE),
    kind(
        "app_identity",
        &[
            SITE,
            &[
                right("Microsoft.Web/sites{slots}/write", Site, Apply),
                right("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", Identity, Apply),
            ],
        ],
        "Website Contributor; with user-assigned identities besides Managed Identity Operator on them",
    ),
    kind("database_role", &[SERVER], NONE),
    kind("database_grants", &[SERVER], NONE),
    kind("app_settings", &[SITE, LIST, WRITE_LIST], "Website Contributor: Reader cannot list settings"),
    kind(
        "slot_settings",
        &[
            SITE,
            &[
                right("Microsoft.Web/sites/config/read", App, Plan),
                right("Microsoft.Web/sites/config/write", App, Apply),
            ],
        ],
        "Website Contributor",
    ),
    kind(
        "deployment",
        &[SITE, &[right("Microsoft.Web/sites{slots}/publish/action", Site, Plan)]],
        "Website Contributor; for a command whatever that needs",
    ),
    kind("check", &[SITE, SERVER], "Reader"),
    kind("validation", OBSERVED, "Website Contributor, and Monitoring Reader or Log Analytics Reader on the log"),
    kind("soak", OBSERVED, "Website Contributor, and Monitoring Reader or Log Analytics Reader on the log"),
    kind(
        "escrow",
        &[
            SITE,
            LIST,
            VAULT,
            &[
                data("Microsoft.KeyVault/vaults/secrets/setSecret/action", Apply),
                data("Microsoft.KeyVault/vaults/secrets/delete", Apply),
                data("Microsoft.KeyVault/vaults/secrets/recover/action", Apply),
                data("Microsoft.KeyVault/vaults/secrets/purge/action", Apply),
            ],
        ],
        "Website Contributor, and Key Vault Secrets Officer",
    ),
    kind("password_login", &[SERVER], NONE),
    kind("password_setting", &[SITE, LIST, WRITE_LIST, VAULT], "Website Contributor, and Key Vault Secrets User"),
    kind("role_password", &[SERVER, VAULT], "Key Vault Secrets User; the rest are rights in PostgreSQL"),
    kind(
        "server_password_auth",
        &[
            SERVER,
            &[
                right("Microsoft.DBforPostgreSQL/flexibleServers/administrators/read", Server, Plan),
                right("Microsoft.DBforPostgreSQL/flexibleServers/write", Server, Apply),
            ],
            OPERATIONS,
            LOGS,
        ],
        "Contributor on the server, or a role of your own; and Log Analytics Reader on the log",
    ),
];

/// What a store in Azure Blob Storage needs, on the storage account: action, whether on data, when.
pub const BLOB_STORE: &[(&str, bool, Phase)] = &[
    ("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", true, Plan),
    ("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", true, Apply),
    ("Microsoft.Storage/storageAccounts/blobServices/containers/write", false, Apply),
];

/// What a kind needs; nothing for one that the table does not know.
pub(super) fn of(kind: &str) -> impl Iterator<Item = &'static Right> + use<'_> {
    TABLE.iter().filter(move |rights| rights.kind == kind).flat_map(|rights| rights.rights.iter().copied().flatten())
}
