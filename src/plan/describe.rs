//! The tables of a plan file, described once: the checker, the JSON Schema and the reference page all follow from here.

use super::describe_deployment::DEPLOYMENT;
use super::describe_evidence::{CLEANUP, PROBE, VALIDATION};
pub(super) use super::describe_grants::{COLUMNS, GRANT, IN_SCHEMAS, PRIVILEGES};
use super::describe_places::{DATABASE as DATABASE_TABLE, FIREWALL};
use super::names;
use crate::model::{Field, Schema, Type};

const TEXTS: Type = Type::List(&Type::Text);

/// `after`, which every table of a resource takes.
pub(super) const AFTER: Field = Field::new(
    "after",
    TEXTS,
    "Addresses (`kind.name`, or `app.name`, `role.name`, `server.name`) that have to be done first, besides the \
     built-in order.",
)
.checked(names::address);

/// `extends`, which every labelled table takes.
pub(super) static EXTENDS: Field = Field::new(
    "extends",
    Type::Text,
    "The `[template.NAME]` that it begins with: tables are joined key by key, and of everything else what stands here counts.",
);

/// `for_each`, which every labelled table and every table in a list takes.
pub(super) static FOR_EACH: Field = Field::new(
    "for_each",
    Type::Any(&[TEXTS, Type::Map(&Type::Any(&[Type::Text, Type::Map(&Type::Text)])), Type::Text]),
    "What it is repeated for: a list of texts, a table, or `\"${name}\"` for a variable that holds one. Inside, \
     `${each.key}`, `${each.value}` and `${each.value.NAME}` stand for the item; the label needs `${each.key}`.",
);

const SUBSCRIPTION: Field =
    Field::new("subscription", Type::Guid, "Azure subscription id. Default: that of `[azure]`.");
const RESOURCE_GROUP: Field =
    Field::new("resource_group", Type::Text, "Azure resource group. Default: that of `[azure]`.")
        .checked(names::resource_group);

/// The tables at the top of a plan file; `[resource.<kind>.<name>]` comes from the kinds.
pub(super) static ROOT: &[Field] = &[
    Field::new("version", Type::Int, "The version of this format: `1`.").required(),
    Field::new("name", Type::Text, "What this plan file is called in reports and in the store.")
        .required()
        .checked(names::some),
    Field::new(
        "variables",
        Type::Map(&Type::Table(VARIABLE)),
        "Values that differ between environments, used inside any text as `${name}`; `$${` stands for `${` itself.",
    ),
    Field::new(
        "template",
        Type::Map(&Type::Map(&Type::Text)),
        "Tables that are nothing by themselves, by name; other tables begin with them by `extends`.",
    ),
    Field::new("azure", Type::Table(AZURE), "Where the resources live."),
    Field::new("store", Type::Table(STORE), "Where journals, evidence and the lock are kept."),
    Field::new("drift", Type::Table(DRIFT), "What may differ without anybody being told."),
    Field::new("server", Type::Map(&Type::Table(SERVER)), "PostgreSQL flexible servers, by label."),
    Field::new("database", Type::Map(&Type::Table(DATABASE_TABLE)), "Databases with their schemas, by label."),
    Field::new("app", Type::Map(&Type::Table(APP)), "Function Apps, Web Apps and their slots, by label."),
    Field::new("role", Type::Map(&Type::Table(ROLE)), "PostgreSQL roles that stand for Entra principals, by label."),
    Field::new(
        "validation",
        Type::Map(&Type::Table(VALIDATION)),
        "Gates that recorded observations open, by label: the app has to work without the password for a whole period.",
    ),
    Field::new(
        "cleanup",
        Type::Map(&Type::Table(CLEANUP)),
        "What is removed once a validation has opened, by label: the old role's login, the password and its copies.",
    ),
];

