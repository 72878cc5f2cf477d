//! A small world in memory with faults to plant, and a store whose holder can die, for tests of whole runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{Applied, ApplyOptions, Approve, Context, Planned, RollbackOptions};
use crate::engine::{Scope, Silent, Stop};
use crate::journal::Record;
use crate::model::{
    Address, Attributes, Class, Desired, Failure, Field, Graph, Look, Nature, Output, Reading, Schema, Step, Target,
    Type, Undo, Value,
};
use crate::plan::PlanFile;
use crate::resources::{Watch, World, Written};
use crate::store::{Directory, Held, LockNote, Store as _};

const FIELDS: &[Field] = &[
    Field::new("name", Type::Text, "Name.").key(),
    Field::new("x", Type::Text, "Text.").or_reference(),
    Field::new("map", Type::Map(&Type::Text), "Entries."),
];

const OUTPUTS: &[Output] = &[Output { name: "id", doc: "Its id.", same_as: None }];

const fn schema(
    kind: &'static str,
    nature: Nature,
    undo: fn(Option<&Attributes>, Option<&Attributes>) -> Undo,
) -> Schema {
    Schema {
        kind,
        doc: "A thing.",
        nature,
        fields: FIELDS,
        outputs: OUTPUTS,
        undo,
        serial_key: |key| key.get("serial").and_then(Value::as_text).map(str::to_owned),
        restarts: |_, _| 0,
        consistent_within: Duration::ZERO,
    }
}

static THING: Schema = schema("thing", Nature::Resource, |_, _| Undo::Faithful);
static KEPT: Schema = schema("kept", Nature::Resource, |_, after| match after {
    Some(_) => Undo::Kept("others may use it".to_owned()),
    None => Undo::Lossy("another id".to_owned()),
});
static NEVER: Schema = schema("never", Nature::Resource, |_, _| Undo::Never("nobody has the old value".to_owned()));
static GATE: Schema = schema("gate", Nature::Gate, |_, _| Undo::Faithful);
static CHECK: Schema = schema("check", Nature::Check, |_, _| Undo::Faithful);

/// What goes wrong with the next write of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails before anything happens.
    Before,
    /// It happens, and the reply is lost.
    After,
    /// It says that it happened.
    Lie,
    /// Somebody asks the run to stop meanwhile.
    Signal,
    /// It takes long.
    Slow,
}

/// A world in memory: things by name.
#[derive(Default)]
pub(super) struct Small {
    pub(super) things: Mutex<BTreeMap<String, Attributes>>,
    pub(super) faults: Mutex<BTreeMap<String, Fault>>,
    pub(super) writes: AtomicUsize,
    pub(super) stop: Stop,
    /// The serial keys of calls in flight.
    pub(super) busy: Mutex<BTreeSet<String>>,
    /// Things that cannot be looked at.
    pub(super) unreadable: Mutex<BTreeSet<String>>,
}

pub(super) fn attributes(json: Json) -> Attributes {
    match Value::try_from(json).unwrap() {
        Value::Map(map) => map,
        other => panic!("{other:?}"),
    }
}

fn name(key: &Attributes) -> String {
    key.get("name").and_then(Value::as_text).unwrap().to_owned()
}

/// Sets what `after` says, and takes away what only `before` says.
fn change(thing: &mut Attributes, before: &Attributes, after: &Attributes) {
    for field in before.keys().chain(after.keys()) {
        match (before.get(field), after.get(field)) {
            (from, Some(Value::Map(to))) => {
                let none = Attributes::new();
                let mut map = thing.get(field).and_then(Value::as_map).cloned().unwrap_or_default();
                change(&mut map, from.and_then(Value::as_map).unwrap_or(&none), to);
                thing.insert(field.clone(), Value::Map(map));
            }
            (_, None | Some(Value::Null)) => _ = thing.remove(field),
            (_, Some(value)) => _ = thing.insert(field.clone(), value.clone()),
        }
    }
}

impl Small {
    pub(super) fn put(&self, name: &str, json: Json) {
        self.things.lock().unwrap().insert(name.to_owned(), attributes(json));
    }

    pub(super) fn fault(&self, name: &str, fault: Fault) {
        self.faults.lock().unwrap().insert(name.to_owned(), fault);
    }

