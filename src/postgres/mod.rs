//! PostgreSQL: signing in by token or password, one look at the catalog, and every statement built in one place.

mod acl;
mod batch;
mod catalog;
mod connect;
mod effective;
mod entry;
mod errors;
mod privilege;
mod quote;
mod role_state;
mod statements;
#[cfg(test)]
pub(crate) mod testing;

pub use acl::{Acl, Held};
pub use catalog::{DefaultAcl, Object, Power, Roles, Snapshot, Wanted, grantable};
pub use connect::{Access, Databases, Lease, Rejection};
pub use effective::{Count, Demand, Lacking, counts, lacking, rights_of};
pub use entry::{Defaults, ObjectName};
pub use privilege::ObjectType;
pub use quote::{quote_ident, quote_literal, show_ident};
pub use role_state::{Leftover, Mapping, RoleState, leftovers, role_state};
pub use statements::{Acting, Script, create_role, drop_role, grants, update_role};
