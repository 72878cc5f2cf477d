//! One page of every report, with a name in every place where a name from outside can stand.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::super::{attributes, change};
use crate::diff::{Action, Change, ChangeSet, Reason};
use crate::journal::{Event, Operation, Outcome, Record};
use crate::model::{Address, Attributes, Class, Desired, Failure, Letters, Step, Undo, Value};
use crate::report::{
    Check, Doctor, Evidence, Explained, GateLine, LineMark, ListLine, Mark, MarkdownView, Moment, Page, PlanView,
    RightLine, RoleView, Run, Status, StepSql, Symptom, checklist, doctor, evidence, explain, failure, graph, history,
    outcome, plan, reviewed, rights, run, status, way_back, ways,
};

pub fn now() -> Timestamp {
    "2026-11-24T17:00:00Z".parse().unwrap()
}

/// A failure whose words are those of a server.
pub fn refusal(name: &str) -> Failure {
    // A cause of several lines is shown in as many; here it is the name alone that might have some.
    let line = name.replace(['\n', '\r'], " ");
    Failure::new(Class::Other, "the server refused").detail(&line).remedy(&line)
}

pub fn step(name: &str) -> Step {
    Step {
        id: Address::new("database_role", name).to_string(),
        address: Address::new("database_role", name),
        key: attributes(json!({ "server": name, "name": name })),
        before: None,
        after: Some(attributes(json!({ "name": name }))),
        via: Some(name.into()),
        undo: Undo::Lossy(name.into()),
        leans_on: BTreeSet::from([name.into()]),
        serial_key: Some(name.into()),
        restarts: 1,
    }
}

/// A change set with the name as label, key, value, element, reason, note, and in what a server said.
pub fn changes(name: &str) -> ChangeSet {
    let role = Address::new("database_role", name);
    let mut created = change("database_role", name, Action::Create, json!(null), json!({ "name": name, "l": [name] }));
    created.undo = Undo::Kept(name.into());
    let named = |value: &str| Value::Map(Attributes::from([(name.to_owned(), Value::text(value))]));
    let settings = |value: &str| Attributes::from([("settings".to_owned(), named(value))]);
    let mut set = change("app_settings", name, Action::Update, json!({}), json!({}));
    (set.before, set.after) = (Some(settings("a")), Some(settings("b")));
    set.after.as_mut().unwrap().insert("zones".into(), named(name));
    set.reason = Reason::LeansOn(role.clone());
    set.leans_on = BTreeSet::from([role.clone()]);
    set.undo = Undo::Never(name.into());
    set.restarts = 1;
    let may = |letters: &str| Value::Map([(name.to_owned(), Value::Letters(Letters::new(letters.chars())))].into());
    let held = |entries: Attributes| Some(Attributes::from([("privileges".to_owned(), Value::Map(entries))]));
    let mut granted = change("database_grants", name, Action::Update, json!({}), json!({}));
    granted.before = held([("schema x".to_owned(), may("U"))].into());
    granted.after = held([("schema x".to_owned(), may("UC")), (format!("table x.{name}"), may("r"))].into());
    granted.notes = vec![name.into()];
    granted.undo = Undo::Lossy(name.into());
    let mut gone = change("slot_settings", name, Action::Delete, json!({}), json!(null));
    gone.before = Some([("names".to_owned(), named("x"))].into());
    let mut check = change("check", name, Action::Check, json!({ "passed": false }), json!({ "passed": true }));
    check.notes = vec![name.into()];
    let mut later = change("schema", name, Action::Unknown, json!(null), json!({}));
    later.reason = Reason::Unreadable(name.into());
    let mut held = change("validation", name, Action::Held, json!(null), json!({}));
    held.reason = Reason::Gate(name.into());
    held.notes = vec![format!("opened without the evidence by {name}")];
    let mut blind = change("database", name, Action::None, json!(null), json!({}));
    blind.failure = Some(refusal(name));
    let mut barred = change("server_auth", name, Action::Unknown, json!(null), json!({}));
    barred.reason = Reason::NotReadable(name.into());
    ChangeSet { changes: vec![created, set, granted, gone, check, later, held, blind, barred] }
}

pub fn records(name: &str) -> Vec<Record> {
    let id = step(name).id;
    let opened = Event::Opened {
        format: 1,
        version: name.into(),
        operation: Operation::Rollback { run: name.into() },
        plan: name.into(),
        digest: name.into(),
        who: name.into(),
    };
    let mut other = step(name);
    other.id = format!("{id}@{}", Address::new("x", name));
    let events = [
        opened,
        Event::Planned { steps: vec![step(name), other.clone()] },
        Event::Resumed { who: name.into() },
        Event::started(id.clone()),
        Event::Accepted { step: id.clone(), operation: name.into() },
        Event::Failed { step: id.clone(), error: name.into(), refused: true },
        Event::started(other.id.clone()),
        Event::Done { step: other.id.clone(), outputs: Attributes::new() },
        Event::Held { step: other.id.clone(), reason: name.into(), earliest: Some(now()) },
        Event::UndoStarted { step: id.clone() },
        Event::UndoFailed { step: id.clone(), error: name.into() },
        Event::Kept { step: id, reason: name.into() },
        Event::Closed { outcome: Outcome::Stuck },
    ];
    events.into_iter().zip(0..).map(|(event, seq)| Record { seq, at: now(), event }).collect()
}

