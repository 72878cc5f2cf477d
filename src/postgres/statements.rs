//! Statements: every SQL text that changes something is built here, and only texts built here are run.

mod grants;
mod login;
mod password;
mod places;
mod roles;
mod trial;

use sqlx::AssertSqlSafe;

pub use grants::{Acting, grants};
pub use login::{end_sessions, set_login};
pub use password::{NEVER, clear_password, set_password};
pub use places::{create_schema, drop_schema, own_database, own_schema};
pub use roles::{create_role, drop_role, update_role};
pub use trial::TERMINATES;
pub(super) use trial::{trial, tried};

/// Statements are sent together up to about this many bytes.
const MESSAGE_BYTES: usize = 1 << 20;

/// Statements that belong into one transaction, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(Vec<String>);

impl Script {
    /// The statements as a person reads them, the transaction around them included; empty when there is nothing to do.
    pub fn statements(&self) -> Vec<String> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let ends = |text: &str| vec![text.to_owned()];
        [ends("BEGIN READ WRITE"), self.0.clone(), ends("COMMIT")].concat()
    }

    /// The statements joined into few messages; each ends with a statement's end.
    pub(super) fn messages(&self) -> Vec<String> {
        let mut messages: Vec<String> = Vec::new();
        for statement in self.statements() {
            match messages.last_mut() {
                Some(last) if last.len() + statement.len() < MESSAGE_BYTES => last.push_str(&statement),
                _ => messages.push(statement),
            }
            if let Some(last) = messages.last_mut() {
                last.push_str(";\n");
            }
        }
        messages
    }

    /// All statements as one message that begins a transaction and leaves it open.
    pub(super) fn open_message(&self) -> String {
        format!("BEGIN READ WRITE;\n{}", self.0.join(";\n"))
    }

    /// Vouches for a message of a script: names in it went through `quote_ident`, texts through `quote_literal`.
    pub(super) fn trusted(message: &str) -> AssertSqlSafe<&str> {
        AssertSqlSafe(message)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
