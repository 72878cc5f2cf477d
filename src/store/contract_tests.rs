//! One contract for every store, with two competing processes, a paused holder and a killed one.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::testing::{Competitor, Spot, TOKEN_MARK, note, record};
use super::{Directory, Store as _};
use crate::model::Class;

const NO_WAIT: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(40);

/// What is written is read, in order and without gaps, by readers that hold no lock.
async fn keeps_what_is_written(spot: &Spot) {
    let (store, reader) = (spot.open(), spot.open());
    assert_eq!(reader.runs().await, Ok(Vec::new()));
    assert_eq!((reader.ledger().await, reader.owned().await), (Ok(Vec::new()), Ok(None)));
    assert_eq!((reader.digest_key().await, reader.holder().await), (Ok(None), Ok(None)));
    assert_eq!(reader.journal("01-a").await.unwrap_err().class, Class::NotFound);

    let mut held = store.lock(note("first"), NO_WAIT).await.unwrap();
    assert_eq!(held.died_before(), None);
    let long = format!("ü\u{0}\\n\"'$1;--{}", "x".repeat(300_000));
    for seq in 0..5 {
        held.append("01-b", &record(seq, &long)).await.unwrap();
        held.append("01-a", &record(seq, "a")).await.unwrap();
        held.append_ledger(&format!("{{\"line\":{seq}}}")).await.unwrap();
        held.put_owned(&format!("[{seq}]")).await.unwrap();
        let journal = reader.journal("01-b").await.unwrap();
        assert_eq!(journal.len() as u64, seq + 1, "a record is there when the call returns");
    }
    let key = held.make_digest_key().await.unwrap();
    assert_eq!(held.make_digest_key().await, Ok(key), "the key is made once");
    assert_eq!(reader.holder().await, Ok(Some(note("first"))));
    drop(held);
    assert_eq!(reader.holder().await, Ok(None));

    let mut held = store.lock(note("second"), NO_WAIT).await.unwrap();
    assert_eq!(held.died_before(), None, "the first ended properly");
    held.append("01-a", &record(5, "a")).await.unwrap();
    held.append_ledger("{\"line\":5}").await.unwrap();
    held.put_owned("[]").await.unwrap();
    assert_eq!(held.make_digest_key().await, Ok(key));

    assert_eq!(reader.runs().await, Ok(vec!["01-a".to_owned(), "01-b".to_owned()]));
    let expected: Vec<_> = (0..6).map(|seq| record(seq, "a")).collect();
    assert_eq!(reader.journal("01-a").await, Ok(expected));
    let expected: Vec<_> = (0..5).map(|seq| record(seq, &long)).collect();
    assert_eq!(reader.journal("01-b").await, Ok(expected));
    let expected: Vec<_> = (0..6).map(|line| format!("{{\"line\":{line}}}")).collect();
    assert_eq!(reader.ledger().await, Ok(expected));
    assert_eq!((reader.owned().await, reader.digest_key().await), (Ok(Some("[]".to_owned())), Ok(Some(key))));
}

/// While one process holds the lock another is refused, told by whom, and gets it when it waits.
async fn lets_one_process_write(spot: &Spot) {
    let store = spot.open();
    let mut other = Competitor::start(spot);
    assert_eq!(other.tell("lock 0"), "ok");
    let Err(refused) = store.lock(note("us"), NO_WAIT).await else { panic!("two hold the lock") };
    assert_eq!(refused.class, Class::Locked);
    let detail = refused.detail.unwrap();
    assert!(detail.contains("tester@here") && detail.contains(&other.pid().to_string()), "{detail}");
    assert!(detail.contains("since 2027-01-15"), "{detail}");
    let holder = store.holder().await.unwrap().unwrap();
    assert_eq!((holder.pid, holder.operation.as_str()), (other.pid(), "compete"));
    assert_eq!(other.tell("append 01-x 0"), "ok");
    assert_eq!(store.journal("01-x").await.unwrap().len(), 1, "readers need no lock");

    let start = Instant::now();
    other.say("free");
    let held = store.lock(note("us"), LONG).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "it waits for the end of the holder, no longer");
    assert_eq!((other.answer().as_str(), held.died_before()), ("ok", None));
    assert!(other.tell("lock 300").starts_with("Locked "));
    other.say("lock 20000");
    drop(held);
    assert_eq!(other.answer(), "ok");
}

