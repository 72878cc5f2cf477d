//! Runs as pages: the history table, one run's events, and what a run came to with what to do next.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::page::{Block, Page};
use super::stream::{resources_done, resources_words};
use super::tally::{Fate, Tally, moment};
use super::text::{Line, Tone};
use crate::journal::{Event, Operation, Outcome, Record};
use crate::model::Failure;

/// One run: its id and its journal.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The run's id.
    pub id: &'a str,
    /// Its journal from the first record.
    pub records: &'a [Record],
}

/// The table of runs, in the order given.
pub fn history(runs: &[Run<'_>]) -> Page {
    let tallies: Vec<(&str, Tally)> = runs.iter().map(|run| (run.id, Tally::of(run.records))).collect();
    let undone = undone(&tallies);
    let row = |(id, tally): &(&str, Tally)| {
        let ending = tally.ending();
        let ending = if undone.contains_key(id) { format!("{ending}, undone") } else { ending.to_owned() };
        vec![
            Line::of(Tone::Strong, id),
            Line::plain(tally.opened.map(moment).unwrap_or_default()),
            Line::plain(&tally.who),
            Line::plain(tally.operation()),
            Line::of(outcome_tone(tally.outcome), ending),
            Line::plain(tally.counts()),
        ]
    };
    let block = if tallies.is_empty() {
        Block::Lines(vec![Line::plain("No runs yet.")])
    } else {
        let head = vec!["RUN", "BEGAN", "WHO", "OPERATION", "OUTCOME", "STEPS"];
        Block::Table { head, rows: tallies.iter().map(row).collect() }
    };
    let data = |(id, tally): &(&str, Tally)| {
        let mut data = run_data(id, tally);
        if let Json::Object(data) = &mut data {
            data.insert("undone_by".to_owned(), json!(undone.get(id)));
        }
        data
    };
    let runs: Vec<Json> = tallies.iter().map(data).collect();
    Page { blocks: vec![block], data: json!({ "format_version": "1.0", "runs": runs }).into() }
}

/// Which run undid which, runs given newest first. One that was undone itself counts for nothing.
fn undone<'a>(tallies: &'a [(&'a str, Tally)]) -> BTreeMap<&'a str, &'a str> {
    let mut undone = BTreeMap::new();
    for (id, tally) in tallies.iter().filter(|(_, tally)| tally.outcome == Some(Outcome::Applied)) {
        if let (Some(Operation::Rollback { run }), false) = (&tally.operation, undone.contains_key(id)) {
            undone.entry(run.as_str()).or_insert(*id);
        }
    }
    undone
}

fn outcome_tone(outcome: Option<Outcome>) -> Tone {
    match outcome {
        Some(Outcome::Applied) => Tone::Good,
        Some(Outcome::Held | Outcome::RolledBack) => Tone::Change,
        Some(Outcome::Stopped | Outcome::Stuck) | None => Tone::Bad,
    }
}

fn run_data(id: &str, tally: &Tally) -> Json {
    json!({
        "run": id,
        "plan": tally.plan,
        "operation": tally.operation,
        "who": tally.who,
        "began": tally.opened.map(moment),
        "ended": tally.closed.map(moment),
        "outcome": tally.outcome,
        "steps": tally.order.iter().map(|step| step_data(step, tally)).collect::<Vec<_>>(),
    })
}

fn step_data(step: &str, tally: &Tally) -> Json {
    let fate = tally.fates.get(step).unwrap_or(&Fate::Planned);
    let (detail, earliest) = match fate {
        Fate::Held { reason, earliest } => (Some(reason), *earliest),
        Fate::Failed { error, .. } | Fate::UndoFailed(error) => (Some(error), None),
        Fate::Kept(reason) => (Some(reason), None),
        _ => (None, None),
    };
    let error = tally.failures.iter().find(|(failed, _)| failed == step).map(|(_, error)| error);
    json!({ "step": step, "status": fate.word(), "detail": detail, "earliest": earliest.map(moment), "error": error })
}

/// Every event of one run with its time.
pub fn run(run: Run<'_>) -> Page {
    let tally = Tally::of(run.records);
    let head = Line::of(Tone::Strong, format!("Run {}", run.id))
        .and(format!(": {} of {} by {}, ", tally.operation(), tally.plan, tally.who))
        .with(outcome_tone(tally.outcome), tally.ending());
    let rows = run.records.iter().map(|record| {
        let (tone, event, subject, detail) = telling(&record.event);
        let time = Line::of(Tone::Faint, moment(record.at));
        vec![time, Line::of(tone, event), Line::plain(subject), Line::plain(detail)]
    });
    let table = Block::Table { head: vec!["TIME", "EVENT", "STEP", "DETAIL"], rows: rows.collect() };
    let mut data = run_data(run.id, &tally);
    if let Json::Object(data) = &mut data {
        data.insert("format_version".to_owned(), json!("1.0"));
        let events = run.records.iter().map(|record| {
            let (_, event, subject, detail) = telling(&record.event);
            json!({ "seq": record.seq, "at": moment(record.at), "event": event, "step": subject, "detail": detail })
        });
        data.insert("events".to_owned(), events.collect());
    }
    Page {
        blocks: vec![Block::Heading(head), table, Block::Verdict(Line::plain(format!("{}.", tally.counts())))],
        data: data.into(),
    }
}

/// An event as tone, word, step and detail. The steps' contents are not told: `show` is for them.
fn telling(event: &Event) -> (Tone, &'static str, &str, String) {
    let none = String::new;
    match event {
        Event::Opened { version, digest, .. } => {
            (Tone::Plain, "opened", "", format!("pgentra {version}, plan digest {digest}"))
        }
        Event::Leans { on } => (Tone::Plain, "leans", "", super::plan::plural(on.len(), "resource", "resources")),
        Event::Planned { steps } => (Tone::Plain, "planned", "", super::plan::plural(steps.len(), "step", "steps")),
        Event::Resumed { who } => (Tone::Plain, "resumed", "", format!("by {who}")),
        Event::Started { step, .. } => (Tone::Plain, "started", step, none()),
        Event::Accepted { step, .. } => (Tone::Plain, "accepted", step, "the service works on it".to_owned()),
        Event::AlreadyThere { step, .. } => (Tone::Good, "already there", step, none()),
        Event::Done { step, .. } => (Tone::Good, "done", step, none()),
        Event::Held { step, reason, earliest } => (Tone::Change, "held", step, until(reason, *earliest)),
        Event::Failed { step, error, refused } => {
            (Tone::Bad, if *refused { "refused" } else { "failed" }, step, error.clone())
        }
        Event::GoesDown { steps } => (Tone::Plain, "goes down", "", super::plan::plural(steps.len(), "step", "steps")),
        Event::UndoStarted { step } => (Tone::Plain, "undo started", step, none()),
        Event::Undone { step } => (Tone::Change, "undone", step, none()),
        Event::Kept { step, reason } => (Tone::Plain, "kept", step, reason.clone()),
        Event::UndoFailed { step, error } => (Tone::Bad, "undo failed", step, error.clone()),
        Event::Closed { outcome } => {
            (outcome_tone(Some(*outcome)), "closed", "", super::tally::outcome_word(*outcome).into())
        }
    }
}

fn until(reason: &str, earliest: Option<jiff::Timestamp>) -> String {
    earliest.map_or_else(|| reason.to_owned(), |at| format!("{reason} (not before {})", moment(at)))
}

/// What a run came to: what was done, what failed with cause and remedy, what to do next. `earlier` are the runs of the same
/// rollback that came before it. `failures` are the failures by step id as far as this process saw them; the journal has only
/// their first line.
pub fn outcome(run: Run<'_>, earlier: &[Run<'_>], failures: &[(String, Failure)]) -> Page {
    let tally = Tally::of(run.records);
    let before: Vec<Tally> = earlier.iter().map(|run| Tally::of(run.records)).collect();
    let all: Vec<&Tally> = before.iter().chain([&tally]).collect();
    let mut blocks: Vec<Block> = tally.failures.iter().map(|(step, error)| failed(step, error, failures)).collect();
    let told = all.iter().flat_map(|tally| tally.order.iter().filter_map(|step| worth_telling(step, tally)));
    let lines: Vec<Line> = told.collect();
    if !lines.is_empty() {
        blocks.push(Block::Lines(lines));
    }
    let made = resources_words(resources_done(run, earlier));
    blocks.push(Block::Verdict(ending(&tally, &made, &Tally::counts_of(&all))));
    let next = next(run.id, &tally);
    if let Some(next) = next.clone() {
        blocks.push(Block::Lines(vec![next]));
    }
    let mut data = run_data(run.id, &tally);
    if let Json::Object(data) = &mut data {
        data.insert("format_version".to_owned(), json!("1.0"));
        data.insert("next".to_owned(), json!(next.map(|line| line.text())));
        let earlier = earlier.iter().zip(&before).map(|(run, tally)| run_data(run.id, tally));
        data.insert("earlier".to_owned(), earlier.collect());
        let failures = failures
            .iter()
            .map(|(step, failure)| json!({ "step": step, "failure": super::plan_json::failure_data(failure) }));
        data.insert("failures".to_owned(), failures.collect());
    }
    Page { blocks, data: data.into() }
}

fn failed(step: &str, error: &str, failures: &[(String, Failure)]) -> Block {
    let known = failures.iter().find(|(of, _)| of == step).map(|(_, failure)| failure);
    let summary = known.map_or(error, |failure| failure.summary);
    let head = Line::of(Tone::Bad, "Error: ").with(Tone::Strong, step).and(": ").and(summary);
    Block::Lines([head].into_iter().chain(known.map(super::failure::details).unwrap_or_default()).collect())
}

fn worth_telling(step: &str, tally: &Tally) -> Option<Line> {
    let line = |tone: Tone, word: &str| Line::plain("  ").with(tone, word).and(" ").with(Tone::Strong, step);
    match tally.fates.get(step)? {
        Fate::Held { reason, earliest } => {
            Some(line(Tone::Change, "held").and(format!(": {}", until(reason, *earliest))))
        }
        Fate::Undone => Some(line(Tone::Change, "undone")),
        Fate::Kept(reason) => Some(line(Tone::Plain, "kept").and(format!(": {reason}"))),
        Fate::UndoFailed(error) => Some(line(Tone::Bad, "not undone").and(format!(": {error}"))),
        Fate::Started => Some(line(Tone::Change, "unfinished")),
        Fate::Undoing => Some(line(Tone::Change, "undo unfinished")),
        Fate::Failed { refused: true, .. } => Some(line(Tone::Change, "unchanged").and(": nothing was written")),
        Fate::Planned | Fate::AlreadyThere | Fate::Done | Fate::Failed { .. } => None,
    }
}

/// The page of an apply that had nothing to do: that of the plan, ended as tools for Terraform expect an apply to end.
pub fn nothing_done(mut page: Page) -> Page {
    let done = Line::of(Tone::Good, "Apply complete!").and(format!(" {}", resources_words([0; 3])));
    page.blocks.push(Block::Lines(vec![done]));
    page
}

fn ending(tally: &Tally, made: &str, counts: &str) -> Line {
    let tone = outcome_tone(tally.outcome);
    let rollback = matches!(tally.operation, Some(Operation::Rollback { .. }));
    let complete = if rollback { "Rollback complete!" } else { "Apply complete!" };
    // The words and their order are Terraform's up to the counts of resources.
    let (text, made) = match tally.outcome {
        Some(Outcome::Applied) => (complete, format!(" {made}")),
        Some(Outcome::Held) => (complete, format!(" {made} All that may be done is done; a gate holds the rest.")),
        _ => (failed_ending(tally.outcome), String::new()),
    };
    Line::of(tone, text).and(format!("{made} Steps: {counts}."))
}

fn failed_ending(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::RolledBack) => "Apply failed; what this run did was undone.",
        Some(Outcome::Stopped) => "The run stopped before its end.",
        Some(Outcome::Stuck) => "A person has to look; nothing was overwritten.",
        None => "The run has no end in its journal: it was interrupted.",
        Some(Outcome::Applied | Outcome::Held) => "",
    }
}

fn next(id: &str, tally: &Tally) -> Option<Line> {
    let text = match tally.outcome {
        Some(Outcome::Applied) => return None,
        Some(Outcome::Held) => "Next: run `pgentra apply` again when the gate may open.".to_owned(),
        Some(Outcome::RolledBack) => "Next: mend the cause, then run `pgentra apply` again.".to_owned(),
        Some(Outcome::Stopped) | None => {
            format!("Next: `pgentra apply` resumes it; `pgentra rollback {id}` undoes it.")
        }
        Some(Outcome::Stuck) => {
            format!("Next: look at what differs (`pgentra show {id}`, `pgentra plan`), then decide.")
        }
    };
    Some(Line::plain(text))
}
