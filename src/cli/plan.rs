//! `plan`: shows what would be done, and says so with the exit code when asked.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::apply::planned_page;
use super::args::{Global, LiveArgs, PlanFileArg, StreamArgs};
use super::exit::{Ended, Exit};
use super::explain::Known;
use super::look::{Looked, look};
use super::output::Output;
use super::replace::{Readers, replace};
use super::{explain, place};
use crate::diff::{Allowed, Change, Reason, Summary, drift};
use crate::model::{Address, Class, Failure};
use crate::pipeline::SavedPlan;
use crate::report::{Line, Text, plan_events};

/// Show what would be done; changes nothing
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
    /// Events while it runs.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Exit with 2 when there are changes, with 4 when only a gate holds the rest
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Exit with 2 when there are changes, whatever else is asked
    #[arg(long)]
    pub expect_no_changes: bool,
    /// Show only what was changed behind our back: no checks, no gates, and not what may differ
    #[arg(long, conflicts_with = "out")]
    pub refresh_only: bool,
    /// With --refresh-only, also pass over this address or path; `*` stands for any characters
    #[arg(long, value_name = "PATTERN", requires = "refresh_only")]
    pub ignore: Vec<String>,
    /// Save the plan's steps into a file that `apply` takes
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Explain one resource: why it changes, what it leans on, what holds it, who writes it, what undoes it
    #[arg(long, value_name = "ADDRESS", conflicts_with = "out")]
    pub explain: Option<Address>,
    /// With --explain of grants: the old role that the new one replaces [default: those whose password login the plan
    /// file turns off]
    #[arg(long, value_name = "ROLE", requires = "explain")]
    pub replaces: Vec<String>,
}

/// Runs `plan`.
pub async fn run(args: &PlanArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    output.stream(args.stream.json)?;
    let Looked { source, file, world, mut planned, keyed } = look(&args.file, &args.live, global, output).await?;
    if args.refresh_only {
        let allowed: Vec<Allowed> = file.ignore.iter().chain(&args.ignore).map(Allowed::new).collect();
        let (changes, passed_over) = drift(std::mem::take(&mut planned.changes), &allowed);
        planned.changes = changes;
        // What is left out here would be done all the same: there is no digest to approve.
        planned.steps.clear();
        let passed_over = passed_over.iter().map(|path| Line::plain(format!("Passed over, as it may differ: {path}")));
        output.aside(&passed_over.collect::<Text>());
    }
    let unreadable = planned.changes.changes.iter().find_map(not_readable);
    if let (Some(path), None) = (&args.out, &unreadable) {
        let saved = SavedPlan::new(&file, &planned, keyed, &place::place(&source, &file)?)?;
        replace(path, &saved.text()?, Readers::Owner)?;
        let mut notes = vec![format!("Saved the plan to {}; carry it out with: pgentra apply {0}", path.display())];
        if planned.frontier {
            notes.push("It ends where the system cannot be read yet; plan again after it to plan the rest.".to_owned());
        }
        output.aside(&notes.into_iter().map(Line::plain).collect::<Text>());
    }
    if output.streams() {
        output.events(&plan_events(&planned.changes, Timestamp::now()))?;
    }
    match &args.explain {
        Some(address) => {
            let known = Known { source: &source, file: &file, planned: &planned, world: &world };
            output.page(&explain::page(known, address, &args.replaces).await?)?;
        }
        None => output.page(&planned_page(&planned, args.live.full)?)?,
    }
    if let (Some(_), Some(failure)) = (&args.out, unreadable) {
        return Err(failure.into());
    }
    let changes = &planned.changes;
    Ok(exit(changes.has_changes(), changes.summary(), args.detailed_exitcode, args.expect_no_changes))
}

/// Why a plan with this change is not saved: the steps of a saved plan are all that there is to do.
pub(super) fn not_readable(change: &Change) -> Option<Failure> {
    let Reason::NotReadable(why) = &change.reason else { return None };
    let class = change.failure.as_ref().map_or(Class::Forbidden, |failure| failure.class);
    Some(
        Failure::new(class, "the plan is not saved: a part of it is not readable")
            .detail(format!("{}: {why}", change.address))
            .remedy("plan with an identity that may look at everything"),
    )
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
