//! Plan, apply, apply a saved plan: each one function, read top to bottom; the data walks once and nothing flows back.

mod saved;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::diff::{Action, Change, ChangeSet, diff, lint, steps};
use crate::engine::{Chronicle, Listener, Ran, Stop, misfit, observe, run, undo};
use crate::journal::{Event, Operation, Outcome, Record, VERSION, fold};
use crate::model::{Address, Attributes, Class, Desired, Failure, Schema, Step};
use crate::plan::PlanFile;
use crate::resources::World;
use crate::store::{Held, Store};
pub use saved::{SAVED_PLAN_FORMAT, SavedPlan};

/// What a plan file comes to on the live system.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Every resource and what will be done with it.
    pub changes: ChangeSet,
    /// What can be run now; what leans on something unread waits for the next look.
    pub steps: Vec<Step>,
    /// Whether something cannot be read before these steps are done.
    pub frontier: bool,
}

/// How `apply` behaves.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// How many steps and looks at a time.
    pub parallelism: usize,
    /// Whether a failed run is undone, or left for another try.
    pub undo_on_failure: bool,
    /// Who runs it, for the journal: `user@host`.
    pub who: String,
}

/// What a run works with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The live system.
    pub world: &'a dyn World,
    /// Where the journal is.
    pub store: &'a dyn Store,
    /// Who hears what happens.
    pub listener: &'a dyn Listener,
    /// How it behaves.
    pub options: &'a ApplyOptions,
    /// Asks it to stop.
    pub stop: &'a Stop,
}

/// What `apply` came to.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The run's id; `None` when there was nothing to do or it was declined.
    pub run: Option<String>,
    /// How it ended; `None` when there was nothing to do or it was declined.
    pub outcome: Option<Outcome>,
    /// The steps that failed, with their failures.
    pub failed: Vec<(String, Failure)>,
    /// The steps whose undo failed.
    pub stuck: Vec<(String, Failure)>,
    /// The journal of the run.
    pub records: Vec<Record>,
}

/// Decides whether a change set is carried out: a prompt, or an approval given beforehand.
#[async_trait]
pub trait Approve: Send + Sync {
    /// `phase` counts from 0; later phases show what could not be read before.
    async fn approve(&self, planned: &Planned, phase: usize) -> Result<bool, Failure>;

    /// Hears of a change set that has nothing to carry out.
    fn nothing(&self, planned: &Planned) -> Result<(), Failure>;
}

/// How often `apply` looks again at what was not readable before.
const PHASES_MAX: usize = 8;

/// Looks at the live system and computes what would be done. Changes nothing.
///
/// # Errors
/// What cannot be read and will not become readable by this plan, all of it in one failure; an unsafe order.
pub async fn plan(world: &dyn World, desired: &[Desired], parallelism: usize) -> Result<Planned, Failure> {
    let schemas = |kind: &str| -> Option<&'static Schema> { world.schema(kind) };
    let readings = observe(world, desired, parallelism).await;
    let changes = diff(desired, &readings, &schemas);
    refuse_unreadable(&changes)?;
    lint(desired, &changes, &schemas)?;
    let steps = steps(&changes, &schemas);
    let frontier = changes.changes.iter().any(|change| change.action == Action::Unknown);
    Ok(Planned { changes, steps, frontier })
}

/// Whether one resource is as it should be, or one check passes.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What was seen, as the change that it would take.
    pub change: Change,
    /// Whether it holds.
    pub holds: bool,
}

/// Looks at everything and says of each whether it holds. Changes nothing, and does not stop at what cannot be read.
pub async fn verify(world: &dyn World, desired: &[Desired], parallelism: usize) -> Vec<Verified> {
    let schemas = |kind: &str| -> Option<&'static Schema> { world.schema(kind) };
    let readings = observe(world, desired, parallelism).await;
    let holds = |change: &Change| change.failure.is_none() && (change.action == Action::None || change.passes());
    let changes = diff(desired, &readings, &schemas).changes.into_iter();
    changes.map(|change| Verified { holds: holds(&change), change }).collect()
}

/// Makes the plan file true: looks, shows, asks, runs; again when earlier steps made more of the system readable.
/// A failed run is undone unless the options say otherwise.
///
/// # Errors
/// What [`plan`] meets before anything was changed, and what the journal meets at any time.
pub async fn apply(
    context: &Context<'_>,
    file: &PlanFile,
    held: &mut dyn Held,
    approve: &dyn Approve,
) -> Result<Applied, Failure> {
    let Context { world, options, stop, .. } = *context;
    let mut chronicle = Chronicle::new(held, new_run_id(), 0, context.listener);
    let mut ran = Ran::default();
    let mut known = BTreeSet::new();
    for phase in 0..PHASES_MAX {
        let planned = match plan(world, &file.desired, options.parallelism).await {
            // What was done stays journaled; a later phase that cannot be planned is a failed run.
            Err(failure) if phase > 0 => {
                ran.failed.push(("plan".to_owned(), failure));
                break;
            }
            planned => planned?,
        };
        if planned.steps.is_empty() {
            if phase == 0 {
                approve.nothing(&planned)?;
            }
            break;
        }
        if !approve.approve(&planned, phase).await? {
            ran.interrupted = phase > 0;
            break;
        }
        if phase == 0 {
            chronicle.write(opened(&file.name, &file.digest, options)).await?;
        }
        let steps = named_once(planned.steps, &mut known, phase);
        chronicle.write(Event::Planned { steps: steps.clone() }).await?;
        ran = run(world, &steps, &mut given(&planned.changes), &mut chronicle, options.parallelism, stop).await?;
        if !ran.failed.is_empty() || ran.interrupted || !planned.frontier {
            break;
        }
    }
    if known.is_empty() {
        return Ok(Applied::default());
    }
    conclude(context, chronicle, ran).await
}

