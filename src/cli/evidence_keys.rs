//! The keys that sign observations, fetched from where the plan file says.

use std::collections::BTreeMap;

use crate::evidence::{KeyReference, SigningKey};
use crate::model::{Class, Desired, Failure, Secret, Value};

/// The key of each validation (by name) that names one and whose key is at hand.
///
/// # Errors
/// `Input`: a key is too short, or of a kind that cannot be fetched; with `needed`, also one that is not there.
pub fn keys(desired: &[Desired], needed: bool) -> Result<BTreeMap<String, SigningKey>, Failure> {
    let mut keys = BTreeMap::new();
    for want in desired.iter().filter(|want| want.address.kind == "validation") {
        let Some(reference) = want.attributes.get("key").and_then(Value::as_map).and_then(KeyReference::read) else {
            continue;
        };
        let allowed = want.attributes.get("allow_unsigned").and_then(Value::as_bool) == Some(true);
        match fetch(&reference)? {
            Some(secret) => {
                let key = SigningKey::new(secret);
                let key = key.map_err(|why| Failure::new(Class::Input, why).detail(reference.to_string()))?;
                keys.insert(want.address.name.clone(), key);
            }
            None if needed && !allowed => {
                return Err(Failure::new(Class::Input, format!("nothing signs what is recorded for {}", want.address))
                    .detail(format!("{reference} is not set"))
                    .remedy("set it to a secret of at least 16 characters that is not kept in the store"));
            }
            None => {}
        }
    }
    Ok(keys)
}

fn fetch(reference: &KeyReference) -> Result<Option<Secret>, Failure> {
    match reference {
        KeyReference::Env(name) => Ok(std::env::var(name).ok().filter(|text| !text.is_empty()).map(Secret::new)),
        KeyReference::KeyVault { .. } => {
            Err(Failure::new(Class::Input, format!("this version cannot fetch {reference}"))
                .remedy("fetch it yourself and name it: key = { env = \"NAME\" }"))
        }
    }
}
