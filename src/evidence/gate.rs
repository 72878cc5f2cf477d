//! The gate: whether the evidence is enough by now, what is missing, and the earliest time at which it can be enough.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::ledger::Ledger;
use super::observation::{Scope, Times};
use super::record::{Override, Record};
use super::terms::Terms;
use super::window::{Window, unvouched, window};
use crate::model::{in_words, moment};

/// The moment at which a gate is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// What time it is.
    pub at: Times,
    /// What the gate is about now, or why that cannot be read.
    pub scope: Result<Scope, String>,
    /// What can be seen now of what observations note.
    pub noted: BTreeMap<String, String>,
}

impl Now {
    /// A moment at which nothing of what observations note has to be seen.
    pub fn new(at: Times, scope: Result<Scope, String>) -> Self {
        Self { at, scope, noted: BTreeMap::new() }
    }
}

/// The answer of a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it opens.
    pub open: bool,
    /// What is missing, in sentences without a full stop; empty when the evidence is enough.
    pub missing: Vec<String>,
    /// The earliest time at which the evidence can be enough, when nothing more goes wrong.
    pub earliest: Option<Timestamp>,
    /// The window that was found.
    pub window: Window,
    /// Every override of this gate so far, oldest first; those that no longer hold too.
    pub overrides: Vec<Override>,
    /// Whether the last of them is why it opens.
    pub overridden: bool,
}

impl Decision {
    /// What is missing and the earliest time, in one line.
    pub fn reason(&self) -> String {
        let missing = self.missing.join("; ");
        match self.earliest {
            Some(earliest) => format!("{missing}; not before {}", moment(earliest)),
            None => missing,
        }
    }
}

/// Decides whether a gate opens. Never without dated, live, unbroken, vouched-for evidence of the scope as it is now, or
/// an override that still holds; and never while what observations have to have noted is otherwise now.
pub fn decide(terms: &Terms, ledger: &Ledger, now: &Now) -> Decision {
    let window = window(terms, ledger);
    let mut decision = Decision { overrides: overrides(terms, ledger), ..Decision::default() };
    match now.at.dated() {
        // Before the app is migrated there is nobody to ask either; then it is the evidence that is missing.
        Err(_) if window.observations.is_empty() => decision.missing.push(nothing(&window)),
        Err(why) => decision.missing.push(format!("what time it is is not known: {why}")),
        Ok(at) => {
            let lost = lost(terms, &window, now, at);
            let began = if lost.is_empty() { window.began().unwrap_or(at) } else { at };
            decision.missing.extend(lost);
            decision.missing.extend(lacking(terms, &window));
            decision.overridden = holds(terms, ledger, now, at);
            decision.earliest =
                began.checked_add(terms.period).ok().map(whole_second).filter(|earliest| *earliest > at);
        }
    }
    decision.open = decision.missing.is_empty() || decision.overridden;
    if decision.missing.is_empty() {
        decision.earliest = None;
    }
    Decision { window, ..decision }
}

/// The next whole second: what is shown without fractions has to be late enough.
fn whole_second(at: Timestamp) -> Timestamp {
    let fraction = SignedDuration::from_nanos(at.subsec_nanosecond().into());
    if fraction.is_zero() { at } else { at.checked_add(SignedDuration::from_secs(1) - fraction).unwrap_or(at) }
}

/// Why the window is worth nothing by now, so that the period has to begin again.
fn lost(terms: &Terms, window: &Window, asked: &Now, now: Timestamp) -> Vec<String> {
    let scope = &asked.scope;
    let mut lost = otherwise(terms, asked);
    let Some(ended) = window.ended() else {
        lost.push(nothing(window));
        return lost;
    };
    if let Some(newest) = window.newest.filter(|newest| now < *newest) {
        let (now, newest) = (moment(now), moment(newest));
        lost.push(format!("the clock went backwards: it is {now}, and the newest observation is of {newest}"));
    }
    let age = now.duration_since(ended);
    if age > terms.longest_gap() {
        let (age, most) = (in_words(age), in_words(terms.longest_gap()));
        lost.push(format!("the last passing observation is {age} old; at most {most} is allowed"));
    }
    match (scope, &window.scope) {
        (Ok(now), Some(was)) if now.digest() != was.digest() => {
            lost.push(format!("its scope changed since the last observation: {}", was.differing(now).join(", ")));
        }
        _ => {}
    }
    if let Err(why) = scope {
        lost.push(format!("what it is about cannot be read: {why}"));
    }
    lost
}

