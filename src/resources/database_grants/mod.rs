//! Kind `database_grants`: what the plan file's roles may do in one database, now and with objects made tomorrow.

mod beyond;
mod fold;
mod held;
mod made;
mod names;
mod plan;
mod reach;
mod rules;
mod select;
mod settle;
mod wants;
mod ways;

use std::time::Duration;

use async_trait::async_trait;

pub use fold::{Folded, FoldedRule, fold};
pub(super) use rules::{Future, RULE_FIELDS, Rule, rules, wanted};
pub(super) use wants::{Asked, Spot, Wants, Wishes, tomorrow};

use super::reach::{reach, text};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::model::{Attributes, Failure, Field, Look, Nature, Purpose, Reading, Schema, Step, Type, Undo, Value};
use crate::postgres::{Acting, Lease, LetterSet, ObjectType, Script, grants};
use settle::Standing;

/// The kind `database_grants`.
pub struct DatabaseGrants;

/// The attributes that a step of this kind has, each a map of entry -> grantee -> letters.
const MAPS: [&str; 4] = ["privileges", "grant_options", "default_privileges", "default_options"];

/// Entry -> grantee -> letters.
const ENTRIES: Type = Type::Map(&Type::Map(&Type::Text));

static SCHEMA: Schema = Schema {
    kind: "database_grants",
    doc: "What roles may do in one database. What a role holds beyond its rules is reported and left alone, unless the \
          role is `exclusive`. One resource holds the rules of all roles, because one GRANT that names many objects and \
          roles touches each object once.",
    nature: Nature::Resource,
    fields: &[
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new("database", Type::Text, "The database.").key(),
        Field::new("grants", Type::List(&Type::Table(RULE_FIELDS)), "What roles are to have."),
        Field::new(
            "revoke",
            Type::List(&Type::Table(RULE_FIELDS)),
            "What roles are not to have, in the same words; the way to take from `PUBLIC` what everybody has by birth.",
        ),
        Field::new(
            "exclusive",
            Type::List(&Type::Text),
            "Roles that are to have nothing in this database but what `grants` says: everything else, default privileges \
             and grant options included, is revoked. What they own stays theirs.",
        ),
        Field::new("privileges", ENTRIES, "Computed: object -> role -> ACL letters that differ.").entrywise(),
        Field::new("grant_options", ENTRIES, "Computed: the same for grant options.").entrywise(),
        Field::new("default_privileges", ENTRIES, "Computed: the same for objects made tomorrow, by their creator.")
            .entrywise(),
        Field::new("default_options", ENTRIES, "Computed: grant options on objects made tomorrow.").entrywise(),
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
        let rules = ["grants", "revoke", "exclusive"].iter().any(|field| look.attributes.contains_key(*field));
        if look.purpose == Purpose::Plan && rules {
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
    let acting = ways::acting(&standing, lease.user())?;
    let script = script(step, acting, &standing)?;
    Ok((lease, script))
}

/// The statements of a step, without the entries that are gone or were replaced.
fn script(step: &Step, mut acting: Acting, standing: &Standing) -> Result<Script, Failure> {
    let end = |end: &Option<Attributes>| {
        let mut end = end.clone()?;
        for map in end.values_mut() {
            if let Value::Map(entries) = map {
                entries.retain(|entry, _| standing.stands(entry));
            }
        }
        Some(end)
    };
    let (before, after) = (end(&step.before), end(&step.after));
    let after = kept_columns(before.as_ref(), after, standing, &mut acting);
    grants(before.as_ref(), Some(&after), &acting)
}

/// A privilege that is revoked on a table goes from its columns too, also where it was granted on a column alone. Such
/// grants are given back in the same transaction, unless the step takes them as well.
fn kept_columns(
    before: Option<&Attributes>,
    after: Option<Attributes>,
    standing: &Standing,
    acting: &mut Acting,
) -> Attributes {
    let mut after = after.unwrap_or_default();
    for column in standing.columns() {
        let Some(table) =
            ObjectType::RELATIONS.into_iter().find_map(|kind| standing.snapshot.object(kind, column.oid, ""))
        else {
            continue;
        };
        let (table, entry) = (table.name.entry(table.oid), column.name.entry(column.oid));
        let taken = |end: Option<&Attributes>, entry: &str, role: &str| letters(end, "privileges", entry, role);
        for grant in standing.snapshot.grants(column) {
            let owners = standing.snapshot.roles.known(column.owner) == Some(&grant.grantor);
            let role = if grant.grantee.is_empty() { "PUBLIC" } else { &grant.grantee };
            let swept = taken(before, &table, role).less(taken(Some(&after), &table, role));
            let asked = taken(before, &entry, role).or(taken(Some(&after), &entry, role));
            let kept = grant.letters.and(swept).less(asked);
            if owners && !kept.is_empty() {
                if let Some(role) = acting.get(&table).cloned() {
                    acting.insert(entry.clone(), role);
                }
                give(&mut after, "privileges", &entry, role, kept);
                give(&mut after, "grant_options", &entry, role, grant.options.and(kept));
            }
        }
    }
    after
}

fn letters(end: Option<&Attributes>, field: &str, entry: &str, role: &str) -> LetterSet {
    let map = end.and_then(|end| end.get(field)?.as_map()?.get(entry)?.as_map()?.get(role));
    if let Some(Value::Letters(letters)) = map { letters.into() } else { LetterSet::default() }
}

fn give(end: &mut Attributes, field: &str, entry: &str, role: &str, more: LetterSet) {
    if more.is_empty() {
        return;
    }
    let all = letters(Some(end), field, entry, role).or(more);
    let map = |value: &mut Value| {
        if !matches!(value, Value::Map(_)) {
            *value = Value::Map(Attributes::new());
        }
    };
    let entries = end.entry(field.to_owned()).or_insert(Value::Null);
    map(entries);
    if let Value::Map(entries) = entries {
        let grantees = entries.entry(entry.to_owned()).or_insert(Value::Null);
        map(grantees);
        if let Value::Map(grantees) = grantees {
            grantees.insert(role.to_owned(), Value::Letters(all.into()));
        }
    }
}

#[cfg(test)]
mod tests;
