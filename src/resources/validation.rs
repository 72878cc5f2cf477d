//! Kind `validation`: a gate that the evidence opens, once the app has worked without the password for long enough.

use std::time::Duration;

use async_trait::async_trait;

use super::database_grants::RULE_FIELDS;
use super::live::text;
use super::sensors::{login_note, noted, scope, sensor_names, server_of};
use super::{Kind, Live, Watch, Written, check_http};
use crate::evidence::{Decision, Now, Terms, decide};
use crate::model::{
    Address, Attributes, Class, Failure, Field, Look, Nature, Purpose, Reading, Schema, Step, Type, Undo, Value, moment,
};

/// The kind `validation`.
pub struct Validation;

/// Where an app or a slot of it is.
const SITE: &[Field] = &[
    Field::new("subscription", Type::Text, "Azure subscription id.").required(),
    Field::new("resource_group", Type::Text, "Azure resource group.").required(),
    Field::new("app", Type::Text, "The app, by its Azure name.").required(),
    Field::new("slot", Type::Text, "A deployment slot of the app."),
];

/// A role on a server.
const ROLE: &[Field] = &[
    Field::new("server", Type::Text, "The flexible server, by its Azure name.").required(),
    Field::new("name", Type::Text, "The role.").required(),
];

const PRIVILEGES: &[Field] = &[
    Field::new("server", Type::Text, "The flexible server, by its Azure name.").required(),
    Field::new("database", Type::Text, "The database.").required(),
    Field::new("role", Type::Text, "The role whose effective privileges are asked for.").required(),
    Field::new("grants", Type::List(&Type::Table(RULE_FIELDS)), "What it has to be able to do."),
];

const PROBE: &[Field] = &[
    Field::new("name", Type::Text, "What it is called in reports.").required(),
    Field::new("http", Type::Table(check_http::HTTP), "What is asked and expected.").required(),
];

const SENSOR: &[Field] = &[
    Field::new("name", Type::Text, "What it is called in reports.").required(),
    Field::new("kind", Type::Word(&["server_logs", "fallback", "query"]), "What it measures by.").required(),
    Field::new("workspace", Type::Guid, "The Log Analytics workspace to ask."),
    Field::new("app_insights", Type::Guid, "The Application Insights application to ask."),
    Field::new("subscription", Type::Guid, "The Azure subscription that the log is in."),
    Field::new("query", Type::Text, "The query, in KQL."),
    Field::new("control", Type::Text, "A query, in KQL, that has to give rows: it shows that the sensor can see."),
    Field::new("expect", Type::Word(&["none", "some"]), "Whether the query has to give no rows (default) or some."),
    Field::new("proves", Type::Word(&["fresh_token", "restart"]), "What a row of it proves, at the row's time."),
    Field::new("lag", Type::Duration, "How long entries may take to arrive; 15m by default."),
];

const KEY: &[Field] = &[
    Field::new("env", Type::Text, "The environment variable that holds the key."),
    Field::new("key_vault", Type::Text, "The Key Vault that holds the key."),
    Field::new("secret", Type::Text, "The name of the secret in it."),
];

/// Everything that a gate of evidence is asked by.
pub(super) const ASKED: [Field; 15] = [
    Field::new("name", Type::Text, "The name under which observations are recorded.").key(),
    Field::new("period", Type::Duration, "How long the app has to have worked without the password; 7d by default."),
    Field::new("every", Type::Duration, "How often it is looked at; 24h by default, with half of it as grace."),
    Field::new("app", Type::Table(SITE), "The app that it is about."),
    Field::new("settings", Type::List(&Type::Text), "The settings that decide how the app signs in."),
    Field::new("roles", Type::List(&Type::Table(ROLE)), "The roles that stand for the app's identities."),
    Field::new("privileges", Type::List(&Type::Table(PRIVILEGES)), "What these roles have to be able to do."),
    Field::new("old_role", Type::Table(ROLE), "The role that signs in by password and must no longer be needed."),
    Field::new("probes", Type::List(&Type::Table(PROBE)), "HTTP requests that have to be answered as expected."),
    Field::new("sensors", Type::List(&Type::Table(SENSOR)), "Logs to ask. One of them has to miss nothing."),
    Field::new("fresh_token", Type::Bool, "Whether the app has to have got a new token inside the period."),
    Field::new("restart", Type::Bool, "Whether the app has to have started anew inside the period."),
    Field::new("key", Type::Table(KEY), "Where the key is that signs observations; never in the store."),
    Field::new("allow_unsigned", Type::Bool, "Whether observations without a signature count."),
    Field::new(
        "deployment",
        Type::Bool,
        "Whether a new deployment of the app starts the window again; not by default.",
    ),
];