/// What is not now as observations have to have noted it.
fn otherwise(terms: &Terms, now: &Now) -> Vec<String> {
    let other = |(name, wanted): (&String, &String)| match now.noted.get(name) {
        Some(found) if found == wanted => None,
        Some(found) => Some(format!("{name} is {found} instead of {wanted}")),
        None => Some(format!("{name} cannot be seen")),
    };
    terms.noted.iter().filter_map(other).collect()
}

/// An empty window in words.
fn nothing(window: &Window) -> String {
    match window.restarts.last() {
        Some(restart) => format!("no observation passed since the window started again ({})", restart.why),
        None => "no observation passed yet".to_owned(),
    }
}

/// What the window lacks yet.
fn lacking(terms: &Terms, window: &Window) -> Vec<String> {
    let mut lacking = Vec::new();
    let (Some(began), Some(ended)) = (window.began(), window.ended()) else { return lacking };
    if let Some(why) = &window.unseeing {
        lacking.push(format!("the newest observation is no evidence: {why}"));
    }
    if window.length() < terms.period {
        let (length, period) = (in_words(window.length()), in_words(terms.period));
        let observations = window.observations.len();
        let plural = if observations == 1 { "observation" } else { "observations" };
        lacking.push(format!("{length} of {period} are covered, by {observations} {plural}"));
    }
    if window.covered_until.is_none() {
        let why =
            "no sensor covers the time between observations: add one that reads server logs or the app's fallbacks";
        lacking.push(why.to_owned());
    }
    let inside = |at: Timestamp| began <= at && at <= ended;
    for event in &terms.coverage {
        if !window.events.iter().any(|(seen, at)| seen == event && inside(*at)) {
            lacking.push(format!("no {event} was seen since {}", moment(began)));
        }
    }
    lacking
}

fn overrides(terms: &Terms, ledger: &Ledger) -> Vec<Override> {
    let of = |record: &Record| match record {
        Record::Override(record) if record.gate() == terms.gate => Some(record.clone()),
        _ => None,
    };
    ledger.entries.iter().filter_map(|entry| of(&entry.record)).collect()
}

/// Whether the newest override still holds: nothing failed and neither the scope nor what is noted changed since, and it
/// is no older than the period of the gate.
fn holds(terms: &Terms, ledger: &Ledger, now: &Now, at: Timestamp) -> bool {
    let trusted = ledger.trusted();
    let newest = trusted
        .iter()
        .rposition(|entry| matches!(&entry.record, Record::Override(record) if record.gate() == terms.gate));
    let Some((index, entry)) = newest.and_then(|index| Some((index, trusted.get(index)?))) else { return false };
    let Record::Override(given) = &entry.record else { return false };
    let (Ok(since), None) = (given.at.dated(), unvouched(terms, entry.standing)) else { return false };
    let age = at.duration_since(since);
    let fresh = SignedDuration::ZERO <= age && age <= terms.period;
    let same = matches!((&now.scope, &given.scope), (Ok(now), Some(was)) if now.digest() == was.digest());
    let spoilt = trusted.iter().skip(index).any(|entry| match &entry.record {
        Record::Observation(seen) if seen.validation == terms.validation => !seen.failures().is_empty(),
        _ => false,
    });
    let unchanged = entry.seq >= terms.not_before && otherwise(terms, now).is_empty();
    fresh && same && unchanged && !spoilt
}
