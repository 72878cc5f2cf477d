//! Sensors: what one observation measures, and the register of those that a `validation` comes to.

mod census;
mod identity;
pub(super) mod log_queries;
#[cfg(test)]
mod log_tests;
pub(super) mod logs;
mod monitoring;
mod privileges;
mod probes;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::Live;
use super::live::text;
use crate::evidence::{Measurement, Scope, Standpoint, Times, Verdict};
use crate::model::{Attributes, Class, Failure, Value};

use log_queries::{LogQueries, log_queries};
pub use monitoring::{MonitoringQuery, monitoring, sensor_queries};
pub use scope::{login_note, server_of};
pub use scope::{noted, scope};

/// The sensor that says who is connected as the old role.
pub const CENSUS: &str = "census";
/// The sensor that compares identities with the roles that stand for them.
pub const IDENTITY: &str = "identity";
/// The sensor that asks what the new roles may do.
pub const PRIVILEGES: &str = "privileges";

/// Measures one thing. Never changes anything.
#[async_trait]
pub trait Sensor: Send + Sync {
    /// Its name, the same in each observation.
    fn name(&self) -> &str;

    /// Measures. What cannot be seen is a blind measurement, not an error. A sensor that looks back covers
    /// [`Standpoint::interval`] and says so with [`Measurement::covering`].
    async fn measure(&self, standpoint: Standpoint) -> Measurement;
}

/// From where an observation is made. Everything takes a `validation` by its attributes.
#[async_trait]
pub trait Vantage: Send + Sync {
    /// What time it is.
    async fn times(&self, validation: &Attributes) -> Times;

    /// What the observation is about.
    async fn scope(&self, validation: &Attributes) -> Result<Scope, Failure>;

    /// What is noted besides.
    async fn noted(&self, validation: &Attributes) -> BTreeMap<String, String>;

    /// What measures.
    fn sensors<'a>(&'a self, validation: &'a Attributes) -> Result<Vec<Box<dyn Sensor + 'a>>, Failure>;
}

#[async_trait]
impl Vantage for Live {
    async fn times(&self, validation: &Attributes) -> Times {
        self.clock.times(self, server_of(validation)).await
    }

    async fn scope(&self, validation: &Attributes) -> Result<Scope, Failure> {
        scope(self, validation).await
    }

    async fn noted(&self, validation: &Attributes) -> BTreeMap<String, String> {
        noted(self, validation).await
    }

    fn sensors<'a>(&'a self, validation: &'a Attributes) -> Result<Vec<Box<dyn Sensor + 'a>>, Failure> {
        sensors(self, validation)
    }
}

/// The sensors of a `validation` (by its attributes), in the order of reports.
///
/// # Errors
/// `Input`: a part of it cannot be read.
pub fn sensors<'a>(live: &'a Live, validation: &'a Attributes) -> Result<Vec<Box<dyn Sensor + 'a>>, Failure> {
    let mut all: Vec<Box<dyn Sensor + 'a>> = Vec::new();
    for probe in tables(validation, "probes") {
        all.push(Box::new(probes::Probe::new(live, probe)?));
    }
    if !tables(validation, "privileges").is_empty() {
        all.push(Box::new(privileges::Privileges { live, validation }));
    }
    if validation.contains_key("app") && !tables(validation, "roles").is_empty() {
        all.push(Box::new(identity::Drift { live, validation }));
    }
    if let Some(role) = validation.get("old_role").and_then(Value::as_map) {
        all.push(Box::new(census::Census { live, server: text(role, "server")?, role: text(role, "name")? }));
    }
    for sensor in tables(validation, "sensors") {
        all.push(Box::new(logs::Log::new(live, validation, sensor)?));
    }
    let mut names = BTreeSet::new();
    match all.iter().map(|sensor| sensor.name()).find(|name| !names.insert(*name)) {
        // Of two under one name only the first would be heard.
        Some(twice) => {
            let failure = Failure::new(Class::Input, "two sensors have one name").detail(twice);
            Err(failure.remedy("give one of them another `name`"))
        }
        None => Ok(all),
    }
}

/// Whether a sensor of server logs saw logins of a role since the standpoint's watermark; blind where the log does not reach
/// from there to about now.
pub(super) async fn logins(
    live: &Live,
    server: &str,
    role: &str,
    sensor: &Attributes,
    standpoint: Standpoint,
) -> Result<Verdict, Failure> {
    let role = Attributes::from([("server".to_owned(), server.into()), ("name".to_owned(), role.into())]);
    let about = Attributes::from([("old_role".to_owned(), Value::Map(role))]);
    Ok(logs::Log::new(live, &about, sensor)?.logins(standpoint).await)
}

/// The names of the sensors of a `validation`, without the live system.
pub fn sensor_names(validation: &Attributes) -> BTreeSet<String> {
    let of = |list: &str| tables(validation, list).into_iter().filter_map(|table| table.get("name")?.as_text());
    let mut names: BTreeSet<String> = of("probes").map(probes::name).collect();
    names.extend(of("sensors").map(str::to_owned));
    if !tables(validation, "privileges").is_empty() {
        names.insert(PRIVILEGES.to_owned());
    }
    if validation.contains_key("app") && !tables(validation, "roles").is_empty() {
        names.insert(IDENTITY.to_owned());
    }
    if validation.contains_key("old_role") {
        names.insert(CENSUS.to_owned());
    }
    names
}

/// The tables in a list field.
pub(super) fn tables<'a>(attributes: &'a Attributes, name: &str) -> Vec<&'a Attributes> {
    attributes.get(name).and_then(Value::as_list).unwrap_or_default().iter().filter_map(Value::as_map).collect()
}
