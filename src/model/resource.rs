//! Resources: what is wanted, what one look found, and the step that leads from one to the other.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Address, Attributes, Place, Value, agrees};

/// What the plan file wants at one address.
#[derive(Clone, Debug)]
pub struct Desired {
    /// How it is called.
    pub address: Address,
    /// The literal attributes by which it is found.
    pub key: Attributes,
    /// Everything else that is wanted; may hold open values.
    pub attributes: Attributes,
    /// Everything it leans on: references, the built-in order, `after = [...]`.
    pub after: BTreeSet<Address>,
    /// Where it stands in the plan file.
    pub place: Option<Place>,
}

/// Why one looks; a kind may look more cheaply or more exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To compute a change set. Wildcards are expanded; the answer may leave out what already agrees.
    Plan,
    /// To settle one step, right before or after its write. The answer covers exactly the attributes asked for.
    Settle,
}

/// One question to the live system.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Whom it is about.
    pub address: &'a Address,
    /// Where to find it.
    pub key: &'a Attributes,
    /// Which attributes are asked for: the wanted ones, or those of a step. Before a plan an entrywise field holds what our
    /// runs made of it: of that, what no rule wants any more is to go.
    pub attributes: &'a Attributes,
    /// Why.
    pub purpose: Purpose,
    /// The connection to look through, when a step is bound to one.
    pub via: Option<&'a str>,
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The live values of the attributes asked for, and of no others.
    pub attributes: Attributes,
    /// What it gives to others.
    pub outputs: Attributes,
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// One line: `server rmhpgflex takes no Entra tokens yet`.
    pub reason: String,
    /// Whether an earlier step of the same plan may make it readable. Otherwise (network) it is an error.
    pub not_yet: bool,
    /// Whether the service was reached and refused whoever is signed in: somebody else may be able to look.
    pub refused: bool,
}

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// It is not there.
    Absent,
    /// It is there.
    Present(State),
    /// Nobody could look.
    Unreadable(Unreadable),
}

/// In place of an entry: the whole step, which one connection writes.
pub const WHOLE: &str = "";

/// The answer to a [`Look`].
#[derive(Clone, Debug)]
pub struct Reading {
    /// What is there.
    pub observed: Observed,
    /// The wanted attributes restated in terms of what is there (wildcards expanded, secrets digested); `None` when
    /// they mean the same everywhere.
    pub desired: Option<Attributes>,
    /// Entries (of entrywise fields) whose object is gone: skipped.
    pub gone: BTreeSet<String>,
    /// Entries whose object was replaced under its name: a conflict of that entry alone.
    pub replaced: BTreeSet<String>,
    /// Which connection has to write an entry, or all of it ([`WHOLE`]), where it is not the first one.
    pub routes: BTreeMap<String, String>,
    /// Remarks for the report, such as rights that nobody can grant.
    pub notes: Vec<String>,
    /// Whether the change is put off for as long as something that leans on it is not done: it takes away what that needs.
    pub put_off: bool,
}

impl Reading {
    /// A plain answer.
    pub fn of(observed: Observed) -> Self {
        Self {
            observed,
            desired: None,
            gone: BTreeSet::new(),
            replaced: BTreeSet::new(),
            routes: BTreeMap::new(),
            notes: Vec::new(),
            put_off: false,
        }
    }

    /// It is there, like this.
    pub fn present(attributes: Attributes, outputs: Attributes) -> Self {
        Self::of(Observed::Present(State { attributes, outputs }))
    }

    /// It is not there.
    pub fn absent() -> Self {
        Self::of(Observed::Absent)
    }

    /// Nobody could look, and an earlier step may change that.
    pub fn not_yet(reason: impl Into<String>) -> Self {
        Self::of(Observed::Unreadable(Unreadable { reason: reason.into(), not_yet: true, refused: false }))
    }

    /// Whoever is signed in may not look; an earlier step may change that.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::of(Observed::Unreadable(Unreadable { reason: reason.into(), not_yet: true, refused: true }))
    }
}

/// Whether the way back can be walked; known when planning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "class", content = "why")]
pub enum Undo {
    /// Back to exactly what was.
    Faithful,
    /// Stays when a run is undone, unless asked otherwise: why.
    Kept(String),
    /// Back, but something differs: what.
    Lossy(String),
    /// There is no way back: why.
    Never(String),
}

/// One call or one transaction that a change set will make, with both of its ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Names it in the journal: the address, with `@connection` when a change takes several steps.
    pub id: String,
    /// The resource it changes.
    pub address: Address,
    /// Where to find it.
    pub key: Attributes,
    /// The end it starts from; `None` is "not there".
    pub before: Option<Attributes>,
    /// The end it leads to; may hold open values until the steps it leans on are done.
    pub after: Option<Attributes>,
    /// The connection that has to run it, when it is not the first one.
    pub via: Option<String>,
    /// Whether it can be undone.
    pub undo: Undo,
    /// The ids of the steps that have to be done first.
    pub leans_on: BTreeSet<String>,
    /// Steps with equal keys never overlap.
    pub serial_key: Option<String>,
    /// How many restarts it causes.
    pub restarts: u32,
}

impl Step {
    /// The same step from where it was found: some entries (by field) of its before end had moved already. One that had come
    /// all the way is no part of it any more.
    #[must_use]
    pub fn as_found(&self, found: &Attributes) -> Self {
        let mut step = self.clone();
        let (Some(before), Some(after)) = (&mut step.before, &mut step.after) else { return step };
        for (field, entries) in found {
            let none = || Value::Map(Attributes::new());
            let ends =
                [before.entry(field.clone()).or_insert_with(none), after.entry(field.clone()).or_insert_with(none)];
            let ([Value::Map(before), Value::Map(after)], Value::Map(entries)) = (ends, entries) else { continue };
            for (entry, now) in entries {
                if agrees(now, after.get(entry).unwrap_or(&Value::Null)) {
                    before.remove(entry);
                    after.remove(entry);
                } else {
                    before.insert(entry.clone(), now.clone());
                }
            }
        }
        step
    }
}
