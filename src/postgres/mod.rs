//! PostgreSQL: signing in by token or password, one look at the catalog, and every statement built in one place.

mod acl;
mod batch;
mod catalog;
mod connect;
mod effective;
mod entry;
mod errors;
mod letters;
mod login;
mod mapped;
#[cfg(test)]
mod messages_tests;
mod places;
mod privilege;
mod quote;
mod role_state;
mod roles;
mod scram;
mod statements;
#[cfg(test)]
pub(crate) mod testing;
mod trial;

pub use acl::{Acl, Grant};
pub use catalog::{DefaultAcl, Object, Snapshot, Wanted};
pub use connect::{Access, Databases, Lease, Rejection};
pub use effective::{Count, Demand, counts, lacking, rights_of};
pub use entry::{Defaults, ObjectEntry, ObjectName, not_an_entry};
pub(crate) use errors::{failure, no_answer};
pub use letters::LetterSet;
pub use login::{
    Login, Session, Validity, clock, login, logs_connections, may_alter, may_map, password_roles, validity,
};
pub use mapped::{databases_of, mapped_roles};
pub use places::{database_contents, database_owner, may_own_database, may_own_schema, schema_contents, schema_owner};
pub use privilege::ObjectType;
pub use quote::{quote_ident, quote_literal, show_ident, take_ident};
pub use role_state::{Leftover, Mapping, Membership, RoleState, RoleStates, leftovers, role_state, role_states};
pub use roles::{Power, Roles};
pub use scram::verifier;
pub use statements::{
    Acting, Script, TERMINATES, create_role, drop_role, end_sessions, grants, set_login, update_role,
};
pub use statements::{NEVER, clear_password, set_password};
pub use statements::{create_schema, drop_schema, own_database, own_schema};
pub use trial::{try_statements, try_tomorrow};
