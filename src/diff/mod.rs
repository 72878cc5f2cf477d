//! Desired + observed -> change set -> steps; the rule that settles a step; the linter. Pure.

mod change;
mod compare;
mod drift;
mod lint;
mod settle;
mod steps;

pub use change::{Action, Change, ChangeSet, Reason, Summary};
pub use compare::{ASKED_AGAIN, Readings, diff};
pub use drift::{Allowed, drift};
pub use lint::lint;
pub use settle::{Clash, Settled, Verdict, settle};
pub use steps::{steps, swapped};
