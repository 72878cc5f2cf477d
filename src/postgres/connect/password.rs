//! Tries whether a password signs a role in.

use sqlx::postgres::{PgConnection, PgDatabaseError};
use sqlx::{Connection, Error};

use super::{CONNECT_TIMEOUT, Databases, options};
use crate::model::{Failure, Secret};
use crate::postgres::errors::{failure, no_answer};

/// The functions of PostgreSQL that look at a role only after its password was right: NOLOGIN, too many connections, no
/// right to connect to the database. Unlike the texts they are the same in every language.
const BEHIND_THE_DOOR: [&str; 2] = ["InitializeSessionUserId", "CheckMyDatabase"];

impl Databases {
    /// Whether the server takes this password of a role; it says so also of a role that may not log in otherwise. `false`:
    /// it is another one, or there is none, or it is out of date: PostgreSQL tells nobody which. The server logs the try.
    ///
    /// # Errors
    /// Those of the way to the server, and every other refusal.
    pub async fn takes(&self, server: &str, role: &str, password: &Secret) -> Result<bool, Failure> {
        let target = self.server(server)?;
        let host = match &target.host {
            Some(host) => host.clone(),
            None => self.access.host(target).await?,
        };
        let doing = format!("try the password of {role:?} at {host}:{}", target.port);
        let options = options(target, &host).username(role).password(password.expose()).database("postgres");
        match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await {
            Ok(Ok(session)) => {
                let _ = session.close().await;
                Ok(true)
            }
            Ok(Err(error)) => judged(&error).ok_or_else(|| failure(&error, &doing)),
            Err(_) => Err(no_answer(&doing, CONNECT_TIMEOUT)),
        }
    }
}

/// What a refusal says of the password; `None` when it says nothing of it.
fn judged(error: &Error) -> Option<bool> {
    let refused = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    if refused.routine().is_some_and(|routine| BEHIND_THE_DOOR.contains(&routine)) {
        return Some(true);
    }
    (refused.code() == "28P01").then_some(false)
}