/// Carries out a saved plan. Nothing is decided anew: every step is settled against the live system first, and one that
/// no longer fits refuses the whole plan before anything is written.
///
/// # Errors
/// A failure of class `Unfit` that names each step that no longer fits; otherwise as [`apply`].
pub async fn apply_saved(context: &Context<'_>, saved: &SavedPlan, held: &mut dyn Held) -> Result<Applied, Failure> {
    let Context { world, options, stop, .. } = *context;
    let mut misfits = Vec::new();
    for step in &saved.steps {
        if let Some(failure) = misfit(world, step).await? {
            misfits.push(failure.to_string());
        }
    }
    if !misfits.is_empty() {
        return Err(Failure::new(Class::Unfit, "the saved plan no longer fits the live system; nothing was written")
            .detail(misfits.join("\n"))
            .remedy("plan again"));
    }
    if saved.steps.is_empty() {
        return Ok(Applied::default());
    }
    let mut chronicle = Chronicle::new(held, new_run_id(), 0, context.listener);
    chronicle.write(opened(&saved.plan, &saved.digest, options)).await?;
    chronicle.write(Event::Planned { steps: saved.steps.clone() }).await?;
    let ran = run(world, &saved.steps, &mut saved.given.clone(), &mut chronicle, options.parallelism, stop).await?;
    conclude(context, chronicle, ran).await
}

/// Ends a run: undoes it when it failed and that was asked for, and journals how it ended.
async fn conclude(context: &Context<'_>, mut chronicle: Chronicle<'_>, ran: Ran) -> Result<Applied, Failure> {
    let Context { world, store, options, .. } = *context;
    let id = chronicle.run().to_owned();
    let mut stuck = Vec::new();
    let outcome = if !ran.failed.is_empty() && options.undo_on_failure {
        let records = store.journal(&id).await?;
        let so_far = fold(&records).map_err(|corrupt| Failure::new(Class::Other, corrupt.to_string()))?;
        stuck = undo(world, &so_far, &mut chronicle).await?;
        if stuck.is_empty() { Outcome::RolledBack } else { Outcome::Stuck }
    } else if !ran.failed.is_empty() || ran.interrupted {
        Outcome::Stopped
    } else if ran.held.is_empty() {
        Outcome::Applied
    } else {
        Outcome::Held
    };
    chronicle.write(Event::Closed { outcome }).await?;
    let records = store.journal(&id).await?;
    Ok(Applied { run: Some(id), outcome: Some(outcome), failed: ran.failed, stuck, records })
}

fn opened(plan: &str, digest: &str, options: &ApplyOptions) -> Event {
    Event::Opened {
        format: VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        operation: Operation::Apply,
        plan: plan.to_owned(),
        digest: digest.to_owned(),
        who: options.who.clone(),
    }
}

/// Time-ordered, so that a listing by name is a listing by age.
fn new_run_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A step that an earlier phase ran already gets a number, so that the journal can tell the two apart.
fn named_once(mut steps: Vec<Step>, known: &mut BTreeSet<String>, phase: usize) -> Vec<Step> {
    let again: BTreeSet<String> = steps.iter().map(|step| step.id.clone()).filter(|id| known.contains(id)).collect();
    let name = |id: &String| if again.contains(id) { format!("{id}#{}", phase + 1) } else { id.clone() };
    for step in &mut steps {
        step.id = name(&step.id);
        step.leans_on = step.leans_on.iter().map(&name).collect();
    }
    known.extend(steps.iter().map(|step| step.id.clone()));
    steps
}

/// What stands still and gives something, for the steps that refer to it.
fn given(changes: &ChangeSet) -> BTreeMap<Address, Attributes> {
    let still = changes.changes.iter().filter(|change| !change.acts());
    still.map(|change| (change.address.clone(), change.outputs.clone())).collect()
}

fn refuse_unreadable(changes: &ChangeSet) -> Result<(), Failure> {
    let failed: Vec<(&Address, &Failure)> =
        changes.changes.iter().filter_map(|change| Some((&change.address, change.failure.as_ref()?))).collect();
    match failed.as_slice() {
        [] => Ok(()),
        all if all.iter().all(|(_, failure)| !failure.flaws().is_empty()) => {
            Err(Failure::flawed(all.iter().flat_map(|(_, failure)| failure.flaws().to_vec()).collect()))
        }
        [(address, only)] => {
            let detail = only.detail.as_ref().map_or(address.to_string(), |detail| format!("{address}: {detail}"));
            Err(Failure { detail: Some(detail), ..(*only).clone() })
        }
        [(_, first), ..] => {
            let lines: Vec<String> = failed.iter().map(|(address, failure)| format!("{address}: {failure}")).collect();
            let mut remedies: Vec<&str> = failed.iter().filter_map(|(_, failure)| failure.remedy.as_deref()).collect();
            remedies.dedup();
            Err(Failure {
                class: first.class,
                summary: format!("{} resources cannot be planned", failed.len()),
                detail: Some(lines.join("\n")),
                remedy: (!remedies.is_empty()).then(|| remedies.join("\n")),
                flaws: None,
            })
        }
    }
}
