//! Who may log in and who is connected: one role's right to log in, and its sessions; and the server's clock.

use jiff::Timestamp;

use super::connect::Lease;
use super::role_state::column;
use crate::model::{Class, Failure};

/// One session of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The process that serves it on the server.
    pub pid: i32,
    /// Since when; `None` when the one who looks may not see it.
    pub since: Option<Timestamp>,
    /// From where.
    pub from: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// What it calls itself.
    pub application: Option<String>,
}

/// A role as somebody who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// There is no such role.
    Absent,
    /// There is.
    Present {
        /// LOGIN or NOLOGIN.
        may_login: bool,
        /// Its sessions, oldest first.
        sessions: Vec<Session>,
    },
}

/// Looks at a role and its sessions.
pub async fn login(lease: &mut Lease, role: &str) -> Result<Login, Failure> {
    let query = sqlx::query(include_str!("../../sql/evidence/login.sql")).bind(role);
    let rows = lease.rows(query, &format!("see who is connected as {role:?}")).await?;
    let Some(first) = rows.first() else { return Ok(Login::Absent) };
    let mut sessions = Vec::new();
    for row in &rows {
        let Some(pid) = column::<Option<i32>>(row, "pid")? else { continue };
        sessions.push(Session {
            pid,
            since: column::<Option<i64>>(row, "since")?.map(moment).transpose()?,
            from: column(row, "client")?,
            database: column(row, "database")?,
            application: column(row, "application")?,
        });
    }
    Ok(Login::Present { may_login: column(first, "may_login")?, sessions })
}

/// Whether the role that is signed in may change this one's right to log in, as PostgreSQL has it: Azure may allow more.
pub async fn may_alter(lease: &mut Lease, role: &str) -> Result<bool, Failure> {
    let query = sqlx::query(include_str!("../../sql/password_login/may_alter.sql")).bind(role);
    let rows = lease.rows(query, &format!("see who may change role {role:?}")).await?;
    rows.first().map_or(Ok(false), |row| column(row, "may"))
}

/// Whether the role that is signed in, to database `postgres`, may map roles to Entra principals.
pub async fn may_map(lease: &mut Lease) -> Result<bool, Failure> {
    let query = sqlx::query(include_str!("../../sql/database_role/may_map.sql"));
    let rows = lease.rows(query, "see who may map roles to principals").await?;
    rows.first().map_or(Ok(false), |row| column(row, "may"))
}

/// Until when the password of a role is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// As PostgreSQL writes it; `None` is without end.
    pub until: Option<String>,
    /// Whether that is in the past by the server's clock.
    pub over: bool,
}

/// Until when the password of a role is taken; `None`: there is no such role.
pub async fn validity(lease: &mut Lease, role: &str) -> Result<Option<Validity>, Failure> {
    let query = sqlx::query(include_str!("../../sql/role_password/validity.sql")).bind(role);
    let rows = lease.rows(query, &format!("see until when the password of {role:?} is taken")).await?;
    let one = |row| Ok(Validity { until: column(row, "valid_until")?, over: column(row, "over")? });
    rows.first().map(one).transpose()
}

/// The roles that a server without passwords would lock out, as far as anybody may see, with their open sessions.
pub async fn password_roles(lease: &mut Lease) -> Result<Vec<(String, i64)>, Failure> {
    let query = sqlx::query(include_str!("../../sql/server_password_auth/others.sql"));
    let rows = lease.rows(query, "see who else signs in by password").await?;
    rows.iter().map(|row| Ok((column(row, "role")?, column(row, "sessions")?))).collect()
}

/// Whether the server logs who signs in.
pub async fn logs_connections(lease: &mut Lease) -> Result<bool, Failure> {
    const LOGGED: [&str; 7] = ["on", "true", "yes", "1", "all", "authentication", "authorization"];
    let query = sqlx::query(include_str!("../../sql/evidence/log_connections.sql"));
    let rows = lease.rows(query, "see whether logins are logged").await?;
    let setting = rows.first().map_or(Ok(String::new()), |row| column::<String>(row, "setting"))?;
    Ok(setting.split(',').any(|one| LOGGED.contains(&one.trim().to_ascii_lowercase().as_str())))
}

/// What time it is by the server's clock.
pub async fn clock(lease: &mut Lease) -> Result<Timestamp, Failure> {
    let rows = lease.rows(sqlx::query(include_str!("../../sql/evidence/clock.sql")), "ask for the time").await?;
    let row = rows.first().ok_or_else(|| {
        Failure::new(Class::Other, "the server did not tell the time").remedy("look at the clock of the server")
    })?;
    moment(column(row, "now")?)
}

pub(super) fn moment(microseconds: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_microsecond(microseconds).map_err(|error| {
        Failure::new(Class::Other, "the server's time is out of range")
            .remedy("look at the clock of the server")
            .detail(error.to_string())
    })
}
