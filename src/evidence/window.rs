//! The window: the newest unbroken run of passing observations of one scope, and what started it again.

use jiff::{SignedDuration, Timestamp};

use super::ledger::{Entry, Ledger, Standing};
use super::observation::{Event, Interval, Measurement, Observation, Scope};
use super::record::Record;
use super::terms::Terms;
use crate::model::{in_words, moment};

/// Why the window started again, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The number of the record that did it, from 0.
    pub seq: u64,
    /// Its time, where it has one.
    pub at: Option<Timestamp>,
    /// Why.
    pub why: String,
}

/// The newest unbroken run. Empty while nothing passed since the last restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// What it is about.
    pub scope: Option<Scope>,
    /// The numbers and times of the observations in it, oldest first.
    pub observations: Vec<(u64, Timestamp)>,
    /// Up to when sensors that look back miss nothing since the first observation; `None` where there is none of them.
    pub covered_until: Option<Timestamp>,
    /// What happened in it that coverage demands may ask for.
    pub events: Vec<(Event, Timestamp)>,
    /// Every restart of it so far, oldest first.
    pub restarts: Vec<Restart>,
    /// Why the newest observation is no evidence, when it came after the last one of the run.
    pub unseeing: Option<String>,
    /// The time of the newest dated observation of the validation, whatever it came to.
    pub newest: Option<Timestamp>,
    /// What each observation of the run measured without a gap; as many as there are observations.
    pub measured: Vec<Vec<Interval>>,
}

impl Window {
    /// When it began.
    pub fn began(&self) -> Option<Timestamp> {
        self.observations.first().map(|(_, at)| *at)
    }

    /// The time of its newest observation.
    pub fn ended(&self) -> Option<Timestamp> {
        self.observations.last().map(|(_, at)| *at)
    }

    /// How long it is, from its first to its last observation.
    pub fn length(&self) -> SignedDuration {
        match (self.began(), self.ended()) {
            (Some(began), Some(ended)) => ended.duration_since(began),
            _ => SignedDuration::ZERO,
        }
    }

    /// Ends the run.
    fn restart(&mut self, seq: u64, at: Option<Timestamp>, why: String) {
        self.restarts.push(Restart { seq, at, why });
        self.scope = None;
        self.observations.clear();
        self.measured.clear();
        self.covered_until = None;
        self.events.clear();
    }

    /// Ends the run for a gap in what was measured. What came after the gap is a run of its own, and goes on with the
    /// observation at `at` that showed the gap.
    fn restart_after_gap(&mut self, seq: u64, at: Timestamp, covers: &[Interval], grace: SignedDuration, why: String) {
        let cut = self.clone();
        self.restart(seq, Some(at), why);
        let runs = (1..cut.observations.len()).map(|first| (&cut.observations[first..], &cut.measured[first..]));
        let next = (at, covers);
        let whole = |(observations, measured): &(&[(u64, Timestamp)], &[Vec<Interval>])| {
            let looks = observations.iter().map(|(_, at)| *at).zip(measured.iter().map(Vec::as_slice)).chain([next]);
            covered_throughout(looks, grace)
        };
        let Some((observations, measured)) = runs.into_iter().find(whole) else { return };
        self.scope = cut.scope;
        self.covered_until = observations
            .first()
            .map(|(_, began)| measured.iter().fold(*began, |until, covers| extended(until, covers)));
        self.observations = observations.to_vec();
        self.measured = measured.to_vec();
        self.events = cut.events;
    }

    fn take(&mut self, entry: &Entry, observation: &Observation, at: Timestamp, covers: &[Interval]) {
        if self.observations.is_empty() {
            self.scope.clone_from(&observation.scope);
            self.covered_until = (!covers.is_empty()).then_some(at);
        }
        self.covered_until = self.covered_until.map(|until| extended(until, covers));
        let events = observation.measurements.iter().flat_map(|one| &one.events);
        self.events.extend(events.map(|occurrence| (occurrence.event, occurrence.at)));
        self.observations.push((entry.seq, at));
        self.measured.push(covers.to_vec());
    }
}

/// How far time is covered without a gap, when it was up to `until` and these intervals come to it.
fn extended(until: Timestamp, covers: &[Interval]) -> Timestamp {
    let mut sorted: Vec<&Interval> = covers.iter().collect();
    sorted.sort_by_key(|interval| interval.from);
    sorted
        .into_iter()
        .filter(|one| one.from <= one.to)
        .fold(until, |until, one| if one.from <= until { until.max(one.to) } else { until })
}

/// Whether at each of these looks, all but the last `grace` since the first one was measured.
fn covered_throughout<'a>(mut looks: impl Iterator<Item = (Timestamp, &'a [Interval])>, grace: SignedDuration) -> bool {
    let Some((began, covers)) = looks.next() else { return false };
    let mut until = extended(began, covers);
    looks.all(|(at, covers)| {
        until = extended(until, covers);
        at.duration_since(until) <= grace
    })
}

/// Goes through the trusted part of a ledger and finds the window that the terms are about.
pub fn window(terms: &Terms, ledger: &Ledger) -> Window {
    let mut window = Window::default();
    if let Some(damage) = ledger.damage() {
        window.restart(0, None, format!("the ledger was damaged: {damage}"));
    }
    for entry in ledger.trusted() {
        if let Record::Observation(observation) = &entry.record
            && observation.validation == terms.validation
        {
            if entry.seq < terms.not_before {
                window.restarts.clear();
                let names: Vec<&str> = terms.noted.keys().map(String::as_str).collect();
                window.restart(entry.seq, None, format!("{} was changed since", names.join(", ")));
            } else {
                step(terms, &mut window, entry, observation);
            }
        }
    }
    window
}

