//! `plan`: shows what would be done, and says so with the exit code when asked.

use std::path::PathBuf;

use clap::Args;

use super::args::{LiveArgs, PlanFileArg};
use super::exit::Exit;
use super::output::Output;
use crate::diff::{ChangeSet, Summary};
use crate::model::Failure;
use crate::report::{PlanView, plan};

/// Show what would be done; changes nothing
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
    /// Exit with 2 when there are changes, with 4 when only a gate holds the rest
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Exit with 2 when there are changes, whatever else is asked
    #[arg(long)]
    pub expect_no_changes: bool,
    /// Save the plan's steps into a file that `apply` takes
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Shows a change set and says how `plan` ends.
pub fn conclude(args: &PlanArgs, changes: &ChangeSet, output: &Output) -> Result<Exit, Failure> {
    output.page(&plan(changes, PlanView { full: args.live.full }))?;
    Ok(exit(changes.has_changes(), changes.summary(), args.detailed_exitcode, args.expect_no_changes))
}

fn exit(has_changes: bool, summary: Summary, detailed: bool, expect_none: bool) -> Exit {
    match (has_changes, summary.held) {
        (true, _) if detailed || expect_none => Exit::Changes,
        (false, 1..) if detailed => Exit::Held,
        _ => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, exit};
    use crate::diff::Summary;

    #[test]
    fn exit_codes_of_plan() {
        let none = Summary::default();
        let held = Summary { held: 1, ..none };
        assert_eq!(exit(true, none, false, false), Exit::Done);
        assert_eq!(exit(true, held, true, false), Exit::Changes);
        assert_eq!(exit(true, none, false, true), Exit::Changes);
        assert_eq!(exit(false, held, true, false), Exit::Held);
        assert_eq!(exit(false, held, false, true), Exit::Done);
        assert_eq!(exit(false, none, true, true), Exit::Done);
    }
}
