//! What an app's log says goes wrong now: complaints of the last hour that nothing good came after.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::facts::{Said, Source};
use super::gather::{Gathered, WantedSite};
use crate::azure::{LogAnswer, Rows, literal};
use crate::model::{Attributes, Class, Failure, Value};
use crate::resources::Live;
use crate::resources::live::{optional_text, text};

/// What the apps say when they got a token.
const TOKEN: &str = "token acquired";
/// What they say when they got into the database.
const CONNECTED: &str = "connection established";
/// What they say when they got no token, or went on without one.
const ABOUT_TOKENS: [&str; 2] = ["falling back to password", "failed to acquire managed identity token"];
/// What PostgreSQL says when it lets nobody in.
const ABOUT_LOGINS: [&str; 7] = [
    "token has expired",
    "audience",
    "oid mismatch",
    "pg_hba.conf",
    "password authentication failed",
    "permission denied",
    "certificate",
];

/// Asks the first log that a validation of the site names. No log is named by most plan files, and that is no fault.
pub(super) async fn said(live: &Live, site: &WantedSite<'_>) -> Gathered<Vec<Said>> {
    let mut gathered = Gathered::default();
    let sensors =
        site.validations.iter().flat_map(|one| one.get("sensors").and_then(Value::as_list).unwrap_or_default());
    let named = |table: &&Attributes| {
        let traces = optional_text(table, "kind") != Some("server_logs");
        traces && (table.contains_key("app_insights") || table.contains_key("workspace"))
    };
    let Some(table) = sensors.filter_map(Value::as_map).find(named) else { return gathered };
    let rows = ask(live, &site.id.app, table).await;
    if let Some(rows) = gathered.keep(&format!("the log of {}", site.id), rows) {
        gathered.facts = current(&traces(&rows));
    }
    gathered
}

pub(in crate::resources) async fn ask(live: &Live, app: &str, table: &Attributes) -> Result<Rows, Failure> {
    let subscription = text(table, "subscription")?;
    let (id, query) = match optional_text(table, "workspace") {
        Some(id) => (live.arm.workspace_with(subscription, id).await?, query(app, true)),
        None => (live.arm.component_with(subscription, text(table, "app_insights")?).await?.id, query(app, false)),
    };
    match live.arm.query_logs(&id, &query, None).await? {
        LogAnswer::Rows(rows) => Ok(rows),
        LogAnswer::Blind(why) => Err(Failure::new(Class::Other, "the log cannot be read")
            .detail(why)
            .remedy("check the log that the plan file names, and the right to read it")),
    }
}

/// The traces of an app that tell how it signs in, newest first.
fn query(app: &str, workspace: bool) -> String {
    let (table, time, message, role) = if workspace {
        ("AppTraces", "TimeGenerated", "Message", "AppRoleName")
    } else {
        ("traces", "timestamp", "message", "cloud_RoleName")
    };
    let words = [TOKEN, CONNECTED].into_iter().chain(ABOUT_TOKENS).chain(ABOUT_LOGINS);
    let any: Vec<String> = words.map(|word| format!("{message} contains {}", literal(word))).collect();
    format!(
        "{table}\n| where {time} >= ago(1h)\n| where {role} =~ {}\n| where {}\n| project timestamp = {time}, message = {message}\n\
         | order by timestamp desc\n| take 500",
        literal(app),
        any.join(" or ")
    )
}

/// When and what, newest first.
fn traces(rows: &Rows) -> Vec<(Timestamp, String)> {
    let text = |row: usize, column: &str| rows.cell(row, column).and_then(Json::as_str);
    let one = |row: usize| Some((text(row, "timestamp")?.parse().ok()?, text(row, "message")?.to_owned()));
    let mut all: Vec<(Timestamp, String)> = (0..rows.rows.len()).filter_map(one).collect();
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    all
}

/// The complaints that still stand: about tokens since the last token, about logins since the last connection. A
/// connection by password says nothing about tokens.
fn current(traces: &[(Timestamp, String)]) -> Vec<Said> {
    let (mut token, mut connected) = (false, false);
    let mut found: Vec<Said> = Vec::new();
    for (at, message) in traces {
        let lower = message.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let stands = (has(&ABOUT_TOKENS) && !token) || (!has(&ABOUT_TOKENS) && has(&ABOUT_LOGINS) && !connected);
        if stands {
            match found.iter_mut().find(|said| said.text == *message) {
                Some(said) => said.times += 1,
                None => found.push(Said { source: Source::Log(*at), text: message.clone(), times: 1 }),
            }
        }
        token |= lower.contains(TOKEN);
        connected |= lower.contains(CONNECTED);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::current;

    fn standing(newest_first: &[&str]) -> Vec<(String, usize)> {
        let at =
            |seconds: usize| jiff::Timestamp::from_second(2_000_000_000 - i64::try_from(seconds).unwrap()).unwrap();
        let traces: Vec<_> = newest_first.iter().enumerate().map(|(row, text)| (at(row), (*text).to_owned())).collect();
        current(&traces).into_iter().map(|said| (said.text, said.times)).collect()
    }

    #[test]
    fn what_went_well_since_is_no_complaint_any_more() {
        let (fell, token) =
            ("Falling back to password authentication: no", "Token acquired successfully (expires in ~9 s)");
        let (connected, expired) =
            ("PostgreSQL connection established successfully (password)", "The access token has expired.");
        assert_eq!(standing(&[fell, fell]), [(fell.to_owned(), 2)]);
        assert_eq!(standing(&[token, fell]), []);
        assert_eq!(standing(&[fell, token, fell]), [(fell.to_owned(), 1)]);
        // The password gets it in; that is the fallback and no cure.
        assert_eq!(standing(&[connected, fell]), [(fell.to_owned(), 1)]);
        assert_eq!(standing(&[connected, expired]), []);
        assert_eq!(standing(&[expired, connected]), [(expired.to_owned(), 1)]);
        assert_eq!(standing(&["something else"]), []);
    }
}
