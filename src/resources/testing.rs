//! Helps tests of the database kinds: one resource planned, applied and undone against a real server.

use std::collections::BTreeSet;

use crate::model::{Address, Attributes, Failure, Look, Observed, Purpose, Reading, Step, Undo, Value};
use crate::postgres::Databases;
use crate::postgres::testing::SERVER;

use super::{Kind, Live, Watch};

/// One resource of a kind.
pub(super) struct Bench<'a> {
    /// The kind.
    pub(super) kind: &'a dyn Kind,
    /// The live system.
    pub(super) live: Live,
    /// Where to find the resource.
    pub(super) key: Attributes,
}

/// Nobody listens.
pub(super) struct Deaf;

impl Watch for Deaf {
    fn note(&self, _text: &str) {}
}

/// A map out of pairs.
pub(super) fn attributes<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A list of texts.
pub(super) fn list(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|text| Value::text(*text)).collect())
}

impl<'a> Bench<'a> {
    pub(super) fn new(kind: &'a dyn Kind, databases: Databases, name: (&str, &str)) -> Self {
        let key = attributes([("server", Value::text(SERVER)), (name.0, Value::text(name.1))]);
        Self { kind, live: super::arm_testing::with_databases(databases), key }
    }

    pub(super) async fn look(
        &self,
        asked: &Attributes,
        purpose: Purpose,
        via: Option<&str>,
    ) -> Result<Reading, Failure> {
        let address = Address::new(self.kind.schema().kind, "x");
        self.kind.read(&self.live, Look { address: &address, key: &self.key, attributes: asked, purpose, via }).await
    }

    pub(super) async fn plan(&self, wanted: &Attributes) -> Reading {
        self.look(wanted, Purpose::Plan, None).await.unwrap()
    }

    /// The step that a change set would hold, in one piece.
    pub(super) async fn step(&self, wanted: &Attributes) -> Step {
        let reading = self.plan(wanted).await;
        self.between(before(&reading), Some(reading.desired.unwrap_or_else(|| wanted.clone())))
    }

    pub(super) fn between(&self, before: Option<Attributes>, after: Option<Attributes>) -> Step {
        Step {
            id: "x".into(),
            address: Address::new(self.kind.schema().kind, "x"),
            key: self.key.clone(),
            before,
            after,
            via: None,
            undo: Undo::Faithful,
            leans_on: BTreeSet::new(),
            serial_key: None,
            restarts: 0,
        }
    }

    /// What a write of this step would run, the transaction around it included.
    pub(super) async fn statements(&self, step: &Step) -> Vec<String> {
        self.kind.statements(&self.live, step).await.unwrap()
    }

    pub(super) async fn write(&self, step: &Step) -> Result<(), Failure> {
        self.kind.write(&self.live, step, &Deaf).await.map(|_| ())
    }
}

/// The state that a reading found.
pub(super) fn before(reading: &Reading) -> Option<Attributes> {
    match &reading.observed {
        Observed::Present(state) => Some(state.attributes.clone()),
        Observed::Absent => None,
        Observed::Unreadable(why) => panic!("unreadable: {why:?}"),
    }
}

/// The step with its ends swapped.
pub(super) fn undo(step: &Step) -> Step {
    Step { before: step.after.clone(), after: step.before.clone(), ..step.clone() }
}
