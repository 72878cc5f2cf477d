//! A failure: what went wrong outside the pure core, what class it is of, and what would help.

use std::fmt;

/// What kind of failure it is; the command line maps it to an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Anything not listed here.
    Other,
    /// Not signed in: no credential gave a token, or the service refused it.
    NotSignedIn,
    /// Signed in, but a right is missing.
    Forbidden,
    /// The thing is not there.
    NotFound,
    /// Somebody else changed it; nothing was overwritten.
    Conflict,
    /// The service is busy or throttles; worth another try.
    Busy,
    /// The network does not reach it (DNS, firewall, private network, TLS).
    Unreachable,
    /// A check did not pass.
    CheckFailed,
    /// The store is locked by somebody else.
    Locked,
    /// A saved plan no longer fits the live system.
    Unfit,
    /// The input is wrong.
    Input,
    /// A person asked to stop while it waited; what was begun may go on by itself.
    Interrupted,
}

/// Something that went wrong, with a remedy where one is known. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub class: Class,
    /// One line, says what could not be done.
    pub summary: String,
    /// The cause in the words of whoever refused it; may have several lines.
    pub detail: Option<String>,
    /// What would help, as a sentence or a command.
    pub remedy: Option<String>,
}

impl Failure {
    /// A failure with a summary alone.
    pub fn new(class: Class, summary: impl Into<String>) -> Self {
        Self { class, summary: summary.into(), detail: None, remedy: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what would help.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
