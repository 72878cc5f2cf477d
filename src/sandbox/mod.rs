//! The sandbox: an Azure emulator, a PostgreSQL that takes tokens as passwords, and a demo app, all on loopback.

mod arm;
mod call;
pub mod claims;
pub mod cluster;
mod cluster_files;
mod cluster_secrets;
mod cluster_server;
#[cfg(test)]
mod cluster_tests;
mod control;
pub mod database;
mod directory;
mod emulator;
mod entra;
mod faults;
mod files;
mod identity;
mod log;
pub mod names;
mod pgaadauth;
pub mod proxy;
mod seed;
mod state;
mod token;
mod wire;

pub use cluster::{AdminRights, Cluster, ClusterOptions, DirectoryEntry};
pub use cluster_secrets::ClusterSecrets;
pub use proxy::{LoginEvent, LoginLog, LoginMethod, Refusal, serve};
