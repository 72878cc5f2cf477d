//! Ways back in a small world: what a failure takes down, what is left of a run that stopped, and when its journal breaks.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::testing::{Bench, Fault, file, id_of, want};
use super::{RollbackOptions, history, owned};
use crate::engine::Scope;
use crate::journal::{Event, Outcome};
use crate::model::Class;
use crate::plan::PlanFile;
use crate::store::Store as _;

const JUST_IT: RollbackOptions<'static> = RollbackOptions { plan: None, remove_kept: false, through: false };

/// A thing that is kept, one that leans on it, and one that fails.
fn kept() -> PlanFile {
    file(vec![
        want("kept.k", json!({ "x": "1" }), &[]),
        want("thing.t", json!({ "x": id_of("kept.k") }), &["kept.k"]),
        want("thing.u", json!({ "x": "1" }), &["thing.t"]),
    ])
}

fn names(bench: &Bench) -> Vec<String> {
    bench.world.all().into_keys().collect()
}

#[tokio::test]
async fn an_undo_that_is_taken_up_again_leaves_a_journal_that_can_be_read() {
    let mut deaths = 0;
    for life in 0.. {
        let mut bench = Bench::new();
        (bench.life, bench.options.scope) = (life, Scope::Run);
        bench.world.fault("u", Fault::Before);
        let died = bench.apply(&kept()).await.is_err();
        if !died {
            break;
        }
        bench.life = usize::MAX;
        let undone = bench.resume().await.is_some_and(|resumed| resumed.outcome == Some(Outcome::RolledBack));
        history(&bench.world, &bench.store).await.unwrap_or_else(|failure| panic!("{life}: {failure}"));
        if undone {
            assert_eq!(names(&bench), ["k"], "{life}");
            deaths += 1;
        }
    }
    assert!(deaths > 4, "{deaths} deaths");
}

