//! Tests of the evidence room: the chain, the window, the gate, and generated histories against a slow oracle.

mod chain;
mod gates;
mod histories;
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    Decision, Head, Ledger, Measurement, Now, Observation, Record, Scope, SigningKey, Standpoint, Terms, Times, append,
    decide, verify,
};
use crate::model::Secret;

/// One day.
const DAY: i64 = 86_400;

/// A second of the tests' calendar; day 0 is 2026-11-01.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_793_491_200 + second).unwrap()
}

fn times(second: i64) -> Times {
    // The runner's clock is somewhere else altogether: nothing may depend on it.
    Times { server: Some(at(second)), azure: Some(at(second)), runner: at(-1_000 * DAY) }
}

fn scope(name: &str) -> Scope {
    Scope(BTreeMap::from([("identity".to_owned(), name.to_owned())]))
}

fn key(text: &str) -> SigningKey {
    SigningKey::new(Secret::new(format!("{text}, made long enough"))).unwrap()
}

/// Seven days, looked at daily, by a probe and by logs.
fn terms() -> Terms {
    Terms {
        validation: "app".to_owned(),
        period: SignedDuration::from_secs(7 * DAY),
        every: SignedDuration::from_secs(DAY),
        sensors: BTreeSet::from(["probe".to_owned(), "logs".to_owned()]),
        coverage: BTreeSet::new(),
        noted: BTreeMap::new(),
        allow_unsigned: false,
    }
}

fn now(second: i64) -> Now {
    Now { at: times(second), scope: Ok(scope("a")) }
}

/// A ledger that is written as `observe` writes it.
struct Book {
    lines: Vec<String>,
    head: Option<Head>,
    key: Option<SigningKey>,
    /// Where the logs' last live measurement ended.
    measured: Option<Timestamp>,
}

impl Book {
    fn new() -> Self {
        Self { lines: Vec::new(), head: None, key: Some(key("the key")), measured: None }
    }

    fn ledger(&self) -> Ledger {
        verify(&self.lines, &[key("the key")], self.head.as_ref())
    }

    fn write(&mut self, record: &Record) {
        // As `verify` finds it; going through all lines before each one would take long.
        let ledger = Ledger { head: self.head.clone(), ..Ledger::default() };
        let (line, head) = append(&ledger, record, self.key.as_ref()).unwrap();
        self.lines.push(line);
        self.head = Some(head);
    }

    /// An observation at a second, changed by `edit` before it is written.
    fn observe_with(&mut self, second: i64, edit: impl FnOnce(&mut Observation)) {
        let standpoint = Standpoint { now: at(second), watermark: self.measured };
        let lag = SignedDuration::from_mins(15);
        let mut observation = Observation {
            validation: "app".to_owned(),
            at: times(second),
            who: "ci@host".to_owned(),
            scope: Some(scope("a")),
            scope_missing: None,
            noted: BTreeMap::new(),
            measurements: vec![
                Measurement::passed("probe", "answered"),
                Measurement::passed("logs", "no password login").covering(standpoint.interval(lag)),
            ],
        };
        edit(&mut observation);
        let live = observation.measurement("logs").filter(|one| one.is_live());
        self.measured = live.and_then(|one| one.covers).map(|covers| covers.to).or(self.measured);
        self.write(&Record::Observation(observation));
    }

    fn observe(&mut self, second: i64) {
        self.observe_with(second, |_| {});
    }

    /// A passing observation on each of these days.
    fn days(days: std::ops::RangeInclusive<i64>) -> Self {
        let mut book = Self::new();
        for day in days {
            book.observe(day * DAY);
        }
        book
    }

    fn decide(&self, second: i64) -> Decision {
        decide(&terms(), &self.ledger(), &now(second))
    }
}
