//! Records: everything that a ledger can hold besides observations: overrides, attestations, breaks.

use serde::{Deserialize, Serialize};

use super::observation::{Observation, Scope, Times};
use crate::model::Address;

/// What one line of the ledger says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Record {
    /// The migrated app was looked at.
    Observation(Observation),
    /// Somebody opened a gate without the evidence.
    Override(Override),
    /// Somebody vouched for a line of the checklist that no machine can check.
    Attestation(Attestation),
    /// The ledger was found damaged; what comes after starts anew.
    Break(Break),
}

/// A gate opened by a person. It holds until the next failing observation, change of scope or change of what is noted, and
/// at most for the period of the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The validation whose observations the gate asks.
    pub validation: String,
    /// The gate that was opened; records that name none are of the validation itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Address>,
    /// When.
    pub at: Times,
    /// Who did it, `user@host`.
    pub who: String,
    /// Why, in their words.
    pub reason: String,
    /// What the gate was about then.
    pub scope: Option<Scope>,
    /// What was missing then.
    pub missing: Vec<String>,
}

/// A line of the checklist that a person vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// The line.
    pub line: String,
    /// When.
    pub at: Times,
    /// The process that recorded it ran as, `user@host`.
    pub who: String,
    /// Who vouches.
    pub by: String,
    /// What they say about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Damage that was found, so that it cannot be forgotten by writing on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// When it was found.
    pub at: Times,
    /// Who found it, `user@host`.
    pub who: String,
    /// What was found.
    pub faults: Vec<String>,
}

impl Override {
    /// The gate that was opened.
    pub fn gate(&self) -> Address {
        self.gate.clone().unwrap_or_else(|| Address::new("validation", &*self.validation))
    }
}

impl Record {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Observation(_) => "observation",
            Self::Override(_) => "override",
            Self::Attestation(_) => "attestation",
            Self::Break(_) => "break",
        }
    }

    /// When it was made.
    pub fn at(&self) -> &Times {
        match self {
            Self::Observation(record) => &record.at,
            Self::Override(record) => &record.at,
            Self::Attestation(record) => &record.at,
            Self::Break(record) => &record.at,
        }
    }
}
