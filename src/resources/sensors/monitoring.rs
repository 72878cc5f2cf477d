//! The monitoring queries: what people look at in Azure's portal while and after an app is migrated.

use super::{LogQueries, log_queries};
use crate::azure::literal;
use crate::model::{Attributes, Failure, written_out};
use crate::resources::live::text;

/// A query for a person to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitoringQuery {
    /// What it is called.
    pub name: String,
    /// The query, in KQL.
    pub text: String,
}

/// Name, query of a component, and query of a workspace.
macro_rules! kept {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../docs/queries/", $name, ".classic.kql")),
            include_str!(concat!("../../../docs/queries/", $name, ".workspace.kql")),
        )
    };
}

const KEPT: [(&str, &str, &str); 5] = [
    kept!("managed-identity-activity"),
    kept!("authentication-failures"),
    kept!("connection-statistics"),
    kept!("password-fallbacks"),
    kept!("token-latency"),
];

/// The queries of `docs/queries`, narrowed to these apps (by their Azure names) where there are any. `workspace` chooses the
/// tables of a Log Analytics workspace instead of those of an Application Insights component.
pub fn monitoring(apps: &[&str], workspace: bool) -> Vec<MonitoringQuery> {
    let column = if workspace { "AppRoleName" } else { "cloud_RoleName" };
    let ours: Vec<String> = apps.iter().map(|app| format!("{column} =~ {}", literal(app))).collect();
    let query = |(name, classic, of_workspace): (&str, &str, &str)| {
        let mut text = String::new();
        for line in (if workspace { of_workspace } else { classic }).lines() {
            text.push_str(line);
            text.push('\n');
            // The only line that is neither a comment nor an operator is the table.
            if !ours.is_empty() && !line.starts_with("//") && !line.starts_with('|') {
                text.extend(["| where ", &ours.join(" or "), "\n"]);
            }
        }
        MonitoringQuery { name: name.to_owned(), text }
    };
    KEPT.into_iter().map(query).collect()
}

/// What the log sensors of a validation ask for, to be tried by hand. Observations run them over the time since the last one.
///
/// # Errors
/// `Input`: a part of it is missing.
pub fn sensor_queries(validation: &str, attributes: &Attributes) -> Result<Vec<MonitoringQuery>, Failure> {
    let mut all = Vec::new();
    for sensor in super::tables(attributes, "sensors") {
        let name = text(sensor, "name")?;
        let log = ["workspace", "app_insights"].into_iter().find_map(|log| Some((log, sensor.get(log)?.as_text()?)));
        let place = log.map(|(log, id)| format!(" ({log} {id})")).unwrap_or_default();
        for LogQueries { question, control, changes } in log_queries(attributes, sensor)? {
            for (what, query) in [("question", Some(question)), ("control", control), ("changes", changes)] {
                let Some(query) = query else { continue };
                // A comment ends with its line.
                let title = format!("Sensor {name:?} of validation {validation}: {what}{place}");
                let title = format!("// {}", written_out(&title));
                let name = format!("{validation}: {name}: {what}");
                all.push(MonitoringQuery { name, text: format!("{title}\n{}\n", query.trim_end()) });
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{monitoring, sensor_queries};
    use crate::resources::arm_testing::attributes;

    #[test]
    fn queries_are_of_the_apps_and_names_are_quoted() {
        let all = monitoring(&["geo\"app", "other"], true);
        assert_eq!(all.len(), 5);
        for query in &all {
            let narrowed = "\nAppTraces\n| where AppRoleName =~ \"geo\\\"app\" or AppRoleName =~ \"other\"\n| where ";
            assert!(query.text.contains(narrowed), "{}", query.text);
        }
        assert!(monitoring(&[], false).iter().all(|query| query.text.contains("\ntraces\n| where timestamp")));
    }

    #[test]
    fn sensors_show_what_they_ask_for() {
        let validation = attributes(json!({
            "old_role": { "server": "pg", "name": "ge\"o" },
            "sensors": [
                { "name": "logins", "kind": "server_logs", "workspace": "w" },
                { "name": "own", "kind": "query", "app_insights": "a", "query": "traces | take 1" },
            ],
        }));
        let all = sensor_queries("geo", &validation).unwrap();
        let names: Vec<&str> = all.iter().map(|query| query.name.as_str()).collect();
        let logins = ["geo: logins: question", "geo: logins: control", "geo: logins: changes"];
        assert_eq!(names, [&logins[..], &logins, &["geo: own: question"]].concat());
        assert!(all[0].text.contains(r#"contains "connection authenticated: identity=\"ge\"o\"""#), "{}", all[0].text);
        assert!(all[6].text.ends_with("\ntraces | take 1\n"));
    }
}
