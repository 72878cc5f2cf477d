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
mod places;
mod privilege;
mod quote;
mod role_state;
mod roles;
mod statements;
#[cfg(test)]
pub(crate) mod testing;
mod trial;

pub use acl::{Acl, Grant};
pub use catalog::{DefaultAcl, Object, Snapshot, Wanted};
pub use connect::{Access, Databases, Lease, Rejection};
pub use effective::{Count, Demand, counts, lacking, rights_of};
pub use entry::{Defaults, ObjectEntry, ObjectName};
pub(crate) use errors::failure;
pub use letters::LetterSet;
pub use login::{Login, Session, clock, login, may_alter};
pub use places::{database_contents, database_owner, schema_contents, schema_owner};
pub use privilege::ObjectType;
pub use quote::{quote_ident, quote_literal, show_ident, take_ident};
pub use role_state::{Leftover, Mapping, Membership, RoleState, leftovers, role_state};
pub use roles::{Power, Roles};
pub use statements::{Acting, Script, create_role, drop_role, end_sessions, grants, set_login, update_role};
pub use statements::{create_schema, drop_schema, own_database, own_schema};
pub use trial::try_tomorrow;
