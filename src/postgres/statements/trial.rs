//! The statements that make one object as another role, for a trial that is never committed.

use super::Script;
use crate::postgres::privilege::ObjectType;
use crate::postgres::quote::quote_ident;

/// Makes an object of a kind that has default privileges in schemas; for any other kind nothing is made.
pub fn trial(creator: &str, schema: &str, kind: ObjectType, name: &str) -> Script {
    let name = format!("{}.{}", quote_ident(schema), quote_ident(name));
    let make = match kind.base() {
        ObjectType::Table => format!("CREATE TABLE {name} ()"),
        ObjectType::Sequence => format!("CREATE SEQUENCE {name}"),
        ObjectType::Function => format!("CREATE FUNCTION {name}() RETURNS integer LANGUAGE sql AS 'SELECT 1'"),
        ObjectType::Type => format!("CREATE TYPE {name} AS ENUM ()"),
        _ => return Script::default(),
    };
    Script(vec![format!("SET LOCAL ROLE {}", quote_ident(creator)), make, "RESET ROLE".to_owned()])
}

/// The statements of a write without their own transactions, to be tried in one that is never committed: a lock that
/// somebody holds is soon given up, and a session that would be ended is left alone, since no rollback brings it back.
pub fn tried(statements: &[String]) -> Script {
    let ends = ["BEGIN READ WRITE", "COMMIT"];
    let tried = statements.iter().filter(|text| !ends.contains(&text.as_str()) && !text.contains(TERMINATES));
    let limits = ["SET LOCAL lock_timeout = '2s'", "SET LOCAL statement_timeout = '30s'"].map(str::to_owned);
    Script(limits.into_iter().chain(tried.cloned()).collect())
}

/// What ends the sessions of others.
pub const TERMINATES: &str = "pg_terminate_backend";
