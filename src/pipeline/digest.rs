//! The digest by which a plan that was reviewed is known again.

use sha2::{Digest as _, Sha256};

use crate::model::{Attributes, Failure, SecretValue, Step, Value, hex};

/// SHA-256 (hex) over the canonical form of the steps: what is changed, from what, to what, how and in which order. The
/// same plan file on the same system gives the same digest, whenever and by whomever it is planned. A secret counts by
/// its source alone, because its keyed digest depends on the store.
///
/// # Errors
/// None that a user can cause.
pub fn steps_digest(steps: &[Step]) -> Result<String, Failure> {
    let canonical: Vec<Step> = steps.iter().map(canonical).collect();
    let text = serde_json::to_vec(&canonical).map_err(|error| super::saved::unwritable(&error))?;
    Ok(hex(&Sha256::digest(text)))
}

fn canonical(step: &Step) -> Step {
    let end = |end: &Option<Attributes>| {
        end.as_ref().map(|end| end.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
    };
    Step { before: end(&step.before), after: end(&step.after), ..step.clone() }
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Secret(secret) => Value::Secret(SecretValue { source: secret.source.clone(), digest: None }),
        Value::List(list) => Value::List(list.iter().map(plain).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(name, value)| (name.clone(), plain(value))).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::steps_digest;
    use crate::model::{Address, Attributes, SecretValue, Step, Undo, Value};
    use std::collections::BTreeSet;

    fn step(value: Value) -> Step {
        Step {
            id: "k.a".into(),
            address: Address::new("k", "a"),
            key: Attributes::new(),
            before: None,
            after: Some(Attributes::from([("x".to_owned(), Value::Map(Attributes::from([("y".to_owned(), value)])))])),
            via: None,
            undo: Undo::Faithful,
            leans_on: BTreeSet::new(),
            serial_key: None,
            restarts: 0,
        }
    }

    fn secret(digest: &str) -> Value {
        Value::Secret(SecretValue { source: None, digest: Some(digest.into()) })
    }

    #[test]
    fn the_digest_knows_values_and_order_but_no_store() {
        let digest = |steps: &[Step]| steps_digest(steps).unwrap();
        let (a, b) = (step("1".into()), step("2".into()));
        assert_eq!(digest(std::slice::from_ref(&a)), digest(std::slice::from_ref(&a)));
        assert_ne!(digest(&[a.clone(), b.clone()]), digest(&[b, a]));
        assert_eq!(digest(&[step(secret("p"))]), digest(&[step(secret("q"))]));
        assert_ne!(digest(&[step(secret("p"))]), digest(&[step("p".into())]));
        assert_eq!(digest(&[]).len(), 64);
    }
}
