//! A failure: what went wrong outside the pure core, what class it is of, and what would help.

use std::fmt;

use super::Address;

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
    /// The plan file is wrong, as the live system shows; the failure holds the flaws.
    Flawed,
}

/// Something wrong with a plan file that only a look at the live system shows: a schema, role or table that is not
/// there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The resource.
    pub address: Address,
    /// Where in it, as in [`Desired`](super::Desired)'s attributes: `grants.0.schemas.1`.
    pub path: String,
    /// A stable name for the rule, such as `unknown-schema`.
    pub rule: &'static str,
    /// What is wrong, one line.
    pub title: String,
    /// What would help.
    pub remedy: Option<String>,
    /// The role that is not there, where that is what is wrong: a plan file that makes it is right all the same.
    pub role: Option<String>,
}

/// Something that went wrong, with a remedy where one is known. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub class: Class,
    /// What could not be done: one line that is the same in every case of its kind. Names stand in the detail.
    pub summary: &'static str,
    /// The cause in the words of whoever refused it; may have several lines.
    pub detail: Option<String>,
    /// What would help, as a sentence or a command.
    pub remedy: Option<String>,
    /// What is wrong with the plan file, where that is the cause; see [`Failure::flaws`].
    pub flaws: Option<Box<Flaws>>,
}

/// Flaws, apart so that a failure without any stays small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flaws(Vec<Flaw>);

impl Failure {
    /// A failure with a summary alone. It is constant, so that equal mistakes are found and counted by it.
    pub fn new(class: Class, summary: &'static str) -> Self {
        Self { class, summary, detail: None, remedy: None, flaws: None }
    }

    /// The failure of a plan file that does not fit the live system.
    pub fn flawed(flaws: Vec<Flaw>) -> Self {
        let titles: Vec<&str> = flaws.iter().map(|flaw| flaw.title.as_str()).collect();
        let mut remedies: Vec<&str> = flaws.iter().filter_map(|flaw| flaw.remedy.as_deref()).collect();
        remedies.dedup();
        let (detail, remedy) = (titles.join("\n"), remedies.join("\n"));
        let failure = Failure::new(Class::Flawed, "the plan file does not fit the live system").detail(detail);
        Self { remedy: (!remedy.is_empty()).then_some(remedy), flaws: Some(Box::new(Flaws(flaws))), ..failure }
    }

    /// What is wrong with the plan file, where that is the cause.
    pub fn flaws(&self) -> &[Flaw] {
        self.flaws.as_ref().map_or(&[], |flaws| flaws.0.as_slice())
    }

    /// The cause in one line, or the summary where there is none.
    pub fn first_cause(&self) -> &str {
        self.detail.as_ref().and_then(|detail| detail.lines().next()).unwrap_or(self.summary)
    }

    /// Summary and cause in one line, for a list of causes.
    pub fn in_a_line(&self) -> String {
        match &self.detail {
            Some(_) => format!("{}: {}", self.summary, self.first_cause()),
            None => self.summary.to_owned(),
        }
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
        f.write_str(self.summary)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
