//! Kind `escrow`: the value of a setting or connection string, kept in a key vault.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::live::{no_span, optional_text, site_id, text};
use super::site_lists::{LISTS, List, digested};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::azure::Version;
use crate::model::{
    Attributes, Class, Failure, Field, Look, Nature, Output, Purpose, Reading, Schema, SecretSource, SecretValue, Step,
    Type, Undo, Value, agrees, duration, moment,
};

/// The kind `escrow`.
pub struct Escrow;

pub(super) static SCHEMA: Schema = Schema {
    kind: "escrow",
    doc: "The live value of a setting or connection string is kept as a secret in a key vault of the app's resource \
          group, before it is removed from the app. The value is never shown and never written anywhere else.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the app and the vault.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the app and the vault.").key(),
        Field::new("app", Type::Text, "The app, by its Azure name.").key(),
        Field::new("slot", Type::Text, "A deployment slot; each has values of its own.").optional_key(),
        Field::new("list", Type::Word(LISTS), "Which list of the app holds it.").key(),
        Field::new("name", Type::Text, "The name of the setting or connection string.").key(),
        Field::new("key_vault", Type::Text, "The vault, by its Azure name.").required(),
        Field::new("secret", Type::Text, "The name of the secret in it. One with another value is never overwritten.")
            .required(),
        Field::new(
            "purge_after",
            Type::Duration,
            "How long after it was kept the first apply deletes it for good, if the app does not have it any more. From then \
             on nobody can give it back.",
        ),
        Field::new("value", Type::Text, "Restated by a plan: a digest of the value."),
    ],
    outputs: &[Output { name: "version", doc: "The id of the newest version of the secret.", same_as: None }],
    undo: |before, after| {
        if purges(before, after) { Undo::Never("it is deleted for good".to_owned()) } else { Undo::Faithful }
    },
    serial_key: |key| optional_text(key, "app").map(|app| format!("site:{app}")),
    restarts: |_, _| 0,
    consistent_within: Duration::from_secs(30),
};

#[async_trait]
impl Kind for Escrow {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::ESCROW
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let newest = kept(live, look.key, look.attributes).await?;
        let kept = newest.as_ref().map_or(Value::Null, |newest| {
            let digest = Some(live.digester.digest(newest.value.expose()));
            Value::Secret(SecretValue { source: None, digest })
        });
        let shown = |value: &Value| {
            let place = ["key_vault", "secret"].into_iter().filter_map(|name| look.attributes.get_key_value(name));
            let place = place.map(|(name, value)| (name.clone(), value.clone()));
            place.chain([("value".to_owned(), value.clone())]).collect::<Attributes>()
        };
        // After a purge it is there as an escrow that keeps nothing.
        let purged = look.purpose == Purpose::Settle && look.attributes.get("value") == Some(&Value::Null);
        let mut reading = match &newest {
            None if purged => Reading::present(shown(&Value::Null), Attributes::new()),
            None => Reading::absent(),
            Some(newest) => {
                let version = ("version".to_owned(), Value::text(newest.id.as_str()));
                Reading::present(shown(&kept), Attributes::from([version]))
            }
        };
        if look.purpose == Purpose::Settle {
            return Ok(reading);
        }
        let there = there(live, look.key).await?;
        let source = place(look.attributes)?;
        let due = match (&newest, &there) {
            (Some(newest), Value::Null) => due(live, look.attributes, newest).await?,
            _ => None,
        };
        if let Some((at, over)) = due {
            let at = moment(at);
            reading.notes.push(if over {
                format!("{source} is due to be purged since {at}; no undo can give its value back after that")
            } else {
                format!("{source} is purged by the first apply after {at}")
            });
        }
        match (&there, &kept) {
            (Value::Null, Value::Null) => {
                reading.notes.push(format!("the app has no {}: there is nothing to keep", text(look.key, "name")?));
                reading = Reading { notes: reading.notes, ..Reading::present(shown(&Value::Null), Attributes::new()) };
                reading.desired = Some(shown(&Value::Null));
            }
            (Value::Null, _) if due.is_some_and(|(_, over)| over) => {
                (reading.desired, reading.put_off) = (Some(shown(&Value::Null)), true);
            }
            (Value::Null, kept) => reading.desired = Some(shown(kept)),
            (there, Value::Null) => reading.desired = Some(shown(there)),
            (there, kept) if agrees(there, kept) => reading.desired = Some(shown(kept)),
            _ => {
                return Err(Failure::new(Class::Conflict, "the escrow is there already and holds another value")
                    .detail(format!("{source}: somebody may use it, so it is not overwritten"))
                    .remedy("give the escrow another name, with `secret = \"...\"`"));
            }
        }
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let id = site_id(&step.key)?;
        let list = List::of(&step.key)?;
        let name = text(&step.key, "name")?;
        let all = list.all(&live.arm, &id).await?;
        let there = digested(&live.digester, all.get(name));
        let Some(end) = step.after.as_ref().or(step.before.as_ref()) else { return Ok(Written::Done) };
        let source = place(end)?;
        let vault = live.vault(&step.key, text(end, "key_vault")?).await?;
        let secret = text(end, "secret")?;
        if step.after.is_none() {
            if there == Value::Null {
                return Err(Failure::new(Class::Conflict, "the escrow is the only copy of the value")
                    .detail(format!("{source}: {id} has no {name} any more"))
                    .remedy("give the app its value back first"));
            }
            watch.note(&format!("deleting {source}; it can be recovered"));
            vault.delete(secret).await?;
            return Ok(Written::Done);
        }
        if purges(step.before.as_ref(), step.after.as_ref()) {
            if there != Value::Null {
                return Err(Failure::new(Class::Conflict, "the escrow is still needed")
                    .detail(format!("{source}: {id} has {name} again"))
                    .remedy("plan again"));
            }
            watch.note(&format!("deleting {source} for good"));
            vault.delete(secret).await?;
            vault.purge(secret).await?;
            return Ok(Written::Done);
        }
        match all.get(name) {
            Some(entry) if agrees(&there, end.get("value").unwrap_or(&Value::Null)) => {
                watch.note(&format!("keeping {name} of {id} as {source}"));
                let tags = [("kept-by", "pgentra"), ("app", id.app.as_str()), ("name", name)];
                vault.set(secret, &List::kept(entry), "text/plain", &tags).await?;
                Ok(Written::Done)
            }
            _ => Err(Failure::new(Class::Conflict, "somebody else changed the value; nothing was kept")
                .detail(format!("{name} of {id}"))
                .remedy("plan again")),
        }
    }
}

