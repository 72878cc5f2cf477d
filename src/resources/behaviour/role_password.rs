//! How `role_password` behaves.

use super::{Behaviour, DEPLOYERS, Law, PLAIN, TOKENS, Trial, shut, text};
use crate::model::{Attributes, Class, Reading, SecretSource, SecretValue, Value};

/// `role_password`: a part of its role.
pub(in crate::resources) const ROLE_PASSWORD: Behaviour = Behaviour {
    part: Some(Attributes::new),
    told: &["escrow"],
    hidden: shut,
    plan: |state, look| {
        let live = state.get("role_password", look.key);
        let shown = |name: &str| live.and_then(|live| live.get(name)).cloned();
        let cleared = shown("valid_until").is_some_and(|until| until != Value::Null);
        let end = |value: Value, until: Value| {
            let place = look.attributes.get_key_value("escrow").map(|(name, place)| (name.clone(), place.clone()));
            place.into_iter().chain([("value".to_owned(), value), ("valid_until".to_owned(), until)]).collect()
        };
        let source = look.attributes.get("escrow").and_then(Value::as_map).and_then(|place| {
            let part = |name| text(place, name).map(str::to_owned);
            Some(SecretSource::KeyVault { vault: part("key_vault")?, secret: part("secret")? })
        });
        let value = match (cleared, source) {
            (true, _) => Value::Null,
            (false, None) => Value::text("cannot be seen"),
            (false, source) => Value::Secret(SecretValue { source, digest: Some("theirs".to_owned()) }),
        };
        let mut reading = Reading::present(end(value, shown("valid_until").unwrap_or(Value::Null)), Attributes::new());
        reading.desired = Some(end(Value::Null, Value::text("-infinity")));
        Ok(Some(reading))
    },
    laws: &[KEPT_FIRST],
    ..PLAIN
};

const TEXT: &str = r#"
[resource.role_password.geoapp]
server = "rmhpgflex"
name = "geoapp"
password = false
escrow = { key_vault = "kv-ops", secret = "tried-password", subscription = "22222222-2222-4222-8222-222222222222", resource_group = "rmhazure_rg" }
"#;

const KEPT_FIRST: Law = Law {
    says: "a password that is to be kept is cleared only once it is kept",
    class: Class::Conflict,
    broken: |state, step| {
        let value =
            |end: &Option<Attributes>| end.as_ref().and_then(|end| end.get("value")).cloned().unwrap_or(Value::Null);
        let Value::Secret(SecretValue { source: Some(SecretSource::KeyVault { vault, secret }), .. }) =
            value(&step.before)
        else {
            return None;
        };
        let is_place =
            |live: &Attributes| text(live, "key_vault") == Some(&vault) && text(live, "secret") == Some(&secret);
        let kept = state.all().any(|(id, live)| id.kind == "escrow" && is_place(live));
        (value(&step.after) == Value::Null && !kept).then(|| format!("secret {secret} is not there"))
    },
    trial: Trial::Refused { given: &[TOKENS, DEPLOYERS], refused: TEXT, removal: false },
};
