//! Every row of the rule that settles a step, and what holds for any step.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Settled, Verdict, settle};
use crate::diff::swapped;
use crate::model::{Address, Attributes, Field, Letters, Nature, Schema, Step, Type, Undo, Value};

static SCHEMA: Schema = Schema {
    kind: "thing",
    doc: "A thing.",
    nature: Nature::Resource,
    fields: &[
        Field::new("a", Type::Text, "Text."),
        Field::new("b", Type::Text, "Text."),
        Field::new("owner", Type::Text, "Text.").fresh("the service"),
        Field::new("flags", Type::Map(&Type::Bool), "Flags."),
        Field::new("acl", Type::Map(&Type::Map(&Type::Text)), "Entries.").entrywise(),
        Field::new("options", Type::Map(&Type::Map(&Type::Text)), "Entries.").entrywise(),
    ],
    outputs: &[],
    undo: |_, _| Undo::Faithful,
    serial_key: |_| None,
    restarts: |_, _| 0,
    consistent_within: Duration::ZERO,
};

fn end(json: Json) -> Option<Attributes> {
    match Value::try_from(json).unwrap() {
        Value::Null => None,
        Value::Map(map) => Some(map),
        other => panic!("{other:?}"),
    }
}

fn step(before: Json, after: Json) -> Step {
    Step {
        id: "thing.x".into(),
        address: Address::new("thing", "x"),
        key: Attributes::new(),
        before: end(before),
        after: end(after),
        via: None,
        undo: Undo::Faithful,
        leans_on: BTreeSet::new(),
        serial_key: None,
        restarts: 0,
    }
}

fn settled(step: &Step, now: Json, began: bool) -> Settled {
    settle(step, &SCHEMA, end(now).as_ref(), began, &BTreeSet::new(), &BTreeSet::new())
}

#[expect(clippy::needless_pass_by_value, reason = "tests read better without ampersands")]
fn verdict(before: Json, after: Json, now: Json) -> [Verdict; 2] {
    let step = step(before, after);
    [false, true].map(|began| settled(&step, now.clone(), began).verdict)
}

use Verdict::{AlreadyThere, Conflict, Write};

const THERE: [Verdict; 2] = [AlreadyThere, AlreadyThere];
const WRITE: [Verdict; 2] = [Write, Write];
const CONFLICT: [Verdict; 2] = [Conflict, Conflict];
/// In between: ours only if the journal says that we began.
const BETWEEN: [Verdict; 2] = [Conflict, Write];

#[test]
fn changes_in_place() {
    let (old, new) = (json!({ "a": "1", "b": "1" }), json!({ "a": "2", "b": "2" }));
    let now = |now: Json| verdict(old.clone(), new.clone(), now);
    assert_eq!(now(new.clone()), THERE);
    assert_eq!(now(old.clone()), WRITE);
    assert_eq!(now(json!({ "a": "2", "b": "1" })), BETWEEN);
    assert_eq!(now(json!({ "a": "3", "b": "1" })), CONFLICT);
    assert_eq!(now(json!({ "a": "2" })), CONFLICT, "b was taken away by somebody");
    assert_eq!(now(Json::Null), CONFLICT, "all of it was");
}

#[test]
fn creations() {
    let now = |now: Json| verdict(Json::Null, json!({ "a": "1", "b": "2" }), now);
    assert_eq!(now(Json::Null), WRITE);
    assert_eq!(now(json!({ "a": "1", "b": "2" })), THERE);
    assert_eq!(now(json!({ "a": "1" })), BETWEEN, "half-made");
    assert_eq!(now(json!({ "a": "9" })), CONFLICT, "made by somebody else");
    assert_eq!(now(json!({ "a": "9", "b": "2" })), CONFLICT);
}

#[test]
fn removals() {
    let now = |now: Json| verdict(json!({ "a": "1", "b": "2" }), Json::Null, now);
    assert_eq!(now(Json::Null), THERE);
    assert_eq!(now(json!({ "a": "1", "b": "2" })), WRITE);
    assert_eq!(now(json!({ "a": "1" })), BETWEEN, "half-removed");
    assert_eq!(now(json!({ "a": "1", "b": "3" })), CONFLICT, "somebody else's by now");
}

#[test]
fn what_the_service_begins_with_is_half_made() {
    let (thing, fresh) = (json!({ "a": "1", "owner": "me" }), json!({ "a": "1", "owner": "the service" }));
    assert_eq!(verdict(Json::Null, thing.clone(), fresh.clone()), BETWEEN);
    assert_eq!(verdict(thing.clone(), Json::Null, fresh.clone()), BETWEEN);
    assert_eq!(settled(&step(Json::Null, thing.clone()), fresh.clone(), true).clashes, [], "all of it is written");
    assert_eq!(verdict(Json::Null, thing.clone(), json!({ "a": "1", "owner": "them" })), CONFLICT);
    assert_eq!(verdict(json!({ "a": "1", "owner": "you" }), thing, fresh), CONFLICT, "it was there before");
}

