//! The sensors `probe ...`: the app answers as it should.

use async_trait::async_trait;

use super::Sensor;
use crate::evidence::{Measurement, Standpoint};
use crate::model::{Attributes, Class, Failure, Value};
use crate::resources::Live;
use crate::resources::check_http::complaints;
use crate::resources::live::{optional_text, text};

/// One probe.
pub(super) struct Probe<'a> {
    live: &'a Live,
    name: String,
    http: &'a Attributes,
}

/// What the sensor of a probe is called.
pub(super) fn name(probe: &str) -> String {
    format!("probe {probe}")
}

impl<'a> Probe<'a> {
    /// The probe that a table with `name` and `http` describes.
    pub(super) fn new(live: &'a Live, table: &'a Attributes) -> Result<Self, Failure> {
        let http = table.get("http").and_then(Value::as_map);
        let http = http.ok_or_else(|| {
            Failure::new(Class::Input, "the probe has no request")
                .detail(optional_text(table, "name").unwrap_or("a probe without a name"))
                .remedy("add `http` to the probe in the plan file")
        })?;
        Ok(Self { live, name: name(text(table, "name")?), http })
    }
}

#[async_trait]
impl Sensor for Probe<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    /// An app that does not answer has failed; a probe that cannot be sent (no key, no token, no address) saw nothing.
    async fn measure(&self, _standpoint: Standpoint) -> Measurement {
        match complaints(self.live, self.http).await {
            Ok(found) if found.is_empty() => Measurement::passed(&self.name, "answered as expected"),
            Ok(found) => Measurement::failed(&self.name, found.join("; ")),
            Err(failure) => Measurement::blind(&self.name, failure.in_a_line()),
        }
    }
}
