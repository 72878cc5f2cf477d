//! The tables of a plan file that are about evidence: probes, validations with their sensors, cleanups.

use super::describe::{AFTER, ENV, EXTENDS, FOR_EACH};
use super::names;
use crate::model::{Field, Type};

const TEXTS: Type = Type::List(&Type::Text);
const VALUES: Type = Type::Map(&Type::Any(&[Type::Text, Type::Bool, Type::Int]));

/// `[[app.x.probe]]`.
pub(super) const PROBE: &[Field] = &[
    Field::new("name", Type::Text, "What it is called in reports.").required().checked(names::some),
    Field::new("get", Type::Text, "The path to GET, from the app's root. Either this, `post`, or `method` and `path`.")
        .checked(names::path),
    Field::new("post", Type::Text, "The path to POST to, from the app's root.").checked(names::path),
    Field::new("method", Type::Word(METHODS), "Another HTTP method."),
    Field::new("path", Type::Text, "The path for `method`, from the app's root.").checked(names::path),
    Field::new("headers", Type::Map(&Type::Text), "Headers to send, by name. No secrets: see `function_key`, `token`."),
    Field::new("body", Type::Text, "The body to send. JSON is sent as `application/json`."),
    Field::new("function_key", Type::Table(ENV), "The app's function key, sent as `x-functions-key`."),
    Field::new("token", Type::Text, "The audience of an Entra token to send, of whoever runs pgentra.")
        .checked(names::some),
    Field::new("expect_status", Type::Int, "The HTTP status it answers. Default: 200."),
    Field::new(
        "expect",
        VALUES,
        "Values in the JSON answer, by dotted path in quotes: `\"database.auth_method\" = \"managed_identity\"`.",
    ),
    Field::new("expect_text", TEXTS, "Texts that the answer has to contain.").checked(names::some),
    Field::new("latency", Type::Duration, "The longest time that the answer may take."),
    Field::new(
        "follow",
        Type::Table(FOLLOW),
        "What to look at until the app has finished what the request asked of it, such as a job.",
    ),
    Field::new("within", Type::Duration, "How long to keep asking. Default: `5m`."),
    FOR_EACH,
];

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// `follow` of a probe.
pub(super) const FOLLOW: &[Field] = &[
    Field::new(
        "path",
        Type::Text,
        "The path to GET, from the app's root; `{job_id}` is filled in with what the first answer holds there.",
    )
    .required()
    .checked(names::template),
    Field::new("until", VALUES, "Values in the JSON answer that mean it is finished.").required(),
    Field::new("fail", VALUES, "Values in the JSON answer that mean it failed."),
    Field::new("within", Type::Duration, "How long it may take. Default: `2m`."),
    Field::new("every", Type::Duration, "How long to wait between two looks. Default: `2s`."),
];

/// `[validation.x]`.
pub(super) const VALIDATION: &[Field] = &[
    Field::new("period", Type::Duration, "How long the app has to have worked without the password. Default: `7d`."),
    Field::new(
        "every",
        Type::Duration,
        "How often it is observed. Half of it is the grace for an observation that comes late. Default: `24h`.",
    ),
    Field::new("app", Type::Text, "Label of the `[app]` table it is about. Default: its own label."),
    Field::new(
        "roles",
        TEXTS,
        "Labels of the `[role]` tables that the app signs in as. Default: those that stand for its identities.",
    ),
    Field::new(
        "old_role",
        Type::Text,
        "The PostgreSQL role that signs in by password and that nobody may need any more.",
    )
    .checked(names::identifier),
    Field::new(
        "server",
        Type::Text,
        "Label of the `[server]` table that `old_role` lives on. Default: that of the roles.",
    ),
    Field::new("fresh_token", Type::Bool, "Whether the app has to have got a new token inside the period."),
    Field::new("restart", Type::Bool, "Whether the app has to have started anew inside the period."),
    Field::new(
        "deployment",
        Type::Bool,
        "Whether a new deployment of the app starts the window again; not by default.",
    ),
    Field::new("sensor", Type::List(&Type::Table(SENSOR)), "Logs to ask. One of them has to miss nothing."),
    Field::new(
        "key",
        Type::Table(KEY),
        "Where the key is that signs observations: `{ env = \"NAME\" }` or `{ key_vault = \"...\", secret = \"...\" }`. \
         It is never kept in the store.",
    ),
    Field::new(
        "allow_unsigned",
        Type::Bool,
        "Whether observations without a signature count. Whoever can write to the store can then forge them. Default: \
         false.",
    ),
    EXTENDS,
    FOR_EACH,
    AFTER,
];

