//! Walks a run back, in reverse order of its graph, as far as the undo classes allow.

use std::collections::{BTreeMap, BTreeSet};

use super::run::filled;
use super::{Chronicle, is_before, walk_back};
use crate::journal::{Event, Run, Status, StepRun};
use crate::model::{Address, Attributes, Class, Failure, Nature, Undo};
use crate::resources::{Watch, World};

struct Quiet;

impl Watch for Quiet {
    fn note(&self, _: &str) {}
}

/// Undoes every step of `run` that was begun and not yet undone. Answers the steps whose undo failed.
///
/// # Errors
/// Only those of the journal.
pub async fn undo(
    world: &dyn World,
    run: &Run,
    chronicle: &mut Chronicle<'_>,
) -> Result<Vec<(String, Failure)>, Failure> {
    let mut given: BTreeMap<Address, Attributes> = BTreeMap::new();
    for step in &run.steps {
        given.entry(step.step.address.clone()).or_default().extend(step.outputs.clone());
    }
    let mut stuck: Vec<(String, Failure)> = Vec::new();
    for step in run.steps.iter().rev().filter(|step| begun(step)) {
        let id = step.step.id.clone();
        chronicle.write(Event::UndoStarted { step: id.clone() }).await?;
        let event = match backward(world, run, step, &given, &stuck).await {
            Ok(None) => Event::Undone { step: id },
            Ok(Some(reason)) => Event::Kept { step: id, reason },
            Err(failure) => {
                let error = failure.to_string();
                stuck.push((id.clone(), failure));
                Event::UndoFailed { step: id, error }
            }
        };
        chronicle.write(event).await?;
    }
    Ok(stuck)
}

/// What was there before we came is never undone; what only failed may still have happened in part.
fn begun(step: &StepRun) -> bool {
    matches!(step.status, Status::Started | Status::Done | Status::Failed | Status::Undoing | Status::Stuck)
}

/// Undoes one step. Answers why it stays, when it stays by its undo class.
async fn backward(
    world: &dyn World,
    run: &Run,
    step: &StepRun,
    given: &BTreeMap<Address, Attributes>,
    stuck: &[(String, Failure)],
) -> Result<Option<String>, Failure> {
    let Some(schema) = world.schema(&step.step.address.kind) else {
        return Err(Failure::new(Class::Input, format!("unknown kind {}", step.step.address.kind)));
    };
    if schema.nature != Nature::Resource {
        return Ok(None);
    }
    let standing: BTreeSet<&str> = stuck.iter().map(|(id, _)| id.as_str()).collect();
    let on_it =
        |other: &&StepRun| other.step.leans_on.contains(&step.step.id) && standing.contains(other.step.id.as_str());
    if let Some(other) = run.steps.iter().find(on_it) {
        return Err(Failure::new(
            Class::Other,
            format!("{} stays: {} leans on it and could not be undone", step.step.id, other.step.id),
        ));
    }
    // A step that failed before its references were known never wrote anything.
    let Ok(filled) = filled(&step.step, given) else { return Ok(None) };
    match &step.step.undo {
        Undo::Kept(why) => Ok(Some(why.clone())),
        Undo::Never(_) if is_before(world, &filled).await? => Ok(None),
        Undo::Never(why) => {
            let message = format!("{} cannot be undone", step.step.id);
            Err(Failure::new(Class::Other, message).detail(why.clone()))
        }
        Undo::Faithful | Undo::Lossy(_) => walk_back(world, &filled, &Quiet).await.map(|()| None),
    }
}
