//! Undoes a run that has ended, as a run of its own: the same steps with their ends swapped, in reverse order.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;

use super::end::{applied, folded, keep_owned, new_run_id, opened};
use super::restate::changes_of;
use super::resume::{history, resume};
use super::{Applied, Approve, Context, Planned};
use crate::diff::{Action, Change};
use crate::engine::{Chronicle, Fit, Ran, Rules, Scope, Stay, Task, Way, back, fit, run};
use crate::journal::{Event, History, Operation, Outcome, Run};
use crate::model::{Attributes, Class, Failure, Schema, Step};
use crate::resources::World;
use crate::store::Held;

/// How `rollback` behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct RollbackOptions<'a> {
    /// The plan file's name, where several share a store.
    pub plan: Option<&'a str>,
    /// Undo also what is kept otherwise.
    pub remove_kept: bool,
    /// Undo all runs from the newest back to the one named.
    pub through: bool,
}

/// One run and what undoes it.
struct Back {
    id: String,
    run: Run,
    tasks: Vec<Task>,
    /// The steps that cannot be undone.
    stuck: Vec<(String, Failure)>,
}

/// Undoes a run (`None`: the newest of which something stands): shows what that changes, asks, and does it, wherever
/// nobody else has changed anything since. A rollback that had stopped is taken up again, as it was approved; what is asked
/// for beyond it is shown and done after it. The journal of the run that is undone is left as it is.
///
/// # Errors
/// `Input`: there is nothing to undo, or a later run's steps lean on it; otherwise what a look or the journal meets.
pub async fn rollback(
    context: &Context<'_>,
    id: Option<&str>,
    how: RollbackOptions<'_>,
    held: &mut dyn Held,
    approve: &dyn Approve,
) -> Result<Applied, Failure> {
    let history = of_plan(context, how).await?;
    let Some((open, undone)) = unfinished(&history, id, how) else {
        return undo_all(context, &history, &targets(&history, id, how)?, how, held, approve).await;
    };
    let resumed = resume(context, &open, held).await?;
    if resumed.outcome != Some(Outcome::Applied) {
        return Ok(resumed);
    }
    let history = of_plan(context, how).await?;
    let left = left(&history, &undone, id, how);
    if left.is_empty() {
        return Ok(resumed);
    }
    let last = undo_all(context, &history, &left, how, held, approve).await?;
    Ok(if last.run.is_some() { after(resumed, last) } else { resumed })
}

async fn of_plan(context: &Context<'_>, how: RollbackOptions<'_>) -> Result<History, Failure> {
    let history = history(context.world, context.store).await?;
    Ok(match how.plan {
        Some(plan) => history.of_plan(plan),
        None => history,
    })
}

/// Undoes these runs one after the other.
async fn undo_all(
    context: &Context<'_>,
    history: &History,
    targets: &[String],
    how: RollbackOptions<'_>,
    held: &mut dyn Held,
    approve: &dyn Approve,
) -> Result<Applied, Failure> {
    let (mut backs, mut shown) = (Vec::new(), Planned::default());
    for target in targets {
        let undone = history.undone_steps(target);
        let target = Target { id: target, undone: &undone, newest: backs.is_empty() };
        let back = plan_back(context, &target, how, &mut shown).await?;
        backs.push(back);
    }
    let nothing = backs.iter().all(|back| back.tasks.is_empty());
    if nothing {
        approve.nothing(&shown)?;
    } else if !approve.approve(&shown, 0).await? {
        return Ok(Applied::default());
    }
    let mut last = Applied::default();
    for back in backs {
        last = after(last, walk_back(context, back, held).await?);
        if !matches!(last.outcome, None | Some(Outcome::Applied)) {
            break;
        }
    }
    Ok(last)
}

/// What a rollback came to that `before` belongs to, too.
fn after(before: Applied, mut last: Applied) -> Applied {
    last.stuck.splice(0..0, before.stuck);
    last.earlier.splice(0..0, before.earlier.into_iter().chain(before.run.map(|run| (run, before.records))));
    last
}

/// The rollback that was begun and not ended, if it is part of what is meant; and the run that it undoes.
fn unfinished(history: &History, id: Option<&str>, how: RollbackOptions<'_>) -> Option<(String, String)> {
    let open = match id {
        Some(id) if how.through => history.back_to(id).into_iter().find_map(|run| history.open_rollback_of(&run.id)),
        Some(id) => history.open_rollback_of(id),
        None => history.open(),
    };
    let open = open?;
    match &open.run.operation {
        Operation::Rollback { run } => Some((open.id.clone(), run.clone())),
        _ => None,
    }
}

