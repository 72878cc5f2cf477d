//! What `apply` does about an earlier run that has not come to its end: says what happened, asks, and finishes it.

use super::super::exit::Exit;
use super::super::prompt;
use super::Terminal;
use crate::journal::{Dated, Operation, Outcome, Status, StepRun};
use crate::model::{Class, Failure};
use crate::pipeline::{self, Context};
use crate::report::{Line, Text, moment};
use crate::store::{Held, LockNote};

/// Finishes the open run of this plan file, if there is one. Answers how the process ends when apply must not go on.
pub(super) async fn before_apply(
    plan: &str,
    context: &Context<'_>,
    held: &mut dyn Held,
    terminal: &Terminal<'_>,
) -> Result<Option<Exit>, Failure> {
    let history = pipeline::history(context.world, context.store).await?.of_plan(plan);
    let Some(open) = history.open() else { return Ok(None) };
    let told: Text = story(open, held.died_before()).into_iter().map(Line::plain).collect();
    terminal.output.aside(&told);
    if !terminal.args.resume && !asked(&open.id, terminal).await? {
        return Ok(Some(Exit::Stopped));
    }
    let applied = pipeline::resume(context, &open.id, held).await?;
    let goes_on = matches!(applied.outcome, Some(Outcome::Applied | Outcome::Held));
    if open.run.operation == Operation::Apply && goes_on {
        terminal.pass(&applied)?;
        return Ok(None);
    }
    terminal.conclude(&applied).map(Some)
}

/// What is known of the run: who began it, when, what it was about, and how far it came.
fn story(open: &Dated, died: Option<&LockNote>) -> Vec<String> {
    let what = match &open.run.operation {
        Operation::Apply => format!("apply of {}", open.run.plan),
        Operation::Rollback { run } => format!("rollback of run {run}"),
        Operation::Evidence { what, .. } => what.clone(),
    };
    let how = match (open.run.outcome, died) {
        (Some(_), _) => "stopped before its end".to_owned(),
        (None, Some(note)) => format!("has no end in its journal: {note} ended without unlocking"),
        (None, None) => "has no end in its journal".to_owned(),
    };
    let count = |what: &dyn Fn(&StepRun) -> bool| open.run.steps.iter().filter(|step| what(step)).count();
    let done = count(&|step| matches!(step.status, Status::Done | Status::AlreadyThere));
    let begun: Vec<&str> =
        open.run.steps.iter().filter(|step| step.status == Status::Started).map(|step| step.step.id.as_str()).collect();
    let mut lines =
        vec![format!("Run {} ({what} by {}, begun {}) {how}.", open.id, open.run.who, moment(open.run.opened))];
    lines.push(format!("  {done} of {} steps that change something are done.", open.run.steps.len()));
    if !begun.is_empty() {
        lines.push(format!("  begun, and not known how they ended: {}", begun.join(", ")));
    }
    lines
}

/// How an open run is undone, and what else can be done about it.
fn ways(id: &str) -> (String, String) {
    let rollback = format!("`pgentra rollback {id}` undoes it");
    let remedy = format!("`pgentra apply --resume` finishes it; {rollback}");
    (rollback, remedy)
}

/// Asks where somebody is there to answer; otherwise says how it goes on.
async fn asked(id: &str, terminal: &Terminal<'_>) -> Result<bool, Failure> {
    let (rollback, remedy) = ways(id);
    let explanation = format!("Otherwise {rollback}; nothing else is applied before.");
    let answer = prompt::confirm("Do you want to finish that run now?", &explanation, &remedy, terminal.stop).await;
    answer.map_err(|failure| match failure.class {
        Class::Input => unfinished(id),
        _ => failure,
    })
}

/// Nobody is there to say what becomes of an open run.
pub(in crate::cli) fn unfinished(id: &str) -> Failure {
    Failure::new(Class::Interrupted, "an earlier run has not come to its end")
        .detail(format!("run {id}: nothing else is applied before it is finished or undone"))
        .remedy(ways(id).1)
}
