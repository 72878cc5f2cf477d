//! What only a PostgreSQL schema has: epochs without the session, missing rights, the format of its tables.

use std::time::Duration;

use crate::model::Class;
use crate::postgres::testing::server;
use crate::store::testing::{Spot, note, record};

/// The lock of a session can be lost without the session (a failover, a pooler); the epoch is what counts then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_epoch_refuses_every_write() {
    let Some(server) = server() else { return };
    let store = Spot::new(server.store_url("epochs")).open();
    let mut held = store.lock(note("test"), Duration::ZERO).await.unwrap();
    held.append("01-x", &record(0, "x")).await.unwrap();
    held.append_ledger("a").await.unwrap();
    held.put_owned("[1]").await.unwrap();
    server.run("postgres", "UPDATE epochs.holder SET epoch = epoch + 1, note = 'theirs'").await;
    let refused = [
        held.append("01-x", &record(1, "x")).await,
        held.append("01-y", &record(0, "x")).await,
        held.append_ledger("b").await,
        held.put_owned("[2]").await,
        held.make_digest_key().await.map(drop),
    ];
    assert!(
        refused.iter().all(|answer| answer.as_ref().is_err_and(|failure| failure.class == Class::Locked)),
        "{refused:?}"
    );
    assert_eq!(store.runs().await.unwrap(), ["01-x"]);
    assert_eq!(store.journal("01-x").await.unwrap().len(), 1);
    assert_eq!((store.ledger().await.unwrap(), store.owned().await.unwrap()), (vec!["a".into()], Some("[1]".into())));
    assert_eq!(store.digest_key().await, Ok(None));
    drop(held);
    let notes = server.ask("postgres", "SELECT 1 FROM epochs.holder WHERE note = 'theirs'").await;
    assert_eq!(notes.len(), 1, "the one that lost it frees nothing");
}

/// Who may not do something is told what to ask for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_rights_are_named() {
    let Some(server) = server() else { return };
    let store = Spot::new(server.store_url("guarded")).open();
    let _held = store.lock(note("test"), Duration::ZERO).await.unwrap();
    server.run("postgres", "CREATE ROLE \"some body\" LOGIN; GRANT USAGE ON SCHEMA guarded TO \"some body\"").await;
    server.run("postgres", "GRANT SELECT ON ALL TABLES IN SCHEMA guarded TO \"some body\"").await;
    let place = |schema: &str| server.store_url(schema).replace("azuresu@", "some%20body@");
    let reader = Spot::new(place("guarded")).open();
    assert_eq!(reader.holder().await, Ok(Some(note("test"))), "reading needs no more");
    let failure = reader.break_lock().await.unwrap_err();
    assert_eq!(failure.class, Class::Forbidden);
    assert!(failure.remedy.unwrap().contains("SELECT pg_terminate_backend("));
    let Err(failure) = Spot::new(place("fresh")).open().lock(note("test"), Duration::ZERO).await else { panic!() };
    assert_eq!(failure.class, Class::Forbidden);
    assert_eq!(
        failure.remedy.unwrap(),
        "let somebody who may run: CREATE SCHEMA \"fresh\" AUTHORIZATION \"some body\""
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_format_is_left_alone() {
    let Some(server) = server() else { return };
    let store = Spot::new(server.store_url("later")).open();
    drop(store.lock(note("test"), Duration::ZERO).await.unwrap());
    server.run("postgres", "UPDATE later.holder SET format = 2").await;
    let Err(failure) = store.lock(note("test"), Duration::ZERO).await else { panic!() };
    assert!(failure.first_cause().contains("has format 2; this version writes 1"), "{failure}");
}
