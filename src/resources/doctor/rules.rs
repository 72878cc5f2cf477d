//! The register of symptoms: what each is, what it looks like to people, and the pure rule that finds it.

use super::facts::Facts;
use super::{rules_app as app, rules_role as role, rules_server as server};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something does not work, or not as the plan file says.
    Symptom,
    /// Everything works, but a usual event (a swap, a new table) will break it.
    Risk,
}

/// One symptom that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The rule that found it.
    pub rule: &'static str,
    /// Its title.
    pub title: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Whom it is about: `app geo`, `role geo on pg`.
    pub subject: String,
    /// Why it is so.
    pub cause: String,
    /// What was seen, one line each.
    pub evidence: Vec<String>,
    /// The commands that fix it, in their order.
    pub fix: Vec<String>,
}

/// What one rule found about one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub severity: Severity,
    pub subject: String,
    pub cause: String,
    pub evidence: Vec<String>,
    pub fix: Vec<String>,
}

impl Found {
    pub(super) fn symptom(subject: impl Into<String>, cause: impl Into<String>) -> Self {
        let (evidence, fix) = (Vec::new(), Vec::new());
        Self { severity: Severity::Symptom, subject: subject.into(), cause: cause.into(), evidence, fix }
    }

    pub(super) fn risk(subject: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { severity: Severity::Risk, ..Self::symptom(subject, cause) }
    }

    pub(super) fn seen(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(lines);
        self
    }

    pub(super) fn fix(mut self, commands: impl IntoIterator<Item = String>) -> Self {
        self.fix.extend(commands);
        self
    }
}

/// One symptom that the doctor knows.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name in reports for programs.
    pub id: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What people see of it.
    pub seen_as: &'static str,
    /// What the doctor looks at.
    pub looks_at: &'static str,
    /// What fixes it.
    pub remedy: &'static str,
    pub(super) find: fn(&Facts) -> Vec<Found>,
}

/// Every symptom, in the order of the way from the app to its data.
pub static RULES: &[Rule] = &[
    app::IDENTITY_OFF,
    app::TOKEN_SERVICE_OFF,
    app::WRONG_IDENTITY,
    app::WRONG_AUDIENCE,
    app::STALE_TOKEN,
    app::WRONG_ROLE_NAME,
    app::SLOT_SWAP,
    app::PASSWORD_SIGN_IN,
    app::PASSWORD_FALLBACK,
    server::FIREWALL,
    server::NOT_READY,
    server::TLS,
    server::ENTRA_OFF,
    server::NOT_LET_IN,
    server::CLOCK,
    role::MISSING,
    role::NOT_MAPPED,
    role::OLD_OBJECT_ID,
    role::NO_LOGIN,
    role::NO_GRANT,
    role::NO_DEFAULT_PRIVILEGES,
];

/// All that the rules find in these facts, in the order of [`RULES`].
pub fn diagnose(facts: &Facts) -> Vec<Diagnosis> {
    let of = |rule: &'static Rule| {
        (rule.find)(facts).into_iter().map(|found| Diagnosis {
            rule: rule.id,
            title: rule.title,
            severity: found.severity,
            subject: found.subject,
            cause: found.cause,
            evidence: found.evidence,
            fix: found.fix,
        })
    };
    RULES.iter().flat_map(of).collect()
}
