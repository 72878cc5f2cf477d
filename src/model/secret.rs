//! Secrets: texts that are never printed, where they come from, and keyed digests to compare them by.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// A secret text. Zeroized on drop; `Debug` is redacted, `Display` does not exist, it cannot be serialized.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself, for the one place that sends it away.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sensitive value)")
    }
}

/// Where the text of a secret can be fetched when it is needed. Holds names only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// An environment variable of the process that runs pgentra.
    Env(String),
    /// The newest version of a secret in a key vault.
    KeyVault {
        /// The vault, by its Azure name.
        vault: String,
        /// The secret in it.
        secret: String,
    },
}

impl SecretSource {
    /// The environment variable that it is; any other source has to be fetched.
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Env(name) => Some(name),
            Self::KeyVault { .. } => None,
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::KeyVault { vault, secret } => write!(f, "secret {secret} of key vault {vault}"),
        }
    }
}

/// Makes keyed digests (HMAC-SHA-256, hex), so that two secrets can be compared without either being shown. An unkeyed
/// digest of a weak password could be guessed; the key stays in the store, or in memory where there is none yet.
#[derive(Clone)]
pub struct Digester {
    key: [u8; 32],
}

impl Digester {
    /// A digester with the key of the store, or a random one that dies with the process.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The keyed digest of `secret`.
    pub fn digest(&self, secret: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(secret.as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digester")
    }
}

/// Bytes in hexadecimal, lower case.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Whether a setting of this name usually holds a secret.
pub fn secret_name(name: &str) -> bool {
    const PARTS: [&str; 8] =
        ["PASSWORD", "PASSWD", "PWD", "SECRET", "TOKEN", "APIKEY", "ACCESSKEY", "CONNECTIONSTRING"];
    let folded: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    PARTS.iter().any(|part| folded.contains(part)) || folded.ends_with("KEY")
}

/// Whether a text looks as if it held a secret: a URL with a password, a `key=value` or `"key": "value"` secret, a JSON
/// Web Token, a private key.
/// A Key Vault reference is not one.
pub fn looks_secret(text: &str) -> bool {
    if text.starts_with("@Microsoft.KeyVault(") {
        return false;
    }
    has_url_password(text) || has_secret_pair(text) || has_json_secret(text) || has_token(text) || has_private_key(text)
}

/// What the part of a connection string, or the member of an object, is called that holds a secret.
const SECRET_PARTS: [&str; 7] =
    ["password", "pwd", "accountkey", "sharedaccesskey", "sharedaccesssignature", "secret", "sig"];

fn folded(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// `"password": "..."`, also where the quotes are escaped.
fn has_json_secret(text: &str) -> bool {
    text.split(':').collect::<Vec<_>>().windows(2).any(|pair| {
        let name = pair[0].trim_end().strip_suffix('"').map(|name| name.trim_end_matches('\\'));
        let name = name.and_then(|name| name.rsplit('"').next());
        let value = pair[1].trim_start().trim_start_matches('\\').strip_prefix('"');
        let filled = value.is_some_and(|value| !value.trim_start_matches('\\').starts_with('"'));
        filled && name.is_some_and(|name| SECRET_PARTS.contains(&folded(name).as_str()))
    })
}

fn has_private_key(text: &str) -> bool {
    text.contains("PRIVATE KEY-----") || text.contains("PRIVATE KEY BLOCK-----")
}

fn has_url_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ', '"', '\'']).next().unwrap_or_default();
        let user_info = authority.rsplit_once('@').map_or("", |(user_info, _)| user_info);
        user_info.split_once(':').is_some_and(|(_, password)| !password.is_empty())
    })
}

fn has_secret_pair(text: &str) -> bool {
    text.split([';', '&', ' ', '?', '\n']).any(|pair| {
        pair.split_once('=')
            .is_some_and(|(name, value)| !value.trim().is_empty() && SECRET_PARTS.contains(&folded(name).as_str()))
    })
}

fn has_token(text: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)))
        .any(|word| word.starts_with("eyJ") && word.len() > 40 && word.matches('.').count() == 2)
}

#[cfg(test)]
mod tests {
    use super::{Digester, Secret, looks_secret, secret_name};

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "(sensitive value)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn digests_depend_on_the_key() {
        let digest = |key: u8| Digester::new([key; 32]).digest("hunter2");
        assert_eq!(digest(1), digest(1));
        assert_ne!(digest(1), digest(2));
        assert_eq!(digest(1).len(), 64);
    }

    #[test]
    fn secret_shapes_are_seen() {
        let token = format!("eyJ{}.eyJ{}.abc", "a".repeat(20), "b".repeat(20));
        for text in
            ["postgres://u:p@h/db", "Host=h;Password=x", "host=h password=x", "AccountKey=abc==", token.as_str()]
        {
            assert!(looks_secret(text), "{text}");
        }
        for text in [
            r#"{"user": "u", "password": "x"}"#,
            r#"said "{\"Password\":\"x\"}""#,
            &format!("-----BEGIN {} KEY-----\nMII", "RSA PRIVATE"),
        ] {
            assert!(looks_secret(text), "{text}");
        }
        for text in [
            "postgres://u@h/db",
            "true",
            "https://x/y?a=b",
            r#"{"password": "", "secret": null, "passwords": "x"}"#,
            "-----BEGIN CERTIFICATE-----",
            "@Microsoft.KeyVault(SecretUri=https://v/secrets/password)",
        ] {
            assert!(!looks_secret(text), "{text}");
        }
    }

    #[test]
    fn secret_names_are_seen() {
        for name in ["POSTGIS_PASSWORD", "Db__Pwd", "API_KEY", "AzureWebJobsStorage__accessKey", "MY_SECRET"] {
            assert!(secret_name(name), "{name}");
        }
        for name in ["USE_MANAGED_IDENTITY", "POSTGIS_HOST", "KEYBOARD"] {
            assert!(!secret_name(name), "{name}");
        }
    }
}
