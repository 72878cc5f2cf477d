//! The journal of a run: its events, the table of legal moves, and the fold that says where each step stands. Pure.

mod event;
mod fold;
mod history;
mod owned;
mod status;

pub use event::{Event, Operation, Outcome, Record, VERSION};
pub use fold::{Run, StepRun, fold};
pub use history::{Dated, History};
pub use owned::{OWNED_FORMAT, Owned, OwnedResource};
pub use status::{Corrupt, Status, next};
