//! What every store writes alike: lines of JSON, the key in hexadecimal, and who holds the lock.

use serde::Serialize;

use super::LockNote;
use crate::journal::Record;
use crate::model::{Class, Failure};

/// One line of JSON, without its line break.
pub(super) fn line(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| {
        Failure::new(Class::Other, "cannot be written as JSON").detail(error.to_string()).remedy("report it as a bug")
    })
}

/// The whole lines of a text. A last line without its line break was torn by a crash and never counted.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// The records of a journal; `place` is where it is, for messages.
pub(super) fn records(text: &[u8], place: &str) -> Result<Vec<Record>, Failure> {
    lines(text).enumerate().map(|(number, line)| record(line, place, number + 1)).collect()
}

/// One record, on line `number` (from 1) of a journal.
pub(super) fn record(line: &[u8], place: &str, number: usize) -> Result<Record, Failure> {
    serde_json::from_slice(line).map_err(|error| {
        Failure::new(Class::Other, "the journal cannot be read")
            .detail(format!("{place}:{number}: {error}"))
            .remedy("nothing is guessed at: restore the journal, or look at the live system with `pgentra plan`")
    })
}

/// The key of secret digests, written in hexadecimal.
pub(super) fn key(text: &str, place: &str) -> Result<[u8; 32], Failure> {
    unhex(text.trim()).ok_or_else(|| {
        Failure::new(Class::Other, "the key of the store cannot be read")
            .detail(format!("{place} does not hold one"))
            .remedy("restore it; without it secrets of earlier runs cannot be compared")
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let bytes: Vec<u8> = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect::<Option<_>>()?;
    bytes.try_into().ok()
}

/// A fresh key of secret digests.
pub(super) fn new_key() -> Result<[u8; 32], Failure> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| {
        Failure::new(Class::Other, "the system gives no random numbers")
            .remedy("make the system's random numbers available (getrandom)")
            .detail(error.to_string())
    })?;
    Ok(key)
}

/// Somebody else holds the lock of the store at `place`.
pub(super) fn locked(place: &str, holder: Option<&LockNote>) -> Failure {
    let who = holder.map_or_else(|| "somebody else".to_owned(), LockNote::to_string);
    Failure::new(Class::Locked, "the store is locked")
        .detail(format!("held by {who}\n{place}"))
        .remedy("wait for that run to end, or wait for it here with `--lock-timeout 5m`; `pgentra unlock` shows more")
}

/// This process held the lock of the store at `place` and holds it no more.
pub(super) fn lost(place: &str, why: &str) -> Failure {
    Failure::new(Class::Locked, "the lock of the store is lost; nothing was written")
        .detail(format!("{why}\n{place}"))
        .remedy("see who holds it with `pgentra unlock`, and what this run did with `pgentra show last`")
}

/// There is no journal of `run` in the store at `place`.
pub(super) fn no_run(run: &str, place: &str) -> Failure {
    Failure::new(Class::NotFound, "there is no such run")
        .detail(format!("{run} in {place}"))
        .remedy("`pgentra history` lists the runs")
}
