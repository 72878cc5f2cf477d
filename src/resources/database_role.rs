//! Kind `database_role`: a role mapped to an Entra principal by object id, with its attributes and memberships.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::reach::{reach, text};
use super::{Behaviour, Kind, Live, Watch, Written, alone, behaviour};
use crate::model::{
    Attributes, Class, Failure, Field, Look, Nature, Output, Purpose, Reading, Schema, Step, Type, Undo, Value,
};
use crate::postgres::{
    Lease, Membership, Power, RoleState, Roles, Script, create_role, drop_role, leftovers, role_state, role_states,
    update_role,
};

/// Azure's functions for Entra roles exist only in this database; roles are the whole server's.
const DATABASE: &str = "postgres";

/// The options of one membership. What is not given stays as it is, or is PostgreSQL's default when it is made.
pub(super) const MEMBERSHIP: &[Field] = &[
    Field::new("admin", Type::Bool, "Whether it may make others members."),
    Field::new("inherit", Type::Bool, "Whether it has the rights without SET ROLE; PostgreSQL 16."),
    Field::new("set", Type::Bool, "Whether it may SET ROLE; PostgreSQL 16."),
];

/// Attributes that let a role do much, with the words for them. A role that nobody meant to have them should not.
const MIGHTY: [(&str, &str); 5] = [
    ("superuser", "SUPERUSER"),
    ("replication", "REPLICATION"),
    ("bypass_rls", "BYPASSRLS"),
    ("create_db", "CREATEDB"),
    ("create_role", "CREATEROLE"),
];

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
        Field::new(
            "login",
            Type::Bool,
            "Whether it may sign in; true by default for a role that stands for a principal.",
        ),
        Field::new("superuser", Type::Bool, "SUPERUSER; Azure gives it to nobody."),
        Field::new("replication", Type::Bool, "REPLICATION."),
        Field::new("bypass_rls", Type::Bool, "BYPASSRLS."),
        Field::new("create_db", Type::Bool, "Whether it may create databases."),
        Field::new("create_role", Type::Bool, "Whether it may create roles."),
        Field::new("inherit", Type::Bool, "Whether it has the rights of roles it is a member of without SET ROLE."),
        Field::new("connection_limit", Type::Int, "How many sessions it may have at once; -1 is no limit."),
        Field::new(
            "member_of",
            Type::Any(&[Type::Map(&Type::Bool), Type::Map(&Type::Table(MEMBERSHIP))]),
            "Roles it is a member of: a list of names, or a table of names with options. Others are reported and left \
             alone, unless the role is `exclusive`.",
        ),
        Field::new(
            "exclusive",
            Type::Bool,
            "Whether other memberships and attributes (SUPERUSER, REPLICATION, BYPASSRLS, CREATEDB, CREATEROLE) than these \
             are taken away. Default: false; then they are reported.",
        ),
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

    fn together(&self, look: &Look<'_>) -> Option<String> {
        text(look.key, "server").ok().map(str::to_owned)
    }

    async fn read_together(&self, live: &Live, looks: &[Look<'_>]) -> Vec<Result<Reading, Failure>> {
        ways::read_together(live, looks).await
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        if look.purpose == Purpose::Plan {
            return alone(self.read_together(live, &[look]).await);
        }
        let name = text(look.key, "name")?;
        let mut lease = match reach(live, &look, DATABASE).await? {
            Ok(lease) => lease,
            Err(reading) => return Ok(reading),
        };
        let state = role_state(&mut lease, name).await?;
        Ok(state.map_or_else(Reading::absent, |(_, state)| {
            Reading::present(answer(&state, look.attributes), outputs(name, &state))
        }))
    }

    async fn write(&self, live: &Live, step: &Step, _watch: &dyn Watch) -> Result<Written, Failure> {
        let (server, name) = (text(&step.key, "server")?, text(&step.key, "name")?);
        if let Some(open) = step.after.iter().flat_map(Attributes::values).flat_map(Value::open_refs).next() {
            return Err(Failure::new(Class::Other, "what it refers to is not known yet")
                .detail(open.to_string())
                .remedy("apply what gives it first, then run apply again"));
        }
        let mut lease = live.databases.lease(server, DATABASE, step.via.as_deref()).await?;
        let (actual, roles) = actual(&mut lease, name, step).await?;
        if let (Some((oid, _)), None) = (&actual, &step.after) {
            let left = leftovers(&mut lease, *oid).await?;
            if !left.is_empty() {
                return Err(still_needed(name, &left.into_iter().map(|left| left.0).collect::<Vec<_>>()));
            }
        }
        let script = script(name, actual.map(|(_, state)| state), step, &roles);
        lease.run(&script, &format!("change role {name:?}")).await?;
        Ok(Written::Done)
    }

    async fn statements(&self, live: &Live, step: &Step) -> Result<Vec<String>, Failure> {
        let name = text(&step.key, "name")?;
        // The inverse of a step that was not run yet starts from what that step will have made.
        let (mut state, mut roles) = (step.before.as_ref().map(state_of), Roles::default());
        if let Some(state) = &mut state {
            let mut lease = live.databases.lease(text(&step.key, "server")?, DATABASE, step.via.as_deref()).await?;
            let (now, all) = actual(&mut lease, name, step).await?;
            let now = now.map(|(_, state)| state).unwrap_or_default();
            for (role, membership) in &mut state.member_of {
                if let Some(now) = now.member_of.get(role) {
                    membership.grants.clone_from(&now.grants);
                }
            }
            roles = all;
        }
        Ok(script(name, state, step, &roles).statements())
    }
}

