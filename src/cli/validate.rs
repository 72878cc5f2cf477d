//! `validate`: everything that is wrong with a plan file, offline.

use clap::Args;

use super::args::{Global, PlanFileArg};
use super::exit::Exit;
use super::findings;
use super::load::load;
use super::output::Output;
use crate::model::{Failure, Schema};

/// Check the plan file and say everything that is wrong with it, offline
#[derive(Args, Clone, Debug, Default)]
pub struct ValidateArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
}

/// Runs `validate`.
pub fn run(
    args: &ValidateArgs,
    global: &Global,
    schemas: &[&'static Schema],
    output: &Output,
) -> Result<Exit, Failure> {
    let loaded = load(&args.file, global, schemas)?;
    findings::result(output, &loaded.source, &loaded.findings)
}
