//! The end of a run: what failed is undone where that was asked for, and the journal says how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::{Applied, Context};
use crate::engine::{Chronicle, Ran, Rules, Way, back, run, unit};
use crate::journal::{Event, Operation, Outcome, Record, Run, Status, VERSION, fold};
use crate::model::{Class, Failure, Schema, Step};
use crate::store::{Held, Store};

/// An id for a new run. Time-ordered and later than every run of the store, so that a listing by name is a listing by age
/// even where the clocks of two machines differ.
///
/// # Errors
/// Those of the store.
pub(super) async fn new_run_id(store: &dyn Store) -> Result<String, Failure> {
    let now = uuid::Uuid::now_v7();
    let newest = store.runs().await?.pop().and_then(|id| id.parse::<uuid::Uuid>().ok());
    Ok(newest.filter(|newest| *newest >= now).map_or(now, after).to_string())
}

/// An id of a millisecond later.
fn after(id: uuid::Uuid) -> uuid::Uuid {
    let [_, _, _, _, _, _, _, _, random @ ..] = uuid::Uuid::now_v7().into_bytes();
    let millis = id.as_u128() >> 80;
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&random);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(millis + 1).unwrap_or(u64::MAX), &bytes).into_uuid()
}

/// The first event of a run.
pub(super) fn opened(plan: &str, digest: &str, operation: Operation, who: &str) -> Event {
    Event::Opened {
        format: VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        operation,
        plan: plan.to_owned(),
        digest: digest.to_owned(),
        who: who.to_owned(),
    }
}

/// A run as its journal tells it.
///
/// # Errors
/// Those of the store; a corrupt journal.
pub(super) async fn folded(store: &dyn Store, id: &str) -> Result<Run, Failure> {
    fold_run(&store.journal(id).await?, id)
}

/// The run that some records tell of.
pub(super) fn fold_run(records: &[Record], id: &str) -> Result<Run, Failure> {
    fold(records).map_err(|corrupt| {
        Failure::new(Class::Other, "the journal cannot be read").detail(format!("run {id}: {corrupt}")).remedy(
            "nothing is guessed at: look at its journal in the store, and at the live system with `pgentra plan`",
        )
    })
}

/// Ends an apply: undoes what a failure takes down when that was asked for, and journals how it ended.
pub(super) async fn conclude(
    context: &Context<'_>,
    mut chronicle: Chronicle<'_>,
    ran: Ran,
) -> Result<Applied, Failure> {
    let stopped = context.stop.load(Ordering::SeqCst);
    if !ran.failed.is_empty() && context.options.undo_on_failure && !stopped {
        return undo(context, chronicle, ran.failed).await;
    }
    let outcome = if !ran.failed.is_empty() || ran.interrupted {
        Outcome::Stopped
    } else if ran.held.is_empty() {
        Outcome::Applied
    } else {
        Outcome::Held
    };
    chronicle.write(Event::Closed { outcome }).await?;
    applied(context, &chronicle, outcome, ran.failed, Vec::new()).await
}

/// Undoes what the failures of a run take down, and ends it.
pub(super) async fn undo(
    context: &Context<'_>,
    mut chronicle: Chronicle<'_>,
    failed: Vec<(String, Failure)>,
) -> Result<Applied, Failure> {
    let Context { world, store, options, stop, .. } = *context;
    let schemas = |kind: &str| -> Option<&'static Schema> { world.schema(kind) };
    let so_far = folded(store, chronicle.run()).await.map_err(|failure| chronicle.amid(failure))?;
    let down = if so_far.down.is_empty() { down(&so_far, &failed, context) } else { so_far.down.clone() };
    let tasks = back(&so_far, &|step| down.contains(&step.step.id), false, &schemas);
    // An undo that is taken up again undoes the same, whatever failed and how far that was to reach.
    if so_far.down.is_empty() && !tasks.is_empty() {
        chronicle.write(Event::GoesDown { steps: down }).await?;
    }
    let rules = Rules { parallelism: options.parallelism, stop, way: Way::Back };
    let undone = run(world, &tasks, &mut BTreeMap::new(), &mut chronicle, rules).await?;
    let outcome = if undone.interrupted {
        Outcome::Stopped
    } else if undone.failed.is_empty() {
        Outcome::RolledBack
    } else {
        Outcome::Stuck
    };
    chronicle.write(Event::Closed { outcome }).await?;
    applied(context, &chronicle, outcome, failed, undone.failed).await
}

/// The steps that go down: those of the apps that a failed step, or one whose undo was begun, belongs to (a journal of an
/// earlier version does not say it).
fn down(run: &Run, failed: &[(String, Failure)], context: &Context<'_>) -> BTreeSet<String> {
    let steps: Vec<&Step> = run.steps.iter().map(|step| &step.step).collect();
    // A failure that is no step's (a later look could not plan on) takes the whole run down.
    if failed.iter().any(|(id, _)| run.step(id).is_none()) {
        return steps.iter().map(|step| step.id.clone()).collect();
    }
    let touched = run.steps.iter().filter(|step| {
        matches!(
            step.status,
            Status::Failed | Status::Refused | Status::Undoing | Status::Undone | Status::Kept | Status::Stuck
        )
    });
    let seeds = failed.iter().map(|(id, _)| id.clone()).chain(touched.map(|step| step.step.id.clone())).collect();
    unit(&steps, &seeds, context.options.scope)
}

/// What a run came to.
pub(super) async fn applied(
    context: &Context<'_>,
    chronicle: &Chronicle<'_>,
    outcome: Outcome,
    failed: Vec<(String, Failure)>,
    stuck: Vec<(String, Failure)>,
) -> Result<Applied, Failure> {
    let id = chronicle.run();
    // Read back only where another process wrote a part of it: a journal of many thousand grants takes its time.
    let records = match chronicle.records() {
        Some(records) => records.to_vec(),
        None => context.store.journal(id).await.map_err(|failure| chronicle.amid(failure))?,
    };
    let run = Some(id.to_owned());
    let held = outcome == Outcome::Held;
    Ok(Applied { run, outcome: Some(outcome), failed, stuck, records, held, ..Applied::default() })
}

/// Brings the list of what runs made up to date. It is told by the journals, so a list that could not be written is no
/// failure of the run: the next one makes it anew.
pub(super) async fn keep_owned(context: &Context<'_>, plan: &str, applied: Option<&Applied>, held: &mut dyn Held) {
    let _ = super::released::keep_owned(context.world, context.store, plan, applied, held).await;
}