static SCHEMA: Schema = Schema {
    kind: "validation",
    doc: "Holds what leans on it until recorded observations show that the app works without the password, unbroken, \
          for a whole period.",
    nature: Nature::Gate,
    fields: &ASKED,
    outputs: &[],
    undo: |_, _| Undo::Faithful,
    serial_key: |_| None,
    restarts: |_, _| 0,
    consistent_within: Duration::ZERO,
};

#[async_trait]
impl Kind for Validation {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let terms = terms(look.address, text(look.key, "name")?, look.attributes)?;
        let decision = decision(live, &terms, look.attributes).await;
        Ok(reading(&decision, look.purpose))
    }

    async fn write(&self, live: &Live, step: &Step, _watch: &dyn Watch) -> Result<Written, Failure> {
        let none = Attributes::new();
        let asked = step.after.as_ref().unwrap_or(&none);
        let terms = terms(&step.address, text(&step.key, "name")?, asked)?;
        Ok(written(&decision(live, &terms, asked).await))
    }
}

/// The terms of the gate at this address (by its attributes), which asks the observations of `validation`.
///
/// # Errors
/// `Input`: a span of time cannot be read.
fn terms(gate: &Address, validation: &str, asked: &Attributes) -> Result<Terms, Failure> {
    let terms = Terms::read(validation, asked, sensor_names(asked)).map_err(|why| {
        Failure::new(Class::Input, "the terms of the validation cannot be read")
            .detail(format!("{validation}: {why}"))
            .remedy("write spans of time such as 7d or 24h in the plan file")
    })?;
    Ok(Terms { gate: gate.clone(), ..terms })
}

/// The terms of a brown-out: the old role could not log in when it was observed, and our runs have not touched that since.
///
/// # Errors
/// `Input`: a part of it cannot be read.
pub fn soak_terms(live: &Live, gate: &Address, asked: &Attributes) -> Result<Terms, Failure> {
    let lacks = || {
        Failure::new(Class::Input, "the old role is not named")
            .detail("a soak waits while it cannot log in")
            .remedy("add `old_role` to the soak in the plan file")
    };
    let (note, role) = login_note(asked).ok_or_else(lacks)?;
    let not_before = server_of(asked).map_or(0, |server| live.moves.after(server, role));
    let noted = [(note, "not allowed".to_owned())].into();
    Ok(Terms { noted, not_before, ..terms(gate, text(asked, "validation")?, asked)? })
}

/// The moment at which a gate (by its attributes) is asked.
pub async fn now(live: &Live, terms: &Terms, asked: &Attributes) -> Now {
    let at = live.clock.times(live, server_of(asked)).await;
    let scope = scope(live, asked).await.map_err(|failure| failure.in_a_line());
    let noted = if terms.noted.is_empty() { [].into() } else { noted(live, asked).await };
    Now { noted, ..Now::new(at, scope) }
}

/// What the evidence says now.
pub(super) async fn decision(live: &Live, terms: &Terms, asked: &Attributes) -> Decision {
    decide(terms, &live.evidence, &now(live, terms, asked).await)
}

/// The answer of a gate to a look: open or not, what is missing, and who overrode it when.
pub(super) fn reading(decision: &Decision, purpose: Purpose) -> Reading {
    let open = |open: bool| Attributes::from([("open".to_owned(), Value::Bool(open))]);
    let mut reading = Reading::present(open(decision.open), Attributes::new());
    if purpose == Purpose::Plan {
        reading.desired = Some(open(true));
    }
    if !decision.missing.is_empty() {
        reading.notes.push(decision.reason());
    }
    reading.notes.extend(decision.overrides.iter().map(|one| {
        let at = one.at.dated().map_or_else(|why| why, moment);
        format!("opened without the evidence by {} at {at}: {}", one.who, one.reason)
    }));
    reading
}

/// The answer of a gate to a write.
pub(super) fn written(decision: &Decision) -> Written {
    if decision.open {
        return Written::Done;
    }
    Written::Held { reason: decision.missing.join("; "), earliest: decision.earliest }
}
