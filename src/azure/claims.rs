//! Claims: who a token was given to, read without verifying it and for messages alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::model::Secret;

/// What a token says of its holder. Nothing may be decided by it: the signature is not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Tenant id (`tid`).
    pub tenant: Option<String>,
    /// Object id in Entra (`oid`): of the user, or of the service principal.
    pub object_id: Option<String>,
    /// Client id of the application (`appid`, in v2 tokens `azp`).
    pub client_id: Option<String>,
    /// Sign-in name of a user (`upn`, `unique_name` or `preferred_username`).
    pub user: Option<String>,
    /// What the token is for (`aud`).
    pub audience: Option<String>,
}

impl Claims {
    /// Reads the middle part of a JSON Web Token; all is `None` when it is not one.
    pub fn of(token: &Secret) -> Self {
        let body = token.expose().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Value = body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        let first = |names: &[&str]| names.iter().find_map(|name| claims[*name].as_str()).map(str::to_owned);
        Self {
            tenant: first(&["tid"]),
            object_id: first(&["oid"]),
            client_id: first(&["appid", "azp"]),
            user: first(&["upn", "unique_name", "preferred_username"]),
            audience: first(&["aud"]),
        }
    }

    /// Who it is, in a few words.
    pub fn who(&self) -> String {
        let object = self.object_id.as_deref().map(|id| format!(" (object id {id})")).unwrap_or_default();
        match (&self.user, &self.client_id) {
            (Some(user), _) => format!("user {user}{object}"),
            (None, Some(client)) => format!("application {client}{object}"),
            (None, None) => format!("somebody{object}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Claims;
    use crate::model::Secret;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    #[test]
    fn the_holder_is_read_from_the_middle_part() {
        let body = URL_SAFE_NO_PAD.encode(r#"{"tid":"t","oid":"o","appid":"a"}"#);
        let claims = Claims::of(&Secret::new(format!("eyJ.{body}.sig")));
        assert_eq!(claims.who(), "application a (object id o)");
        assert_eq!(claims.tenant.as_deref(), Some("t"));
    }

    #[test]
    fn nonsense_says_nothing() {
        for text in ["", "a", "a.b.c", "..", "a.%%%.c"] {
            assert_eq!(Claims::of(&Secret::new(text)), Claims::default(), "{text}");
        }
    }
}
