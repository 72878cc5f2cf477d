//! One step as the engine runs it: with what is known of earlier tries, and what holds it back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::fill::filled;
use crate::diff::swapped;
use crate::journal::{Operation, Run, Status, StepRun};
use crate::model::{Address, Attributes, Nature, Schema, Step, Undo};

/// Why a step stays although its run is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stay {
    /// It is not undone unless asked for.
    Kept(String),
    /// There is no way back.
    Never(String),
}

/// One step to run.
#[derive(Clone, Debug)]
pub struct Task {
    /// The step, its ends in the order in which they are walked.
    pub step: Step,
    /// Whether an earlier try may have written: what stands in between may be ours then.
    pub began: bool,
    /// Whether the journal in hand has a start of it.
    pub journaled: bool,
    /// Until when a look that finds nothing to do may still be shown an old state by the service.
    pub doubt: Option<Doubt>,
    /// The operation that an earlier try left running at the service.
    pub operation: Option<String>,
    /// What keeps it from being undone.
    pub stay: Option<Stay>,
}

/// How long reads may lag behind a write that an earlier try may have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// That write came back at this time.
    Since(Timestamp),
    /// Nobody knows when it came back.
    FromNow,
}

impl Doubt {
    /// How much of `window` is still to come at `now`. A clock that went backwards gives the whole window.
    pub fn left(self, window: Duration, now: Timestamp) -> Duration {
        match self {
            Self::FromNow => window,
            Self::Since(then) => match Duration::try_from(now.duration_since(then)) {
                Ok(gone) => window.saturating_sub(gone),
                Err(_) => window,
            },
        }
    }
}

impl Task {
    /// A step that nobody has tried yet.
    pub fn fresh(step: Step) -> Self {
        Self { step, began: false, journaled: false, doubt: None, operation: None, stay: None }
    }
}

/// What is still to be run of a run that stopped. A gate that opened then is asked again before what is left behind it.
pub fn rest(run: &Run, schemas: &dyn Fn(&str) -> Option<&'static Schema>) -> Vec<Task> {
    // The steps of a rollback were begun by the run that it undoes; what it finds undone may be a read that lags behind.
    // Forward, a read that lags behind only makes the same write once more.
    let back = run.operation != Operation::Apply;
    let over = |step: &StepRun| matches!(step.status, Status::Done | Status::AlreadyThere);
    let left: Vec<&StepRun> = run.steps.iter().filter(|step| !over(step)).collect();
    let gate = |step: &StepRun| schemas(&step.step.address.kind).is_some_and(|schema| schema.nature == Nature::Gate);
    let asked = |step: &StepRun| gate(step) && left.iter().any(|other| other.step.leans_on.contains(&step.step.id));
    let open = run.steps.iter().filter(|step| !over(step) || asked(step));
    let task = |step: &StepRun| {
        let journaled = matches!(step.status, Status::Started | Status::Failed);
        Task {
            began: journaled || back,
            journaled,
            doubt: back.then_some(Doubt::FromNow),
            operation: step.operation.clone(),
            ..Task::fresh(step.step.clone())
        }
    };
    open.map(task).collect()
}

/// What every step of a run gave.
pub fn given(run: &Run) -> BTreeMap<Address, Attributes> {
    let mut given: BTreeMap<Address, Attributes> = BTreeMap::new();
    for step in &run.steps {
        given.entry(step.step.address.clone()).or_default().extend(step.outputs.clone());
    }
    given
}

/// The tasks that undo the steps of `run` in `which`, each after the undo of everything that leans on it. Steps that
/// wrote nothing, and checks, have nothing to undo.
pub fn back(
    run: &Run,
    which: &dyn Fn(&StepRun) -> bool,
    remove_kept: bool,
    schemas: &dyn Fn(&str) -> Option<&'static Schema>,
) -> Vec<Task> {
    let given = given(run);
    let resource =
        |step: &&StepRun| schemas(&step.step.address.kind).is_none_or(|schema| schema.nature == Nature::Resource);
    let standing: Vec<&StepRun> =
        run.steps.iter().filter(|step| step.stands() && which(step)).filter(resource).collect();
    let mut tasks: Vec<Task> = Vec::new();
    for step in standing.iter().rev() {
        // A step that failed before its references were known never wrote anything.
        let Ok(filled) = filled(&step.step, &given) else { continue };
        let on_it = standing.iter().filter(|other| other.step.leans_on.contains(&filled.id));
        let leans_on: BTreeSet<String> = on_it.map(|other| other.step.id.clone()).collect();
        let stay = stay(&filled.undo, remove_kept).or_else(|| kept_for(&leans_on, &tasks));
        let (before, after) = (filled.after.as_ref(), filled.before.as_ref());
        let schema = schemas(&filled.address.kind);
        tasks.push(Task {
            began: true,
            journaled: false,
            doubt: Some(doubt(step)),
            operation: step.operation.clone(),
            stay,
            step: Step {
                undo: schema.map_or(Undo::Faithful, |schema| (schema.undo)(before, after)),
                restarts: schema.map_or(filled.restarts, |schema| (schema.restarts)(before, after)),
                leans_on,
                ..swapped(&filled)
            },
        });
    }
    tasks
}

fn stay(undo: &Undo, remove_kept: bool) -> Option<Stay> {
    match undo {
        Undo::Kept(why) if !remove_kept => Some(Stay::Kept(why.clone())),
        Undo::Never(why) => Some(Stay::Never(why.clone())),
        _ => None,
    }
}

/// What a step that is kept leans on is kept with it.
fn kept_for(on_it: &BTreeSet<String>, tasks: &[Task]) -> Option<Stay> {
    let kept = |task: &&Task| on_it.contains(&task.step.id) && matches!(task.stay, Some(Stay::Kept(_)));
    tasks.iter().find(kept).map(|task| Stay::Kept(format!("{} leans on it and stays", task.step.id)))
}

/// Of a step whose write came back the journal knows when; of one that was only begun nobody does.
fn doubt(step: &StepRun) -> Doubt {
    match step.status {
        Status::Done | Status::Failed | Status::Kept => Doubt::Since(step.since),
        _ => Doubt::FromNow,
    }
}

#[cfg(test)]
mod tests {
    use super::Doubt;
    use jiff::Timestamp;
    use std::time::Duration;

    #[test]
    fn doubt_passes_with_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let window = Duration::from_secs(30);
        assert_eq!(Doubt::Since(at(100)).left(window, at(110)), Duration::from_secs(20));
        assert_eq!(Doubt::Since(at(100)).left(window, at(200)), Duration::ZERO);
        assert_eq!(Doubt::Since(at(100)).left(window, at(90)), window, "the clock went backwards");
        assert_eq!(Doubt::FromNow.left(window, at(0)), window);
    }
}
