//! What the engine promises, in a world in memory.

use pgentra::journal::Outcome;
use pgentra::pipeline::RollbackOptions;

use super::rig::{apply, around, plan, plans, rollback};
use super::store::MemoryStore;

#[tokio::test(start_paused = true)]
async fn every_plan_file_runs_twice_and_the_second_time_does_nothing() {
    for (name, file) in plans() {
        let (world, store) = (around(&file), MemoryStore::default());
        let first = apply(&world, &store, &file, true).await.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert_eq!(first.outcome, Some(Outcome::Applied).filter(|_| first.run.is_some()), "{name}: {:?}", first.failed);
        let once = world.state();
        assert!(!plan(&world, &file).await.unwrap().changes.has_changes(), "{name}");
        apply(&world, &store, &file, true).await.unwrap();
        assert_eq!(world.state(), once, "{name}");
        println!("{name}: {} records", first.records.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_of_everything_leads_back() {
    for (name, file) in plans() {
        let (world, store) = (around(&file), MemoryStore::default());
        let before = world.state();
        apply(&world, &store, &file, true).await.unwrap();
        let how = RollbackOptions { remove_kept: true, through: false };
        let back = rollback(&world, &store, how).await.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert_eq!(back.outcome, Some(Outcome::Applied), "{name}: {:?} {:?}", back.failed, back.stuck);
        let now = world.state();
        assert!(now.differences(&before).is_empty(), "{name}: {:#?}", now.differences(&before));
    }
}
