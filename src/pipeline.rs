//! Plan, apply, apply a saved plan: each one function, read top to bottom; the data walks once and nothing flows back.

#[cfg(test)]
mod approval_tests;
mod checklist;
mod digest;
mod end;
mod import;
#[cfg(test)]
mod messages_tests;
mod moves;
mod observe;
mod released;
mod restate;
mod resume;
mod rollback;
mod saved;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod undo_tests;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::diff::{Action, Change, ChangeSet, diff, lint, steps};
use crate::engine::{Chronicle, Listener, Ran, Rules, Scope, Stay, Stop, Task, Way, observe, run, unless_stopped};
use crate::journal::{Event, Operation, Outcome, Owned, Record};
use crate::model::{Address, Attributes, Class, Desired, Failure, Graph, Schema, Step};
use crate::plan::PlanFile;
use crate::resources::World;
use crate::store::{Held, Store};
pub use checklist::{Item, LINES, Sight, State, checklist};
pub use digest::steps_digest;
use end::{conclude, keep_owned, new_run_id, opened};
pub use import::{Imported, Proposed, Seen, Wanted, import, sections};
pub use moves::moves;
pub use observe::{Author, Observed, ledger, observe as observe_evidence, terms, write_evidence};
use released::Released;
pub use released::owned;
use resume::refuse_ungated;
pub use resume::{history, resume};
pub use rollback::{RollbackOptions, rollback};
pub use saved::{SAVED_PLAN_FORMAT, SavedPlan};

/// What a plan file comes to on the live system.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// Every resource and what will be done with it.
    pub changes: ChangeSet,
    /// What can be run now; what leans on something unread waits for the next look.
    pub steps: Vec<Step>,
    /// Whether something cannot be read before these steps are done.
    pub frontier: bool,
    /// Of a rollback: the steps that stay, and why.
    pub stays: Vec<(String, Stay)>,
}

/// How `apply` behaves.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// How many steps and looks at a time.
    pub parallelism: usize,
    /// Whether a failed run is undone, or left for another try.
    pub undo_on_failure: bool,
    /// How far a failure reaches: what is not started any more, and what is undone.
    pub scope: Scope,
    /// Whether the plan file is taken whole, so that what is gone from it is removed.
    pub whole: bool,
    /// The digest that the first steps must have; with it nothing is done that it does not cover.
    pub expect: Option<String>,
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
    /// The runs that came before it in one rollback of several, in their order: ids with their journals.
    pub earlier: Vec<(String, Vec<Record>)>,
    /// Whether something is left that can only be planned now.
    pub frontier: bool,
    /// Whether a gate holds something that was therefore not planned.
    pub held: bool,
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
    plan_with(world, desired, &Owned::default(), parallelism).await
}

