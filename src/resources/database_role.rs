//! Kind `database_role`: a role mapped to an Entra principal by object id, with its attributes and memberships.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::reach::{reach, text};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::model::{
    Attributes, Class, Failure, Field, Look, Nature, Output, Purpose, Reading, Schema, Step, Type, Undo, Value,
};
use crate::postgres::{RoleState, Script, create_role, drop_role, leftovers, role_state, update_role};

/// Azure's functions for Entra roles exist only in this database; roles are the whole server's.
const DATABASE: &str = "postgres";

/// The kind `database_role`.
pub struct DatabaseRole;

static SCHEMA: Schema = Schema {
    kind: "database_role",
    doc: "A PostgreSQL role that an Entra principal signs in as. It is mapped by object id; when the identity was made \
          anew the role is bound to the new one and keeps its grants.",
    nature: Nature::Resource,
    fields: &[
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new("name", Type::Text, "The role's name, at most 63 bytes; need not be the identity's.")
            .key()
            .checked(role_name),
        Field::new("object_id", Type::Guid, "Object (principal) id of the identity, user or group.").or_reference(),
        Field::new(
            "principal_type",
            Type::Word(&["service", "user", "group"]),
            "What the principal is; `service` by default.",
        ),
        Field::new("create_db", Type::Bool, "Whether it may create databases."),
        Field::new("create_role", Type::Bool, "Whether it may create roles."),
        Field::new("inherit", Type::Bool, "Whether it has the rights of roles it is a member of without SET ROLE."),
        Field::new("connection_limit", Type::Int, "How many sessions it may have at once; -1 is no limit."),
        Field::new("member_of", Type::Map(&Type::Bool), "Roles it is a member of; others are left alone."),
        Field::new(
            "adopt",
            Type::Bool,
            "Take over a role of this name that has no Entra mapping yet; its grants stay.",
        ),
    ],
    outputs: &[
        Output { name: "name", doc: "The role's name.", same_as: Some("name") },
        Output { name: "object_id", doc: "The object id it is mapped to.", same_as: None },
    ],
    undo: |before, after| match (before, after) {
        (Some(_), None) => {
            Undo::Lossy("settings made with ALTER ROLE ... SET and a password are not brought back".into())
        }
        _ => Undo::Faithful,
    },
    serial_key: |key| Some(format!("role:{}/{}", key.get("server")?.as_text()?, key.get("name")?.as_text()?)),
    restarts: |_, _| 0,
    consistent_within: Duration::ZERO,
};

/// PostgreSQL cuts longer names silently (NAMEDATALEN - 1) and keeps `pg_` for itself.
fn role_name(name: &str) -> Result<(), String> {
    match name {
        "" => Err("a role needs a name".into()),
        name if name.len() > 63 => Err(format!("{} bytes long, PostgreSQL takes 63", name.len())),
        name if name.starts_with("pg_") => Err("names that begin with pg_ are PostgreSQL's own".into()),
        "public" | "none" => Err("PostgreSQL reserves this name".into()),
        name if name.contains('\0') => Err("a name cannot hold a NUL byte".into()),
        _ => Ok(()),
    }
}

#[async_trait]
impl Kind for DatabaseRole {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::ROLE
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let name = text(look.key, "name")?;
        let mut lease = match reach(live, &look, DATABASE).await? {
            Ok(lease) => lease,
            Err(reading) => return Ok(reading),
        };
        let planning = look.purpose == Purpose::Plan;
        let mut reading = match role_state(&mut lease, name).await? {
            None => Reading::absent(),
            Some((_, state)) => {
                let adopt = look.attributes.get("adopt").and_then(Value::as_bool) == Some(true);
                if planning && !adopt && !state.mapped && look.attributes.contains_key("object_id") {
                    return Err(unmapped(name));
                }
                Reading::present(answer(&state, look.attributes), outputs(name, &state))
            }
        };
        if planning {
            reading.desired = Some(restate(look.attributes));
        }
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, _watch: &dyn Watch) -> Result<Written, Failure> {
        let (server, name) = (text(&step.key, "server")?, text(&step.key, "name")?);
        if let Some(open) = step.after.iter().flat_map(Attributes::values).flat_map(Value::open_refs).next() {
            return Err(Failure::new(Class::Other, format!("{open} is not known yet")));
        }
        let mut lease = live.databases.lease(server, DATABASE, step.via.as_deref()).await?;
        let actual = role_state(&mut lease, name).await?;
        if let (Some((oid, _)), None) = (&actual, &step.after) {
            let left = leftovers(&mut lease, *oid).await?;
            if !left.is_empty() {
                return Err(still_needed(name, &left.into_iter().map(|left| left.0).collect::<Vec<_>>()));
            }
        }
        let script = script(name, actual.map(|(_, state)| state), step);
        lease.run(&script, &format!("change role {name:?}")).await?;
        Ok(Written::Done)
    }

    async fn statements(&self, _live: &Live, step: &Step) -> Result<Vec<String>, Failure> {
        let name = text(&step.key, "name")?;
        Ok(script(name, step.before.as_ref().map(state_of), step).statements())
    }
}

