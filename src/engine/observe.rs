//! Looks at every wanted resource, many at a time.

use futures::StreamExt;

use crate::diff::Readings;
use crate::model::{Desired, Look, Purpose};
use crate::resources::World;

/// Reads all of `desired`, at most `limit` at a time. Changes nothing.
pub async fn observe(world: &dyn World, desired: &[Desired], limit: usize) -> Readings {
    let look = |want: &'_ Desired| {
        let (address, key, attributes) = (want.address.clone(), want.key.clone(), want.attributes.clone());
        async move {
            let look =
                Look { address: &address, key: &key, attributes: &attributes, purpose: Purpose::Plan, via: None };
            let reading = world.read(look).await;
            (address, reading)
        }
    };
    futures::stream::iter(desired.iter().map(look)).buffer_unordered(limit.max(1)).collect().await
}