/// [`plan`] of a whole plan file: what our runs made and the file no longer names is removed.
///
/// # Errors
/// Those of [`plan`].
pub async fn plan_with(
    world: &dyn World,
    desired: &[Desired],
    owned: &Owned,
    parallelism: usize,
) -> Result<Planned, Failure> {
    let schemas = |kind: &str| -> Option<&'static Schema> { world.schema(kind) };
    let mut released = Released::new(owned, desired, &schemas);
    let mut readings = observe(world, released.desired(), parallelism).await;
    released.keep_theirs(&mut readings);
    let mut changes = diff(released.desired(), &readings, &schemas);
    changes.changes.extend(released.gone(world).await);
    refuse_unreadable(&changes, PLANS_WITHOUT)?;
    lint(desired, &changes, &schemas)?;
    let steps = steps(&changes, &schemas);
    let frontier = changes.changes.iter().any(|change| change.action == Action::Unknown && !change.not_readable());
    Ok(Planned { changes, steps, frontier, stays: released.stays })
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

/// A plan of what is to be applied: nothing of it may be unreadable to whoever is signed in.
async fn plan_whole(
    world: &dyn World,
    desired: &[Desired],
    made: &Owned,
    parallelism: usize,
) -> Result<Planned, Failure> {
    let planned = plan_with(world, desired, made, parallelism).await?;
    refuse_unreadable(&planned.changes, |_| false)?;
    Ok(planned)
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
    let mut chronicle = Chronicle::new(&mut *held, new_run_id(context.store).await?, 0, context.listener);
    let (mut ran, mut known, mut frontier, mut gated) = (Ran::default(), BTreeMap::new(), false, false);
    let made = if options.whole { owned(world, context.store, &file.name).await? } else { Owned::default() };
    for phase in 0..PHASES_MAX {
        let planning = plan_whole(world, &file.desired, &made, options.parallelism);
        let planned = match unless_stopped(stop, planning).await {
            // What was done stays journaled; a later phase that cannot be planned is a failed run.
            Err(failure) if phase > 0 && failure.class == Class::Interrupted => {
                ran.interrupted = true;
                break;
            }
            Err(failure) if phase > 0 => {
                ran.failed.push(("plan".to_owned(), failure));
                break;
            }
            planned => planned?,
        };
        gated = planned.changes.summary().held > 0;
        if planned.steps.is_empty() {
            if phase == 0 {
                approve.nothing(&planned)?;
            }
            break;
        }
        if phase == 0 {
            expected(&planned.steps, options)?;
        }
        if !approved(approve, &planned, phase, &mut ran).await? {
            break;
        }
        if phase == 0 {
            chronicle.write(opened(&file.name, &file.digest, Operation::Apply, &options.who)).await?;
        }
        let on = leans(&planned.changes);
        let steps = next_phase(planned.steps, &on, &mut known, phase);
        chronicle.write(Event::Leans { on }).await?;
        chronicle.write(Event::Planned { steps: steps.clone() }).await?;
        let tasks: Vec<Task> = steps.into_iter().map(Task::fresh).collect();
        ran = run(world, &tasks, &mut given(&planned.changes), &mut chronicle, rules(options, stop)).await?;
        if !ran.failed.is_empty() || ran.interrupted || !planned.frontier {
            break;
        }
        // What only a later look can plan is not what was approved.
        frontier = options.expect.is_some();
        if frontier {
            break;
        }
    }
    if known.is_empty() {
        return Ok(Applied { held: gated, ..Applied::default() });
    }
    let applied = conclude(context, chronicle, ran).await?;
    keep_owned(context, &file.name, Some(&applied), held).await;
    Ok(Applied { frontier, held: gated || applied.held, ..applied })
}

/// Whether a phase may go on. Once something was written, who stops at the question or cannot be asked has left a run that
/// has to come to its end like any other.
async fn approved(approve: &dyn Approve, planned: &Planned, phase: usize, ran: &mut Ran) -> Result<bool, Failure> {
    match approve.approve(planned, phase).await {
        Err(failure) if phase > 0 && failure.class != Class::Interrupted => {
            ran.failed.push(("plan".to_owned(), failure));
            Ok(false)
        }
        Err(_) | Ok(false) if phase > 0 => {
            ran.interrupted = true;
            Ok(false)
        }
        answer => answer,
    }
}

/// Refuses steps that are not those that were approved.
fn expected(steps: &[Step], options: &ApplyOptions) -> Result<(), Failure> {
    let Some(expected) = &options.expect else { return Ok(()) };
    let found = steps_digest(steps)?;
    if found == *expected {
        return Ok(());
    }
    Err(Failure::new(Class::Unfit, "these are not the steps that were approved; nothing was written")
        .detail(format!("expected the plan digest {expected}, found {found}"))
        .remedy("plan again, have the new plan approved, and give its digest"))
}

/// Carries out a saved plan. Nothing is decided anew: every step is settled against the live system first, and one that
/// no longer fits refuses the whole plan before anything is written.
///
/// # Errors
/// A failure of class `Unfit` that names each step that no longer fits; otherwise as [`apply`].
pub async fn apply_saved(context: &Context<'_>, saved: &SavedPlan, held: &mut dyn Held) -> Result<Applied, Failure> {
    let Context { world, options, stop, .. } = *context;
    expected(&saved.steps, options)?;
    let steps: Vec<&Step> = saved.steps.iter().collect();
    refuse_ungated(&steps, &steps, &saved.leans, &|kind| world.schema(kind))?;
    let misfits = unless_stopped(stop, saved::misfits(world, &saved.steps, options.parallelism)).await?;
    if !misfits.is_empty() {
        return Err(Failure::new(Class::Unfit, "the saved plan no longer fits the live system; nothing was written")
            .detail(misfits.join("\n"))
            .remedy("plan again"));
    }
    if saved.steps.is_empty() {
        return Ok(Applied { frontier: saved.frontier, held: saved.held, ..Applied::default() });
    }
    let mut chronicle = Chronicle::new(&mut *held, new_run_id(context.store).await?, 0, context.listener);
    chronicle.write(opened(&saved.plan, &saved.digest, Operation::Apply, &options.who)).await?;
    chronicle.write(Event::Leans { on: saved.leans.clone() }).await?;
    chronicle.write(Event::Planned { steps: saved.steps.clone() }).await?;
    let tasks: Vec<Task> = saved.steps.iter().cloned().map(Task::fresh).collect();
    let ran = run(world, &tasks, &mut saved.given.clone(), &mut chronicle, rules(options, stop)).await?;
    let applied = conclude(context, chronicle, ran).await?;
    keep_owned(context, &saved.plan, Some(&applied), held).await;
    Ok(Applied { frontier: saved.frontier, held: saved.held || applied.held, ..applied })
}

fn rules<'a>(options: &ApplyOptions, stop: &'a Stop) -> Rules<'a> {
    Rules { parallelism: options.parallelism, stop, way: Way::Forward(options.scope) }
}

