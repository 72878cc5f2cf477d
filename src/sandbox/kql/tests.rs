//! The guide's own queries, and what each operator does.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::eval::Table;
use super::{Context, parse, run};

fn rows(name: &str) -> Option<Vec<Map<String, Value>>> {
    let row = |minute: u32, level: u8, message: &str| {
        let row = json!({"timestamp": format!("2026-11-24T10:{minute:02}:30Z"), "severityLevel": level,
            "message": message, "customDimensions": {"duration_ms": minute.to_string()}});
        row.as_object().cloned().unwrap()
    };
    (name == "traces").then(|| {
        vec![
            row(1, 1, "🔐 Using Azure Managed Identity for PostgreSQL authentication"),
            row(2, 1, "Token acquired successfully (expires in ~3600 s)"),
            row(4, 1, "PostgreSQL connection established successfully"),
            row(7, 3, "Failed to acquire managed identity token"),
            row(9, 1, "PostgreSQL connection established successfully"),
        ]
    })
}

fn ask(query: &str) -> Table {
    let now: Timestamp = "2026-11-24T10:10:00Z".parse().unwrap();
    run(&parse(query).unwrap(), &Context { rows: &rows, now }).unwrap()
}

fn messages(query: &str) -> Vec<String> {
    let table = ask(query);
    let at = table.columns.iter().position(|(name, _)| name == "message").unwrap();
    table.rows.iter().map(|row| row[at].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_guides_queries() {
    let activity = messages(
        "traces\n| where timestamp >= ago(24h)\n| where message contains \"managed identity\" or message contains \"Token acquired\"\n\
         | order by timestamp desc\n| take 100",
    );
    assert_eq!(activity.len(), 3);
    assert!(activity[0].starts_with("Failed") && activity[2].contains("Using Azure"));
    let failures = messages(
        "traces | where timestamp >= ago(24h) | where severityLevel >= 3 | where message contains \"token\" or message contains \"authentication\" | order by timestamp desc",
    );
    assert_eq!(failures, ["Failed to acquire managed identity token"]);
    let table = ask(
        "traces | where timestamp >= ago(1h) | where message contains \"PostgreSQL connection\" | summarize count() by bin(timestamp, 5m) | render timechart",
    );
    assert_eq!(table.columns, [("timestamp".to_owned(), "datetime"), ("count_".to_owned(), "long")]);
    assert_eq!(
        table.rows,
        [vec![json!("2026-11-24T10:00:00Z"), json!(1)], vec![json!("2026-11-24T10:05:00Z"), json!(1)]]
    );
}

#[test]
fn the_kept_queries_find_what_they_are_for() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/queries");
    let names = ["timestamp", "severityLevel", "message", "customDimensions", "cloud_RoleName", "itemCount"];
    let renamed = ["TimeGenerated", "SeverityLevel", "Message", "Properties", "AppRoleName", "ItemCount"];
    let kept = |name: &str| {
        let mut all = rows("traces")?;
        all[1]["customDimensions"] = json!({"duration_ms": "620"});
        all[3]["message"] = json!("Falling back to password authentication: Failed to acquire managed identity token");
        for row in &mut all {
            row.insert("cloud_RoleName".to_owned(), json!("geo"));
            row.insert("itemCount".to_owned(), json!(2));
        }
        let in_workspace = |row: Map<String, Value>| {
            let other = |name: String| match names.iter().position(|one| *one == name) {
                Some(at) => renamed[at].to_owned(),
                None => name,
            };
            row.into_iter().map(|(name, value)| (other(name), value)).collect()
        };
        match name {
            "traces" => Some(all),
            "AppTraces" => Some(all.into_iter().map(in_workspace).collect()),
            _ => None,
        }
    };
    let now: Timestamp = "2026-11-24T10:10:00Z".parse().unwrap();
    for (name, found, column, value) in [
        (
            "managed-identity-activity",
            3,
            "message",
            json!("Falling back to password authentication: Failed to acquire managed identity token"),
        ),
        ("authentication-failures", 1, "severityLevel", json!(3)),
        ("connection-statistics", 2, "connections", json!(2)),
        ("password-fallbacks", 1, "fallbacks", json!(2)),
        ("token-latency", 1, "slow", json!(1)),
    ] {
        for (schema, columns) in [("classic", &names), ("workspace", &renamed)] {
            let text = std::fs::read_to_string(directory.join(format!("{name}.{schema}.kql"))).unwrap();
            let column = names.iter().position(|one| *one == column).map_or(column, |at| columns[at]);
            let table = run(&parse(&text).unwrap(), &Context { rows: &kept, now }).unwrap();
            let at = table.columns.iter().position(|(name, _)| name == column).unwrap();
            assert_eq!((table.rows.len(), &table.rows[0][at]), (found, &value), "{name}.{schema}");
        }
    }
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 10);
}

#[test]
fn operators() {
    assert_eq!(ask("traces | count").rows, [[json!(5)]]);
    assert_eq!(ask("traces | where timestamp between (ago(5m) .. now()) | count").rows, [[json!(2)]]);
    assert_eq!(ask("traces | where severityLevel in (3, 4) | project n = severityLevel * 2").rows, [[json!(6)]]);
    assert_eq!(ask("traces | where not(message has 'token') and message !contains 'Azure' | count").rows, [[json!(2)]]);
    assert_eq!(ask("traces | top 1 by timestamp asc | project severityLevel").rows, [[json!(1)]]);
    assert_eq!(ask("traces | distinct severityLevel | order by severityLevel asc").rows, [[json!(1)], [json!(3)]]);
    let latency = "traces | extend ms = toreal(customDimensions.duration_ms) | summarize worst = max(ms), p = percentile(ms, 50), a = avg(ms), countif(ms > 4)";
    assert_eq!(ask(latency).rows, [[json!(9), json!(4), json!(4.6), json!(2)]]);
    assert_eq!(
        ask("traces | where message == 'x' | summarize n = count(), last = max(timestamp)").rows,
        [[json!(0), Value::Null]]
    );
    let more = ask("traces | summarize n = count() | extend twice = n * 2, n = n + 1");
    assert_eq!((more.rows, more.columns[1].0.as_str()), (vec![vec![json!(6), json!(10)]], "twice"));
    assert_eq!(ask("traces | take 1 | project customDimensions").columns, [("customDimensions".to_owned(), "dynamic")]);
}

#[test]
fn nonsense_is_refused_as_the_service_does() {
    for (query, code) in [
        ("traces | where message contains", "SyntaxError"),
        ("traces | where message == 'open", "SyntaxError"),
        ("traces | frobnicate", "SyntaxError"),
        ("traces | where (message == 'x'", "SyntaxError"),
        ("", "SyntaxError"),
        ("nowhere | count", "SemanticError"),
        ("traces | summarize nonsense(message)", "SemanticError"),
        ("traces | where nonsense(message)", "SemanticError"),
    ] {
        let fault = parse(query).and_then(|query| run(&query, &Context { rows: &rows, now: Timestamp::UNIX_EPOCH }));
        assert_eq!(fault.unwrap_err().code, code, "{query}");
    }
}
