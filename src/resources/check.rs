//! Kind `check`: effective privileges, a sign-in or an HTTP probe pass now; polled for a while when applied.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::database_grants::{RULE_FIELDS, Rule, rules, wanted};
use super::reach::text;
use super::{Kind, Live, Watch, Written};
use crate::model::{
    Attributes, Class, Failure, Field, Look, Nature, Purpose, Reading, Schema, Step, Type, Undo, Value, duration,
};
use crate::postgres::{Demand, Lease, ObjectType, Snapshot, lacking, rights_of};

/// How long a check may take to pass, where the plan file does not say.
const WITHIN: Duration = Duration::from_mins(5);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(5);

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

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let passed = |passed: bool| Attributes::from([("passed".to_owned(), Value::Bool(passed))]);
        if look.purpose == Purpose::Plan && sends(look.attributes) {
            let mut reading = Reading::present(passed(true), Attributes::new());
            reading.desired = Some(passed(true));
            reading.notes.push("not tried when planning, as it sends something; apply and observe try it".to_owned());
            return Ok(reading);
        }
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
        let within = asked
            .get("within")
            .and_then(Value::as_text)
            .map_or(Some(WITHIN), |text| Some(duration(text)?.unsigned_abs()))
            .ok_or_else(|| {
                Failure::new(Class::Input, "`within` is no span of time").remedy("write it like 90s, 5m or 1h")
            })?;
        let start = Instant::now();
        loop {
            let complaints = match complaints(live, asked).await {
                Err(failure) if !matches!(failure.class, Class::Busy | Class::Unreachable) => return Err(failure),
                Err(failure) => vec![failure.to_string()],
                Ok(complaints) => complaints,
            };
            if complaints.is_empty() {
                return Ok(Written::Done);
            }
            if start.elapsed() + PAUSE > within {
                let summary = format!("check {} did not pass within {} s", step.address.name, within.as_secs());
                return Err(Failure::new(Class::CheckFailed, summary).detail(complaints.join("\n")));
            }
            watch.note(&format!("not yet: {}", complaints[0]));
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether the check asks the app to do something: planning must not.
fn sends(asked: &Attributes) -> bool {
    let method = asked.get("http").and_then(Value::as_map).and_then(|http| http.get("method")).and_then(Value::as_text);
    method.is_some_and(|method| !["GET", "HEAD"].contains(&method))
}

/// What is wrong, in sentences; nothing when the check passes.
async fn complaints(live: &Live, asked: &Attributes) -> Result<Vec<String>, Failure> {
    let table = |name: &str| asked.get(name).and_then(Value::as_map);
    match (table("privileges"), table("login"), table("http")) {
        (Some(table), None, None) => privileges(live, table).await,
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

/// What roles lack of the privileges that a table asks for, in sentences.
pub(super) async fn privileges(live: &Live, table: &Attributes) -> Result<Vec<String>, Failure> {
    let (server, database) = (text(table, "server")?, text(table, "database")?);
    let role = table.get("role").and_then(Value::as_text);
    let rules = rules_for(role, table.get("grants"))?;
    let mut lease = match live.databases.lease_any(server, database).await {
        Ok(lease) => lease,
        Err(rejection) if rejection.refused => return Ok(vec![rejection.failure.to_string()]),
        Err(rejection) => return Err(rejection.failure),
    };
    let snapshot = Snapshot::read(&mut lease, &wanted(&rules)).await?;
    let mut found = Vec::new();
    for rule in &rules {
        found.extend(rule_complaints(&mut lease, &snapshot, rule).await?);
    }
    Ok(found)
}

/// The rules of a check; where it names one role for all of them, a rule need not.
fn rules_for(role: Option<&str>, list: Option<&Value>) -> Result<Vec<Rule>, Failure> {
    let Some(role) = role else { return rules(list) };
    let filled = list.and_then(Value::as_list).unwrap_or_default().iter().map(|given| {
        let mut given = given.as_map().cloned().unwrap_or_default();
        given.entry("role".to_owned()).or_insert_with(|| Value::text(role));
        Value::Map(given)
    });
    rules(Some(&Value::List(filled.collect())))
}

async fn rule_complaints(lease: &mut Lease, snapshot: &Snapshot, rule: &Rule) -> Result<Vec<String>, Failure> {
    // PostgreSQL's functions call everybody `public`.
    let who = if rule.role == "PUBLIC" { "public" } else { &rule.role };
    if who != "public" && !snapshot.roles.has(who) {
        return Ok(vec![format!("there is no role {who:?}")]);
    }
    let there = |name: &&String| {
        snapshot.objects.iter().any(|object| object.name.kind == ObjectType::Schema && object.name.name == **name)
    };
    let absent = rule.schemas.iter().flatten().filter(|schema| !there(schema));
    let mut found: Vec<String> = absent.map(|schema| format!("there is no schema {schema:?}")).collect();
    let letters = ObjectType::ALL
        .into_iter()
        .flat_map(|kind| rule.letters(kind, snapshot).into_iter().map(move |letter| (kind, letter)))
        .collect();
    let schemas = rule.schemas.as_ref().map(|schemas| schemas.iter().cloned().collect());
    for lack in lacking(lease, &Demand { role: who.to_owned(), schemas, letters }).await? {
        let more = if lack.lacking > 5 { ", ..." } else { "" };
        let names = lack.names.join(", ");
        let (kind, privilege, few, all) = (lack.kind, lack.privilege, lack.lacking, lack.total);
        found.push(format!("role {who:?} lacks {privilege} on {few} of {all} objects of kind {kind}: {names}{more}"));
    }
    if rule.future {
        let held = rights_of(lease, who).await?;
        for (schema, creators) in snapshot.creators().into_iter().filter(|(schema, _)| rule.covers(schema)) {
            for kind in ObjectType::ALL.into_iter().filter(|kind| kind.plural().is_some()) {
                let letters = rule.letters(kind, snapshot);
                let lacks = |creator: &&String| !letters.is_subset(&snapshot.tomorrow(creator, schema, kind, &held));
                for creator in creators.iter().filter(lacks) {
                    found.push(format!(
                        "role {who:?} will lack privileges on {} that role {creator:?} makes in schema {schema:?}",
                        kind.plural().unwrap_or("objects")
                    ));
                }
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
