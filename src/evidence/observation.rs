//! Observations: one dated look at the migrated app, what it was about, and what each sensor measured.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::canonical::digest;
use crate::model::moment;

/// How far the clocks of the database server and of Azure may be apart. Both are kept by NTP; five minutes is also what
/// Kerberos and Entra tolerate.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The time of an observation, by three clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// By the database server (`clock_timestamp()`).
    pub server: Option<Timestamp>,
    /// By the `Date` header of an answer of Azure.
    pub azure: Option<Timestamp>,
    /// By the machine that ran pgentra. Only noted: whoever runs it can set it.
    pub runner: Timestamp,
}

impl Times {
    /// The time that counts: that of the database server, when Azure's clock agrees with it.
    ///
    /// # Errors
    /// One line that says why there is no such time.
    pub fn dated(&self) -> Result<Timestamp, String> {
        match (self.server, self.azure) {
            (None, None) => Err("neither the database server nor Azure told the time".to_owned()),
            (None, _) => Err("the database server did not tell the time".to_owned()),
            (_, None) => Err("Azure did not tell the time".to_owned()),
            (Some(server), Some(azure)) if server.duration_since(azure).abs() > TOLERANCE => {
                let (server, azure) = (moment(server), moment(azure));
                Err(format!("the clocks disagree: the database server says {server}, Azure says {azure}"))
            }
            (Some(server), Some(_)) => Ok(server),
        }
    }
}

/// What an observation is about: facts that, when one of them changes, make earlier observations be about something
/// else. Identity, role binding, old role, declared grants, settings that decide how the app signs in; values of settings
/// only as keyed digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(pub BTreeMap<String, String>);

impl Scope {
    /// The digest by which two scopes are compared: SHA-256, in hex.
    pub fn digest(&self) -> String {
        let parts: Vec<&str> = self.0.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect();
        digest(&parts)
    }

    /// The names of the facts in which two scopes differ.
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }
}

/// A span of time that a sensor misses nothing in; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

/// What a sensor is given to measure from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standpoint {
    /// The time of this observation.
    pub now: Timestamp,
    /// Where the sensor's last live measurement ended; `None` for its first one.
    pub watermark: Option<Timestamp>,
}

impl Standpoint {
    /// The time that a sensor which asks a log has to ask for: from the watermark to now minus `lag`, the longest that
    /// the log may still lack entries for. The first measurement asks for nothing before itself.
    pub fn interval(&self, lag: SignedDuration) -> Interval {
        // A watermark in the future was left by a clock that went backwards since.
        let from = self.watermark.filter(|mark| *mark <= self.now).unwrap_or(self.now);
        Interval { from, to: from.max(self.now.checked_sub(lag).unwrap_or(from)) }
    }
}

/// What a measurement came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "why")]
pub enum Verdict {
    /// The sensor was live, and all is well.
    Passed,
    /// The sensor was live, and something is wrong: what.
    Failed(String),
    /// The sensor could not see: why. No evidence either way.
    Blind(String),
}

/// Something that coverage demands may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The app got a new token.
    FreshToken,
    /// The app started anew.
    Restart,
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::FreshToken { "fresh token" } else { "app restart" })
    }
}

/// An event that a sensor saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// What happened.
    pub event: Event,
    /// When, by the clock of whoever logged it.
    pub at: Timestamp,
}

/// What one sensor measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// The sensor's name.
    pub sensor: String,
    /// What it came to.
    pub verdict: Verdict,
    /// What was seen, in one line. Never a secret.
    pub value: String,
    /// How the sensor showed that it can see (its positive control): `214 requests in the same table`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The time in which the sensor misses nothing, for sensors that look back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<Interval>,
    /// The time that it asked a log for, without missing nothing there. The next measurement goes on from its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Interval>,
    /// What coverage demands may ask for, as far as this sensor saw it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Occurrence>,
}

impl Measurement {
    /// A live measurement without complaints.
    pub fn passed(sensor: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(sensor, Verdict::Passed, value)
    }

    /// A live measurement that found something wrong.
    pub fn failed(sensor: impl Into<String>, why: impl Into<String>) -> Self {
        let why = why.into();
        Self::new(sensor, Verdict::Failed(why.clone()), why)
    }

    /// No measurement.
    pub fn blind(sensor: impl Into<String>, why: impl Into<String>) -> Self {
        let why = why.into();
        Self::new(sensor, Verdict::Blind(why), "")
    }

    fn new(sensor: impl Into<String>, verdict: Verdict, value: impl Into<String>) -> Self {
        let (sensor, value) = (sensor.into(), value.into());
        Self { sensor, verdict, value, control: None, covers: None, asked: None, events: Vec::new() }
    }

    /// Adds the time in which it misses nothing.
    #[must_use]
    pub fn covering(self, covers: Interval) -> Self {
        Self { covers: Some(covers), ..self }
    }

    /// Adds the time that it asked a log for.
    #[must_use]
    pub fn asking(self, asked: Interval) -> Self {
        Self { asked: Some(asked), ..self }
    }

    /// Adds how it showed that it can see.
    #[must_use]
    pub fn controlled(self, control: impl Into<String>) -> Self {
        Self { control: Some(control.into()), ..self }
    }

    /// Whether the sensor could see.
    pub fn is_live(&self) -> bool {
        !matches!(self.verdict, Verdict::Blind(_))
    }
}

/// One dated record that the migrated app works without the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The validation it was made for (its name in the plan file).
    pub validation: String,
    /// When.
    pub at: Times,
    /// Who made it, `user@host`.
    pub who: String,
    /// What it is about; `None` when that could not be read.
    pub scope: Option<Scope>,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_missing: Option<String>,
    /// What else was seen. A change of it does not start the window again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noted: BTreeMap<String, String>,
    /// What each sensor measured.
    pub measurements: Vec<Measurement>,
}

impl Observation {
    /// The measurement of a sensor.
    pub fn measurement(&self, sensor: &str) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| measurement.sensor == sensor)
    }

    /// What failed: `sensor: why`. A sensor that the terms do not name counts too.
    pub fn failures(&self) -> Vec<String> {
        let failure = |one: &Measurement| match &one.verdict {
            Verdict::Failed(why) => Some(format!("{}: {why}", one.sensor)),
            _ => None,
        };
        self.measurements.iter().filter_map(failure).collect()
    }

    /// Which of the named sensors saw nothing: `sensor: why`.
    pub fn blind<'a>(&self, sensors: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let blind = |sensor: &String| match self.measurement(sensor).map(|one| &one.verdict) {
            None => Some(format!("{sensor}: not measured")),
            Some(Verdict::Blind(why)) => Some(format!("{sensor}: {why}")),
            Some(_) => None,
        };
        sensors.into_iter().filter_map(blind).collect()
    }
}
