//! Old formats: what version 1 wrote into a store and into saved plans is still read, with the same meaning.
//!
//! The files under `tests/fixtures/v1` are never changed. A later format gets a directory of its own beside it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::path::{Path, PathBuf};

use pgentra::journal::{Operation, Outcome, Status, fold};
use pgentra::pipeline::SavedPlan;
use pgentra::store::{Directory, LockNote, Store as _};

const APPLY: &str = "01a20ead-149f-75ef-9d36-4d127f8af41f";
const ROLLBACK: &str = "01a21400-0000-7000-8000-000000000000";

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1").join(path)
}

#[tokio::test]
async fn a_store_of_version_1_is_read() {
    let store = Directory::new(fixture("store"));
    assert_eq!(store.runs().await.unwrap(), [APPLY, ROLLBACK]);
    assert_eq!(store.ledger().await.unwrap().len(), 2, "the torn line does not count");
    assert_eq!(store.owned().await.unwrap().unwrap().trim(), r#"{"format":1}"#);
    assert_eq!(store.digest_key().await.unwrap().unwrap()[..3], [0x00, 0x11, 0x22]);
    let note: LockNote = serde_json::from_slice(&std::fs::read(fixture("store/lock")).unwrap()).unwrap();
    assert_eq!(note.to_string(), "ops@runner (process 4711, apply) since 2026-11-24T17:49:14Z");
}

#[tokio::test]
async fn journals_of_version_1_mean_what_they_meant() {
    let store = Directory::new(fixture("store"));
    let applied = fold(&store.journal(APPLY).await.unwrap()).unwrap();
    assert_eq!((applied.operation, applied.outcome), (Operation::Apply, Some(Outcome::Applied)));
    assert_eq!((applied.plan.as_str(), applied.who.as_str()), ("rmhazuregeoapi", "ops@runner"));
    assert!(applied.steps.len() == 8 && applied.steps.iter().all(|step| step.status == Status::Done));

    let undone = fold(&store.journal(ROLLBACK).await.unwrap()).unwrap();
    assert_eq!(undone.operation, Operation::Rollback { run: APPLY.to_owned() });
    assert_eq!(undone.outcome, Some(Outcome::Stuck));
    let statuses: Vec<Status> = undone.steps.iter().map(|step| step.status).collect();
    let expected = [Status::AlreadyThere, Status::Held, Status::Kept, Status::Undone, Status::Refused, Status::Stuck];
    assert_eq!(statuses, expected);
}

#[test]
fn a_saved_plan_of_version_1_is_read() {
    let saved = SavedPlan::parse(&std::fs::read_to_string(fixture("saved-plan.json")).unwrap()).unwrap();
    assert_eq!((saved.format, saved.plan.as_str()), (1, "rmhazuregeoapi"));
    assert_eq!(saved.store, "azblob://account/state/team");
    assert_eq!(saved.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>()[0], "app_settings.rmhazuregeoapi");
    assert!(saved.steps[0].before.is_some() && saved.steps[0].after.is_some());
}
