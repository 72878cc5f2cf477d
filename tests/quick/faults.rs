//! The fault matrix in memory: every plan file, every step, every fault, and death at every journal record; then resume
//! in one world and roll back in another, and compare whole worlds.

use std::collections::{BTreeMap, BTreeSet};

use pgentra::journal::{Event, Outcome, Record};
use pgentra::model::{Nature, Step, Undo, Value};
use pgentra::pipeline::{RollbackOptions, history};
use pgentra::plan::PlanFile;
use pgentra::resources::{Fault, MemoryWorld, State, schemas};
use pgentra::store::{Directory, Store};

use super::rig::{apply, around, plans, resume, rollback, rollback_of, steps};
use super::store::{MemoryStore, Moment};

/// How one plan file goes when nothing happens to it.
pub struct Course {
    pub name: String,
    pub file: PlanFile,
    pub start: MemoryWorld,
    pub before: State,
    pub after: State,
    pub steps: Vec<Step>,
    pub records: usize,
    /// The number of the record that starts a step.
    pub starts: BTreeMap<String, usize>,
}

pub async fn course(name: String, file: PlanFile, start: MemoryWorld) -> Course {
    let (world, store) = (start.fork(), MemoryStore::default());
    let before = world.state();
    let applied = apply(&world, &store, &file, false).await.unwrap();
    let started = |record: &Record| match &record.event {
        Event::Started { step, .. } => Some((step.clone(), usize::try_from(record.seq).unwrap())),
        _ => None,
    };
    let starts = applied.records.iter().filter_map(started).collect();
    let (steps, records) = (steps(&applied.records), applied.records.len());
    Course { name, file, start, before, after: world.state(), steps, records, starts }
}

/// What a rollback may leave: where a step is kept, each of its values may stand at either end. Everything else is as it
/// was. Answers how many things were kept.
pub fn is_before(course: &Course, now: &State, told: &str) -> usize {
    let kept: BTreeSet<&str> = course
        .steps
        .iter()
        .filter(|step| matches!(step.undo, Undo::Kept(_)))
        .map(|step| step.address.kind.as_str())
        .collect();
    let differences = now.differences(&course.before);
    for difference in &differences {
        assert!(kept.contains(difference.id.kind.as_str()), "{told}: {difference:#?}");
        let (key, kind) = (&difference.id.key, &difference.id.kind);
        let end = |state: &State, name: &str| state.get(kind, key).and_then(|live| live.get(name)).cloned();
        for (name, value) in difference.here.into_iter().flatten() {
            let ends = [end(&course.before, name), end(&course.after, name)];
            assert!(ends.contains(&Some(value.clone())) || *value == Value::Null, "{told}: {kind} {name} {value:?}");
        }
    }
    differences.len()
}

/// How often each kind x fault was finished by a resume, by a rollback, and undone at once.
#[derive(Default)]
struct Coverage {
    cells: BTreeMap<(String, &'static str), [usize; 3]>,
    kept: usize,
}

impl Coverage {
    fn count(&mut self, kind: &str, fault: &'static str, way: usize) {
        self.cells.entry((kind.to_owned(), fault)).or_default()[way] += 1;
    }

