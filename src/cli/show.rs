//! `show`: one run, event by event.

use clap::Args;

use super::args::PlanFileArg;
use super::exit::Exit;
use super::output::Output;
use crate::journal::Record;
use crate::model::Failure;
use crate::report::{Run, run as run_page};

/// Show one run, event by event
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The run's id, as `history` shows it
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The plan file, which says where the store is.
    #[command(flatten)]
    pub file: PlanFileArg,
}

/// Runs `show` on a journal that was read.
pub fn conclude(args: &ShowArgs, records: &[Record], output: &Output) -> Result<Exit, Failure> {
    output.page(&run_page(Run { id: &args.run, records }))?;
    Ok(Exit::Done)
}
