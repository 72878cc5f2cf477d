//! The kinds of resources: one file each, and the register that lists them.

mod app_identity;
mod app_settings;
#[cfg(test)]
pub(crate) mod arm_testing;
mod behaviour;
mod check;
mod check_http;
mod check_privileges;
mod clock;
mod database;
mod database_grants;
mod database_role;
mod database_settings;
mod deployment;
mod doctor;
mod escrow;
mod explain_grants;
mod firewall_rule;
mod held;
mod kept_password;
#[cfg(test)]
mod kept_tests;
mod live;
mod memory;
#[cfg(test)]
mod messages_tests;
mod moves;
mod password_login;
mod password_setting;
mod reach;
mod rewrite;
mod rights;
mod role_password;
mod route;
mod schema;
mod sensors;
mod server_admin;
mod server_auth;
mod server_password_auth;
mod sign_in;
mod site_lists;
mod slot_settings;
mod soak;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod together_tests;
mod validation;
mod verify;
mod verify_database;
mod verify_tomorrow;
mod worlds;

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use jiff::Timestamp;

pub use behaviour::{Behaviour, Law, Trial};
pub use clock::{Clock, RealClock};
pub use database_grants::{Folded, FoldedRule, fold};
pub use database_settings::{Said, said};
pub use doctor::{Diagnosis, Facts, RULES, Rule, Severity, Unseen, diagnose, facts};
pub use explain_grants::{Compared, GrantsExplained, Ruled, explain_grants};
pub use live::{Live, fetch};
pub use memory::{Call, Difference, Fault, Id, MemoryWorld, State};
pub use moves::Moves;
pub use rights::{
    BLOB_STORE, DatabaseRight, Need, Phase, Right, Rights, TABLE as RIGHTS, Why, database_rights, held, needs,
};
pub use sensors::{CENSUS, IDENTITY, PRIVILEGES, Sensor, Vantage, noted, scope, sensor_names, sensors};
pub use sensors::{MonitoringQuery, monitoring, sensor_queries};
pub use sign_in::{SignIn, environment, sign_in};
pub use validation::{now, soak_terms};
pub use verify::{Proof, proofs};
pub use verify_database::try_in_database;
pub use worlds::Worlds;

use crate::model::{Class, Failure, Look, Reading, Schema, Step};

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

/// Goes with a write: hears what it waits for, and says when it should wait no longer.
pub trait Watch: Send + Sync {
    /// A few words such as `waiting for the server to restart`. Progress only; nothing may depend on it.
    fn note(&self, text: &str);

    /// Whether a person asked to stop. A write that only waits then ends with a failure of class `Interrupted`; a call
    /// in flight is never dropped.
    fn stopped(&self) -> bool {
        false
    }

    /// The service took the write and works on it. `operation` goes to the journal and, after a crash, to
    /// [`World::follow`]; it holds no secret.
    fn accepted(&self, _operation: &str) {}
}

