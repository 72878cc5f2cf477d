//! The journal of a run: its events, the table of legal moves, and the fold that says where each step stands. Pure.

mod event;

pub use event::{Event, Operation, Outcome, Record, VERSION};