/// Whom an observation lets into the run.
fn step(terms: &Terms, window: &mut Window, entry: &Entry, observation: &Observation) {
    let dated = observation.at.dated();
    let at = dated.as_ref().ok().copied();
    if let (Some(at), Some(newest)) = (at, window.newest)
        && at < newest
    {
        window.restart(
            entry.seq,
            Some(at),
            format!("the clock went backwards: {} comes after {}", moment(at), moment(newest)),
        );
    }
    window.newest = at.or(window.newest);
    window.unseeing = None;
    if let Some(why) = disqualified(terms, observation) {
        window.restart(entry.seq, at, why);
        return;
    }
    if let (Some(was), Some(is)) = (&window.scope, &observation.scope)
        && was.digest() != is.digest()
    {
        let why = format!("its scope changed: {}", was.differing(is).join(", "));
        window.restart(entry.seq, at, why);
    }
    match (&dated, unseeing(terms, entry, observation)) {
        (Err(why), _) => window.unseeing = Some(why.clone()),
        (_, Some(why)) => window.unseeing = Some(why),
        (Ok(at), None) => admit(terms, window, entry, observation, *at),
    }
}

/// What keeps an observation out and ends the run, whether or not it could see everything: a failure, or something noted
/// that the terms do not allow.
fn disqualified(terms: &Terms, observation: &Observation) -> Option<String> {
    let failures = observation.failures();
    if !failures.is_empty() {
        return Some(failures.join("; "));
    }
    let other = |(name, wanted): (&String, &String)| {
        let found = observation.noted.get(name)?;
        (found != wanted).then(|| format!("{name} was {found} instead of {wanted}"))
    };
    terms.noted.iter().find_map(other)
}

/// Why an observation is no evidence, although nothing in it failed.
fn unseeing(terms: &Terms, entry: &Entry, observation: &Observation) -> Option<String> {
    let blind = observation.blind(&terms.sensors);
    let unnoted = terms.noted.keys().find(|name| !observation.noted.contains_key(*name));
    if !blind.is_empty() {
        return Some(blind.join("; "));
    }
    if observation.scope.is_none() {
        let why = observation.scope_missing.as_deref().unwrap_or("nobody looked");
        return Some(format!("what it is about could not be read: {why}"));
    }
    if let Some(name) = unnoted {
        return Some(format!("{name} was not seen"));
    }
    unvouched(terms, entry.standing).map(str::to_owned)
}

/// Why a record does not count for lack of a signature, if it does not.
pub(super) fn unvouched(terms: &Terms, standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Signed => None,
        _ if terms.allow_unsigned => None,
        Standing::Unsigned => Some("it is unsigned, and the plan file does not allow that"),
        Standing::Unchecked => Some("it is signed with a key that is not at hand"),
    }
}

/// Takes a passing observation into the run, or starts the run again with it.
fn admit(terms: &Terms, window: &mut Window, entry: &Entry, observation: &Observation, at: Timestamp) {
    let sensors = terms.sensors.iter().filter_map(|name| observation.measurement(name));
    let covers: Vec<Interval> = sensors.filter_map(|one| one.covers).collect();
    if let Some(last) = window.ended() {
        let gap = at.duration_since(last);
        let covered = window.covered_until.map(|until| extended(until, &covers));
        if gap > terms.longest_gap() {
            let why = format!(
                "{} without an observation; at most {} is allowed",
                in_words(gap),
                in_words(terms.longest_gap())
            );
            window.restart(entry.seq, Some(at), why);
        } else if let Some(until) = covered.filter(|until| at.duration_since(*until) > terms.grace()) {
            let (until, at_text) = (moment(until), moment(at));
            let why = format!("nothing was measured between {until} and {at_text} by a sensor that misses nothing");
            window.restart_after_gap(entry.seq, at, &covers, terms.grace(), why);
        } else if window.covered_until.is_none() && !covers.is_empty() {
            let why = "only from here on does a sensor cover the time between observations".to_owned();
            window.restart(entry.seq, Some(at), why);
        }
    }
    window.take(entry, observation, at, &covers);
}

/// Where the measurement of a sensor ended that the next one has to go on from: that of the newest observation that the
/// window takes, or that failed, in which the sensor was live. What a blind observation measured never reaches the window, so
/// that the next one has to measure that time again. `None`: the last such measurement covered no time and asked for none,
/// or there is none, and the sensor begins anew.
pub fn watermark(terms: &Terms, ledger: &Ledger, sensor: &str) -> Option<Timestamp> {
    let taken = |entry: &Entry, observation: &Observation| {
        let counts = observation.at.dated().is_ok() && unseeing(terms, entry, observation).is_none();
        counts || disqualified(terms, observation).is_some()
    };
    let newest = ledger.trusted().iter().rev().find_map(|entry| match &entry.record {
        Record::Observation(one) if one.validation == terms.validation && taken(entry, one) => {
            one.measurement(sensor).filter(|measured| measured.is_live())
        }
        _ => None,
    });
    let Measurement { covers, asked, .. } = newest?;
    Some(covers.or(*asked)?.to)
}
