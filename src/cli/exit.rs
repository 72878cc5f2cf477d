//! The exit codes, all of them: what each means and what leads to it.

use std::process::ExitCode;

use crate::journal::{Event, Outcome};
use crate::model::{Class, Failure, Step};
use crate::pipeline::Applied;
use crate::report::GATES;

/// How the process ends. The numbers are a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// An error not listed here; a declined prompt; wrong usage.
    Error = 1,
    /// `plan --detailed-exitcode` or `--expect-no-changes`: there are changes. `fmt --check`: not formatted.
    Changes = 2,
    /// The plan file has findings.
    Findings = 3,
    /// `--detailed-exitcode`: all that may be done is done, a gate holds the rest. `status --expect-complete`: gates alone
    /// hold what is left.
    Held = 4,
    /// `apply` failed; this run's changes were rolled back.
    RolledBack = 5,
    /// `apply` failed or was interrupted; the journal can be resumed or rolled back.
    Stopped = 6,
    /// Needs a person: a conflict, or an undo failed. Nothing was overwritten.
    Stuck = 7,
    /// The store is locked by somebody else.
    Locked = 8,
    /// The saved plan no longer fits the live system. `--expect-digest`: these are not the steps that were approved.
    Unfit = 9,
    /// `verify` or `observe`: a check failed. `doctor`: a symptom was found. `evidence verify`: the ledger does not hold.
    /// `status --expect-complete`: a line is neither done nor attested.
    CheckFailed = 10,
    /// Not signed in, or not allowed. `doctor --can-i`: a right is missing.
    NotAllowed = 11,
}

/// Why a command ends before its work is done.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Everything was said already; this is how the process ends.
    Told(Exit),
    /// It has to be told.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// How a run ends the process. `detailed` is `--detailed-exitcode`.
    pub fn of_outcome(outcome: Outcome, detailed: bool) -> Self {
        match outcome {
            Outcome::Held if detailed => Self::Held,
            Outcome::Applied | Outcome::Held => Self::Done,
            Outcome::RolledBack => Self::RolledBack,
            Outcome::Stopped => Self::Stopped,
            Outcome::Stuck => Self::Stuck,
        }
    }
}

impl Exit {
    /// How what a run came to ends the process: a conflict always needs a person, and a run that was let do nothing at all
    /// is about rights, not about a way back.
    pub fn of(applied: &Applied, detailed: bool) -> Self {
        let failures = || applied.failed.iter().chain(&applied.stuck).map(|(_, failure)| failure.class);
        let rights = |class: Class| matches!(class, Class::Forbidden | Class::NotSignedIn);
        let gate = |id: &String| {
            let asks = |step: &Step| step.id == *id && GATES.contains(&step.address.kind.as_str());
            applied
                .records
                .iter()
                .any(|record| matches!(&record.event, Event::Planned { steps } if steps.iter().any(asks)))
        };
        // A gate that opened is nothing that was done.
        let done =
            || applied.records.iter().any(|record| matches!(&record.event, Event::Done { step, .. } if !gate(step)));
        match applied.outcome {
            _ if failures().any(|class| class == Class::Conflict) => Self::Stuck,
            _ if failures().next().is_some() && failures().all(rights) && !done() => Self::NotAllowed,
            Some(Outcome::Applied) | None if applied.held && detailed => Self::Held,
            Some(outcome) => Self::of_outcome(outcome, detailed),
            None => Self::Done,
        }
    }
}

impl From<Class> for Exit {
    fn from(class: Class) -> Self {
        match class {
            Class::Other | Class::NotFound | Class::Busy | Class::Unreachable | Class::Input => Self::Error,
            Class::NotSignedIn | Class::Forbidden => Self::NotAllowed,
            Class::Conflict => Self::Stuck,
            Class::Interrupted => Self::Stopped,
            Class::CheckFailed => Self::CheckFailed,
            Class::Locked => Self::Locked,
            Class::Unfit => Self::Unfit,
            Class::Flawed => Self::Findings,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;
    use crate::journal::Outcome;
    use crate::model::Class;
    use crate::pipeline::Applied;

    #[test]
    fn the_table_stands() {
        let classes = [
            (Class::Other, 1),
            (Class::NotFound, 1),
            (Class::Busy, 1),
            (Class::Unreachable, 1),
            (Class::Input, 1),
            (Class::Conflict, 7),
            (Class::Locked, 8),
            (Class::Unfit, 9),
            (Class::Flawed, 3),
            (Class::CheckFailed, 10),
            (Class::NotSignedIn, 11),
            (Class::Forbidden, 11),
        ];
        for (class, code) in classes {
            assert_eq!(Exit::from(class).code(), code, "{class:?}");
        }
        let outcomes = [
            (Outcome::Applied, false, 0),
            (Outcome::Applied, true, 0),
            (Outcome::Held, false, 0),
            (Outcome::Held, true, 4),
            (Outcome::RolledBack, false, 5),
            (Outcome::Stopped, true, 6),
            (Outcome::Stuck, false, 7),
        ];
        for (outcome, detailed, code) in outcomes {
            assert_eq!(Exit::of_outcome(outcome, detailed).code(), code, "{outcome:?}");
        }
        assert_eq!((Exit::Changes.code(), Exit::Findings.code()), (2, 3));
    }

    #[test]
    fn a_gate_that_holds_the_rest_is_told_of_whether_something_was_done_or_not() {
        for outcome in [None, Some(Outcome::Applied), Some(Outcome::Held)] {
            let applied = |held| Applied { outcome, held, ..Applied::default() };
            assert_eq!(Exit::of(&applied(true), true), Exit::Held, "{outcome:?}");
            assert_eq!(Exit::of(&applied(true), false), Exit::Done, "{outcome:?}");
        }
        let stopped = Applied { outcome: Some(Outcome::Stopped), held: true, ..Applied::default() };
        assert_eq!(Exit::of(&stopped, true), Exit::Stopped);
        assert_eq!(Exit::of(&Applied::default(), true), Exit::Done);
    }
}
