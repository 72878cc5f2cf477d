//! Stops a holder of a blob store between two calls, while another takes its lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{AzBlob, BTreeMap, LEDGER, Lock, OWNED};
use crate::model::Class;
use crate::store::lease::Lease;
use crate::store::testing::{Azurite, Spot, note, record};
use crate::store::{Held as _, Store as _};

/// The lock as its own type, so that a test can stop it between two calls.
async fn lock(store: &AzBlob) -> Lock {
    let lease = store.acquire(Duration::from_secs(5)).await.unwrap();
    let (latch, died_before) = store.succeed(&lease, Some(note("test"))).await.unwrap();
    Lock { store: store.clone(), lease, latch, states: BTreeMap::new(), died_before }
}

/// Takes the lock away, as a successor in another process would.
async fn succeed(store: &AzBlob) -> Lock {
    store.blobs.break_lease(super::LOCK).await.unwrap();
    lock(store).await
}

/// Between each two calls of a write the lock goes to somebody else; none of the writes comes.
async fn a_successor_between_two_calls_stops_the_write(spot: &Spot) {
    let store = spot.blobs();
    for (blob, run) in [(AzBlob::journal_name("01-x"), "01-x"), (AzBlob::journal_name("01-y"), "01-y")] {
        // Entered and looked at, not made yet.
        let mut paused = lock(&store).await;
        assert!(paused.state(&blob).await.unwrap().is_none());
        let mut successor = succeed(&store).await;
        assert_eq!(paused.append(run, &record(0, "paused")).await.unwrap_err().class, Class::Locked);
        assert!(store.journal(run).await.is_err(), "an empty blob is no journal");
        successor.append(run, &record(0, "ours")).await.unwrap();
        drop(successor);
    }
    assert_eq!(store.runs().await.unwrap(), ["01-x", "01-y"]);

    // Made, and written to before.
    let mut paused = lock(&store).await;
    paused.append_ledger("a").await.unwrap();
    paused.put_owned("[1]").await.unwrap();
    let mut successor = succeed(&store).await;
    assert_eq!(paused.append_ledger("b").await.unwrap_err().class, Class::Locked);
    assert_eq!(paused.put_owned("[2]").await.unwrap_err().class, Class::Locked);
    successor.append_ledger("c").await.unwrap();
    assert_eq!(
        (store.ledger().await.unwrap(), store.owned().await.unwrap()),
        (vec!["a".into(), "c".into()], Some("[1]".into()))
    );
    drop(paused);
    successor.append_ledger("d").await.unwrap();
    assert_eq!(store.holder().await.unwrap(), Some(note("test")), "the one that lost it frees nothing");
}

/// A write whose answer was lost is found to have come; it is not written twice, and not taken for somebody else's.
async fn a_lost_answer_is_no_failure(spot: &Spot) {
    let store = spot.blobs();
    let mut held = lock(&store).await;
    held.append_ledger("a").await.unwrap();
    let before = held.states.clone();
    held.append_ledger("b").await.unwrap();
    held.put_owned("[1]").await.unwrap();
    held.states = before;
    held.states.insert(OWNED.to_owned(), None);
    held.append_ledger("b").await.unwrap();
    held.put_owned("[1]").await.unwrap();
    held.append_ledger("c").await.unwrap();
    assert_eq!(store.ledger().await.unwrap(), ["a", "b", "c"]);
    held.states.insert(LEDGER.to_owned(), None);
    held.append_ledger("d").await.unwrap();
    assert_eq!(store.ledger().await.unwrap(), ["a", "b", "c", "d"], "a blob that a lost call made is gone on with");
}

/// A lease is renewed while it is held; one that ran out is not revived, even where nobody took it.
async fn a_lease_that_ran_out_is_lost(spot: &Spot) {
    let store = Spot { lease: 15, ..spot.clone() }.blobs();
    let mut held = lock(&store).await;
    held.append_ledger("a").await.unwrap();
    let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
    let since =
        |asked| Lease::keep(Arc::clone(&store.blobs), super::LOCK, held.lease.id().to_owned(), asked, store.lease);
    let (young, old) = (since(ago(11)), since(ago(14)));
    assert!(young.left() <= Duration::from_secs(4) && !old.left().is_zero());
    for _ in 0..100 {
        if young.left() > Duration::from_secs(5) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(young.left() > Duration::from_secs(5), "it was renewed");
    assert!(old.left().is_zero(), "its first renewal came too late");
    held.lease = old;
    assert_eq!(held.time_left(), Some(Duration::ZERO));
    assert_eq!(held.append_ledger("b").await.unwrap_err().class, Class::Locked);
    assert_eq!(store.ledger().await.unwrap(), ["a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_lost_the_lease_cannot_write() {
    let Some(azurite) = Azurite::start() else { return };
    let (fence, lost, lease) = (azurite.spot("fence"), azurite.spot("lost"), azurite.spot("lease"));
    tokio::join!(a_lease_that_ran_out_is_lost(&lease), async {
        a_successor_between_two_calls_stops_the_write(&fence).await;
        a_lost_answer_is_no_failure(&lost).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_blobs_are_not_taken_for_a_store() {
    let Some(azurite) = Azurite::start() else { return };
    let store = azurite.spot("mine").blobs();
    drop(lock(&store).await);
    let lease = store.acquire(Duration::ZERO).await.unwrap();
    let put = |text: &str| store.blobs.put(super::LOCK, text.as_bytes().to_vec(), super::Condition::Lease(lease.id()));
    put("mine").await.unwrap();
    assert!(store.holder().await.unwrap_err().remedy.unwrap().contains("prefix of its own"));
    put("{\"format\":2,\"epoch\":1,\"note\":null,\"writes\":[]}").await.unwrap();
    assert!(store.holder().await.unwrap_err().summary == "the store was made by a later version of pgentra");
}
