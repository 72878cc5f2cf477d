//! The store in an Azure blob container: append blobs for journals and ledger, a leased blob as the lock.
//!
//! A lease protects only the blob that is leased, so the other blobs are fenced by their states (ETags). Before the first
//! write to a blob its holder looks at its state, then enters the blob's name into the lock blob under the lease; each
//! write then names the state that the one before left. A successor, once it has the lease, changes the state of each blob
//! that its predecessor entered. So whatever a predecessor that was paused still sends is refused by the service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::blobs::{Blobs, Condition, Head, Refused};
use super::lease::Lease;
use super::{Held, LockNote, Store, finish, text};
use crate::azure::Tokens;
use crate::journal::Record;
use crate::model::{BlobPlace, BlobService, Class, Cloud, Failure, hex};

pub use rights::StoreRights;

const LOCK: &str = "lock";
const KEY: &str = "key";
const OWNED: &str = "owned.json";
const LEDGER: &str = "evidence.jsonl";
/// A cancelled job's lock is free after this; the longest lease that ends by itself.
const LEASE: Duration = Duration::from_mins(1);
/// How often a taken lock is asked for again.
const RETRY: Duration = Duration::from_millis(500);

/// A container and prefix. The lock is a lease, so that of a holder that died is free within a minute.
#[derive(Clone)]
pub struct AzBlob {
    blobs: Arc<Blobs>,
    lease: Duration,
}

/// The content of the lock blob.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Latch {
    format: u32,
    /// Counts the holders.
    epoch: u64,
    /// The last holder, unless it ended properly.
    note: Option<LockNote>,
    /// The blobs that it may have written.
    writes: BTreeSet<String>,
}

const FORMAT: u32 = 1;

impl Latch {
    /// The content of the lock blob of the store at `place`.
    pub(super) fn read(content: &[u8], place: &str) -> Result<Self, Failure> {
        let latch: Self = serde_json::from_slice(content).map_err(|error| {
            Failure::new(Class::Other, "this blob is not the lock of a store")
                .detail(format!("{LOCK} in {place}: {error}"))
                .remedy("give the store a prefix of its own")
        })?;
        if latch.format > FORMAT {
            return Err(Failure::new(Class::Input, "the store was made by a later version of pgentra")
                .detail(format!("{place} has format {}; this version reads {FORMAT}", latch.format))
                .remedy("use the version that made it, or a later one"));
        }
        Ok(latch)
    }
}

impl AzBlob {
    /// The store at `place`. Nothing is called before it is used.
    ///
    /// # Errors
    /// `Input`: the address of the account is not known.
    pub fn new(place: &BlobPlace, cloud: &Cloud, tokens: Tokens, http: reqwest::Client) -> Result<Self, Failure> {
        let account = |account: &str, suffix: &str| format!("https://{account}.blob.core.{suffix}");
        let service = match (&place.service, cloud) {
            (BlobService::Endpoint(url), _) => url.clone(),
            (BlobService::Account(name), Cloud::Public) => account(name, "windows.net"),
            (BlobService::Account(name), Cloud::UsGov) => account(name, "usgovcloudapi.net"),
            (BlobService::Account(name), Cloud::China) => account(name, "chinacloudapi.cn"),
            (BlobService::Account(name), Cloud::Custom(url)) => {
                return Err(Failure::new(
                    Class::Input,
                    "where the storage account is reached in this cloud is not known",
                )
                .detail(format!("account {name}, cloud {url}"))
                .remedy("name its endpoint: [store] url = \"azblob+https://host/container/prefix\""));
            }
        };
        let blobs = Blobs::new(&service, &place.container, &place.prefix, place.to_string(), tokens, http)?;
        Ok(Self { blobs: Arc::new(blobs), lease: LEASE })
    }

    /// With a shorter lease; 15 s is the least that Azure gives.
    #[cfg(test)]
    pub(super) fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    fn journal_name(run: &str) -> String {
        format!("runs/{run}.jsonl")
    }

    /// Leases the lock blob; makes it, and the container, where they are missing.
    async fn acquire(&self, patience: Duration) -> Result<Lease, Failure> {
        let (id, start) = (uuid::Uuid::now_v7().to_string(), Instant::now());
        loop {
            let asked = Instant::now();
            match self.blobs.lease(LOCK, &id, self.lease).await {
                Ok(()) => return Ok(Lease::keep(Arc::clone(&self.blobs), LOCK, id, asked, self.lease)),
                Err(refused) if refused.is_missing() => self.make(&refused).await?,
                Err(refused) if !refused.is_condition() => return Err(refused.into()),
                Err(_) if start.elapsed() < patience => tokio::time::sleep(RETRY).await,
                Err(_) => return Err(text::locked(self.blobs.place(), self.holder().await?.as_ref())),
            }
        }
    }

