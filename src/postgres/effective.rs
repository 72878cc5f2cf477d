//! Effective privileges: what a role may really do, asked of PostgreSQL itself with `has_*_privilege`.

use std::collections::BTreeSet;

use super::catalog::Snapshot;
use super::connect::Lease;
use super::privilege::ObjectType;
use super::role_state::column;
use crate::model::Failure;

/// Privileges that a role should have on everything of some kinds in some schemas.
#[derive(Clone, Debug, Default)]
pub struct Demand {
    /// The role.
    pub role: String,
    /// Schemas by name; `None` is every schema but the system's.
    pub schemas: Option<Vec<String>>,
    /// Kinds and letters.
    pub letters: Vec<(ObjectType, char)>,
}

/// What a role lacks of one privilege.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// The kind of object.
    pub kind: ObjectType,
    /// The privilege's word.
    pub privilege: String,
    /// How many objects there are.
    pub total: i64,
    /// On how many it lacks the privilege.
    pub lacking: i64,
    /// The first few of those by name.
    pub names: Vec<String>,
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

/// What the role lacks; empty when it has everything. The role has to exist.
pub async fn lacking(lease: &mut Lease, demand: &Demand) -> Result<Vec<Lacking>, Failure> {
    let (mut kinds, mut words): (Vec<String>, Vec<&str>) = Default::default();
    for (kind, letter) in &demand.letters {
        if let Some((_, word)) = kind.privileges().iter().find(|(known, _)| known == letter) {
            kinds.push(kind.letter().to_string());
            words.push(word);
        }
    }
    let query = sqlx::query(include_str!("../../sql/check/effective.sql"))
        .bind(demand.role.as_str())
        .bind(demand.schemas.clone())
        .bind(kinds)
        .bind(words);
    let mut found = Vec::new();
    for row in &lease.rows(query, &format!("see what role {:?} may do", demand.role)).await? {
        let Some(kind) = ObjectType::from_letter(&column::<String>(row, "kind")?) else { continue };
        let (total, lacking) = (column(row, "total")?, column(row, "lacking")?);
        let (privilege, names) = (column(row, "privilege")?, column(row, "names")?);
        if lacking > 0 {
            found.push(Lacking { kind, privilege, total, lacking, names });
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
    /// The letters that tomorrow's object of a kind will give to any of `roles`, when `creator` makes it in `schema`:
    /// the creator's global default privileges, or the built-in ones, and those of the schema on top.
    pub fn tomorrow(&self, creator: &str, schema: &str, kind: ObjectType, roles: &BTreeSet<String>) -> BTreeSet<char> {
        if roles.contains(creator) {
            return self.all(kind).chars().collect();
        }
        let global =
            self.defaults.iter().find(|row| row.creator == creator && row.schema.is_none() && row.kind == kind);
        let mut letters: BTreeSet<char> = BTreeSet::new();
        if global.is_none() && roles.contains("PUBLIC") {
            letters.extend(self.public(kind).chars());
        }
        for acl in global.map(|row| &row.acl).into_iter().chain(self.default_acl(creator, schema, kind)) {
            for role in roles {
                letters.extend(acl.letters(if role == "PUBLIC" { "" } else { role }).chars());
            }
        }
        letters
    }
}
