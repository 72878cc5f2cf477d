//! Small copies of the kinds' schemas, so that the plan room can be tested alone.

use std::time::Duration;

use super::describe::{GRANT, PRIVILEGES};
use crate::model::{Field, Nature, Output, Schema, Type, Undo};

const FLAGS: Type = Type::Map(&Type::Bool);
const TEXTS: Type = Type::List(&Type::Text);

const SUBSCRIPTION: Field = Field::new("subscription", Type::Text, "Subscription id.").key();
const GROUP: Field = Field::new("resource_group", Type::Text, "Resource group.").key();
const SERVER: Field = Field::new("server", Type::Text, "Server.").key();
const APP: Field = Field::new("app", Type::Text, "App.").key();
const SLOT: Field = Field::new("slot", Type::Text, "Slot.").optional_key();
const TENANT: Field = Field::new("tenant", Type::Guid, "Tenant.");
const GRANTS: Field = Field::new("grants", Type::List(&Type::Table(RULE)), "Rules.").required();

/// A rule names its role where a grant names its database.
const RULE: &[Field] = &{
    let mut fields = [Field::new("role", Type::Text, "Role.").required().or_reference(); GRANT.len()];
    let mut at = 1;
    while at < GRANT.len() {
        fields[at] = GRANT[at];
        at += 1;
    }
    fields
};

const fn kind(kind: &'static str, fields: &'static [Field], outputs: &'static [Output]) -> Schema {
    Schema {
        kind,
        doc: "A kind.",
        nature: Nature::Resource,
        fields,
        outputs,
        undo: |_, _| Undo::Faithful,
        serial_key: |_| None,
        restarts: |_, _| 0,
        consistent_within: Duration::ZERO,
    }
}

const fn output(name: &'static str, same_as: Option<&'static str>) -> Output {
    Output { name, doc: "An output.", same_as }
}

static SERVER_AUTH: Schema = kind(
    "server_auth",
    &[
        SUBSCRIPTION,
        GROUP,
        SERVER,
        Field::new("entra_auth", Type::Bool, "Entra."),
        Field::new("password_auth", Type::Bool, "Passwords."),
        TENANT,
    ],
    &[],
);

static SERVER_ADMIN: Schema = kind(
    "server_admin",
    &[
        SUBSCRIPTION,
        GROUP,
        SERVER,
        Field::new("object_id", Type::Guid, "Object id.").key(),
        Field::new("name", Type::Text, "Name.").required(),
        Field::new("principal_type", Type::Word(&["user", "group", "service_principal"]), "Type.").required(),
        TENANT,
    ],
    &[],
);

static APP_IDENTITY: Schema = kind(
    "app_identity",
    &[
        SUBSCRIPTION,
        GROUP,
        APP,
        SLOT,
        Field::new("system", Type::Bool, "System."),
        Field::new("user_assigned", FLAGS, "User-assigned."),
    ],
    &[output("principal_id", None), output("tenant_id", None), output("client_id", None)],
);

static DATABASE_ROLE: Schema = kind(
    "database_role",
    &[
        SERVER,
        Field::new("name", Type::Text, "Name.").key(),
        Field::new("object_id", Type::Guid, "Object id.").required().or_reference(),
        Field::new("principal_type", Type::Word(&["service", "user", "group"]), "Type."),
        Field::new("create_db", Type::Bool, "CREATEDB."),
        Field::new("create_role", Type::Bool, "CREATEROLE."),
        Field::new("inherit", Type::Bool, "INHERIT."),
        Field::new("connection_limit", Type::Int, "Limit."),
        Field::new("member_of", FLAGS, "Memberships."),
        Field::new("adopt", Type::Bool, "Adopt."),
    ],
    &[output("name", Some("name")), output("object_id", None)],
);

