//! The sensor `privileges`: the new roles may do what the plan file says, on what is there and on what will be created.

use async_trait::async_trait;

use super::{PRIVILEGES, Sensor, tables};
use crate::evidence::{Measurement, Standpoint};
use crate::model::Attributes;
use crate::resources::Live;
use crate::resources::check_privileges::complaints;

/// Asks PostgreSQL for the effective privileges of each role.
pub(super) struct Privileges<'a> {
    pub(super) live: &'a Live,
    pub(super) validation: &'a Attributes,
}

#[async_trait]
impl Sensor for Privileges<'_> {
    fn name(&self) -> &str {
        PRIVILEGES
    }

    async fn measure(&self, _standpoint: Standpoint) -> Measurement {
        let mut found = Vec::new();
        let tables = tables(self.validation, "privileges");
        for table in &tables {
            match complaints(self.live, table).await {
                Ok(complaints) => found.extend(complaints),
                Err(failure) => return Measurement::blind(PRIVILEGES, failure.in_a_line()),
            }
        }
        if found.is_empty() {
            let what = "effective privileges by has_*_privilege; those on tomorrow's objects by pg_default_acl";
            return Measurement::passed(PRIVILEGES, format!("{} complete: {what}", tables.len()));
        }
        Measurement::failed(PRIVILEGES, found.join("; "))
    }
}
