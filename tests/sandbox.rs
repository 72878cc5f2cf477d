//! The built program against real sandboxes: an emulated Azure over HTTPS, and a PostgreSQL that checks tokens.

#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests may panic, and say why they are skipped")]

#[path = "sandbox/cleanup.rs"]
mod cleanup;
#[path = "sandbox/clients.rs"]
mod clients;
#[path = "sandbox/clock.rs"]
mod clock;
#[path = "sandbox/deployment.rs"]
mod deployment;
#[path = "sandbox/doctor.rs"]
mod doctor;
#[path = "sandbox/events.rs"]
mod events;
#[path = "sandbox/faults.rs"]
mod faults;
#[path = "sandbox/fleet.rs"]
mod fleet;
#[path = "sandbox/import.rs"]
mod import;
#[path = "sandbox/init.rs"]
mod init;
#[path = "sandbox/keys.rs"]
mod keys;
#[path = "sandbox/leaks.rs"]
mod leaks;
#[path = "sandbox/life.rs"]
mod life;
#[path = "sandbox/migration.rs"]
mod migration;
#[path = "sandbox/names.rs"]
mod names;
#[path = "sandbox/narrow.rs"]
mod narrow;
#[path = "sandbox/others.rs"]
mod others;
#[path = "sandbox/parts.rs"]
mod parts;
#[path = "sandbox/secrets.rs"]
mod secrets;
#[path = "sandbox/sensors.rs"]
mod sensors;
#[path = "sandbox/sign_in.rs"]
mod sign_in;
#[path = "sandbox/stand.rs"]
mod stand;
#[path = "sandbox/standing.rs"]
mod standing;
#[path = "sandbox/stores.rs"]
mod stores;
#[path = "sandbox/symptoms.rs"]
mod symptoms;
#[path = "sandbox/trouble.rs"]
mod trouble;
