//! The change set: per address what is there, what should be, what will be done and why.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{Address, Attributes, Failure, Place, Undo, Value};

/// What will be done at one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing: it is already as wanted.
    None,
    /// Made new.
    Create,
    /// Changed in place.
    Update,
    /// Removed.
    Delete,
    /// Looked at during apply; nothing is changed.
    Check,
    /// Cannot be looked at: before earlier steps are done, or for want of a right; the reason says which.
    Unknown,
    /// Held by a gate.
    Held,
}

/// Why it will be done; for reports only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "text")]
pub enum Reason {
    /// It is as wanted.
    AsWanted,
    /// It is not there.
    Missing,
    /// These fields differ.
    Differs(Vec<String>),
    /// It leans on something that changes.
    LeansOn(Address),
    /// It cannot be read yet: why.
    Unreadable(String),
    /// Whoever is signed in may not look at it: which right is missing.
    NotReadable(String),
    /// A gate holds it: why.
    Gate(String),
}

/// The change of one resource; unchanged ones are in a change set too.
#[derive(Clone, Debug)]
pub struct Change {
    /// Whom it is about.
    pub address: Address,
    /// Where to find it.
    pub key: Attributes,
    /// What is there, as far as it was asked for; `None` when absent or unread.
    pub before: Option<Attributes>,
    /// What will be there; may hold open values. For unchanged resources the same as `before`.
    pub after: Option<Attributes>,
    /// What will be done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Whether it can be undone.
    pub undo: Undo,
    /// What it gives to others, as far as known.
    pub outputs: Attributes,
    /// How many restarts it causes.
    pub restarts: u32,
    /// What it leans on.
    pub leans_on: BTreeSet<Address>,
    /// The connections that have to write it: entry (or [`crate::model::WHOLE`]) -> connection. Empty when the first one does.
    pub routes: std::collections::BTreeMap<String, String>,
    /// Remarks from the look, for the report.
    pub notes: Vec<String>,
    /// The error that a look met and that nothing in this plan will mend.
    pub failure: Option<Failure>,
    /// Where it stands in the plan file.
    pub place: Option<Place>,
}

impl Change {
    /// Whether apply has something to do here.
    pub fn acts(&self) -> bool {
        self.action != Action::None
    }

    /// Whether something is made, changed or removed (a check is not).
    pub fn changes(&self) -> bool {
        matches!(self.action, Action::Create | Action::Update | Action::Delete | Action::Unknown)
    }

    /// Whether whoever is signed in may not look at it. What it needs is unknown, and nothing of this plan will tell.
    pub fn not_readable(&self) -> bool {
        matches!(self.reason, Reason::NotReadable(_))
    }

    /// Whether it is a check that passes as things stand.
    pub fn passes(&self) -> bool {
        let passed = self.before.as_ref().and_then(|before| before.get("passed"));
        self.action == Action::Check && passed.and_then(Value::as_bool) == Some(true)
    }

    /// Every open reference in the wanted end.
    pub fn open_refs(&self) -> Vec<&crate::model::Ref> {
        self.after.iter().flat_map(|after| after.values()).flat_map(Value::open_refs).collect()
    }
}

/// All changes, each after everything it leans on; the same order each time.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    /// The changes in order.
    pub changes: Vec<Change>,
}

/// The counts of a change set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Resources to create.
    pub add: usize,
    /// Resources to change in place.
    pub change: usize,
    /// Resources to remove.
    pub destroy: usize,
    /// Checks to run.
    pub check: usize,
    /// Resources that cannot be read yet.
    pub unknown: usize,
    /// Resources that whoever is signed in may not look at.
    pub not_readable: usize,
    /// Steps held by a gate.
    pub held: usize,
    /// Restarts of apps and servers.
    pub restarts: u32,
    /// Steps without a way back.
    pub irreversible: usize,
}

impl ChangeSet {
    /// Counts the changes.
    pub fn summary(&self) -> Summary {
        let count = |action: Action| self.changes.iter().filter(|change| change.action == action).count();
        let not_readable = self.changes.iter().filter(|change| change.not_readable()).count();
        Summary {
            add: count(Action::Create),
            change: count(Action::Update),
            destroy: count(Action::Delete),
            check: count(Action::Check),
            unknown: count(Action::Unknown) - not_readable,
            not_readable,
            held: count(Action::Held),
            restarts: self.changes.iter().filter(|change| change.acts()).map(|change| change.restarts).sum(),
            irreversible: self
                .changes
                .iter()
                .filter(|change| change.changes() && matches!(change.undo, Undo::Never(_)))
                .count(),
        }
    }

    /// Whether anything would be made, changed or removed.
    pub fn has_changes(&self) -> bool {
        self.changes.iter().any(Change::changes)
    }

    /// Whether apply has anything to do, checks included.
    pub fn acts(&self) -> bool {
        self.changes.iter().any(|change| change.acts() && change.action != Action::Held)
    }

    /// The change at an address.
    pub fn get(&self, address: &Address) -> Option<&Change> {
        self.changes.iter().find(|change| &change.address == address)
    }
}
