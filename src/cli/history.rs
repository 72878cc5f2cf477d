//! `history`: the runs in the store.

use clap::Args;

use super::args::PlanFileArg;
use super::exit::Exit;
use super::output::Output;
use crate::model::Failure;
use crate::report::{Run, history};

/// List the runs of this plan file, newest first
#[derive(Args, Clone, Debug, Default)]
pub struct HistoryArgs {
    /// The plan file, which says where the store is.
    #[command(flatten)]
    pub file: PlanFileArg,
}

/// Runs `history` on journals that were read, oldest first.
pub fn conclude(runs: &[Run<'_>], output: &Output) -> Result<Exit, Failure> {
    let newest_first: Vec<Run<'_>> = runs.iter().rev().copied().collect();
    output.page(&history(&newest_first))?;
    Ok(Exit::Done)
}