/// The way back of one app failed; the other one was to go down with it.
#[tokio::test]
async fn an_undo_that_is_taken_up_again_undoes_as_much() {
    let two = file(vec![
        want("thing.one", json!({ "x": "1", "app": "one" }), &[]),
        want("thing.two", json!({ "x": "1", "app": "two" }), &["thing.one"]),
        want("thing.three", json!({ "x": "1", "app": "three" }), &["thing.two"]),
    ]);
    for life in 0.. {
        let mut bench = Bench::new();
        (bench.life, bench.options.scope) = (life, Scope::Run);
        bench.world.fault("three", Fault::Before);
        if bench.apply(&two).await.is_ok() {
            break;
        }
        (bench.life, bench.options.scope) = (usize::MAX, Scope::App);
        let begun =
            history(&bench.world, &bench.store).await.unwrap().open().is_some_and(|open| !open.run.down.is_empty());
        if begun {
            assert_eq!(bench.resume().await.unwrap().outcome, Some(Outcome::RolledBack));
            assert!(names(&bench).is_empty(), "{life}: {:?}", names(&bench));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_looked_at_stops_its_branch_alone() {
    let bench = Bench::new();
    let wanted = file(vec![
        want("thing.ground", json!({ "x": "1" }), &[]),
        want("thing.dark", json!({ "x": "1" }), &["thing.ground"]),
        want("thing.other", json!({ "x": "1" }), &[]),
    ]);
    bench.apply(&wanted).await.unwrap();
    bench.world.unreadable.lock().unwrap().insert("dark".to_owned());
    let back = bench.rollback(None, JUST_IT).await.unwrap();
    assert_eq!(back.outcome, Some(Outcome::Stuck));
    assert_eq!(names(&bench), ["dark", "ground"]);
    assert!(back.failed.iter().any(|(id, failure)| id == "thing.dark" && failure.class == Class::Unreachable));
}

#[tokio::test]
async fn where_nothing_can_be_looked_at_nothing_is_begun() {
    let bench = Bench::new();
    let wanted = [want("thing.a", json!({ "x": "1" }), &[]), want("thing.b", json!({ "x": "1" }), &[])];
    bench.apply(&file(wanted.to_vec())).await.unwrap();
    bench.world.unreadable.lock().unwrap().extend(["a".to_owned(), "b".to_owned()]);
    let failure = bench.rollback(None, JUST_IT).await.unwrap_err();
    assert_eq!((failure.class, bench.store.runs().await.unwrap().len()), (Class::Unreachable, 1), "{failure}");
}

#[tokio::test]
async fn a_call_in_flight_is_waited_for_when_the_journal_breaks() {
    let thing = |name: &str| want(&format!("thing.{name}"), json!({ "x": "1", "serial": name }), &[]);
    let wanted = file(["a", "b", "c"].map(thing).to_vec());
    let (mut amid, mut begun) = (0, 0);
    for life in 0.. {
        let mut bench = Bench::new();
        bench.life = life;
        bench.world.fault("a", Fault::Slow);
        let Err(failure) = bench.apply(&wanted).await else { break };
        assert_eq!(*bench.world.busy.lock().unwrap(), BTreeSet::new(), "{life}: a call was dropped");
        let runs = history(&bench.world, &bench.store).await.unwrap();
        let wrote = runs.open().is_some();
        amid += usize::from(wrote);
        begun += usize::from(!names(&bench).is_empty());
        // Once something was begun it can be resumed, whatever the store met.
        assert_eq!(failure.class, if wrote { Class::Interrupted } else { Class::Other }, "{life}");
    }
    assert!(amid > 3 && begun > 3, "{amid} {begun}");
}

/// A run that stopped, and a rollback of it that stopped before its first write: the run may still be finished, and what it
/// makes then is on the list.
#[tokio::test]
async fn what_a_resumed_run_makes_is_owned() {
    let bench = Bench::new();
    bench.world.fault("a", Fault::Signal);
    let wanted =
        file(vec![want("thing.a", json!({ "x": "1" }), &[]), want("thing.b", json!({ "x": "1" }), &["thing.a"])]);
    assert_eq!(bench.apply(&wanted).await.unwrap().outcome, Some(Outcome::Stopped));
    assert_eq!(bench.rollback(None, JUST_IT).await.unwrap().outcome, Some(Outcome::Stopped));
    bench.world.stop.store(false, Ordering::SeqCst);
    assert_eq!(bench.resume().await.unwrap().outcome, Some(Outcome::Applied));
    let owned = owned(&bench.world, &bench.store, "p").await.unwrap();
    let mut all: Vec<&str> = owned.resources.iter().map(|made| made.address.name.as_str()).collect();
    all.sort_unstable();
    assert_eq!(all, ["a", "b"]);
}

/// The machine that rolls back may have a clock that is behind: the later run has the later id all the same.
#[tokio::test]
async fn a_later_run_has_a_later_id_whatever_the_clock_says() {
    let bench = Bench::new();
    bench.apply(&file(vec![want("thing.a", json!({ "x": "1" }), &[])])).await.unwrap();
    let first = bench.store.runs().await.unwrap().remove(0);
    let runs = bench.store.root().unwrap().join("runs");
    let ahead = "ffff0000-0000-7000-8000-000000000000";
    std::fs::rename(runs.join(format!("{first}.jsonl")), runs.join(format!("{ahead}.jsonl"))).unwrap();
    let back = bench.rollback(None, JUST_IT).await.unwrap();
    assert!(back.run.as_deref() > Some(ahead), "{:?}", back.run);
    assert!(history(&bench.world, &bench.store).await.unwrap().undone_by(ahead).is_some());
    let undo = |record: &crate::journal::Record| matches!(record.event, Event::Done { .. });
    assert!(back.records.iter().any(undo));
}

/// The look of a step that was begun before may take minutes, so the lease is looked at again right before the write.
#[tokio::test]
async fn a_lease_that_runs_out_during_the_look_stops_the_write() {
    let mut bench = Bench::new();
    bench.options.undo_on_failure = false;
    bench.world.fault("a", Fault::Before);
    let stopped = bench.apply(&file(vec![want("thing.a", json!({ "x": "1" }), &[])])).await.unwrap();
    assert_eq!(stopped.outcome, Some(Outcome::Stopped));
    let writes = bench.world.writes.load(Ordering::SeqCst);
    bench.lasts = 1;
    let failure =
        super::resume(&bench.context(), &stopped.run.unwrap(), bench.held().await.as_mut()).await.unwrap_err();
    assert_eq!((failure.class, bench.world.writes.load(Ordering::SeqCst)), (Class::Interrupted, writes), "{failure}");
}
