//! Databases and schemas: who owns them, and what they hold.

use super::connect::Lease;
use super::role_state::column;
use crate::model::Failure;

/// The owner of a database; `None` where there is no such database.
pub async fn database_owner(lease: &mut Lease, name: &str) -> Result<Option<String>, Failure> {
    let query = sqlx::query(include_str!("../../sql/database/owner.sql")).bind(name);
    let rows = lease.rows(query, "see who owns a database").await?;
    rows.first().map(|row| column(row, "owner")).transpose()
}

/// What the database that `lease` is signed in to holds besides what every new one does, in words.
pub async fn database_contents(lease: &mut Lease) -> Result<Vec<String>, Failure> {
    let rows =
        lease.rows(sqlx::query(include_str!("../../sql/database/contents.sql")), "see what a database holds").await?;
    rows.iter().map(|row| column(row, "what")).collect()
}

/// The owner of a schema; `None` where there is no such schema.
pub async fn schema_owner(lease: &mut Lease, name: &str) -> Result<Option<String>, Failure> {
    let query = sqlx::query(include_str!("../../sql/schema/owner.sql")).bind(name);
    let rows = lease.rows(query, "see who owns a schema").await?;
    rows.first().map(|row| column(row, "owner")).transpose()
}

/// What a schema holds, in words.
pub async fn schema_contents(lease: &mut Lease, name: &str) -> Result<Vec<String>, Failure> {
    let query = sqlx::query(include_str!("../../sql/schema/contents.sql")).bind(name);
    let rows = lease.rows(query, "see what a schema holds").await?;
    rows.iter().map(|row| column(row, "what")).collect()
}

/// Whether the role that is signed in may make a schema, or hand it to this owner (`None`: whoever makes it).
pub async fn may_own_schema(lease: &mut Lease, name: &str, owner: Option<&str>) -> Result<bool, Failure> {
    let query = sqlx::query(include_str!("../../sql/schema/may.sql")).bind(name).bind(owner);
    let rows = lease.rows(query, "see who may make schemas").await?;
    rows.first().map_or(Ok(false), |row| column(row, "may"))
}

/// Whether the role that is signed in may hand a database to this owner.
pub async fn may_own_database(lease: &mut Lease, name: &str, owner: &str) -> Result<bool, Failure> {
    let query = sqlx::query(include_str!("../../sql/database/may_own.sql")).bind(name).bind(owner);
    let rows = lease.rows(query, "see who may hand databases over").await?;
    rows.first().map_or(Ok(false), |row| column(row, "may"))
}
