//! What whoever is signed in may do in the container of a store, found out by calls that change nothing.

use std::time::Duration;

use azure_core::http::Etag;

use super::AzBlob;
use crate::model::Failure;
use crate::store::blobs::{Condition, Refused};

/// A blob of no store's. Nothing ever makes it.
const PROBE: &str = "can-i";
/// The state of no blob. Azure asks who is calling first, and looks at conditions only then.
const NO_STATE: &str = "\"0x0\"";

/// What was found out about the container.
#[derive(Clone, Debug)]
pub struct StoreRights {
    /// Whether blobs may be listed and read.
    pub read: Result<bool, Failure>,
    /// Whether blobs may be written, appended to and leased.
    pub write: Result<bool, Failure>,
    /// Whether the container is there. Who may make it, only making it tells.
    pub container: bool,
    /// What was said where something is not allowed.
    pub refusal: Option<String>,
}

impl AzBlob {
    /// Asks the container what may be done in it: lists blobs of a name that none has, writes such a blob under a condition
    /// that never holds, and leases it. None of these changes anything, whatever the answer.
    pub async fn rights(&self) -> StoreRights {
        let id = uuid::Uuid::now_v7().to_string();
        let never = Etag::from(NO_STATE);
        let read = self.blobs.head(PROBE).await.map(drop);
        let listed = self.blobs.list(PROBE).await;
        let put = self.blobs.put(PROBE, Vec::new(), Condition::State(Some(&never))).await.map(drop);
        let leased = self.blobs.lease(PROBE, &id, Duration::from_secs(15)).await;
        let container = ![&put, &leased].into_iter().any(|answer| matches!(answer, Err(no) if no.no_container()));
        let (read, write) = (judged([read]), judged([put, leased]));
        let refused = [&read, &write].into_iter().find_map(|answer| answer.as_ref().ok()?.clone());
        let listed_no = listed.as_ref().err().filter(|failure| failure.class == crate::model::Class::Forbidden);
        let may = |answer: Result<Option<String>, Failure>| answer.map(|refusal| refusal.is_none());
        StoreRights {
            read: may(read).map(|may| may && listed_no.is_none()),
            write: may(write),
            container,
            refusal: refused.or_else(|| listed_no.and_then(|failure| failure.detail.clone())),
        }
    }
}

/// What several answers mean together: nothing was refused, or in which words it was; `Err` where none tells.
fn judged<const N: usize>(answers: [Result<(), Refused>; N]) -> Result<Option<String>, Failure> {
    let mut refusal = None;
    for answer in answers {
        match answer {
            // The condition did not hold, or the blob is not there: whoever hears that is let in.
            Ok(()) => {}
            Err(no) if no.is_condition() || no.is_missing() => {}
            Err(no) if no.is_forbidden() => refusal = refusal.or(Failure::from(no).detail),
            Err(no) => return Err(no.into()),
        }
    }
    Ok(refusal)
}

#[cfg(all(test, feature = "sandbox"))]
#[path = "azblob_rights_tests.rs"]
#[allow(clippy::unwrap_used, reason = "helpers of tests may panic")]
mod tests;
