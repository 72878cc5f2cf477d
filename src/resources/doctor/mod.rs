//! The doctor: facts about the live system, gathered once, and the pure rules that find symptoms in them.

mod commands;
mod facts;
mod gather;
mod gather_database;
pub(super) mod gather_logs;
mod gather_site;
mod rules;
mod rules_app;
mod rules_role;
mod rules_server;
#[cfg(test)]
mod tests;

pub use facts::{Facts, OldRole, Unseen};
pub use gather::facts;
pub use rules::{Diagnosis, RULES, Rule, Severity, diagnose};
