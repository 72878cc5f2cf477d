//! Change sets, the steps that follow from them, and what the linter refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Readings, diff};
use crate::diff::{Action, Change, ChangeSet, Reason, lint, steps};
use crate::model::{
    Address, Attributes, Class, Desired, Failure, Field, Flaw, Nature, Reading, Schema, Step, Type, Undo, Value, WHOLE,
};

const FIELDS: &[Field] = &[
    Field::new("x", Type::Text, "Text."),
    Field::new("acl", Type::Map(&Type::Map(&Type::Text)), "Entries.").entrywise(),
];

const fn schema(
    kind: &'static str,
    nature: Nature,
    undo: fn(Option<&Attributes>, Option<&Attributes>) -> Undo,
) -> Schema {
    Schema {
        kind,
        doc: "A thing.",
        nature,
        fields: FIELDS,
        outputs: &[],
        undo,
        serial_key: |key| key.get("server").and_then(Value::as_text).map(str::to_owned),
        restarts: |before, _| u32::from(before.is_some()),
        consistent_within: Duration::ZERO,
    }
}

static SCHEMAS: [Schema; 4] = [
    schema("thing", Nature::Resource, |_, _| Undo::Faithful),
    schema("never", Nature::Resource, |_, _| Undo::Never("nobody knows it".to_owned())),
    schema("check", Nature::Check, |_, _| Undo::Faithful),
    schema("gate", Nature::Gate, |_, _| Undo::Faithful),
];

fn schemas(kind: &str) -> Option<&'static Schema> {
    let kind = if ["app_settings", "app_identity", "database_role", "database_grants"].contains(&kind) {
        "thing"
    } else {
        kind
    };
    SCHEMAS.iter().find(|schema| schema.kind == kind)
}

