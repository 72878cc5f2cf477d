//! `apply`: shows, asks, tells what goes on and what came of it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::args::{LiveArgs, duration};
use super::exit::Exit;
use super::output::Output;
use super::prompt::{self, Prompt};
use crate::diff::ChangeSet;
use crate::journal::Outcome;
use crate::model::Failure;
use crate::report::{Page, PlanView, Run, outcome, plan, terminal};

/// Make the plan file true: look, show, ask, do
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// The plan file, or a plan saved by `plan --out` [default: the `*.toml` here that has a `version`]
    #[arg(value_name = "PLAN")]
    pub file: Option<PathBuf>,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
    /// Do not ask before changing anything
    #[arg(long)]
    pub auto_approve: bool,
    /// What becomes of a run that fails: undo what it did, or leave it to be resumed
    #[arg(long, value_enum, default_value_t)]
    pub on_failure: OnFailure,
    /// How long to wait for the store's lock
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    pub lock_timeout: Duration,
    /// Exit with 4 when all that may be done is done and a gate holds the rest
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// What becomes of a run that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OnFailure {
    /// What it did is undone.
    #[default]
    Rollback,
    /// It is left as it is, to be resumed or rolled back.
    Stop,
}

const REMEDY: &str =
    "pass --auto-approve, or save a plan with `pgentra plan --out FILE`, have it reviewed, and apply that";

/// Shows a change set and asks whether it may be carried out. With `--format json` standard output is kept for the
/// result, so the change set is shown on standard error.
pub fn approve(args: &ApplyArgs, changes: &ChangeSet, output: &Output) -> Result<bool, Failure> {
    let page = plan(changes, PlanView { full: args.live.full });
    show(&page, output)?;
    if args.auto_approve {
        return Ok(true);
    }
    prompt::with_terminal(ask)
}

fn show(page: &Page, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        output.aside(&terminal(page));
        return Ok(());
    }
    output.text(&terminal(page))
}

fn ask(prompt: &mut Prompt<'_>) -> Result<bool, Failure> {
    let explanation = "pgentra will perform the actions described above.";
    prompt.confirm("Do you want to perform these actions?", explanation, REMEDY)
}

/// Tells what a run came to and says how `apply` (or `rollback`) ends. `failures` are those met by step id.
pub fn conclude(
    run: Run<'_>,
    ended: Outcome,
    failures: &[(String, Failure)],
    detailed: bool,
    output: &Output,
) -> Result<Exit, Failure> {
    output.page(&outcome(run, failures))?;
    Ok(Exit::of_outcome(ended, detailed))
}