static DATABASE_GRANTS: Schema = kind(
    "database_grants",
    &[
        SERVER,
        Field::new("database", Type::Text, "Database.").key(),
        GRANTS,
        Field::new("privileges", Type::Map(&Type::Map(&Type::Text)), "Restated.").entrywise(),
    ],
    &[],
);

static APP_SETTINGS: Schema = kind(
    "app_settings",
    &[
        SUBSCRIPTION,
        GROUP,
        APP,
        SLOT,
        Field::new("settings", Type::Map(&Type::Text), "Settings.").or_reference(),
        Field::new("require", TEXTS, "Required."),
        Field::new("sensitive", TEXTS, "Sensitive."),
    ],
    &[],
);

static SLOT_SETTINGS: Schema = kind(
    "slot_settings",
    &[
        SUBSCRIPTION,
        GROUP,
        APP,
        Field::new("app_settings", FLAGS, "Names."),
        Field::new("connection_strings", FLAGS, "Names."),
    ],
    &[],
);

static CHECK: Schema = kind(
    "check",
    &[
        Field::new(
            "privileges",
            Type::Table(&[
                Field::new("server", Type::Text, "Server.").required(),
                Field::new("database", Type::Text, "Database.").required(),
                Field::new("role", Type::Text, "Role.").required(),
                GRANTS,
            ]),
            "Privileges.",
        ),
        Field::new(
            "http",
            Type::Table(&[
                Field::new("subscription", Type::Text, "Subscription."),
                Field::new("resource_group", Type::Text, "Group."),
                Field::new("app", Type::Text, "App."),
                Field::new("slot", Type::Text, "Slot."),
                Field::new("url", Type::Text, "URL."),
                Field::new("path", Type::Text, "Path."),
                Field::new("expect_status", Type::Int, "Status."),
                Field::new("expect", Type::Map(&Type::Any(&[Type::Text, Type::Bool, Type::Int])), "Values."),
            ]),
            "HTTP.",
        ),
        Field::new(
            "login",
            Type::Table(&[
                Field::new("server", Type::Text, "Server.").required(),
                Field::new("database", Type::Text, "Database.").required(),
                Field::new("role", Type::Text, "Role.").required(),
            ]),
            "Login.",
        ),
        Field::new("within", Type::Duration, "How long."),
    ],
    &[],
);

const OLD_ROLE: Field = Field::new(
    "old_role",
    Type::Table(&[
        Field::new("server", Type::Text, "Server.").required(),
        Field::new("name", Type::Text, "Name.").required(),
    ]),
    "The old role.",
);
const NAME: Field = Field::new("name", Type::Text, "Name.").key();
const PERIOD: Field = Field::new("period", Type::Duration, "How long.");
const EVERY: Field = Field::new("every", Type::Duration, "How often.");
const UNSIGNED: Field = Field::new("allow_unsigned", Type::Bool, "Unsigned.");

static VALIDATION: Schema = kind("validation", &[NAME, PERIOD, EVERY, OLD_ROLE, UNSIGNED], &[]);

static SOAK: Schema = kind(
    "soak",
    &[NAME, Field::new("validation", Type::Text, "Validation.").required(), PERIOD, EVERY, OLD_ROLE, UNSIGNED],
    &[],
);

const LIST: Field = Field::new("list", Type::Text, "Which list.").key();
const ROLE: Field = Field::new("name", Type::Text, "Role.").key();

const VAULT: Field = Field::new("key_vault", Type::Text, "Vault.").required();
const SECRET: Field = Field::new("secret", Type::Text, "Secret.").required();

