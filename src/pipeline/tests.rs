//! Whole runs in a small world: failures, deaths, conflicts, and the ways back.

use serde_json::json;

use super::testing::{Bench, Fault, attributes, file, id_of, want};
use super::{Applied, RollbackOptions, SavedPlan, plan};
use crate::engine::{Scope, Stay};
use crate::journal::{Event, Outcome, Record};
use crate::model::{Class, Value};
use crate::plan::PlanFile;
use crate::store::Store as _;

/// A thing, one that refers to it, a foreign thing that is changed in part, and a check at the end.
fn chain() -> PlanFile {
    file(vec![
        want("thing.a", json!({ "x": "1" }), &[]),
        want("thing.b", json!({ "x": id_of("thing.a") }), &["thing.a"]),
        want("thing.c", json!({ "map": { "ours": "new" } }), &["thing.b"]),
        want("check.d", json!({}), &["thing.c"]),
    ])
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.world.put("c", json!({ "x": "theirs", "map": { "theirs": "1" } }));
    bench
}

const JUST_IT: RollbackOptions<'static> = RollbackOptions { plan: None, remove_kept: false, through: false };

fn outcome(applied: &Applied) -> Option<Outcome> {
    applied.outcome
}

#[tokio::test]
async fn apply_makes_it_true_and_then_there_is_nothing_to_do() {
    let bench = bench();
    let applied = bench.apply(&chain()).await.unwrap();
    assert_eq!(outcome(&applied), Some(Outcome::Applied));
    assert_eq!(bench.world.all()["b"], attributes(json!({ "x": "id-a" })));
    assert_eq!(bench.world.all()["c"], attributes(json!({ "x": "theirs", "map": { "theirs": "1", "ours": "new" } })));
    let planned = plan(&bench.world, &chain().desired[..3], 4).await.unwrap();
    assert!(planned.steps.is_empty());
}

