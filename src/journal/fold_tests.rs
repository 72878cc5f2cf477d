//! The table of legal moves, all of it, and what a journal folds to.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Run, fold};
use crate::journal::{Event, Operation, Outcome, Record, Status, VERSION, next};
use crate::model::{Address, Attributes, Step, Undo, Value};

const ALL: [Status; 11] = [
    Status::Planned,
    Status::Started,
    Status::AlreadyThere,
    Status::Done,
    Status::Held,
    Status::Failed,
    Status::Refused,
    Status::Undoing,
    Status::Undone,
    Status::Kept,
    Status::Stuck,
];

fn s() -> String {
    "k.a".to_owned()
}

fn events() -> Vec<Event> {
    vec![
        Event::started(s()),
        Event::Accepted { step: s(), operation: "op".into() },
        Event::AlreadyThere { step: s(), outputs: Attributes::new() },
        Event::Done { step: s(), outputs: Attributes::new() },
        Event::Held { step: s(), reason: "r".into(), earliest: None },
        Event::Failed { step: s(), error: "e".into(), refused: false },
        Event::Failed { step: s(), error: "e".into(), refused: true },
        Event::UndoStarted { step: s() },
        Event::Undone { step: s() },
        Event::Kept { step: s(), reason: "r".into() },
        Event::UndoFailed { step: s(), error: "e".into() },
    ]
}

#[test]
fn every_move_is_in_the_table_or_corrupt() {
    let row = |status: Status| {
        let moves: Vec<String> = events()
            .iter()
            .filter_map(|event| {
                let to = next(status, event).ok()?;
                let refused = matches!(event, Event::Failed { refused: true, .. });
                Some(format!("{}{}>{to:?}", event.name(), if refused { "!" } else { "" }))
            })
            .collect();
        format!("{status:?}: {}", moves.join(" "))
    };
    let table = ALL.map(row).join("\n");
    insta::assert_snapshot!(table, @r"
    Planned: started>Started already_there>AlreadyThere failed>Refused failed!>Refused kept>Kept
    Started: started>Started accepted>Started already_there>AlreadyThere done>Done held>Held failed>Failed failed!>Refused undo_started>Undoing
    AlreadyThere: 
    Done: started>Started undo_started>Undoing
    Held: started>Started already_there>AlreadyThere failed>Refused failed!>Refused
    Failed: started>Started undo_started>Undoing
    Refused: started>Started already_there>AlreadyThere failed>Refused failed!>Refused
    Undoing: accepted>Undoing undo_started>Undoing undone>Undone kept>Kept undo_failed>Stuck
    Undone: 
    Kept: undo_started>Undoing
    Stuck: undo_started>Undoing
    ");
}

#[test]
fn events_about_no_step_move_no_step() {
    for event in [Event::Resumed { who: "a@b".into() }, Event::Closed { outcome: Outcome::Applied }] {
        assert!(ALL.iter().all(|status| next(*status, &event).is_err()), "{event:?}");
    }
}

pub(crate) fn step(id: &str) -> Step {
    Step {
        id: id.into(),
        address: Address::new("k", id),
        key: Attributes::from([("name".to_owned(), Value::text(id))]),
        before: None,
        after: Some(Attributes::from([("x".to_owned(), "1".into())])),
        via: None,
        undo: Undo::Faithful,
        leans_on: BTreeSet::new(),
        serial_key: None,
        restarts: 0,
    }
}

fn opened(format: u32) -> Event {
    Event::Opened {
        format,
        version: "0.1.0".into(),
        operation: Operation::Apply,
        plan: "p".into(),
        digest: "d".into(),
        who: "ann@host".into(),
    }
}

fn at(seq: u64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::try_from(seq).unwrap()).unwrap()
}

/// A journal that opens, plans these steps and goes on with these events.
pub(crate) fn journal(steps: &[&str], events: Vec<Event>) -> Vec<Record> {
    let head = [opened(VERSION), Event::Planned { steps: steps.iter().map(|id| step(id)).collect() }];
    head.into_iter().chain(events).zip(0..).map(|(event, seq)| Record { seq, at: at(seq), event }).collect()
}

fn status(run: &Run, id: &str) -> Status {
    run.step(id).unwrap().status
}

#[test]
fn a_journal_tells_where_each_step_stands() {
    let outputs = Attributes::from([("id".to_owned(), "7".into())]);
    let events = vec![
        Event::Leans { on: BTreeMap::from([(Address::new("k", "b"), BTreeSet::from([Address::new("k", "a")]))]) },
        Event::started("a"),
        Event::Accepted { step: "a".into(), operation: "url".into() },
        Event::started("b"),
        Event::Done { step: "b".into(), outputs: outputs.clone() },
    ];
    let run = fold(&journal(&["a", "b", "c"], events)).unwrap();
    assert_eq!(
        (status(&run, "a"), status(&run, "b"), status(&run, "c")),
        (Status::Started, Status::Done, Status::Planned)
    );
    let a = run.step("a").unwrap();
    assert_eq!((a.operation.as_deref(), a.since), (Some("url"), at(4)));
    assert_eq!((run.step("b").unwrap().outputs.clone(), run.outcome, run.leans.len()), (outputs, None, 1));
    assert!(a.stands() && !run.step("c").unwrap().stands());
}

