//! Effective privileges: what a role may really do, asked of PostgreSQL itself with `has_*_privilege`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use super::catalog::{Object, Snapshot};
use super::connect::Lease;
use super::letters::LetterSet;
use super::privilege::ObjectType;
use super::role_state::column;
use crate::model::Failure;

/// How many demands go to PostgreSQL at a time: some megabytes, however many objects and roles there are.
const AT_ONCE: usize = 1 << 16;

/// One object and what a role should be able to do with it.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The role. It has to exist; everybody is `public`.
    pub role: &'a str,
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

/// The letters that are lacking for each of the demands, in their order.
pub async fn lacking(lease: &mut Lease, demands: &[Demand<'_>]) -> Result<Vec<LetterSet>, Failure> {
    let mut found = Vec::with_capacity(demands.len());
    for some in demands.chunks(AT_ONCE) {
        found.extend(lacking_of(lease, some).await?);
    }
    Ok(found)
}

/// Gives each different value a number, from 1, in the order in which they come.
struct Numbered<T>(Vec<T>, HashMap<T, i32>);

impl<T: Copy + Eq + Hash> Numbered<T> {
    fn number(&mut self, value: T) -> i32 {
        *self.1.entry(value).or_insert_with(|| {
            self.0.push(value);
            i32::try_from(self.0.len()).unwrap_or_default()
        })
    }
}

async fn lacking_of(lease: &mut Lease, demands: &[Demand<'_>]) -> Result<Vec<LetterSet>, Failure> {
    let mut roles = Numbered(Vec::new(), HashMap::new());
    let mut objects = Numbered(Vec::new(), HashMap::new());
    let (mut whose, mut what, mut letters): (Vec<i32>, Vec<i32>, Vec<String>) = Default::default();
    for demand in demands {
        let (kind, inner) = match demand.object.name.kind {
            ObjectType::Column => (ObjectType::Column, demand.object.name.inner.as_str()),
            kind => (kind.base(), ""),
        };
        whose.push(roles.number(demand.role));
        what.push(objects.number((kind, demand.object.oid, inner)));
        let known = kind.privileges().iter().map(|(letter, _)| *letter);
        letters.push(known.filter(|letter| demand.letters.has(*letter)).collect());
    }
    let doing = match &roles.0[..] {
        [role] => format!("see what role {role:?} may do"),
        roles => format!("see what {} roles may do", roles.len()),
    };
    let query = sqlx::query(include_str!("../../sql/check/effective.sql"))
        .bind(roles.0)
        .bind(objects.0.iter().map(|(kind, ..)| kind.letter().to_string()).collect::<Vec<_>>())
        .bind(objects.0.iter().map(|(_, oid, _)| i64::from(*oid)).collect::<Vec<_>>())
        .bind(objects.0.iter().map(|(.., inner)| *inner).collect::<Vec<_>>())
        .bind(whose)
        .bind(what)
        .bind(letters);
    let mut found = vec![LetterSet::default(); demands.len()];
    for row in &lease.rows(query, &doing).await? {
        let (at, letter): (i64, &str) = (column(row, "at")?, column(row, "letter")?);
        let lacks = usize::try_from(at - 1).ok().and_then(|at| found.get_mut(at));
        if let (Some(lacks), Some(letter)) = (lacks, letter.chars().next()) {
            lacks.insert(letter);
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

/// The roles whose rights each role has, itself and `PUBLIC` included; `public` itself has none but these. The roles have
/// to exist.
pub async fn rights_of<'a>(
    lease: &mut Lease,
    roles: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let mut found: BTreeMap<String, BTreeSet<String>> =
        roles.into_iter().map(|role| (role.to_owned(), BTreeSet::from(["PUBLIC".to_owned()]))).collect();
    let asked: Vec<String> = found.keys().filter(|role| *role != "public").cloned().collect();
    if asked.is_empty() {
        return Ok(found);
    }
    let doing = match &asked[..] {
        [role] => format!("see whose rights role {role:?} has"),
        _ => format!("see whose rights {} roles have", asked.len()),
    };
    let query = sqlx::query(include_str!("../../sql/check/rights_of.sql")).bind(asked);
    for row in &lease.rows(query, &doing).await? {
        found.entry(column(row, "role")?).or_default().insert(column(row, "name")?);
    }
    Ok(found)
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

#[cfg(test)]
mod tests {
    use super::ObjectType;

    /// PostgreSQL is asked by letters; the text that tells it their words has all of them.
    #[test]
    fn every_letter_has_its_word() {
        let sql = include_str!("../../sql/check/effective.sql");
        for (letter, word) in ObjectType::ALL.into_iter().flat_map(ObjectType::privileges) {
            assert!(sql.contains(&format!("('{letter}', '{word}')")), "{letter} {word}");
        }
    }
}
