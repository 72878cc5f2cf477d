//! `rollback`: undoes a run as far as nobody else has changed anything since, and says what stays.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use jiff::Timestamp;

use super::apply::{conclude, show, stop_on_signal};
use super::args::{Global, PlanFileArg, StreamArgs, duration};
use super::exit::{Ended, Exit};
use super::load::usable;
use super::output::Output;
use super::progress::listener;
use super::show::chosen;
use super::{live, place, prompt};
use crate::engine::{Scope, Stay, Stop, unless_stopped};
use crate::journal::{Dated, History, Operation};
use crate::model::{Class, Failure};
use crate::pipeline::{self, ApplyOptions, Approve, Context, Planned, RollbackOptions};
use crate::report::{Page, PlanView, plan_events, way_back};

/// Undo a run: show, ask, do; never overwrites what somebody else changed since
#[derive(Args, Clone, Debug)]
pub struct RollbackArgs {
    /// The run's id as `history` shows it, the beginning of one, or `last` [default: the newest run that can be undone]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// The plan file, which says where the store is [default: the `*.toml` here that has a `version`]
    #[arg(short = 'f', long = "file", value_name = "PLAN_FILE")]
    pub file: Option<PathBuf>,
    /// Undo all runs from the newest back to this one
    #[arg(long, value_name = "RUN")]
    pub through: Option<String>,
    /// Remove also what is kept otherwise: Entra authentication, administrators and new identities
    #[arg(long)]
    pub remove_kept: bool,
    /// Events while it runs.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Do not ask before changing anything
    #[arg(long)]
    pub auto_approve: bool,
    /// How long to wait for the store's lock
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    pub lock_timeout: Duration,
    /// How many steps are done at the same time; up to 32 times as many looks
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = super::args::parallelism)]
    pub parallelism: usize,
    /// Show unchanged attributes and every object of a grant
    #[arg(long)]
    pub full: bool,
}

/// Runs `rollback`. A lone argument that is a plan file is taken for one, as every other command does.
pub async fn run(args: &RollbackArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    output.stream(args.stream.json)?;
    let is_file = |run: &&String| args.file.is_none() && std::path::Path::new(run).exists();
    let lone = args.run.as_ref().filter(is_file);
    let file = PlanFileArg { file: lone.map(PathBuf::from).or_else(|| args.file.clone()) };
    let meant = match (&args.through, args.run.as_ref().filter(|_| lone.is_none())) {
        (Some(_), Some(_)) => {
            return Err(Failure::new(Class::Input, "RUN and --through RUN do not go together: name one run")
                .remedy("write --through RUN alone to undo the later runs too")
                .into());
        }
        (through, run) => through.as_ref().or(run),
    };
    let (source, plan) = usable(&file, global, output)?;
    let store = place::store(&source, &plan, global).await?;
    let stop = stop_on_signal()?;
    let begin = async {
        let mut held = store.lock(place::lock_note("rollback"), args.lock_timeout).await?;
        let world = live::world(&plan.target, global, Some(held.make_digest_key().await?)).await?;
        Ok((held, world))
    };
    let (mut held, world) = unless_stopped(&stop, begin).await?;
    let meant = match meant {
        Some(meant) => Some(chosen(&of_plan(pipeline::history(&world, store.as_ref()).await?, &plan.name), meant)?),
        None => None,
    };
    let note = place::lock_note("rollback");
    let options = ApplyOptions {
        parallelism: args.parallelism,
        undo_on_failure: false,
        scope: Scope::App,
        whole: false,
        expect: None,
        who: format!("{}@{}", note.who, note.host),
    };
    let progress = listener(output);
    let context = Context {
        world: &world,
        store: store.as_ref(),
        listener: progress.as_ref(),
        options: &options,
        stop: stop.as_ref(),
    };
    let how =
        RollbackOptions { plan: Some(&plan.name), remove_kept: args.remove_kept, through: args.through.is_some() };
    let terminal = Terminal { args, output, stop: stop.as_ref(), declined: AtomicBool::new(false) };
    let applied = pipeline::rollback(&context, meant.as_deref(), how, held.as_mut(), &terminal).await?;
    let exit = Exit::of(&applied, false);
    match (&applied.run, applied.outcome) {
        (Some(id), Some(ended)) => {
            conclude(&applied, id, ended, output)?;
            Ok(exit)
        }
        _ => Ok(if terminal.declined.load(Ordering::Relaxed) { Exit::Error } else { exit }),
    }
}

