//! The built program against real sandboxes: an emulated Azure over HTTPS, and a PostgreSQL that checks tokens.

#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests may panic, and say why they are skipped")]

#[path = "sandbox/clients.rs"]
mod clients;
#[path = "sandbox/deployment.rs"]
mod deployment;
#[path = "sandbox/faults.rs"]
mod faults;
#[path = "sandbox/life.rs"]
mod life;
#[path = "sandbox/migration.rs"]
mod migration;
#[path = "sandbox/names.rs"]
mod names;
#[path = "sandbox/others.rs"]
mod others;
#[path = "sandbox/secrets.rs"]
mod secrets;
#[path = "sandbox/sensors.rs"]
mod sensors;
#[path = "sandbox/sign_in.rs"]
mod sign_in;
#[path = "sandbox/stand.rs"]
mod stand;
