//! The sandbox: an Azure emulator, a PostgreSQL that takes tokens as passwords, and a demo app, all on loopback.

pub mod claims;
pub mod database;
