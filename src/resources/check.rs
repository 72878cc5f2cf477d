//! Kind `check`: effective privileges, a sign-in or an HTTP probe pass now; polled for a while when applied.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::database_grants::RULE_FIELDS;
use super::live::no_span;
use super::reach::text;
use super::{Behaviour, Kind, Live, Watch, Written, behaviour, pause};
use crate::model::{
    Attributes, Class, Failure, Field, Look, Nature, Purpose, Reading, Schema, Step, Type, Undo, Value, duration,
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

static SCHEMA: Schema = Schema {
    kind: "check",
    doc: "Looks whether something works now, and changes nothing. Exactly one of `privileges`, `login` and `http`.",
    nature: Nature::Check,
    fields: &[
        Field::new("privileges", Type::Table(PRIVILEGES), "A role has effective privileges, by whatever way."),
        Field::new("login", Type::Table(LOGIN), "The server lets a role in with a token."),
        Field::new("http", Type::Table(super::check_http::HTTP), "An app answers as it should."),
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

    fn behaviour(&self) -> Behaviour {
        behaviour::CHECK
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        if look.purpose == Purpose::Plan && sends(look.attributes) {
            let mut reading = answer(Vec::new(), look.purpose);
            reading.notes.push("not tried when planning, as it sends something; apply and observe try it".to_owned());
            return Ok(reading);
        }
        complaints(live, look.attributes).await.map(|complaints| answer(complaints, look.purpose))
    }

    fn together(&self, look: &Look<'_>) -> Option<String> {
        let table = table(look.attributes, "privileges").filter(|_| !sends(look.attributes))?;
        Some(format!("{}/{}", text(table, "server").ok()?, text(table, "database").ok()?))
    }

    async fn read_together(&self, live: &Live, looks: &[Look<'_>]) -> Vec<Result<Reading, Failure>> {
        let tables: Vec<&Attributes> = looks.iter().filter_map(|look| table(look.attributes, "privileges")).collect();
        let answers = super::check_privileges::complaints_of(live, &tables).await;
        answers.into_iter().map(|complaints| Ok(answer(complaints?, Purpose::Plan))).collect()
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let none = Attributes::new();
        let asked = step.after.as_ref().unwrap_or(&none);
        let within = match asked.get("within").and_then(Value::as_text) {
            Some(text) => duration(text).ok_or_else(|| no_span("within", text, "5m"))?.unsigned_abs(),
            None => WITHIN,
        };
        let (start, mut wait) = (Instant::now(), PAUSE[0]);
        loop {
            let complaints = match complaints(live, asked).await {
                Err(failure) if !matches!(failure.class, Class::Busy | Class::Unreachable) => return Err(failure),
                Err(failure) => vec![failure.in_a_line()],
                Ok(complaints) => complaints,
            };
            if complaints.is_empty() {
                return Ok(Written::Done);
            }
            if start.elapsed() + wait > within {
                return Err(Failure::new(Class::CheckFailed, "the check did not pass in time")
                    .detail(format!("{}\nwaited {} s", complaints.join("\n"), within.as_secs()))
                    .remedy("mend what it complains of, or give it longer with `within`"));
            }
            watch.note(&format!("not yet: {}", complaints[0]));
            pause(watch, wait).await?;
            wait = (wait * 2).min(PAUSE[1]);
        }
    }
}

/// One of the tables of which a check has exactly one.
fn table<'a>(asked: &'a Attributes, name: &str) -> Option<&'a Attributes> {
    asked.get(name).and_then(Value::as_map)
}

fn answer(complaints: Vec<String>, purpose: Purpose) -> Reading {
    let passed = |passed: bool| Attributes::from([("passed".to_owned(), Value::Bool(passed))]);
    let mut reading = Reading::present(passed(complaints.is_empty()), Attributes::new());
    reading.notes = complaints;
    if purpose == Purpose::Plan {
        reading.desired = Some(passed(true));
    }
    reading
}

/// Whether the check asks the app to do something: planning must not.
fn sends(asked: &Attributes) -> bool {
    let method = asked.get("http").and_then(Value::as_map).and_then(|http| http.get("method")).and_then(Value::as_text);
    method.is_some_and(|method| !["GET", "HEAD"].contains(&method))
}

/// What is wrong, in sentences; nothing when the check passes.
async fn complaints(live: &Live, asked: &Attributes) -> Result<Vec<String>, Failure> {
    match (table(asked, "privileges"), table(asked, "login"), table(asked, "http")) {
        (Some(table), None, None) => super::check_privileges::complaints(live, table).await,
        (None, Some(table), None) => login(live, table).await,
        (None, None, Some(table)) => super::check_http::complaints(live, table).await,
        _ => Err(Failure::new(Class::Input, "a check has exactly one of privileges, login and http")
            .remedy("write a check for each of them in the plan file")),
    }
}

async fn login(live: &Live, table: &Attributes) -> Result<Vec<String>, Failure> {
    let role = text(table, "role")?;
    match live.databases.sign_in(text(table, "server")?, text(table, "database")?, role).await {
        Ok(()) => Ok(Vec::new()),
        Err(failure) if matches!(failure.class, Class::NotSignedIn | Class::Forbidden | Class::NotFound) => {
            Ok(vec![failure.in_a_line()])
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests;
