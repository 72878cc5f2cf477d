//! The migration checklist and the success criteria: the state of each line, decided from looks, proofs, ledger and gates.

mod judge;
mod lines;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::Verified;
use crate::evidence::{Decision, Ledger};
use crate::model::Desired;
use crate::resources::Proof;
pub use lines::LINES;

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was seen to be so.
    Done,
    /// It was seen not to be so yet, or nobody has vouched for it yet.
    NotYet,
    /// A gate holds it.
    Held,
    /// A person vouches for it.
    Attested,
    /// Nothing that the plan file names shows it.
    Unseen,
}

/// One line with its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The part of the checklist.
    pub section: &'static str,
    /// The line, in the words that `evidence attest` takes.
    pub line: &'static str,
    /// Whether the migration is complete without it.
    pub optional: bool,
    /// Where it stands.
    pub state: State,
    /// What was seen.
    pub seen: String,
    /// When; `None` for what nobody saw.
    pub at: Option<Timestamp>,
}

/// What the lines are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// The plan file's resources.
    pub desired: &'a [Desired],
    /// One look at each of them.
    pub verified: &'a [Verified],
    /// What was proved besides.
    pub proofs: &'a [Proof],
    /// The ledger, as it was verified.
    pub ledger: &'a Ledger,
    /// What each gate says, by the name of its validation.
    pub decisions: &'a [(String, Decision)],
    /// When it was looked.
    pub looked: Timestamp,
}

/// The lines with their states, in the order of the checklist. What a machine saw wins over what a person says; where it
/// saw nothing, a person may vouch.
pub fn checklist(sight: &Sight<'_>) -> Vec<Item> {
    LINES.iter().map(|line| judge::item(line, sight)).collect()
}
