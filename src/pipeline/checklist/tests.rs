//! Tests of the checklist on made-up sights: what nobody saw, what a person vouches for, and what a gate holds.

use jiff::{SignedDuration, Timestamp};

use super::{Item, LINES, Sight, State, checklist};
use crate::evidence::{Attestation, Decision, Entry, Event, Ledger, Record, Standing, Times, Window};
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
