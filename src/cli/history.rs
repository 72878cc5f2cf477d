//! `history`: the runs in the store.

use clap::Args;

use super::args::{Global, PlanFileArg};
use super::exit::Exit;
use super::load::load;
use super::output::Output;
use super::place;
use crate::journal::Record;
use crate::model::Failure;
use crate::report::{self, Run};
use crate::resources::schemas;

/// List the runs of this plan file, newest first
#[derive(Args, Clone, Debug, Default)]
pub struct HistoryArgs {
    /// The plan file, which says where the store is.
    #[command(flatten)]
    pub file: PlanFileArg,
}

/// Runs `history`.
pub async fn run(args: &HistoryArgs, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (source, file) = match load(&args.file, global, &schemas())?.usable(output) {
        Ok(usable) => usable,
        Err(exit) => return Ok(exit),
    };
    let store = place::store(&source, &file, global).await?;
    let mut journals: Vec<(String, Vec<Record>)> = Vec::new();
    for run in store.runs().await? {
        let records = store.journal(&run).await?;
        journals.push((run, records));
    }
    let newest_first: Vec<Run<'_>> = journals.iter().rev().map(|(id, records)| Run { id, records }).collect();
    output.page(&report::history(&newest_first))?;
    Ok(Exit::Done)
}
