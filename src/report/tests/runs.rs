//! Journals, progress and graphs as text and data.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;

use super::attributes;
use crate::journal::{Event, Operation, Outcome, Record};
use crate::model::{Address, Attributes, Class, Failure, Step, Undo};
use crate::report::{Live, Run, history, json, outcome, run, terminal};

fn step(kind: &str, name: &str) -> Step {
    Step {
        id: format!("{kind}.{name}"),
        address: Address::new(kind, name),
        key: Attributes::new(),
        before: None,
        after: Some(attributes(json!({ "system": true }))),
        via: None,
        undo: Undo::Faithful,
        leans_on: BTreeSet::new(),
        serial_key: None,
        restarts: 0,
    }
}

/// A step of an address that makes something.
pub fn step_of(address: &str) -> Step {
    let (kind, name) = address.split_once('.').unwrap();
    step(kind, name)
}

/// How a run of that operation begins.
pub fn opened(operation: Operation) -> Event {
    Event::Opened {
        format: 1,
        version: "0.1.0".into(),
        operation,
        plan: "geo".into(),
        digest: "abc".into(),
        who: "ann@ci".into(),
    }
}

/// Events as a journal, ten seconds apart.
pub fn records(events: Vec<Event>) -> Vec<Record> {
    let at = |seq: u64| Timestamp::from_second(1_800_000_000 + 10 * i64::try_from(seq).unwrap()).unwrap();
    events.into_iter().zip(0..).map(|(event, seq)| Record { seq, at: at(seq), event }).collect()
}

fn journal() -> Vec<Record> {
    let id = |name: &str| format!("app_identity.{name}");
    records(vec![
        opened(Operation::Apply),
        Event::Planned { steps: vec![step("app_identity", "a"), step("app_identity", "b"), step("check", "c")] },
        Event::started(id("a")),
        Event::Done { step: id("a"), outputs: Attributes::new() },
        Event::started(id("b")),
        Event::Failed { step: id("b"), error: "HTTP 409\u{1b}".into(), refused: false },
        Event::UndoStarted { step: id("a") },
        Event::Undone { step: id("a") },
        Event::Closed { outcome: Outcome::RolledBack },
    ])
}

#[test]
#[expect(clippy::too_many_lines, reason = "a snapshot")]
fn runs_are_told() {
    let records = journal();
    let told = Run { id: "r1", records: &records };
    insta::assert_snapshot!(terminal(&history(&[told, Run { id: "r2", records: &records[..5] }])).plain(), @r#"
    RUN  BEGAN                 WHO     OPERATION  OUTCOME      STEPS
    r1   2027-01-15T08:00:00Z  ann@ci  apply      rolled back  1 failed, 1 undone, 1 not begun
    r2   2027-01-15T08:00:00Z  ann@ci  apply      unfinished   1 done, 1 unfinished, 1 not begun
    "#);
    insta::assert_snapshot!(terminal(&run(told)).plain(), @r#"
    Run r1: apply of geo by ann@ci, rolled back

    TIME                  EVENT         STEP            DETAIL
    2027-01-15T08:00:00Z  opened                        pgentra 0.1.0, plan digest abc
    2027-01-15T08:00:10Z  planned                       3 steps
    2027-01-15T08:00:20Z  started       app_identity.a
    2027-01-15T08:00:30Z  done          app_identity.a
    2027-01-15T08:00:40Z  started       app_identity.b
    2027-01-15T08:00:50Z  failed        app_identity.b  HTTP 409\u{1b}
    2027-01-15T08:01:00Z  undo started  app_identity.a
    2027-01-15T08:01:10Z  undone        app_identity.a
    2027-01-15T08:01:20Z  closed                        rolled back

    1 failed, 1 undone, 1 not begun.
    "#);
    let failures =
        [("app_identity.b".to_owned(), Failure::new(Class::Other, "HTTP 409").detail("busy").remedy("try again"))];
    insta::assert_snapshot!(terminal(&outcome(told, &[], &failures)).plain(), @r#"
    Error: app_identity.b: HTTP 409
      busy
      help: try again

      undone app_identity.a

    Apply failed; what this run did was undone. Steps: 1 failed, 1 undone, 1 not begun.

    Next: mend the cause, then run `pgentra apply` again.
    "#);
    insta::assert_snapshot!(json(&outcome(told, &[], &failures)), @r#"
    {
      "began": "2027-01-15T08:00:00Z",
      "earlier": [],
      "ended": "2027-01-15T08:01:20Z",
      "failures": [
        {
          "failure": {
            "class": "other",
            "detail": "busy",
            "remedy": "try again",
            "summary": "HTTP 409"
          },
          "step": "app_identity.b"
        }
      ],
      "format_version": "1.0",
      "next": "Next: mend the cause, then run `pgentra apply` again.",
      "operation": "apply",
      "outcome": "rolled_back",
      "plan": "geo",
      "run": "r1",
      "steps": [
        {
          "detail": null,
          "earliest": null,
          "error": null,
          "status": "undone",
          "step": "app_identity.a"
        },
        {
          "detail": "HTTP 409\u001b",
          "earliest": null,
          "error": "HTTP 409\u001b",
          "status": "failed",
          "step": "app_identity.b"
        },
        {
          "detail": null,
          "earliest": null,
          "error": null,
          "status": "planned",
          "step": "check.c"
        }
      ],
      "who": "ann@ci"
    }
    "#);
}

#[test]
fn a_rollback_of_several_runs_counts_the_steps_of_all() {
    let records = journal();
    let (last, before) = (Run { id: "r2", records: &records }, Run { id: "r1", records: &records[..4] });
    let page = outcome(last, &[before], &[]);
    let text = terminal(&page).plain();
    assert!(text.contains("Steps: 1 done, 1 failed, 1 undone, 3 not begun."), "{text}");
    assert!(json(&page).contains("\"run\": \"r1\""), "the earlier run is named");
}

#[test]
fn progress_uses_terraforms_words() {
    let mut live = Live::default();
    let mut lines = Vec::new();
    for record in journal() {
        lines.extend(live.hear(&record).map(|line| line.text()));
    }
    assert!(live.running().is_empty());
    insta::assert_snapshot!(lines.join("\n"), @r#"
    app_identity.a: Creating...
    app_identity.a: Creation complete after 10s
    app_identity.b: Creating...
    app_identity.b: Failed after 10s: HTTP 409\u{1b}
    app_identity.a: Undoing...
    app_identity.a: Undone after 10s
    "#);
}

#[test]
fn graphs_are_drawn() {
    let resource = |name: &str, after: &[&str]| crate::model::Desired {
        address: Address::new("role", name),
        key: Attributes::new(),
        attributes: Attributes::new(),
        after: after.iter().map(|name| Address::new("role", *name)).collect(),
        place: None,
    };
    let desired = [resource("a", &["we \"ird]"]), resource("we \"ird]", &[])];
    insta::assert_snapshot!(crate::report::dot(&desired), @r#"
    digraph pgentra {
      rankdir = LR;
      node [shape = box];
      "role.a";
      "role.\"we \\\"ird]\"";
      "role.\"we \\\"ird]\"" -> "role.a";
    }
    "#);
    insta::assert_snapshot!(crate::report::mermaid(&desired), @r#"
    flowchart LR
      n0["role.a"]
      n1["role.#34;we #92;#34;ird#93;#34;"]
      n1 --> n0
    "#);
    insta::assert_snapshot!(terminal(&crate::report::graph(&desired)).plain(), @r#"
    role."we \"ird]"
    role.a
      after role."we \"ird]"
    "#);
}
