//! The directory store: torn lines, modes, atomic replacement, and the lock between two holders.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Directory, Held, Store};
use crate::journal::{Event, Record};
use crate::model::Class;
use crate::store::LockNote;

fn note(who: &str) -> LockNote {
    LockNote { who: who.into(), host: "host".into(), pid: 7, operation: "apply".into(), since: Timestamp::UNIX_EPOCH }
}

fn record(seq: u64) -> Record {
    Record { seq, at: Timestamp::UNIX_EPOCH, event: Event::started(format!("k.{seq}")) }
}

async fn store() -> (TempDir, Directory, Box<dyn Held>) {
    let dir = tempfile::tempdir().unwrap();
    let store = Directory::new(dir.path().join("store"));
    let held = store.lock(note("ann"), Duration::ZERO).await.unwrap();
    (dir, store, held)
}

#[tokio::test]
async fn records_come_back_in_order() {
    let (_dir, store, mut held) = store().await;
    for seq in 0..3 {
        held.append("r1", &record(seq)).await.unwrap();
    }
    held.append("r0", &record(0)).await.unwrap();
    assert_eq!(store.journal("r1").await.unwrap(), [record(0), record(1), record(2)]);
    assert_eq!(store.runs().await.unwrap(), ["r0", "r1"]);
    assert_eq!(store.journal("r9").await.unwrap_err().class, Class::NotFound);
}

#[tokio::test]
async fn a_torn_last_line_never_counted() {
    let (_dir, store, mut held) = store().await;
    held.append("r", &record(0)).await.unwrap();
    held.append("r", &record(1)).await.unwrap();
    let path = store.journal_file("r");
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in first..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(store.journal("r").await.unwrap(), [record(0)], "cut at {cut}");
        held.append("r", &record(1)).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole, "the next record replaces it, cut at {cut}");
    }
    fs::write(&path, b"{}\n").unwrap();
    assert!(store.journal("r").await.unwrap_err().first_cause().contains("r.jsonl:1: "));
}

#[tokio::test]
async fn files_are_their_owners_alone() {
    let (_dir, store, mut held) = store().await;
    held.append("r", &record(0)).await.unwrap();
    held.append_ledger("{}").await.unwrap();
    held.put_owned("{}").await.unwrap();
    held.make_digest_key().await.unwrap();
    let mode = |path: std::path::PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in ["lock", "key", "owned.json", "evidence.jsonl", "runs/r.jsonl"] {
        assert_eq!(mode(store.file(name)), 0o600, "{name}");
    }
    assert_eq!((mode(store.file("")), mode(store.file("runs"))), (0o700, 0o700));
}

#[tokio::test]
async fn lists_and_keys_are_replaced_whole() {
    let (_dir, store, mut held) = store().await;
    assert_eq!((store.owned().await.unwrap(), store.digest_key().await.unwrap()), (None, None));
    held.put_owned("long content").await.unwrap();
    // A reader that opened the old content keeps it: it is never written into.
    let old = fs::File::open(store.file("owned.json")).unwrap();
    held.put_owned("new").await.unwrap();
    assert_eq!(std::io::read_to_string(old).unwrap(), "long content");
    assert_eq!(store.owned().await.unwrap().as_deref(), Some("new"));
    let key = held.make_digest_key().await.unwrap();
    assert_eq!((held.make_digest_key().await.unwrap(), store.digest_key().await.unwrap()), (key, Some(key)));
    let left: Vec<_> = fs::read_dir(store.file("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("tmp")), "{left:?}");
    fs::write(store.file("key"), "no key").unwrap();
    assert!(store.digest_key().await.is_err(), "a broken key is not replaced by another");
}

#[tokio::test]
async fn one_holds_the_lock_and_the_other_is_told_who() {
    let (_dir, store, held) = store().await;
    let refused = store.lock(note("bob"), Duration::ZERO).await.err().unwrap();
    assert_eq!(refused.class, Class::Locked);
    assert!(refused.detail.as_deref().unwrap().starts_with("held by ann@host (process 7, apply) since 1970"));
    assert_eq!(store.holder().await.unwrap().unwrap().who, "ann");
    let waiting = store.clone();
    let second = tokio::spawn(async move { waiting.lock(note("bob"), Duration::from_secs(20)).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(held);
    let held = second.await.unwrap().unwrap();
    assert_eq!(store.holder().await.unwrap().unwrap().who, "bob");
    assert_eq!(held.died_before(), None, "ann ended properly");
    drop(held);
    assert_eq!(store.holder().await.unwrap(), None);
}

#[tokio::test]
async fn a_holder_that_died_is_told() {
    let (_dir, store, held) = store().await;
    // What a killed process leaves: its note, and a lock that the system has freed.
    let left = fs::read(store.file("lock")).unwrap();
    drop(held);
    fs::write(store.file("lock"), left).unwrap();
    assert_eq!(store.holder().await.unwrap(), None);
    let held = store.lock(note("bob"), Duration::ZERO).await.unwrap();
    assert_eq!(held.died_before(), Some(&note("ann")));
}

/// An outage of the disk or the network share must not read as an empty store: everything would be done anew.
#[tokio::test]
async fn what_cannot_be_read_is_not_taken_for_missing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Directory::new(dir.path().join("store"));
    assert_eq!((store.runs().await.unwrap().len(), store.holder().await.unwrap()), (0, None), "not there yet");
    fs::create_dir_all(dir.path().join("store")).unwrap();
    // A file where a directory should be, and the other way round: errors that even root gets.
    fs::write(dir.path().join("store/runs"), "").unwrap();
    let failure = store.runs().await.unwrap_err();
    assert!(failure.first_cause().contains("cannot list"), "{failure}");
    assert_eq!(store.journal("r").await.unwrap_err().class, Class::Other);
    let inside = Directory::new(dir.path().join("store/runs"));
    assert_eq!(inside.holder().await.unwrap_err().class, Class::Other);
}

/// Who asks for the holder locks for an instant, too.
#[tokio::test]
async fn who_only_asks_keeps_nobody_out() {
    let (_dir, store, held) = store().await;
    drop(held);
    let asking = fs::File::open(store.file("lock")).unwrap();
    asking.try_lock_shared().unwrap();
    let done = async {
        tokio::task::yield_now().await;
        drop(asking);
    };
    let (held, ()) = tokio::join!(store.lock(note("bob"), Duration::ZERO), done);
    held.unwrap();
}
