//! Kind `soak`: a gate that opens once the old role's login has been off for a while and the app still works.

use std::time::Duration;

use async_trait::async_trait;

use super::validation::{ASKED, decision, reading, soak_terms, written};
use super::{Kind, Live, Watch, Written};
use crate::model::{Attributes, Failure, Field, Look, Nature, Reading, Schema, Step, Type, Undo};

/// The kind `soak`.
pub struct Soak;

static SCHEMA: Schema = Schema {
    kind: "soak",
    doc: "Holds what leans on it until the old role could not log in for a whole period and observations passed \
          meanwhile. It asks the observations of a validation; they go on while it lasts.",
    nature: Nature::Gate,
    fields: &[
        ASKED[0],
        Field::new("validation", Type::Text, "The name of the validation whose observations are asked.").required(),
        ASKED[1],
        ASKED[2],
        ASKED[3],
        ASKED[4],
        ASKED[5],
        ASKED[6],
        ASKED[7],
        ASKED[8],
        ASKED[9],
        ASKED[10],
        ASKED[11],
        ASKED[12],
        ASKED[13],
        ASKED[14],
    ],
    outputs: &[],
    undo: |_, _| Undo::Faithful,
    serial_key: |_| None,
    restarts: |_, _| 0,
    consistent_within: Duration::ZERO,
};

#[async_trait]
impl Kind for Soak {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let terms = soak_terms(live, look.address, look.attributes)?;
        Ok(reading(&decision(live, &terms, look.attributes).await, look.purpose))
    }

    async fn write(&self, live: &Live, step: &Step, _watch: &dyn Watch) -> Result<Written, Failure> {
        let none = Attributes::new();
        let asked = step.after.as_ref().unwrap_or(&none);
        let terms = soak_terms(live, &step.address, asked)?;
        Ok(written(&decision(live, &terms, asked).await))
    }
}