pub fn desired(name: &str) -> Vec<Desired> {
    let one = |kind: &str, after: &[&str]| Desired {
        address: Address::new(kind, name),
        key: Attributes::new(),
        attributes: Attributes::new(),
        after: after.iter().map(|kind| Address::new(*kind, name)).collect(),
        place: None,
    };
    vec![one("app_identity", &[]), one("database_role", &["app_identity"])]
}

pub fn ledger(name: &str) -> Vec<Evidence> {
    let moment = |seq, mark, at| Moment { seq, at, mark, length: None, detail: name.into() };
    vec![Evidence {
        validation: name.into(),
        period: SignedDuration::from_hours(24),
        length: SignedDuration::from_hours(2),
        open: false,
        missing: vec![name.into()],
        earliest: Some(now()),
        moments: vec![moment(0, Mark::Counts, Ok(now())), moment(1, Mark::Failed, Err(name.into()))],
        overrides: vec![name.into()],
        sensors: vec![(name.into(), None, name.into())],
    }]
}

pub fn checks(name: &str) -> Vec<Check> {
    [true, false].map(|holds| Check { label: name.into(), holds, detail: name.into() }).to_vec()
}

pub fn sql_steps(name: &str) -> Vec<StepSql> {
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    vec![StepSql {
        step: step(name),
        statements: vec![format!("GRANT USAGE ON SCHEMA {quoted} TO {quoted}")],
        inverse: vec![format!("DROP ROLE {quoted}")],
    }]
}

fn explained(name: &str) -> Page {
    let changes = changes(name);
    let step = step(name);
    let told = Explained {
        steps: vec![&step],
        serial_key: Some(name.into()),
        gates: BTreeSet::from([Address::new("validation", name)]),
        dependants: BTreeSet::from([Address::new("check", name)]),
        place: Some(name.into()),
        rules: vec![(name.into(), name.into(), vec![name.into()])],
        roles: vec![RoleView {
            role: name.into(),
            old: name.into(),
            gains: vec![name.into()],
            lacks: vec![name.into()],
        }],
        notes: vec![name.into()],
    };
    explain(&changes.changes[1], &changes, &told)
}

fn stand(name: &str) -> Page {
    let records = records(name);
    let looks: Vec<(Change, bool)> = changes(name).changes.into_iter().zip([true, false].into_iter().cycle()).collect();
    let line = |mark| ListLine {
        section: "Section".into(),
        line: name.into(),
        optional: true,
        mark,
        seen: name.into(),
        at: Some(now()),
    };
    let gate = GateLine { name: name.into(), missing: vec![name.into()], earliest: Some(now()), ..GateLine::default() };
    let told = Run { id: name, records: &records };
    status(&Status {
        store: name,
        holder: Some(name),
        open: Some(told),
        last: Some(told),
        looks: &looks,
        checklist: &[line(LineMark::Done), line(LineMark::NotYet)],
        gates: &[gate],
    })
}

fn diagnosed(name: &str) -> Page {
    let symptom = |risk| Symptom {
        rule: "rule".into(),
        title: "Title".into(),
        risk,
        subject: name.into(),
        cause: name.into(),
        evidence: vec![name.into(); 2],
        fix: vec![name.into(); 2],
    };
    let unseen = [(name.to_owned(), refusal(name))];
    doctor(&Doctor { symptoms: &[symptom(true), symptom(false)], known: 2, unseen: &unseen })
}

/// Every page, by what it is called.
pub fn pages(name: &str) -> BTreeMap<&'static str, Page> {
    let changes = changes(name);
    let records = records(name);
    let told = Run { id: name, records: &records };
    let stays = [(name.to_owned(), name.to_owned())];
    let full = PlanView { full: true };
    let right = |held| RightLine {
        right: name.into(),
        scope: name.into(),
        plan: true,
        kinds: vec![name.into()],
        held,
        detail: name.into(),
    };
    let text = || vec![name.to_owned()];
    BTreeMap::from([
        ("plan", reviewed(plan(&changes, PlanView::default()), &stays, Some(name))),
        ("plan --full", plan(&changes, full)),
        ("rollback", way_back(&changes, full, &stays)),
        ("plan --explain", explained(name)),
        ("history", history(&[told, told])),
        ("show", run(told)),
        ("apply", outcome(told, &[told], &[(step(name).id, refusal(name))])),
        ("status", stand(name)),
        ("doctor", diagnosed(name)),
        ("doctor --can-i", rights(&[right(Some(true)), right(Some(false)), right(None)])),
        ("doctor --local", ways("Local development", false, &checks(name))),
        ("verify", checklist("Verification", &checks(name))),
        ("evidence", evidence(&ledger(name), &text(), &text())),
        ("graph", graph(&desired(name))),
        ("a failure", failure(&refusal(name))),
    ])
}

/// How a page becomes a comment about a plan of that name.
pub fn comment(name: &str) -> MarkdownView<'_> {
    MarkdownView { subject: name, budget: 1 << 20 }
}
