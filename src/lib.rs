//! pgentra moves Azure apps from PostgreSQL passwords to managed identity, as code, with proof.

pub mod azure;
pub mod diff;
pub mod journal;
pub mod model;
pub mod probe;
pub mod resources;
#[cfg(feature = "sandbox")]
pub mod sandbox;