/// The runs of a plan file that there may be something to undo of.
fn of_plan(history: History, plan: &str) -> Vec<String> {
    let history = history.of_plan(plan);
    let acts = |dated: &&Dated| !matches!(dated.run.operation, Operation::Evidence { .. });
    history.runs().iter().filter(acts).map(|dated| dated.id.clone()).collect()
}

/// Shows the way back on the terminal and asks for it there.
struct Terminal<'a> {
    args: &'a RollbackArgs,
    output: &'a Output,
    stop: &'a Stop,
    /// Whether the answer was no.
    declined: AtomicBool,
}

const REMEDY: &str = "pass --auto-approve to undo without being asked";

#[async_trait]
impl Approve for Terminal<'_> {
    async fn approve(&self, planned: &Planned, _phase: usize) -> Result<bool, Failure> {
        show(&planned.changes, &self.page(planned), self.output)?;
        if self.args.auto_approve {
            return Ok(true);
        }
        let explanation = "pgentra will undo what is described above.";
        let approved = prompt::confirm("Do you want to undo this?", explanation, REMEDY, self.stop).await?;
        self.declined.store(!approved, Ordering::Relaxed);
        Ok(approved)
    }

    fn nothing(&self, planned: &Planned) -> Result<(), Failure> {
        if self.output.streams() {
            self.output.events(&plan_events(&planned.changes, Timestamp::now()))?;
        }
        self.output.page(&self.page(planned))
    }
}

impl Terminal<'_> {
    fn page(&self, planned: &Planned) -> Page {
        let why = |stay: &Stay| match stay {
            Stay::Kept(why) => format!("kept ({why}); --remove-kept removes it"),
            Stay::Never(why) => format!("cannot be undone: {why}"),
        };
        let stays: Vec<(String, String)> = planned.stays.iter().map(|(step, stay)| (step.clone(), why(stay))).collect();
        way_back(&planned.changes, PlanView { full: self.args.full }, &stays)
    }
}

#[cfg(test)]
mod tests {
    use super::{RollbackArgs, of_plan};
    use crate::journal::{Dated, History, Operation, Run};
    use clap::Parser;
    use jiff::Timestamp;
    use std::collections::{BTreeMap, BTreeSet};

    #[derive(Parser)]
    struct One {
        #[command(flatten)]
        args: RollbackArgs,
    }

    #[test]
    fn only_runs_of_the_plan_file_that_did_something_are_meant() {
        let dated = |id: &str, plan: &str, operation| Dated {
            id: id.to_owned(),
            run: Run {
                operation,
                plan: plan.to_owned(),
                digest: String::new(),
                who: String::new(),
                opened: Timestamp::UNIX_EPOCH,
                leans: BTreeMap::new(),
                steps: Vec::new(),
                outcome: None,
                down: BTreeSet::new(),
            },
        };
        let evidence = Operation::Evidence { what: "attest".to_owned(), count: 1, head: String::new() };
        let runs = vec![
            dated("1", "geo", Operation::Apply),
            dated("2", "geo", Operation::Rollback { run: "1".to_owned() }),
            dated("3", "geo", evidence),
            dated("4", "other", Operation::Apply),
        ];
        assert_eq!(of_plan(History::new(runs, &|_| true), "geo"), ["1", "2"]);
    }

    #[test]
    fn one_run_or_all_back_to_one() {
        let parse = |line: &[&str]| One::try_parse_from([&["x"], line].concat()).map(|one| one.args);
        assert_eq!(parse(&["0199"]).unwrap().run.as_deref(), Some("0199"));
        assert_eq!(parse(&["--through", "0199"]).unwrap().through.as_deref(), Some("0199"));
        assert!(parse(&["--through"]).is_err());
        assert!(parse(&[]).unwrap().run.is_none());
    }
}
