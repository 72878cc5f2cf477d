//! Tests of the evidence room: the chain, the window, the gate, and generated histories against a slow oracle.

mod chain;
mod gates;
mod histories;
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    Decision, Entry, Head, Ledger, Measurement, Now, Observation, Record, Scope, SigningKey, Standing, Standpoint,
    Terms, Times, append, decide, verify, watermark,
};
use crate::model::{Address, Secret};

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
        gate: Address::new("validation", "app"),
        validation: "app".to_owned(),
        period: SignedDuration::from_secs(7 * DAY),
        every: SignedDuration::from_secs(DAY),
        sensors: BTreeSet::from(["probe".to_owned(), "logs".to_owned()]),
        coverage: BTreeSet::new(),
        noted: BTreeMap::new(),
        not_before: 0,
        allow_unsigned: false,
    }
}

fn now(second: i64) -> Now {
    Now::new(times(second), Ok(scope("a")))
}

/// A ledger that is written as `observe` writes it.
struct Book {
    lines: Vec<String>,
    head: Option<Head>,
    key: Option<SigningKey>,
    /// By which its observations were made.
    terms: Terms,
    /// What was written, as `verify` finds it; going through all lines before each one would take long.
    known: Ledger,
}

impl Book {
    fn new() -> Self {
        Self { lines: Vec::new(), head: None, key: Some(key("the key")), terms: terms(), known: Ledger::default() }
    }

    fn ledger(&self) -> Ledger {
        verify(&self.lines, &[key("the key")], self.head.as_ref())
    }

    fn write(&mut self, record: &Record) {
        let ledger = Ledger { head: self.head.clone(), ..Ledger::default() };
        let (line, head) = append(&ledger, record, self.key.as_ref()).unwrap();
        let standing = match &self.key {
            None => Standing::Unsigned,
            Some(ours) if ours.id() == key("the key").id() => Standing::Signed,
            Some(_) => Standing::Unchecked,
        };
        let (seq, hash, record) = (head.count - 1, head.hash.clone(), record.clone());
        self.known.entries.push(Entry { seq, line: self.known.lines, record, standing, hash });
        self.known.lines += 1;
        self.lines.push(line);
        self.head = Some(head);
    }

    /// An observation at a second, changed by `edit` before it is written.
    fn observe_with(&mut self, second: i64, edit: impl FnOnce(&mut Observation)) {
        let watermark = watermark(&self.terms, &self.known, "logs");
        let standpoint = Standpoint { now: at(second), watermark };
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
