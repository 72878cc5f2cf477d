//! The sensor `identity`: the role on the server stands for the identity that the app has now.

use async_trait::async_trait;

use super::scope::{identities, mapped, role_tables};
use super::{IDENTITY, Sensor};
use crate::evidence::{Measurement, Standpoint};
use crate::model::{Attributes, Failure};
use crate::resources::Live;

/// Compares the object id in each role's label with the live principals of the app.
pub(super) struct Drift<'a> {
    pub(super) live: &'a Live,
    pub(super) validation: &'a Attributes,
}

impl Drift<'_> {
    async fn complaints(&self) -> Result<Vec<String>, Failure> {
        let principals = identities(self.live, self.validation).await?;
        let mut found = Vec::new();
        for (server, role) in role_tables(self.validation)? {
            match mapped(self.live, server, role).await? {
                None => found.push(format!("there is no role {role} on {server}, or it stands for no principal")),
                Some(id) if !principals.contains(&id) => {
                    let has = if principals.is_empty() { "none".to_owned() } else { principals.join(", ") };
                    found.push(format!("role {role} on {server} stands for {id}; the app has {has}"));
                }
                Some(_) => {}
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Sensor for Drift<'_> {
    fn name(&self) -> &str {
        IDENTITY
    }

    async fn measure(&self, _standpoint: Standpoint) -> Measurement {
        match self.complaints().await {
            Ok(found) if found.is_empty() => {
                Measurement::passed(IDENTITY, "each role stands for an identity that the app has")
            }
            Ok(found) => Measurement::failed(IDENTITY, found.join("; ")),
            Err(failure) => Measurement::blind(IDENTITY, failure.in_a_line()),
        }
    }
}
