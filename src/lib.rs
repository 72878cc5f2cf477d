//! pgentra moves Azure apps from PostgreSQL passwords to managed identity, as code, with proof.

pub mod azure;
pub mod cli;
pub mod diff;
pub mod engine;
pub mod evidence;
pub mod journal;
pub mod model;
pub mod pipeline;
pub mod plan;
pub mod postgres;
pub mod probe;
pub mod report;
pub mod resources;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod store;