/// The role as it is, and where memberships are to change all roles, for in their names they are granted.
async fn actual(lease: &mut Lease, name: &str, step: &Step) -> Result<(Option<(u32, RoleState)>, Roles), Failure> {
    if ![&step.before, &step.after].into_iter().flatten().any(|end| end.contains_key("member_of")) {
        return Ok((role_state(lease, name).await?, Roles::default()));
    }
    let mut found = role_states(lease, &[name]).await?;
    Ok((found.states.remove(name), found.roles))
}

pub(super) fn still_needed(name: &str, left: &[String]) -> Failure {
    const SHOWN: usize = 20;
    let mut detail: Vec<String> = left.iter().take(SHOWN).map(|left| format!("it {left}")).collect();
    if left.len() > SHOWN {
        detail.push(format!("and {} more", left.len() - SHOWN));
    }
    Failure::new(Class::Conflict, "the role cannot be removed: things depend on it")
        .detail(format!("role {name:?}\n{}", detail.join("\n")))
        .remedy("hand its objects over (REASSIGN OWNED) and revoke what it was granted besides, in each database")
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
            "login" => flag(state.login),
            "superuser" => flag(state.superuser),
            "replication" => flag(state.replication),
            "bypass_rls" => flag(state.bypass_rls),
            "create_db" => flag(state.create_db),
            "create_role" => flag(state.create_role),
            "inherit" => flag(state.inherit),
            "connection_limit" => state.connection_limit.map_or(Value::Null, Value::Int),
            "member_of" => {
                let asked = value.as_map().into_iter().flatten();
                let held =
                    asked.filter_map(|(role, asked)| Some((role.clone(), shown(state.member_of.get(role)?, asked))));
                Value::Map(held.collect())
            }
            _ => continue,
        };
        answer.insert(name.clone(), live);
    }
    answer
}

/// A membership as it was asked for: with the same options.
fn shown(membership: &Membership, asked: &Value) -> Value {
    let Some(asked) = asked.as_map() else { return Value::Bool(true) };
    let option = |name: &String| match name.as_str() {
        "admin" => membership.admin,
        "inherit" => membership.inherit,
        "set" => membership.set,
        _ => None,
    };
    Value::Map(asked.keys().filter_map(|name| Some((name.clone(), Value::Bool(option(name)?)))).collect())
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
        login: flag("login"),
        superuser: flag("superuser"),
        replication: flag("replication"),
        bypass_rls: flag("bypass_rls"),
        create_db: flag("create_db"),
        create_role: flag("create_role"),
        inherit: flag("inherit"),
        connection_limit: attributes.get("connection_limit").and_then(Value::as_int),
        member_of: members(Some(attributes)),
    }
}

fn members(end: Option<&Attributes>) -> BTreeMap<String, Membership> {
    let roles = end.and_then(|end| end.get("member_of")).and_then(Value::as_map);
    let membership = |value: &Value| match value {
        Value::Bool(true) => Some(Membership::default()),
        Value::Map(options) => {
            let flag = |name: &str| options.get(name).and_then(Value::as_bool);
            let (admin, inherit, set) = (flag("admin"), flag("inherit"), flag("set"));
            Some(Membership { admin, inherit, set, grants: BTreeMap::new() })
        }
        _ => None,
    };
    roles.into_iter().flatten().filter_map(|(role, value)| Some((role.clone(), membership(value)?))).collect()
}

/// The statements of a step, from what is really there: an interrupted write may have left something in between.
/// Memberships that neither end names, and a mapping that neither end mentions, stay as they are.
fn script(name: &str, actual: Option<RoleState>, step: &Step, roles: &Roles) -> Script {
    let Some(after) = &step.after else {
        return if actual.is_some() { drop_role(name) } else { Script::default() };
    };
    let mut wanted = state_of(after);
    let Some(mut actual) = actual else { return create_role(name, &wanted) };
    let before = members(step.before.as_ref());
    actual.member_of.retain(|role, _| before.contains_key(role) || wanted.member_of.contains_key(role));
    let ends = [step.before.as_ref(), Some(after)];
    if !ends.into_iter().flatten().any(|end| end.contains_key("object_id")) {
        wanted.mapped = actual.mapped;
        wanted.object_id.clone_from(&actual.object_id);
        wanted.principal_type.clone_from(&actual.principal_type);
    }
    update_role(name, &actual, &wanted, &|grantor| roles.power(grantor) == Power::Direct)
}

pub(super) mod plan;
mod ways;

#[cfg(test)]
mod drift_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::azure;
