//! Messages of the kinds, each provoked by a look or a write, to be read as a terminal shows them.

mod databases;
mod parts;
mod servers;
mod sites;

use serde_json::Value as Json;

use super::arm_testing::{attributes, live, look, step};
use super::{Live, Watch, World as _};
use crate::azure::double::{Reply, Seen};
use crate::model::{Attributes, Failure, Purpose};

/// Nobody listens, and nobody asks to stop.
struct Deaf;

impl Watch for Deaf {
    fn note(&self, _: &str) {}
}

/// An end of a step; `null` is none.
fn end(json: Json) -> Option<Attributes> {
    (!json.is_null()).then(|| attributes(json))
}

/// Why a write between two ends is refused.
async fn unwritten(world: &Live, kind: &str, key: &Attributes, before: Json, after: Json) -> Failure {
    world.write(&step(kind, key, end(before), end(after)), &Deaf).await.err().unwrap()
}

/// Why a plan for a resource is refused.
async fn unplanned(world: &Live, kind: &str, key: &Attributes, asked: Json) -> Failure {
    look(world, kind, key, &attributes(asked), Purpose::Plan).await.unwrap_err()
}

/// A live world whose every call to Azure is answered so.
fn over(answer: impl FnMut(&Seen) -> Reply + Send + 'static) -> Live {
    live(answer).0
}
