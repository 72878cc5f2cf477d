//! Observe: measures everything once, appends one record per validation to the ledger, and decides what it comes to.

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::Timestamp;

use super::end::{new_run_id, opened};
use crate::evidence::{
    Break, Decision, Head, Ledger, Measurement, Now, Observation, Record, SigningKey, Standpoint, Terms, Times, append,
    decide, verify, watermark,
};
use crate::journal::{self, Event, Operation, Outcome};
use crate::model::{Class, Desired, Failure};
use crate::resources::{Vantage, sensor_names};
use crate::store::{Held, Store};

/// Whose ledger it is, and who writes into it.
#[derive(Clone, Debug, Default)]
pub struct Author {
    /// The plan's name.
    pub plan: String,
    /// SHA-256 (hex) of the plan file and variables.
    pub digest: String,
    /// `user@host`.
    pub who: String,
}

/// What one observation came to.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What was recorded.
    pub observation: Observation,
    /// What the gate says with it.
    pub decision: Decision,
}

/// The ledger of a store, verified with the keys at hand and against the head that the journal knows.
///
/// # Errors
/// Those of the store.
pub async fn ledger(store: &dyn Store, keys: &[SigningKey]) -> Result<Ledger, Failure> {
    let lines = store.ledger().await?;
    let journaled = journaled(store).await?;
    Ok(verify(&lines, keys, journaled.as_ref()))
}

/// The end of the ledger as the newest journal about it says.
async fn journaled(store: &dyn Store) -> Result<Option<Head>, Failure> {
    for run in store.runs().await?.iter().rev() {
        let records = store.journal(run).await?;
        if let Some(Event::Opened { operation: Operation::Evidence { count, head, .. }, .. }) =
            records.first().map(|record| &record.event)
        {
            return Ok(Some(Head { count: *count, hash: head.clone() }));
        }
    }
    Ok(None)
}

/// Appends one record to the ledger, and its end to the journal. New damage is recorded first, so that writing on cannot
/// hide it. Answers the ledger with the record.
///
/// # Errors
/// Those of the store.
pub async fn write_evidence(
    store: &dyn Store,
    held: &mut dyn Held,
    author: &Author,
    record: &Record,
    keys: (&[SigningKey], Option<&SigningKey>),
) -> Result<Ledger, Failure> {
    let before = ledger(store, keys.0).await?;
    let faults: Vec<String> = before.new_faults().into_iter().map(|fault| fault.what.clone()).collect();
    if !faults.is_empty() {
        let damage = Record::Break(Break { at: *record.at(), who: author.who.clone(), faults });
        write_one(store, &before, held, author, &damage, keys.1).await?;
    }
    write_one(store, &ledger(store, keys.0).await?, held, author, record, keys.1).await?;
    ledger(store, keys.0).await
}

async fn write_one(
    store: &dyn Store,
    ledger: &Ledger,
    held: &mut dyn Held,
    author: &Author,
    record: &Record,
    key: Option<&SigningKey>,
) -> Result<(), Failure> {
    let failed = |why: String| {
        Failure::new(Class::Other, "the record cannot be written")
            .remedy("look at the evidence with `pgentra evidence verify`")
            .detail(why)
    };
    let (line, end) = append(ledger, record, key).map_err(failed)?;
    held.append_ledger(&line).await?;
    let what = match record {
        Record::Observation(one) => format!("observation for {}", one.validation),
        Record::Override(one) => format!("override of {}: {}", one.gate(), one.reason),
        Record::Attestation(one) => format!("attestation by {}: {}", one.by, one.line),
        Record::Break(one) => format!("damage: {}", one.faults.join("; ")),
    };
    let operation = Operation::Evidence { what, count: end.count, head: end.hash };
    let run = new_run_id(store).await?;
    let events =
        [opened(&author.plan, &author.digest, operation, &author.who), Event::Closed { outcome: Outcome::Applied }];
    for (seq, event) in (0..).zip(events) {
        held.append(&run, &journal::Record { seq, at: Timestamp::now(), event }).await?;
    }
    Ok(())
}

/// Observes for each of these validations and records what was seen. `keys` are those at hand; `signing` is the key of
/// each validation (by name) that has one.
///
/// # Errors
/// Those of the store, and validations that cannot be read. What a sensor cannot see is part of the record.
pub async fn observe(
    vantage: &dyn Vantage,
    store: &dyn Store,
    held: &mut dyn Held,
    author: &Author,
    validations: &[&Desired],
    signing: &BTreeMap<String, SigningKey>,
) -> Result<Vec<Observed>, Failure> {
    let keys: Vec<SigningKey> = signing.values().cloned().collect();
    let mut observed = Vec::new();
    for validation in validations {
        let name = &validation.address.name;
        let so_far = ledger(store, &keys).await?;
        let (observation, now) = look(vantage, &so_far, validation, &author.who).await?;
        let record = Record::Observation(observation.clone());
        let ledger = write_evidence(store, held, author, &record, (&keys, signing.get(name))).await?;
        let decision = decide(&terms(validation)?, &ledger, &now);
        observed.push(Observed { observation, decision });
    }
    Ok(observed)
}

/// The terms of a validation.
///
/// # Errors
/// `Input`: a span of time cannot be read.
pub fn terms(validation: &Desired) -> Result<Terms, Failure> {
    let (name, asked) = (&validation.address.name, &validation.attributes);
    Terms::read(name, asked, sensor_names(asked)).map_err(|why| {
        Failure::new(Class::Input, "the terms of the validation cannot be read")
            .detail(format!("{}: {why}", validation.address))
            .remedy("write spans of time such as 7d or 24h in the plan file")
    })
}

/// One look at everything: the clocks, what it is about, and all sensors at once.
async fn look(
    vantage: &dyn Vantage,
    ledger: &Ledger,
    validation: &Desired,
    who: &str,
) -> Result<(Observation, Now), Failure> {
    let (name, asked) = (&validation.address.name, &validation.attributes);
    let at = vantage.times(asked).await;
    let (terms, sensors) = (terms(validation)?, vantage.sensors(asked)?);
    let measured = sensors.iter().map(|sensor| {
        let watermark = watermark(&terms, ledger, sensor.name());
        sensor.measure(Standpoint { now: at.dated().unwrap_or(at.runner), watermark })
    });
    let scope = vantage.scope(asked).await.map_err(|failure| failure.in_a_line());
    let noted = vantage.noted(asked).await;
    let measurements = join_all(measured).await.into_iter().map(|one| trusted(one, &at)).collect();
    let observation = Observation {
        validation: name.clone(),
        at,
        who: who.to_owned(),
        scope: scope.clone().ok(),
        scope_missing: scope.clone().err(),
        noted,
        measurements,
    };
    Ok((observation, Now::new(at, scope)))
}

/// Without a time that counts, a sensor cannot say which time it covers or asked for.
fn trusted(measurement: Measurement, at: &Times) -> Measurement {
    if at.dated().is_ok() { measurement } else { Measurement { covers: None, asked: None, ..measurement } }
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
