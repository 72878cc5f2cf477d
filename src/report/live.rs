//! Progress of a run, one line per event, in Terraform's words; nothing but the journal's events feeds it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::tally::GATES;
use super::text::{Line, Tone};
use crate::journal::{Event, Record};

/// Follows a run.
#[derive(Clone, Debug, Default)]
pub struct Live {
    verbs: BTreeMap<String, Verb>,
    running: BTreeMap<String, Timestamp>,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Create,
    Modify,
    Destroy,
    Check,
    Ask,
}

impl Verb {
    fn doing(self) -> &'static str {
        match self {
            Self::Create => "Creating...",
            Self::Modify => "Modifying...",
            Self::Destroy => "Destroying...",
            Self::Check => "Checking...",
            Self::Ask => "Asking...",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Create => "Creation complete",
            Self::Modify => "Modifications complete",
            Self::Destroy => "Destruction complete",
            Self::Check => "Check passed",
            Self::Ask => "Open",
        }
    }
}

impl Live {
    /// Takes one event in and says what to print for it, if anything.
    pub fn hear(&mut self, record: &Record) -> Option<Line> {
        let name = |step: &str| Line::of(Tone::Strong, step).and(": ");
        Some(match &record.event {
            Event::Opened { .. }
            | Event::Leans { .. }
            | Event::GoesDown { .. }
            | Event::Resumed { .. }
            | Event::Accepted { .. }
            | Event::Closed { .. } => return None,
            Event::Planned { steps } => {
                for step in steps {
                    let verb = match (step.address.kind.as_str(), &step.before, &step.after) {
                        ("check", ..) => Verb::Check,
                        (kind, ..) if GATES.contains(&kind) => Verb::Ask,
                        (_, None, _) => Verb::Create,
                        (_, _, None) => Verb::Destroy,
                        _ => Verb::Modify,
                    };
                    self.verbs.insert(step.id.clone(), verb);
                }
                return None;
            }
            Event::Started { step, .. } => {
                self.running.insert(step.clone(), record.at);
                name(step).and(self.verb(step).doing())
            }
            Event::Done { step, .. } => {
                let took = self.took(step, record.at);
                name(step).with(Tone::Good, self.verb(step).done()).and(took)
            }
            Event::AlreadyThere { step, .. } => name(step).with(Tone::Good, "Already as wanted"),
            Event::Held { step, reason, .. } => {
                self.running.remove(step);
                name(step).with(Tone::Change, "Held").and(format!(": {reason}"))
            }
            Event::Failed { step, error, refused } => {
                let took = self.took(step, record.at);
                let word = if *refused { "Refused, nothing written" } else { "Failed" };
                name(step).with(Tone::Bad, word).and(format!("{took}: {error}"))
            }
            Event::UndoStarted { step } => {
                self.running.insert(step.clone(), record.at);
                name(step).and("Undoing...")
            }
            Event::Undone { step } => {
                let took = self.took(step, record.at);
                name(step).with(Tone::Change, "Undone").and(took)
            }
            Event::Kept { step, reason } => name(step).with(Tone::Change, "Kept").and(format!(": {reason}")),
            Event::UndoFailed { step, error } => {
                let took = self.took(step, record.at);
                name(step).with(Tone::Bad, "Undo failed").and(format!("{took}: {error}"))
            }
        })
    }

    /// The steps that run now, and since when.
    pub fn running(&self) -> &BTreeMap<String, Timestamp> {
        &self.running
    }

    fn verb(&self, step: &str) -> Verb {
        self.verbs.get(step).copied().unwrap_or(Verb::Modify)
    }

    fn took(&mut self, step: &str, now: Timestamp) -> String {
        self.running.remove(step).map(|since| format!(" after {}", elapsed(since, now))).unwrap_or_default()
    }
}

/// A span of time as Terraform prints it: `8s`, `2m03s`. A clock that went backwards gives `0s`.
pub fn elapsed(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{:02}s", seconds / 60, seconds % 60) }
}
