//! Where a plan file stands, on one page: who holds the lock, which run is open, what is held, what has drifted.

use serde_json::json;

use super::page::{Block, Page};
use super::tally::{Tally, moment};
use super::text::{Line, Tone};
use super::{GateLine, ListLine, Run, failure, standing};
use crate::diff::{Action, Change, Reason};

/// What is known of a plan file's state.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    /// Where the store is.
    pub store: &'a str,
    /// Who holds its lock.
    pub holder: Option<&'a str>,
    /// The run that has not come to its end.
    pub open: Option<Run<'a>>,
    /// The last run.
    pub last: Option<Run<'a>>,
    /// What one look at every resource found, with whether it holds.
    pub looks: &'a [(Change, bool)],
    /// The checklist and the success criteria.
    pub checklist: &'a [ListLine],
    /// The gates.
    pub gates: &'a [GateLine],
}

/// The page of a state.
pub fn status(state: &Status<'_>) -> Page {
    let mut head = vec![Line::of(Tone::Strong, "Store: ").and(state.store)];
    head.push(match state.holder {
        Some(who) => Line::of(Tone::Change, "Lock: ").and(format!("held by {who}")),
        None => Line::of(Tone::Strong, "Lock: ").and("free"),
    });
    if let Some(open) = &state.open {
        head.push(match state.holder {
            // Whoever holds the lock is at it.
            Some(_) => Line::of(Tone::Change, "Open run: ").and(format!("{}; it goes on", told(open))),
            None => Line::of(Tone::Bad, "Open run: ").and(format!(
                "{} has not come to its end; {}",
                told(open),
                next(open.id)
            )),
        });
    }
    head.push(match &state.last {
        Some(last) => Line::of(Tone::Strong, "Last run: ").and(told(last)),
        None => Line::of(Tone::Strong, "Last run: ").and("none yet"),
    });
    let mut blocks = vec![Block::Lines(head)];
    blocks.extend(standing::blocks(state.checklist, state.gates));
    let lines: Vec<Line> =
        state.looks.iter().filter(|(_, holds)| !holds).flat_map(|(change, _)| differs(change)).collect();
    let away = state.looks.iter().filter(|(_, holds)| !holds).count();
    let all = state.looks.len();
    if away == 0 {
        blocks.push(Block::Verdict(Line::of(
            Tone::Good,
            format!("All {all} resources and checks are as the plan file wants."),
        )));
    } else {
        blocks.push(Block::Lines(
            [Line::of(Tone::Strong, "Not as the plan file wants:")].into_iter().chain(lines).collect(),
        ));
        blocks.push(Block::Verdict(Line::plain(format!("{away} of {all} are not as the plan file wants."))));
    }
    let notes: Vec<Line> =
        state.looks.iter().filter(|(_, holds)| *holds).flat_map(|(change, _)| noted(change)).collect();
    if !notes.is_empty() {
        blocks.push(Block::Lines([Line::of(Tone::Strong, "Besides:")].into_iter().chain(notes).collect()));
    }
    blocks.push(Block::Consequences(vec![standing::verdict(state.checklist)]));
    Page { blocks, data: data(state).into() }
}

fn told(run: &Run<'_>) -> String {
    let tally = Tally::of(run.records);
    let began = tally.opened.map(moment).unwrap_or_default();
    format!(
        "{} ({} by {}, begun {began}): {}, {}",
        run.id,
        tally.operation(),
        tally.who,
        tally.ending(),
        tally.counts()
    )
}

fn next(id: &str) -> String {
    format!("`pgentra apply --resume` finishes it, `pgentra rollback {id}` undoes it")
}

fn word(change: &Change) -> &'static str {
    match change.action {
        _ if change.failure.is_some() => "cannot be looked at",
        Action::None => "as wanted",
        Action::Create => "missing",
        Action::Update => "differs",
        Action::Delete => "to be removed",
        Action::Check => "does not pass",
        Action::Unknown => "cannot be read yet",
        Action::Held => "held",
    }
}

fn differs(change: &Change) -> Vec<Line> {
    let tone = if change.action == Action::Held { Tone::Change } else { Tone::Bad };
    let why = match &change.reason {
        Reason::Differs(fields) if change.action == Action::Update => format!(": {}", fields.join(", ")),
        Reason::NotReadable(_) if change.failure.is_some() => String::new(),
        Reason::Gate(why) | Reason::Unreadable(why) | Reason::NotReadable(why) => format!(": {why}"),
        _ => String::new(),
    };
    let head =
        Line::plain("  ").with(Tone::Strong, change.address.to_string()).and(" ").with(tone, word(change)).and(why);
    let more = change
        .failure
        .iter()
        .flat_map(|error| [Line::plain(format!("    {}", error.summary))].into_iter().chain(failure::details(error)));
    // The first note of a gate is its reason.
    let told = |note: &&String| !matches!(&change.reason, Reason::Gate(why) if why == *note);
    let notes = change.notes.iter().filter(told).map(|note| Line::plain(format!("    {note}")));
    [head].into_iter().chain(more).chain(notes).collect()
}

/// What is to be said of something that is as wanted.
fn noted(change: &Change) -> impl Iterator<Item = Line> {
    let line =
        |note: &String| Line::plain("  ").with(Tone::Strong, change.address.to_string()).and(": ").and(note.clone());
    change.notes.iter().map(line)
}

fn data(state: &Status<'_>) -> serde_json::Value {
    let run = |run: &Run<'_>| {
        let tally = Tally::of(run.records);
        json!({
            "run": run.id, "operation": tally.operation, "who": tally.who, "began": tally.opened.map(moment),
            "outcome": tally.outcome, "steps": tally.counts(),
        })
    };
    let looks = state.looks.iter().map(|(change, holds)| {
        let state = if *holds { "as wanted" } else { word(change) };
        json!({ "address": change.address, "holds": holds, "state": state, "notes": change.notes })
    });
    json!({
        "format_version": "1.0",
        "store": state.store,
        "lock": state.holder,
        "open_run": state.open.as_ref().map(run),
        "last_run": state.last.as_ref().map(run),
        "resources": looks.collect::<Vec<_>>(),
        "complete": standing::complete(state.checklist),
        "checklist": standing::data(state.checklist),
        "gates": standing::gate_data(state.gates),
    })
}
