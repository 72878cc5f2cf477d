//! `verify`: runs the plan file's checks now and shows them as a checklist.

use clap::Args;

use super::args::{LiveArgs, PlanFileArg};
use super::exit::Exit;
use super::output::Output;
use crate::model::Failure;
use crate::report::{Check, checklist};

/// Run the plan file's checks now; changes nothing
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
}

/// Shows checks that were run and says how `verify` ends.
pub fn conclude(checks: &[Check], output: &Output) -> Result<Exit, Failure> {
    output.page(&checklist("Verification", checks))?;
    Ok(if checks.iter().all(|check| check.holds) { Exit::Done } else { Exit::CheckFailed })
}