#[tokio::test]
async fn whatever_fails_the_world_is_as_before() {
    for name in ["a", "b", "c", "d"] {
        for fault in [Fault::Before, Fault::After, Fault::Lie] {
            if (name, fault) == ("d", Fault::Lie) {
                continue;
            }
            let bench = bench();
            let before = bench.world.all();
            bench.world.fault(name, fault);
            let applied = bench.apply(&chain()).await.unwrap();
            assert_eq!(outcome(&applied), Some(Outcome::RolledBack), "{name} {fault:?}");
            assert_eq!(bench.world.all(), before, "{name} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_run_left_as_it_is_can_be_finished_or_undone() {
    for finish in [true, false] {
        let mut bench = bench();
        let before = bench.world.all();
        bench.options.undo_on_failure = false;
        bench.world.fault("b", Fault::After);
        assert_eq!(outcome(&bench.apply(&chain()).await.unwrap()), Some(Outcome::Stopped));
        if finish {
            assert_eq!(outcome(&bench.resume().await.unwrap()), Some(Outcome::Applied));
            assert_eq!(bench.world.all().len(), 3);
        } else {
            assert_eq!(outcome(&bench.rollback(None, JUST_IT).await.unwrap()), Some(Outcome::Applied));
            assert_eq!(bench.world.all(), before);
        }
        assert!(bench.resume().await.is_none(), "nothing is open any more");
    }
}

/// Dies before record `life` of an apply in which `fault` happens; answers whether it died.
async fn dead(life: usize, fault: Option<(&str, Fault)>) -> (Bench, bool) {
    let mut bench = bench();
    if let Some((name, fault)) = fault {
        bench.world.fault(name, fault);
    }
    bench.life = life;
    let died = bench.apply(&chain()).await.is_err();
    bench.life = usize::MAX;
    bench.world.faults.lock().unwrap().clear();
    (bench, died)
}

#[tokio::test]
async fn death_at_any_record_ends_where_it_started_or_where_it_was_going() {
    let before = bench().world.all();
    let whole = bench();
    whole.apply(&chain()).await.unwrap();
    let after = whole.world.all();
    for fault in [None, Some(("c", Fault::Before)), Some(("c", Fault::After))] {
        let mut deaths = 0;
        loop {
            let (resumed, died) = dead(deaths, fault).await;
            if !died {
                break;
            }
            let ended = resumed.resume().await;
            if ended.is_none_or(|ended| ended.outcome == Some(Outcome::Applied)) {
                resumed.apply(&chain()).await.unwrap();
                assert_eq!(resumed.world.all(), after, "resumed after {deaths} records, {fault:?}");
            } else {
                assert_eq!(resumed.world.all(), before, "undone after {deaths} records, {fault:?}");
            }
            let (back, _) = dead(deaths, fault).await;
            match back.rollback(None, JUST_IT).await {
                Ok(applied) => assert_eq!(outcome(&applied), Some(Outcome::Applied), "{deaths} {fault:?}"),
                Err(failure) => assert_eq!(failure.class, Class::Input, "{deaths} {fault:?} {failure}"),
            }
            assert_eq!(back.world.all(), before, "rolled back after {deaths} records, {fault:?}");
            deaths += 1;
        }
        assert!(deaths > 10, "{deaths}");
    }
}

#[tokio::test]
async fn death_during_a_rollback_is_finished_by_another_one() {
    let before = bench().world.all();
    for life in 0..12 {
        let mut bench = bench();
        bench.apply(&chain()).await.unwrap();
        bench.life = life;
        let died = bench.rollback(None, JUST_IT).await.is_err();
        bench.life = usize::MAX;
        if died {
            assert_eq!(outcome(&bench.rollback(None, JUST_IT).await.unwrap()), Some(Outcome::Applied), "{life}");
        }
        assert_eq!(bench.world.all(), before, "{life}");
    }
}

/// What is asked for beyond the rollback that had stopped is done after it.
#[tokio::test]
async fn death_during_a_rollback_is_finished_by_one_that_asks_for_more() {
    let kept = [want("kept.k", json!({ "x": "1" }), &[]), want("thing.t", json!({ "x": "1" }), &["kept.k"])];
    let more = want("thing.u", json!({ "x": "1" }), &["thing.t"]);
    for (how, whole) in [
        (RollbackOptions { remove_kept: true, ..JUST_IT }, vec![kept.to_vec()]),
        (RollbackOptions { through: true, ..JUST_IT }, vec![kept[1..].to_vec(), vec![kept[1].clone(), more.clone()]]),
        (
            RollbackOptions { through: true, remove_kept: true, ..JUST_IT },
            vec![kept.to_vec(), vec![kept[0].clone(), kept[1].clone(), more]],
        ),
    ] {
        let mut deaths = 0;
        for life in 0.. {
            let mut bench = Bench::new();
            for desired in &whole {
                bench.apply(&file(desired.clone())).await.unwrap();
            }
            let first = bench.store.runs().await.unwrap().remove(0);
            let id = how.through.then_some(first.as_str());
            bench.life = life;
            let begun = if how.through { how } else { JUST_IT };
            let died = bench.rollback(id, begun).await.is_err();
            bench.life = usize::MAX;
            if !died {
                break;
            }
            let ended = bench.rollback(id, how).await.unwrap();
            assert_eq!(outcome(&ended), Some(Outcome::Applied), "{how:?} {life}");
            assert!(bench.world.all().is_empty(), "{how:?} {life}: {:?}", bench.world.all());
            assert!(bench.resume().await.is_none(), "{how:?} {life}: nothing is open any more");
            deaths += 1;
        }
        assert!(deaths > 3, "{how:?}: {deaths} deaths");
    }
}

#[tokio::test]
async fn a_rollback_of_a_rollback_brings_it_back() {
    let bench = bench();
    let before = bench.world.all();
    bench.apply(&chain()).await.unwrap();
    let after = bench.world.all();
    let back = bench.rollback(None, JUST_IT).await.unwrap();
    assert_eq!(bench.world.all(), before);
    bench.rollback(back.run.as_deref(), JUST_IT).await.unwrap();
    assert_eq!(bench.world.all(), after);
    bench.rollback(None, JUST_IT).await.unwrap();
    assert_eq!(bench.world.all(), before);
    assert_eq!(bench.rollback(None, JUST_IT).await.unwrap_err().class, Class::Input);
}

#[tokio::test]
async fn what_somebody_else_changed_is_never_overwritten() {
    let bench = bench();
    bench.apply(&chain()).await.unwrap();
    bench.world.put("b", json!({ "x": "foreign" }));
    let applied = bench.rollback(None, JUST_IT).await.unwrap();
    assert_eq!(outcome(&applied), Some(Outcome::Stuck));
    assert_eq!(bench.world.all()["b"], attributes(json!({ "x": "foreign" })));
    assert_eq!(bench.world.all()["c"], attributes(json!({ "x": "theirs", "map": { "theirs": "1" } })), "undone");
    assert_eq!(bench.world.all()["a"], attributes(json!({ "x": "1" })), "what it leans on stays");
    let conflict = applied.failed.iter().find(|(id, _)| id == "thing.b").unwrap();
    assert_eq!(conflict.1.class, Class::Conflict);
    let detail = conflict.1.detail.as_deref().unwrap();
    for value in ["(nothing)", "id-a", "foreign"] {
        assert!(detail.contains(value), "{detail}");
    }
    assert!(applied.failed.iter().any(|(id, failure)| id == "thing.a" && failure.first_cause() == "thing.b"));
}

#[tokio::test]
async fn a_conflict_in_apply_is_told_and_the_rest_undone() {
    let bench = bench();
    let planned = plan(&bench.world, &chain().desired, 4).await.unwrap();
    let saved = SavedPlan::new(&chain(), &planned, true, "/s").unwrap();
    bench.world.put("b", json!({ "x": "foreign" }));
    let before = bench.world.all();
    let refused = super::apply_saved(&bench.context(), &saved, bench.held().await.as_mut()).await.unwrap_err();
    assert_eq!((refused.class, bench.world.all()), (Class::Unfit, before), "all settled before the first write");
    assert!(refused.detail.unwrap().contains("foreign"));
}

#[tokio::test]
async fn what_was_there_before_us_is_never_undone() {
    let bench = bench();
    let planned = plan(&bench.world, &chain().desired, 4).await.unwrap();
    let saved = SavedPlan::new(&chain(), &planned, true, "/s").unwrap();
    bench.world.put("a", json!({ "x": "1" }));
    let before = bench.world.all();
    super::apply_saved(&bench.context(), &saved, bench.held().await.as_mut()).await.unwrap();
    bench.rollback(None, JUST_IT).await.unwrap();
    assert_eq!(bench.world.all(), before);
}

fn two_apps() -> PlanFile {
    file(vec![
        want("thing.server", json!({ "x": "on" }), &[]),
        want("thing.role1", json!({ "x": "1" }), &["thing.server"]),
        want("thing.app1", json!({ "x": "1", "app": "one" }), &["thing.role1"]),
        want("thing.role2", json!({ "x": "1" }), &["thing.server"]),
        want("thing.app2", json!({ "x": "1", "app": "two" }), &["thing.role2"]),
    ])
}

#[tokio::test]
async fn one_app_that_fails_leaves_the_others() {
    let mut bench = Bench::new();
    bench.world.fault("app1", Fault::Before);
    assert_eq!(outcome(&bench.apply(&two_apps()).await.unwrap()), Some(Outcome::RolledBack));
    assert_eq!(bench.world.all().into_keys().collect::<Vec<_>>(), ["app2", "role2", "server"]);
    bench = Bench::new();
    bench.options.scope = Scope::Run;
    bench.world.fault("app1", Fault::Before);
    bench.apply(&two_apps()).await.unwrap();
    assert!(bench.world.all().is_empty());
}

#[tokio::test]
async fn what_is_kept_stays_unless_asked() {
    let wanted =
        || file(vec![want("kept.k", json!({ "x": "1" }), &[]), want("thing.t", json!({ "x": "1" }), &["kept.k"])]);
    let bench = Bench::new();
    bench.apply(&wanted()).await.unwrap();
    let applied = bench.rollback(None, JUST_IT).await.unwrap();
    assert_eq!((outcome(&applied), bench.world.all().len()), (Some(Outcome::Applied), 1));
    let shown = bench.yes.0.lock().unwrap().last().unwrap().stays.clone();
    assert_eq!(shown, [("kept.k".to_owned(), Stay::Kept("others may use it".to_owned()))]);
    let run = &bench.store.runs().await.unwrap()[0];
    bench.rollback(Some(run), JUST_IT).await.unwrap_err();
    bench.rollback(Some(run), RollbackOptions { remove_kept: true, ..JUST_IT }).await.unwrap();
    assert!(bench.world.all().is_empty(), "what an earlier rollback kept can still be removed");
    bench.rollback(None, RollbackOptions { remove_kept: true, ..JUST_IT }).await.unwrap_err();
    let bench = Bench::new();
    bench.apply(&wanted()).await.unwrap();
    bench.rollback(None, RollbackOptions { remove_kept: true, ..JUST_IT }).await.unwrap();
    assert!(bench.world.all().is_empty());
}

#[tokio::test]
async fn a_step_without_a_way_back_stops_its_branch_alone() {
    let bench = Bench::new();
    let wanted = file(vec![
        want("gate.g", json!({}), &[]),
        want("thing.ground", json!({ "x": "1" }), &[]),
        want("never.n", json!({ "x": "1" }), &["thing.ground", "gate.g"]),
        want("thing.other", json!({ "x": "1" }), &[]),
    ]);
    bench.apply(&wanted).await.unwrap();
    let applied = bench.rollback(None, JUST_IT).await.unwrap();
    assert_eq!(outcome(&applied), Some(Outcome::Stuck));
    assert_eq!(bench.world.all().into_keys().collect::<Vec<_>>(), ["ground", "n"]);
    assert_eq!(applied.stuck.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["never.n", "thing.ground"]);
}

#[tokio::test]
async fn a_run_that_others_lean_on_is_undone_with_them_or_not_at_all() {
    let bench = Bench::new();
    let first = file(chain().desired[..1].to_vec());
    let one = bench.apply(&first).await.unwrap().run;
    let two = file(vec![chain().desired[0].clone(), want("thing.b", json!({ "x": "2" }), &["thing.a"])]);
    let second = bench.apply(&two).await.unwrap().run.unwrap();
    let refused = bench.rollback(one.as_deref(), JUST_IT).await.unwrap_err();
    assert!(refused.first_cause().contains(&second), "{refused}");
    let applied = bench.rollback(one.as_deref(), RollbackOptions { through: true, ..JUST_IT }).await.unwrap();
    assert_eq!((outcome(&applied), bench.world.all().len()), (Some(Outcome::Applied), 0));
    let done = |records: &[Record]| records.iter().filter(|record| record.event.name() == "done").count();
    let earlier: Vec<usize> = applied.earlier.iter().map(|(_, records)| done(records)).collect();
    assert_eq!((earlier, done(&applied.records)), (vec![1], 1), "each run has a journal, and all are told of");
}

#[tokio::test]
async fn what_leaves_the_plan_file_goes_if_we_made_it() {
    let bench = Bench::new();
    bench.world.put("old", json!({ "x": "1", "map": { "theirs": "1" } }));
    let whole = vec![
        want("thing.made", json!({ "x": "1" }), &[]),
        want("thing.on_it", json!({ "x": "1" }), &["thing.made"]),
        want("thing.old", json!({ "x": "2", "map": { "ours": "1", "more": "1" } }), &[]),
    ];
    bench.apply(&file(whole.clone())).await.unwrap();
    // An entry goes, the same things under other labels stay, nothing else moves.
    let mut less = whole.clone();
    less[2].attributes = attributes(json!({ "x": "2", "map": { "ours": "1" } }));
    less[0].address.name = "renamed".into();
    less[1].after = [less[0].address.clone()].into();
    let applied = bench.apply(&file(less)).await.unwrap();
    assert_eq!(applied.records.iter().filter(|record| record.event.name() == "done").count(), 1);
    assert_eq!(bench.world.all()["old"], attributes(json!({ "x": "2", "map": { "theirs": "1", "ours": "1" } })));
    // All of it goes: what we made, in the order in which it leans; what was there before is forgotten.
    bench.apply(&file(vec![want("thing.new", json!({ "x": "1" }), &[])])).await.unwrap();
    assert_eq!(bench.world.all().into_keys().collect::<Vec<_>>(), ["new", "old"]);
    assert_eq!(bench.world.all()["old"], attributes(json!({ "x": "2", "map": { "theirs": "1" } })));
}

#[tokio::test]
async fn what_somebody_else_changed_stays_though_it_left_the_plan_file() {
    let bench = Bench::new();
    let whole =
        vec![want("thing.made", json!({ "x": "1" }), &[]), want("thing.old", json!({ "map": { "ours": "1" } }), &[])];
    bench.world.put("old", json!({ "map": {} }));
    bench.apply(&file(whole.clone())).await.unwrap();
    bench.world.put("made", json!({ "x": "foreign" }));
    bench.world.put("old", json!({ "map": { "ours": "foreign" } }));
    let before = bench.world.all();
    let owned = super::owned(&bench.world, &bench.store, "p").await.unwrap();
    assert_eq!(owned.resources.len(), 2);
    let mut less = whole;
    less[1].attributes = attributes(json!({ "map": {} }));
    let planned = super::plan_with(&bench.world, &less[1..], &owned, 4).await.unwrap();
    assert_eq!((planned.steps.len(), planned.stays.len()), (0, 2), "{:?}", planned.stays);
    assert_eq!(bench.world.all(), before);
}

#[tokio::test]
async fn a_signal_ends_the_run_after_the_step_in_hand() {
    let bench = bench();
    bench.world.fault("a", Fault::Signal);
    let stopped = bench.apply(&chain()).await.unwrap();
    assert_eq!(outcome(&stopped), Some(Outcome::Stopped));
    let done = |record: &Record| matches!(&record.event, Event::Done { step, .. } if step == "thing.a");
    assert!(stopped.records.iter().any(done), "the step in hand is finished and journaled");
    assert_eq!(bench.world.all().len(), 2, "a was finished, b was not begun");
    bench.world.stop.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(outcome(&bench.resume().await.unwrap()), Some(Outcome::Applied));
    assert_eq!(bench.world.all().len(), 3);
}

#[tokio::test]
async fn writes_with_one_serial_key_never_overlap() {
    let bench = Bench::new();
    let many = (0..8).map(|n| want(&format!("thing.t{n}"), json!({ "x": "1", "serial": format!("s{}", n % 2) }), &[]));
    assert_eq!(outcome(&bench.apply(&file(many.collect())).await.unwrap()), Some(Outcome::Applied));
}

#[tokio::test]
async fn only_approved_steps_are_run() {
    let mut bench = bench();
    let planned = plan(&bench.world, &chain().desired, 4).await.unwrap();
    bench.options.expect = Some("0".repeat(64));
    let before = bench.world.all();
    assert_eq!(bench.apply(&chain()).await.unwrap_err().class, Class::Unfit);
    assert_eq!(bench.world.all(), before);
    bench.options.expect = Some(super::steps_digest(&planned.steps).unwrap());
    assert_eq!(outcome(&bench.apply(&chain()).await.unwrap()), Some(Outcome::Applied));
}

#[tokio::test]
async fn secrets_never_reach_the_store_in_clear() {
    let bench = Bench::new();
    let secret = json!({ "x": { "$secret": { "source": { "env": "NAME" }, "digest": "d1" } } });
    bench.apply(&file(vec![want("thing.a", secret, &[])])).await.unwrap();
    let owned = super::owned(&bench.world, &bench.store, "p").await.unwrap();
    assert!(matches!(owned.resources[0].made["x"], Value::Secret(_)));
}