#[test]
fn missing_and_null_are_the_same() {
    assert_eq!(verdict(json!({ "a": null }), json!({ "a": "1" }), json!({})), WRITE);
    assert_eq!(verdict(json!({}), json!({ "a": "1" }), json!({ "a": null })), WRITE);
    assert_eq!(verdict(json!({ "a": "1" }), json!({}), json!({})), THERE);
    assert_eq!(verdict(json!({}), json!({}), json!({})), THERE);
}

#[test]
fn an_open_value_equals_nothing() {
    let open = json!({ "$after_apply": { "address": "thing.y", "output": "id" } });
    assert_eq!(verdict(json!({ "a": "1" }), json!({ "a": open }), json!({ "a": "1" })), WRITE);
    assert_eq!(verdict(json!({ "a": "1" }), json!({ "a": open }), json!({ "a": "2" })), CONFLICT);
    assert_eq!(verdict(Json::Null, json!({ "a": open }), json!({ "a": "2" })), CONFLICT);
    assert_eq!(verdict(json!({ "a": open }), json!({ "a": open }), json!({ "a": open })), CONFLICT);
}

#[test]
fn maps_are_settled_name_by_name() {
    let flags = |map: Json| json!({ "flags": map });
    let (old, new) = (flags(json!({ "x": true, "y": true })), flags(json!({ "x": true, "z": true })));
    let now = |map: Json| verdict(old.clone(), new.clone(), flags(map));
    assert_eq!(now(json!({ "x": true, "y": true })), WRITE);
    assert_eq!(now(json!({ "x": true, "z": true })), THERE);
    assert_eq!(now(json!({ "x": true, "y": true, "z": true })), BETWEEN);
    assert_eq!(now(json!({ "y": true })), CONFLICT, "x was to stay");
    let found = settled(&step(old, new), flags(json!({ "y": true })), true);
    assert_eq!(found.clashes.iter().map(|clash| clash.path.as_str()).collect::<Vec<_>>(), ["flags.x"]);
}

fn acl(entries: &[(&str, &str, &str)]) -> Json {
    let mut map = serde_json::Map::new();
    for (entry, grantee, letters) in entries {
        map.insert((*entry).to_owned(), json!({ *grantee: { "$letters": letters } }));
    }
    json!({ "acl": map })
}

#[test]
fn letters_are_settled_one_by_one() {
    let now = |letters: &str| verdict(acl(&[("t", "r", "a")]), acl(&[("t", "r", "arw")]), acl(&[("t", "r", letters)]));
    assert_eq!(now("a"), WRITE);
    assert_eq!(now("arw"), THERE);
    assert_eq!(now("ar"), WRITE, "an entry in between is written, whoever began");
    assert_eq!(now("arwd"), THERE, "letters that nobody asked about are others'");
    assert_eq!(now("rw"), CONFLICT, "a letter that was to stay is gone");
}

#[test]
fn entries_are_settled_alone() {
    let ends = step(acl(&[("t", "r", "a")]), acl(&[("t", "r", "ar"), ("u", "r", "a"), ("v", "r", "a")]));
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let at = |now: Json, gone: &[&str], replaced: &[&str]| {
        settle(&ends, &SCHEMA, end(now).as_ref(), false, &set(gone), &set(replaced))
    };
    let half = at(acl(&[("t", "r", "ar")]), &[], &[]);
    assert_eq!((half.verdict, half.clashes.len()), (Write, 0), "any mix may be written");
    let gone = at(acl(&[("t", "r", "ar"), ("u", "r", "a")]), &["v", "elsewhere"], &[]);
    assert_eq!((gone.verdict, gone.gone), (AlreadyThere, set(&["v"])), "what is gone is no fault");
    let replaced = at(acl(&[("t", "r", "a")]), &[], &["u"]);
    assert_eq!(replaced.verdict, Write, "the others go on");
    assert_eq!(replaced.clashes.iter().map(|clash| clash.path.as_str()).collect::<Vec<_>>(), ["acl.u"]);
    let all = at(acl(&[]), &["t"], &["u", "v"]);
    assert_eq!((all.verdict, all.clashes.len()), (Conflict, 2));
}

#[test]
fn entries_of_several_fields_are_settled_alone() {
    let end_of = |acl_of: &[(&str, &str, &str)], options: Json| {
        let mut json = acl(acl_of);
        json["options"] = options;
        json
    };
    let ends = |options: Json| step(end_of(&[], json!({})), end_of(&[("t", "r", "r"), ("u", "r", "r")], options));
    let replaced = BTreeSet::from(["t".to_owned()]);
    let now = end(end_of(&[], json!({})));
    let one = settle(&ends(json!({})), &SCHEMA, now.as_ref(), false, &BTreeSet::new(), &replaced);
    assert_eq!((one.verdict, one.clashes.len()), (Write, 1), "a field without entries stops nothing");
    let other = ends(json!({ "t": { "r": { "$letters": "r" } } }));
    let one = settle(&other, &SCHEMA, now.as_ref(), false, &BTreeSet::new(), &replaced);
    assert_eq!((one.verdict, one.clashes.len()), (Write, 2), "nor one whose only entry was replaced");
    let moved = end_of(&[("t", "r", "r"), ("u", "r", "r")], json!({}));
    assert_eq!(settled(&other, moved, false).verdict, Write, "nor one that somebody moved already");
}

