//! How the kinds of a cleanup behave: `password_login`, `escrow`, `password_setting`.

use super::database::SIGNED_IN;
use super::site::no_site;
use super::{Behaviour, Law, PLACE, PLAIN, Trial, shut, text};
use crate::model::{Attributes, Class, Reading, SecretSource, SecretValue, Value};
use crate::resources::memory::State;
use crate::resources::password_login::SESSIONS;
use crate::resources::password_setting::{names, source};

/// `password_login`: a part of its role, which may log in and has sessions. They stay open until a write ends them.
pub(in crate::resources) const LOGIN: Behaviour = Behaviour {
    part: Some(may_log_in),
    told: &["end_sessions_after"],
    hidden: shut,
    plan: |state, look| {
        let mut live = may_log_in();
        live.extend(state.get("password_login", look.key).into_iter().flatten().map(|(n, v)| (n.clone(), v.clone())));
        let mut desired = look.attributes.clone();
        if desired.contains_key("end_sessions_after") && desired.get("login") == Some(&Value::Bool(false)) {
            desired.insert("sessions".to_owned(), Value::text(SESSIONS[1]));
        }
        let mut observed = look.attributes.clone();
        observed.extend(desired.keys().filter_map(|name| Some((name.clone(), live.get(name)?.clone()))));
        observed.extend(look.attributes.get_key_value("end_sessions_after").map(|(n, v)| (n.clone(), v.clone())));
        let mut reading = Reading::present(observed, Attributes::new());
        reading.desired = Some(desired);
        Ok(Some(reading))
    },
    laws: &[SIGNED_IN],
    ..PLAIN
};

fn may_log_in() -> Attributes {
    [("login", Value::Bool(true)), ("sessions", Value::text(SESSIONS[0]))].map(|(n, v)| (n.to_owned(), v)).into()
}

/// `escrow`: there once it was made.
pub(in crate::resources) const ESCROW: Behaviour = Behaviour {
    missing: no_site,
    plan: |state, look| {
        let mut desired = look.attributes.clone();
        desired.remove("purge_after");
        desired.insert("value".to_owned(), theirs());
        let live = state.get("escrow", look.key).cloned();
        let mut reading = live.map_or_else(Reading::absent, |live| Reading::present(live, Attributes::new()));
        reading.desired = Some(desired);
        Ok(Some(reading))
    },
    laws: &[LAST_COPY],
    ..PLAIN
};

/// `password_setting`: a part of its site.
pub(in crate::resources) const PASSWORD_SETTING: Behaviour = Behaviour {
    part: Some(Attributes::new),
    missing: no_site,
    plan: |state, look| {
        let live = state.get("password_setting", look.key).and_then(|live| live.get("values")?.as_map());
        let shown = |name: &&str| match live.and_then(|live| live.get(*name)) {
            Some(Value::Secret(secret)) => {
                let source = source(look.attributes, name);
                ((*name).to_owned(), Value::Secret(SecretValue { source, ..secret.clone() }))
            }
            _ => ((*name).to_owned(), Value::Null),
        };
        let values = |values: Attributes| Attributes::from([("values".to_owned(), Value::Map(values))]);
        let names = names(look.attributes);
        let mut reading = Reading::present(values(names.iter().map(shown).collect()), Attributes::new());
        reading.desired = Some(values(names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect()));
        Ok(Some(reading))
    },
    laws: &[KEPT_FIRST],
    ..PLAIN
};

/// What an app's password is in memory.
pub(in crate::resources) fn theirs() -> Value {
    Value::Secret(SecretValue { source: None, digest: Some("theirs".to_owned()) })
}

const ESCROW_TEXT: &str = r#"
[resource.escrow.password]
app = "rmhazuregeoapi"
list = "settings"
name = "POSTGIS_PASSWORD"
key_vault = "kv-ops"
secret = "tried-password"
"#;

const SETTING_TEXT: &str = r#"
[resource.password_setting.password]
app = "rmhazuregeoapi"
list = "settings"
names = ["POSTGIS_PASSWORD"]
escrow = { POSTGIS_PASSWORD = { key_vault = "kv-ops", secret = "tried-password" } }
"#;

/// What a list of a site is found by.
const LIST: [&str; 5] = ["app", PLACE[0], PLACE[1], "slot", "list"];

const KEPT_FIRST: Law = Law {
    says: "a value that is to be kept is removed only once it is kept",
    class: Class::Conflict,
    broken: |state, step| {
        let map = |end: &Option<Attributes>| end.as_ref().and_then(|end| end.get("values")?.as_map().cloned());
        let (before, after) = (map(&step.before).unwrap_or_default(), map(&step.after).unwrap_or_default());
        let goes = |name: &str| after.get(name).is_none_or(|value| *value == Value::Null);
        let kept =
            |name: &str| state.like("escrow", &step.key, &LIST).any(|(id, _)| text(&id.key, "name") == Some(name));
        let (name, _) = before.iter().find(|(name, value)| {
            let vault = matches!(value, Value::Secret(SecretValue { source: Some(SecretSource::KeyVault { .. }), .. }));
            vault && goes(name) && !kept(name)
        })?;
        Some(format!("{name} is kept nowhere"))
    },
    trial: Trial::Refused { given: &[], refused: SETTING_TEXT, removal: false },
};

const LAST_COPY: Law = Law {
    says: "the only copy of a value is not deleted",
    class: Class::Conflict,
    broken: |state, step| {
        let name = text(&step.key, "name")?;
        let there = |state: &State| {
            let mut lists = state.like("password_setting", &step.key, &LIST);
            lists.any(|(_, live)| live.get("values").and_then(Value::as_map).is_some_and(|all| all.contains_key(name)))
        };
        let deleted = step.after.is_none() && state.get("escrow", &step.key).is_some();
        (deleted && !there(state)).then(|| format!("the app has no {name} any more"))
    },
    trial: Trial::Refused { given: &[ESCROW_TEXT, SETTING_TEXT], refused: ESCROW_TEXT, removal: true },
};
