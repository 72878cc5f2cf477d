//! Journal events: one JSON line each, written before the action they announce and before its result counts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Address, Attributes, Step};

/// The format version that the first line of a journal carries.
pub const VERSION: u32 = 1;

/// What a run does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Makes the plan file true.
    Apply,
    /// Undoes another run.
    Rollback {
        /// The id of the run that is undone.
        run: String,
    },
    /// Wrote into the ledger of evidence. The ledger has to hold this end for good; it may go on after it.
    Evidence {
        /// What was written, in a few words.
        what: String,
        /// How many records the ledger has.
        count: u64,
        /// SHA-256 (hex) of the last one.
        head: String,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All that was planned is done.
    Applied,
    /// All that may be done is done; a gate holds the rest.
    Held,
    /// A step failed; what this run did was undone.
    RolledBack,
    /// A step failed or the run was interrupted; the journal can be resumed or rolled back.
    Stopped,
    /// A person has to look: a conflict, or an undo failed. Nothing was overwritten.
    Stuck,
}

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Event {
    /// The run began. Always the first event.
    Opened {
        /// Journal format, [`VERSION`].
        format: u32,
        /// The tool's version.
        version: String,
        /// What the run does.
        operation: Operation,
        /// The plan's name.
        plan: String,
        /// SHA-256 (hex) of the plan file and variables.
        digest: String,
        /// `user@host`.
        who: String,
    },
    /// What the resources of the steps to come lean on, directly or through others, changed or not. A later rollback
    /// needs it to know what would be left without its ground.
    Leans {
        /// By address.
        on: BTreeMap<Address, BTreeSet<Address>>,
    },
    /// These steps will be run. May come again, when earlier steps made more of the system readable.
    Planned {
        /// The steps in order.
        steps: Vec<Step>,
    },
    /// A run that had stopped is taken up again.
    Resumed {
        /// By whom: `user@host`.
        who: String,
    },
    /// A step is about to be written: a look right before found it where it may be.
    Started {
        /// The step's id.
        step: String,
        /// Entries of its before end, by field, that stood elsewhere: somebody else had moved them already.
        #[serde(default, skip_serializing_if = "nothing")]
        found: Attributes,
    },
    /// The service took the write and works on it; this is where to ask how far it is.
    Accepted {
        /// The step's id.
        step: String,
        /// The operation, in the words of the kind that began it.
        operation: String,
    },
    /// It was already at its after end before the first write; never undone.
    AlreadyThere {
        /// The step's id.
        step: String,
        /// What the resource gives.
        outputs: Attributes,
    },
    /// It was written, and the second look agreed.
    Done {
        /// The step's id.
        step: String,
        /// What the resource gives.
        outputs: Attributes,
    },
    /// A gate holds it.
    Held {
        /// The step's id.
        step: String,
        /// What is missing.
        reason: String,
        /// The earliest time at which the gate can open.
        earliest: Option<Timestamp>,
    },
    /// It failed.
    Failed {
        /// The step's id.
        step: String,
        /// What went wrong.
        error: String,
        /// Whether nothing was written: somebody else had changed it, or the service turned the write away.
        refused: bool,
    },
    /// A failure takes these steps down: what was written of them will be undone.
    GoesDown {
        /// Their ids.
        steps: BTreeSet<String>,
    },
    /// Its undo is about to be run.
    UndoStarted {
        /// The step's id.
        step: String,
    },
    /// It was undone.
    Undone {
        /// The step's id.
        step: String,
    },
    /// It stays, by its undo class.
    Kept {
        /// The step's id.
        step: String,
        /// Why.
        reason: String,
    },
    /// Its undo failed.
    UndoFailed {
        /// The step's id.
        step: String,
        /// What went wrong.
        error: String,
    },
    /// The run ended. Always the last event, when it is there.
    Closed {
        /// How.
        outcome: Outcome,
    },
}

fn nothing(found: &Attributes) -> bool {
    found.is_empty()
}

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 0 without gaps.
    pub seq: u64,
    /// When it was written, by the clock of the machine that ran pgentra.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Event {
    /// The start of a step that is as it was planned.
    pub fn started(step: impl Into<String>) -> Self {
        Self::Started { step: step.into(), found: Attributes::new() }
    }

    /// The step it is about, if it is about one.
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::Opened { .. }
            | Self::Leans { .. }
            | Self::Planned { .. }
            | Self::Resumed { .. }
            | Self::GoesDown { .. }
            | Self::Closed { .. } => None,
            Self::Started { step, .. }
            | Self::Accepted { step, .. }
            | Self::AlreadyThere { step, .. }
            | Self::Done { step, .. }
            | Self::Held { step, .. }
            | Self::Failed { step, .. }
            | Self::UndoStarted { step }
            | Self::Undone { step }
            | Self::Kept { step, .. }
            | Self::UndoFailed { step, .. } => Some(step),
        }
    }

    /// Its name in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Leans { .. } => "leans",
            Self::Planned { .. } => "planned",
            Self::Resumed { .. } => "resumed",
            Self::Started { .. } => "started",
            Self::Accepted { .. } => "accepted",
            Self::AlreadyThere { .. } => "already_there",
            Self::Done { .. } => "done",
            Self::Held { .. } => "held",
            Self::Failed { .. } => "failed",
            Self::GoesDown { .. } => "goes_down",
            Self::UndoStarted { .. } => "undo_started",
            Self::Undone { .. } => "undone",
            Self::Kept { .. } => "kept",
            Self::UndoFailed { .. } => "undo_failed",
            Self::Closed { .. } => "closed",
        }
    }
}
