//! A store in memory that dies at a given journal record, as a machine does: before the record is durable, after it, or
//! in the middle of its line.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use pgentra::journal::{Event, Record};
use pgentra::model::{Class, Failure};
use pgentra::store::{Held, LockNote, Store};

/// Where in the making of a record the machine dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it is durable.
    Before,
    /// A part of its line is durable.
    Torn,
    /// All of it is durable, and nobody was told.
    After,
}

impl Moment {
    pub const ALL: [Self; 3] = [Self::Before, Self::Torn, Self::After];
}

#[derive(Debug, Default)]
struct Inner {
    runs: BTreeMap<String, Vec<String>>,
    torn: Option<(String, String)>,
    appended: usize,
    death: Option<(usize, Moment)>,
    dead: bool,
    ledger: Vec<String>,
    owned: Option<String>,
}

/// The store. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Inner>>);

impl MemoryStore {
    /// Dies at the append of this number (from 0).
    pub fn dying(at: usize, moment: Moment) -> Self {
        let store = Self::default();
        store.dies(at, moment);
        store
    }

    /// Dies at the append of this number from now on.
    pub fn dies(&self, at: usize, moment: Moment) {
        self.inner().death = Some((at, moment));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Whether it has died.
    pub fn died(&self) -> bool {
        self.inner().dead
    }

    /// The last event that is durable.
    pub fn last(&self) -> Event {
        let inner = self.inner();
        serde_json::from_str::<Record>(inner.runs.values().last().unwrap().last().unwrap()).unwrap().event
    }

    /// A store of its own with what was durable.
    pub fn revived(&self) -> Self {
        let inner = self.inner();
        let alive = Inner { runs: inner.runs.clone(), owned: inner.owned.clone(), ..Inner::default() };
        Self(Arc::new(Mutex::new(alive)))
    }

    /// Writes what was durable as a directory store has it, the torn line included.
    pub fn write_to(&self, root: &Path) {
        let inner = self.inner();
        std::fs::create_dir_all(root.join("runs")).unwrap();
        let file = |run: &str| {
            let path = root.join("runs").join(format!("{run}.jsonl"));
            std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap()
        };
        for (run, lines) in &inner.runs {
            for line in lines {
                writeln!(file(run), "{line}").unwrap();
            }
        }
        if let Some((run, part)) = &inner.torn {
            write!(file(run), "{part}").unwrap();
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn lock(&self, _: LockNote, _: Duration) -> Result<Box<dyn Held>, Failure> {
        Ok(Box::new(self.clone()))
    }

    async fn holder(&self) -> Result<Option<LockNote>, Failure> {
        Ok(None)
    }

    async fn runs(&self) -> Result<Vec<String>, Failure> {
        Ok(self.inner().runs.keys().cloned().collect())
    }

    async fn journal(&self, run: &str) -> Result<Vec<Record>, Failure> {
        let inner = self.inner();
        let lines = inner.runs.get(run).ok_or_else(|| Failure::new(Class::NotFound, "no such run"))?;
        Ok(lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    async fn digest_key(&self) -> Result<Option<[u8; 32]>, Failure> {
        Ok(Some([7; 32]))
    }

    async fn ledger(&self) -> Result<Vec<String>, Failure> {
        Ok(self.inner().ledger.clone())
    }

    async fn owned(&self) -> Result<Option<String>, Failure> {
        Ok(self.inner().owned.clone())
    }

    async fn break_lock(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

#[async_trait]
impl Held for MemoryStore {
    async fn append(&mut self, run: &str, record: &Record) -> Result<(), Failure> {
        let mut inner = self.inner();
        let line = serde_json::to_string(record).unwrap();
        let number = inner.appended;
        inner.appended += 1;
        let death = inner.death.filter(|(at, _)| number >= *at).map(|(at, moment)| (number == at, moment));
        match death {
            Some((true, Moment::Torn)) => inner.torn = Some((run.to_owned(), line[..line.len() / 2].to_owned())),
            Some((true, Moment::Before) | (false, _)) => {}
            Some((true, Moment::After)) | None => inner.runs.entry(run.to_owned()).or_default().push(line),
        }
        inner.dead = death.is_some();
        if inner.dead { Err(Failure::new(Class::Other, "the machine died")) } else { Ok(()) }
    }

    async fn append_ledger(&mut self, line: &str) -> Result<(), Failure> {
        self.inner().ledger.push(line.to_owned());
        Ok(())
    }

    async fn put_owned(&mut self, json: &str) -> Result<(), Failure> {
        self.inner().owned = Some(json.to_owned());
        Ok(())
    }

    async fn make_digest_key(&mut self) -> Result<[u8; 32], Failure> {
        Ok([7; 32])
    }

    fn died_before(&self) -> Option<&LockNote> {
        None
    }
}