    /// Prints the table; an empty cell fails.
    fn check(&self) {
        let ways = ["resume", "rollback", "undo at once"];
        println!("{:<18}{:<14}{:>9}{:>10}{:>14}", "kind", "fault", ways[0], ways[1], ways[2]);
        // A gate writes nothing: while it holds there is no step, and once it is open neither.
        for schema in schemas().into_iter().filter(|schema| schema.nature != Nature::Gate) {
            for fault in Fault::ALL {
                let lags = fault.lags();
                let fault = fault.name();
                let [resumed, back, undone] =
                    self.cells.get(&(schema.kind.to_owned(), fault)).copied().unwrap_or_default();
                if lags && schema.consistent_within.is_zero() {
                    println!("{:<18}{fault:<14}{:>33}", schema.kind, "reads are consistent at once");
                    continue;
                }
                println!("{:<18}{fault:<14}{resumed:>9}{back:>10}{undone:>14}", schema.kind);
                assert!(resumed > 0 && back > 0 && undone > 0, "nothing covers {} x {fault}", schema.kind);
            }
        }
        println!("things that a rollback kept: {}", self.kept);
    }
}

/// Finishes what was left in one world, and undoes it in another.
pub async fn finish(course: &Course, world: &MemoryWorld, store: &dyn Store, told: &str) {
    let resumed = resume(world, store, &course.file).await.unwrap_or_else(|failure| panic!("{told}: {failure:?}"));
    assert_eq!(resumed.outcome, Some(Outcome::Applied), "{told}: resume {:?}", resumed.failed);
    let now = world.state();
    assert!(now == course.after, "{told}: resumed {:#?}", now.differences(&course.after));
}

pub async fn back(course: &Course, world: &MemoryWorld, store: &dyn Store, told: &str) -> usize {
    let undone = rollback(world, store, RollbackOptions::default()).await;
    let undone = undone.unwrap_or_else(|failure| panic!("{told}: {failure:?}"));
    assert_eq!(undone.outcome, Some(Outcome::Applied), "{told}: rollback {:?} {:?}", undone.failed, undone.stuck);
    is_before(course, &world.state(), told)
}

#[tokio::test(start_paused = true)]
async fn every_fault_at_every_step_is_finished_and_undone() {
    let mut coverage = Coverage::default();
    for (name, file) in plans() {
        let start = around(&file);
        let course = course(name, file, start).await;
        for step in &course.steps {
            let consistent =
                schemas().iter().any(|kind| kind.kind == step.address.kind && kind.consistent_within.is_zero());
            for fault in Fault::ALL.into_iter().filter(|fault| !consistent || !fault.lags()) {
                let (world, store) = (course.start.fork(), MemoryStore::default());
                world.plant(&step.id, fault);
                let told = format!("{}: {} at {}", course.name, fault.name(), step.id);
                apply(&world, &store, &course.file, false).await.unwrap();
                let (other, other_store) = (world.fork(), store.revived());
                finish(&course, &world, &store, &told).await;
                coverage.kept += back(&course, &other, &other_store, &told).await;
                coverage.count(&step.address.kind, fault.name(), 0);
                coverage.count(&step.address.kind, fault.name(), 1);

                let (world, store) = (course.start.fork(), MemoryStore::default());
                world.plant(&step.id, fault);
                let applied = apply(&world, &store, &course.file, true).await.unwrap();
                match applied.outcome {
                    Some(Outcome::RolledBack) => coverage.kept += is_before(&course, &world.state(), &told),
                    Some(Outcome::Applied) => assert!(world.state() == course.after, "{told}"),
                    other => panic!("{told}: {other:?} {:?} {:?}", applied.failed, applied.stuck),
                }
                coverage.count(&step.address.kind, fault.name(), 2);
            }
        }
    }
    coverage.check();
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_outlives_its_caller_is_finished_and_undone() {
    for (name, file) in plans() {
        let start = around(&file);
        let course = course(name, file, start).await;
        for step in &course.steps {
            // Its start, that it was accepted, and its end are the records during which it can be left alone.
            let start = course.starts[&step.id];
            for (at, moment) in (start..start + 3).flat_map(|at| Moment::ALL.map(|moment| (at, moment))) {
                let (world, store) = (course.start.fork(), MemoryStore::dying(at, moment));
                world.plant(&step.id, Fault::GoesOn(2));
                let told = format!("{}: {} goes on, death {moment:?} record {at}", course.name, step.id);
                let died = apply(&world, &store, &course.file, false).await;
                assert!(died.is_err() || !store.died(), "{told}");
                let other = world.fork();
                finish(&course, &world, &store.revived(), &told).await;
                back(&course, &other, &store.revived(), &told).await;
            }
        }
    }
}

/// Where to ask for an operation is journaled, so it is waited for, however long it takes: once the run is finished or
/// undone, nothing of it comes to its end later.
#[tokio::test(start_paused = true)]
async fn an_operation_that_was_journaled_is_waited_for() {
    let mut waited = 0;
    for (name, file) in plans() {
        let start = around(&file);
        let course = course(name, file, start).await;
        let lags = |step: &&Step| {
            schemas().iter().any(|kind| kind.kind == step.address.kind && !kind.consistent_within.is_zero())
        };
        for step in course.steps.iter().filter(lags) {
            // The record after a start says that the service took the operation on, unless another step runs beside it.
            let (world, store) = (course.start.fork(), MemoryStore::dying(course.starts[&step.id] + 1, Moment::After));
            world.plant(&step.id, Fault::GoesOn(u32::MAX));
            assert!(apply(&world, &store, &course.file, false).await.is_err());
            let last = store.last();
            if !matches!(&last, Event::Accepted { step: accepted, .. } if *accepted == step.id) {
                continue;
            }
            waited += 1;
            let told = format!("{}: {} goes on for long", course.name, step.id);
            let other = world.fork();
            finish(&course, &world, &store.revived(), &told).await;
            world.finish_operations();
            assert!(world.state() == course.after, "{told}: it came to its end later");
            back(&course, &other, &store.revived(), &told).await;
            other.finish_operations();
            is_before(&course, &other.state(), &told);
        }
    }
    assert!(waited >= 5, "{waited} operations were journaled before the death");
}

#[tokio::test(start_paused = true)]
async fn death_at_every_record_is_finished_and_undone() {
    for (name, file) in plans() {
        let start = around(&file);
        let course = course(name, file, start).await;
        for at in 0..course.records {
            for moment in Moment::ALL {
                let (world, store) = (course.start.fork(), MemoryStore::dying(at, moment));
                let told = format!("{}: death {moment:?} record {at}", course.name);
                assert!(apply(&world, &store, &course.file, false).await.is_err(), "{told}");
                assert!(store.died());
                let other = world.fork();
                if moment == Moment::Torn {
                    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
                    for dir in &dirs {
                        store.write_to(dir.path());
                    }
                    finish(&course, &world, &Directory::new(dirs[0].path()), &told).await;
                    back(&course, &other, &Directory::new(dirs[1].path()), &told).await;
                } else {
                    finish(&course, &world, &store.revived(), &told).await;
                    back(&course, &other, &store.revived(), &told).await;
                }
            }
        }
    }
}

/// A run that fails undoes what it did. When it dies at that, a resume goes on undoing as far as the journal says that
/// this was begun, and finishes the run where it was not.
#[tokio::test(start_paused = true)]
async fn death_while_a_failure_is_undone_is_finished_and_undone() {
    let mut deaths = 0;
    for (name, file) in plans() {
        let start = around(&file);
        let course = course(name, file, start).await;
        let Some(last) = course.steps.last() else { continue };
        let (world, store) = (course.start.fork(), MemoryStore::default());
        world.plant(&last.id, Fault::ErrorBefore);
        let undone = apply(&world, &store, &course.file, true).await.unwrap();
        let first = undone.records.iter().position(|record| matches!(record.event, Event::UndoStarted { .. }));
        for at in first.unwrap_or(undone.records.len())..undone.records.len() {
            for moment in [Moment::Before, Moment::After] {
                let (world, store) = (course.start.fork(), MemoryStore::dying(at, moment));
                world.plant(&last.id, Fault::ErrorBefore);
                let told = format!("{}: death {moment:?} record {at} of an undo", course.name);
                let died = apply(&world, &store, &course.file, true).await;
                assert!(died.is_err() && store.died(), "{told}");
                let (other, resumed) = (world.fork(), store.revived());
                match resume(&world, &resumed, &course.file).await.unwrap().outcome {
                    Some(Outcome::RolledBack) => _ = is_before(&course, &world.state(), &told),
                    Some(Outcome::Applied) => assert!(world.state() == course.after, "{told}"),
                    other => panic!("{told}: {other:?}"),
                }
                history(&world, &resumed).await.unwrap_or_else(|failure| panic!("{told}: {failure:?}"));
                back(&course, &other, &store.revived(), &told).await;
                deaths += 1;
            }
        }
    }
    assert!(deaths > 50, "{deaths} deaths");
}

/// What a rollback kept is taken away by a second one of the same run, whatever happens to that.
#[tokio::test(start_paused = true)]
async fn death_while_what_was_kept_is_removed_is_finished_by_the_same() {
    let mut deaths = 0;
    for (name, file) in plans() {
        let start = around(&file);
        let course = course(name, file, start).await;
        let (world, store) = (course.start.fork(), MemoryStore::default());
        let Some(run) = apply(&world, &store, &course.file, false).await.unwrap().run else { continue };
        rollback(&world, &store, RollbackOptions::default()).await.unwrap();
        if world.state() == course.before {
            continue;
        }
        let how = RollbackOptions { remove_kept: true, ..RollbackOptions::default() };
        let records = rollback_of(&world.fork(), &store.revived(), &run, how).await.unwrap().records.len();
        for (at, moment) in (0..records).flat_map(|at| [Moment::Before, Moment::After].map(|moment| (at, moment))) {
            let (world, store) = (world.fork(), store.revived());
            store.dies(at, moment);
            let told = format!("{}: death {moment:?} record {at} of a removal", course.name);
            assert!(rollback_of(&world, &store, &run, how).await.is_err() && store.died(), "{told}");
            match rollback_of(&world, &store.revived(), &run, how).await {
                Ok(ended) => {
                    assert!(matches!(ended.outcome, None | Some(Outcome::Applied)), "{told}: {:?}", ended.failed);
                }
                Err(failure) => assert!(failure.summary.contains("was undone already"), "{told}: {failure:?}"),
            }
            let now = world.state();
            assert!(now.differences(&course.before).is_empty(), "{told}: {:#?}", now.differences(&course.before));
            deaths += 1;
        }
    }
    assert!(deaths > 20, "{deaths} deaths");
}
