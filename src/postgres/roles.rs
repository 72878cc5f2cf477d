//! All roles of a server, seen from the one that is signed in.

use std::collections::{BTreeMap, HashMap};

use sqlx::postgres::PgRow;

use super::batch::Question;
use super::connect::Lease;
use super::role_state::{column, oid};
use crate::model::Failure;

/// What the role that is signed in may do in another's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It has the other's rights.
    Direct,
    /// It may become the other (`SET ROLE`).
    Become,
    /// Neither.
    None,
}

/// One role.
#[derive(Clone, Copy, Debug)]
struct Role {
    power: Power,
    admin: bool,
}

/// All roles of the server, seen from the one that is signed in.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    by_oid: HashMap<u32, String>,
    by_name: BTreeMap<String, Role>,
}

impl Roles {
    /// Reads them.
    pub async fn read(lease: &mut Lease) -> Result<Self, Failure> {
        let mut roles = Self::default();
        lease.ask(&[Self::question()], "read the roles", |_, row| roles.take(row)).await?;
        Ok(roles)
    }

    /// Roles made up by a test; their oids are their places in the list.
    #[cfg(test)]
    pub(super) fn made(names: &[&str]) -> Self {
        let role = Role { power: Power::Direct, admin: true };
        let by_oid = (0..).zip(names).map(|(oid, name)| (oid, (*name).to_owned())).collect();
        Self { by_oid, by_name: names.iter().map(|name| ((*name).to_owned(), role)).collect() }
    }

    /// What to ask for them, as one query of a batch.
    pub(super) fn question() -> Question {
        Question::plain(include_str!("../../sql/database_grants/roles.sql"))
    }

    /// Takes one row of the answer.
    pub(super) fn take(&mut self, row: &PgRow) -> Result<(), Failure> {
        let name: String = column(row, "name")?;
        let power = match (column(row, "usage")?, column(row, "set")?) {
            (true, _) => Power::Direct,
            (false, true) => Power::Become,
            _ => Power::None,
        };
        self.by_oid.insert(oid(row, "oid")?, name.clone());
        self.by_name.insert(name, Role { power, admin: column(row, "admin")? });
        Ok(())
    }

    /// The name of a role, or its oid in words when it was dropped.
    pub fn name(&self, oid: u32) -> String {
        self.by_oid.get(&oid).cloned().unwrap_or_else(|| format!("unknown (OID={oid})"))
    }

    /// The name of a role that is there.
    pub fn known(&self, oid: u32) -> Option<&str> {
        self.by_oid.get(&oid).map(String::as_str)
    }

    /// Whether there is a role of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The names of all of them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// What the role that is signed in may do in this one's name.
    pub fn power(&self, name: &str) -> Power {
        self.by_name.get(name).map_or(Power::None, |role| role.power)
    }

    /// Whether the role that is signed in may make others members of this one.
    pub fn may_hand_out(&self, name: &str) -> bool {
        self.by_name.get(name).is_some_and(|role| role.admin)
    }
}

impl Lease {
    /// The databases of the server that one can sign in to, by name.
    pub async fn databases(&mut self) -> Result<Vec<String>, Failure> {
        let query = sqlx::query(include_str!("../../sql/database_grants/databases.sql"));
        let rows = self.rows(query, "list the databases").await?;
        rows.iter().map(|row| column(row, "name")).collect()
    }
}
