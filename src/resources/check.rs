//! Kind `check`: effective privileges, a sign-in or an HTTP probe pass now; polled for a while when applied.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::database_grants::RULE_FIELDS;
use super::reach::text;
use super::{Kind, Live, Watch, Written, pause};
use crate::model::{
    Attributes, Class, Failure, Field, Look, Nature, Purpose, Reading, Schema, Step, Type, Undo, Value,
};

/// How long a check may take to pass, where the plan file does not say.
const WITHIN: Duration = Duration::from_mins(5);
/// The pauses between two tries: they double from the first to the longest.
const PAUSE: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

/// The kind `check`.
pub struct Check;

const PRIVILEGES: &[Field] = &[
    Field::new("server", Type::Text, "The flexible server, by its Azure name.").required(),
    Field::new("database", Type::Text, "The database.").required(),
    Field::new("role", Type::Text, "The role whose effective privileges are asked for.").or_reference(),
    Field::new(
        "grants",
        Type::List(&Type::Table(RULE_FIELDS)),
        "What it should be able to do, in the words of grants.",
    ),
];

const LOGIN: &[Field] = &[
    Field::new("server", Type::Text, "The flexible server, by its Azure name.").required(),
    Field::new("database", Type::Text, "The database.").required(),
    Field::new("role", Type::Text, "The role to sign in as, with a token of whoever runs pgentra.").or_reference(),
];

const HTTP: &[Field] = &[
    Field::new("subscription", Type::Text, "Azure subscription id of the app."),
    Field::new("resource_group", Type::Text, "Azure resource group of the app."),
    Field::new("app", Type::Text, "The app, by its Azure name."),
    Field::new("slot", Type::Text, "A deployment slot of the app."),
    Field::new("url", Type::Text, "Where to ask, instead of an app."),
    Field::new("path", Type::Text, "The path to ask for."),
    Field::new("expect_status", Type::Int, "The HTTP status to expect; 200 by default."),
    Field::new(
        "expect",
        Type::Map(&Type::Any(&[Type::Text, Type::Bool, Type::Int])),
        "JSON path in the answer -> the value to expect.",
    ),
];

static SCHEMA: Schema = Schema {
    kind: "check",
    doc: "Looks whether something works now, and changes nothing. Exactly one of `privileges`, `login` and `http`.",
    nature: Nature::Check,
    fields: &[
        Field::new("privileges", Type::Table(PRIVILEGES), "A role has effective privileges, by whatever way."),
        Field::new("login", Type::Table(LOGIN), "The server lets a role in with a token."),
        Field::new("http", Type::Table(HTTP), "An app answers as it should."),
        Field::new("within", Type::Duration, "How long it may take to pass when applied; 5m by default."),
    ],
    outputs: &[],
    undo: |_, _| Undo::Faithful,
    serial_key: |_| None,
    restarts: |_, _| 0,
    consistent_within: Duration::ZERO,
};

#[async_trait]
impl Kind for Check {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let passed = |passed: bool| Attributes::from([("passed".to_owned(), Value::Bool(passed))]);
        let complaints = complaints(live, look.attributes).await?;
        let mut reading = Reading::present(passed(complaints.is_empty()), Attributes::new());
        reading.notes = complaints;
        if look.purpose == Purpose::Plan {
            reading.desired = Some(passed(true));
        }
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let none = Attributes::new();
        let asked = step.after.as_ref().unwrap_or(&none);
        let within = asked.get("within").and_then(Value::as_text).map_or(Some(WITHIN), span).ok_or_else(|| {
            Failure::new(Class::Input, "`within` is no span of time").remedy("write it like 90s, 5m or 1h")
        })?;
        let (start, mut wait) = (Instant::now(), PAUSE[0]);
        loop {
            let complaints = match complaints(live, asked).await {
                Err(failure) if !matches!(failure.class, Class::Busy | Class::Unreachable) => return Err(failure),
                Err(failure) => vec![failure.to_string()],
                Ok(complaints) => complaints,
            };
            if complaints.is_empty() {
                return Ok(Written::Done);
            }
            if start.elapsed() + wait > within {
                let summary = format!("check {} did not pass within {} s", step.address.name, within.as_secs());
                return Err(Failure::new(Class::CheckFailed, summary).detail(complaints.join("\n")));
            }
            watch.note(&format!("not yet: {}", complaints[0]));
            pause(watch, wait).await?;
            wait = (wait * 2).min(PAUSE[1]);
        }
    }
}

/// A span of time as plan files write it: a number and one of s, m, h, d.
fn span(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

/// What is wrong, in sentences; nothing when the check passes.
async fn complaints(live: &Live, asked: &Attributes) -> Result<Vec<String>, Failure> {
    let table = |name: &str| asked.get(name).and_then(Value::as_map);
    match (table("privileges"), table("login"), table("http")) {
        (Some(table), None, None) => super::check_privileges::complaints(live, table).await,
        (None, Some(table), None) => login(live, table).await,
        (None, None, Some(table)) => super::check_http::complaints(live, table).await,
        _ => Err(Failure::new(Class::Input, "a check has exactly one of privileges, login and http")),
    }
}

async fn login(live: &Live, table: &Attributes) -> Result<Vec<String>, Failure> {
    let role = text(table, "role")?;
    match live.databases.sign_in(text(table, "server")?, text(table, "database")?, role).await {
        Ok(()) => Ok(Vec::new()),
        Err(failure) if matches!(failure.class, Class::NotSignedIn | Class::Forbidden | Class::NotFound) => {
            Ok(vec![failure.to_string()])
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests;
