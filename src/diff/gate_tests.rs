//! Tests of gates in a change set: what a gate holds, and when it is no longer asked.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Readings, diff};
use crate::diff::{Action, Reason};
use crate::model::{Address, Attributes, Desired, Nature, Reading, Schema, Undo};

const fn schema(kind: &'static str, nature: Nature) -> Schema {
    Schema {
        kind,
        doc: "A kind.",
        nature,
        fields: &[],
        outputs: &[],
        undo: |_, _| Undo::Faithful,
        serial_key: |_| None,
        restarts: |_, _| 0,
        consistent_within: Duration::ZERO,
    }
}

static GATE: Schema = schema("gate", Nature::Gate);
static THING: Schema = schema("thing", Nature::Resource);

fn schemas(kind: &str) -> Option<&'static Schema> {
    [&GATE, &THING].into_iter().find(|schema| schema.kind == kind)
}

fn flag(name: &str, value: bool) -> Attributes {
    Attributes::from([(name.to_owned(), value.into())])
}

fn want(kind: &str, name: &str, after: &[Address]) -> Desired {
    Desired {
        address: Address::new(kind, name),
        key: Attributes::new(),
        attributes: flag("done", true),
        after: after.iter().cloned().collect::<BTreeSet<_>>(),
        place: None,
    }
}

/// The actions of a gate, a thing behind it, and another behind that one.
fn actions(open: bool, first: bool, second: bool) -> Vec<(Action, Reason)> {
    let gate = Address::new("gate", "g");
    let middle = Address::new("thing", "a");
    let desired = [
        want("gate", "g", &[]),
        want("thing", "a", std::slice::from_ref(&gate)),
        want("thing", "b", std::slice::from_ref(&middle)),
    ];
    let mut asked = Reading::present(flag("open", open), Attributes::new());
    asked.desired = Some(flag("open", true));
    asked.notes.push("2d of 7d".to_owned());
    let thing = |done: bool| Ok(Reading::present(flag("done", done), Attributes::new()));
    let readings: Readings =
        [(gate, Ok(asked)), (middle, thing(first)), (Address::new("thing", "b"), thing(second))].into();
    diff(&desired, &readings, &schemas).changes.into_iter().map(|change| (change.action, change.reason)).collect()
}

#[test]
fn a_held_gate_holds_what_is_not_done_yet() {
    let held = |why: &str| (Action::Held, Reason::Gate(why.to_owned()));
    assert_eq!(actions(false, false, false), [held("2d of 7d"), held("gate.g holds it"), held("gate.g holds it")]);
    assert_eq!(
        actions(false, true, false),
        [held("2d of 7d"), (Action::None, Reason::AsWanted), held("gate.g holds it")]
    );
    let open: Vec<Action> = actions(true, false, true).into_iter().map(|(action, _)| action).collect();
    assert_eq!(open, [Action::None, Action::Update, Action::None]);
}

#[test]
fn a_gate_is_not_asked_once_all_behind_it_is_done() {
    assert!(actions(false, true, true).into_iter().all(|(action, _)| action == Action::None));
}

/// The action on a thing whose removal takes away what another leans on, by whether that one is done.
fn removal(other_done: bool) -> (Action, Vec<String>) {
    let first = Address::new("thing", "kept");
    let gate = Address::new("gate", "g");
    let desired = [
        want("gate", "g", &[]),
        want("thing", "kept", std::slice::from_ref(&gate)),
        want("thing", "user", std::slice::from_ref(&first)),
    ];
    let mut open = Reading::present(flag("open", true), Attributes::new());
    open.desired = Some(flag("open", true));
    let mut kept = Reading::present(flag("done", false), Attributes::new());
    kept.put_off = true;
    let user = Reading::present(flag("done", other_done), Attributes::new());
    let readings: Readings =
        [(gate, Ok(open)), (first.clone(), Ok(kept)), (Address::new("thing", "user"), Ok(user))].into();
    let set = diff(&desired, &readings, &schemas);
    let change = set.get(&first).unwrap();
    (change.action, change.notes.clone())
}

#[test]
fn what_others_need_is_removed_once_they_are_done() {
    assert_eq!(removal(false), (Action::None, vec!["it waits for thing.user, which leans on it".to_owned()]));
    assert_eq!(removal(true), (Action::Update, Vec::new()));
}
