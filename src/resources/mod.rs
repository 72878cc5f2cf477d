//! The kinds of resources: one file each, and the register that lists them.

mod app_identity;
mod app_settings;
#[cfg(test)]
pub(crate) mod arm_testing;
mod check;
mod check_http;
mod check_privileges;
mod database_grants;
mod database_role;
mod live;
mod reach;
mod server_admin;
mod server_auth;
mod sign_in;
mod slot_settings;
#[cfg(test)]
mod testing;
mod verify;
mod verify_tomorrow;

use async_trait::async_trait;
use jiff::Timestamp;

pub use live::{Live, fetch};
pub use sign_in::{SignIn, sign_in};
pub use verify::{Proof, proofs};

use crate::model::{Failure, Look, Reading, Schema, Step};

/// What a write came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The call or transaction went through. The engine reads again to see whether it held.
    Done,
    /// A gate holds it.
    Held {
        /// What is missing.
        reason: String,
        /// The earliest time at which it can open.
        earliest: Option<Timestamp>,
    },
}

/// Hears what a long write is waiting for. Progress only; nothing may depend on it.
pub trait Watch: Send + Sync {
    /// A few words such as `waiting for the server to restart`.
    fn note(&self, text: &str);
}

/// The two calls that touch the world, for all kinds. The live one dispatches to the register; tests have one in memory.
#[async_trait]
pub trait World: Send + Sync {
    /// The schema of a kind.
    fn schema(&self, kind: &str) -> Option<&'static Schema>;

    /// Looks. Never changes anything.
    async fn read(&self, look: Look<'_>) -> Result<Reading, Failure>;

    /// Writes `step.after` (every open value is filled) where the engine has just seen `step.before`, or an end that the
    /// step itself had begun. `None` removes the resource.
    async fn write(&self, step: &Step, watch: &dyn Watch) -> Result<Written, Failure>;
}

/// One kind of resource.
#[async_trait]
pub trait Kind: Send + Sync {
    /// Everything pure about it.
    fn schema(&self) -> &'static Schema;

    /// Looks. Never changes anything.
    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure>;

    /// Writes `step.after`; see [`World::write`].
    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure>;

    /// Exactly the SQL statements that a write of this step would run now, the transaction around them included; none for
    /// kinds that speak no SQL. Looks, and changes nothing.
    async fn statements(&self, _live: &Live, _step: &Step) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }
}

/// Every kind, in the order of the reference page.
pub fn register() -> &'static [&'static dyn Kind] {
    &[
        &server_auth::ServerAuth,
        &server_admin::ServerAdmin,
        &app_identity::AppIdentity,
        &database_role::DatabaseRole,
        &database_grants::DatabaseGrants,
        &app_settings::AppSettings,
        &slot_settings::SlotSettings,
        &check::Check,
    ]
}

/// The schemas of all kinds.
pub fn schemas() -> Vec<&'static Schema> {
    register().iter().map(|kind| kind.schema()).collect()
}
