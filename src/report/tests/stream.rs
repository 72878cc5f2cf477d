//! The stream of events.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::everything;
use crate::diff::{ChangeSet, Reason};
use crate::journal::{Event, Outcome, Record};
use crate::model::{Attributes, Class, Failure, Step, Undo};
use crate::report::{Run, Stream, end_events, failure_event, json_line, plan_events, version_event};

fn now() -> Timestamp {
    "2026-11-24T17:00:00Z".parse().unwrap()
}

fn step(id: &str) -> Step {
    Step {
        id: id.into(),
        address: id.parse().unwrap(),
        key: Attributes::new(),
        before: None,
        after: Some(Attributes::new()),
        via: None,
        undo: Undo::Faithful,
        leans_on: BTreeSet::new(),
        serial_key: None,
        restarts: 0,
    }
}

fn records(events: Vec<Event>) -> Vec<Record> {
    let dated = |(seq, event): (usize, Event)| {
        let at = Timestamp::from_second(1_800_000_000 + i64::try_from(seq).unwrap()).unwrap();
        Record { seq: seq as u64, at, event }
    };
    events.into_iter().enumerate().map(dated).collect()
}

/// Type, level and message of each event.
fn told(events: &[Json]) -> Vec<String> {
    let text = |event: &Json, name: &str| event[name].as_str().unwrap().to_owned();
    events
        .iter()
        .map(|one| format!("{} {}: {}", text(one, "@level"), text(one, "type"), text(one, "@message")))
        .collect()
}

#[test]
fn a_plan_as_events() {
    let mut changes = everything();
    changes[0].reason = Reason::NotReadable("x/read on /s".into());
    let events = plan_events(&ChangeSet { changes }, now());
    insta::assert_snapshot!(told(&events).join("\n"), @r"
    info planned_change: app_identity.geoapi: Plan to create
    info planned_change: database_role.geoapi-identity: Plan to update
    info planned_change: database_grants.geo: Plan to update
    info planned_change: app_settings.geoapi: Plan to update
    info planned_change: slot_settings.old: Plan to delete
    info planned_change: check.health: Plan to read
    info planned_change: database_role.later: Plan is not known yet
    info planned_change: validation.geoapi: Held by a gate
    warn diagnostic: Warning: not readable
    info change_summary: Plan: 1 to add, 3 to change, 1 to destroy.
    ");
    assert_eq!(
        json_line(&events[1]),
        concat!(
            r#"{"@level":"info","@message":"database_role.geoapi-identity: Plan to update","@module":"pgentra.ui","#,
            r#""@timestamp":"2026-11-24T17:00:00Z","change":{"action":"update","held":false,"reason":null,"resource":"#,
            r#"{"addr":"database_role.geoapi-identity","implied_provider":"pgentra","module":"","resource":"#,
            r#""database_role.geoapi-identity","resource_key":null,"resource_name":"geoapi-identity","resource_type":"#,
            r#""database_role"},"unknown":false},"type":"planned_change"}"#,
            "\n"
        )
    );
}

#[test]
fn a_run_as_events() {
    let name = |step: &str| step.to_owned();
    let records = records(vec![
        Event::Planned { steps: vec![step("app_identity.a"), step("app_settings.b"), step("check.c")] },
        Event::started(name("app_identity.a")),
        Event::Done { step: name("app_identity.a"), outputs: Attributes::new() },
        Event::started(name("app_settings.b")),
        Event::Failed { step: name("app_settings.b"), error: "the line\nwas cut".into(), refused: false },
        Event::UndoStarted { step: name("app_identity.a") },
        Event::Undone { step: name("app_identity.a") },
        Event::Closed { outcome: Outcome::RolledBack },
    ]);
    let mut stream = Stream::default();
    let mut events: Vec<Json> = records.iter().flat_map(|record| stream.hear(record)).collect();
    events.push(stream.progress("app_settings.b", "waiting", now()));
    events.extend(end_events(Run { id: "r1", records: &records }, &[], Outcome::RolledBack, now()));
    insta::assert_snapshot!(told(&events).join("\n"), @r"
    info apply_start: app_identity.a: Started
    info apply_complete: app_identity.a: Complete
    info apply_start: app_settings.b: Started
    error apply_errored: app_settings.b: Failed
    error diagnostic: Error: a step failed
    info undo_start: app_identity.a: Undoing
    info undo_complete: app_identity.a: Undone
    info apply_progress: app_settings.b: waiting
    info change_summary: Apply failed. Resources: 0 added, 0 changed, 0 destroyed.
    info outputs: Outputs: 2
    ");
    assert_eq!(events[1]["hook"]["elapsed_seconds"], json!(1));
    assert_eq!(events[0]["hook"].get("elapsed_seconds"), None);
    assert_eq!(events.last().unwrap()["outputs"]["outcome"]["value"], "rolled_back");
    let done = end_events(Run { id: "r1", records: &records[..3] }, &[], Outcome::Applied, now());
    assert_eq!(done[0]["changes"], json!({ "add": 1, "change": 0, "remove": 0, "operation": "apply" }));
}

#[test]
fn every_event_is_one_line_with_the_whole_envelope() {
    let failure = Failure::new(Class::Other, "no\n::error::x ##vso[y]").detail("postgres://u:hunter2@h/d");
    let events = [version_event("1.2.3", now()), failure_event(&failure, now())];
    for event in &events {
        for name in ["@level", "@message", "@module", "@timestamp", "type"] {
            assert!(event[name].is_string(), "{name} in {event}");
        }
        let line = json_line(event);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(!line.contains("hunter2") && !line.contains("##vso["), "{line}");
    }
}