fn unmapped(name: &str) -> Failure {
    Failure::new(Class::Conflict, format!("role {name:?} is there already and has no Entra mapping"))
        .detail("It may be somebody's password role; mapping it would let the identity act with all its rights.")
        .remedy("set `adopt = true` to take it over with its grants, or choose another name")
}

fn still_needed(name: &str, left: &[String]) -> Failure {
    const SHOWN: usize = 20;
    let mut detail: Vec<String> = left.iter().take(SHOWN).map(|left| format!("it {left}")).collect();
    if left.len() > SHOWN {
        detail.push(format!("and {} more", left.len() - SHOWN));
    }
    Failure::new(Class::Conflict, format!("role {name:?} cannot be removed: things depend on it"))
        .detail(detail.join("\n"))
        .remedy("hand its objects over (REASSIGN OWNED) and revoke what it was granted besides, in each database")
}

/// What is wanted, in the words that a look answers in: the object id in lower case, no policy, the default type.
pub(super) fn restate(attributes: &Attributes) -> Attributes {
    let mut wanted = attributes.clone();
    wanted.remove("adopt");
    if let Some(Value::Text(id)) = wanted.get_mut("object_id") {
        id.make_ascii_lowercase();
    }
    if wanted.contains_key("object_id") {
        wanted.entry("principal_type".into()).or_insert_with(|| Value::text("service"));
    }
    if let Some(Value::Map(roles)) = wanted.get_mut("member_of") {
        roles.retain(|_, value| value == &Value::Bool(true));
    }
    wanted
}

/// The live values of the attributes asked for.
fn answer(state: &RoleState, asked: &Attributes) -> Attributes {
    let text = |value: &Option<String>| value.clone().map_or(Value::Null, Value::Text);
    let flag = |value: Option<bool>| value.map_or(Value::Null, Value::Bool);
    let mut answer = Attributes::new();
    for (name, value) in asked {
        let live = match name.as_str() {
            "object_id" => text(&state.object_id),
            "principal_type" => text(&state.principal_type),
            "create_db" => flag(state.create_db),
            "create_role" => flag(state.create_role),
            "inherit" => flag(state.inherit),
            "connection_limit" => state.connection_limit.map_or(Value::Null, Value::Int),
            "member_of" => {
                let asked = value.as_map().into_iter().flat_map(Attributes::keys);
                let held = asked.filter(|role| state.member_of.contains(*role));
                Value::Map(held.map(|role| (role.clone(), Value::Bool(true))).collect())
            }
            _ => continue,
        };
        answer.insert(name.clone(), live);
    }
    if asked.contains_key("object_id") && !asked.contains_key("principal_type") {
        answer.insert("principal_type".into(), text(&state.principal_type));
    }
    answer
}

fn outputs(name: &str, state: &RoleState) -> Attributes {
    let mut outputs = Attributes::from([("name".to_owned(), Value::text(name))]);
    if let Some(id) = &state.object_id {
        outputs.insert("object_id".into(), Value::text(id));
    }
    outputs
}

fn state_of(attributes: &Attributes) -> RoleState {
    let text = |name: &str| attributes.get(name).and_then(Value::as_text).map(str::to_owned);
    let flag = |name: &str| attributes.get(name).and_then(Value::as_bool);
    RoleState {
        mapped: attributes.get("object_id").is_some_and(|id| id != &Value::Null),
        object_id: match attributes.get("object_id") {
            Some(Value::Open(reference)) => Some(format!("(known after apply: {reference})")),
            _ => text("object_id"),
        },
        principal_type: text("principal_type"),
        create_db: flag("create_db"),
        create_role: flag("create_role"),
        inherit: flag("inherit"),
        connection_limit: attributes.get("connection_limit").and_then(Value::as_int),
        member_of: members(Some(attributes)),
    }
}

fn members(end: Option<&Attributes>) -> BTreeSet<String> {
    let roles = end.and_then(|end| end.get("member_of")).and_then(Value::as_map);
    roles
        .into_iter()
        .flatten()
        .filter(|(_, value)| *value == &Value::Bool(true))
        .map(|(role, _)| role.clone())
        .collect()
}

/// The statements of a step, from what is really there: an interrupted write may have left something in between.
/// Memberships that neither end names, and a mapping that neither end mentions, stay as they are.
fn script(name: &str, actual: Option<RoleState>, step: &Step) -> Script {
    let Some(after) = &step.after else {
        return if actual.is_some() { drop_role(name) } else { Script::default() };
    };
    let mut wanted = state_of(after);
    let Some(mut actual) = actual else { return create_role(name, &wanted) };
    let ours = &members(step.before.as_ref()) | &wanted.member_of;
    actual.member_of = &actual.member_of & &ours;
    let ends = [step.before.as_ref(), Some(after)];
    if !ends.into_iter().flatten().any(|end| end.contains_key("object_id")) {
        wanted.mapped = actual.mapped;
        wanted.object_id.clone_from(&actual.object_id);
        wanted.principal_type.clone_from(&actual.principal_type);
    }
    update_role(name, &actual, &wanted)
}

#[cfg(test)]
mod tests;
