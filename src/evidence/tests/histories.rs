//! Generated histories: the gate opens in exactly those where the oracle says that it should.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::oracle::{Made, Seen, Shape, made, open};
use super::{Book, DAY, at, scope, terms, times};
use crate::evidence::{Interval, Measurement, Now, Record, Session, Times, census, decide};

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![150 => Just(Seen::Well), 1 => Just(Seen::Wrong), 2 => Just(Seen::Nothing)]
}

/// One observation, by how long after the one before it comes.
fn shape() -> impl Strategy<Value = (i64, Shape)> {
    let gap = prop_oneof![
        100 => Just(DAY),
        12 => 1..=DAY + DAY / 2,
        2 => Just(DAY + DAY / 2),
        1 => DAY + DAY / 2 + 1..=3 * DAY,
        1 => -2 * DAY..0,
        1 => 8 * DAY..=30 * DAY,
    ];
    let azure_off = prop_oneof![100 => -300..=300_i64, 1 => 301..=DAY, 1 => -DAY..=-301];
    let scopes = prop_oneof![150 => Just(0_u8), 1 => Just(1_u8)];
    let skipped = prop_oneof![100 => Just(0_i64), 1 => 1..=DAY];
    let session = prop_oneof![150 => Just(None), 1 => (-40 * DAY..0).prop_map(Some)];
    let rare = |weight| prop::bool::weighted(weight);
    (gap, azure_off, scopes, seen(), seen(), rare(0.99), skipped, rare(0.005), session).prop_map(
        |(gap, azure_off, scope, probe, logs, signed, skipped, edited, session)| {
            let shape = Shape { at: 0, azure_off, scope, probe, logs, signed, skipped, edited, session };
            (gap, shape)
        },
    )
}

/// Writes a history as `observe` does, and tells what has to have become of it.
fn write(steps: &[(i64, Shape)]) -> (Book, Vec<Made>) {
    let (mut book, mut second) = (Book::new(), 0);
    let ours = book.key.clone();
    let dated = |(gap, shape): &(i64, Shape)| {
        second += gap;
        Shape { at: second, ..shape.clone() }
    };
    let made = made(&steps.iter().map(dated).collect::<Vec<_>>());
    for Made { shape, covered } in &made {
        let second = shape.at;
        book.key = ours.clone().filter(|_| shape.signed);
        book.observe_with(second, |one| {
            one.at = Times { azure: Some(at(second + shape.azure_off)), ..times(second) };
            one.scope = Some(scope(if shape.scope == 0 { "a" } else { "b" }));
            let mut interval = one.measurements[1].covers.unwrap();
            // Nothing measures what is yet to come.
            let from = at((interval.from.as_second() - at(0).as_second() + shape.skipped).min(second));
            interval = Interval { from, to: interval.to.max(from) };
            assert_eq!((interval.from, interval.to), (at(covered.0), at(covered.1)), "{shape:?}");
            let logs = shape.logs.measurement("logs").covering(interval);
            let logs = if one.at.dated().is_ok() { logs } else { Measurement { covers: None, ..logs } };
            one.measurements = vec![shape.probe.measurement("probe"), logs];
            if let Some(since) = shape.session {
                let since = Some(at(since));
                let session = Session { pid: 1, since, from: None, database: None, application: None };
                one.measurements.push(census("census", "geoapp", &[session]));
            }
        });
    }
    for (line, one) in book.lines.iter_mut().zip(&made) {
        if one.shape.edited {
            *line = line.replace("ci@host", "me@host");
        }
    }
    (book, made)
}

#[test]
fn the_gate_opens_in_exactly_those_histories_where_it_should() {
    let (opened, held) = (Cell::new(0_u32), Cell::new(0_u32));
    let histories = (
        prop_oneof![1 => prop::collection::vec(shape(), 0..8), 3 => prop::collection::vec(shape(), 8..16)],
        prop_oneof![8 => 0..=DAY, 1 => -DAY..0, 1 => DAY..=3 * DAY],
    );
    let mut runner = TestRunner::new(Config { cases: 1_500, failure_persistence: None, ..Config::default() });
    let result = runner.run(&histories, |(steps, later)| {
        let (book, made) = write(&steps);
        let last = made.last().map_or(0, |one| one.shape.at);
        let now = Now::new(times(last + later), Ok(scope("a")));
        let decision = decide(&terms(), &book.ledger(), &now);
        let should = open(&made, last + later, 0);
        prop_assert_eq!(decision.open, should, "{:?}\n{:#?}", decision, made);
        prop_assert_eq!(decision.open, decision.missing.is_empty());
        prop_assert!(decision.open || !decision.reason().is_empty());
        let count = if should { &opened } else { &held };
        count.set(count.get() + 1);
        Ok(())
    });
    result.unwrap();
    // A test in which hardly any gate opens would prove little.
    assert!(opened.get() > 50 && held.get() > 50, "{} opened, {} held", opened.get(), held.get());
}

proptest! {
    /// Before the earliest time that it names, a held gate does not open, however well everything goes on.
    #[test]
    fn the_earliest_time_is_a_promise(steps in prop::collection::vec(shape(), 0..10), pace in DAY / 4..=DAY) {
        let (mut book, made) = write(&steps);
        book.key = Book::new().key;
        let mut second = made.iter().map(|one| one.shape.at).max().unwrap_or(0);
        let ask = |book: &Book, second| decide(&terms(), &book.ledger(), &Now::new(times(second), Ok(scope("a"))));
        let decision = ask(&book, second);
        prop_assume!(!decision.open);
        let Some(earliest) = decision.earliest else { return Ok(()) };
        while at(second + pace) < earliest {
            second += pace;
            book.observe(second);
            prop_assert!(!ask(&book, second).open, "open at {second}, before {earliest}");
        }
    }

    /// No record that others than observations make opens a gate, and noise of other validations changes nothing.
    #[test]
    fn others_do_not_matter(steps in prop::collection::vec(shape(), 0..12), noise in prop::collection::vec(shape(), 0..4)) {
        let (mut book, made) = write(&steps);
        let last = made.last().map_or(0, |one| one.shape.at);
        let ask = |book: &Book| decide(&terms(), &book.ledger(), &Now::new(times(last), Ok(scope("a"))));
        let before = ask(&book);
        for (gap, shape) in noise {
            let (other, _) = write(&[(gap, Shape { edited: false, ..shape })]);
            let mut record = other.ledger().entries[0].record.clone();
            if let Record::Observation(observation) = &mut record {
                observation.validation = "other".into();
            }
            book.write(&record);
        }
        prop_assert_eq!(ask(&book), before);
    }
}
