//! A world in memory: serves every kind from its schema and behaviour, refuses what the real one refuses, and can be made
//! to fail at any write.

mod around;
mod fault;
mod state;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

pub use fault::Fault;
pub use state::{Difference, Id, State};

pub(super) use state::shown;

use super::behaviour::{Behaviour, Law, PLAIN};
use super::{Watch, World, Written, register};
use crate::model::{Attributes, Class, Failure, Look, Nature, Observed, Purpose, Reading, Schema, Step, Value};

/// One call that a world in memory served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A look at a resource.
    Read(Id),
    /// A write was begun: the step's id.
    Begun(String),
    /// A write ended: the step's id.
    Ended(String),
}

/// A world in memory.
///
/// ```
/// use pgentra::resources::MemoryWorld;
/// let world = MemoryWorld::new();
/// assert_eq!(world.state().all().count(), 0);
/// ```
#[derive(Debug)]
pub struct MemoryWorld {
    kinds: BTreeMap<&'static str, (&'static Schema, Behaviour)>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    read_only: bool,
    faults: BTreeMap<String, Fault>,
    stale: BTreeMap<Id, (u32, Option<Attributes>)>,
    operations: BTreeMap<Id, Operation>,
    busy: BTreeSet<String>,
    made: BTreeMap<Id, u64>,
    calls: Vec<Call>,
}

/// A write that the service works on.
#[derive(Clone, Debug)]
struct Operation {
    looks: u32,
    step: Step,
    schema: &'static Schema,
    behaviour: Behaviour,
}

impl Default for MemoryWorld {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryWorld {
    /// An empty world that knows every kind of the register.
    pub fn new() -> Self {
        let kinds = register().iter().map(|kind| (kind.schema().kind, (kind.schema(), kind.behaviour()))).collect();
        Self { kinds, inner: Mutex::default() }
    }

    /// The same world, and it knows this kind, too.
    #[must_use]
    pub fn with_kind(mut self, schema: &'static Schema) -> Self {
        self.kinds.insert(schema.kind, (schema, PLAIN));
        self
    }

    /// Another world in the same state, without the faults that are still to come.
    pub fn fork(&self) -> Self {
        let inner = self.inner();
        let next = Inner {
            state: inner.state.clone(),
            stale: inner.stale.clone(),
            operations: inner.operations.clone(),
            made: inner.made.clone(),
            ..Inner::default()
        };
        Self { kinds: self.kinds.clone(), inner: Mutex::new(next) }
    }

    /// Everything that is there now.
    pub fn state(&self) -> State {
        self.inner().state.clone()
    }

    /// Changes the world behind pgentra's back.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.inner().state);
    }

    /// Makes the next write of the step with this id fail; one write, then the fault is gone.
    pub fn plant(&self, step: impl Into<String>, fault: Fault) {
        self.inner().faults.insert(step.into(), fault);
    }

    /// Lets every operation that goes on by itself come to its end, whenever that would have been.
    pub fn finish_operations(&self) {
        let mut inner = self.inner();
        let ids: Vec<Id> = inner.operations.keys().cloned().collect();
        for id in ids {
            inner.go_on(&id, true);
        }
    }

    /// Refuses every write from now on, or no longer.
    pub fn set_read_only(&self, on: bool) {
        self.inner().read_only = on;
    }

    /// The calls that it served, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.inner().calls.clone()
    }

    /// Every law that some kind has, with the kind's name.
    pub fn laws(&self) -> Vec<(&'static str, Law)> {
        let of = |(kind, (_, behaviour)): (&&'static str, &(&'static Schema, Behaviour))| {
            behaviour.laws.iter().map(|law| (*kind, *law)).collect::<Vec<_>>()
        };
        self.kinds.iter().flat_map(of).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kind(&self, name: &str) -> Result<(&'static Schema, Behaviour), Failure> {
        let unknown = || Failure::new(Class::Input, "this world does not know the kind").detail(name);
        self.kinds.get(name).copied().ok_or_else(unknown)
    }

    /// Takes a write as an operation that goes on by itself.
    fn accept(&self, step: &Step, schema: &'static Schema, behaviour: Behaviour, fault: Option<Fault>) {
        if let Some(Fault::GoesOn(looks)) = fault {
            let operation = Operation { looks: looks.saturating_add(1), step: step.clone(), schema, behaviour };
            self.inner().operations.insert(Id::new(schema.kind, &step.key), operation);
        }
    }

    /// Begins a write: one at a time per serial key, as Azure allows one operation at a time per server.
    fn begin(&self, schema: &Schema, step: &Step) -> Result<Busy<'_>, Failure> {
        let key = (schema.serial_key)(&step.key);
        let mut inner = self.inner();
        if inner.read_only {
            return Err(Failure::new(Class::Forbidden, "nothing may be written").detail(step.id.clone()));
        }
        if let Some(key) = &key
            && !inner.busy.insert(key.clone())
        {
            return Err(Failure::new(Class::Busy, "busy with another operation").detail(key.clone()));
        }
        inner.calls.push(Call::Begun(step.id.clone()));
        Ok(Busy { world: self, key, id: step.id.clone() })
    }
}

/// A write that goes on. It ends when this is dropped, as a call ends whose caller dies.
struct Busy<'a> {
    world: &'a MemoryWorld,
    key: Option<String>,
    id: String,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut inner = self.world.inner();
        if let Some(key) = &self.key {
            inner.busy.remove(key);
        }
        inner.calls.push(Call::Ended(std::mem::take(&mut self.id)));
    }
}

