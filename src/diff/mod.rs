//! Desired + observed -> change set -> steps; the rule that settles a step; the linter. Pure.

mod change;

pub use change::{Action, Change, ChangeSet, Reason, Summary};
