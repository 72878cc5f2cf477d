//! Kind `soak`: a gate that opens once the old role's login has been off for a while and the app still works.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::live::text;
use super::sensors::login_note;
use super::validation::{ASKED, decision, reading, written};
use super::{Kind, Live, Watch, Written};
use crate::evidence::Decision;
use crate::model::{Attributes, Class, Failure, Field, Look, Nature, Reading, Schema, Step, Type, Undo};

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
        Ok(reading(&soaked(live, look.attributes).await?, look.purpose))
    }

    async fn write(&self, live: &Live, step: &Step, _watch: &dyn Watch) -> Result<Written, Failure> {
        let none = Attributes::new();
        Ok(written(&soaked(live, step.after.as_ref().unwrap_or(&none)).await?))
    }
}

/// What the observations say that were made since the old role can no longer log in.
async fn soaked(live: &Live, asked: &Attributes) -> Result<Decision, Failure> {
    let (note, _) = login_note(asked).ok_or_else(|| {
        Failure::new(Class::Input, "the old role is not named")
            .detail("a soak waits while it cannot log in")
            .remedy("add `old_role` to the soak in the plan file")
    })?;
    let noted = BTreeMap::from([(note, "not allowed".to_owned())]);
    decision(live, text(asked, "validation")?, asked, noted).await
}
