//! Kind `app_settings`: an app or slot has these settings; all others stay untouched.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::live::{entries, entry, fetch, optional_text, site_id};
use super::rewrite::rewrite;
use super::sign_in::{joined, sign_in};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::azure::SiteId;
use crate::model::{
    Attributes, Class, Digester, Failure, Field, Look, Nature, Observed, Purpose, Reading, Schema, Secret, SecretValue,
    Step, Type, Undo, Value, agrees, looks_secret, secret_name,
};

/// The kind `app_settings`.
pub struct AppSettings;

static SCHEMA: Schema = Schema {
    kind: "app_settings",
    doc: "An app or slot has these settings. One write changes all of them at once and restarts the app; settings that \
          the plan file does not name are sent back exactly as they were read.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the app.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the app.").key(),
        Field::new("app", Type::Text, "The app, by its Azure name.").key(),
        Field::new("slot", Type::Text, "A deployment slot; each has settings of its own.").optional_key(),
        Field::new(
            "settings",
            Type::Map(&Type::Text),
            "Name -> value. A value may be a reference to another resource's output or `{ env = \"NAME\" }`, a secret \
             from pgentra's own environment.",
        )
        .or_reference(),
        Field::new("require", Type::List(&Type::Text), "Names of settings that have to be there but are not managed."),
        Field::new("sensitive", Type::List(&Type::Text), "Names of settings whose values are never shown."),
    ],
    outputs: &[],
    undo: |before, after| undo("settings", before, after),
    serial_key: |key| optional_text(key, "app").map(|app| format!("site:{app}")),
    restarts: |before, after| u32::from(before != after),
    consistent_within: Duration::from_secs(30),
};

/// A setting whose old value is a secret of the app cannot be given back: pgentra knows its digest only.
pub(super) fn undo(field: &str, before: Option<&Attributes>, after: Option<&Attributes>) -> Undo {
    let lost = |(name, value): &(&String, &Value)| {
        let secret = matches!(value, Value::Secret(SecretValue { source: None, .. }));
        secret && !agrees(value, entry(after, field, name))
    };
    let names: Vec<&str> = entries(before, field).filter(lost).map(|(name, _)| name.as_str()).collect();
    if names.is_empty() {
        Undo::Faithful
    } else {
        Undo::Never(format!("nobody can give back the old value of {}", names.join(", ")))
    }
}

/// How live values are shown: in clear, or as a keyed digest when they are or may be secrets.
struct Lens<'a> {
    digester: &'a Digester,
    /// Names that are secrets whatever their names and values look like.
    sensitive: BTreeSet<String>,
}

impl<'a> Lens<'a> {
    fn new(digester: &'a Digester, ends: &[Option<&Attributes>]) -> Self {
        let listed = ends.iter().flatten().filter_map(|end| end.get("sensitive")?.as_list()).flatten();
        let listed = listed.filter_map(Value::as_text).map(str::to_owned);
        let secrets = ends.iter().flat_map(|end| entries(*end, "settings"));
        let secrets = secrets.filter(|(_, value)| matches!(value, Value::Secret(_))).map(|(name, _)| name.clone());
        Self { digester, sensitive: listed.chain(secrets).collect() }
    }

