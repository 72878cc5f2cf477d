//! Runs steps as soon as what they lean on is done, under a limit, never two with the same serial key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use super::walk::{Walked, walk};
use super::{Chronicle, Listener};
use crate::journal::Event;
use crate::model::{Address, Attributes, Class, Failure, Ref, Step, Value};
use crate::resources::{Watch, World};

/// Asks a run to stop: nothing new is started, what runs is waited for. Safe to set at any time, from a signal too.
pub type Stop = AtomicBool;

/// What running came to.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// The steps that failed, with their failures, in the order in which they failed.
    pub failed: Vec<(String, Failure)>,
    /// The steps that a gate holds.
    pub held: BTreeSet<String>,
    /// Whether it was asked to stop before all was done.
    pub interrupted: bool,
}

struct Noted<'a>(&'a str, &'a dyn Listener);

impl Watch for Noted<'_> {
    fn note(&self, text: &str) {
        self.1.note(self.0, text);
    }
}

/// Runs `steps` (each after what it leans on). `given` holds the outputs known so far and takes the new ones.
///
/// # Errors
/// Only those of the journal; failures of steps are in the answer.
#[expect(clippy::similar_names, reason = "a step and the wish to stop")]
pub async fn run(
    world: &dyn World,
    steps: &[Step],
    given: &mut BTreeMap<Address, Attributes>,
    chronicle: &mut Chronicle<'_>,
    parallelism: usize,
    stop: &Stop,
) -> Result<Ran, Failure> {
    let mut ran = Ran::default();
    let mut waiting: Vec<&Step> = steps.iter().collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let known: BTreeSet<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    let mut busy: BTreeSet<&str> = BTreeSet::new();
    let mut running: FuturesUnordered<BoxFuture<'_, (&Step, Result<Walked, Failure>)>> = FuturesUnordered::new();
    loop {
        let open = ran.failed.is_empty() && !stop.load(Ordering::SeqCst);
        while let Some(at) = waiting.iter().position(|step| {
            let leans = |on: &String| done.contains(on.as_str()) || !known.contains(on.as_str());
            let free = step.serial_key.as_deref().is_none_or(|key| !busy.contains(key));
            open && running.len() < parallelism.max(1) && free && step.leans_on.iter().all(leans)
        }) {
            let step = waiting.remove(at);
            chronicle.write(Event::Started { step: step.id.clone() }).await?;
            busy.extend(step.serial_key.as_deref());
            running.push(start(world, step, given, chronicle.listener()));
        }
        let Some((step, result)) = running.next().await else { break };
        if let Some(key) = &step.serial_key {
            busy.remove(key.as_str());
        }
        if let Some(outputs) = finish(step, result, chronicle, &mut ran).await? {
            done.insert(&step.id);
            given.entry(step.address.clone()).or_default().extend(outputs);
        }
    }
    ran.interrupted = stop.load(Ordering::SeqCst) && !waiting.is_empty();
    Ok(ran)
}

fn start<'a>(
    world: &'a dyn World,
    step: &'a Step,
    given: &BTreeMap<Address, Attributes>,
    listener: &'a dyn Listener,
) -> BoxFuture<'a, (&'a Step, Result<Walked, Failure>)> {
    let filled = filled(step, given);
    async move {
        let result = match &filled {
            Ok(filled) => walk(world, filled, false, &Noted(&step.id, listener)).await,
            Err(failure) => Err(failure.clone()),
        };
        (step, result)
    }
    .boxed()
}

/// Journals how a step went. Answers its outputs when others may lean on it now.
async fn finish(
    step: &Step,
    result: Result<Walked, Failure>,
    chronicle: &mut Chronicle<'_>,
    ran: &mut Ran,
) -> Result<Option<Attributes>, Failure> {
    let id = step.id.clone();
    match result {
        Ok(Walked::Done(outputs)) => {
            chronicle.write(Event::Done { step: id, outputs: outputs.clone() }).await?;
            Ok(Some(outputs))
        }
        Ok(Walked::AlreadyThere(outputs)) => {
            chronicle.write(Event::AlreadyThere { step: id, outputs: outputs.clone() }).await?;
            Ok(Some(outputs))
        }
        Ok(Walked::Held { reason, earliest }) => {
            ran.held.insert(id.clone());
            chronicle.write(Event::Held { step: id, reason, earliest }).await?;
            Ok(None)
        }
        Ok(Walked::Refused(failure)) => fail(id, failure, true, chronicle, ran).await,
        Err(failure) => fail(id, failure, false, chronicle, ran).await,
    }
}

async fn fail(
    id: String,
    failure: Failure,
    refused: bool,
    chronicle: &mut Chronicle<'_>,
    ran: &mut Ran,
) -> Result<Option<Attributes>, Failure> {
    chronicle.write(Event::Failed { step: id.clone(), error: failure.to_string(), refused }).await?;
    ran.failed.push((id, failure));
    Ok(None)
}

/// The step with every open value replaced by what earlier steps gave.
///
/// # Errors
/// When a giver did not give it.
pub(super) fn filled(step: &Step, given: &BTreeMap<Address, Attributes>) -> Result<Step, Failure> {
    let lookup = |reference: &Ref| given.get(&reference.address)?.get(&reference.output).cloned();
    let fill = |end: &Option<Attributes>| {
        end.as_ref().map(|end| end.iter().map(|(name, value)| (name.clone(), value.filled(&lookup))).collect())
    };
    let step = Step { before: fill(&step.before), after: fill(&step.after), ..step.clone() };
    let open = step.after.iter().flat_map(Attributes::values).flat_map(Value::open_refs).next();
    match open {
        Some(reference) => {
            Err(Failure::new(Class::Other, format!("{} gave no {}", reference.address, reference.output))
                .remedy("look whether the service already shows it, then run apply again"))
        }
        None => Ok(step),
    }
}
