//! The terms of a gate: how long, how often, what has to be seen, as the attributes of a `validation` say.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::observation::Event;
use crate::model::{Address, Attributes, Value, duration};

/// What a gate asks of the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The gate that asks: the validation itself, or a soak that asks the same observations.
    pub gate: Address,
    /// The validation's name.
    pub validation: String,
    /// How long the app has to have worked without the password.
    pub period: SignedDuration,
    /// How often it is looked at. Half of it is the grace for an observation that comes late.
    pub every: SignedDuration,
    /// The sensors that have to be live in each observation.
    pub sensors: BTreeSet<String>,
    /// What has to have happened inside the window.
    pub coverage: BTreeSet<Event>,
    /// What observations have to have noted, and what has to be so when the gate is asked; an observation that noted
    /// something else starts the window again.
    pub noted: BTreeMap<String, String>,
    /// The number of the first record that may count: what is noted was changed after those before it.
    pub not_before: u64,
    /// Whether records without a signature count.
    pub allow_unsigned: bool,
}

impl Terms {
    /// The longest time between two observations: `every` and half of it.
    pub fn longest_gap(&self) -> SignedDuration {
        self.every + self.every / 2
    }

    /// The grace of an observation that comes late, and the longest that a log may lag behind: half of `every`.
    pub fn grace(&self) -> SignedDuration {
        self.every / 2
    }

    /// Reads the spans of time, the coverage demands and `allow_unsigned` of a `validation`. `sensors` are those that it
    /// comes to.
    ///
    /// # Errors
    /// One line, when a span of time cannot be read.
    pub fn read(validation: &str, attributes: &Attributes, sensors: BTreeSet<String>) -> Result<Self, String> {
        let flag = |name: &str| attributes.get(name).and_then(Value::as_bool) == Some(true);
        let coverage = [(Event::FreshToken, "fresh_token"), (Event::Restart, "restart")];
        Ok(Self {
            gate: Address::new("validation", validation),
            validation: validation.to_owned(),
            period: span(attributes, "period", "7d")?,
            every: span(attributes, "every", "24h")?,
            sensors,
            coverage: coverage.into_iter().filter(|(_, name)| flag(name)).map(|(event, _)| event).collect(),
            noted: BTreeMap::new(),
            not_before: 0,
            allow_unsigned: flag("allow_unsigned"),
        })
    }
}

fn span(attributes: &Attributes, name: &str, default: &str) -> Result<SignedDuration, String> {
    let text = attributes.get(name).and_then(Value::as_text).unwrap_or(default);
    duration(text).filter(SignedDuration::is_positive).ok_or_else(|| format!("`{name}` is no span of time: {text:?}"))
}
