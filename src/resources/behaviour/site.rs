//! How `app_identity`, `app_settings` and `slot_settings` behave, and the laws of a site.

use super::{Behaviour, Law, PLACE, PLAIN, Trial, says, text};
use crate::model::{Attributes, Class, Failure, Look, Reading, SecretValue, Value};
use crate::resources::memory::{State, guid, shown};

/// `app_identity`: a part of its site.
pub(in crate::resources) const IDENTITY: Behaviour = Behaviour {
    part: Some(|| Attributes::from([("system".to_owned(), Value::Bool(false))])),
    missing: no_site,
    outputs: identity_outputs,
    // A system-assigned identity that is made anew is another one.
    made: |before, after, number| match (says(before, "system"), says(after, "system")) {
        (false, true) => _ = after.insert("principal_id".to_owned(), Value::Text(guid(number))),
        (_, false) => _ = after.remove("principal_id"),
        (true, true) => {}
    },
    laws: &[SITE_IS_THERE, IDENTITY_IN_USE],
    ..PLAIN
};

/// `app_settings`: a part of its site.
pub(in crate::resources) const SETTINGS: Behaviour =
    Behaviour { part: Some(Attributes::new), missing: no_site, plan: plan_settings, laws: &[SITE_IS_THERE], ..PLAIN };

/// `slot_settings`: a part of its app.
pub(in crate::resources) const SLOT_SETTINGS: Behaviour =
    Behaviour { part: Some(Attributes::new), missing: no_site, laws: &[SITE_IS_THERE], ..PLAIN };

pub(super) const SITE_IS_THERE: Law = Law {
    says: "a site has to be there before anything of it changes",
    class: Class::NotFound,
    broken: |state, step| no_site(state, &step.address.kind, &step.key),
    trial: Trial::Refused {
        given: &[],
        refused: r#"
[resource.app_settings.nowhere]
app = "nowhere"
settings = { A = "1" }
"#,
        removal: false,
    },
};

/// The sticky names of settings are the whole app's; all else is a slot's own.
pub(super) fn no_site(state: &State, kind: &str, key: &Attributes) -> Option<String> {
    let parts = ["app", PLACE[0], PLACE[1], "slot"];
    let parts = if kind == "slot_settings" { &parts[..3] } else { &parts };
    let there = state.like("site", key, parts).next().is_some();
    (!there).then(|| format!("there is no app {}", text(key, "app").unwrap_or_default()))
}

const IDENTITY_IN_USE: Law = Law {
    says: "an identity that a role is mapped to stays",
    class: Class::Conflict,
    broken: |state, step| {
        let live = state.get("app_identity", &step.key)?;
        let principal = text(live, "principal_id")?;
        let goes = step.after.as_ref().is_none_or(|after| after.get("system") == Some(&Value::Bool(false)));
        let (role, _) = state.all().find(|(id, role)| {
            id.kind == "database_role" && text(role, "object_id").is_some_and(|id| id.eq_ignore_ascii_case(principal))
        })?;
        goes.then(|| format!("role {} signs in as it", text(&role.key, "name").unwrap_or_default()))
    },
    trial: Trial::Stricter("Azure deletes it and leaves a role that nobody can sign in as"),
};

/// The ids of the system-assigned identity where that is wanted, else those of the only user-assigned one.
fn identity_outputs(_key: &Attributes, live: &Attributes, asked: &Attributes) -> Attributes {
    let named: Vec<&String> =
        asked.get("user_assigned").and_then(Value::as_map).into_iter().flat_map(Attributes::keys).collect();
    let principal = match named[..] {
        [] => text(live, "principal_id").map(str::to_owned),
        _ if says(asked, "system") => text(live, "principal_id").map(str::to_owned),
        [only] => {
            let attached = live.get("user_assigned").and_then(Value::as_map).is_some_and(|all| says(all, only));
            attached.then(|| guid(only.bytes().map(u64::from).sum()))
        }
        _ => None,
    };
    principal.into_iter().map(|principal| ("principal_id".to_owned(), Value::Text(principal))).collect()
}

/// Refuses settings that are required and missing; says the rest in the words of a look.
fn plan_settings(state: &State, look: &Look<'_>) -> Result<Option<Reading>, Failure> {
    let empty = Attributes::new();
    let live = state.get("app_settings", look.key).unwrap_or(&empty);
    let settings = live.get("settings").and_then(Value::as_map).unwrap_or(&empty);
    let required = look.attributes.get("require").and_then(Value::as_list).unwrap_or_default();
    let missing: Vec<&str> =
        required.iter().filter_map(Value::as_text).filter(|name| !settings.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(Failure::new(Class::Input, "the app lacks settings that the plan file requires")
            .detail(missing.join(", "))
            .remedy("set them on the app, or move them from `require_settings` to `settings`"));
    }
    let mut desired = look.attributes.clone();
    desired.remove("require");
    desired.remove("sensitive");
    if let Some(Value::Map(wanted)) = desired.get_mut("settings") {
        for value in wanted.values_mut() {
            if let Value::Secret(secret) = value {
                *secret = digested(secret);
            }
        }
    }
    let live = desired.iter().map(|(name, asked)| (name.clone(), shown(asked, live.get(name)))).collect();
    let mut reading = Reading::present(live, Attributes::new());
    reading.desired = Some(desired);
    Ok(Some(reading))
}

/// No secret is ever fetched in memory: the name of its source stands for its text.
fn digested(secret: &SecretValue) -> SecretValue {
    let text = secret.source.as_ref().map(|source| format!("text of {source}"));
    SecretValue { digest: text.or_else(|| secret.digest.clone()), ..secret.clone() }
}

#[cfg(test)]
mod tests {
    use super::identity_outputs;
    use crate::model::{Attributes, Value};

    #[test]
    fn the_system_assigned_identity_gives_its_principal() {
        let live = Attributes::from([("principal_id".to_owned(), Value::text("p"))]);
        let asked = Attributes::from([("system".to_owned(), Value::Bool(true))]);
        assert_eq!(identity_outputs(&Attributes::new(), &live, &asked), live);
        let arm = Value::Map(Attributes::from([("/id".to_owned(), Value::Bool(true))]));
        let asked = Attributes::from([("user_assigned".to_owned(), arm)]);
        assert!(identity_outputs(&Attributes::new(), &live, &asked).is_empty(), "it is not attached");
    }
}