#[test]
fn an_operation_is_forgotten_when_its_step_ends() {
    let mut events = vec![Event::started("a"), Event::Accepted { step: "a".into(), operation: "url".into() }];
    events.push(Event::Failed { step: "a".into(), error: "e".into(), refused: false });
    assert_eq!(fold(&journal(&["a"], events)).unwrap().step("a").unwrap().operation, None);
}

#[test]
fn only_a_stopped_run_is_resumed() {
    let close = |outcome| vec![Event::Closed { outcome }, Event::Resumed { who: "x@y".into() }];
    assert_eq!(fold(&journal(&["a"], close(Outcome::Stopped))).unwrap().outcome, None);
    for outcome in [Outcome::Applied, Outcome::Held, Outcome::RolledBack, Outcome::Stuck] {
        assert!(fold(&journal(&["a"], close(outcome))).is_err(), "{outcome:?}");
    }
    let unasked = vec![Event::Closed { outcome: Outcome::Stopped }, Event::started("a")];
    assert!(fold(&journal(&["a"], unasked)).is_err());
}

#[test]
fn what_nobody_could_have_written_is_corrupt() {
    let good = journal(&["a"], vec![Event::started("a")]);
    assert!(fold(&good).is_ok());
    let corrupt = |records: Vec<Record>| fold(&records).unwrap_err().to_string();
    assert_eq!(corrupt(Vec::new()), "corrupt journal: it is empty");
    assert_eq!(corrupt(good[1..].to_vec()), "corrupt journal: it begins with planned");
    let mut gap = good.clone();
    gap[2].seq = 3;
    assert_eq!(corrupt(gap), "corrupt journal: record 2 is numbered 3");
    let stranger = journal(&["a"], vec![Event::started("b")]);
    assert_eq!(corrupt(stranger), "corrupt journal: started of b, which was not planned");
    let twice = journal(&["a", "a"], Vec::new());
    assert_eq!(corrupt(twice), "corrupt journal: a was planned twice");
    let mut later = good.clone();
    later[0].event = opened(VERSION + 1);
    assert!(corrupt(later).contains("this version reads up to"));
    let reopened = journal(&["a"], vec![opened(VERSION)]);
    assert_eq!(corrupt(reopened), "corrupt journal: opened twice");
}

#[test]
fn records_survive_their_text() {
    for (event, seq) in events().into_iter().chain([opened(VERSION), Event::Resumed { who: "a@b".into() }]).zip(0..) {
        let record = Record { seq, at: at(seq), event };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_journal_makes_the_fold_guess(picks in proptest::collection::vec(0_usize..11, 0..12)) {
        let moves: Vec<Event> = picks.iter().map(|pick| events()[*pick].clone()).collect();
        let expected = moves.iter().try_fold(Status::Planned, next);
        let found = fold(&journal(&["k.a"], moves));
        proptest::prop_assert_eq!(expected.is_ok(), found.is_ok());
        if let (Ok(expected), Ok(found)) = (expected, found) {
            proptest::prop_assert_eq!(status(&found, "k.a"), expected);
        }
    }
}

/// What somebody else had moved before the step began is none of ours: neither undone nor owned.
#[test]
fn a_start_tells_what_was_there_before() {
    let end = |json: serde_json::Value| match Value::try_from(json).unwrap() {
        Value::Map(map) => map,
        other => panic!("{other:?}"),
    };
    let letters = |letters: &str| serde_json::json!({ "$letters": letters });
    let mut planned = step("a");
    planned.before = Some(end(serde_json::json!({ "acl": { "t1": {}, "t2": {}, "t3": { "r": letters("") } } })));
    let all = serde_json::json!({ "acl": { "t1": { "r": letters("r") }, "t2": { "r": letters("r") }, "t3": { "r": letters("rw") } } });
    planned.after = Some(end(all));
    let found = end(serde_json::json!({ "acl": { "t1": { "r": letters("r") }, "t3": { "r": letters("w") } } }));
    let events = [opened(VERSION), Event::Planned { steps: vec![planned] }, Event::Started { step: "a".into(), found }];
    let records: Vec<Record> =
        events.into_iter().zip(0..).map(|(event, seq)| Record { seq, at: at(seq), event }).collect();
    let lines: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    let read: Vec<Record> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let step = &fold(&read).unwrap().steps[0].step;
    assert_eq!(step.before, Some(end(serde_json::json!({ "acl": { "t2": {}, "t3": { "r": letters("w") } } }))));
    let after = serde_json::json!({ "acl": { "t2": { "r": letters("r") }, "t3": { "r": letters("rw") } } });
    assert_eq!(step.after, Some(end(after)));
    let old = r#"{"seq":2,"at":"2027-01-15T08:00:02Z","type":"started","step":"a"}"#;
    assert_eq!(serde_json::from_str::<Record>(old).unwrap().event, Event::started("a"));
    assert_eq!(serde_json::to_string(&Event::started("a")).unwrap(), r#"{"type":"started","step":"a"}"#);
}
