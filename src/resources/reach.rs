//! Reaches the database that a look is about, or says why nobody can look yet.

use crate::model::{Attributes, Class, Failure, Flaw, Look, Purpose, Reading, Value, closest};
use crate::postgres::{Lease, Rejection};

use super::live::{Live, missing};

/// A text that a key or a table of attributes has to have.
pub(super) fn text<'a>(attributes: &'a Attributes, name: &str) -> Result<&'a str, Failure> {
    attributes.get(name).and_then(Value::as_text).ok_or_else(|| missing(name))
}

/// A connection for a look. When planning, a server that lets nobody in is one that earlier steps may still change (Entra
/// authentication, an administrator): then the answer is a reading. A database that the server lacks is a flaw of the plan
/// file. A server that cannot be reached, or a sign-in that gave no token, is a failure.
pub(super) async fn reach(live: &Live, look: &Look<'_>, database: &str) -> Result<Result<Lease, Reading>, Failure> {
    let server = text(look.key, "server")?;
    if look.purpose == Purpose::Settle || look.via.is_some() {
        return live.databases.lease(server, database, look.via).await.map(Ok);
    }
    match live.databases.lease_any(server, database).await {
        Ok(lease) => Ok(Ok(lease)),
        Err(rejection) => not_let_in(live, look, (server, database), rejection).await.map(Err),
    }
}

/// The same for several looks before a change set. Where there is no connection, the answer to each of them.
pub(super) async fn reach_for(
    live: &Live,
    looks: &[Look<'_>],
    (server, database): (&str, &str),
) -> Result<Lease, Vec<Result<Reading, Failure>>> {
    let rejection = match live.databases.lease_any(server, database).await {
        Ok(lease) => return Ok(lease),
        Err(rejection) => rejection,
    };
    let mut answers = Vec::new();
    for look in looks {
        answers.push(not_let_in(live, look, (server, database), rejection.clone()).await);
    }
    Err(answers)
}

async fn not_let_in(
    live: &Live,
    look: &Look<'_>,
    (server, database): (&str, &str),
    Rejection { refused, failure }: Rejection,
) -> Result<Reading, Failure> {
    match failure.class {
        Class::NotSignedIn if refused => {
            let why = failure.first_cause();
            Ok(Reading::refused(format!("server {server} lets none of its connections in yet: {why}")))
        }
        Class::NotFound if refused => Err(Failure::flawed(vec![no_database(live, look, server, database).await])),
        _ => Err(failure),
    }
}

/// The flaw of a plan file that names a database which the server does not have.
async fn no_database(live: &Live, look: &Look<'_>, server: &str, database: &str) -> Flaw {
    let names = match live.databases.lease_any(server, "postgres").await {
        Ok(mut lease) => lease.databases().await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let remedy = match closest(database, names.iter().map(String::as_str)) {
        Some(other) => format!("did you mean {other:?}?"),
        None if names.is_empty() => "make it with [database.<label>], or name one that is there".to_owned(),
        None => format!("it has: {}; make it with [database.<label>], or name one of these", names.join(", ")),
    };
    let title = format!("server {server} has no database {database:?}");
    let (address, path) = (look.address.clone(), "database".to_owned());
    Flaw { address, path, rule: "unknown-database", title, remedy: Some(remedy), role: None }
}
