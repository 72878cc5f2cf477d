//! `status`: which run is open, who holds the lock, what is held and what has drifted, on one page.

use clap::Args;

use super::args::{Global, LiveArgs, PlanFileArg};
use super::exit::Exit;
use super::load::{load, narrowed};
use super::output::Output;
use super::{live, place};
use crate::diff::Change;
use crate::journal::Record;
use crate::model::Failure;
use crate::pipeline;
use crate::report::{self, Run, Status};
use crate::resources::schemas;
use crate::store::Store as _;

/// Show where a plan file stands: its lock, its open run, what is held, what has drifted; changes nothing
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
}

/// Runs `status`.
pub async fn run(args: &StatusArgs, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (source, mut file) = match load(&args.file, global, &schemas())?.usable(output) {
        Ok(usable) => usable,
        Err(exit) => return Ok(exit),
    };
    file.desired = narrowed(file.desired, &args.live.only)?;
    let store = place::store(&source, &file)?;
    let world = live::world(&file.target, global, store.digest_key().await?).await?;
    let history = pipeline::history(&world, &store).await?.of_plan(&file.name);
    let open = history.open().map(|dated| dated.id.clone());
    let last = history.runs().last().map(|dated| dated.id.clone());
    let mut journals: Vec<Option<(String, Vec<Record>)>> = Vec::new();
    for id in [open, last] {
        journals.push(match id {
            Some(id) => Some((id.clone(), store.journal(&id).await?)),
            None => None,
        });
    }
    let verified = pipeline::verify(&world, &file.desired, args.live.parallelism).await;
    let looks: Vec<(Change, bool)> = verified.into_iter().map(|seen| (seen.change, seen.holds)).collect();
    let run = |at: usize| journals[at].as_ref().map(|(id, records)| Run { id, records });
    let (place, holder) = (store.place(), store.holder().await?.map(|note| note.to_string()));
    let state = Status { store: &place, holder: holder.as_deref(), open: run(0), last: run(1), looks: &looks };
    output.page(&report::status(&state))?;
    Ok(Exit::Done)
}
