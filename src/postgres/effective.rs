//! Effective privileges: what a role may really do, asked of PostgreSQL itself with `has_*_privilege`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::catalog::{Object, Snapshot};
use super::connect::Lease;
use super::letters::LetterSet;
use super::privilege::ObjectType;
use super::role_state::column;
use crate::model::Failure;

/// How many questions go to PostgreSQL at a time: some megabytes, however many objects and roles there are.
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

/// Questions to PostgreSQL as parallel arrays.
#[derive(Default)]
struct Asked<'a> {
    roles: Vec<&'a str>,
    known: HashMap<&'a str, i64>,
    places: Vec<i64>,
    whose: Vec<i64>,
    kinds: Vec<String>,
    oids: Vec<i64>,
    columns: Vec<&'a str>,
    words: Vec<&'static str>,
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

impl<'a> Asked<'a> {
    fn add(&mut self, place: i64, demand: &Demand<'a>) {
        let Demand { role, object, letters } = *demand;
        let kind = object.name.kind;
        let whose = *self.known.entry(role).or_insert_with(|| {
            self.roles.push(role);
            i64::try_from(self.roles.len()).unwrap_or_default()
        });
        for (_, word) in kind.privileges().iter().filter(|(letter, _)| letters.has(*letter)) {
            self.places.push(place);
            self.whose.push(whose);
            self.kinds.push(if kind == ObjectType::Column { kind } else { kind.base() }.letter().to_string());
            self.oids.push(i64::from(object.oid));
            self.columns.push(if kind == ObjectType::Column { &object.name.inner } else { "" });
            self.words.push(word);
        }
    }

    /// The questions that PostgreSQL answers with no, as the demand's number and the privilege.
    async fn denied(self, lease: &mut Lease) -> Result<Vec<(i64, String)>, Failure> {
        let doing = match self.roles[..] {
            [] => return Ok(Vec::new()),
            [role] => format!("see what role {role:?} may do"),
            _ => format!("see what {} roles may do", self.roles.len()),
        };
        let query = sqlx::query(include_str!("../../sql/check/effective.sql"))
            .bind(self.roles)
            .bind(self.places)
            .bind(self.whose)
            .bind(self.kinds)
            .bind(self.oids)
            .bind(self.columns)
            .bind(self.words);
        let rows = lease.rows(query, &doing).await?;
        rows.iter().map(|row| Ok((column(row, "at")?, column(row, "privilege")?))).collect()
    }
}

/// The letters that are lacking for each of the demands, in their order.
pub async fn lacking(lease: &mut Lease, demands: &[Demand<'_>]) -> Result<Vec<LetterSet>, Failure> {
    let mut found = vec![LetterSet::default(); demands.len()];
    let mut numbered = (0_i64..).zip(demands).peekable();
    while numbered.peek().is_some() {
        let mut asked = Asked::default();
        while asked.words.len() < AT_ONCE
            && let Some((at, demand)) = numbered.next()
        {
            asked.add(at, demand);
        }
        for (at, word) in asked.denied(lease).await? {
            let Some((at, demand)) = usize::try_from(at).ok().and_then(|at| Some((at, demands.get(at)?))) else {
                continue;
            };
            if let Some(letter) = demand.object.name.kind.privilege(&word) {
                found[at].insert(letter);
            }
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
