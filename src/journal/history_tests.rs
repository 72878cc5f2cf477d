//! Which run is open, which undid which, and which may be undone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Dated, History};
use crate::journal::fold::tests::journal;
use crate::journal::{Event, Operation, Outcome, fold};
use crate::model::{Address, Attributes};

/// A run that did these steps, and ended so.
fn dated(id: &str, rolls_back: Option<&str>, steps: &[&str], outcome: Option<Outcome>) -> Dated {
    let did = steps.iter().flat_map(|step| {
        let step = (*step).to_owned();
        [Event::started(step.clone()), Event::Done { step, outputs: Attributes::new() }]
    });
    let end = outcome.map(|outcome| Event::Closed { outcome });
    let mut run = fold(&journal(steps, did.chain(end).collect())).unwrap();
    if let Some(of) = rolls_back {
        run.operation = Operation::Rollback { run: of.to_owned() };
    }
    Dated { id: id.to_owned(), run }
}

fn history(runs: Vec<Dated>) -> History {
    History::new(runs, &|_| true)
}

const DONE: Option<Outcome> = Some(Outcome::Applied);

fn id(dated: Option<&Dated>) -> Option<&str> {
    dated.map(|dated| dated.id.as_str())
}

#[test]
fn a_rollback_undoes_a_run_and_a_rollback_of_it_brings_it_back() {
    let (one, back) = (dated("1", None, &["a"], DONE), dated("2", Some("1"), &["a"], DONE));
    let undone = history(vec![one.clone(), back.clone()]);
    assert_eq!(id(undone.undone_by("1")), Some("2"));
    assert_eq!(id(undone.newest()), None);
    let again = history(vec![one, back, dated("3", Some("2"), &["a"], DONE)]);
    assert_eq!((id(again.undone_by("1")), id(again.undone_by("2"))), (None, Some("3")));
    assert_eq!(id(again.newest()), Some("1"));
}

#[test]
fn a_rollback_that_got_stuck_undid_nothing_for_good() {
    let runs = vec![dated("1", None, &["a"], DONE), dated("2", Some("1"), &["a"], Some(Outcome::Stuck))];
    let history = history(runs);
    assert_eq!((id(history.undone_by("1")), id(history.newest()), id(history.open())), (None, Some("1"), None));
}

#[test]
fn an_open_run_is_one_that_wrote_and_did_not_end() {
    let open = |outcome| id(history(vec![dated("1", None, &["a"], outcome)]).open()).map(str::to_owned);
    assert_eq!((open(None).as_deref(), open(Some(Outcome::Stopped)).as_deref()), (Some("1"), Some("1")));
    assert_eq!((open(DONE), open(Some(Outcome::Stuck)), open(Some(Outcome::RolledBack))), (None, None, None));
    let untouched = fold(&journal(&["a"], Vec::new())).unwrap();
    assert_eq!(id(history(vec![Dated { id: "1".into(), run: untouched }]).open()), None, "nothing was written");
    let undone = history(vec![dated("1", None, &["a"], None), dated("2", Some("1"), &["a"], DONE)]);
    assert_eq!(id(undone.open()), None);
    for outcome in [Some(Outcome::Stuck), Some(Outcome::Stopped), None] {
        let stopped = || dated("1", None, &["a", "b"], Some(Outcome::Stopped));
        let touched = history(vec![stopped(), dated("2", Some("1"), &["a"], outcome)]);
        assert_ne!(id(touched.open()), Some("1"), "a rollback has undone a part of it: {outcome:?}");
        let back =
            history(vec![stopped(), dated("2", Some("1"), &["a"], outcome), dated("3", Some("2"), &["a"], DONE)]);
        assert_eq!(id(back.open()), Some("1"), "and somebody brought that back");
    }
    let undoing = history(vec![dated("1", None, &["a"], DONE), dated("2", Some("1"), &["a"], None)]);
    assert_eq!((id(undoing.open()), id(undoing.open_rollback_of("1"))), (Some("2"), Some("2")));
}

#[test]
fn a_later_run_on_the_same_ground_stands_in_the_way() {
    let mut leaning = dated("2", None, &["b"], DONE);
    let first = || dated("1", None, &["a"], DONE);
    assert_eq!(id(history(vec![first(), leaning.clone()]).leaning_on("1")), None);
    leaning.run.leans = BTreeMap::from([(Address::new("k", "b"), BTreeSet::from([Address::new("k", "a")]))]);
    assert_eq!(id(history(vec![first(), leaning.clone()]).leaning_on("1")), Some("2"));
    assert_eq!(id(history(vec![first(), dated("2", None, &["a"], DONE)]).leaning_on("1")), Some("2"));
    let freed = history(vec![first(), leaning.clone(), dated("3", Some("2"), &["b"], DONE)]);
    assert_eq!(id(freed.leaning_on("1")), None);
    let both = history(vec![first(), leaning]);
    assert_eq!(both.back_to("1").iter().map(|dated| dated.id.as_str()).collect::<Vec<_>>(), ["2", "1"]);
}

#[test]
fn checks_leave_nothing_to_undo() {
    let history = History::new(vec![dated("1", None, &["a"], DONE)], &|_| false);
    assert_eq!(id(history.newest()), None);
}
