//! `apply`: shows, asks, tells what goes on and what came of it.

pub(super) mod resume;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::args::{Global, LiveArgs, PlanFileArg, StreamArgs, duration};
use super::exit::{Ended, Exit};
use super::load::{narrowed, usable};
use super::locate;
use super::output::Output;
use super::progress::listener;
use super::{findings, live, override_gate, place, prompt};
use crate::diff::{Change, ChangeSet};
use crate::engine::{Scope, Stay, Stop, unless_stopped};
use crate::journal::Outcome;
use crate::model::{Class, Failure};
use crate::pipeline::{self, Applied, ApplyOptions, Approve, Context, Planned, SavedPlan};
use crate::plan::PlanFile;
use crate::report::{
    Line, Page, PlanView, Run, Text, end_events, nothing_done, nothing_event, outcome, plan, plan_events, reviewed,
    terminal,
};
use crate::resources::{Live, schemas};
use crate::store::{Held, Store};

/// Make the plan file true: look, show, ask, do
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// The plan file, or a plan saved by `plan --out` [default: the `*.toml` here that has a `version`]
    #[arg(value_name = "PLAN")]
    pub file: Option<PathBuf>,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
    /// Events while it runs.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Do not ask before changing anything
    #[arg(long)]
    pub auto_approve: bool,
    /// What becomes of a run that fails: undo what it did, or leave it to be resumed
    #[arg(long, value_enum, default_value_t)]
    pub on_failure: OnFailure,
    /// How far a failure reaches: the app and what only it leans on, or the whole run
    #[arg(long, value_enum, default_value_t)]
    pub on_failure_scope: FailureScope,
    /// Finish an earlier run that has not come to its end, without being asked; then go on
    #[arg(long)]
    pub resume: bool,
    /// Do only these steps: those whose digest `plan` printed
    #[arg(long, value_name = "DIGEST")]
    pub expect_digest: Option<String>,
    /// How long to wait for the store's lock
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    pub lock_timeout: Duration,
    /// Open the gates of the plan file without the evidence, for this reason; asks for each app's name, and stays on
    /// record
    #[arg(long, value_name = "REASON")]
    pub override_gate: Option<String>,
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

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FailureScope {
    /// The app that failed and what only it leans on; other apps go on.
    #[default]
    App,
    /// Everything that this run did.
    Run,
}

/// Runs `apply` on a plan file or on a saved plan.
pub async fn run(args: &ApplyArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    output.stream(args.stream.json)?;
    if let Some(saved) = args.file.as_deref().map_or(Ok(None), saved)? {
        return Ok(apply_saved(args, global, output, &saved).await?);
    }
    let file = PlanFileArg { file: args.file.clone() };
    let (source, mut file) = usable(&file, global, output)?;
    place::refuse_forgetful(&file, place::in_ci(&|name| std::env::var(name).ok()))?;
    file.desired = narrowed(file.desired, &args.live.only)?;
    let store = place::store(&source, &file, global).await?;
    let stop = stop_on_signal()?;
    let (mut held, world) = unless_stopped(&stop, begin(args, global, store.as_ref(), &file)).await?;
    let (progress, options) = (listener(output), options(args));
    let context = Context {
        world: &world,
        store: store.as_ref(),
        listener: progress.as_ref(),
        options: &options,
        stop: stop.as_ref(),
    };
    let terminal = Terminal { args, output, stop: stop.as_ref(), asked: Mutex::new(None) };
    if let Some(exit) = resume::before_apply(&file.name, &context, held.as_mut(), &terminal).await? {
        return Ok(exit);
    }
    let applied = pipeline::apply(&context, &file, held.as_mut(), &terminal).await;
    let applied = applied.map_err(|failure| findings::of_failure(output, &source, &file, failure))?;
    Ok(terminal.conclude(&applied)?)
}

