//! The state of one role: attributes, memberships, and the Entra principal it stands for.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::batch::{Parameter, Question};
use super::connect::Lease;
use super::roles::Roles;
use crate::model::{Class, Failure};

/// What a role is like, or what is wanted of it; `None` is "not asked for".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleState {
    /// Whether it stands for an Entra principal; its object id may still be hidden from the session.
    pub mapped: bool,
    /// Object id of the Entra principal; `None` for a role without a mapping.
    pub object_id: Option<String>,
    /// `service`, `user` or `group`.
    pub principal_type: Option<String>,
    /// LOGIN.
    pub login: Option<bool>,
    /// SUPERUSER.
    pub superuser: Option<bool>,
    /// REPLICATION.
    pub replication: Option<bool>,
    /// BYPASSRLS.
    pub bypass_rls: Option<bool>,
    /// CREATEDB.
    pub create_db: Option<bool>,
    /// CREATEROLE.
    pub create_role: Option<bool>,
    /// INHERIT.
    pub inherit: Option<bool>,
    /// CONNECTION LIMIT; -1 is none.
    pub connection_limit: Option<i64>,
    /// Roles it is a direct member of.
    pub member_of: BTreeMap<String, Membership>,
}

/// One direct membership; `None` is "not asked for", or an option that this version does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// ADMIN: may make others members.
    pub admin: Option<bool>,
    /// INHERIT (since PostgreSQL 16): has the role's rights without SET ROLE.
    pub inherit: Option<bool>,
    /// SET (since PostgreSQL 16): may SET ROLE to it.
    pub set: Option<bool>,
    /// Who granted it, with the options that each gave: since PostgreSQL 16 several may have, and what one gave stays
    /// until it is revoked in that one's name.
    pub grants: BTreeMap<String, BTreeSet<&'static str>>,
}

impl Membership {
    /// The options as PostgreSQL writes them. ADMIN alone is older than version 16.
    const OPTIONS: [&'static str; 3] = ["ADMIN", "INHERIT", "SET"];

    /// The options with their words.
    pub fn options(&self) -> impl Iterator<Item = (&'static str, Option<bool>)> {
        Self::OPTIONS.into_iter().zip([self.admin, self.inherit, self.set])
    }

    /// The options that `after` asks for and that are otherwise here, with what they are to be.
    pub fn changes(&self, after: &Self) -> Vec<(&'static str, bool)> {
        let both = self.options().zip(after.options());
        both.filter(|((_, old), (_, new))| old != new).filter_map(|(_, (word, new))| Some((word, new?))).collect()
    }

    /// Those who gave an option; `None`: all who granted the membership.
    pub fn grantors(&self, option: Option<&str>) -> impl Iterator<Item = &str> {
        let gave = move |options: &BTreeSet<&str>| option.is_none_or(|option| options.contains(option));
        self.grants.iter().filter(move |(_, options)| gave(options)).map(|(grantor, _)| grantor.as_str())
    }
}

/// The Entra principal that a role is mapped to, as its security labels say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Whether any label maps the role.
    pub mapped: bool,
    /// Object id, in lower case.
    pub object_id: Option<String>,
    /// `service`, `user` or `group`.
    pub principal_type: Option<String>,
}

impl Mapping {
    /// Reads the labels of providers `pgaadauth` and `pgaadauth-int`: comma-separated `key=value` and words, in any
    /// order, either of the two with the object id.
    pub fn parse<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let mut mapping = Self::default();
        for label in labels {
            mapping.mapped = true;
            for part in label.split(',').map(str::trim) {
                match part.split_once('=') {
                    Some(("oid", id)) if !id.is_empty() => mapping.object_id = Some(id.to_ascii_lowercase()),
                    Some(("type", kind)) if !kind.is_empty() => {
                        mapping.principal_type = Some(kind.to_ascii_lowercase());
                    }
                    _ => {}
                }
            }
        }
        mapping
    }
}

