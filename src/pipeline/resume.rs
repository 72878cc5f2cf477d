//! Takes up a run that has no end: goes on where it stopped, or goes on undoing where that was begun.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::end::{applied, conclude, fold_run, folded, keep_owned, undo};
use super::{Applied, Context};
use crate::engine::{Chronicle, Rules, Scope, Way, given, rest, run};
use crate::journal::{Dated, Event, History, Operation, Outcome, Run, Status, StepRun};
use crate::model::{Address, Class, Failure, Nature, Schema, Step};
use crate::resources::World;
use crate::store::{Held, Store};

/// All runs of a store. One whose very first record was torn never began.
///
/// # Errors
/// Those of the store; a corrupt journal.
pub async fn history(world: &dyn World, store: &dyn Store) -> Result<History, Failure> {
    runs_after(world, store, None, None).await
}

/// The runs after the one of this id.
pub(super) async fn runs_after(
    world: &dyn World,
    store: &dyn Store,
    id: Option<&str>,
    known: Option<&Applied>,
) -> Result<History, Failure> {
    let changes = |kind: &str| world.schema(kind).is_none_or(|schema| schema.nature == Nature::Resource);
    let mut runs = Vec::new();
    for id in store.runs().await?.into_iter().filter(|run| id.is_none_or(|id| run.as_str() > id)) {
        let ours = known.filter(|known| known.run.as_ref() == Some(&id));
        let records = match ours {
            Some(ours) => Cow::Borrowed(ours.records.as_slice()),
            None => Cow::Owned(store.journal(&id).await?),
        };
        if !records.is_empty() {
            runs.push(Dated { run: fold_run(&records, &id)?, id });
        }
    }
    Ok(History::new(runs, &changes))
}

/// Finishes a run that has no end or stopped before it: an apply goes on with what is left, a rollback too, and a run
/// that was being undone goes on being undone. Nothing is asked: all of it was approved before.
///
/// # Errors
/// `Input`: the run has come to its end. Otherwise those of the journal.
pub async fn resume(context: &Context<'_>, id: &str, held: &mut dyn Held) -> Result<Applied, Failure> {
    let Context { world, store, options, stop, .. } = *context;
    let so_far = folded(store, id).await?;
    if !matches!(so_far.outcome, None | Some(Outcome::Stopped)) {
        return Err(Failure::new(Class::Input, "there is nothing to resume")
            .detail(format!("run {id} has come to its end"))
            .remedy("`pgentra history` lists the runs and how they ended"));
    }
    let schemas = |kind: &str| -> Option<&'static Schema> { world.schema(kind) };
    let left: Vec<&Step> = rest_of(&so_far);
    if so_far.operation == Operation::Apply && !undo_begun(&so_far) {
        let all: Vec<&Step> = so_far.steps.iter().map(|run| &run.step).collect();
        refuse_ungated(&left, &all, &so_far.leans, &schemas)
            .map_err(|failure| failure.remedy(format!("`pgentra rollback {id}` undoes it; then plan again")))?;
    }
    let written = store.journal(id).await?.len() as u64;
    let mut chronicle = Chronicle::new(&mut *held, id, written, context.listener);
    chronicle.write(Event::Resumed { who: options.who.clone() }).await?;
    if so_far.operation == Operation::Apply && undo_begun(&so_far) {
        let applied = undo(context, chronicle, Vec::new()).await?;
        keep_owned(context, &so_far.plan, Some(&applied), held).await;
        return Ok(applied);
    }
    let rollback = so_far.operation != Operation::Apply;
    let way = Way::Forward(if rollback { Scope::Branch } else { options.scope });
    let rules = Rules { parallelism: options.parallelism, stop, way };
    let tasks = rest(&so_far, &schemas);
    let ran = run(world, &tasks, &mut given(&so_far), &mut chronicle, rules).await?;
    if !rollback {
        let applied = conclude(context, chronicle, ran).await?;
        keep_owned(context, &so_far.plan, Some(&applied), held).await;
        return Ok(applied);
    }
    let outcome = super::rollback::outcome(&ran);
    chronicle.write(Event::Closed { outcome }).await?;
    let applied = applied(context, &chronicle, outcome, ran.failed, Vec::new()).await;
    keep_owned(context, &so_far.plan, applied.as_ref().ok(), held).await;
    applied
}

/// The steps that are not done yet.
fn rest_of(run: &Run) -> Vec<&Step> {
    let over = |run: &&StepRun| matches!(run.status, Status::Done | Status::AlreadyThere);
    run.steps.iter().filter(|run| !over(run)).map(|run| &run.step).collect()
}

/// Refuses to run steps that lean on a gate which is no step among `all` of them, so that nobody would ask it again: they
/// were planned by a version that did not do that.
///
/// # Errors
/// `Unfit`, with the steps and their gates.
pub(super) fn refuse_ungated(
    left: &[&Step],
    all: &[&Step],
    leans: &BTreeMap<Address, BTreeSet<Address>>,
    schemas: &dyn Fn(&str) -> Option<&'static Schema>,
) -> Result<(), Failure> {
    let gate = |address: &&Address| schemas(&address.kind).is_some_and(|schema| schema.nature == Nature::Gate);
    let asked = |address: &Address| all.iter().any(|step| step.address == *address);
    let unasked = left.iter().filter_map(|step| {
        let gate = leans.get(&step.address)?.iter().filter(gate).find(|on| !asked(on))?;
        Some(format!("{} is behind {gate}", step.id))
    });
    let unasked: Vec<String> = unasked.collect();
    if unasked.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Class::Unfit, "the gates of these steps would not be asked; nothing was written")
        .detail(unasked.join("\n"))
        .remedy("plan again"))
}

fn undo_begun(run: &Run) -> bool {
    let undo = |status: Status| matches!(status, Status::Undoing | Status::Undone | Status::Kept | Status::Stuck);
    !run.down.is_empty() || run.steps.iter().any(|step| undo(step.status))
}