async fn apply_saved(args: &ApplyArgs, global: &Global, output: &Output, saved: &SavedPlan) -> Result<Exit, Failure> {
    if !args.live.only.is_empty() {
        return Err(Failure::new(Class::Input, "--only does not go with a saved plan: its steps are fixed")
            .remedy("leave --only out, or save a plan made with --only"));
    }
    if args.override_gate.is_some() {
        return Err(Failure::new(
            Class::Input,
            "--override-gate does not go with a saved plan: what it opens is planned anew",
        )
        .remedy("apply the plan file with --override-gate"));
    }
    let store = place::open(&saved.store, &saved.target, global).await?;
    let stop = stop_on_signal()?;
    let begin = async {
        let mut held = store.lock(place::lock_note("apply"), args.lock_timeout).await?;
        let key = held.make_digest_key().await?;
        let world = live::world_of_saved(saved, global, store.as_ref(), Some(key)).await?;
        Ok((held, world))
    };
    let (mut held, world) = unless_stopped(&stop, begin).await?;
    let (progress, options) = (listener(output), options(args));
    let context = Context {
        world: &world,
        store: store.as_ref(),
        listener: progress.as_ref(),
        options: &options,
        stop: stop.as_ref(),
    };
    let terminal = Terminal { args, output, stop: stop.as_ref(), asked: Mutex::new(Some(true)) };
    if let Some(exit) = resume::before_apply(&saved.plan, &context, held.as_mut(), &terminal).await? {
        return Ok(exit);
    }
    let changes = saved.changes(&schemas());
    show(&changes, &plan(&changes, PlanView { full: args.live.full }), output)?;
    let applied = pipeline::apply_saved(&context, saved, held.as_mut()).await?;
    terminal.conclude(&applied)
}

/// The saved plan at a path, if there is one: a plan file is TOML, a saved plan JSON.
///
/// # Errors
/// `Input`: it cannot be read, or is of another version.
pub fn saved(path: &Path) -> Result<Option<SavedPlan>, Failure> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = locate::read(path)?;
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    SavedPlan::parse(&text).map(Some).map_err(|failure| {
        let why = failure.first_cause().to_owned();
        failure.detail(format!("{}: {why}", path.display()))
    })
}

fn options(args: &ApplyArgs) -> ApplyOptions {
    let note = place::lock_note("apply");
    ApplyOptions {
        parallelism: args.live.parallelism,
        undo_on_failure: args.on_failure == OnFailure::Rollback,
        scope: match args.on_failure_scope {
            FailureScope::App => Scope::App,
            FailureScope::Run => Scope::Run,
        },
        whole: args.live.only.is_empty(),
        expect: args.expect_digest.clone(),
        who: format!("{}@{}", note.who, note.host),
    }
}

/// Takes the lock, opens a gate by hand where that was asked for, and signs in.
async fn begin(
    args: &ApplyArgs,
    global: &Global,
    store: &dyn Store,
    file: &PlanFile,
) -> Result<(Box<dyn Held>, Live), Failure> {
    let mut held = store.lock(place::lock_note("apply"), args.lock_timeout).await?;
    let key = held.make_digest_key().await?;
    if let Some(reason) = &args.override_gate {
        override_gate::open(reason, file, global, store, held.as_mut()).await?;
    }
    let world = live::world_of(file, global, store, Some(key)).await?;
    Ok((held, world))
}

/// The first SIGINT or SIGTERM asks the run to stop after the calls in hand; more of them change nothing.
pub(super) fn stop_on_signal() -> Result<Arc<Stop>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| {
        Failure::new(Class::Other, "cannot hear signals")
            .remedy("run it where processes may handle signals")
            .detail(error.to_string())
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let stop = Arc::new(Stop::new(false));
    let flag = Arc::clone(&stop);
    tokio::spawn(async move {
        loop {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            flag.store(true, Ordering::SeqCst);
        }
    });
    Ok(stop)
}

/// Shows each change set on the terminal and asks for it there.
pub(super) struct Terminal<'a> {
    args: &'a ApplyArgs,
    output: &'a Output,
    stop: &'a Stop,
    /// The last answer; `None` when there was nothing to ask about.
    asked: Mutex<Option<bool>>,
}

