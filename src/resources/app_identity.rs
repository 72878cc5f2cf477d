//! Kind `app_identity`: an app or slot has managed identities, besides those that it does not own.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::live::{entries, entry, optional_text, site_id};
use super::rewrite::rewrite;
use super::{Behaviour, Kind, Live, Watch, Written, behaviour, pause};
use crate::azure::{Identity, Site, SiteId};
use crate::model::{Attributes, Class, Failure, Field, Look, Nature, Output, Reading, Schema, Step, Type, Undo, Value};

/// The kind `app_identity`.
pub struct AppIdentity;

static SCHEMA: Schema = Schema {
    kind: "app_identity",
    doc: "A Function App, Web App or slot of one has a system-assigned identity, user-assigned ones, or both. \
          Identities that the plan file does not name stay.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the app.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the app.").key(),
        Field::new("app", Type::Text, "The app, by its Azure name.").key(),
        Field::new("slot", Type::Text, "A deployment slot; each has identities of its own.").optional_key(),
        Field::new("system", Type::Bool, "Whether it has the system-assigned identity."),
        Field::new("user_assigned", Type::Map(&Type::Bool), "User-assigned identities to attach, by ARM id."),
    ],
    outputs: &[
        Output {
            name: "principal_id",
            doc: "Object id of the system-assigned identity; of the user-assigned one where it is the only one named.",
            same_as: None,
        },
        Output { name: "tenant_id", doc: "Tenant of that identity.", same_as: None },
        Output {
            name: "client_id",
            doc: "Client id of the user-assigned identity, where it is the only one named and `system` is not set.",
            same_as: None,
        },
    ],
    undo,
    serial_key: |key| optional_text(key, "app").map(|app| format!("site:{app}")),
    restarts: |before, after| u32::from(before != after),
    consistent_within: Duration::from_mins(1),
};

fn system(end: Option<&Attributes>) -> Option<bool> {
    end.and_then(|end| end.get("system")).and_then(Value::as_bool)
}

fn undo(before: Option<&Attributes>, after: Option<&Attributes>) -> Undo {
    match (system(before), system(after)) {
        (Some(true), Some(false) | None) => {
            Undo::Lossy("a re-created system-assigned identity has another principal id".to_owned())
        }
        (Some(false) | None, Some(true)) => {
            Undo::Kept("the app's new identity may be in use by others, and a second one would be another".to_owned())
        }
        _ => Undo::Faithful,
    }
}

/// Reads the site; a missing one is a failure with a remedy, because no kind makes apps.
async fn site(live: &Live, id: &SiteId) -> Result<Site, Failure> {
    live.arm.site(id).await.map_err(|refusal| {
        if refusal.is_not_found() {
            Failure::new(Class::NotFound, "the app is not there")
                .detail(format!("{id} in resource group {}", id.resource_group))
                .remedy("check its name, resource group and subscription")
        } else {
            refusal.failure
        }
    })
}

#[async_trait]
impl Kind for AppIdentity {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::IDENTITY
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let identity = site(live, &site_id(look.key)?).await?.identity.unwrap_or_default();
        let mut attributes = Attributes::new();
        if look.attributes.contains_key("system") {
            attributes.insert("system".to_owned(), Value::Bool(identity.has_system()));
        }
        if look.attributes.contains_key("user_assigned") {
            let one = |(id, _): (&String, &Value)| {
                let attached = identity.user_assigned(id).is_some();
                (id.clone(), if attached { Value::Bool(true) } else { Value::Null })
            };
            let all = entries(Some(look.attributes), "user_assigned").map(one).collect();
            attributes.insert("user_assigned".to_owned(), Value::Map(all));
        }
        let mut outputs = outputs(&identity, look.attributes);
        if outputs.contains_key("principal_id")
            && !outputs.contains_key("tenant_id")
            && let Some(tenant) = live.arm.tenant().await?
        {
            // A site with user-assigned identities alone names no tenant; it is that of its subscription.
            outputs.insert("tenant_id".to_owned(), Value::Text(tenant));
        }
        Ok(Reading::present(attributes, outputs))
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let id = site_id(&step.key)?;
        let aim = |identity: Identity| target(&identity, step.before.as_ref(), step.after.as_ref());
        let changed = async || {
            let now = site(live, &id).await?;
            now.refuse_busy(&id)?;
            Ok(Some(aim(now.identity.unwrap_or_default())).filter(|target| target.changes))
        };
        let patch = async |target: Target| {
            watch.note(&format!("changing the identities of {id}"));
            let body = Identity::body(target.system, &target.stay, &target.go);
            live.arm.patch_identity(&id, &body, &|text| watch.note(text)).await
        };
        rewrite(live, watch, changed, patch).await?;
        let target = aim(site(live, &id).await?.identity.unwrap_or_default());
        settle(live, &id, &target, watch).await?;
        Ok(Written::Done)
    }
}

