//! Quick tests of the engine in a world in memory: no network, no server, no clock.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may panic, and coverage is printed")]

mod engine;
mod examples;
mod faults;
mod gates;
mod laws;
mod properties;
mod rig;
mod store;
#[path = "../common/trial.rs"]
mod trial;