static ESCROW: Schema = kind("escrow", &[SUBSCRIPTION, GROUP, APP, SLOT, LIST, NAME, VAULT, SECRET], &[]);
static PASSWORD_LOGIN: Schema = kind(
    "password_login",
    &[
        SERVER,
        ROLE,
        Field::new("login", Type::Bool, "May log in.").required(),
        Field::new("end_sessions_after", Type::Duration, "How long sessions may go on."),
    ],
    &[],
);
static PASSWORD_SETTING: Schema = kind(
    "password_setting",
    &[
        SUBSCRIPTION,
        GROUP,
        APP,
        SLOT,
        LIST,
        Field::new("names", Type::List(&Type::Text), "Names.").required(),
        Field::new("escrow", Type::Map(&Type::Table(&[VAULT, SECRET])), "Where values are kept."),
    ],
    &[],
);
static ROLE_PASSWORD: Schema = kind(
    "role_password",
    &[
        SERVER,
        ROLE,
        Field::new("password", Type::Bool, "Has one.").required(),
        Field::new(
            "escrow",
            Type::Table(&[
                VAULT,
                SECRET,
                Field::new("subscription", Type::Guid, "Subscription.").required(),
                Field::new("resource_group", Type::Text, "Resource group.").required(),
            ]),
            "Where it is kept.",
        ),
    ],
    &[],
);
static SERVER_PASSWORD_AUTH: Schema = kind(
    "server_password_auth",
    &[
        SUBSCRIPTION,
        GROUP,
        SERVER,
        Field::new("enabled", Type::Bool, "Takes passwords.").required(),
        Field::new("admin_password", Type::Table(super::describe::ENV), "The administrator's."),
    ],
    &[],
);

const THING: Field = Field::new("name", Type::Text, "Name.").key();
const OWNER: Field = Field::new("owner", Type::Text, "Owner.").or_reference();

static FIREWALL_RULE: Schema = kind(
    "firewall_rule",
    &[
        SUBSCRIPTION,
        GROUP,
        SERVER,
        THING,
        Field::new("start", Type::Text, "First.").required(),
        Field::new("end", Type::Text, "Last.").required(),
    ],
    &[],
);

static DATABASE: Schema = kind(
    "database",
    &[
        SUBSCRIPTION,
        GROUP,
        SERVER,
        THING,
        OWNER,
        Field::new("charset", Type::Text, "Character set."),
        Field::new("collation", Type::Text, "Collation."),
    ],
    &[],
);

static SCHEMA: Schema =
    kind("schema", &[SERVER, Field::new("database", Type::Text, "Database.").key(), THING, OWNER], &[]);

static DEPLOYMENT: Schema = kind(
    "deployment",
    &[
        SUBSCRIPTION,
        GROUP,
        APP,
        SLOT,
        Field::new("zip", Type::Text, "Zip."),
        Field::new("previous", Type::Text, "Zip before."),
        Field::new("build", Type::Bool, "Build."),
        Field::new("command", TEXTS, "Program."),
        Field::new("undo", TEXTS, "Program."),
        Field::new("check", TEXTS, "Program."),
        Field::new("version", Type::Text, "Version."),
        Field::new("env", TEXTS, "Variables."),
        Field::new("timeout", Type::Duration, "Bound."),
        Field::new("keep", Type::Bool, "Keep."),
    ],
    &[],
);

/// The kinds that have a plan file each.
pub(super) static KINDS: [&Schema; 19] = [
    &SERVER_AUTH,
    &SERVER_ADMIN,
    &APP_IDENTITY,
    &DATABASE_ROLE,
    &DATABASE_GRANTS,
    &APP_SETTINGS,
    &SLOT_SETTINGS,
    &FIREWALL_RULE,
    &DATABASE,
    &SCHEMA,
    &DEPLOYMENT,
    &CHECK,
    &VALIDATION,
    &SOAK,
    &ESCROW,
    &PASSWORD_LOGIN,
    &PASSWORD_SETTING,
    &ROLE_PASSWORD,
    &SERVER_PASSWORD_AUTH,
];

#[test]
fn a_rule_is_a_grant_without_its_database() {
    assert_eq!(GRANT[0].name, "database");
    assert!(PRIVILEGES.iter().all(|(object, _)| RULE.iter().any(|field| field.name == *object)));
}
