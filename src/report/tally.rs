//! What became of each step of a run, read off its journal for reports.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::journal::{Event, Operation, Outcome, Record};

/// The kinds that are gates: asked, and never changed.
pub const GATES: [&str; 2] = ["validation", "soak"];

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Planned,
    Started,
    AlreadyThere,
    Done,
    Held { reason: String, earliest: Option<Timestamp> },
    Failed { error: String, refused: bool },
    Undoing,
    Undone,
    Kept(String),
    UndoFailed(String),
}

impl Fate {
    /// The word for it, also in JSON.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Started => "started",
            Self::AlreadyThere => "already_there",
            Self::Done => "done",
            Self::Held { .. } => "held",
            Self::Failed { .. } => "failed",
            Self::Undoing => "undo_started",
            Self::Undone => "undone",
            Self::Kept(_) => "kept",
            Self::UndoFailed(_) => "undo_failed",
        }
    }
}

/// One run in short.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) opened: Option<Timestamp>,
    pub(super) closed: Option<Timestamp>,
    pub(super) who: String,
    pub(super) plan: String,
    pub(super) operation: Option<Operation>,
    pub(super) outcome: Option<Outcome>,
    /// Step ids in the order they were planned in.
    pub(super) order: Vec<String>,
    pub(super) fates: BTreeMap<String, Fate>,
    /// Those of them that are gates: one that opened is no work that was done.
    gates: BTreeSet<String>,
    /// The errors of steps that failed, also of those that were undone later.
    pub(super) failures: Vec<(String, String)>,
}

impl Tally {
    /// Reads a journal. Takes events in any order as they come: it tells what stands there, it does not judge.
    pub(super) fn of(records: &[Record]) -> Self {
        let mut tally = Self::default();
        for record in records {
            tally.hear(record);
        }
        tally
    }

    fn hear(&mut self, record: &Record) {
        match &record.event {
            Event::Opened { operation, plan, who, .. } => {
                self.opened = Some(record.at);
                self.who.clone_from(who);
                self.plan.clone_from(plan);
                self.operation = Some(operation.clone());
            }
            Event::Planned { steps } => {
                for step in steps {
                    if GATES.contains(&step.address.kind.as_str()) {
                        self.gates.insert(step.id.clone());
                    }
                    if !self.fates.contains_key(&step.id) {
                        self.order.push(step.id.clone());
                        self.fates.insert(step.id.clone(), Fate::Planned);
                    }
                }
            }
            Event::Started { step, .. } => self.put(step, Fate::Started),
            Event::Resumed { .. } => (self.outcome, self.closed) = (None, None),
            Event::Leans { .. } | Event::Accepted { .. } | Event::GoesDown { .. } => {}
            Event::AlreadyThere { step, .. } => self.put(step, Fate::AlreadyThere),
            Event::Done { step, .. } => {
                self.failures.retain(|(failed, _)| failed != step);
                self.put(step, Fate::Done);
            }
            Event::Held { step, reason, earliest } => {
                self.put(step, Fate::Held { reason: reason.clone(), earliest: *earliest });
            }
            Event::Failed { step, error, refused } => {
                self.failures.push((step.clone(), error.clone()));
                self.put(step, Fate::Failed { error: error.clone(), refused: *refused });
            }
            Event::UndoStarted { step } => self.put(step, Fate::Undoing),
            Event::Undone { step } => self.put(step, Fate::Undone),
            Event::Kept { step, reason } => self.put(step, Fate::Kept(reason.clone())),
            Event::UndoFailed { step, error } => self.put(step, Fate::UndoFailed(error.clone())),
            Event::Closed { outcome } => {
                self.outcome = Some(*outcome);
                self.closed = Some(record.at);
            }
        }
    }

    fn put(&mut self, step: &str, fate: Fate) {
        if self.fates.insert(step.to_owned(), fate).is_none() {
            self.order.push(step.to_owned());
        }
    }

    /// How many steps have the fate of this word. Of gates only those that hold count.
    pub(super) fn count(&self, word: &str) -> usize {
        let counts = |(id, fate): &(&String, &Fate)| matches!(fate, Fate::Held { .. }) || !self.gates.contains(*id);
        self.fates.iter().filter(counts).filter(|(_, fate)| fate.word() == word).count()
    }

    /// The counts in words: `3 done, 1 failed`.
    pub(super) fn counts(&self) -> String {
        Self::counts_of(&[self])
    }

    /// The counts of several runs together, in words.
    pub(super) fn counts_of(all: &[&Self]) -> String {
        const WORDS: [(&str, &str); 10] = [
            ("done", "done"),
            ("already_there", "already there"),
            ("held", "held"),
            ("failed", "failed"),
            ("undone", "undone"),
            ("kept", "kept"),
            ("undo_failed", "not undone"),
            ("started", "unfinished"),
            ("undo_started", "undo unfinished"),
            ("planned", "not begun"),
        ];
        let total = |fate: &str| all.iter().map(|tally| tally.count(fate)).sum::<usize>();
        let counts = WORDS.iter().map(|(fate, word)| (total(fate), word)).filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
        if counts.is_empty() { "nothing to do".to_owned() } else { counts.join(", ") }
    }

    /// What the run does: `apply`, `rollback of <run>`.
    pub(super) fn operation(&self) -> String {
        match &self.operation {
            Some(Operation::Apply) => "apply".to_owned(),
            Some(Operation::Rollback { run }) => format!("rollback of {run}"),
            Some(Operation::Evidence { what, .. }) => format!("evidence: {what}"),
            None => "unknown".to_owned(),
        }
    }

    /// How it ended.
    pub(super) fn ending(&self) -> &'static str {
        self.outcome.map_or("unfinished", outcome_word)
    }
}

/// The word for an outcome.
pub(super) fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::Held => "held",
        Outcome::RolledBack => "rolled back",
        Outcome::Stopped => "stopped",
        Outcome::Stuck => "stuck",
    }
}

pub use crate::model::moment;
