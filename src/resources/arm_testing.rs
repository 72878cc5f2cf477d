//! Helpers for tests of kinds against the double of Azure.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{Live, RealClock, Watch, World, Written};
use crate::azure::Arm;
use crate::azure::double::{Double, Reply, Seen, arm};
use crate::model::{
    Address, Attributes, Class, Digester, Failure, Look, Observed, Purpose, Reading, Secret, ServerTarget, State, Step,
    Target, Undo, Value,
};
use crate::postgres::{Access, Databases};
use crate::probe::Web;

/// Attributes from JSON, as plans and journals write them.
pub(crate) fn attributes(json: Json) -> Attributes {
    let Value::Map(map) = Value::try_from(json).unwrap() else { panic!("an object") };
    map
}

/// The digester of the live world of tests.
pub(crate) fn digester() -> Digester {
    Digester::new([7; 32])
}

/// A live world over the double.
pub(crate) fn live(handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> (Live, Arc<Double>) {
    let (arm, double) = arm(handler);
    (assemble(arm, Databases::new(Arc::new(Target::default()), Arc::new(NoAccess))), double)
}

/// A live world with these databases, over an ARM that nobody calls.
pub(crate) fn with_databases(databases: Databases) -> Live {
    let (arm, _) = arm(|seen| panic!("unexpected call to ARM: {seen:?}"));
    assemble(arm, databases)
}

fn assemble(arm: Arm, databases: Databases) -> Live {
    Live {
        arm,
        databases,
        web: Web::new(Vec::new()).unwrap(),
        digester: digester(),
        evidence: Arc::default(),
        moves: Arc::default(),
        clock: Arc::new(RealClock),
        directory: None,
    }
}

/// Nobody can sign in to a database.
struct NoAccess;

#[async_trait]
impl Access for NoAccess {
    async fn token(&self) -> Result<Secret, Failure> {
        Err(Failure::new(Class::NotSignedIn, "no token in this test"))
    }

    async fn host(&self, _: &ServerTarget) -> Result<String, Failure> {
        Err(Failure::new(Class::NotFound, "no host in this test"))
    }
}

/// A whole reading for a purpose.
pub(crate) async fn look(
    live: &Live,
    kind: &str,
    key: &Attributes,
    asked: &Attributes,
    purpose: Purpose,
) -> Result<Reading, Failure> {
    let address = Address::new(kind, "test");
    live.read(Look { address: &address, key, attributes: asked, purpose, via: None }).await
}

/// The state found when settling; `None` when absent.
pub(crate) async fn read(
    kind: &str,
    key: &Attributes,
    asked: &Attributes,
    handler: impl FnMut(&Seen) -> Reply + Send + 'static,
) -> (Option<Attributes>, Attributes) {
    let (live, _) = live(handler);
    match look(&live, kind, key, asked, Purpose::Settle).await.unwrap().observed {
        Observed::Present(State { attributes, outputs }) => (Some(attributes), outputs),
        _ => (None, Attributes::new()),
    }
}

struct Nobody;

impl Watch for Nobody {
    fn note(&self, _: &str) {}
}

/// Writes one step.
pub(crate) async fn write(
    kind: &str,
    key: &Attributes,
    before: Option<Attributes>,
    after: Option<Attributes>,
    handler: impl FnMut(&Seen) -> Reply + Send + 'static,
) -> (Result<Written, Failure>, Arc<Double>) {
    let (live, double) = live(handler);
    (live.write(&step(kind, key, before, after), &Nobody).await, double)
}

/// A step between two ends.
pub(crate) fn step(kind: &str, key: &Attributes, before: Option<Attributes>, after: Option<Attributes>) -> Step {
    let address = Address::new(kind, "test");
    Step {
        id: address.to_string(),
        address,
        key: key.clone(),
        before,
        after,
        via: None,
        undo: Undo::Faithful,
        leans_on: std::collections::BTreeSet::new(),
        serial_key: None,
        restarts: 0,
    }
}
