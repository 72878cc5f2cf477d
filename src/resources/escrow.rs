//! Kind `escrow`: the value of a setting or connection string, kept in a key vault.

use std::time::Duration;

use async_trait::async_trait;

use super::live::{optional_text, site_id, text};
use super::site_lists::{LISTS, List, digested};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::model::{
    Attributes, Class, Failure, Field, Look, Nature, Purpose, Reading, Schema, SecretSource, SecretValue, Step, Type,
    Undo, Value, agrees,
};

/// The kind `escrow`.
pub struct Escrow;

static SCHEMA: Schema = Schema {
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
            "When it is to be deleted for good. This version does not do that: it is a reminder in the plan.",
        ),
        Field::new("value", Type::Text, "Restated by a plan: a digest of the value."),
    ],
    outputs: &[],
    undo: |_, _| Undo::Faithful,
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
        let kept = kept(live, look.key, look.attributes).await?;
        let shown = |value: &Value| {
            let place = ["key_vault", "secret"].into_iter().filter_map(|name| look.attributes.get_key_value(name));
            let place = place.map(|(name, value)| (name.clone(), value.clone()));
            place.chain([("value".to_owned(), value.clone())]).collect::<Attributes>()
        };
        let mut reading = match &kept {
            Value::Null => Reading::absent(),
            kept => Reading::present(shown(kept), Attributes::new()),
        };
        if look.purpose == Purpose::Settle {
            return Ok(reading);
        }
        let there = there(live, look.key).await?;
        let source = place(look.attributes)?;
        if let Some(span) = optional_text(look.attributes, "purge_after") {
            reading.notes.push(format!("{source} is to be purged by hand {span} after the cleanup"));
        }
        match (&there, &kept) {
            (Value::Null, Value::Null) => {
                reading.notes.push(format!("the app has no {}: there is nothing to keep", text(look.key, "name")?));
                reading = Reading { notes: reading.notes, ..Reading::present(shown(&Value::Null), Attributes::new()) };
                reading.desired = Some(shown(&Value::Null));
            }
            (Value::Null, kept) => reading.desired = Some(shown(kept)),
            (there, Value::Null) => reading.desired = Some(shown(there)),
            (there, kept) if agrees(there, kept) => reading.desired = Some(shown(kept)),
            _ => {
                let summary = format!("{source} is there already and holds another value");
                return Err(Failure::new(Class::Conflict, summary)
                    .detail("somebody may use it, so it is not overwritten")
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
                let summary = format!("{source} is the only copy of {name}: {id} has none any more");
                return Err(Failure::new(Class::Conflict, summary).remedy("give the app its value back first"));
            }
            watch.note(&format!("deleting {source}; it can be recovered"));
            vault.delete(secret).await?;
            return Ok(Written::Done);
        }
        match all.get(name) {
            Some(entry) if agrees(&there, end.get("value").unwrap_or(&Value::Null)) => {
                watch.note(&format!("keeping {name} of {id} as {source}"));
                let tags = [("kept-by", "pgentra"), ("app", id.app.as_str()), ("name", name)];
                vault.set(secret, &List::kept(entry), "text/plain", &tags).await?;
                Ok(Written::Done)
            }
            _ => Err(Failure::new(Class::Conflict, format!("somebody else has changed {name} of {id}"))
                .detail("nothing was kept")
                .remedy("plan again")),
        }
    }
}

/// Where it is kept, as a source.
fn place(attributes: &Attributes) -> Result<SecretSource, Failure> {
    let (vault, secret) = (text(attributes, "key_vault")?, text(attributes, "secret")?);
    Ok(SecretSource::KeyVault { vault: vault.to_owned(), secret: secret.to_owned() })
}

/// What the vault holds, by its digest.
async fn kept(live: &Live, key: &Attributes, attributes: &Attributes) -> Result<Value, Failure> {
    match live.fetch(key, &place(attributes)?).await {
        Ok(secret) => {
            let digest = Some(live.digester.digest(secret.expose()));
            Ok(Value::Secret(SecretValue { source: None, digest }))
        }
        // A vault that is not there is another matter than a secret that is not.
        Err(failure) if failure.class == Class::NotFound => {
            live.vault(key, text(attributes, "key_vault")?).await.map(|_| Value::Null)
        }
        Err(failure) => Err(failure),
    }
}

/// What the app holds, by its digest.
async fn there(live: &Live, key: &Attributes) -> Result<Value, Failure> {
    let all = List::of(key)?.all(&live.arm, &site_id(key)?).await?;
    Ok(digested(&live.digester, all.get(text(key, "name")?)))
}
