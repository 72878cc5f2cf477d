//! Runs a program of the user's: a clean environment, a bound on its time, and none of its secrets in what it says.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::model::{Class, Failure};

/// What every program gets of pgentra's own environment, where it is set.
const INHERITED: [&str; 9] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE"];
/// How many lines of what a program says are kept.
const LINES: usize = 200;
/// How many of them a failure tells.
const TOLD: usize = 10;
/// The longest line that is kept, in characters.
const WIDTH: usize = 400;
/// How much of a line is read, in bytes; enough for its beginning.
const LONGEST: usize = 1 << 16;
/// Values shorter than this are too common to be struck out.
const SHORTEST: usize = 4;
/// How long what a program has said is waited for once it has ended: a process that it left behind may hold the pipe.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A program that is ready to run.
pub(super) struct Program {
    words: Vec<String>,
    directory: PathBuf,
    environment: Vec<(String, String)>,
    secrets: Vec<String>,
    timeout: Duration,
}

/// How a program ended.
pub(super) struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub(super) code: Option<i32>,
    out: Vec<String>,
    err: Vec<String>,
}

impl Program {
    /// `passed` names variables of pgentra's environment whose values count as secrets; `about` is given besides.
    ///
    /// # Errors
    /// `Input`: a variable of `passed` is not set.
    pub(super) fn new(
        words: Vec<String>,
        directory: PathBuf,
        passed: &[String],
        about: Vec<(String, String)>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let mut environment: Vec<(String, String)> =
            INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        environment.extend(about);
        let mut program = Self { words, directory, environment: Vec::new(), secrets: Vec::new(), timeout };
        for name in passed {
            let unset = || {
                Failure::new(Class::Input, "an environment variable is not set")
                    .detail(name)
                    .remedy(format!("set {name} for pgentra, or take it out of `env`"))
            };
            let value = std::env::var(name).map_err(|_| unset())?;
            program.keep_secret([value.as_str()]);
            environment.push((name.clone(), value));
        }
        Ok(Self { environment, ..program })
    }

    /// Strikes these values out of what the program says. It is read line by line: a key of several lines is struck out by
    /// each of them.
    pub(super) fn keep_secret<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) {
        let parts = values.into_iter().flat_map(|value| value.lines().map(str::trim).chain([value]));
        self.secrets.extend(parts.filter(|part| part.len() >= SHORTEST).map(str::to_owned));
        // The longest first, so that no part of one is left over.
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// The program as a person names it, without its arguments.
    pub(super) fn shown(&self) -> String {
        self.words.first().map_or_else(String::new, |program| format!("{program:?}"))
    }

    /// Runs it to its end. Ctrl-C at the terminal does not reach it.
    ///
    /// # Errors
    /// `Input`: it cannot be started. `Other`: it took too long, and was killed.
    pub(super) async fn run(&self) -> Result<Ended, Failure> {
        let (program, arguments) = self.words.split_first().unzip();
        let program = program.map_or("", String::as_str);
        let cannot = |error: std::io::Error| {
            Failure::new(Class::Input, "cannot run the command")
                .detail(format!("{program:?}: {error}, in {}", self.directory.display()))
                .remedy("name a program that is in PATH, or beside the plan file as \"./name\"")
        };
        let mut command = Command::new(program);
        command.args(arguments.unwrap_or_default()).env_clear().envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.current_dir(&self.directory).process_group(0);
        let mut child = command.spawn().map_err(cannot)?;
        let (out, err) = (self.listen(child.stdout.take()), self.listen(child.stderr.take()));
        let Ok(status) = tokio::time::timeout(self.timeout, child.wait()).await else {
            end_group(child.id());
            let seconds = self.timeout.as_secs();
            return Err(Failure::new(Class::Other, "the command took longer than it may")
                .detail(format!("{program:?} took longer than {seconds} s\nit was killed; what it had begun may go on"))
                .remedy("give it longer with `timeout`"));
        };
        let status = status.map_err(cannot)?;
        let end = Instant::now() + LAST_WORDS;
        Ok(Ended { code: status.code(), out: out.until(end).await, err: err.until(end).await })
    }

    /// Hears what a program says, line by line, into the log. The pipe is emptied though nobody asks any more, so that the
    /// program can end.
    fn listen(&self, pipe: Option<impl AsyncRead + Unpin + Send + 'static>) -> Heard {
        let lines = Lines::default();
        let (kept, secrets, name) = (Arc::clone(&lines), self.secrets.clone(), self.shown());
        let listening = tokio::spawn(async move {
            let Some(pipe) = pipe else { return };
            let mut pipe = BufReader::new(pipe);
            while let Some(line) = next_line(&mut pipe, secrets.first().map_or(0, String::len)).await {
                let line = clean(&line, &secrets);
                tracing::info!(target: "pgentra::deployment", program = %name, "{line}");
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                // The first line may be a version, and is kept.
                if kept.len() == LINES {
                    kept.remove(1);
                }
                kept.push_back(line);
            }
        });
        Heard { lines, listening }
    }
}

type Lines = Arc<Mutex<VecDeque<String>>>;

/// What a program has said, the last lines of it, and whoever listens to it.
struct Heard {
    lines: Lines,
    listening: JoinHandle<()>,
}

impl Heard {
    /// Everything that was said until the pipe was closed, or until `end`.
    async fn until(self, end: Instant) -> Vec<String> {
        // Whatever was heard by then counts.
        let _ = tokio::time::timeout_at(end, self.listening).await;
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }
}

/// The next line, of an endless one its beginning; `None` at the end. What may be the beginning of a secret (`longest`)
/// that is cut off is cut off too.
async fn next_line(pipe: &mut (impl AsyncBufRead + Unpin), longest: usize) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let limit = u64::try_from(LONGEST + longest).unwrap_or(u64::MAX);
    if pipe.take(limit).read_until(b'\n', &mut line).await.ok()? == 0 {
        return None;
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Some(line);
    }
    if line.len() < LONGEST + longest {
        return Some(line);
    }
    line.truncate(LONGEST);
    let mut rest = Vec::new();
    while rest.last() != Some(&b'\n') {
        rest.clear();
        if pipe.take(limit).read_until(b'\n', &mut rest).await.ok()? == 0 {
            break;
        }
    }
    Some(line)
}

/// A line without secrets and control characters.
fn clean(line: &[u8], secrets: &[String]) -> String {
    let mut line = String::from_utf8_lossy(line).into_owned();
    for secret in secrets {
        line = line.replace(secret.as_str(), "(sensitive value)");
    }
    line.chars().filter(|c| !c.is_control()).take(WIDTH).collect()
}

/// Ends a program with all that it started.
fn end_group(id: Option<u32>) {
    if let Some(id) = id.and_then(|id| i32::try_from(id).ok()) {
        let group = nix::unistd::Pid::from_raw(id);
        // One that is gone already is as good.
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    }
}

impl Ended {
    /// The first line of its output, trimmed; `None` where it is empty.
    pub(super) fn first_line(&self) -> Option<&str> {
        self.out.first().map(|line| line.trim()).filter(|line| !line.is_empty())
    }

    /// The end of what it said, its complaints before its output.
    pub(super) fn last_lines(&self) -> String {
        let said = if self.err.iter().all(|line| line.trim().is_empty()) { &self.out } else { &self.err };
        let from = said.len().saturating_sub(TOLD);
        if said.is_empty() { "it said nothing".to_owned() } else { said[from..].join("\n") }
    }
}
