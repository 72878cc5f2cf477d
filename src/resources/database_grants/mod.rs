//! Kind `database_grants`: what the plan file's roles may do in one database, now and with objects made tomorrow.

mod plan;
mod rules;
mod settle;
mod ways;

use std::time::Duration;

use async_trait::async_trait;

pub(super) use rules::{RULE_FIELDS, Rule, rules, wanted};

use super::reach::{reach, text};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::model::{Attributes, Failure, Field, Look, Nature, Purpose, Reading, Schema, Step, Type, Undo, Value};
use crate::postgres::{Acting, Lease, Script, grants};

/// The kind `database_grants`.
pub struct DatabaseGrants;

/// The attributes that a step of this kind has, each a map of entry -> grantee -> letters.
const MAPS: [&str; 3] = ["privileges", "grant_options", "default_privileges"];

/// Entry -> grantee -> letters.
const ENTRIES: Type = Type::Map(&Type::Map(&Type::Text));

static SCHEMA: Schema = Schema {
    kind: "database_grants",
    doc: "What roles may do in one database. Only the privileges named are granted; others are left alone. One resource \
          holds the rules of all roles, because one GRANT that names many objects and roles touches each object once.",
    nature: Nature::Resource,
    fields: &[
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new("database", Type::Text, "The database.").key(),
        Field::new("grants", Type::List(&Type::Table(RULE_FIELDS)), "The rules, by role."),
        Field::new("privileges", ENTRIES, "Computed: object -> role -> ACL letters that differ.").entrywise(),
        Field::new("grant_options", ENTRIES, "Computed: the same for grant options.").entrywise(),
        Field::new("default_privileges", ENTRIES, "Computed: the same for objects made tomorrow, by their creator.")
            .entrywise(),
    ],
    outputs: &[],
    undo: |_, _| Undo::Faithful,
    serial_key: |key| Some(format!("database:{}/{}", key.get("server")?.as_text()?, key.get("database")?.as_text()?)),
    restarts: |_, _| 0,
    consistent_within: Duration::ZERO,
};

#[async_trait]
impl Kind for DatabaseGrants {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::GRANTS
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let lease = match reach(live, &look, text(look.key, "database")?).await? {
            Ok(lease) => lease,
            Err(reading) => return Ok(reading),
        };
        if look.purpose == Purpose::Plan && look.attributes.contains_key("grants") {
            return plan::read(live, lease, &look).await;
        }
        settle::read(lease, look.attributes).await
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let (mut lease, script) = prepare(live, step).await?;
        watch.note(&format!("{} statements in database {}", script.statements().len(), lease.database()));
        let doing = format!("grant in database {:?}", lease.database());
        lease.run(&script, &doing).await?;
        Ok(Written::Done)
    }

    async fn statements(&self, live: &Live, step: &Step) -> Result<Vec<String>, Failure> {
        Ok(prepare(live, step).await?.1.statements())
    }
}

/// What a step needs by what is there now: without vanished entries, each entry acted for by a role that may.
async fn prepare(live: &Live, step: &Step) -> Result<(Lease, Script), Failure> {
    let (server, database) = (text(&step.key, "server")?, text(&step.key, "database")?);
    let mut lease = live.databases.lease(server, database, step.via.as_deref()).await?;
    let standing = settle::standing(&mut lease, [step.before.as_ref(), step.after.as_ref()]).await?;
    let acting = ways::acting(&mut lease, &standing).await?;
    let script = script(step, &acting, &|entry| standing.stands(entry))?;
    Ok((lease, script))
}

/// The statements of a step, without the entries that are gone or were replaced.
fn script(step: &Step, acting: &Acting, stands: &dyn Fn(&str) -> bool) -> Result<Script, Failure> {
    let standing = |end: &Option<Attributes>| {
        let mut end = end.clone()?;
        for map in end.values_mut() {
            if let Value::Map(entries) = map {
                entries.retain(|entry, _| stands(entry));
            }
        }
        Some(end)
    };
    grants(standing(&step.before).as_ref(), standing(&step.after).as_ref(), acting)
}

#[cfg(test)]
mod tests;
