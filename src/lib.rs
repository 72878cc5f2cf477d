//! pgentra moves Azure apps from PostgreSQL passwords to managed identity, as code, with proof.

pub mod cli;
pub mod diff;
pub mod journal;
pub mod model;
pub mod plan;
pub mod report;
pub mod resources;
#[cfg(feature = "sandbox")]
pub mod sandbox;
