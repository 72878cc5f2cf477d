//! What goes with the calls of one change: a way to end their waits, and who hears of operations that Azure took on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::azure::operation::Operation;
use crate::model::{Class, Failure};

/// Goes with the calls of one change. The default one waits to the end and tells nobody.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    stopped: Arc<AtomicBool>,
    accepted: Option<UnboundedSender<Operation>>,
}

impl Waiting {
    /// One whose operations can be heard of.
    pub fn new() -> (Self, UnboundedReceiver<Operation>) {
        let (sender, receiver) = unbounded_channel();
        (Self { accepted: Some(sender), ..Self::default() }, receiver)
    }

    /// Ends all waits, now and later. Calls in flight are not touched.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    pub(crate) fn accept(&self, operation: &Operation) {
        if let Some(accepted) = &self.accepted {
            // Whoever listened is gone; the operation is followed all the same.
            let _ = accepted.send(operation.clone());
        }
    }

    /// Sleeps, or answers a failure of class `Interrupted` soon after [`Waiting::stop`].
    pub(crate) async fn rest(&self, span: Duration) -> Result<(), Failure> {
        const SLICE: Duration = Duration::from_millis(100);
        let end = Instant::now() + span;
        loop {
            if self.stopped.load(Ordering::SeqCst) {
                return Err(Failure::new(Class::Interrupted, "stopped while waiting for Azure")
                    .remedy("run the same command again to go on"));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(SLICE)).await;
        }
    }
}
