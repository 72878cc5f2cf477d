//! What a token of the sandbox says, and why one is refused; shared by the token endpoint and the PostgreSQL front.

use std::collections::BTreeSet;

/// The checked content of an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `aud`: the resource it is for, as requested, without `/.default`.
    pub audience: String,
    /// `oid`: object id of the principal.
    pub object_id: String,
    /// `appid`: client id of the application, for applications.
    pub app_id: Option<String>,
    /// `tid`: tenant.
    pub tenant: String,
    /// `idtyp` is `app`: an application or managed identity, not a person.
    pub is_app: bool,
    /// `groups`: object ids of the groups it is in.
    pub groups: BTreeSet<String>,
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Not a JSON Web Token of ours: another format, another signature.
    Format,
    /// Past its `exp`.
    Expired,
    /// For another resource than the one asked for.
    Audience,
}

/// Checks tokens. The emulator's issuer is one.
pub trait TokenCheck: Send + Sync {
    /// Checks signature, expiry and audience (any of `audiences`, with and without a trailing slash).
    ///
    /// # Errors
    /// Why the token is refused; the format is judged first, then the expiry, then the audience.
    fn check(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenFault>;
}