/// `[[validation.x.sensor]]`.
pub(super) const SENSOR: &[Field] = &[
    Field::new("name", Type::Text, "What it is called in reports.").required().checked(names::some),
    Field::new(
        "kind",
        Type::Word(&["server_logs", "fallback", "query"]),
        "`server_logs`: the logins that PostgreSQL logged, by method; `fallback`: the app's traces of falling back to \
         the password; both miss nothing between two observations. `query`: any query.",
    )
    .required(),
    Field::new("workspace", Type::Guid, "Id of the Log Analytics workspace to ask."),
    Field::new("app_insights", Type::Guid, "Id of the Application Insights application to ask."),
    Field::new("subscription", Type::Guid, "The Azure subscription that the log is in. Default: that of the app."),
    Field::new("query", Type::Text, "The query, in KQL. `server_logs` and `fallback` bring their own.")
        .checked(names::some),
    Field::new(
        "control",
        Type::Text,
        "A query, in KQL, that has to give rows: it shows that the sensor can see. `server_logs` and `fallback` bring \
         their own.",
    )
    .checked(names::some),
    Field::new(
        "expect",
        Type::Word(&["none", "some"]),
        "Whether `query` has to give no rows or some. Default: `none`.",
    ),
    Field::new("proves", Type::Word(&["fresh_token", "restart"]), "What a row of `query` proves, at the row's time."),
    Field::new(
        "lag",
        Type::Duration,
        "How long entries may take to arrive in the log, less than half of `every`. Default: `15m`.",
    ),
];

/// `key` of a validation.
pub(super) const KEY: &[Field] = &[
    Field::new("env", Type::Text, "The environment variable that holds the key.").checked(names::env),
    Field::new("key_vault", Type::Text, "The name of the Key Vault that holds the key.").checked(names::vault),
    Field::new("secret", Type::Text, "The name of the secret in it.").checked(names::vault_secret),
];

/// `[cleanup.x]`.
pub(super) const CLEANUP: &[Field] = &[
    Field::new("validation", Type::Text, "Label of the `[validation]` table that opens it. Default: its own label."),
    Field::new("password_login", Type::Any(&[Type::Bool, Type::Table(LOGIN)]), "Whether the old role loses its login."),
    Field::new(
        "soak",
        Type::Duration,
        "How long the app has to work after that, before anything is removed. Default with `password_login`: `24h`.",
    ),
    Field::new("remove_settings", TEXTS, "Names of app settings that hold the password.").checked(names::setting),
    Field::new("remove_connection_strings", TEXTS, "Names of connection strings that hold the password.")
        .checked(names::setting),
    Field::new("escrow", Type::Table(ESCROW), "Where the removed values are kept, so that the removal can be undone."),
    Field::new(
        "irreversible",
        Type::Bool,
        "Whether the removed values are given up for good, instead of `escrow`. Default: false.",
    ),
    Field::new("role_password", Type::Bool, "Whether the old role loses its password."),
    Field::new(
        "server_password_auth",
        Type::Any(&[Type::Bool, Type::Table(SERVER_PASSWORD)]),
        "Whether the server takes no passwords any more. Refused while another role still needs one.",
    ),
    EXTENDS,
    FOR_EACH,
    AFTER,
];

const LOGIN: &[Field] = &[Field::new(
    "end_sessions_after",
    Type::Duration,
    "How long sessions that are still open may stay. Without it they are listed, and stay.",
)];

const ESCROW: &[Field] = &[
    Field::new("key_vault", Type::Text, "The name of the Key Vault.").required().checked(names::vault),
    Field::new(
        "secret",
        Type::Text,
        "The name of the secret; with several values, what their names begin with. Default: made of app, slot and \
         setting.",
    )
    .checked(names::vault_secret),
    Field::new("purge_after", Type::Duration, "When it is deleted for good, after the cleanup. Default: never."),
];

const SERVER_PASSWORD: &[Field] = &[Field::new(
    "admin_password",
    Type::Table(ENV),
    "The administrator's password, which turning passwords on again needs. Without it there is no way back.",
)];
