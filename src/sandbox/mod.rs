//! The sandbox: an Azure emulator, a PostgreSQL that takes tokens as passwords, and a demo app, all on loopback.

pub mod app;
mod app_geo;
mod app_login;
mod app_version;
mod arm;
mod call;
pub mod claims;
mod clock;
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
#[cfg(test)]
mod emulator_tests;
mod entra;
#[cfg(test)]
mod fault_tests;
mod faults;
mod files;
mod http;
mod identity;
mod info;
mod insights;
mod kql;
mod life;
mod log;
pub mod names;
mod pgaadauth;
mod platform;
pub mod proxy;
mod requests;
mod run;
mod scm;
mod seed;
mod state;
mod telemetry;
mod time;
mod tls;
mod token;
mod trouble;
mod vault;
#[cfg(test)]
mod vault_tests;
mod wire;

pub use app::run_app;
pub use app_version::Version;
pub use cluster::{AdminRights, Cluster, ClusterOptions, DirectoryEntry};
pub use cluster_secrets::ClusterSecrets;
#[cfg(test)]
pub(crate) use info::process_start;
pub use info::{Info, env};
pub use life::{Down, down, log, reset};
pub use proxy::{LoginEvent, LoginLog, LoginMethod, Refusal, serve};
pub use requests::{Clock, lose_identity, move_clock, requests, trouble_app};
pub use run::{Options, up};
pub use trouble::Trouble;
