//! What only a directory has: file modes and torn lines.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::super::testing::{note, record};
use super::super::{Held, Store as _};
use super::Directory;

async fn held(store: &Directory) -> Box<dyn Held> {
    store.lock(note("test"), Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn files_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("a/b");
    let store = Directory::new(&root);
    let mut lock = held(&store).await;
    lock.append("01-x", &record(0, "x")).await.unwrap();
    lock.append_ledger("{}").await.unwrap();
    lock.put_owned("[]").await.unwrap();
    lock.put_owned("[1]").await.unwrap();
    lock.make_digest_key().await.unwrap();
    let mode = |path: &str| std::fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
    for file in ["lock", "key", "owned.json", "evidence.jsonl", "runs/01-x.jsonl"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    assert_eq!((mode(""), mode("runs")), (0o700, 0o700));
    let mut files: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["evidence.jsonl", "key", "lock", "owned.json", "runs"], "nothing half-written is left");
}

#[tokio::test]
async fn a_torn_last_line_never_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Directory::new(dir.path());
    let mut lock = held(&store).await;
    for seq in 0..2 {
        lock.append("01-x", &record(seq, "x")).await.unwrap();
        lock.append_ledger(&format!("{{\"line\":{seq}}}")).await.unwrap();
    }
    let (journal, ledger) = (dir.path().join("runs/01-x.jsonl"), dir.path().join("evidence.jsonl"));
    let whole = std::fs::read(&journal).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in second..whole.len() {
        std::fs::write(&journal, &whole[..cut]).unwrap();
        assert_eq!(store.journal("01-x").await, Ok(vec![record(0, "x")]), "cut at {cut}");
        lock.append("01-x", &record(1, "again")).await.unwrap();
        assert_eq!(store.journal("01-x").await, Ok(vec![record(0, "x"), record(1, "again")]), "cut at {cut}");
    }
    std::fs::write(&ledger, "{\"line\":0}\n{\"li").unwrap();
    assert_eq!(store.ledger().await, Ok(vec!["{\"line\":0}".to_owned()]));
    lock.append_ledger("{}").await.unwrap();
    assert_eq!(store.ledger().await, Ok(vec!["{\"line\":0}".to_owned(), "{}".to_owned()]));
}

#[tokio::test]
async fn a_damaged_record_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = Directory::new(dir.path());
    held(&store).await.append("01-x", &record(0, "x")).await.unwrap();
    let journal = dir.path().join("runs/01-x.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, format!("{text}{{}}\n{text}")).unwrap();
    let failure = store.journal("01-x").await.unwrap_err();
    assert!(failure.summary.ends_with("01-x.jsonl:2 is not a journal record"), "{failure}");
}
