//! Looks at every wanted resource, many at a time.

use futures::StreamExt;

use crate::diff::Readings;
use crate::model::{Desired, Look, Purpose};
use crate::resources::World;

/// How many looks there may be for each step at a time. A look waits for an answer or for its turn at a server, which lets
/// two in; with too few, looks of one server would keep those of all apps waiting.
const LOOKS_PER_STEP: usize = 32;

/// Reads all of `desired`, `LOOKS_PER_STEP` for each of the `parallelism` steps at a time. Changes nothing.
pub async fn observe(world: &dyn World, desired: &[Desired], parallelism: usize) -> Readings {
    let look = |want: &'_ Desired| {
        let (address, key, attributes) = (want.address.clone(), want.key.clone(), want.attributes.clone());
        async move {
            let look =
                Look { address: &address, key: &key, attributes: &attributes, purpose: Purpose::Plan, via: None };
            let reading = world.read(look).await;
            (address, reading)
        }
    };
    let at_once = parallelism.max(1).saturating_mul(LOOKS_PER_STEP);
    futures::stream::iter(desired.iter().map(look)).buffer_unordered(at_once).collect().await
}