#[async_trait]
impl Approve for Terminal<'_> {
    async fn approve(&self, planned: &Planned, _phase: usize) -> Result<bool, Failure> {
        // With JSON on standard output, that is kept for the result: the change set is shown on standard error.
        show(&planned.changes, &planned_page(planned, self.args.live.full)?, self.output)?;
        let explanation = "pgentra will perform the actions described above.";
        let ask = prompt::confirm("Do you want to perform these actions?", explanation, REMEDY, self.stop);
        let answer = self.args.auto_approve || ask.await?;
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        Ok(answer)
    }

    fn nothing(&self, planned: &Planned) -> Result<(), Failure> {
        if self.output.streams() {
            self.output.events(&plan_events(&planned.changes, Timestamp::now()))?;
            self.output.event(&nothing_event(Timestamp::now()))?;
        }
        self.output.page(&nothing_done(planned_page(planned, self.args.live.full)?))
    }
}

impl Terminal<'_> {
    /// Tells what a run came to that this one goes on from. Standard output has room for one result only.
    fn pass(&self, applied: &Applied) -> Result<(), Failure> {
        match (&applied.run, applied.outcome) {
            (Some(run), _) if !self.output.is_text() => {
                self.output.aside(&terminal(&ending(applied, run)));
                Ok(())
            }
            (Some(run), Some(ended)) => conclude(applied, run, ended, self.output),
            _ => Ok(()),
        }
    }

    fn conclude(&self, applied: &Applied) -> Result<Exit, Failure> {
        if applied.frontier {
            let note =
                "The plan ended where the system could not be read yet: run `pgentra plan` to plan what is left.";
            self.output.aside(&[Line::plain(note)].into_iter().collect::<Text>());
        }
        let (Some(run), Some(ended)) = (&applied.run, applied.outcome) else {
            let declined = *self.asked.lock().unwrap_or_else(PoisonError::into_inner) == Some(false);
            return Ok(if declined { Exit::Error } else { Exit::of(applied, self.args.detailed_exitcode) });
        };
        conclude(applied, run, ended, self.output)?;
        Ok(Exit::of(applied, self.args.detailed_exitcode))
    }
}

/// Every failure that a run met, forwards and backwards.
fn failures(applied: &Applied) -> Vec<(String, Failure)> {
    applied.failed.iter().chain(&applied.stuck).cloned().collect()
}

/// The page of what is planned: the change set, what stays, and the digest of the steps.
pub(super) fn planned_page(planned: &Planned, full: bool) -> Result<Page, Failure> {
    let why = |stay: &Stay| match stay {
        Stay::Kept(why) | Stay::Never(why) => why.clone(),
    };
    let stays: Vec<(String, String)> = planned.stays.iter().map(|(what, stay)| (what.clone(), why(stay))).collect();
    // Steps that were planned without a look at everything are not those that somebody with the rights would approve.
    let partial = planned.changes.changes.iter().any(Change::not_readable);
    let digest = if planned.steps.is_empty() || partial { None } else { Some(pipeline::steps_digest(&planned.steps)?) };
    Ok(reviewed(plan(&planned.changes, PlanView { full }), &stays, digest.as_deref()))
}

const REMEDY: &str =
    "pass --auto-approve, or save a plan with `pgentra plan --out FILE`, have it reviewed, and apply that";

/// Shows a change set before it is carried out.
pub(super) fn show(changes: &ChangeSet, page: &Page, output: &Output) -> Result<(), Failure> {
    if output.streams() {
        return output.events(&plan_events(changes, Timestamp::now()));
    }
    if !output.is_text() {
        output.aside(&terminal(page));
        return Ok(());
    }
    output.text(&terminal(page))
}

/// Tells what a run of `apply` or `rollback` came to, with the runs before it of the same rollback.
pub fn conclude(applied: &Applied, id: &str, ended: Outcome, output: &Output) -> Result<(), Failure> {
    let run = Run { id, records: &applied.records };
    let earlier: Vec<Run<'_>> = applied.earlier.iter().map(|(id, records)| Run { id, records }).collect();
    if output.streams() {
        output.events(&end_events(run, &earlier, ended, Timestamp::now()))?;
    }
    output.page(&ending(applied, id))
}

fn ending(applied: &Applied, id: &str) -> Page {
    let earlier: Vec<Run<'_>> = applied.earlier.iter().map(|(id, records)| Run { id, records }).collect();
    outcome(Run { id, records: &applied.records }, &earlier, &failures(applied))
}
