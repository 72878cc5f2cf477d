//! How an app signs in to PostgreSQL, judged by its settings with the decision rule of such apps: token, password, or both.

use std::fmt;

use serde_json::{Map, Value as Json};

use super::Live;
use crate::azure::SiteId;
use crate::model::{Attributes, Failure, Value, looks_secret};

/// How an app signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// With the token of its managed identity.
    ManagedIdentity {
        /// A password is still there to fall back to.
        fallback: bool,
    },
    /// With a password.
    Password,
}

impl fmt::Display for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ManagedIdentity { fallback: false } => "managed identity",
            Self::ManagedIdentity { fallback: true } => "managed identity with the password as fallback",
            Self::Password => "password",
        })
    }
}

/// What the rule looks at: an app's settings, and its connection strings under the names that they have in the app's
/// environment. A password may hide in either.
///
/// # Errors
/// `Forbidden`: connection strings may not be read.
pub async fn environment(live: &Live, id: &SiteId, settings: &Map<String, Json>) -> Result<Map<String, Json>, Failure> {
    Ok(joined(settings, live.arm.connection_strings(id).await?))
}

/// An app's settings and its connection strings, as its environment has them.
pub(super) fn joined(settings: &Map<String, Json>, strings: Map<String, Json>) -> Map<String, Json> {
    let mut all = settings.clone();
    for (name, one) in strings {
        let prefix = if one["type"] == "PostgreSQL" { POSTGRES_STRING } else { "CUSTOMCONNSTR_" };
        all.insert(format!("{prefix}{name}"), one["value"].clone());
    }
    all
}

/// How App Service calls a connection string of type PostgreSQL in the app's environment.
const POSTGRES_STRING: &str = "POSTGRESQLCONNSTR_";

/// The rule: the switch `USE_MANAGED_IDENTITY` wins; an app in Azure without a password takes its identity by itself;
/// otherwise the password is used. `wanted` are settings as they will be, `Null` for those that go.
pub fn sign_in(live: &Map<String, Json>, wanted: &Attributes) -> SignIn {
    let gone = |name: &String| wanted.get(name) == Some(&Value::Null);
    let kept = live.iter().filter(|(name, _)| !gone(name) && !wanted.contains_key(*name));
    let password = kept.clone().any(|(name, value)| holds_password(name, value.as_str().unwrap_or_default()))
        || wanted.iter().any(|(name, value)| match value {
            Value::Text(text) => holds_password(name, text),
            Value::Secret(_) => names_password(name),
            _ => false,
        });
    let switch = match wanted.get("USE_MANAGED_IDENTITY") {
        Some(value) => value.as_text().map(str::to_owned),
        None => live.get("USE_MANAGED_IDENTITY").and_then(Json::as_str).map(str::to_owned),
    };
    if switch.is_some_and(|switch| switch.eq_ignore_ascii_case("true")) || !password {
        SignIn::ManagedIdentity { fallback: password }
    } else {
        SignIn::Password
    }
}

fn names_password(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASSWORD", "PASSWD", "PGPASS"].iter().any(|part| name.contains(part))
}

fn holds_password(name: &str, value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let postgres = name.starts_with(POSTGRES_STRING)
        || ["postgres://", "postgresql://", "host="].iter().any(|mark| lower.contains(mark));
    !value.is_empty() && (names_password(name) || (postgres && looks_secret(value)))
}

#[cfg(test)]
mod tests {
    use super::{SignIn, sign_in};
    use crate::model::{Attributes, Value};
    use serde_json::{Value as Json, json};

    fn judged(live: &Json, wanted: &[(&str, Value)]) -> SignIn {
        let wanted: Attributes = wanted.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        sign_in(live.as_object().unwrap(), &wanted)
    }

    #[test]
    fn the_decision_rule_of_the_guide() {
        let (token, both) = (SignIn::ManagedIdentity { fallback: false }, SignIn::ManagedIdentity { fallback: true });
        let password = json!({ "POSTGIS_PASSWORD": "x" });
        assert_eq!(judged(&password, &[]), SignIn::Password);
        assert_eq!(judged(&json!({}), &[]), token, "in Azure, without a password");
        assert_eq!(judged(&json!({ "USE_MANAGED_IDENTITY": "True", "POSTGIS_PASSWORD": "x" }), &[]), both);
        assert_eq!(judged(&json!({ "USE_MANAGED_IDENTITY": "false", "POSTGIS_PASSWORD": "x" }), &[]), SignIn::Password);
        assert_eq!(judged(&password, &[("USE_MANAGED_IDENTITY", "true".into())]), both);
        assert_eq!(judged(&password, &[("POSTGIS_PASSWORD", Value::Null)]), token);
        assert_eq!(judged(&json!({ "DATABASE_URL": "postgres://u:p@h/d" }), &[]), SignIn::Password);
        assert_eq!(judged(&json!({ "STORAGE": "AccountKey=abc" }), &[]), token, "another service's secret");
        assert_eq!(judged(&json!({ "DSN": "host=h user=u password=p" }), &[]), SignIn::Password);
        let string = "Server=h;User Id=u;Password=p";
        assert_eq!(judged(&json!({ "POSTGRESQLCONNSTR_main": string }), &[]), SignIn::Password);
        assert_eq!(judged(&json!({ "CUSTOMCONNSTR_sql": string }), &[]), token, "another service's secret");
    }
}
