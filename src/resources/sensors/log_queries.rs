//! What the log sensors ask for, in KQL.

use crate::azure::literal;
use crate::model::{Attributes, Class, Failure, Value};
use crate::resources::live::{optional_text, text};

/// What a sensor asks a log for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogQueries {
    /// The query that measures. A column `events` counts what happened; without it every row is one event.
    pub question: String,
    /// The query that shows that the log has what `question` would find: it has to give rows.
    pub control: Option<String>,
    /// The query for changes of what is logged at all: before the last of them `question` may have missed something.
    pub changes: Option<String>,
}

/// Names of a table and its columns, which differ between a component and a workspace.
struct Traces {
    table: &'static str,
    time: &'static str,
    message: &'static str,
    role: &'static str,
    count: &'static str,
}

const CLASSIC: Traces =
    Traces { table: "traces", time: "timestamp", message: "message", role: "cloud_RoleName", count: "itemCount" };
const WORKSPACE: Traces =
    Traces { table: "AppTraces", time: "TimeGenerated", message: "Message", role: "AppRoleName", count: "ItemCount" };

/// The queries of one sensor (by its table) of a `validation`. PostgreSQL's log is in one of two tables, depending on the
/// server's diagnostic setting, so that a `server_logs` sensor has a pair for either.
///
/// # Errors
/// `Input`: a part of it is missing.
pub fn log_queries(validation: &Attributes, sensor: &Attributes) -> Result<Vec<LogQueries>, Failure> {
    let mut all = match text(sensor, "kind")? {
        "server_logs" => server_logs(validation)?,
        "fallback" => vec![fallback(validation, sensor)],
        _ => vec![LogQueries { question: text(sensor, "query")?.to_owned(), control: None, changes: None }],
    };
    let own = |name: &str| optional_text(sensor, name).map(str::to_owned);
    // A query of the plan file's own has no second table to look into.
    all.truncate(if own("query").is_some() { 1 } else { all.len() });
    for one in &mut all {
        // What a question of its own needs to be logged nobody knows.
        one.changes = one.changes.take().filter(|_| own("query").is_none());
        one.question = own("query").unwrap_or_else(|| one.question.clone());
        one.control = own("control").or_else(|| one.control.take());
    }
    Ok(all)
}

/// Logins of the old role. PostgreSQL writes `connection authenticated` since version 14 and `connection authorized` always,
/// both when `log_connections` is on; a login is in the log once or twice.
fn server_logs(validation: &Attributes) -> Result<Vec<LogQueries>, Failure> {
    let old = validation.get("old_role").and_then(Value::as_map);
    let old = old.ok_or_else(|| {
        Failure::new(Class::Input, "the old role is not named")
            .detail("a sensor of kind server_logs looks for its logins")
            .remedy("add `old_role` to the validation in the plan file")
    })?;
    let (server, role) = (literal(text(old, "server")?), text(old, "name")?);
    let authenticated = literal(&format!("connection authenticated: identity=\"{role}\""));
    let authorized = literal(&format!("connection authorized: user={role} "));
    let changed = literal("parameter \"log_connections\" changed");
    let resource_specific = format!("PGSQLServerLogs\n| where LogicalServerName =~ {server}");
    let diagnostics = format!("AzureDiagnostics\n| where Category == \"PostgreSQLLogs\" and Resource =~ {server}");
    let pair = |log: String| LogQueries {
        question: format!(
            "{log}\n| summarize authenticated = countif(Message contains {authenticated}), \
             authorized = countif(Message contains {authorized})\n\
             | extend events = iff(authenticated > authorized, authenticated, authorized)\n| where events > 0"
        ),
        control: Some(format!(
            "{log}\n| summarize events = countif(Message contains \"connection authenticated\" or Message contains \
             \"connection authorized\"), last = max(TimeGenerated)\n| where events > 0"
        )),
        changes: Some(format!(
            "{log}\n| where Message contains {changed}\n| summarize events = count(), last = max(TimeGenerated)\n\
             | where events > 0"
        )),
    };
    Ok(vec![pair(resource_specific), pair(diagnostics)])
}

/// The guide's trace of a fallback, and those by which it tells that it signs in at all.
fn fallback(validation: &Attributes, sensor: &Attributes) -> LogQueries {
    let Traces { table, time, message, role, count } =
        if sensor.contains_key("workspace") { WORKSPACE } else { CLASSIC };
    let app = validation.get("app").and_then(Value::as_map).and_then(|app| optional_text(app, "app"));
    let log = app.map_or_else(|| table.to_owned(), |app| format!("{table}\n| where {role} =~ {}", literal(app)));
    LogQueries {
        question: format!(
            "{log}\n| where {message} contains \"falling back to password\"\n| summarize events = sum({count})\n\
             | where events > 0"
        ),
        control: Some(format!(
            "{log}\n| summarize events = countif({message} contains \"managed identity\" or {message} contains \
             \"token acquired\" or {message} contains \"postgresql connection\"), last = max({time}), \
             sampled = max({count})\n| where events > 0"
        )),
        changes: None,
    }
}
