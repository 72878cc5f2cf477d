//! Folds the events of a journal into what the run is and where each of its steps stands.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Corrupt, Event, Operation, Outcome, Record, Status, VERSION, next};
use crate::model::{Address, Attributes, Step};

/// One step and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRun {
    /// The step.
    pub step: Step,
    /// Where it stands.
    pub status: Status,
    /// What the resource gave, once done.
    pub outputs: Attributes,
    /// When its last event was written.
    pub since: Timestamp,
    /// The operation that the service was last seen to work on, until the step ended.
    pub operation: Option<String>,
}

impl StepRun {
    /// Whether something may have been written that was not undone since. What was there before we came does not count.
    pub fn stands(&self) -> bool {
        matches!(
            self.status,
            Status::Started | Status::Done | Status::Failed | Status::Undoing | Status::Stuck | Status::Kept
        )
    }
}

/// A run, as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What it does.
    pub operation: Operation,
    /// The plan's name.
    pub plan: String,
    /// SHA-256 (hex) of the plan file and variables.
    pub digest: String,
    /// Who ran it, `user@host`.
    pub who: String,
    /// When it began.
    pub opened: Timestamp,
    /// What the resources of its steps lean on, directly or through others, changed or not.
    pub leans: BTreeMap<Address, BTreeSet<Address>>,
    /// Its steps in order.
    pub steps: Vec<StepRun>,
    /// The ids of the steps that a failure takes down, once that was decided.
    pub down: BTreeSet<String>,
    /// How it ended; `None` when it did not.
    pub outcome: Option<Outcome>,
}

impl Run {
    /// The step of this id.
    pub fn step(&self, id: &str) -> Option<&StepRun> {
        self.steps.iter().find(|run| run.step.id == id)
    }
}

/// Folds a whole journal.
///
/// # Errors
/// [`Corrupt`] when the events could not have been written in this order, when one is missing, or when the format is of
/// a later version.
pub fn fold(records: &[Record]) -> Result<Run, Corrupt> {
    let mut records = records.iter().enumerate();
    let Some((_, first)) = records.next() else { return Err(Corrupt("it is empty".to_owned())) };
    let mut run = open(first)?;
    let mut index: BTreeMap<String, usize> = BTreeMap::new();
    for (at, record) in records {
        if record.seq != at as u64 {
            return Err(Corrupt(format!("record {at} is numbered {}", record.seq)));
        }
        if run.outcome.is_some_and(|outcome| outcome != Outcome::Stopped)
            || run.outcome.is_some() && !matches!(record.event, Event::Resumed { .. })
        {
            return Err(Corrupt(format!("{} after the run was closed", record.event.name())));
        }
        advance(&mut run, &mut index, record)?;
    }
    Ok(run)
}

fn open(first: &Record) -> Result<Run, Corrupt> {
    let Event::Opened { format, operation, plan, digest, who, .. } = &first.event else {
        return Err(Corrupt(format!("it begins with {}", first.event.name())));
    };
    if *format > VERSION {
        return Err(Corrupt(format!("it has format {format}; this version reads up to {VERSION}")));
    }
    Ok(Run {
        operation: operation.clone(),
        plan: plan.clone(),
        digest: digest.clone(),
        who: who.clone(),
        opened: first.at,
        leans: BTreeMap::new(),
        steps: Vec::new(),
        down: BTreeSet::new(),
        outcome: None,
    })
}

fn advance(run: &mut Run, index: &mut BTreeMap<String, usize>, record: &Record) -> Result<(), Corrupt> {
    match &record.event {
        Event::Opened { .. } => return Err(Corrupt("opened twice".to_owned())),
        Event::Planned { steps } => {
            for step in steps {
                if index.insert(step.id.clone(), run.steps.len()).is_some() {
                    return Err(Corrupt(format!("{} was planned twice", step.id)));
                }
                run.steps.push(StepRun {
                    step: step.clone(),
                    status: Status::Planned,
                    outputs: Attributes::new(),
                    since: record.at,
                    operation: None,
                });
            }
        }
        Event::Leans { on } => run.leans.extend(on.clone()),
        Event::GoesDown { steps } => run.down.extend(steps.iter().cloned()),
        Event::Resumed { .. } => run.outcome = None,
        Event::Closed { outcome } => run.outcome = Some(*outcome),
        event => {
            let id = event.step().unwrap_or_default();
            let at =
                *index.get(id).ok_or_else(|| Corrupt(format!("{} of {id}, which was not planned", event.name())))?;
            let step = &mut run.steps[at];
            step.status = next(step.status, event)?;
            step.since = record.at;
            match event {
                // What had moved before us is none of ours to undo, to own or to write once more.
                Event::Started { found, .. } if !found.is_empty() => step.step = step.step.as_found(found),
                Event::Done { outputs, .. } | Event::AlreadyThere { outputs, .. } => step.outputs.clone_from(outputs),
                Event::Accepted { operation, .. } => step.operation = Some(operation.clone()),
                _ => {}
            }
            if !matches!(event, Event::Accepted { .. }) {
                step.operation = None;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "fold_tests.rs"]
pub(crate) mod tests;
