//! The keys that sign observations, fetched from where the plan file says.

use std::collections::BTreeMap;

use super::args::Global;
use super::live;
use crate::evidence::{KeyReference, SigningKey};
use crate::model::{Address, Attributes, Class, Failure, Secret, Target, Value};
use crate::plan::PlanFile;

/// The key of each validation (by name) that names one and whose key is at hand. A Key Vault is looked for where the
/// validation's app is: in its resource group, then in its subscription.
///
/// # Errors
/// `Input`: a key is too short; with `needed`, also one that is not there. Those of a Key Vault.
pub async fn keys(file: &PlanFile, global: &Global, needed: bool) -> Result<BTreeMap<String, SigningKey>, Failure> {
    let resources: Vec<_> = file.desired.iter().map(|want| (&want.address, &want.attributes)).collect();
    keys_of(&file.target, &resources, global, needed).await
}

/// [`keys`] of the validations among these resources: address and attributes of each.
///
/// # Errors
/// Those of [`keys`].
pub async fn keys_of(
    target: &Target,
    resources: &[(&Address, &Attributes)],
    global: &Global,
    needed: bool,
) -> Result<BTreeMap<String, SigningKey>, Failure> {
    let mut keys = BTreeMap::new();
    for (address, attributes) in resources.iter().filter(|(address, _)| address.kind == "validation") {
        let Some(reference) = attributes.get("key").and_then(Value::as_map).and_then(KeyReference::read) else {
            continue;
        };
        let allowed = attributes.get("allow_unsigned").and_then(Value::as_bool) == Some(true);
        match fetch(&reference, attributes, target, global).await? {
            Some(secret) => {
                let key = SigningKey::new(secret);
                let key = key.map_err(|why| {
                    Failure::new(Class::Input, "this cannot be a signing key")
                        .detail(format!("{reference}: {why}"))
                        .remedy("set it to a secret of at least 16 characters that is not kept in the store")
                })?;
                keys.insert(address.name.clone(), key);
            }
            None if needed && !allowed => {
                return Err(Failure::new(Class::Input, "nothing signs what is recorded")
                    .detail(format!("{address}: {reference} is not set"))
                    .remedy("set it to a secret of at least 16 characters that is not kept in the store"));
            }
            None => {}
        }
    }
    Ok(keys)
}

/// The secret, or `None` where nobody has set it.
async fn fetch(
    reference: &KeyReference,
    asked: &Attributes,
    target: &Target,
    global: &Global,
) -> Result<Option<Secret>, Failure> {
    let (vault, secret) = match reference {
        KeyReference::Env(name) => {
            return Ok(std::env::var(name).ok().filter(|text| !text.is_empty()).map(Secret::new));
        }
        KeyReference::KeyVault { vault, secret } => (vault, secret),
    };
    let app = |part: &str| asked.get("app").and_then(Value::as_map)?.get(part)?.as_text();
    let (Some(subscription), Some(group)) = (app("subscription"), app("resource_group")) else {
        return Err(Failure::new(Class::Input, "a signing key in a Key Vault needs an app beside it")
            .detail(reference.to_string())
            .remedy("add app = \"...\" to the validation, or name the key by key = { env = \"NAME\" }"));
    };
    let arm = live::arm(target, global).await?;
    match arm.vault(subscription, group, vault).await?.get(secret, None).await {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.class == Class::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}