/// What is asked for beyond a rollback of `undone` that has come to its end.
fn left(history: &History, undone: &str, id: Option<&str>, how: RollbackOptions<'_>) -> Vec<String> {
    let kept = history.get(undone).filter(|run| how.remove_kept && history.keeps(run));
    let through = id.filter(|_| how.through).map(|id| history.back_to(id)).unwrap_or_default();
    kept.into_iter().chain(through).map(|dated| dated.id.clone()).collect()
}

/// The runs to undo, newest first.
fn targets(history: &History, id: Option<&str>, how: RollbackOptions<'_>) -> Result<Vec<String>, Failure> {
    let none =
        || Failure::new(Class::Input, "there is no run that can be undone").remedy("`pgentra history` lists them");
    let Some(id) = id else {
        let kept = || history.newest_kept().filter(|_| how.remove_kept);
        return history.newest().or_else(kept).map(|newest| vec![newest.id.clone()]).ok_or_else(none);
    };
    let target = history.get(id).ok_or_else(|| {
        Failure::new(Class::NotFound, "there is no such run").detail(id).remedy("`pgentra history` lists the runs")
    })?;
    if how.through {
        let runs: Vec<String> = history.back_to(id).into_iter().map(|dated| dated.id.clone()).collect();
        return if runs.is_empty() { Err(none()) } else { Ok(runs) };
    }
    let kept = how.remove_kept && history.keeps(target);
    if let Some(by) = history.undone_by(id).filter(|_| !kept) {
        return Err(Failure::new(Class::Input, "the run was undone already")
            .detail(format!("run {id}, by run {}", by.id))
            .remedy(format!("`pgentra rollback {}` would undo that", by.id)));
    }
    if let Some(later) = history.leaning_on(id) {
        return Err(Failure::new(Class::Input, "the run cannot be undone before a later one")
            .detail(format!("steps of run {} lean on what run {id} did", later.id))
            .remedy(format!("`pgentra rollback --through {id}` undoes both, the newest first")));
    }
    Ok(vec![target.id.clone()])
}

/// A run that is to be undone.
struct Target<'a> {
    id: &'a str,
    /// Its steps that an earlier rollback undid: all but what that one kept.
    undone: &'a BTreeSet<String>,
    /// Whether it is the first to be undone, so that its steps can be held against the live system now.
    newest: bool,
}

/// Plans the way back of one run and adds it to what is shown.
async fn plan_back(
    context: &Context<'_>,
    run: &Target<'_>,
    how: RollbackOptions<'_>,
    shown: &mut Planned,
) -> Result<Back, Failure> {
    let Context { world, store, .. } = *context;
    let schemas = |kind: &str| -> Option<&'static Schema> { world.schema(kind) };
    let target = folded(store, run.id).await?;
    let all = back(&target, &|step| !run.undone.contains(&step.step.id), how.remove_kept, &schemas);
    let fits = if run.newest { fits(context, &all).await? } else { all.iter().map(|_| Fit::Fits).collect() };
    let (mut tasks, mut stuck): (Vec<Task>, Vec<(String, Failure)>) = (Vec::new(), Vec::new());
    for (task, fit) in all.into_iter().zip(fits) {
        let step = &task.step;
        let standing = stuck.iter().find(|(id, _)| step.leans_on.contains(id));
        let stay = match (&task.stay, standing) {
            _ if fit == Fit::AlreadyThere && task.stay.is_some() => continue,
            (Some(stay), _) => Some(stay.clone()),
            (None, Some((on, _))) => Some(Stay::Never(format!("{on} leans on it and cannot be undone"))),
            (None, None) if fit == Fit::Fits => lost(world, step).await.map(Stay::Never),
            (None, None) => None,
        };
        if let Some(stay) = stay {
            if let Stay::Never(why) = &stay {
                let failure = Failure::new(Class::Other, "the step cannot be undone").detail(why.clone());
                let failure = failure.remedy("it needs a person: bring it back by hand, or let it stay");
                stuck.push((step.id.clone(), failure));
            }
            shown.stays.push((step.id.clone(), stay));
        } else {
            show(shown, step, &fit, &schemas);
            tasks.push(task);
        }
    }
    shown.steps.extend(tasks.iter().map(|task| task.step.clone()));
    Ok(Back { id: run.id.to_owned(), run: target, tasks, stuck })
}

