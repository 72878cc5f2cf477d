//! Where a step stands, and the one table that says which event may follow which status.

use super::Event;

/// Where a step stands in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing was begun.
    Planned,
    /// Begun; whether it happened is not known.
    Started,
    /// It was as wanted before we touched it; never undone.
    AlreadyThere,
    /// Written, and seen to hold.
    Done,
    /// A gate holds it.
    Held,
    /// It failed; it may have happened in part.
    Failed,
    /// Nothing was written: somebody else had changed it, it could not be looked at, or the write was turned away.
    Refused,
    /// Its undo was begun.
    Undoing,
    /// It was undone.
    Undone,
    /// It stays although the run was undone.
    Kept,
    /// Its undo failed.
    Stuck,
}

/// A journal that nobody who follows the table could have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrupt(pub String);

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "corrupt journal: {}", self.0)
    }
}

impl std::error::Error for Corrupt {}

/// The status after `event`; anything that is not in the table is a corrupt journal.
///
/// # Errors
/// [`Corrupt`], naming the event and the status.
pub fn next(status: Status, event: &Event) -> Result<Status, Corrupt> {
    use Status::{AlreadyThere, Done, Failed, Held, Kept, Planned, Refused, Started, Stuck, Undoing, Undone};
    match (status, event) {
        // A gate that had opened is asked again by whoever takes the run up.
        (Planned | Started | Held | Failed | Refused | Done, Event::Started { .. }) => Ok(Started),
        (Started | Undoing, Event::Accepted { .. }) => Ok(status),
        (Planned | Held | Refused | Started, Event::AlreadyThere { .. }) => Ok(AlreadyThere),
        (Planned | Held | Refused, Event::Failed { .. }) | (Started, Event::Failed { refused: true, .. }) => {
            Ok(Refused)
        }
        (Started, Event::Done { .. }) => Ok(Done),
        (Started, Event::Held { .. }) => Ok(Held),
        (Started, Event::Failed { refused: false, .. }) => Ok(Failed),
        // What is kept is asked about once more when an undo is taken up again: it may be gone by then.
        (Started | Done | Failed | Undoing | Stuck | Kept, Event::UndoStarted { .. }) => Ok(Undoing),
        (Undoing, Event::Undone { .. }) => Ok(Undone),
        (Planned | Undoing, Event::Kept { .. }) => Ok(Kept),
        (Undoing, Event::UndoFailed { .. }) => Ok(Stuck),
        _ => Err(Corrupt(format!("{} cannot follow {status:?}", event.name()))),
    }
}