const VARIABLE: &[Field] = &[
    Field::new(
        "default",
        Type::Any(&[Type::Text, TEXTS, Type::Map(&Type::Any(&[Type::Text, Type::Map(&Type::Text)]))]),
        "The value when none is given: text, or for `for_each` a list or a table. Without it a value has to be given.",
    ),
    Field::new(
        "type",
        Type::Word(&["text", "list", "table"]),
        "What it holds. Default: what `default` is, or text. `--var` and the environment give lists and tables as TOML.",
    ),
    Field::new("description", Type::Text, "What it is for."),
];

const AZURE: &[Field] = &[
    Field::new("subscription", Type::Guid, "Subscription id of everything that does not name its own."),
    Field::new("tenant", Type::Guid, "Entra tenant id."),
    Field::new("resource_group", Type::Text, "Resource group of everything that does not name its own.")
        .checked(names::resource_group),
    Field::new(
        "cloud",
        Type::Text,
        "`public` (default), `usgov`, `china`, or the URL of another cloud's Resource Manager.",
    )
    .checked(names::cloud),
];

const STORE: &[Field] = &[Field::new(
    "url",
    Type::Text,
    "A directory; `azblob://account/container/prefix`, or `azblob+https://host/container/prefix` for another endpoint \
     (with `account/` before the container where the host is an IP address or localhost); or \
     `postgres://user@host:5432/database?schema=pgentra`, where `&password_env=NAME` replaces the Entra token and \
     `&sslmode=` takes libpq's words. Default: the directory `.pgentra` beside the plan file.",
)
.required()
.checked(names::store)];

const DRIFT: &[Field] = &[Field::new(
    "ignore",
    TEXTS,
    "What `plan --refresh-only` passes over: addresses, perhaps with a path inside, where `*` stands for any characters, as \
     in `app_settings.web.settings.BUILD_ID` or `database_grants.*`.",
)
.checked(names::some)];

const SERVER: &[Field] = &[
    Field::new("name", Type::Text, "Azure name of the server. Default: the label.").checked(names::server),
    SUBSCRIPTION,
    RESOURCE_GROUP,
    Field::new("host", Type::Text, "Host to connect to. Default: the domain name that Azure gives.")
        .checked(names::some),
    Field::new("port", Type::Int, "TCP port. Default: 5432."),
    Field::new(
        "tls",
        Type::Word(&["verify-full", "verify-ca", "require", "disable"]),
        "How strictly TLS is checked, in libpq's words. Default: `verify-full`.",
    ),
    Field::new("entra_auth", Type::Bool, "Whether the server takes Entra tokens. Turning it on restarts the server."),
    Field::new("password_auth", Type::Bool, "Whether the server takes passwords."),
    Field::new("admin", Type::Table(ADMIN), "The Entra administrator."),
    Field::new("admins", Type::List(&Type::Table(ADMIN)), "The Entra administrators, where there are several."),
    Field::new(
        "firewall",
        Type::Map(&Type::Table(FIREWALL)),
        "Addresses that a server with public access lets in: a rule of this name in Azure for each.",
    ),
    Field::new(
        "connections",
        Type::List(&Type::Table(CONNECTION)),
        "Ways to sign in; the first is used unless a statement needs another. Default: by token as the first \
         administrator.",
    ),
    EXTENDS,
    FOR_EACH,
    AFTER,
];

const ADMIN: &[Field] = &[
    Field::new("name", Type::Text, "Name of the principal, which becomes the name of its PostgreSQL role.")
        .required()
        .checked(names::identifier),
    Field::new("object_id", Type::Guid, "Its object id.").required(),
    Field::new("type", Type::Word(&["user", "group", "service_principal"]), "What it is.").required(),
];

const CONNECTION: &[Field] = &[
    Field::new("name", Type::Text, "What it is called in reports.").required().checked(names::some),
    Field::new("user", Type::Text, "The PostgreSQL role to sign in as.").required().checked(names::identifier),
    Field::new("token", Type::Bool, "Sign in with an Entra token. Default: true without a password."),
    Field::new("password", Type::Table(ENV), "Sign in with a password from elsewhere: `{ env = \"NAME\" }`."),
];

/// `{ env = "NAME" }`.
pub(super) const ENV: &[Field] =
    &[Field::new("env", Type::Text, "The environment variable that holds the secret.").required().checked(names::env)];