/// The lock of a killed process is free; what it wrote is there, and the next holder hears of it.
async fn frees_the_lock_of_the_killed(spot: &Spot) {
    let store = spot.open();
    let mut other = Competitor::start(spot);
    assert_eq!((other.tell("lock 0"), other.tell("append 01-x 0")), ("ok".to_owned(), "ok".to_owned()));
    other.signal(Signal::SIGKILL);
    let mut held = store.lock(note("us"), LONG).await.unwrap();
    let died = held.died_before().cloned().unwrap();
    assert_eq!((died.pid, died.operation.as_str()), (other.pid(), "compete"));
    held.append("01-x", &record(1, "ours")).await.unwrap();
    assert_eq!(store.journal("01-x").await, Ok(vec![record(0, "theirs"), record(1, "ours")]));
}

/// A process that stood still while its lock was taken away writes nothing more: not where it wrote before, not
/// elsewhere, whatever it does.
async fn fences_the_paused(spot: &Spot) {
    let store = spot.open();
    let mut other = Competitor::start(spot);
    let begun = ["lock 0", "append 01-x 0", "ledger a", "owned [1]"];
    assert_eq!(begun.map(|order| other.tell(order)), ["ok"; 4]);
    other.signal(Signal::SIGSTOP);
    store.break_lock().await.unwrap();
    assert_eq!(store.holder().await, Ok(None));
    let mut held = store.lock(note("us"), Duration::from_secs(5)).await.unwrap();
    assert_eq!(held.died_before().map(|note| note.pid), Some(other.pid()));
    other.signal(Signal::SIGCONT);
    for order in ["append 01-x 1", "append 01-y 0", "ledger b", "owned [2]", "append 01-x 1"] {
        let answer = other.tell(order);
        assert!(answer.starts_with("Locked "), "{order}: {answer}");
    }
    held.append("01-x", &record(1, "ours")).await.unwrap();
    assert_eq!(store.journal("01-x").await, Ok(vec![record(0, "theirs"), record(1, "ours")]));
    assert_eq!(store.runs().await, Ok(vec!["01-x".to_owned()]));
    assert_eq!((store.ledger().await, store.owned().await), (Ok(vec!["a".to_owned()]), Ok(Some("[1]".to_owned()))));
    drop(other);
    held.append_ledger("c").await.unwrap();
}

/// Every check of the contract, each on a store of its own.
async fn keeps_the_contract(spot: impl Fn(&str) -> Spot) {
    // Together, because the lease of a killed process takes its time.
    let killed = Spot { lease: 15, ..spot("killed") };
    let (written, one) = (spot("written"), spot("one"));
    tokio::join!(frees_the_lock_of_the_killed(&killed), async {
        keeps_what_is_written(&written).await;
        lets_one_process_write(&one).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    keeps_the_contract(|name| Spot::new(dir.path().join(name).display().to_string())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_process_keeps_the_lock_of_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let spot = Spot::new(dir.path().display().to_string());
    let store = Directory::new(dir.path());
    let mut other = Competitor::start(&spot);
    assert_eq!(other.tell("lock 0"), "ok");
    other.signal(Signal::SIGSTOP);
    let refused = store.break_lock().await.unwrap_err();
    assert!(refused.remedy.unwrap().contains(&format!("end process {} on here", other.pid())));
    assert!(store.lock(note("us"), NO_WAIT).await.is_err());
    other.signal(Signal::SIGCONT);
    assert_eq!(other.tell("append 01-x 0"), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_schema_keeps_the_contract() {
    let Some(server) = crate::postgres::testing::server() else { return };
    let spot = |name: &str| Spot::new(server.store_url(name));
    keeps_the_contract(spot).await;
    fences_the_paused(&spot("paused")).await;
}

#[cfg(feature = "sandbox")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_container_keeps_the_contract() {
    let Some(azurite) = super::testing::Azurite::start() else { return };
    let paused = azurite.spot("paused");
    tokio::join!(keeps_the_contract(|name| azurite.spot(name)), fences_the_paused(&paused));
}

#[tokio::test]
async fn failures_hold_no_secret() {
    let closed = ["azblob+https://127.0.0.1:9/devstoreaccount1/state", "postgres://u@127.0.0.1:9/d?sslmode=disable"];
    for place in closed {
        let failure = Spot::new(place).open().runs().await.unwrap_err();
        assert_eq!(failure.class, Class::Unreachable, "{failure:?}");
        assert!(!format!("{failure:?}").contains(TOKEN_MARK), "{failure:?}");
    }
}
