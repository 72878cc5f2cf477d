//! Tests of the checklist on made-up sights: what nobody saw, what a person vouches for, and what a gate holds.

use jiff::{SignedDuration, Timestamp};

use super::{Item, LINES, Sight, State, checklist};
use crate::evidence::{
    Attestation, Decision, Entry, Event, Ledger, Measurement, Observation, Record, Standing, Times, Verdict, Window,
};
use crate::model::{Address, Attributes, Desired, Value};
use crate::resources::Proof;

fn now() -> Timestamp {
    Timestamp::from_second(1_793_491_200).unwrap()
}

fn attested(line: &str) -> Ledger {
    let at = Times { server: Some(now()), azure: Some(now()), runner: now() };
    let record =
        Attestation { line: line.into(), at, who: "u@host".into(), by: "Ada".into(), note: Some("seen".into()) };
    let record = Record::Attestation(record);
    let entry = Entry { seq: 0, line: 0, record, standing: Standing::Unsigned, hash: String::new() };
    Ledger { entries: vec![entry], lines: 1, ..Ledger::default() }
}

fn seen(ledger: &Ledger, decisions: &[(String, Decision)], proofs: &[Proof]) -> Vec<Item> {
    checklist(&Sight { desired: &[], verified: &[], proofs, ledger, decisions, looked: now() })
}

fn line<'a>(items: &'a [Item], text: &str) -> &'a Item {
    items.iter().find(|item| item.line == text).unwrap()
}

#[test]
fn without_anything_nothing_is_done() {
    let items = seen(&Ledger::default(), &[], &[]);
    assert_eq!(items.len(), LINES.len());
    assert!(items.iter().all(|item| matches!(item.state, State::Unseen | State::NotYet) && item.at.is_none()));
    assert_eq!(line(&items, "Monitoring in place").state, State::NotYet);
}

#[test]
fn a_person_vouches_for_what_no_machine_sees_and_for_nothing_else() {
    let items = seen(&attested("monitoring IN place"), &[], &[]);
    let found = line(&items, "Monitoring in place");
    assert_eq!((found.state, found.seen.as_str(), found.at), (State::Attested, "by Ada: seen", Some(now())));
    let text = "All permission checks show YES";
    assert_eq!(line(&seen(&attested(text), &[], &[]), text).state, State::Attested);
    let proof = Proof { label: "Role geo can use tables in g".into(), holds: false, detail: "0 of 3".into() };
    assert_eq!(line(&seen(&attested(text), &[], &[proof]), text).state, State::NotYet);
}

#[test]
fn a_gate_holds_until_its_period_is_over() {
    let window = Window {
        observations: vec![(0, now()), (1, now() + SignedDuration::from_hours(2))],
        covered_until: Some(now()),
        events: vec![(Event::FreshToken, now())],
        ..Window::default()
    };
    let held = Decision { missing: vec!["2 h of 7 d are covered".into()], window, ..Decision::default() };
    let open = Decision { missing: Vec::new(), open: true, ..held.clone() };
    let text = "Zero authentication errors for the whole period";
    let items = seen(&Ledger::default(), &[("geo".to_owned(), held)], &[]);
    let found = line(&items, text);
    assert_eq!((found.state, found.seen.as_str()), (State::Held, "geo: 2 h of 7 d are covered"));
    assert_eq!(line(&items, "No errors in logs for 1 hour (token expiration test)").state, State::Done);
    assert_eq!(line(&items, "Token refresh working").state, State::Done);
    assert_eq!(line(&seen(&Ledger::default(), &[("geo".to_owned(), open)], &[]), text).state, State::Done);
}

fn entry(record: Record) -> Entry {
    Entry { seq: 0, line: 0, record, standing: Standing::Unsigned, hash: String::new() }
}

fn validation(name: &str) -> Desired {
    let asked =
        serde_json::json!({ "probes": [{ "name": "all" }], "sensors": [{ "name": "logs", "kind": "fallback" }] });
    let Value::Map(attributes) = Value::try_from(asked).unwrap() else { panic!("a map") };
    let address = Address::new("validation", name);
    Desired { address, key: Attributes::new(), attributes, after: std::collections::BTreeSet::new(), place: None }
}

fn observation(validation: &str, verdict: &Verdict) -> Entry {
    let of = |sensor: &str| {
        let json = serde_json::json!({ "sensor": sensor, "verdict": verdict, "value": "seen" });
        serde_json::from_value::<Measurement>(json).unwrap()
    };
    entry(Record::Observation(Observation {
        validation: validation.into(),
        at: Times { server: Some(now()), azure: Some(now()), runner: now() },
        who: "u@host".into(),
        scope: None,
        scope_missing: None,
        noted: std::collections::BTreeMap::new(),
        measurements: vec![of("probe all"), of("logs")],
    }))
}

/// One app's evidence says nothing of another, and another plan file's says nothing at all.
#[test]
fn each_app_of_a_fleet_has_to_be_observed() {
    let desired = [validation("one"), validation("two")];
    let state = |entries: Vec<Entry>| {
        let ledger = Ledger { lines: entries.len(), entries, ..Ledger::default() };
        let sight =
            Sight { desired: &desired, verified: &[], proofs: &[], ledger: &ledger, decisions: &[], looked: now() };
        let items = checklist(&sight);
        ["All endpoints functional", "No password fallbacks in logs"].map(|text| line(&items, text).state)
    };
    let failed = Verdict::Failed("500".into());
    let (one, two) = (observation("one", &Verdict::Passed), observation("two", &Verdict::Passed));
    assert_eq!(state(vec![one.clone()]), [State::Unseen; 2], "nobody has observed the other");
    assert_eq!(state(vec![one.clone(), two.clone()]), [State::Done; 2]);
    let foreign = observation("of another plan file", &failed);
    assert_eq!(state(vec![one.clone(), two.clone(), foreign]), [State::Done; 2]);
    assert_eq!(state(vec![observation("one", &failed), two]), [State::NotYet; 2], "the newer one is the other's");
}

#[test]
fn each_app_of_a_fleet_has_to_get_a_token() {
    let got = Decision {
        window: Window { events: vec![(Event::FreshToken, now())], ..Window::default() },
        ..Decision::default()
    };
    let state = |decisions: &[(String, Decision)]| {
        line(&seen(&Ledger::default(), decisions, &[]), "Token refresh working").state
    };
    let (one, two) = (("one".to_owned(), got.clone()), ("two".to_owned(), Decision::default()));
    assert_eq!(state(&[one.clone(), two]), State::Unseen);
    assert_eq!(state(&[one, ("two".to_owned(), got)]), State::Done);
}