    fn value(&self, name: &str, live: Option<&Json>) -> Value {
        let text = match live {
            None | Some(Json::Null) => return Value::Null,
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let reference = text.starts_with("@Microsoft.KeyVault(");
        // The same switches that a plan file may hold under a secret's name.
        let switch = ["", "0", "1", "true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word));
        let secret = self.sensitive.contains(name) || (!switch && (secret_name(name) || looks_secret(&text)));
        if secret && !reference {
            Value::Secret(SecretValue { source: None, digest: Some(self.digester.digest(&text)) })
        } else {
            Value::Text(text)
        }
    }
}

#[async_trait]
impl Kind for AppSettings {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::SETTINGS
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let id = site_id(look.key)?;
        let planning = look.purpose == Purpose::Plan;
        // Asked for side by side: a plan takes as long as the longest chain of its calls.
        let strings = async { if planning { Some(live.arm.connection_strings(&id).await) } else { None } };
        let (all, strings) = futures::join!(live.arm.settings(&id), strings);
        let all = all?;
        let lens = Lens::new(&live.digester, &[Some(look.attributes)]);
        let mut attributes = Attributes::new();
        if look.attributes.contains_key("settings") {
            let one = |(name, _): (&String, &Value)| (name.clone(), lens.value(name, all.get(name)));
            let owned = entries(Some(look.attributes), "settings").map(one).collect();
            attributes.insert("settings".to_owned(), Value::Map(owned));
        }
        let mut reading = Reading::present(attributes, Attributes::new());
        let mut notes = notes(&all);
        if let Some(strings) = strings {
            refuse_missing(&id, look.attributes, &all)?;
            let environment = strings.map(|strings| joined(&all, strings)).map_err(Failure::from);
            notes.extend(sign_in_note(environment, look.attributes)?);
            reading.desired = Some(restated(&lens, look.attributes, &mut notes));
        }
        // Which names are secrets goes with every end, so that each later look shows them the same way.
        let sensitive = match &reading.desired {
            Some(desired) => desired.get("sensitive"),
            None => look.attributes.get("sensitive"),
        };
        if let (Observed::Present(state), Some(sensitive)) = (&mut reading.observed, sensitive) {
            state.attributes.insert("sensitive".to_owned(), sensitive.clone());
        }
        reading.notes = notes;
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let id = site_id(&step.key)?;
        let (before, after) = (step.before.as_ref(), step.after.as_ref());
        let names: BTreeSet<&String> =
            entries(before, "settings").chain(entries(after, "settings")).map(|(name, _)| name).collect();
        let mut wanted = BTreeMap::new();
        for name in names {
            let value = resolve(live, &step.key, name, entry(after, "settings", name)).await?;
            wanted.insert(name, value.map(|value| Json::String(value.expose().to_owned())));
        }
        live.arm.site(&id).await?.refuse_busy(&id)?;
        let lens = Lens::new(&live.digester, &[before, after]);
        let merged = async || {
            let mut all = live.arm.settings(&id).await?;
            refuse_conflict(&id, "settings", step, |name| lens.value(name, all.get(name)))?;
            Ok(merge(&id, &mut all, &wanted)?.then_some(all))
        };
        let put = async |all| {
            watch.note(&format!("changing the settings of {id}; it restarts"));
            live.arm.put_settings(&id, all, &|text| watch.note(text)).await
        };
        rewrite(live, watch, merged, put).await.map(|()| Written::Done)
    }
}

/// What a setting should hold, fetched from its source if it is a secret; `None` when it should not be there.
pub(super) async fn resolve(
    live: &Live,
    key: &Attributes,
    name: &str,
    value: &Value,
) -> Result<Option<Secret>, Failure> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(Secret::new(text.clone()))),
        Value::Secret(SecretValue { source: Some(source), digest }) => {
            let secret = live.fetch(key, source).await?;
            if digest.as_ref().is_some_and(|digest| *digest == live.digester.digest(secret.expose())) {
                return Ok(Some(secret));
            }
            Err(Failure::new(Class::Unfit, "a setting was planned with another value")
                .detail(format!("{name}: {source} has changed since, or was not set then"))
                .remedy("plan again"))
        }
        Value::Secret(_) => Err(Failure::new(Class::Input, "nobody can give back the old value of a setting")
            .detail(name)
            .remedy("set it by hand where it is still known")),
        _ => Err(Failure::new(Class::Input, "a setting has no value that can be written")
            .detail(name)
            .remedy("write it in the plan file as a text or as the reference to a secret")),
    }
}

/// Sets the wanted values in the live map; answers whether that changed anything.
pub(super) fn merge(
    id: &SiteId,
    all: &mut Map<String, Json>,
    wanted: &BTreeMap<&String, Option<Json>>,
) -> Result<bool, Failure> {
    let mut changes = false;
    for (name, value) in wanted {
        let Some(value) = value else {
            changes |= all.remove(name.as_str()).is_some();
            continue;
        };
        if all.get(name.as_str()) == Some(value) {
            continue;
        }
        if let Some(other) = all.keys().find(|own| own.eq_ignore_ascii_case(name) && own != name) {
            return Err(Failure::new(Class::Conflict, "the app has a setting of almost the same name")
                .detail(format!("{id} has {other}, which Azure takes for the same as {name}"))
                .remedy("write it the same way in the plan file"));
        }
        all.insert((*name).clone(), value.clone());
        changes = true;
    }
    Ok(changes)
}