/// Where it is kept, as a source.
fn place(attributes: &Attributes) -> Result<SecretSource, Failure> {
    let (vault, secret) = (text(attributes, "key_vault")?, text(attributes, "secret")?);
    Ok(SecretSource::KeyVault { vault: vault.to_owned(), secret: secret.to_owned() })
}

/// Whether a step deletes what is kept for good.
fn purges(before: Option<&Attributes>, after: Option<&Attributes>) -> bool {
    let value = |end: Option<&Attributes>| end.and_then(|end| end.get("value")).cloned();
    matches!(value(before), Some(Value::Secret(_))) && value(after) == Some(Value::Null)
}

/// When the newest version is to be purged, if ever, and whether that is over by Azure's clock. No other clock counts: a
/// purge is for good.
async fn due(live: &Live, attributes: &Attributes, newest: &Version) -> Result<Option<(Timestamp, bool)>, Failure> {
    let (Some(span), Some(made)) = (optional_text(attributes, "purge_after"), newest.made) else { return Ok(None) };
    let at = duration(span).and_then(|span| made.checked_add(span).ok());
    let at = at.ok_or_else(|| no_span("purge_after", span, "30d"))?;
    let times = live.clock.times(live, None).await;
    Ok(Some((at, times.azure.is_some_and(|now| now >= at))))
}

/// The newest version in the vault, if there is one.
async fn kept(live: &Live, key: &Attributes, attributes: &Attributes) -> Result<Option<Version>, Failure> {
    // A vault that is not there is another matter than a secret that is not.
    let vault = live.vault(key, text(attributes, "key_vault")?).await?;
    match vault.newest(text(attributes, "secret")?).await {
        Ok(newest) => Ok(Some(newest)),
        Err(failure) if failure.class == Class::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// What the app holds, by its digest.
async fn there(live: &Live, key: &Attributes) -> Result<Value, Failure> {
    let all = List::of(key)?.all(&live.arm, &site_id(key)?).await?;
    Ok(digested(&live.digester, all.get(text(key, "name")?)))
}