const APP: &[Field] = &[
    Field::new("name", Type::Text, "Azure name of the app. Default: the label.").checked(names::app),
    Field::new("kind", Type::Word(&["function", "web"]), "Function App or Web App. Default: `function`."),
    Field::new("slot", Type::Text, "The deployment slot. Default: the app itself.").checked(names::slot),
    SUBSCRIPTION,
    RESOURCE_GROUP,
    Field::new(
        "identity",
        Type::Any(&[Type::Word(&["system", "none"]), TEXTS, Type::Table(IDENTITY)]),
        "`\"system\"` for the system-assigned identity, a list of ARM ids for user-assigned ones, a table for both, \
         `\"none\"` (default) to leave the app's identities alone. Other identities of the app are kept.",
    )
    .checked(names::identity_id),
    Field::new(
        "settings",
        Type::Map(&Type::Text),
        "Settings that this plan file owns: text, `{ ref = \"role.x.name\" }` or a secret as `{ env = \"NAME\" }`. Others \
         are never touched.",
    )
    .or_reference(),
    Field::new("slot_settings", TEXTS, "Names of settings that stay with the slot in a swap.").checked(names::setting),
    Field::new("require_settings", TEXTS, "Names of settings that have to exist but are not owned.")
        .checked(names::setting),
    Field::new("sensitive", TEXTS, "Names of settings whose values are never shown.").checked(names::setting),
    Field::new("deployment", Type::Table(DEPLOYMENT), "The code, deployed after the settings and before the probes."),
    Field::new("probe", Type::List(&Type::Table(PROBE)), "HTTP checks that have to pass after the settings changed."),
    EXTENDS,
    FOR_EACH,
    AFTER,
];

const IDENTITY: &[Field] = &[
    Field::new("system", Type::Bool, "Whether the app has the system-assigned identity."),
    Field::new("user_assigned", TEXTS, "ARM ids of user-assigned identities.").checked(names::identity_id),
];

const ROLE: &[Field] = &[
    Field::new("name", Type::Text, "Name of the PostgreSQL role. Default: the label.").checked(names::role),
    Field::new("server", Type::Text, "Label of the `[server]` table it lives on.").required(),
    Field::new(
        "identity",
        Type::Guid,
        "The principal it stands for, by reference: `{ ref = \"app.x.principal_id\" }`. Either this or `object_id`.",
    )
    .or_reference(),
    Field::new("object_id", Type::Guid, "Object id of the principal it stands for."),
    Field::new("type", Type::Word(&["service", "user", "group"]), "What the principal is. Default: `service`."),
    Field::new("adopt", Type::Bool, "Take over a role of this name that signs in by password so far. Default: false."),
    Field::new("attributes", Type::Table(ATTRIBUTES), "Attributes of the role. LOGIN is always set."),
    Field::new(
        "member_of",
        Type::Any(&[TEXTS, Type::Map(&Type::Table(MEMBERSHIP))]),
        "Roles it is a member of: a list of names, or a table of names with options, as in \
         `{ pg_read_all_data = { inherit = true, set = false } }`.",
    )
    .checked(names::identifier),
    Field::new(
        "exclusive",
        Type::Bool,
        "Whether the role is to have nothing but what this table says: other privileges in its databases, memberships and \
         attributes are taken away. Default: false; then they are reported.",
    ),
    Field::new("grants", Type::List(&Type::Table(GRANT)), "What it may do."),
    EXTENDS,
    FOR_EACH,
    AFTER,
];

const ATTRIBUTES: &[Field] = &[
    Field::new("superuser", Type::Bool, "SUPERUSER; Azure gives it to nobody."),
    Field::new("replication", Type::Bool, "REPLICATION."),
    Field::new("bypass_rls", Type::Bool, "BYPASSRLS."),
    Field::new("create_db", Type::Bool, "CREATEDB."),
    Field::new("create_role", Type::Bool, "CREATEROLE."),
    Field::new("inherit", Type::Bool, "INHERIT."),
    Field::new("connection_limit", Type::Int, "Most connections at a time; -1 for no limit."),
];