    async fn make(&self, missing: &Refused) -> Result<(), Failure> {
        if missing.code == "ContainerNotFound" {
            self.blobs.make_container().await?;
        }
        let latch = text::line(&Latch { format: FORMAT, ..Latch::default() })?;
        match self.blobs.put(LOCK, latch.into_bytes(), Condition::State(None)).await {
            Err(refused) if !refused.is_condition() => Err(refused.into()),
            _ => Ok(()),
        }
    }

    async fn latch(&self) -> Result<(Latch, bool), Failure> {
        let Some(found) = self.blobs.read(LOCK).await? else { return Ok((Latch::default(), false)) };
        Ok((Latch::read(&found.content, self.blobs.place())?, found.leased))
    }

    /// Takes from the last holder the means to write, then enters `note`; answers the note of one that died.
    async fn succeed(&self, lease: &Lease, note: Option<LockNote>) -> Result<(Latch, Option<LockNote>), Failure> {
        let (last, _) = self.latch().await?;
        let latch = Latch { format: FORMAT, epoch: last.epoch + 1, note, writes: BTreeSet::new() };
        for name in &last.writes {
            self.fence(name, latch.epoch).await?;
        }
        self.enter(lease, &latch).await?;
        Ok((latch, last.note))
    }

    /// A blob that is not there yet is made, empty, so that a predecessor's call to make it is refused.
    async fn fence(&self, name: &str, epoch: u64) -> Result<(), Failure> {
        match self.blobs.touch(name, epoch).await {
            Err(refused) if refused.is_missing() => {}
            other => return Ok(other?),
        }
        let made = if is_appended(name) {
            self.blobs.create(name).await
        } else {
            self.blobs.put(name, Vec::new(), Condition::State(None)).await
        };
        match made {
            Err(refused) if refused.is_condition() => Ok(self.blobs.touch(name, epoch).await?),
            other => Ok(other.map(drop)?),
        }
    }

    /// Writes the lock blob under the lease, which proves that it is still in force.
    async fn enter(&self, lease: &Lease, latch: &Latch) -> Result<(), Failure> {
        let content = text::line(latch)?.into_bytes();
        match self.blobs.put(LOCK, content, Condition::Lease(lease.id())).await {
            Err(refused) if refused.is_condition() => {
                lease.lose();
                Err(text::lost(self.blobs.place(), "somebody else took it, or broke it"))
            }
            other => Ok(other.map(drop)?),
        }
    }

    /// A document's text; one that is empty was made by a fence.
    async fn document(&self, name: &str) -> Result<Option<String>, Failure> {
        let found = self.blobs.read(name).await?.filter(|found| !found.content.is_empty());
        Ok(found.map(|found| String::from_utf8_lossy(&found.content).into_owned()))
    }
}

fn is_appended(name: &str) -> bool {
    ![KEY, OWNED].contains(&name)
}

#[async_trait]
impl Store for AzBlob {
    async fn lock(&self, note: LockNote, patience: Duration) -> Result<Box<dyn Held>, Failure> {
        let lease = self.acquire(patience).await?;
        let (latch, died_before) = self.succeed(&lease, Some(note)).await?;
        Ok(Box::new(Lock { store: self.clone(), lease, latch, states: BTreeMap::new(), died_before }))
    }

    async fn holder(&self) -> Result<Option<LockNote>, Failure> {
        let (latch, leased) = self.latch().await?;
        Ok(latch.note.filter(|_| leased))
    }

    async fn runs(&self) -> Result<Vec<String>, Failure> {
        let blobs = self.blobs.list("runs/").await?;
        let run = |(name, length): (String, u64)| {
            let run = name.strip_prefix("runs/")?.strip_suffix(".jsonl")?;
            (length > 0).then(|| run.to_owned())
        };
        Ok(blobs.into_iter().filter_map(run).collect())
    }

    async fn journal(&self, run: &str) -> Result<Vec<Record>, Failure> {
        let name = Self::journal_name(run);
        match self.blobs.read(&name).await? {
            Some(found) if !found.content.is_empty() => {
                text::records(&found.content, &format!("{}/{name}", self.blobs.place()))
            }
            _ => Err(text::no_run(run, self.blobs.place())),
        }
    }

    async fn digest_key(&self) -> Result<Option<[u8; 32]>, Failure> {
        let place = || format!("{}/{KEY}", self.blobs.place());
        self.document(KEY).await?.map(|key| text::key(&key, &place())).transpose()
    }

    async fn ledger(&self) -> Result<Vec<String>, Failure> {
        let content = self.blobs.read(LEDGER).await?.map(|found| found.content).unwrap_or_default();
        Ok(text::lines(&content).map(|line| String::from_utf8_lossy(line).into_owned()).collect())
    }

    async fn owned(&self) -> Result<Option<String>, Failure> {
        self.document(OWNED).await
    }

    async fn break_lock(&self) -> Result<(), Failure> {
        let (last, _) = self.latch().await?;
        match self.blobs.break_lease(LOCK).await {
            // Nobody leases it any more, or there is none.
            Err(refused) if !refused.is_condition() && !refused.is_missing() => return Err(refused.into()),
            _ => {}
        }
        let lease = self.acquire(Duration::from_secs(5)).await?;
        self.succeed(&lease, last.note).await?;
        Ok(self.blobs.release(LOCK, lease.id()).await?)
    }

