//! Kind `password_setting`: passwords are gone from the settings or connection strings of an app or slot.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use super::app_settings::{merge, refuse_conflict, resolve, undo};
use super::live::{entries, entry, optional_text, site_id, text};
use super::rewrite::rewrite;
use super::site_lists::{LISTS, List, digested};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::model::{
    Attributes, Class, Failure, Field, Look, Nature, Purpose, Reading, Schema, SecretSource, SecretValue, Step, Type,
    Value,
};

/// The kind `password_setting`.
pub struct PasswordSetting;

/// Where a value is kept.
const PLACE: &[Field] = &[
    Field::new("key_vault", Type::Text, "The vault, by its Azure name.").required(),
    Field::new("secret", Type::Text, "The name of the secret in it.").required(),
];

pub(super) static SCHEMA: Schema = Schema {
    kind: "password_setting",
    doc: "Names are gone from one list of an app or slot. One write removes all of them and restarts the app; all \
          other entries are sent back exactly as they were read. What is kept in a key vault can be given back.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the app.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the app.").key(),
        Field::new("app", Type::Text, "The app, by its Azure name.").key(),
        Field::new("slot", Type::Text, "A deployment slot; each has lists of its own.").optional_key(),
        Field::new("list", Type::Word(LISTS), "Which list.").key(),
        Field::new("names", Type::List(&Type::Text), "The names that go.").required(),
        Field::new(
            "escrow",
            Type::Map(&Type::Table(PLACE)),
            "Name -> where an `escrow` keeps its value, in the app's resource group. It has to be there before the name \
             goes.",
        ),
        Field::new("irreversible", Type::Bool, "Whether values that are kept nowhere are given up for good."),
        Field::new("values", Type::Map(&Type::Text), "Restated by a plan: the names with digests of their values."),
    ],
    outputs: &[],
    undo: |before, after| undo("values", before, after),
    serial_key: |key| optional_text(key, "app").map(|app| format!("site:{app}")),
    restarts: |before, after| u32::from(before != after),
    consistent_within: Duration::from_secs(30),
};

#[async_trait]
impl Kind for PasswordSetting {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::PASSWORD_SETTING
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let all = List::of(look.key)?.all(&live.arm, &site_id(look.key)?).await?;
        let names = names(look.attributes);
        let shown = |name: &&str| {
            let mut value = digested(&live.digester, all.get(*name));
            if let Value::Secret(secret) = &mut value {
                secret.source = source(look.attributes, name);
            }
            ((*name).to_owned(), value)
        };
        let values = names.iter().map(shown).collect();
        let mut reading =
            Reading::present(Attributes::from([("values".to_owned(), Value::Map(values))]), Attributes::new());
        if look.purpose == Purpose::Plan {
            refuse_careless(look.attributes, &names)?;
            let gone = names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
            reading.desired = Some(Attributes::from([("values".to_owned(), Value::Map(gone))]));
        }
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let (id, list) = (site_id(&step.key)?, List::of(&step.key)?);
        let (before, after) = (step.before.as_ref(), step.after.as_ref());
        let names: BTreeSet<&String> =
            entries(before, "values").chain(entries(after, "values")).map(|(name, _)| name).collect();
        let mut wanted = BTreeMap::new();
        for name in names {
            let value = resolve(live, &step.key, name, entry(after, "values", name)).await?;
            if value.is_none() {
                demand_kept(live, &step.key, name, entry(before, "values", name)).await?;
            }
            wanted.insert(name, value.map(|kept| list.entry(name, &kept)).transpose()?);
        }
        live.arm.site(&id).await?.refuse_busy(&id)?;
        let merged = async || {
            let mut all = list.all(&live.arm, &id).await?;
            refuse_conflict(&id, "values", step, |name| digested(&live.digester, all.get(name)))?;
            Ok(merge(&id, &mut all, &wanted)?.then_some(all))
        };
        let what = text(&step.key, "list")?.replace('_', " ");
        let put = async |all| {
            watch.note(&format!("changing the {what} of {id}; it restarts"));
            list.put(&live.arm, &id, all, &|text| watch.note(text)).await
        };
        rewrite(live, watch, merged, put).await.map(|()| Written::Done)
    }
}

/// The names that go; of a step, those of its ends.
pub(super) fn names(attributes: &Attributes) -> BTreeSet<&str> {
    let listed = attributes.get("names").and_then(Value::as_list).into_iter().flatten().filter_map(Value::as_text);
    listed.chain(entries(Some(attributes), "values").map(|(name, _)| name.as_str())).collect()
}

/// Where the value of a name is kept, if it is.
pub(super) fn source(attributes: &Attributes, name: &str) -> Option<SecretSource> {
    let place = entry(Some(attributes), "escrow", name).as_map()?;
    let part = |part| optional_text(place, part).map(str::to_owned);
    Some(SecretSource::KeyVault { vault: part("key_vault")?, secret: part("secret")? })
}

/// Refuses names whose values would be lost without anybody having said so.
fn refuse_careless(attributes: &Attributes, names: &BTreeSet<&str>) -> Result<(), Failure> {
    if attributes.get("irreversible").and_then(Value::as_bool) == Some(true) {
        return Ok(());
    }
    let lost: Vec<&str> = names.iter().copied().filter(|name| source(attributes, name).is_none()).collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Class::Input, "the values would be lost")
        .detail(lost.join(", "))
        .remedy("keep them with `escrow`, or set `irreversible = true`"))
}

/// Refuses to remove a value that is to be kept and is not.
async fn demand_kept(live: &Live, key: &Attributes, name: &str, before: &Value) -> Result<(), Failure> {
    let Value::Secret(SecretValue { source: Some(source), digest: Some(digest) }) = before else { return Ok(()) };
    let lacks = |why: &str| {
        let failure = Failure::new(Class::Conflict, "the value is not kept yet; nothing was removed");
        Err(failure.detail(format!("{name}: {source} {why}")).remedy("let an escrow keep it first"))
    };
    match live.fetch(key, source).await {
        Ok(kept) if live.digester.digest(kept.expose()) == *digest => Ok(()),
        Ok(_) => lacks("holds another value"),
        Err(failure) if failure.class == Class::NotFound => lacks("is not there"),
        Err(failure) => Err(failure),
    }
}
