//! Effective privileges: what a role may really do, asked of PostgreSQL itself with `has_*_privilege`.

use std::collections::BTreeSet;

use super::catalog::{Object, Snapshot};
use super::connect::Lease;
use super::letters::LetterSet;
use super::privilege::ObjectType;
use super::role_state::column;
use crate::model::Failure;

/// One object and what a role should be able to do with it.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The object.
    pub object: &'a Object,
    /// The letters.
    pub letters: LetterSet,
}

/// How many things of a kind a role can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// `schemas`, `tables`, `sequences`, `functions`.
    pub what: String,
    /// How many there are.
    pub total: i64,
    /// How many it can use.
    pub usable: i64,
}

/// The letters that the role lacks on each of the objects, in their order. The role has to exist; everybody is `public`.
pub async fn lacking(lease: &mut Lease, role: &str, demands: &[Demand<'_>]) -> Result<Vec<LetterSet>, Failure> {
    let (mut places, mut oids): (Vec<i64>, Vec<i64>) = Default::default();
    let (mut kinds, mut columns, mut words): (Vec<String>, Vec<&str>, Vec<&str>) = Default::default();
    for (at, Demand { object, letters }) in (0_i64..).zip(demands) {
        let kind = object.name.kind;
        for (_, word) in kind.privileges().iter().filter(|(letter, _)| letters.has(*letter)) {
            places.push(at);
            kinds.push(if kind == ObjectType::Column { kind } else { kind.base() }.letter().to_string());
            oids.push(i64::from(object.oid));
            columns.push(if kind == ObjectType::Column { &object.name.inner } else { "" });
            words.push(word);
        }
    }
    let query = sqlx::query(include_str!("../../sql/check/effective.sql"))
        .bind(role)
        .bind(places)
        .bind(kinds)
        .bind(oids)
        .bind(columns)
        .bind(words);
    let mut found = vec![LetterSet::default(); demands.len()];
    for row in &lease.rows(query, &format!("see what role {role:?} may do")).await? {
        let (at, word): (i64, String) = (column(row, "at")?, column(row, "privilege")?);
        let Some((at, demand)) = usize::try_from(at).ok().and_then(|at| Some((at, demands.get(at)?))) else { continue };
        if let Some(letter) = demand.object.name.kind.privilege(&word) {
            found[at].insert(letter);
        }
    }
    Ok(found)
}

/// Counts what a role can use in a database: schemas, tables, sequences, functions. The role has to exist.
pub async fn counts(lease: &mut Lease, role: &str) -> Result<Vec<Count>, Failure> {
    let query = sqlx::query(include_str!("../../sql/check/counts.sql")).bind(role);
    let rows = lease.rows(query, &format!("count what role {role:?} may use")).await?;
    let count =
        |row| Ok(Count { what: column(row, "what")?, total: column(row, "total")?, usable: column(row, "usable")? });
    rows.iter().map(count).collect()
}

/// The roles whose rights a role has, itself and `PUBLIC` included; `public` itself has none but these.
pub async fn rights_of(lease: &mut Lease, role: &str) -> Result<BTreeSet<String>, Failure> {
    if role == "public" {
        return Ok(BTreeSet::from(["PUBLIC".to_owned()]));
    }
    let query = sqlx::query(include_str!("../../sql/check/rights_of.sql")).bind(role);
    let rows = lease.rows(query, &format!("see whose rights role {role:?} has")).await?;
    let mut roles: BTreeSet<String> = rows.iter().map(|row| column(row, "name")).collect::<Result<_, _>>()?;
    roles.insert("PUBLIC".to_owned());
    Ok(roles)
}

impl Snapshot {
    /// The letters that tomorrow's object of a kind will give to any of `roles`, when `creator` makes it in `schema` (`None`: any):
    /// the creator's global default privileges, or the built-in ones, and those of the schema on top.
    pub fn tomorrow(
        &self,
        creator: &str,
        schema: Option<&str>,
        kind: ObjectType,
        roles: &BTreeSet<String>,
    ) -> LetterSet {
        if roles.contains(creator) {
            return self.all(kind);
        }
        let spots = [None].into_iter().chain(schema.map(Some));
        let given =
            spots.flat_map(|spot| roles.iter().map(move |role| self.default_given(creator, spot, kind, role).0));
        given.fold(LetterSet::default(), LetterSet::or)
    }
}
