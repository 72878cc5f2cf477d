//! The store in a directory: `lock`, `key`, `owned.json`, `evidence.jsonl` and `runs/<id>.jsonl`, all of mode 0600, every
//! append synced to disk.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Held, LockNote, Store, text};
use crate::journal::Record;
use crate::model::{Class, Failure, hex};

/// The evidence ledger's file.
const LEDGER: &str = "evidence.jsonl";
/// The file that lists what runs made or adopted.
const OWNED: &str = "owned.json";

/// How long somebody may take to ask who holds the lock.
const INSTANT: Duration = Duration::from_secs(1);

/// A directory on this machine. The lock is the operating system's, so that of a holder that died is free at once.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The store in `root`, which is made with the first write.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is, as an absolute path, whatever directory a later process starts in.
    ///
    /// # Errors
    /// When the current directory is gone.
    pub fn root(&self) -> Result<PathBuf, Failure> {
        std::path::absolute(&self.root).map_err(failed("find the directory of", &self.root))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn journal_file(&self, run: &str) -> PathBuf {
        self.root.join("runs").join(format!("{run}.jsonl"))
    }
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl Fn(std::io::Error) -> Failure + 'a {
    move |error| {
        Failure::new(Class::Other, "the directory of the store cannot be used")
            .detail(format!("cannot {what} {}: {error}", path.display()))
            .remedy("see that it is there, that it is yours to write to, and that its disk has room")
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).create(true);
    options
}

fn make_dir(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make the directory", path))
}

/// Makes a new directory entry durable.
fn sync_parent(path: &Path) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed("sync", parent))
}

/// What is not there is none; any other error is one.
fn if_there<T>(read: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The holder's note, when somebody holds the lock.
fn read_note(path: &Path) -> Option<LockNote> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[async_trait]
impl Store for Directory {
    async fn lock(&self, note: LockNote, patience: Duration) -> Result<Box<dyn Held>, Failure> {
        make_dir(&self.root.join("runs"))?;
        let path = self.file("lock");
        let mut file =
            private().read(true).write(true).truncate(false).open(&path).map_err(failed("open the lock", &path))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Without a note it is somebody who only asks who holds it.
                Err(TryLockError::WouldBlock) if start.elapsed() < INSTANT && read_note(&path).is_none() => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(TryLockError::WouldBlock) => return Err(text::locked(&self.place(), read_note(&path).as_ref())),
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
            }
        }
        let mut earlier = String::new();
        file.read_to_string(&mut earlier).map_err(failed("read", &path))?;
        let text = text::line(&note)?;
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write(&mut file).map_err(failed("write", &path))?;
        Ok(Box::new(Lock { store: self.clone(), file, died_before: serde_json::from_str(&earlier).ok() }))
    }

    async fn holder(&self) -> Result<Option<LockNote>, Failure> {
        let path = self.file("lock");
        let Some(file) = if_there(File::open(&path)).map_err(failed("open the lock", &path))? else { return Ok(None) };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(read_note(&path)),
            Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        }
    }

    async fn runs(&self) -> Result<Vec<String>, Failure> {
        let path = self.root.join("runs");
        let unread = failed("list", &path);
        let Some(entries) = if_there(fs::read_dir(&path)).map_err(&unread)? else { return Ok(Vec::new()) };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry.map_err(&unread)?.file_name();
            runs.extend(name.to_str().and_then(|name| name.strip_suffix(".jsonl")).map(str::to_owned));
        }
        runs.sort();
        Ok(runs)
    }

    async fn journal(&self, run: &str) -> Result<Vec<Record>, Failure> {
        let path = self.journal_file(run);
        let text = fs::read(&path).map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let failure = failed("read the journal", &path)(error);
            if missing {
                Failure { class: Class::NotFound, ..failure }.remedy("`pgentra history` lists the runs")
            } else {
                failure
            }
        })?;
        text::records(&text, &path.display().to_string())
    }

    async fn digest_key(&self) -> Result<Option<[u8; 32]>, Failure> {
        let path = self.file("key");
        let key = if_there(fs::read_to_string(&path)).map_err(failed("read", &path))?;
        key.map(|key| text::key(&key, &path.display().to_string())).transpose()
    }

    async fn ledger(&self) -> Result<Vec<String>, Failure> {
        let path = self.file(LEDGER);
        let text = if_there(fs::read(&path)).map_err(failed("read", &path))?.unwrap_or_default();
        Ok(text::lines(&text).map(|line| String::from_utf8_lossy(line).into_owned()).collect())
    }

    async fn owned(&self) -> Result<Option<String>, Failure> {
        let path = self.file(OWNED);
        if_there(fs::read_to_string(&path)).map_err(failed("read", &path))
    }

    async fn break_lock(&self) -> Result<(), Failure> {
        let holder = self.holder().await?;
        let failure = Failure::new(Class::Locked, "the lock of a directory cannot be broken").detail(format!(
            "{}: the operating system holds it for the process that runs, and frees it when that ends",
            self.place()
        ));
        Err(match holder {
            Some(note) => failure.remedy(format!("end process {} on {}", note.pid, note.host)),
            None => failure.remedy("end the process that holds it"),
        })
    }

    fn place(&self) -> String {
        self.root.display().to_string()
    }
}

struct Lock {
    store: Directory,
    file: File,
    died_before: Option<LockNote>,
}

#[async_trait]
impl Held for Lock {
    async fn append(&mut self, run: &str, record: &Record) -> Result<(), Failure> {
        append_line(&self.store.journal_file(run), text::line(record)?.into_bytes())
    }

    async fn append_ledger(&mut self, line: &str) -> Result<(), Failure> {
        append_line(&self.store.file(LEDGER), line.as_bytes().to_vec())
    }

    async fn put_owned(&mut self, json: &str) -> Result<(), Failure> {
        replace(&self.store.file(OWNED), json.as_bytes())
    }

    async fn make_digest_key(&mut self) -> Result<[u8; 32], Failure> {
        if let Some(key) = self.store.digest_key().await? {
            return Ok(key);
        }
        let key = text::new_key()?;
        replace(&self.store.file("key"), hex(&key).as_bytes())?;
        Ok(key)
    }

    fn died_before(&self) -> Option<&LockNote> {
        self.died_before.as_ref()
    }
}

/// Appends one line to a file and makes it durable, the file's own entry in its directory included.
fn append_line(path: &Path, mut line: Vec<u8>) -> Result<(), Failure> {
    line.push(b'\n');
    let fresh = !path.exists();
    let append = || {
        let mut file = private().read(true).append(true).open(path)?;
        cut_torn_line(&mut file)?;
        file.write_all(&line)?;
        file.sync_all()
    };
    append().map_err(failed("append to", path))?;
    if fresh { sync_parent(path) } else { Ok(()) }
}

/// Replaces a file's content, all of it or nothing, and makes that durable.
fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map_err(failed("write", path))?;
    sync_parent(path)
}

/// Cuts a last line that a crash tore, so that the next record starts on a line of its own.
fn cut_torn_line(file: &mut File) -> std::io::Result<()> {
    let end = file.seek(std::io::SeekFrom::End(0))?;
    let mut last = [0];
    if end == 0 {
        return Ok(());
    }
    file.seek(std::io::SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(());
    }
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    file.set_len(whole as u64)
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An empty note says that this holder ended properly. Closing the file frees the lock itself.
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