    /// All of it, for comparison.
    pub(super) fn all(&self) -> BTreeMap<String, Attributes> {
        self.things.lock().unwrap().clone()
    }

    fn carry_out(&self, step: &Step) {
        let mut things = self.things.lock().unwrap();
        let none = Attributes::new();
        match &step.after {
            // As a role that something depends on, a thing cannot go while another holds its id.
            None => {
                let id = Value::text(format!("id-{}", name(&step.key)));
                if !things.values().any(|thing| thing.get("x") == Some(&id)) {
                    things.remove(&name(&step.key));
                }
            }
            Some(after) => {
                change(things.entry(name(&step.key)).or_default(), step.before.as_ref().unwrap_or(&none), after);
            }
        }
    }
}

#[async_trait]
impl World for Small {
    fn schema(&self, kind: &str) -> Option<&'static Schema> {
        [&THING, &KEPT, &NEVER, &GATE, &CHECK].into_iter().find(|schema| schema.kind == kind)
    }

    async fn read(&self, look: Look<'_>) -> Result<Reading, Failure> {
        tokio::task::yield_now().await;
        if look.address.kind == "gate" {
            return Ok(Reading::present(look.attributes.clone(), Attributes::new()));
        }
        if look.address.kind == "check" {
            return Ok(Reading::absent());
        }
        let name = name(look.key);
        if self.unreadable.lock().unwrap().contains(&name) {
            return Err(Failure::new(Class::Unreachable, "the line was cut").detail(name));
        }
        let things = self.things.lock().unwrap();
        let Some(thing) = things.get(&name) else { return Ok(Reading::absent()) };
        let one = |(field, asked): (&String, &Value)| {
            let now = thing.get(field).cloned().unwrap_or(Value::Null);
            let now = match (asked, now) {
                (Value::Map(asked), Value::Map(now)) => {
                    Value::Map(now.into_iter().filter(|(entry, _)| asked.contains_key(entry)).collect())
                }
                (_, now) => now,
            };
            (field.clone(), now)
        };
        let outputs = attributes(json!({ "id": format!("id-{name}") }));
        Ok(Reading::present(look.attributes.iter().map(one).collect(), outputs))
    }

    async fn write(&self, step: &Step, _watch: &dyn Watch) -> Result<Written, Failure> {
        let name = name(&step.key);
        let serial = step.serial_key.clone();
        if let Some(serial) = &serial {
            assert!(self.busy.lock().unwrap().insert(serial.clone()), "two writes of {serial} at once");
        }
        let fault = self.faults.lock().unwrap().remove(&name);
        for _ in 0..if fault == Some(Fault::Slow) { 50 } else { 1 } {
            tokio::task::yield_now().await;
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        if fault == Some(Fault::Signal) {
            self.stop.store(true, Ordering::SeqCst);
        }
        if !matches!(fault, Some(Fault::Before | Fault::Lie))
            && self.schema(&step.address.kind).unwrap().nature == Nature::Resource
        {
            self.carry_out(step);
        }
        if let Some(serial) = &serial {
            self.busy.lock().unwrap().remove(serial);
        }
        if step.after.is_none() && self.all().contains_key(&name) {
            return Err(Failure::new(Class::Conflict, "it is in use").detail(name));
        }
        match fault {
            Some(Fault::Before | Fault::After) => Err(Failure::new(Class::Unreachable, "the line was cut")),
            _ => Ok(Written::Done),
        }
    }
}

/// What is wanted of one thing: its address as `kind.name`, what it is like, what it leans on.
pub(super) fn want(address: &str, json: Json, after: &[&str]) -> Desired {
    let address: Address = address.parse().unwrap();
    let mut key = attributes(json!({ "name": address.name }));
    let mut attributes = attributes(json);
    for part in ["app", "serial"] {
        key.extend(attributes.remove_entry(part));
    }
    Desired { address, key, attributes, after: after.iter().map(|on| on.parse().unwrap()).collect(), place: None }
}

/// A reference to the id of a thing.
pub(super) fn id_of(address: &str) -> Json {
    json!({ "$after_apply": { "address": address, "output": "id" } })
}

