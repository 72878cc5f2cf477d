//! What journals say was made.

use serde_json::{Value as Json, json};

use super::Owned;
use crate::journal::fold::tests::{journal, step};
use crate::journal::{Event, Run, fold};
use crate::model::{Attributes, Step, Value};

fn end(json: Json) -> Option<Attributes> {
    match Value::try_from(json).unwrap() {
        Value::Null => None,
        Value::Map(map) => Some(map),
        other => panic!("{other:?}"),
    }
}

fn run(before: Json, after: Json, ended: Event) -> Run {
    let changed = Step { before: end(before), after: end(after), ..step("a") };
    let mut records = journal(&["a"], vec![Event::started("a"), ended]);
    records[1].event = Event::Planned { steps: vec![changed] };
    fold(&records).unwrap()
}

fn done() -> Event {
    Event::Done { step: "a".into(), outputs: Attributes::new() }
}

fn made(runs: &[Run]) -> Option<(bool, Json)> {
    let mut owned = Owned::default();
    for run in runs {
        owned.add(run);
    }
    owned.resources.first().map(|one| (one.created, Json::from(&Value::Map(one.made.clone()))))
}

#[test]
fn what_was_not_there_is_made() {
    let created = run(Json::Null, json!({ "x": "1" }), done());
    assert_eq!(made(std::slice::from_ref(&created)), Some((true, json!({ "x": "1" }))));
    let destroyed = run(json!({ "x": "1" }), Json::Null, done());
    assert_eq!(made(&[created, destroyed]), None);
}

#[test]
fn what_was_there_is_never_ours() {
    let changed = run(json!({ "m": { "old": "1" } }), json!({ "m": { "old": "2", "new": "3" } }), done());
    assert_eq!(made(std::slice::from_ref(&changed)), Some((false, json!({ "m": { "new": "3" } }))));
    let again = run(json!({ "m": { "new": "3" } }), json!({ "m": { "new": "4" } }), done());
    assert_eq!(made(&[changed.clone(), again]), Some((false, json!({ "m": { "new": "4" } }))), "its value of today");
    let undone = run(json!({ "m": { "old": "2", "new": "3" } }), json!({ "m": { "old": "1" } }), done());
    assert_eq!(made(&[changed, undone]), None);
    assert_eq!(made(&[run(json!({ "x": "1" }), json!({ "x": "2" }), done())]), None, "adopted");
}

#[test]
fn letters_are_counted_one_by_one() {
    let acl = |letters: &str| json!({ "acl": { "t": { "r": { "$letters": letters } } } });
    let granted = run(acl("a"), acl("arw"), done());
    assert_eq!(made(std::slice::from_ref(&granted)), Some((false, acl("rw"))));
    assert_eq!(made(&[granted, run(acl("r"), acl(""), done())]), Some((false, acl("w"))));
}

#[test]
fn only_what_may_have_been_written_counts() {
    let failed = Event::Failed { step: "a".into(), error: "e".into(), refused: false };
    assert!(made(&[run(Json::Null, json!({ "x": "1" }), failed)]).is_some());
    let there = Event::AlreadyThere { step: "a".into(), outputs: Attributes::new() };
    assert!(made(&[run(Json::Null, json!({ "x": "1" }), there)]).is_none());
    let refused = Event::Failed { step: "a".into(), error: "e".into(), refused: true };
    assert!(made(&[run(Json::Null, json!({ "x": "1" }), refused)]).is_none());
}

/// A removal that failed may not have happened: the next run asks for it again.
#[test]
fn a_failed_removal_forgets_nothing() {
    let failed = || Event::Failed { step: "a".into(), error: "e".into(), refused: false };
    let created = run(Json::Null, json!({ "x": "1" }), done());
    let destroyed = run(json!({ "x": "1" }), Json::Null, failed());
    assert_eq!(made(&[created, destroyed]), Some((true, json!({ "x": "1" }))));
    let acl = |letters: &str| json!({ "acl": { "t": { "r": { "$letters": letters } } }, "m": { "n": "1" } });
    let granted = run(json!({ "acl": { "t": { "r": { "$letters": "a" } } } }), acl("arw"), done());
    let revoked = run(acl("arw"), json!({ "acl": { "t": { "r": { "$letters": "aw" } } } }), failed());
    assert_eq!(made(&[granted, revoked]), Some((false, acl("rw"))));
}
