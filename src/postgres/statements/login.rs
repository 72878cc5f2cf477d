//! The statements that let a role log in or not, and end its sessions.

use crate::postgres::quote::{quote_ident, quote_literal};

use super::Script;

/// Lets a role log in, or no longer. Sessions that are open stay open.
pub fn set_login(role: &str, on: bool) -> Script {
    Script(vec![format!("ALTER ROLE {} {}", quote_ident(role), if on { "LOGIN" } else { "NOLOGIN" })])
}

/// Ends every session of a role but the one that runs this.
pub fn end_sessions(role: &str) -> Script {
    Script(vec![format!(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
         WHERE usename = {} AND pid <> pg_catalog.pg_backend_pid()",
        quote_literal(role)
    )])
}