#[async_trait]
impl World for MemoryWorld {
    fn schema(&self, kind: &str) -> Option<&'static Schema> {
        self.kinds.get(kind).map(|(schema, _)| *schema)
    }

    async fn read(&self, look: Look<'_>) -> Result<Reading, Failure> {
        let (schema, behaviour) = self.kind(&look.address.kind)?;
        tokio::task::yield_now().await;
        let mut inner = self.inner();
        let id = Id::new(schema.kind, look.key);
        inner.calls.push(Call::Read(id.clone()));
        inner.go_on(&id, false);
        let past = inner.past(&id);
        read(past.as_ref().unwrap_or(&inner.state), schema, behaviour, &look)
    }

    async fn write(&self, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let (schema, behaviour) = self.kind(&step.address.kind)?;
        let _busy = self.begin(schema, step)?;
        tokio::task::yield_now().await;
        let fault = self.inner().faults.remove(&step.id);
        if let Some(Fault::FailsLate | Fault::GoesOn(_)) = fault {
            self.accept(step, schema, behaviour, fault);
            watch.accepted(&step.id);
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
        if let Some(Fault::GoesOn(_)) = fault {
            self.inner().go_on(&Id::new(schema.kind, &step.key), true);
            return Ok(Written::Done);
        }
        // The service does one thing after the other.
        self.inner().go_on(&Id::new(schema.kind, &step.key), true);
        let written = self.inner().write(step, schema, behaviour, fault);
        tokio::task::yield_now().await;
        written
    }

    async fn follow(&self, operation: &str, _watch: &dyn Watch) -> Result<(), Failure> {
        tokio::task::yield_now().await;
        let mut inner = self.inner();
        let ids: Vec<Id> =
            inner.operations.iter().filter(|(_, one)| one.step.id == operation).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            inner.go_on(id, true);
        }
        Ok(())
    }
}

fn read(state: &State, schema: &Schema, behaviour: Behaviour, look: &Look<'_>) -> Result<Reading, Failure> {
    match schema.nature {
        Nature::Resource => {}
        Nature::Check => {
            let complaints = (behaviour.complaints)(state, look.attributes);
            return Ok(answer("passed", complaints.is_empty(), complaints, look));
        }
        Nature::Gate => {
            return Ok(answer("open", is_open(state, schema, look.key), vec!["it is not open".to_owned()], look));
        }
    }
    if let Some(why) = (behaviour.missing)(state, schema.kind, look.key) {
        return Err(Failure::new(Class::NotFound, "what it is a part of is not there").detail(why));
    }
    match ((behaviour.hidden)(state, look.key), look.purpose) {
        (Some(why), Purpose::Plan) => return Ok(Reading::not_yet(why)),
        (Some(why), Purpose::Settle) => return Err(Failure::new(Class::NotSignedIn, "nobody is let in").detail(why)),
        (None, Purpose::Plan) => {
            if let Some(reading) = (behaviour.plan)(state, look)? {
                return Ok(reading);
            }
        }
        (None, Purpose::Settle) => {}
    }
    let Some(live) = live(state, schema, behaviour, look.key) else { return Ok(Reading::absent()) };
    let seen = |(name, asked): (&String, &Value)| {
        let told = behaviour.told.contains(&name.as_str());
        (name.clone(), if told { asked.clone() } else { shown(asked, live.get(name)) })
    };
    let attributes = look.attributes.iter().map(seen).collect();
    let mut outputs = (behaviour.outputs)(look.key, &live, look.attributes);
    for output in schema.outputs {
        let value = output.same_as.map_or_else(|| live.get(output.name), |field| look.key.get(field));
        if let Some(value) = value {
            outputs.entry(output.name.to_owned()).or_insert_with(|| value.clone());
        }
    }
    let mut reading = Reading::present(attributes, outputs);
    let lost = (behaviour.lost)(state, look.key, look.attributes);
    (reading.gone, reading.replaced) = (lost.gone, lost.replaced);
    Ok(reading)
}

/// What is there: of a part of something bigger, what it is like where nobody has written it.
fn live(state: &State, schema: &Schema, behaviour: Behaviour, key: &Attributes) -> Option<Attributes> {
    match (state.get(schema.kind, key), behaviour.part) {
        (live, Some(unwritten)) => {
            let mut all = unwritten();
            all.extend(live.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
            Some(all)
        }
        (live, None) => live.cloned(),
    }
}

/// The reading of a check or gate.
fn answer(name: &str, holds: bool, notes: Vec<String>, look: &Look<'_>) -> Reading {
    let end = |holds: bool| Attributes::from([(name.to_owned(), Value::Bool(holds))]);
    let mut reading =
        Reading::of(Observed::Present(crate::model::State { attributes: end(holds), outputs: Attributes::new() }));
    reading.desired = (look.purpose == Purpose::Plan).then(|| end(true));
    reading.notes = if holds { Vec::new() } else { notes };
    reading
}

/// Whether a gate was opened in this world: its thing says `open`.
fn is_open(state: &State, schema: &Schema, key: &Attributes) -> bool {
    state.get(schema.kind, key).and_then(|gate| gate.get("open")).and_then(Value::as_bool) == Some(true)
}

/// An id in the form of a GUID.
pub(super) fn guid(number: u64) -> String {
    format!("{:08x}-0000-4000-8000-{:012x}", number >> 32, number & 0xffff_ffff)
}