/// What the resources that act lean on, directly or through others.
fn leans(changes: &ChangeSet) -> BTreeMap<Address, BTreeSet<Address>> {
    let graph =
        Graph::new(&changes.changes.iter().map(|change| (change.address.clone(), change.leans_on.clone())).collect());
    let acting = changes.changes.iter().filter(|change| change.acts());
    acting.map(|change| (change.address.clone(), graph.leans_on_all(&change.address))).collect()
}

/// The steps of a later phase: one that an earlier phase ran already gets a number, so that the journal can tell the two
/// apart, and each leans on what it needs of the earlier phases too.
fn next_phase(
    mut steps: Vec<Step>,
    leans: &BTreeMap<Address, BTreeSet<Address>>,
    ran: &mut BTreeMap<String, Address>,
    phase: usize,
) -> Vec<Step> {
    let again: BTreeSet<String> =
        steps.iter().map(|step| &step.id).filter(|id| ran.contains_key(*id)).cloned().collect();
    let name = |id: &String| if again.contains(id) { format!("{id}#{}", phase + 1) } else { id.clone() };
    for step in &mut steps {
        step.id = name(&step.id);
        step.leans_on = step.leans_on.iter().map(&name).collect();
        let needs = |address: &Address| {
            *address == step.address || leans.get(&step.address).is_some_and(|on| on.contains(address))
        };
        step.leans_on.extend(ran.iter().filter(|(_, address)| needs(address)).map(|(id, _)| id.clone()));
    }
    ran.extend(steps.iter().map(|step| (step.id.clone(), step.address.clone())));
    steps
}

/// What stands still and gives something, for the steps that refer to it.
fn given(changes: &ChangeSet) -> BTreeMap<Address, Attributes> {
    let still = changes.changes.iter().filter(|change| !change.acts());
    still.map(|change| (change.address.clone(), change.outputs.clone())).collect()
}

/// Planning goes on without what whoever is signed in may not look at.
const PLANS_WITHOUT: fn(&Change) -> bool = Change::not_readable;

/// Refuses a change set with looks that failed, but for those that one can go on without. Where nothing at all could be
/// read there is nothing to go on with.
fn refuse_unreadable(changes: &ChangeSet, goes_without: fn(&Change) -> bool) -> Result<(), Failure> {
    let nothing = changes.changes.iter().all(Change::not_readable);
    let failed: Vec<(&Address, &Failure)> = changes
        .changes
        .iter()
        .filter(|change| nothing || !goes_without(change))
        .filter_map(|change| Some((&change.address, change.failure.as_ref()?)))
        .collect();
    match failed.as_slice() {
        [] => Ok(()),
        all if all.iter().all(|(_, failure)| !failure.flaws().is_empty()) => {
            Err(Failure::flawed(all.iter().flat_map(|(_, failure)| failure.flaws().to_vec()).collect()))
        }
        [(address, only)] => {
            let detail = only.detail.as_ref().map_or(address.to_string(), |detail| format!("{address}: {detail}"));
            Err(Failure { detail: Some(detail), ..(*only).clone() })
        }
        // One cause, such as nobody being signed in, is said once.
        [(_, first), rest @ ..] if rest.iter().all(|(_, failure)| failure == first) => Err((*first).clone()),
        [(_, first), ..] => {
            let rights = |class: &Class| matches!(class, Class::NotSignedIn | Class::Forbidden);
            let class = failed.iter().map(|(_, failure)| failure.class).find(rights).unwrap_or(first.class);
            let lines: Vec<String> = failed.iter().map(|(address, failure)| format!("{address}: {failure}")).collect();
            let mut remedies: Vec<&str> = failed.iter().filter_map(|(_, failure)| failure.remedy.as_deref()).collect();
            remedies.dedup();
            let failure = Failure::new(class, "some resources cannot be planned").detail(lines.join("\n"));
            Err(Failure { remedy: (!remedies.is_empty()).then(|| remedies.join("\n")), ..failure })
        }
    }
}
