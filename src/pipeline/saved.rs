//! A saved plan: the steps with both ends and nothing left to decide, as a file that holds no secret.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::restate::changes_of;
use super::{Planned, given, leans};
use crate::diff::ChangeSet;
use crate::engine::{Fit, fit};
use crate::model::{Address, Attributes, Class, Failure, Schema, Step, Target, Value};
use crate::plan::PlanFile;
use crate::resources::World;

/// The format that [`SavedPlan::format`] carries.
pub const SAVED_PLAN_FORMAT: u32 = 1;

/// A plan that was saved: its steps with both ends, and nothing left to decide. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// Format of this file.
    pub format: u32,
    /// The tool's version.
    pub version: String,
    /// The plan's name.
    pub plan: String,
    /// SHA-256 (hex) of the plan file and variables.
    pub digest: String,
    /// When it was made.
    pub made: Timestamp,
    /// How the live system is reached.
    pub target: Target,
    /// The store of the plan file: its URL, or its directory as an absolute path.
    pub store: String,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// What the resources of the steps lean on, directly or through others, changed or not.
    #[serde(default)]
    pub leans: BTreeMap<Address, BTreeSet<Address>>,
    /// The outputs known when it was made.
    pub given: BTreeMap<Address, Attributes>,
    /// Whether it ends where the system could not be read.
    pub frontier: bool,
    /// Whether a gate held something when it was made.
    #[serde(default)]
    pub held: bool,
}

/// What we hold could not be written as JSON.
pub(super) fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::new(Class::Other, "cannot be written as JSON").detail(error.to_string()).remedy("report it as a bug")
}

impl SavedPlan {
    /// What is saved of a planned change set. `keyed`: the store has a key to compare secrets by.
    ///
    /// # Errors
    /// When a step holds a secret and `keyed` is false: its digest could not be compared by a later process.
    pub fn new(file: &PlanFile, planned: &Planned, keyed: bool, store: &str) -> Result<Self, Failure> {
        let secret =
            planned.steps.iter().find(|step| [&step.before, &step.after].into_iter().flatten().any(holds_secret));
        if let (Some(step), false) = (secret, keyed) {
            return Err(Failure::new(Class::Input, "the plan cannot be saved yet")
                .detail(format!("{} changes a secret, and the store has no key to compare secrets by", step.id))
                .remedy("apply once without a saved plan; the first apply makes the key"));
        }
        Ok(Self {
            format: SAVED_PLAN_FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: file.name.clone(),
            digest: file.digest.clone(),
            made: Timestamp::now(),
            target: file.target.clone(),
            store: store.to_owned(),
            steps: planned.steps.clone(),
            leans: leans(&planned.changes),
            given: given(&planned.changes),
            frontier: planned.frontier,
            held: planned.changes.summary().held > 0,
        })
    }

    /// Reads a saved plan.
    ///
    /// # Errors
    /// `Input`: it is not one, or it is of a later version.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let wrong = |error: serde_json::Error| {
            Failure::new(Class::Input, "this is no saved plan")
                .detail(error.to_string())
                .remedy("save one with `pgentra plan --out FILE`")
        };
        let Head { format } = serde_json::from_str(text).map_err(wrong)?;
        if format != SAVED_PLAN_FORMAT {
            return Err(Failure::new(Class::Input, "the saved plan was made by another version of pgentra")
                .detail(format!("it has format {format}; this version reads {SAVED_PLAN_FORMAT}"))
                .remedy("use the version that made it, or plan again"));
        }
        serde_json::from_str(text).map_err(wrong)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn text(&self) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n").map_err(|error| unwritable(&error))
    }

    /// The change set that the steps make up, for reports.
    pub fn changes(&self, schemas: &[&'static Schema]) -> ChangeSet {
        changes_of(&self.steps, &|kind| schemas.iter().find(|schema| schema.kind == kind).copied())
    }
}

/// The steps that no longer fit the live system, and why. Changes nothing.
///
/// # Errors
/// The first one of the looks.
pub(super) async fn misfits(world: &dyn World, steps: &[Step], parallelism: usize) -> Result<Vec<String>, Failure> {
    let look = |step| async move {
        let fit = fit(world, step, false).await?;
        let Fit::Misfit(failure) = fit else { return Ok::<_, Failure>(None) };
        Ok(Some(format!("{}: {}", step.address, failure.detail.as_deref().unwrap_or(failure.summary))))
    };
    let looks: Vec<_> = steps.iter().map(look).collect();
    let misfits: Vec<Option<String>> = stream::iter(looks).buffered(parallelism.max(1)).try_collect().await?;
    Ok(misfits.into_iter().flatten().collect())
}

fn holds_secret(end: &Attributes) -> bool {
    fn is_secret(value: &Value) -> bool {
        match value {
            Value::Secret(_) => true,
            Value::Map(map) => map.values().any(is_secret),
            Value::List(list) => list.iter().any(is_secret),
            _ => false,
        }
    }
    end.values().any(is_secret)
}