const MEMBERSHIP: &[Field] = &[
    Field::new("admin", Type::Bool, "Whether it may make others members. Default: as it is, or false."),
    Field::new("inherit", Type::Bool, "Whether it has the rights without SET ROLE (PostgreSQL 16)."),
    Field::new("set", Type::Bool, "Whether it may SET ROLE (PostgreSQL 16)."),
];

/// The kinds a friendly table lowers to; the first one gives its outputs.
pub(super) const ALIASES: [(&str, &str); 3] =
    [("app", "app_identity"), ("role", "database_role"), ("server", "server_auth")];

/// The fields of a kind that a plan file may write, with those that every table takes.
pub(super) fn written(schema: &'static Schema) -> Vec<&'static Field> {
    in_plan(schema.fields).chain([&EXTENDS, &FOR_EACH, &AFTER]).collect()
}

/// Whether a key at the top holds tables by label that may be repeated.
pub(super) fn is_labelled(name: &str) -> bool {
    let field = ROOT.iter().find(|field| field.name == name);
    field.is_some_and(|field| matches!(field.ty, Type::Map(Type::Table(_))) && name != "variables")
}

/// Whether a table of this name has keys from outside, so that `env` or `ref` may well be one of them.
pub(super) fn is_map(name: &str) -> bool {
    fn map(ty: &Type) -> bool {
        match ty {
            Type::Map(inner) => !matches!(inner, Type::Table(_)),
            Type::Any(types) => types.iter().any(map),
            _ => false,
        }
    }
    fn inside(ty: &Type, name: &str) -> bool {
        match ty {
            Type::Table(fields) => {
                fields.iter().any(|field| (field.name == name && map(&field.ty)) || inside(&field.ty, name))
            }
            Type::Map(inner) | Type::List(inner) => inside(inner, name),
            Type::Any(types) => types.iter().any(|ty| inside(ty, name)),
            _ => false,
        }
    }
    ROOT.iter().any(|field| inside(&field.ty, name))
}

/// The fields that a plan file may write: those that only a look fills in are left out.
pub(super) fn in_plan(fields: &'static [Field]) -> impl Iterator<Item = &'static Field> {
    fields.iter().filter(|field| !field.entrywise)
}

/// Fields that `[azure]` fills in where a generic table leaves them out.
pub(super) fn from_azure(field: &str) -> bool {
    ["subscription", "resource_group", "tenant"].contains(&field)
}

/// What a value of this type looks like, for remedies and examples.
pub(super) fn example(ty: &Type) -> String {
    match ty {
        Type::Bool => "true".to_owned(),
        Type::Int => "1".to_owned(),
        Type::Text => "\"...\"".to_owned(),
        Type::Word(words) => format!("\"{}\"", words.first().copied().unwrap_or_default()),
        Type::Duration => "\"5m\"".to_owned(),
        Type::Guid => "\"00000000-0000-0000-0000-000000000000\"".to_owned(),
        Type::Map(Type::Bool) => "[\"...\"]".to_owned(),
        Type::List(item) => format!("[{}]", example(item)),
        Type::Map(_) | Type::Table(_) => "{ ... }".to_owned(),
        Type::Any(types) => types.first().map(example).unwrap_or_default(),
    }
}

/// What a type is called in messages and on the reference page.
pub(super) fn type_name(ty: &Type) -> String {
    match ty {
        Type::Bool => "true or false".to_owned(),
        Type::Int => "a whole number".to_owned(),
        Type::Text => "text".to_owned(),
        Type::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            words.join(" or ")
        }
        Type::Duration => "a span of time".to_owned(),
        Type::Guid => "a GUID".to_owned(),
        Type::List(Type::Word(_)) => "a list of words".to_owned(),
        Type::Map(Type::Bool) | Type::List(Type::Text) => "a list of text".to_owned(),
        Type::List(_) => "a list of tables".to_owned(),
        Type::Map(_) | Type::Table(_) => "a table".to_owned(),
        Type::Any(types) => types.iter().map(type_name).collect::<Vec<_>>().join(", or "),
    }
}
