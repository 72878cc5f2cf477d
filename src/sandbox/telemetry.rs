//! What the sandbox's apps and PostgreSQL said and did, as rows of Application Insights and Log Analytics.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// A row by column.
pub type Row = Map<String, Value>;

/// How many rows of a table are kept.
const KEPT: usize = 20_000;

/// Tables of an Application Insights component, and those of a workspace with the columns' other names.
const CLASSIC: [&str; 4] = ["traces", "requests", "exceptions", "dependencies"];
const WORKSPACE: [(&str, &str); 4] = [
    ("AppTraces", "traces"),
    ("AppRequests", "requests"),
    ("AppExceptions", "exceptions"),
    ("AppDependencies", "dependencies"),
];
/// A column in a component, and in a workspace.
const COLUMNS: [(&str, &str); 11] = [
    ("timestamp", "TimeGenerated"),
    ("message", "Message"),
    ("severityLevel", "SeverityLevel"),
    ("cloud_RoleName", "AppRoleName"),
    ("customDimensions", "Properties"),
    ("name", "Name"),
    ("url", "Url"),
    ("resultCode", "ResultCode"),
    ("duration", "DurationMs"),
    ("success", "Success"),
    ("itemCount", "ItemCount"),
];
/// The table of the server's own log.
pub const SERVER_LOGS: &str = "PGSQLServerLogs";
/// The table that has it where the diagnostic setting sends logs of all kinds into one.
pub const DIAGNOSTICS: &str = "AzureDiagnostics";

/// All rows, in memory and in a file, so that they outlive the sandbox's process.
#[derive(Default)]
pub struct Telemetry {
    tables: BTreeMap<String, Vec<Row>>,
    file: Option<PathBuf>,
}

impl Telemetry {
    /// Reads what was kept in `file` and keeps on there. A line that cannot be read is passed over.
    pub fn open(file: PathBuf) -> Self {
        let mut telemetry = Self { tables: BTreeMap::new(), file: None };
        for line in std::fs::read_to_string(&file).unwrap_or_default().lines() {
            if let Ok(Value::Object(mut row)) = serde_json::from_str(line)
                && let Some(Value::String(table)) = row.remove("_table")
            {
                telemetry.tables.entry(table).or_default().push(row);
            }
        }
        telemetry.file = Some(file);
        telemetry
    }

    /// Adds a row; `at` is when it happened and came in, by the sandbox's clock.
    pub fn add(&mut self, table: &str, at: Timestamp, mut row: Row) {
        let time = if CLASSIC.contains(&table) { "timestamp" } else { "TimeGenerated" };
        row.insert(time.to_owned(), json!(at.to_string()));
        row.insert("_ingested".to_owned(), json!(at.to_string()));
        if let Some(file) = &self.file {
            let mut kept = row.clone();
            kept.insert("_table".to_owned(), json!(table));
            let line = format!("{}\n", Value::Object(kept));
            let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
            // A full disk loses rows of a demonstration, nothing more.
            let _ = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        }
        let rows = self.tables.entry(table.to_owned()).or_default();
        if rows.len() >= KEPT {
            rows.remove(0);
        }
        rows.push(row);
    }

    /// The rows of a table that had come in by `now` less `delay`. `workspace` chooses whose names count; none when there
    /// is no such table.
    pub fn rows(&self, table: &str, workspace: bool, now: Timestamp, delay: SignedDuration) -> Option<Vec<Row>> {
        let (own, renamed) = match (workspace, WORKSPACE.iter().find(|(name, _)| *name == table)) {
            (true, Some((_, own))) => (*own, true),
            (true, None) if table == SERVER_LOGS => (SERVER_LOGS, false),
            (false, _) if CLASSIC.contains(&table) => (table, false),
            _ => return None,
        };
        let in_by = now.checked_sub(delay).unwrap_or(now);
        let seen = |row: &&Row| {
            let ingested = row.get("_ingested").and_then(Value::as_str).and_then(|at| at.parse::<Timestamp>().ok());
            ingested.is_some_and(|at| at <= in_by)
        };
        let rows = self.tables.get(own).into_iter().flatten().filter(seen).cloned();
        Some(if renamed { rows.map(in_workspace).collect() } else { rows.collect() })
    }
}

fn in_workspace(row: Row) -> Row {
    let name = |name: String| match COLUMNS.iter().find(|(classic, _)| *classic == name) {
        Some((_, own)) => (*own).to_owned(),
        None => name,
    };
    row.into_iter().map(|(column, value)| (name(column), value)).collect()
}

