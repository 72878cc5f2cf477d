//! The statement that takes a role's password away, or gives one back by its verifier.

use crate::model::Secret;
use crate::postgres::quote::{quote_ident, quote_literal};

use super::Script;

/// Until when the password of a role is taken of which none is to be taken any more. Unlike the password, everybody may
/// see this.
pub const NEVER: &str = "-infinity";

/// Clears the password of a role, and says for all to see that none is taken.
pub fn clear_password(role: &str) -> Script {
    Script(vec![format!("ALTER ROLE {} PASSWORD NULL VALID UNTIL {}", quote_ident(role), quote_literal(NEVER))])
}

/// Lets the password that `verifier` was made of sign in until `valid_until`; `None` is without end. PostgreSQL has no way
/// to take such an end away again, so that "without end" is written as `infinity`.
pub fn set_password(role: &str, verifier: &Secret, valid_until: Option<&str>) -> Script {
    let (verifier, until) = (quote_literal(verifier.expose()), quote_literal(valid_until.unwrap_or("infinity")));
    Script(vec![format!("ALTER ROLE {} PASSWORD {verifier} VALID UNTIL {until}", quote_ident(role))])
}
