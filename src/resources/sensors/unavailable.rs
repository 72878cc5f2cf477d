//! A sensor of a kind that this version cannot measure: blind, and says so.

use async_trait::async_trait;

use super::Sensor;
use crate::evidence::{Measurement, Standpoint};

/// Sees nothing.
pub(super) struct Unavailable<'a> {
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
}

#[async_trait]
impl Sensor for Unavailable<'_> {
    fn name(&self) -> &str {
        self.name
    }

    async fn measure(&self, _standpoint: Standpoint) -> Measurement {
        Measurement::blind(self.name, format!("this version cannot measure by {}", self.kind))
    }
}