fn attributes(json: Json) -> Attributes {
    match Value::try_from(json).unwrap() {
        Value::Map(map) => map,
        other => panic!("{other:?}"),
    }
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn want(name: &str, wanted: Json, after: &[&str]) -> Desired {
    Desired {
        address: address(name),
        key: Attributes::new(),
        attributes: attributes(wanted),
        after: after.iter().map(|on| address(on)).collect(),
        place: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a look may fail")]
fn there(live: Json) -> Result<Reading, Failure> {
    Ok(Reading::present(attributes(live), attributes(json!({ "id": "7" }))))
}

fn readings(found: Vec<(&str, Result<Reading, Failure>)>) -> Readings {
    found.into_iter().map(|(name, reading)| (address(name), reading)).collect()
}

fn told(set: &ChangeSet) -> Vec<String> {
    set.changes.iter().map(|change| format!("{} {:?}", change.address, change.action)).collect()
}

fn planned(set: &ChangeSet) -> Vec<Step> {
    steps(set, &schemas)
}

const ID: &str = "7";

fn id_of(giver: &str) -> Json {
    json!({ "$after_apply": { "address": giver, "output": "id" } })
}

#[test]
fn references_are_known_once_their_givers_stand() {
    let desired =
        [want("thing.b", json!({ "x": id_of("thing.a") }), &["thing.a"]), want("thing.a", json!({ "x": "1" }), &[])];
    let standing = readings(vec![("thing.a", there(json!({ "x": "1" }))), ("thing.b", there(json!({ "x": ID })))]);
    assert_eq!(told(&diff(&desired, &standing, &schemas)), ["thing.a None", "thing.b None"]);
    let moving = readings(vec![("thing.a", there(json!({ "x": "0" }))), ("thing.b", there(json!({ "x": ID })))]);
    let set = diff(&desired, &moving, &schemas);
    assert_eq!(told(&set), ["thing.a Update", "thing.b Update"], "an open value equals nothing");
    assert_eq!(set.changes[1].open_refs().len(), 1);
    assert_eq!((set.summary().change, set.summary().restarts), (2, 2));
    let gives_nothing = readings(vec![
        ("thing.a", Ok(Reading::present(attributes(json!({ "x": "1" })), Attributes::new()))),
        ("thing.b", Ok(Reading::absent())),
    ]);
    let failure = diff(&desired, &gives_nothing, &schemas).changes[1].failure.clone().unwrap();
    assert_eq!(failure.first_cause(), "thing.a gives no id");
}

#[test]
fn what_cannot_be_read_is_open_only_while_something_before_it_changes() {
    let desired = [want("thing.a", json!({ "x": "1" }), &[]), want("thing.b", json!({ "x": "1" }), &["thing.a"])];
    let look = |a: Json| {
        let found = readings(vec![("thing.a", there(a)), ("thing.b", Ok(Reading::not_yet("no tokens yet")))]);
        diff(&desired, &found, &schemas)
    };
    let open = look(json!({ "x": "0" }));
    assert_eq!(told(&open), ["thing.a Update", "thing.b Unknown"]);
    assert_eq!(planned(&open).len(), 1, "what leans on the unread waits");
    let stuck = look(json!({ "x": "1" }));
    assert_eq!(
        (told(&stuck)[1].as_str(), stuck.changes[1].failure.is_some()),
        ("thing.b None", true),
        "never: no changes"
    );
    let missing = diff(&desired[..1], &Readings::new(), &schemas);
    assert!(missing.changes[0].failure.is_some(), "nobody looked");
}

#[test]
fn what_one_may_not_look_at_stays_unknown_and_the_rest_is_compared() {
    let desired = [
        want("thing.a", json!({ "x": "1" }), &[]),
        want("thing.b", json!({ "x": id_of("thing.a") }), &["thing.a"]),
        want("thing.c", json!({ "x": "1" }), &["thing.a"]),
        want("thing.d", json!({ "x": "1" }), &["thing.a"]),
        want("check.e", json!({ "x": "q" }), &["thing.a"]),
    ];
    let forbidden = Failure::new(Class::Forbidden, "not allowed").detail("x/read on /s\nsaid Azure");
    let good = attributes(json!({ "passed": true }));
    let passes = Reading { desired: Some(good.clone()), ..Reading::present(good, Attributes::new()) };
    let found = readings(vec![
        ("thing.a", Err(forbidden)),
        ("thing.b", there(json!({ "x": "7" }))),
        ("thing.c", there(json!({ "x": "0" }))),
        ("thing.d", Ok(Reading::refused("server s lets nobody in"))),
        ("check.e", Ok(passes)),
    ]);
    let set = diff(&desired, &found, &schemas);
    assert_eq!(told(&set), ["thing.a Unknown", "check.e None", "thing.b Unknown", "thing.c Update", "thing.d Unknown"]);
    let why = |name: &str| match &set.get(&address(name)).unwrap().reason {
        Reason::NotReadable(why) => why.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!((why("thing.a"), why("thing.d")), ("x/read on /s", "server s lets nobody in"));
    assert_eq!(why("thing.b"), "it needs id of thing.a, which is not readable");
    assert_eq!((set.summary().not_readable, set.summary().unknown, set.summary().change), (3, 0, 1));
    assert!(set.has_changes() && planned(&set).is_empty(), "nobody knows that nothing changes, and nothing is done");
}

#[test]
fn what_waits_for_something_that_is_not_readable_is_not_readable_either() {
    let desired = [want("thing.a", json!({ "x": "1" }), &[]), want("thing.b", json!({ "x": "1" }), &["thing.a"])];
    let refused = || Err(Failure::new(Class::Forbidden, "not allowed").detail("x/read on /s"));
    let waits = || Ok(Reading::not_yet("what a makes is not there yet"));
    let set = diff(&desired, &readings(vec![("thing.a", refused()), ("thing.b", waits())]), &schemas);
    let change = set.get(&address("thing.b")).unwrap();
    assert!(change.not_readable() && change.failure.is_none(), "{change:?}");
    // Where all that it leans on was seen, nothing in this plan will mend it.
    let seen = Ok(Reading::present(attributes(json!({ "x": "1" })), Attributes::new()));
    let set = diff(&desired, &readings(vec![("thing.a", seen), ("thing.b", waits())]), &schemas);
    assert!(set.get(&address("thing.b")).unwrap().failure.is_some());
}

#[test]
fn checks_run_when_something_before_them_changes_or_they_do_not_pass() {
    let desired = [want("thing.a", json!({ "x": "1" }), &[]), want("check.c", json!({ "x": "q" }), &["thing.a"])];
    let passing = |passes: bool| {
        let mut reading = Reading::present(attributes(json!({ "passed": passes })), Attributes::new());
        reading.desired = Some(attributes(json!({ "passed": true })));
        Ok(reading)
    };
    let look = |a: &str, check: Result<Reading, Failure>| {
        let set = diff(&desired, &readings(vec![("thing.a", there(json!({ "x": a }))), ("check.c", check)]), &schemas);
        (set.changes[1].action, set.changes[1].reason.clone(), set.changes[1].failure.is_some())
    };
    assert_eq!(look("1", passing(true)), (Action::None, Reason::AsWanted, false));
    assert_eq!(look("1", passing(false)), (Action::Check, Reason::Differs(vec!["passed".into()]), false));
    assert_eq!(look("0", passing(true)), (Action::Check, Reason::LeansOn(address("thing.a")), false));
    let broken = || Err(Failure::new(Class::Unreachable, "no route"));
    assert_eq!(look("0", broken()).0, Action::Check, "it may well work then");
    assert!(look("1", broken()).2);
}

#[test]
fn gates_hold_what_leans_on_them() {
    let desired = [want("gate.g", json!({ "x": "open" }), &[]), want("thing.a", json!({ "x": "1" }), &["gate.g"])];
    let look = |gate: &str| {
        let found = readings(vec![("gate.g", there(json!({ "x": gate }))), ("thing.a", Ok(Reading::absent()))]);
        diff(&desired, &found, &schemas)
    };
    let shut = look("shut");
    assert_eq!(told(&shut), ["gate.g Held", "thing.a Held"]);
    assert!(planned(&shut).is_empty() && !shut.has_changes() && !shut.acts());
    let open = look("open");
    assert_eq!((told(&open)[0].as_str(), told(&open)[1].as_str()), ("gate.g None", "thing.a Create"));
    let ids: Vec<String> = planned(&open).into_iter().map(|step| step.id).collect();
    assert_eq!(ids, ["gate.g", "thing.a"], "it is asked again when its turn comes");
}

#[test]
fn a_change_is_split_by_connection_and_holds_only_entries_that_move() {
    let letters = |text: &str| json!({ "r": { "$letters": text } });
    let desired = [want("thing.a", json!({ "x": "1" }), &[]), want("thing.b", json!({}), &["thing.a"])];
    let mut reading =
        Reading::present(attributes(json!({ "acl": { "same": letters("a"), "one": letters("") } })), Attributes::new());
    reading.desired =
        Some(attributes(json!({ "acl": { "same": letters("a"), "one": letters("a"), "two": letters("r") } })));
    reading.routes = BTreeMap::from([("two".to_owned(), "owner".to_owned())]);
    let found = readings(vec![("thing.a", Ok(Reading::absent())), ("thing.b", Ok(reading))]);
    let steps = planned(&diff(&desired, &found, &schemas));
    let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["thing.a", "thing.b", "thing.b@owner"]);
    let entries =
        |step: &Step| step.after.as_ref().unwrap()["acl"].as_map().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((entries(&steps[1]), entries(&steps[2])), (vec!["one".to_owned()], vec!["two".to_owned()]));
    assert_eq!(steps[2].via.as_deref(), Some("owner"));
    assert!(steps[1..].iter().all(|step| step.leans_on == BTreeSet::from(["thing.a".to_owned()])));
}

#[test]
fn a_change_that_one_connection_writes_whole_stays_one_step() {
    let desired = [want("thing.a", json!({ "x": "1" }), &[])];
    let mut reading = Reading::absent();
    reading.routes = BTreeMap::from([(WHOLE.to_owned(), "owner".to_owned())]);
    let steps = planned(&diff(&desired, &readings(vec![("thing.a", Ok(reading))]), &schemas));
    let told: Vec<_> = steps.iter().map(|step| (step.id.as_str(), step.via.as_deref())).collect();
    assert_eq!(told, [("thing.a", Some("owner"))]);
}

fn changed(desired: &[Desired]) -> ChangeSet {
    let found = desired
        .iter()
        .filter(|want| want.address.kind != "gate")
        .map(|want| (want.address.clone(), Ok(Reading::absent())));
    let open = desired.iter().filter(|want| want.address.kind == "gate");
    let open =
        open.map(|want| (want.address.clone(), Ok(Reading::present(want.attributes.clone(), Attributes::new()))));
    diff(desired, &found.chain(open).collect(), &schemas)
}

fn complaint(desired: &[Desired]) -> Option<String> {
    lint(desired, &changed(desired), &schemas).err()?.detail
}

#[test]
fn a_step_without_a_way_back_needs_a_gate_and_comes_last() {
    let gate = want("gate.g", json!({}), &[]);
    let bare = [want("never.n", json!({ "x": "1" }), &[])];
    assert!(complaint(&bare).unwrap().contains("no gate stands before it"));
    let gated = [gate.clone(), want("never.n", json!({ "x": "1" }), &["gate.g"])];
    assert_eq!(complaint(&gated), None);
    let early = [gate, gated[1].clone(), want("thing.t", json!({ "x": "1" }), &["never.n"])];
    assert!(complaint(&early).unwrap().contains("but thing.t after it can"));
}

#[test]
fn an_app_switches_after_its_role_may_work() {
    let site = |mut want: Desired| {
        want.key = attributes(json!({ "app": "web" }));
        want
    };
    let server = |mut want: Desired, name: &str| {
        want.key = attributes(json!({ "server": "pg", "name": name }));
        want
    };
    let plan = |settings_after: &[&str]| {
        [
            site(want("app_identity.i", json!({ "x": "1" }), &[])),
            server(want("database_role.r", json!({ "x": id_of("app_identity.i") }), &["app_identity.i"]), "r"),
            server(want("database_grants.g", json!({ "grants": [{ "role": "r" }] }), &["database_role.r"]), "g"),
            site(want("app_settings.s", json!({ "x": "1" }), settings_after)),
        ]
    };
    assert_eq!(complaint(&plan(&["database_grants.g"])), None);
    assert!(complaint(&plan(&[])).unwrap().starts_with("app_settings.s has to come after database_grants.g"));
}

proptest::proptest! {
    #[test]
    fn steps_come_after_what_they_lean_on(edges in proptest::collection::vec((0_usize..6, 0_usize..6), 0..12)) {
        let name = |n: usize| format!("thing.t{n}");
        let desired: Vec<Desired> = (0..6).map(|n| {
            // Only onto smaller numbers, so that there is no circle.
            let on: Vec<String> = edges.iter().filter(|(from, to)| *from == n && to < from).map(|(_, to)| name(*to)).collect();
            want(&name(n), json!({ "x": "1" }), &on.iter().map(String::as_str).collect::<Vec<_>>())
        }).collect();
        let set = changed(&desired);
        let steps = planned(&set);
        proptest::prop_assert_eq!(steps.len(), 6);
        let place: BTreeMap<&str, usize> = steps.iter().enumerate().map(|(at, step)| (step.id.as_str(), at)).collect();
        for step in &steps {
            proptest::prop_assert!(step.leans_on.iter().all(|on| place[on.as_str()] < place[step.id.as_str()]));
        }
        let again: Vec<Change> = changed(&desired).changes;
        let addresses = |changes: &[Change]| changes.iter().map(|change| change.address.clone()).collect::<Vec<_>>();
        proptest::prop_assert_eq!(addresses(&again), addresses(&set.changes), "the same order each time");
    }
}

/// A role that is missing is no mistake of a plan file that makes it; any other mistake is said at once.
#[test]
fn what_names_a_role_that_this_plan_makes_waits_for_it() {
    let flaw = |role: Option<&str>| Flaw {
        address: address("database_grants.db"),
        path: "grants.0.future.0".to_owned(),
        rule: "unknown-role",
        title: "there is no such role".to_owned(),
        remedy: None,
        role: role.map(str::to_owned),
    };
    let mut role = want("database_role.maker", json!({ "x": "1" }), &[]);
    role.key = attributes(json!({ "name": "zz" }));
    let desired = [role, want("database_grants.db", json!({ "x": "1" }), &["database_role.maker"])];
    let look = |live: Reading, flaws: Vec<Flaw>| {
        let found =
            readings(vec![("database_role.maker", Ok(live)), ("database_grants.db", Err(Failure::flawed(flaws)))]);
        let set = diff(&desired, &found, &schemas);
        (set.changes[1].action, set.changes[1].failure.is_some())
    };
    assert_eq!(look(Reading::absent(), vec![flaw(Some("zz"))]), (Action::Unknown, false));
    assert!(look(Reading::absent(), vec![flaw(Some("other"))]).1);
    assert!(look(Reading::absent(), vec![flaw(Some("zz")), flaw(None)]).1);
    assert!(look(there(json!({ "x": "1" })).unwrap(), vec![flaw(Some("zz"))]).1, "it stands, and is not seen");
}
