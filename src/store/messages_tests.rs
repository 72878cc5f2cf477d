//! Messages of the stores, each provoked, to be read as a terminal shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::StatusCode;

use super::azblob::{AzBlob, Latch};
use super::blobs;
use super::postgres::not_ended;
use super::testing::{Spot, tokens};
use super::text::{key, line, locked, lost, no_run, record};
use super::{Directory, LockNote, Postgres, Store};
use crate::azure::http_client;
use crate::cli::told::told;
use crate::model::{Cloud, Failure, StoreUrl};
use crate::postgres::testing::server;

fn held_by() -> LockNote {
    LockNote {
        who: "ada".to_owned(),
        host: "runner-1".to_owned(),
        pid: 4711,
        operation: "apply".to_owned(),
        since: "2026-01-02T03:04:05Z".parse().unwrap(),
    }
}

/// Why the lock is not to be had.
async fn refused(store: &dyn Store) -> Failure {
    store.lock(held_by(), Duration::ZERO).await.err().unwrap()
}

#[test]
fn refusals_of_the_store() {
    let note = held_by();
    let failures = [
        locked(".pgentra", Some(&note)),
        locked("azblob://ops/state", None),
        lost("azblob://ops/state", "its lease ended"),
        no_run("01a2", ".pgentra"),
        key("not a key", ".pgentra/key").unwrap_err(),
        record(b"{", ".pgentra/runs/01a2.jsonl", 3).unwrap_err(),
        line(&BTreeMap::from([((1, 2), 3)])).unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test]
async fn refusals_of_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let store = Directory::new(dir.path().join("store"));
    let held = store.lock(held_by(), Duration::ZERO).await.unwrap();
    let taken = refused(&store).await;
    let unbroken = store.break_lock().await.unwrap_err();
    drop(held);
    let failures = [refused(&Directory::new(&file)).await, taken, unbroken];
    insta::assert_snapshot!(told(&failures).replace(&dir.path().display().to_string(), "DIR"));
}

#[test]
fn refusals_of_a_storage_account() {
    let place = |url: &str| match url.parse() {
        Ok(StoreUrl::Blobs(place)) => place,
        other => panic!("{other:?}"),
    };
    let opened = |url: &str, cloud: &Cloud| {
        AzBlob::new(&place(url), cloud, tokens(), http_client(&BTreeMap::new()).unwrap()).err().unwrap()
    };
    let doing = "cannot write lock in azblob://ops/state";
    let answer = |status: u16, code: &str| {
        let code = Some(code.to_owned());
        ErrorKind::HttpResponse { status: StatusCode::from(status), error_code: code, raw_response: None }.into_error()
    };
    let answers = [
        answer(401, "InvalidAuthenticationInfo"),
        answer(403, "AuthorizationPermissionMismatch"),
        answer(404, "ContainerNotFound"),
        answer(412, "LeaseIdMismatchWithBlobOperation"),
        answer(503, "ServerBusy"),
        answer(400, "InvalidUri"),
        azure_core::Error::with_message(ErrorKind::Io, "connection reset"),
    ];
    let mut failures: Vec<Failure> = answers.iter().map(|error| Failure::from(blobs::refused(error, doing))).collect();
    failures.extend([
        opened("azblob://ops/state", &Cloud::Custom("https://management.local".into())),
        Latch::read(b"<html>", "azblob://ops/state").unwrap_err(),
        Latch::read(br#"{"format":9,"epoch":1,"note":null,"writes":[]}"#, "azblob://ops/state").unwrap_err(),
    ]);
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_a_schema() {
    let Some(server) = server() else { return };
    let place = |url: &str| match url.parse() {
        Ok(StoreUrl::Postgres(place)) => place,
        other => panic!("{other:?}"),
    };
    let url = server.store_url("told");
    let store = Spot::new(url.clone()).open();
    drop(store.lock(held_by(), Duration::ZERO).await.unwrap());
    server.run("postgres", "UPDATE told.holder SET format = 2").await;
    let other_version = refused(store.as_ref()).await;
    server.run("postgres", "DELETE FROM told.holder").await;
    let empty = refused(store.as_ref()).await;
    server.run("postgres", "INSERT INTO told.holder DEFAULT VALUES").await;
    let held = store.lock(held_by(), Duration::ZERO).await.unwrap();
    let taken = refused(store.as_ref()).await;
    drop(held);
    let failures = [
        other_version,
        empty,
        taken,
        refused(&Postgres::new(place(&format!("{url}&password_env=PGENTRA_TEST_ABSENT")), None)).await,
        refused(&Postgres::new(place(&url), None)).await,
        not_ended(4711, &store.place()),
    ];
    insta::assert_snapshot!(told(&failures));
}
