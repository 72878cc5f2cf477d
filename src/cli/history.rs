//! `history`: the runs in the store.

use clap::Args;

use super::args::{Global, PlanFileArg};
use super::exit::{Ended, Exit};
use super::load::usable;
use super::output::Output;
use super::place;
use crate::journal::Record;
use crate::report::{self, Run};

/// List the runs of this plan file, newest first
#[derive(Args, Clone, Debug, Default)]
pub struct HistoryArgs {
    /// The plan file, which says where the store is.
    #[command(flatten)]
    pub file: PlanFileArg,
}

/// Runs `history`.
pub async fn run(args: &HistoryArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let (source, file) = usable(&args.file, global, output)?;
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