/// Which identities a site should have.
struct Target {
    system: bool,
    stay: Vec<String>,
    go: Vec<String>,
    changes: bool,
}

/// The live identities with the named ones added or taken away. An id that only the before end names goes: missing and
/// `Null` mean the same.
fn target(live: &Identity, before: Option<&Attributes>, after: Option<&Attributes>) -> Target {
    let had_system = live.has_system();
    // A removed resource (no after end) gives back what it had brought.
    let system = match (system(before), system(after)) {
        (_, Some(wanted)) => wanted,
        (Some(true), None) => false,
        (_, None) => had_system,
    };
    let wanted = |id: &String| -> Option<bool> {
        let find = |end| entries(end, "user_assigned").find(|(own, _)| own.eq_ignore_ascii_case(id));
        match (find(before), find(after)) {
            (_, Some((_, value))) => Some(*value == Value::Bool(true)),
            (Some(_), None) => Some(false),
            (None, None) => None,
        }
    };
    let (mut stay, go): (Vec<String>, Vec<String>) =
        live.user_assigned_identities.keys().cloned().partition(|id| wanted(id).unwrap_or(true));
    let new: Vec<String> = entries(after, "user_assigned")
        .filter(|(id, value)| **value == Value::Bool(true) && live.user_assigned(id).is_none())
        .map(|(id, _)| id.clone())
        .collect();
    let changes = system != had_system || !go.is_empty() || !new.is_empty();
    stay.extend(new);
    Target { system, stay, go, changes }
}

/// Waits until Azure shows the principal of each identity that was asked for.
async fn settle(live: &Live, id: &SiteId, target: &Target, watch: &dyn Watch) -> Result<(), Failure> {
    let start = Instant::now();
    let mut tries = 0;
    loop {
        let identity = site(live, id).await?.identity.unwrap_or_default();
        let system = identity.has_system() && identity.principal_id.is_some();
        let attached = |id: &String| identity.user_assigned(id).is_some_and(|one| one.principal_id.is_some());
        if system == target.system && target.stay.iter().all(attached) {
            return Ok(());
        }
        let wait = live.arm.pace().wait(tries);
        if start.elapsed() + wait > live.arm.pace().identity {
            return Err(Failure::new(Class::Busy, "Azure does not show the new identity yet")
                .detail(id.to_string())
                .remedy("run the same command again in a few minutes"));
        }
        watch.note(&format!("waiting for the identity of {id}"));
        pause(watch, wait).await?;
        tries += 1;
    }
}

/// What the identity gives: the system-assigned one's ids where that is wanted, else those of the only user-assigned
/// one.
fn outputs(identity: &Identity, asked: &Attributes) -> Attributes {
    let named: Vec<&String> = entries(Some(asked), "user_assigned").map(|(id, _)| id).collect();
    let wants_system = system(Some(asked)) == Some(true);
    let mut outputs = Attributes::new();
    let mut give = |name: &str, value: Option<&String>| {
        if let Some(value) = value {
            outputs.insert(name.to_owned(), Value::text(value.clone()));
        }
    };
    if wants_system || named.is_empty() {
        if identity.has_system() {
            give("principal_id", identity.principal_id.as_ref());
            give("tenant_id", identity.tenant_id.as_ref());
        }
    } else if let [only] = named[..]
        && *entry(Some(asked), "user_assigned", only) == Value::Bool(true)
        && let Some(one) = identity.user_assigned(only)
    {
        give("principal_id", one.principal_id.as_ref());
        give("client_id", one.client_id.as_ref());
        give("tenant_id", identity.tenant_id.as_ref());
    }
    outputs
}

#[cfg(test)]
mod tests;
