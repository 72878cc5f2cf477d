//! pgentra moves Azure apps from PostgreSQL passwords to managed identity, as code, with proof.

pub mod diff;
pub mod journal;
pub mod model;
pub mod postgres;
pub mod resources;
#[cfg(feature = "sandbox")]
pub mod sandbox;