/// How the steps fit the live system. One that cannot be looked at stops its own branch alone, as one that somebody else
/// changed does.
///
/// # Errors
/// The first one, when nothing can be looked at.
async fn fits(context: &Context<'_>, tasks: &[Task]) -> Result<Vec<Fit>, Failure> {
    let looks = tasks.iter().map(|task| fit(context.world, &task.step, true));
    let looks = futures::stream::iter(looks).buffered(context.options.parallelism.max(1));
    let fits: Vec<Result<Fit, Failure>> = looks.collect().await;
    match fits.first() {
        Some(Err(failure)) if fits.iter().all(Result::is_err) => Err(failure.clone()),
        _ => Ok(fits.into_iter().map(|fit| fit.unwrap_or_else(Fit::Misfit)).collect()),
    }
}

/// What would be lost for good by undoing a step, or why nobody can tell: then it is not risked.
async fn lost(world: &dyn World, step: &Step) -> Option<String> {
    world.lost(step).await.unwrap_or_else(|failure| Some(failure.in_a_line()))
}

/// Adds a step to the change set that is shown; where several runs changed the same resource, the oldest end counts.
fn show(shown: &mut Planned, step: &Step, fit: &Fit, schemas: &dyn Fn(&str) -> Option<&'static Schema>) {
    for mut change in changes_of([step], schemas).changes {
        match fit {
            Fit::AlreadyThere => change.action = Action::None,
            Fit::Misfit(failure) => change = Change { action: Action::None, failure: Some(failure.clone()), ..change },
            Fit::Fits => {}
        }
        match shown.changes.changes.iter_mut().find(|other| other.address == change.address) {
            Some(newer) => older(newer, change),
            None => shown.changes.changes.push(change),
        }
    }
}

fn older(newer: &mut Change, older: Change) {
    newer.after = match (newer.after.take(), older.after) {
        (Some(mut newer), Some(older)) => {
            merge(&mut newer, older);
            Some(newer)
        }
        (_, older) => older,
    };
    if let (Some(before), Some(older)) = (&mut newer.before, older.before) {
        for (name, value) in older {
            before.entry(name).or_insert(value);
        }
    }
    newer.action = match (&newer.before, &newer.after) {
        (None, _) => Action::Create,
        (_, None) => Action::Delete,
        _ => Action::Update,
    };
    newer.restarts += older.restarts;
}

/// Takes the values of `from` over, map by map.
fn merge(into: &mut Attributes, from: Attributes) {
    use crate::model::Value;
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Map(into)), Value::Map(from)) => merge(into, from),
            (_, value) => _ = into.insert(name, value),
        }
    }
}

/// Walks one run back, with a journal of its own.
async fn walk_back(context: &Context<'_>, back: Back, held: &mut dyn Held) -> Result<Applied, Failure> {
    let plan = back.run.plan.clone();
    let Context { world, options, stop, .. } = *context;
    if back.tasks.is_empty() {
        let outcome = (!back.stuck.is_empty()).then_some(Outcome::Stuck);
        return Ok(Applied { outcome, stuck: back.stuck, ..Applied::default() });
    }
    let mut chronicle = Chronicle::new(&mut *held, new_run_id(context.store).await?, 0, context.listener);
    let operation = Operation::Rollback { run: back.id };
    chronicle.write(opened(&back.run.plan, &back.run.digest, operation, &options.who)).await?;
    chronicle.write(Event::Leans { on: back.run.leans }).await?;
    let steps = back.tasks.iter().map(|task| task.step.clone()).collect();
    chronicle.write(Event::Planned { steps }).await?;
    let rules = Rules { parallelism: options.parallelism, stop, way: Way::Forward(Scope::Branch) };
    let ran = run(world, &back.tasks, &mut BTreeMap::new(), &mut chronicle, rules).await?;
    let outcome = match outcome(&ran) {
        Outcome::Applied if !back.stuck.is_empty() => Outcome::Stuck,
        outcome => outcome,
    };
    chronicle.write(Event::Closed { outcome }).await?;
    let applied = applied(context, &chronicle, outcome, ran.failed, back.stuck).await;
    keep_owned(context, &plan, applied.as_ref().ok(), held).await;
    applied
}

/// How a rollback ends. What it could not undo needs a person.
pub(super) fn outcome(ran: &Ran) -> Outcome {
    if ran.interrupted {
        Outcome::Stopped
    } else if ran.failed.is_empty() {
        Outcome::Applied
    } else {
        Outcome::Stuck
    }
}