/// A plan file of these.
pub(super) fn file(desired: Vec<Desired>) -> PlanFile {
    let graph = Graph::new(&desired.iter().map(|want| (want.address.clone(), want.after.clone())).collect());
    PlanFile {
        name: "p".into(),
        digest: "d".into(),
        target: Target::default(),
        store: None,
        ignore: Vec::new(),
        desired,
        graph,
        places: BTreeMap::new(),
    }
}

/// Says yes, and keeps what was shown.
#[derive(Default)]
pub(super) struct Yes(pub(super) Mutex<Vec<Planned>>);

#[async_trait]
impl Approve for Yes {
    async fn approve(&self, planned: &Planned, _: usize) -> Result<bool, Failure> {
        self.0.lock().unwrap().push(planned.clone());
        Ok(true)
    }

    fn nothing(&self, _: &Planned) -> Result<(), Failure> {
        Ok(())
    }
}

/// A holder of the lock that dies before it writes record number `left`.
struct Dying {
    inner: Box<dyn Held>,
    left: usize,
    /// How often the lock is still said to last.
    lasts: AtomicUsize,
}

#[async_trait]
impl Held for Dying {
    async fn append(&mut self, run: &str, record: &Record) -> Result<(), Failure> {
        if self.left == 0 {
            return Err(Failure::new(Class::Other, "died"));
        }
        self.left -= 1;
        self.inner.append(run, record).await
    }

    async fn append_ledger(&mut self, line: &str) -> Result<(), Failure> {
        self.inner.append_ledger(line).await
    }

    async fn put_owned(&mut self, json: &str) -> Result<(), Failure> {
        self.inner.put_owned(json).await
    }

    async fn make_digest_key(&mut self) -> Result<[u8; 32], Failure> {
        self.inner.make_digest_key().await
    }

    fn time_left(&self) -> Option<Duration> {
        let lasts = self.lasts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        lasts.is_err().then_some(Duration::from_secs(1))
    }

    fn died_before(&self) -> Option<&LockNote> {
        self.inner.died_before()
    }
}

/// A world, a store, and how runs behave.
pub(super) struct Bench {
    pub(super) world: Small,
    pub(super) store: Directory,
    pub(super) options: ApplyOptions,
    pub(super) yes: Yes,
    /// How many records the holder of the lock lives for.
    pub(super) life: usize,
    /// How often the lock is said to last.
    pub(super) lasts: usize,
    _dir: TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = ApplyOptions {
            parallelism: 4,
            undo_on_failure: true,
            scope: Scope::App,
            whole: true,
            expect: None,
            who: "ann@host".into(),
        };
        let store = Directory::new(dir.path().join("store"));
        Self {
            world: Small::default(),
            store,
            options,
            yes: Yes::default(),
            life: usize::MAX,
            lasts: usize::MAX,
            _dir: dir,
        }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            world: &self.world,
            store: &self.store,
            listener: &Silent,
            options: &self.options,
            stop: &self.world.stop,
        }
    }

    pub(super) async fn held(&self) -> Box<dyn Held> {
        let note = LockNote {
            who: "ann".into(),
            host: "host".into(),
            pid: 1,
            operation: "apply".into(),
            since: jiff::Timestamp::UNIX_EPOCH,
        };
        let inner = self.store.lock(note, Duration::ZERO).await.unwrap();
        Box::new(Dying { inner, left: self.life, lasts: self.lasts.into() })
    }

    pub(super) async fn apply(&self, file: &PlanFile) -> Result<Applied, Failure> {
        super::apply(&self.context(), file, self.held().await.as_mut(), &self.yes).await
    }

    pub(super) async fn rollback(&self, id: Option<&str>, how: RollbackOptions<'_>) -> Result<Applied, Failure> {
        super::rollback(&self.context(), id, how, self.held().await.as_mut(), &self.yes).await
    }

    /// Finishes the open run, if there is one.
    pub(super) async fn resume(&self) -> Option<Applied> {
        let history = super::history(&self.world, &self.store).await.unwrap();
        let open = history.open()?.id.clone();
        Some(super::resume(&self.context(), &open, self.held().await.as_mut()).await.unwrap())
    }
}