/// Oid and state by name, of roles that are there.
type States = BTreeMap<String, (u32, RoleState)>;

/// What one look at some roles found.
#[derive(Clone, Debug, Default)]
pub struct RoleStates {
    /// Oid and state by name, of those that are there.
    pub states: States,
    /// All roles of the server.
    pub roles: Roles,
}

/// Reads roles by name, and what all roles are, in one round trip and on one snapshot.
pub async fn role_states(lease: &mut Lease, names: &[&str]) -> Result<RoleStates, Failure> {
    let mut found = RoleStates::default();
    let take = |query: usize, row: &PgRow| match query {
        0 => found.roles.take(row),
        _ => take_state(&mut found.states, row),
    };
    let doing = match names {
        [name] => format!("read role {name:?}"),
        _ => format!("read {} roles", names.len()),
    };
    lease.ask(&[Roles::question(), question(names)], &doing, take).await?;
    unhide(lease, &mut found.states).await;
    Ok(found)
}

/// Reads a role by name; `None` when there is none.
pub async fn role_state(lease: &mut Lease, name: &str) -> Result<Option<(u32, RoleState)>, Failure> {
    let mut found = BTreeMap::new();
    let take = |_: usize, row: &PgRow| take_state(&mut found, row);
    lease.ask(&[question(&[name])], &format!("read role {name:?}"), take).await?;
    unhide(lease, &mut found).await;
    Ok(found.remove(name))
}

fn question(names: &[&str]) -> Question {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Question { sql: include_str!("../../sql/database_role/state.sql"), parameters: vec![Parameter::Texts(names)] }
}

/// Fills in the principals of mapped roles whose labels hide them.
async fn unhide(lease: &mut Lease, states: &mut States) {
    let hidden = |state: &RoleState| state.mapped && state.object_id.is_none();
    if !states.values().any(|(_, state)| hidden(state)) {
        return;
    }
    let mut listed = listed(lease).await;
    for (name, (_, state)) in states.iter_mut().filter(|(_, (_, state))| hidden(state)) {
        if let Some(mapping) = listed.remove(name) {
            (state.principal_type, state.object_id) = (mapping.principal_type, mapping.object_id);
        }
    }
}

fn take_state(states: &mut States, row: &PgRow) -> Result<(), Failure> {
    let labels: Vec<String> = column(row, "labels")?;
    let mapping = Mapping::parse(labels.iter().map(String::as_str));
    let state = RoleState {
        mapped: mapping.mapped,
        object_id: mapping.object_id,
        principal_type: mapping.principal_type,
        login: Some(column(row, "login")?),
        superuser: Some(column(row, "superuser")?),
        replication: Some(column(row, "replication")?),
        bypass_rls: Some(column(row, "bypass_rls")?),
        create_db: Some(column(row, "create_db")?),
        create_role: Some(column(row, "create_role")?),
        inherit: Some(column(row, "inherit")?),
        connection_limit: Some(column(row, "connection_limit")?),
        member_of: memberships(row)?,
    };
    states.insert(column(row, "name")?, (oid(row, "oid")?, state));
    Ok(())
}