/// A row of the server's own log as the legacy table has it: the server in capitals, and a type at the end of columns that
/// are not those of every log.
pub fn in_diagnostics(row: Row) -> Row {
    let server = row.get("LogicalServerName").and_then(Value::as_str).unwrap_or_default().to_uppercase();
    let column = |name: &str| match name {
        "LogicalServerName" => "LogicalServerName_s".to_owned(),
        "UserName" => "user_name_s".to_owned(),
        "DatabaseName" => "database_name_s".to_owned(),
        "ErrorLevel" => "errorLevel_s".to_owned(),
        _ => name.to_owned(),
    };
    let mut row: Row = row.into_iter().map(|(name, value)| (column(&name), value)).collect();
    for (name, value) in [
        ("Resource", json!(server)),
        ("ResourceProvider", json!("MICROSOFT.DBFORPOSTGRESQL")),
        ("ResourceType", json!("FLEXIBLESERVERS")),
        ("OperationName", json!("LogEvent")),
    ] {
        row.insert(name.to_owned(), value);
    }
    row
}

/// A line that an app wrote, as a trace: what the Functions host makes of structured logs.
pub fn trace(app: &str, line: &str) -> Row {
    let parsed: Value = serde_json::from_str(line).unwrap_or_default();
    let mut fields = parsed["fields"].as_object().cloned().unwrap_or_default();
    let message = fields.remove("message").unwrap_or_else(|| json!(line));
    let level = match parsed["level"].as_str() {
        Some("TRACE" | "DEBUG") => 0,
        Some("WARN") => 2,
        Some("ERROR") => 3,
        _ => 1,
    };
    let row = json!({"message": message, "severityLevel": level, "cloud_RoleName": app, "customDimensions": fields,
        "itemCount": 1});
    row.as_object().cloned().unwrap_or_default()
}

/// A request that an app answered.
pub fn request(app: &str, method: &str, path: &str, status: u16, duration_ms: f64) -> Row {
    let row = json!({"name": format!("{method} {path}"), "url": path, "resultCode": status.to_string(),
        "success": status < 400, "duration": duration_ms, "cloud_RoleName": app, "itemCount": 1});
    row.as_object().cloned().unwrap_or_default()
}

/// A line of the server's log about a session that signed in, or was refused.
pub fn login(server: &str, user: &str, database: &str, method: &str, refused: Option<&str>) -> Row {
    let message = match refused {
        None => format!("connection authenticated: identity=\"{user}\" method={method} database={database}"),
        Some(why) => format!("connection refused: identity=\"{user}\" method={method} database={database}: {why}"),
    };
    let row = json!({"Message": message, "LogicalServerName": server, "UserName": user, "DatabaseName": database,
        "Category": "PostgreSQLLogs", "ErrorLevel": if refused.is_some() { "FATAL" } else { "LOG" }});
    row.as_object().cloned().unwrap_or_default()
}

/// The line by which the server's log tells that a parameter was changed.
pub fn parameter(server: &str, name: &str, value: &str) -> Row {
    let row = json!({"Message": format!("parameter \"{name}\" changed to \"{value}\""),
        "LogicalServerName": server, "Category": "PostgreSQLLogs", "ErrorLevel": "LOG"});
    row.as_object().cloned().unwrap_or_default()
}

/// The line by which the server's log shows that it goes on although nobody does anything.
pub fn checkpoint(server: &str) -> Row {
    let row = json!({"Message": "checkpoint complete: wrote 3 buffers (0.0%); 0 WAL file(s) added, 0 removed, 0 recycled",
        "LogicalServerName": server, "Category": "PostgreSQLLogs", "ErrorLevel": "LOG"});
    row.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{SERVER_LOGS, Telemetry, login, request, trace};

    #[test]
    fn rows_come_in_late_under_either_name_and_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("telemetry.jsonl");
        let mut telemetry = Telemetry::open(file.clone());
        let at: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        telemetry.add("traces", at, trace("geo", r#"{"level":"WARN","fields":{"message":"hi","ms":3}}"#));
        telemetry.add("requests", at, request("geo", "GET", "/api/health", 503, 1.5));
        telemetry.add(SERVER_LOGS, at, login("pg", "geoapp", "geo", "scram-sha-256", None));
        let delay = SignedDuration::from_secs(60);
        assert_eq!(telemetry.rows("traces", false, at, delay).unwrap().len(), 0);
        for telemetry in [&telemetry, &Telemetry::open(file)] {
            let classic = telemetry.rows("traces", false, at + delay, delay).unwrap();
            assert_eq!((&classic[0]["message"], &classic[0]["severityLevel"]), (&"hi".into(), &2.into()));
            assert_eq!(classic[0]["customDimensions"]["ms"], 3);
            let workspace = telemetry.rows("AppTraces", true, at + delay, delay).unwrap();
            assert_eq!(
                (&workspace[0]["Message"], &workspace[0]["TimeGenerated"]),
                (&"hi".into(), &at.to_string().into())
            );
            assert_eq!(telemetry.rows("requests", false, at + delay, delay).unwrap()[0]["success"], false);
            assert_eq!(telemetry.rows(SERVER_LOGS, true, at + delay, delay).unwrap().len(), 1);
        }
        assert!(
            telemetry.rows("AppTraces", false, at, delay).is_none()
                && telemetry.rows("traces", true, at, delay).is_none()
        );
    }
}
