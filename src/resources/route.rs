//! Finds the connection that may write a step which one connection has to write whole.

use super::Live;
use crate::model::{Failure, Reading, WHOLE};
use crate::postgres::{Lease, may_alter, may_map, may_own_database, may_own_schema};

/// What a connection has to be allowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act<'a> {
    /// To change a role's login or password.
    Alter(&'a str),
    /// To map roles to Entra principals; Azure lets those who may change other roles, too.
    Map,
    /// To make a schema, or hand it to an owner.
    Schema(&'a str, Option<&'a str>),
    /// To hand a database to an owner.
    Database(&'a str, &'a str),
}

impl Act<'_> {
    async fn allowed(self, lease: &mut Lease) -> Result<bool, Failure> {
        match self {
            Self::Alter(role) => may_alter(lease, role).await,
            Self::Map => may_map(lease).await,
            Self::Schema(name, owner) => may_own_schema(lease, name, owner).await,
            Self::Database(name, owner) => may_own_database(lease, name, owner).await,
        }
    }
}

/// The connection that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The plan file's name of it.
    pub(super) connection: String,
    /// Who signs in.
    pub(super) user: String,
    /// Whether it may, as far as PostgreSQL says. If none may, the way is the one that looked: Azure may allow more.
    pub(super) may: bool,
}

impl Way {
    /// Says in a reading through which connection its step is written.
    pub(super) fn mark(&self, live: &Live, server: &str, reading: &mut Reading) -> Result<(), Failure> {
        let first = live.databases.server(server)?.connections.first();
        if first.is_none_or(|first| first.name != self.connection) {
            reading.routes.insert(WHOLE.to_owned(), self.connection.clone());
        }
        Ok(())
    }
}

/// The first connection that may do one of `acts`, the earlier of them first. Begins with the one that is open, and closes
/// it; connections of the role `but` are left out.
pub(super) async fn route(
    live: &Live,
    server: &str,
    mut lease: Lease,
    acts: &[Act<'_>],
    but: Option<&str>,
) -> Result<Way, Failure> {
    let way =
        |lease: &Lease, may| Way { connection: lease.connection().to_owned(), user: lease.user().to_owned(), may };
    let (used, database) = (way(&lease, false), lease.database().to_owned());
    let others = live.databases.server(server)?.connections.iter().filter(|other| other.name != used.connection);
    let others: Vec<&str> =
        others.filter(|other| Some(other.user.as_str()) != but).map(|other| other.name.as_str()).collect();
    let mut allowed = Vec::new();
    if Some(lease.user()) != but {
        for act in acts {
            allowed.push(act.allowed(&mut lease).await?);
        }
        if allowed.first() == Some(&true) {
            return Ok(Way { may: true, ..used });
        }
    }
    drop(lease);
    let mut found: Vec<(usize, Way)> =
        allowed.iter().position(|may| *may).map(|at| (at, Way { may: true, ..used.clone() })).into_iter().collect();
    let mut reached: Option<Way> = None;
    for other in others {
        // A connection that cannot sign in writes nothing either.
        let Ok(mut lease) = live.databases.lease(server, &database, Some(other)).await else { continue };
        reached = reached.or_else(|| Some(way(&lease, false)));
        for (at, act) in acts.iter().enumerate() {
            if act.allowed(&mut lease).await.unwrap_or_default() {
                found.push((at, way(&lease, true)));
                break;
            }
        }
        if found.last().is_some_and(|(at, _)| *at == 0) {
            break;
        }
    }
    found.sort_by_key(|(at, _)| *at);
    let none = if Some(used.user.as_str()) == but { reached.unwrap_or(used) } else { used };
    Ok(found.into_iter().next().map_or(none, |(_, way)| way))
}

#[cfg(test)]
mod tests;