/// The direct memberships, what several grantors gave joined and apart. Version 15 answers no INHERIT and SET, and no
/// grantors.
pub(super) fn memberships(row: &PgRow) -> Result<BTreeMap<String, Membership>, Failure> {
    let wrong = |what: &str| {
        Failure::new(Class::Other, "cannot read the memberships of a role")
            .remedy("run the same command again; if it stays so, report it as a bug")
            .detail(what)
    };
    let json: serde_json::Value =
        serde_json::from_str(column::<&str>(row, "member_of")?).map_err(|e| wrong(&e.to_string()))?;
    let mut found: BTreeMap<String, Membership> = BTreeMap::new();
    for membership in json.as_array().ok_or_else(|| wrong("no list"))? {
        let role = membership["role"].as_str().ok_or_else(|| wrong("no name"))?;
        let joined = found.entry(role.to_owned()).or_default();
        let either = |old: Option<bool>, name: &str| match (old, membership[name].as_bool()) {
            (Some(a), Some(b)) => Some(a || b),
            (a, b) => a.or(b),
        };
        joined.admin = either(joined.admin, "admin");
        joined.inherit = either(joined.inherit, "inherit");
        joined.set = either(joined.set, "set");
        if let Some(grantor) = membership["grantor"].as_str().filter(|_| joined.set.is_some()) {
            let gave = |word: &&str| membership[word.to_ascii_lowercase()].as_bool() == Some(true);
            let options = Membership::OPTIONS.into_iter().filter(gave);
            joined.grants.entry(grantor.to_owned()).or_default().extend(options);
        }
    }
    Ok(found)
}

/// Azure's own list of roles and principals, which tells what labels hide. Whoever may not ask learns nothing.
pub(super) async fn listed(lease: &mut Lease) -> BTreeMap<String, Mapping> {
    let query = sqlx::query(include_str!("../../sql/database_role/principals.sql"));
    let rows = lease.rows(query, "list the principals").await.unwrap_or_default();
    let field = |row: &PgRow, at: usize| row.try_get::<String, _>(at).ok().map(|text| text.to_ascii_lowercase());
    let principal = |row: &PgRow| {
        let mapping = Mapping { mapped: true, principal_type: field(row, 1), object_id: field(row, 2) };
        Some((row.try_get::<String, _>(0).ok()?, mapping))
    };
    rows.iter().filter_map(principal).collect()
}

/// Something that keeps a role from being dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover(pub String);

/// What a role (by oid) owns or may do anywhere on the server, most telling first.
pub async fn leftovers(lease: &mut Lease, oid: u32) -> Result<Vec<Leftover>, Failure> {
    let query = sqlx::query(include_str!("../../sql/database_role/leftovers.sql")).bind(i64::from(oid));
    let rows = lease.rows(query, "see what a role owns and may do").await?;
    rows.iter()
        .map(|row| {
            let (database, how): (String, String) = (column(row, "database")?, column(row, "how")?);
            let (what, times): (Option<String>, i64) = (column(row, "what")?, column(row, "times")?);
            let what = what.unwrap_or_else(|| format!("{times} objects"));
            let place = if database.is_empty() { String::new() } else { format!(" in database {database}") };
            Ok(Leftover(format!("{how} {what}{place}")))
        })
        .collect()
}

/// A column of a catalog query. A wrong type is a fault of ours, and is said so rather than guessed at.
pub(super) fn column<'r, T>(row: &'r PgRow, name: &str) -> Result<T, Failure>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(name).map_err(|error| {
        Failure::new(Class::Other, "cannot read the catalog")
            .remedy("run the same command again; if it stays so, report it as a bug")
            .detail(error.to_string())
    })
}

/// An oid that the query gave as an int8.
pub(super) fn oid(row: &PgRow, name: &str) -> Result<u32, Failure> {
    u32::try_from(column::<i64>(row, name)?).map_err(|error| {
        Failure::new(Class::Other, "an oid is out of range")
            .remedy("run the same command again; if it stays so, report it as a bug")
            .detail(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::Mapping;

    #[test]
    fn both_forms_of_label_are_read() {
        let mapping =
            Mapping { mapped: true, object_id: Some("1234-ab".into()), principal_type: Some("service".into()) };
        assert_eq!(Mapping::parse(["aadauth,oid=1234-AB,type=service"]), mapping);
        assert_eq!(Mapping::parse(["aadauth,admin", "type=service,oid=1234-ab,tenant_id=9"]), mapping);
        assert_eq!(Mapping::parse([]), Mapping::default());
        assert_eq!(Mapping::parse(["aadauth"]), Mapping { mapped: true, ..Mapping::default() });
    }
}