    fn place(&self) -> String {
        self.blobs.place().to_owned()
    }
}

struct Lock {
    store: AzBlob,
    lease: Lease,
    latch: Latch,
    /// The states that our own writes left, by blob; `None` inside: the blob is not there.
    states: BTreeMap<String, Option<Head>>,
    died_before: Option<LockNote>,
}

impl Lock {
    fn lost(&self) -> Failure {
        self.lease.lose();
        text::lost(self.store.blobs.place(), "somebody else took it, or it ran out while this process stood still")
    }

    /// The state of a blob as we may rely on it: looked at first, then entered into the lock blob under the lease.
    async fn state(&mut self, name: &str) -> Result<Option<Head>, Failure> {
        if self.lease.left().is_zero() {
            return Err(self.lost());
        }
        if let Some(state) = self.states.get(name) {
            return Ok(state.clone());
        }
        let state = self.store.blobs.head(name).await?;
        self.latch.writes.insert(name.to_owned());
        self.store.enter(&self.lease, &self.latch).await?;
        self.states.insert(name.to_owned(), state.clone());
        Ok(state)
    }

    async fn append_line(&mut self, name: &str, line: &str) -> Result<(), Failure> {
        let content = format!("{line}\n").into_bytes();
        let at = match self.state(name).await? {
            Some(head) => head,
            None => self.create(name).await?,
        };
        let length = at.length + content.len() as u64;
        match self.store.blobs.append(name, content.clone(), &at.etag).await {
            Ok(etag) => {
                self.states.insert(name.to_owned(), Some(Head { etag, length }));
                Ok(())
            }
            Err(refused) => {
                self.states.remove(name);
                let came = |now: &[u8]| now.len() as u64 == length && now.ends_with(&content);
                self.settle(name, refused, came).await
            }
        }
    }

    async fn create(&mut self, name: &str) -> Result<Head, Failure> {
        match self.store.blobs.create(name).await {
            Ok(etag) => Ok(Head { etag, length: 0 }),
            // Ours, when the answer to an earlier try was lost.
            Err(refused) if refused.is_condition() => {
                self.states.remove(name);
                self.state(name).await?.ok_or_else(|| self.lost())
            }
            Err(refused) => Err(refused.into()),
        }
    }

    async fn put(&mut self, name: &str, content: &str) -> Result<(), Failure> {
        let state = self.state(name).await?;
        let on = Condition::State(state.as_ref().map(|head| &head.etag));
        match self.store.blobs.put(name, content.as_bytes().to_vec(), on).await {
            Ok(etag) => {
                self.states.insert(name.to_owned(), Some(Head { etag, length: content.len() as u64 }));
                Ok(())
            }
            Err(refused) => {
                self.states.remove(name);
                self.settle(name, refused, |now| now == content.as_bytes()).await
            }
        }
    }

    /// A write that was refused: it may have come although its answer was lost; else somebody else was here.
    async fn settle(&self, name: &str, refused: Refused, came: impl Fn(&[u8]) -> bool) -> Result<(), Failure> {
        if refused.is_open() && self.store.blobs.read(name).await?.is_some_and(|now| came(&now.content)) {
            return Ok(());
        }
        if refused.is_condition() { Err(self.lost()) } else { Err(refused.into()) }
    }
}

#[async_trait]
impl Held for Lock {
    async fn append(&mut self, run: &str, record: &Record) -> Result<(), Failure> {
        self.append_line(&AzBlob::journal_name(run), &text::line(record)?).await
    }

    async fn append_ledger(&mut self, line: &str) -> Result<(), Failure> {
        self.append_line(LEDGER, line).await
    }

    async fn put_owned(&mut self, json: &str) -> Result<(), Failure> {
        self.put(OWNED, json).await
    }

    async fn make_digest_key(&mut self) -> Result<[u8; 32], Failure> {
        if let Some(key) = self.store.digest_key().await? {
            return Ok(key);
        }
        let key = text::new_key()?;
        self.put(KEY, &hex(&key)).await?;
        Ok(key)
    }

    fn time_left(&self) -> Option<Duration> {
        Some(self.lease.left())
    }

    fn died_before(&self) -> Option<&LockNote> {
        self.died_before.as_ref()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.lease.left().is_zero() {
            return;
        }
        let latch = Latch { note: None, writes: BTreeSet::new(), ..self.latch.clone() };
        finish(async {
            if self.store.enter(&self.lease, &latch).await.is_ok() {
                let _ = self.store.blobs.release(LOCK, self.lease.id()).await;
            }
        });
    }
}

#[path = "azblob_rights.rs"]
mod rights;

#[cfg(all(test, feature = "sandbox"))]
#[path = "azblob_tests.rs"]
#[allow(clippy::unwrap_used, reason = "helpers of tests may panic")]
mod tests;