/// Refuses when a setting is neither as planned from nor as planned to: somebody has changed it just now.
pub(super) fn refuse_conflict(
    id: &SiteId,
    field: &str,
    step: &Step,
    live: impl Fn(&str) -> Value,
) -> Result<(), Failure> {
    let (before, after) = (step.before.as_ref(), step.after.as_ref());
    let clashes = |name: &&String| {
        let live = live(name);
        !agrees(&live, entry(before, field, name)) && !agrees(&live, entry(after, field, name))
    };
    let names: BTreeSet<&String> =
        entries(before, field).chain(entries(after, field)).map(|(name, _)| name).filter(clashes).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    Err(Failure::new(Class::Conflict, "somebody else changed settings; nothing of theirs was overwritten")
        .detail(format!("{id}: {}", names.join(", ")))
        .remedy("look at their change, then plan again"))
}

/// Says how the app signs in to PostgreSQL before and after, when the wanted settings change that.
fn sign_in_changes(environment: &Map<String, Json>, asked: &Attributes) -> Option<String> {
    let wanted = entries(Some(asked), "settings").map(|(name, value)| (name.clone(), value.clone())).collect();
    let (now, then) = (sign_in(environment, &Attributes::new()), sign_in(environment, &wanted));
    (now != then).then(|| format!("sign-in: {now} now, {then} after this"))
}

/// What there is to say about the sign-in; without the connection strings that cannot be judged, and the settings still
/// can.
fn sign_in_note(
    environment: Result<Map<String, Json>, Failure>,
    asked: &Attributes,
) -> Result<Option<String>, Failure> {
    match environment {
        Ok(environment) => Ok(sign_in_changes(&environment, asked)),
        Err(failure) if failure.class == Class::Forbidden => {
            Ok(Some(format!("sign-in: unknown, connection strings (not readable: {})", failure.first_cause())))
        }
        Err(failure) => Err(failure),
    }
}

fn refuse_missing(id: &SiteId, asked: &Attributes, all: &Map<String, Json>) -> Result<(), Failure> {
    let required = asked.get("require").and_then(Value::as_list).into_iter().flatten().filter_map(Value::as_text);
    let missing: Vec<&str> = required.filter(|name| !all.contains_key(*name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Class::Input, "the app lacks settings that the plan file requires")
        .detail(format!("{id}: {}", missing.join(", ")))
        .remedy("set them on the app, or move them from `require_settings` to `settings`"))
}

/// The wanted attributes without `require`, with digests of the secrets, and with every secret's name under
/// `sensitive`.
fn restated(lens: &Lens<'_>, asked: &Attributes, notes: &mut Vec<String>) -> Attributes {
    let mut desired = asked.clone();
    desired.remove("require");
    desired.remove("sensitive");
    if !lens.sensitive.is_empty() {
        let names = lens.sensitive.iter().map(|name| Value::text(name.clone())).collect();
        desired.insert("sensitive".to_owned(), Value::List(names));
    }
    if let Some(Value::Map(settings)) = desired.get_mut("settings") {
        for (name, value) in settings {
            if let Value::Secret(SecretValue { source: Some(source), digest }) = value {
                match fetch(source) {
                    Ok(secret) => *digest = Some(lens.digester.digest(secret.expose())),
                    Err(_) => notes.push(format!("setting {name}: {source} is not set, so it cannot be compared")),
                }
            }
        }
    }
    desired
}

fn notes(all: &Map<String, Json>) -> Vec<String> {
    let disabled = all.get("WEBSITE_DISABLE_MSI").and_then(Json::as_str).unwrap_or_default();
    if disabled == "1" || disabled.eq_ignore_ascii_case("true") {
        vec!["WEBSITE_DISABLE_MSI is set: the app gets no tokens, whatever identities it has".to_owned()]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
