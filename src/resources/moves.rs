//! When our runs changed last whether a role may log in: observations from before are no evidence of how it is since.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many records the ledger of evidence had when our runs last changed whether a role may log in, by server and role.
/// Counted in records and not in time, because journals are dated by the machines that ran pgentra.
#[derive(Debug, Default)]
pub struct Moves(Mutex<BTreeMap<(String, String), u64>>);

impl Moves {
    /// What the journals of a store tell.
    pub fn new(moves: BTreeMap<(String, String), u64>) -> Self {
        Self(Mutex::new(moves))
    }

    /// The number of the first record that was written after the login of a role was last changed.
    pub(super) fn after(&self, server: &str, role: &str) -> u64 {
        let moves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moves.get(&(server.to_owned(), role.to_owned())).copied().unwrap_or_default()
    }

    /// The login of a role is being changed: every record that this process knows is from before.
    pub(super) fn note(&self, server: &str, role: &str) {
        let mut moves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moves.insert((server.to_owned(), role.to_owned()), u64::MAX);
    }
}
