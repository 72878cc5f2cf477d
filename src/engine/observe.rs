//! Looks at every wanted resource, many at a time.

use crate::diff::Readings;
use crate::model::{Desired, Look, Purpose};
use crate::resources::World;

/// How many looks there may be for each step at a time. A look waits for an answer or for its turn at a server, which lets
/// two in; with too few, looks of one server would keep those of all apps waiting.
const LOOKS_PER_STEP: usize = 32;

/// Reads all of `desired`, `LOOKS_PER_STEP` for each of the `parallelism` steps at a time. Changes nothing.
pub async fn observe(world: &dyn World, desired: &[Desired], parallelism: usize) -> Readings {
    let looks: Vec<Look<'_>> = desired.iter().map(look).collect();
    let readings = world.read_all(&looks, parallelism.max(1).saturating_mul(LOOKS_PER_STEP)).await;
    desired.iter().map(|want| want.address.clone()).zip(readings).collect()
}

fn look(want: &Desired) -> Look<'_> {
    let Desired { address, key, attributes, .. } = want;
    Look { address, key, attributes, purpose: Purpose::Plan, via: None }
}
