//! The key that ledger records are signed with: a secret that is kept outside the store.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::model::{Attributes, Secret, Value, hex};

/// The shortest key that is taken, in bytes.
const SHORTEST: usize = 16;

/// Where the key can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyReference {
    /// An environment variable of the process that runs pgentra.
    Env(String),
    /// A secret of a Key Vault.
    KeyVault {
        /// The vault's name.
        vault: String,
        /// The secret's name.
        secret: String,
    },
}

impl KeyReference {
    /// Reads `{ env = "..." }` or `{ key_vault = "...", secret = "..." }`.
    pub fn read(table: &Attributes) -> Option<Self> {
        let text = |name: &str| table.get(name).and_then(Value::as_text).map(str::to_owned);
        match (text("env"), text("key_vault"), text("secret")) {
            (Some(name), None, None) => Some(Self::Env(name)),
            (None, Some(vault), Some(secret)) => Some(Self::KeyVault { vault, secret }),
            _ => None,
        }
    }
}

impl fmt::Display for KeyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::KeyVault { vault, secret } => write!(f, "secret {secret} of Key Vault {vault}"),
        }
    }
}

/// A key that signs ledger records by HMAC-SHA-256. Only its id is ever written.
#[derive(Clone)]
pub struct SigningKey {
    secret: Secret,
    id: String,
}

impl SigningKey {
    /// A key out of a secret text.
    ///
    /// # Errors
    /// One line, when it is too short to be one.
    pub fn new(secret: Secret) -> Result<Self, String> {
        if secret.expose().len() < SHORTEST {
            return Err(format!("the signing key has fewer than {SHORTEST} characters"));
        }
        let id = hex(&keyed(&secret, "pgentra evidence key id").finalize().into_bytes())[..16].to_owned();
        Ok(Self { secret, id })
    }

    /// Names the key without giving it away.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The signature of a record's hash, in hex.
    pub(super) fn sign(&self, hash: &str) -> String {
        hex(&keyed(&self.secret, hash).finalize().into_bytes())
    }

    /// Whether this key made the signature. Takes as long for a wrong one as for the right one.
    pub(super) fn signed(&self, hash: &str, signature: &str) -> bool {
        let bytes = (0..signature.len()).step_by(2).map(|at| u8::from_str_radix(signature.get(at..at + 2)?, 16).ok());
        let bytes: Option<Vec<u8>> = bytes.collect();
        bytes.is_some_and(|bytes| keyed(&self.secret, hash).verify_slice(&bytes).is_ok())
    }
}

fn keyed(secret: &Secret, text: &str) -> Hmac<Sha256> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.update(text.as_bytes());
    mac
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::SigningKey;
    use crate::model::Secret;

    #[test]
    fn only_the_same_key_knows_its_signature() {
        let key = |text: &str| SigningKey::new(Secret::new(text)).unwrap();
        let (ours, theirs) = (key("sixteen letters!"), key("sixteen letters?"));
        let signature = ours.sign("hash");
        assert!(ours.signed("hash", &signature));
        assert!(!theirs.signed("hash", &signature) && !ours.signed("other", &signature));
        for wrong in ["", "zz", "é", &signature[2..], &format!("{signature}00")] {
            assert!(!ours.signed("hash", wrong), "{wrong}");
        }
        assert_ne!(ours.id(), theirs.id());
        assert!(!format!("{ours:?}").contains("letters"));
        assert!(SigningKey::new(Secret::new("short")).is_err());
    }
}
