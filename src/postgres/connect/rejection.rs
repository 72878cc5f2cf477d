//! Why there is no connection, and whether another role may have one.

use crate::model::{Class, Failure};

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Whether the server itself refused, so that it was reached and there was something to sign in with.
    pub refused: bool,
    /// What went wrong.
    pub failure: Failure,
}

impl Rejection {
    /// Whether another role may be let in: this one could not sign in, or may not connect to this database.
    pub(super) fn is_about_the_role(&self) -> bool {
        matches!((self.failure.class, self.refused), (Class::NotSignedIn, _) | (Class::Forbidden, true))
    }
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Self { refused: false, failure }
    }
}
