//! Which roles stand for which Entra principals, and where a role has anything.

use std::collections::BTreeMap;

use super::connect::Lease;
use super::role_state::{Mapping, column, listed};
use crate::model::Failure;

/// The roles that stand for Entra principals, by name. In database `postgres` Azure's own list fills in what labels hide.
pub async fn mapped_roles(lease: &mut Lease) -> Result<BTreeMap<String, Mapping>, Failure> {
    let rows =
        lease.rows(sqlx::query(include_str!("../../sql/database_role/mapped.sql")), "list the mapped roles").await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let (name, labels): (String, Vec<String>) = (column(row, "name")?, column(row, "labels")?);
        found.insert(name, Mapping::parse(labels.iter().map(String::as_str)));
    }
    if found.values().any(|mapping| mapping.object_id.is_none()) {
        let mut listed = listed(lease).await;
        for (name, mapping) in found.iter_mut().filter(|(_, mapping)| mapping.object_id.is_none()) {
            *mapping = listed.remove(name).unwrap_or_else(|| std::mem::take(mapping));
        }
    }
    Ok(found)
}

/// The databases in which a role owns something or holds a privilege.
pub async fn databases_of(lease: &mut Lease, role: &str) -> Result<Vec<String>, Failure> {
    let query = sqlx::query(include_str!("../../sql/database_role/databases.sql")).bind(role);
    let rows = lease.rows(query, &format!("see where role {role:?} has anything")).await?;
    rows.iter().map(|row| column(row, "name")).collect()
}
