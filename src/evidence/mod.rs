//! Evidence: observations, the ledger that keeps them, the window they make up, and when a gate opens and why not. Pure.

mod canonical;
mod census;
mod gate;
mod ledger;
mod observation;
mod record;
mod sign;
mod terms;
#[cfg(test)]
mod tests;
mod verify;
mod window;

pub use census::{Session, census};
pub use gate::{Decision, Now, decide};
pub use ledger::{Entry, Fault, Head, Ledger, Standing};
pub use observation::{
    Event, Interval, Measurement, Observation, Occurrence, Scope, Standpoint, TOLERANCE, Times, Verdict,
};
pub use record::{Attestation, Break, Override, Record};
pub use sign::{KeyReference, SigningKey};
pub use terms::Terms;
pub use verify::{append, verify};
pub use window::{Restart, Window, watermark, window};
