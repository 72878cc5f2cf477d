//! `observe`: looks at the migrated apps once, or again and again, and records what was seen.

use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::apply::stop_on_signal;
use super::args::{Global, PlanFileArg, StreamArgs, duration};
use super::evidence_view::view;
use super::exit::{Ended, Exit};
use super::load::usable;
use super::output::Output;
use super::{evidence_keys, live, place};
use crate::engine::unless_stopped;
use crate::evidence::Verdict;
use crate::model::{Class, Desired, Failure};
use crate::pipeline::{self, Author, Observed};
use crate::plan::PlanFile;
use crate::report::{Line, Text, evidence, observation_event, observed_event};
use crate::store::Store;

/// Record an observation: whether the apps work without the password
///
/// Runs every probe and sensor of the plan file's validations once and appends one record for each validation to the
/// ledger in the store. Exits with 10 when something failed or could not be seen. With --every it stays and repeats.
#[derive(Args, Clone, Debug)]
pub struct ObserveArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// Events while it runs.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Stay, and observe again after this time
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub every: Option<Duration>,
    /// How long to wait for the store's lock
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m")]
    pub lock_timeout: Duration,
}

/// Runs `observe`.
pub async fn run(args: &ObserveArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    output.stream(args.stream.json)?;
    let (source, file) = usable(&args.file, global, output)?;
    place::refuse_forgetful(&file, place::in_ci(&|name| std::env::var(name).ok()))?;
    if validations(&file).is_empty() {
        return Err(Failure::new(Class::Input, "the plan file has no validation, so that there is nothing to observe")
            .remedy("add [validation.<label>]")
            .into());
    }
    let store = place::store(&source, &file, global).await?;
    // An observation in hand is finished and recorded, whatever signal comes.
    let stop = if args.every.is_some() { Some(stop_on_signal()?) } else { None };
    loop {
        let once = once(args, global, output, &file, store.as_ref()).await;
        let (Some(every), Some(stop)) = (args.every, &stop) else { return Ok(once?) };
        if let Err(failure) = &once {
            // The next observation may find the service again; until then the gap tells of this one.
            output.failure(failure);
        }
        if stop.load(Ordering::SeqCst) {
            return Ok(once?);
        }
        let note = format!("Observing again in {} s.", every.as_secs());
        output.aside(&[Line::plain(note)].into_iter().collect::<Text>());
        let slept = async {
            tokio::time::sleep(every).await;
            Ok::<_, Failure>(())
        };
        if unless_stopped(stop, slept).await.is_err() {
            return Ok(once?);
        }
    }
}

/// The validations of a plan file.
pub fn validations(file: &PlanFile) -> Vec<&Desired> {
    file.desired.iter().filter(|want| want.address.kind == "validation").collect()
}

/// Who writes into the ledger of this plan file.
pub fn author(file: &PlanFile) -> Author {
    let note = place::lock_note("observe");
    Author { plan: file.name.clone(), digest: file.digest.clone(), who: format!("{}@{}", note.who, note.host) }
}

async fn once(
    args: &ObserveArgs,
    global: &Global,
    output: &Output,
    file: &PlanFile,
    store: &dyn Store,
) -> Result<Exit, Failure> {
    let keys = evidence_keys::keys(file, global, true).await?;
    let mut held = store.lock(place::lock_note("observe"), args.lock_timeout).await?;
    let world = live::world(&file.target, global, Some(held.make_digest_key().await?)).await?;
    let wanted = validations(file);
    let author = author(file);
    let seen = pipeline::observe_evidence(&world, store, held.as_mut(), &author, &wanted, &keys).await?;
    let all: Vec<_> = keys.values().cloned().collect();
    let ledger = pipeline::ledger(store, &all).await?;
    let mut views = Vec::new();
    for (want, Observed { decision, .. }) in wanted.iter().zip(&seen) {
        views.push(view(&pipeline::terms(want)?, &ledger, decision));
    }
    let faults: Vec<String> = ledger.faults.iter().map(|fault| fault.what.clone()).collect();
    if output.streams() {
        let now = Timestamp::now();
        for (want, Observed { observation, .. }) in wanted.iter().zip(&seen) {
            let measured = observation.measurements.iter();
            let measured = measured.map(|one| (one.sensor.clone(), one.verdict == Verdict::Passed));
            output.event(&observation_event(&want.address, &measured.collect::<Vec<_>>(), now))?;
        }
        output.event(&observed_event(seen.len(), seen.iter().filter(|one| well(one)).count(), now))?;
    }
    output.page(&evidence(&views, &faults, &[]))?;
    Ok(if seen.iter().all(well) { Exit::Done } else { Exit::CheckFailed })
}

/// Whether everything passed, and it is known of what.
fn well(seen: &Observed) -> bool {
    let passed = seen.observation.measurements.iter().all(|one| one.verdict == Verdict::Passed);
    passed && seen.observation.scope.is_some()
}
