//! Where journals, the digest key and the lock live. Only who holds the lock can write; dropping it unlocks.

mod azblob;
mod blobs;
mod directory;
mod lease;
mod postgres;
mod text;

#[cfg(test)]
mod contract_tests;
#[cfg(test)]
mod messages_tests;
#[cfg(test)]
mod testing;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::journal::Record;
use crate::model::Failure;

pub use azblob::{AzBlob, StoreRights};
pub use directory::Directory;
pub use postgres::Postgres;

/// Lets a last call of a holder that is dropped run to its end, for a few seconds at most. Where that is not possible the
/// lock frees itself a little later.
fn finish(last: impl Future<Output = ()> + Send) {
    use tokio::runtime::{Handle, RuntimeFlavor};
    let Ok(runtime) = Handle::try_current() else { return };
    if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
        return;
    }
    let wait = || {
        let _ = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), last).await });
    };
    // On a thread of its own: waiting here would swallow the wake-ups of whatever this thread polls besides.
    tokio::task::block_in_place(|| std::thread::scope(|scope| drop(scope.spawn(wait).join())));
}

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockNote {
    /// The user's name on that host.
    pub who: String,
    /// The host.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// What it does: `apply`.
    pub operation: String,
    /// Since when.
    pub since: Timestamp,
}

impl std::fmt::Display for LockNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{} (process {}, {}) since {}", self.who, self.host, self.pid, self.operation, self.since)
    }
}

/// A place for journals, the evidence ledger, the list of what was made, and the key of secret digests. Reading needs no lock.
#[async_trait]
pub trait Store: Send + Sync {
    /// Takes the lock, waiting up to `patience`.
    ///
    /// # Errors
    /// A failure of class `Locked` that names the holder.
    async fn lock(&self, note: LockNote, patience: Duration) -> Result<Box<dyn Held>, Failure>;

    /// Who holds the lock now.
    async fn holder(&self) -> Result<Option<LockNote>, Failure>;

    /// The ids of all runs, oldest first.
    async fn runs(&self) -> Result<Vec<String>, Failure>;

    /// The journal of a run. A torn last line (power loss) is left out.
    async fn journal(&self, run: &str) -> Result<Vec<Record>, Failure>;

    /// The key of secret digests, when it was made.
    async fn digest_key(&self) -> Result<Option<[u8; 32]>, Failure>;

    /// The lines of the evidence ledger, oldest first, each as it was appended. A torn last line is left out.
    async fn ledger(&self) -> Result<Vec<String>, Failure>;

    /// The list of what the runs of this plan file made or adopted, as JSON text; `None` when there is none yet.
    async fn owned(&self) -> Result<Option<String>, Failure>;

    /// Takes the lock away from whoever holds it; what that one wrote stays, and it can write nothing more.
    ///
    /// # Errors
    /// A failure that says what to do where it cannot be taken away from here.
    async fn break_lock(&self) -> Result<(), Failure>;

    /// Where it is, for messages.
    fn place(&self) -> String;
}

/// The lock, held. The only way to write.
#[async_trait]
pub trait Held: Send + Sync {
    /// Appends one record; it is durable when this returns.
    async fn append(&mut self, run: &str, record: &Record) -> Result<(), Failure>;

    /// Appends one line (without its line break) to the evidence ledger; it is durable when this returns.
    async fn append_ledger(&mut self, line: &str) -> Result<(), Failure>;

    /// Replaces the list of what runs made or adopted; all of it or nothing, and durable when this returns.
    async fn put_owned(&mut self, json: &str) -> Result<(), Failure>;

    /// The key of secret digests; made now when there is none yet.
    async fn make_digest_key(&mut self) -> Result<[u8; 32], Failure>;

    /// How long the lock is ours for certain, whatever happens to this process; `None` when it has no such limit. A call
    /// that changes the world must be shorter.
    fn time_left(&self) -> Option<Duration> {
        None
    }

    /// The note of an earlier holder that died without unlocking.
    fn died_before(&self) -> Option<&LockNote>;
}