/// What stands at the end before anybody began is not ours: it is told, so that it is never undone.
#[test]
fn what_had_moved_before_us_is_told() {
    let ends =
        step(acl(&[("t1", "r", ""), ("t2", "r", "")]), acl(&[("t1", "r", "r"), ("t2", "r", "rw"), ("t3", "r", "r")]));
    let now = acl(&[("t1", "r", "ra"), ("t2", "r", "w")]);
    let found = |now: &Json, began: bool| settled(&ends, now.clone(), began).found;
    assert_eq!(Some(found(&now, false)), end(acl(&[("t1", "r", "r"), ("t2", "r", "w")])));
    assert!(found(&now, true).is_empty(), "once it was begun it may be ours");
    assert!(found(&acl(&[]), false).is_empty());
    let rest = ends.as_found(&found(&now, false));
    assert_eq!(rest.before, end(acl(&[("t2", "r", "w")])));
    assert_eq!(rest.after, end(acl(&[("t2", "r", "rw"), ("t3", "r", "r")])));
}

#[test]
fn secrets_agree_by_digest() {
    let secret = |digest: &str| json!({ "a": { "$secret": { "source": null, "digest": digest } } });
    let now = |digest: &str| verdict(secret("d1"), secret("d2"), secret(digest));
    assert_eq!((now("d1"), now("d2"), now("d3")), (WRITE, THERE, CONFLICT));
    let unknown = json!({ "a": { "$secret": { "source": null, "digest": null } } });
    assert_eq!(verdict(secret("d1"), unknown.clone(), unknown), CONFLICT, "an unknown secret equals nothing");
}

fn value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec!["1", "2", "3"]);
    let letters = prop::collection::vec(prop::sample::select(vec!['a', 'r', 'w']), 0..3);
    prop_oneof![
        Just(Value::Null),
        word.prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        letters.prop_map(|letters| Value::Letters(Letters::new(letters))),
    ]
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let flags = prop::collection::btree_map("[xyz]", any::<bool>().prop_map(Value::from), 0..3);
    (value(), value(), flags).prop_map(|(a, b, flags)| {
        Attributes::from([
            ("a".to_owned(), a),
            ("b".to_owned(), b),
            ("flags".to_owned(), Value::Map(flags.into_iter().collect())),
        ])
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    (prop::option::of(attributes()), prop::option::of(attributes())).prop_map(|(before, after)| Step {
        before,
        after,
        ..step(Json::Null, Json::Null)
    })
}

fn verdict_at(step: &Step, now: Option<&Attributes>, began: bool) -> Verdict {
    settle(step, &SCHEMA, now, began, &BTreeSet::new(), &BTreeSet::new()).verdict
}

proptest! {
    #[test]
    fn at_the_after_end_nothing_is_written(step in any_step(), began: bool) {
        prop_assert_eq!(verdict_at(&step, step.after.as_ref(), began), AlreadyThere);
    }

    #[test]
    fn at_the_before_end_it_is_never_a_conflict(step in any_step(), began: bool) {
        prop_assert_ne!(verdict_at(&step, step.before.as_ref(), began), Conflict);
    }

    #[test]
    fn having_begun_only_ever_allows_more(step in any_step(), now in prop::option::of(attributes())) {
        let [fresh, began] = [false, true].map(|began| verdict_at(&step, now.as_ref(), began));
        prop_assert!(fresh == began || (fresh, began.clone()) == (Conflict, Write), "{began:?}");
    }

    #[test]
    fn a_value_of_neither_end_is_never_overwritten(mut step in any_step(), began: bool) {
        for end in [&mut step.before, &mut step.after].into_iter().flatten() {
            end.insert("a".into(), "1".into());
        }
        let now = Attributes::from([("a".to_owned(), Value::from("foreign"))]);
        let verdict = verdict_at(&step, Some(&now), began);
        if step.before.is_some() || step.after.is_some() {
            prop_assert_eq!(verdict, Conflict);
        }
    }

    #[test]
    fn undo_is_the_same_step_with_its_ends_swapped(step in any_step(), now in prop::option::of(attributes())) {
        let back = swapped(&step);
        prop_assert_eq!(&swapped(&back), &step);
        let [there, back] = [&step, &back].map(|step| verdict_at(step, now.as_ref(), true));
        prop_assert_eq!(there == Conflict, back == Conflict, "{:?} {:?}", there, back);
    }
}
