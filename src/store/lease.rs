//! The lock of a blob store while it is held: a lease renewed in the background, and how long it is ours for certain.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::blobs::Blobs;

/// A lease in force; renewed until it is dropped or lost.
pub(super) struct Lease {
    id: String,
    term: Arc<Term>,
    heartbeat: JoinHandle<()>,
}

/// Until when the lease is ours.
struct Term {
    duration: Duration,
    /// By this process's clock, counted from before the call that was granted; `None`: lost for good.
    ends: Mutex<Option<Instant>>,
}

impl Term {
    fn left(&self) -> Duration {
        let ends = *self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.map_or(Duration::ZERO, |ends| ends.saturating_duration_since(Instant::now()))
    }

    fn set(&self, ends: Option<Instant>) {
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    }
}

impl Lease {
    /// Keeps the lease `id` of the blob `name` in force; it was asked for at `asked` and lasts `duration` from then.
    pub(super) fn keep(blobs: Arc<Blobs>, name: &'static str, id: String, asked: Instant, duration: Duration) -> Self {
        let term = Arc::new(Term { duration, ends: Mutex::new(Some(asked + duration)) });
        let heartbeat = tokio::spawn(beat(blobs, name, id.clone(), Arc::clone(&term)));
        Self { id, term, heartbeat }
    }

    /// Its id, which the service asks for with each write to the leased blob.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// How long it is ours for certain; zero once it is lost.
    pub(super) fn left(&self) -> Duration {
        self.term.left()
    }

    /// Gives up: whatever comes, it is ours no more.
    pub(super) fn lose(&self) {
        self.term.set(None);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

/// Renews at a sixth of the term, so that five renewals may fail. A lease that ran out is not revived, even where nobody
/// took it: who was told that the time is over has acted on it.
async fn beat(blobs: Arc<Blobs>, name: &'static str, id: String, term: Arc<Term>) {
    loop {
        tokio::time::sleep(term.duration / 6).await;
        if term.left().is_zero() {
            break;
        }
        let asked = Instant::now();
        match blobs.renew(name, &id).await {
            Ok(()) if !term.left().is_zero() => term.set(Some(asked + term.duration)),
            Err(refused) if !refused.is_condition() && !refused.is_missing() => {
                tracing::warn!(code = refused.code, "the lock could not be renewed; trying again");
            }
            _ => break,
        }
    }
    term.set(None);
}