/// Sleeps, unless a person asks to stop.
///
/// # Errors
/// `Interrupted`, within a fraction of a second of being asked.
pub async fn pause(watch: &dyn Watch, span: Duration) -> Result<(), Failure> {
    const SLICE: Duration = Duration::from_millis(100);
    let end = tokio::time::Instant::now() + span;
    loop {
        if watch.stopped() {
            return Err(
                Failure::new(Class::Interrupted, "stopped while waiting").remedy("run the same command again to go on")
            );
        }
        let left = end.saturating_duration_since(tokio::time::Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        tokio::time::sleep(left.min(SLICE)).await;
    }
}

/// The two calls that touch the world, for all kinds. The live one dispatches to the register; tests have one in memory.
#[async_trait]
pub trait World: Send + Sync {
    /// The schema of a kind.
    fn schema(&self, kind: &str) -> Option<&'static Schema>;

    /// Looks. Never changes anything.
    async fn read(&self, look: Look<'_>) -> Result<Reading, Failure>;

    /// Looks at many resources before a change set, at most `at_once` calls at a time, and answers in their order. A world
    /// that can answer several looks in one go does.
    async fn read_all(&self, looks: &[Look<'_>], at_once: usize) -> Vec<Result<Reading, Failure>> {
        let calls = looks.iter().map(|look| self.read(*look)).collect();
        each(calls, at_once).await
    }

    /// Writes `step.after` (every open value is filled) where the engine has just seen `step.before`, or an end that the
    /// step itself had begun. `None` removes the resource.
    async fn write(&self, step: &Step, watch: &dyn Watch) -> Result<Written, Failure>;

    /// Why the end that a step leads to cannot be reached any more, whatever was thought when it was planned: what it would
    /// give back is kept nowhere now. `None`: as far as one can see, it can.
    async fn lost(&self, _step: &Step) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    /// Waits for an operation that an earlier process began and told its journal of (see [`Watch::accepted`]). How it
    /// ended does not matter: the look that follows decides.
    async fn follow(&self, _operation: &str, _watch: &dyn Watch) -> Result<(), Failure> {
        Ok(())
    }
}

/// Waits for all answers, at most `at_once` at a time, and gives them in their order.
pub(crate) async fn each<T>(calls: Vec<impl Future<Output = T>>, at_once: usize) -> Vec<T> {
    let numbered = calls.into_iter().enumerate().map(|(at, call)| async move { (at, call.await) });
    let numbered: Vec<_> = futures::stream::iter(numbered).buffer_unordered(at_once.max(1)).collect().await;
    let (places, answers): (Vec<usize>, Vec<T>) = numbered.into_iter().unzip();
    in_order(vec![places], vec![answers])
}

/// The answers of groups as one list, where `places` are theirs in it.
fn in_order<T>(places: Vec<Vec<usize>>, answers: Vec<Vec<T>>) -> Vec<T> {
    let mut list: Vec<(usize, T)> = places.into_iter().flatten().zip(answers.into_iter().flatten()).collect();
    list.sort_by_key(|(at, _)| *at);
    list.into_iter().map(|(_, answer)| answer).collect()
}

/// The only answer to a look that was alone in its group.
pub(crate) fn alone(answers: Vec<Result<Reading, Failure>>) -> Result<Reading, Failure> {
    answers.into_iter().next().unwrap_or_else(|| {
        Err(Failure::new(Class::Other, "a look was not answered").remedy("run the same command again"))
    })
}

/// One kind of resource.
#[async_trait]
pub trait Kind: Send + Sync {
    /// Everything pure about it.
    fn schema(&self) -> &'static Schema;

    /// How it behaves, as far as its schema does not say; see [`MemoryWorld`].
    fn behaviour(&self) -> Behaviour {
        behaviour::PLAIN
    }

    /// Looks. Never changes anything.
    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure>;

    /// With which other looks before a change set this one can be answered in one go: those for which the text is the
    /// same. A fleet's apps share servers, and each server lets few in at a time.
    fn together(&self, _look: &Look<'_>) -> Option<String> {
        None
    }

    /// Answers looks before a change set that belong together, in their order.
    async fn read_together(&self, live: &Live, looks: &[Look<'_>]) -> Vec<Result<Reading, Failure>> {
        let calls = looks.iter().map(|look| self.read(live, *look)).collect();
        each(calls, looks.len()).await
    }

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
        &firewall_rule::FirewallRule,
        &database::Database,
        &schema::Schema,
        &app_identity::AppIdentity,
        &database_role::DatabaseRole,
        &database_grants::DatabaseGrants,
        &app_settings::AppSettings,
        &slot_settings::SlotSettings,
        &deployment::Deployment,
        &check::Check,
        &validation::Validation,
        &soak::Soak,
        &escrow::Escrow,
        &password_login::PasswordLogin,
        &password_setting::PasswordSetting,
        &role_password::RolePassword,
        &server_password_auth::ServerPasswordAuth,
    ]
}

/// The schemas of all kinds.
pub fn schemas() -> Vec<&'static Schema> {
    register().iter().map(|kind| kind.schema()).collect()
}
