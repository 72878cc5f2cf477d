//! One sandbox and one plan file: brought back to the beginning, run against, killed, and made to fail.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, PgConnection};
use tempfile::TempDir;

/// The longest that one command may take.
const PATIENCE: Duration = Duration::from_mins(4);

/// One apply that is left as it is when it fails.
pub const APPLY: [&str; 5] = ["apply", "plan.toml", "--auto-approve", "--on-failure", "stop"];

/// How many sandboxes run at the same time: a run mostly waits, for consistency windows above all.
const SANDBOXES: usize = 10;

/// Does something to each of `rows`, in several sandboxes at the same time, and says how long each took. One that fails
/// does not stop the others; all that failed are named at the end.
pub fn spread<R: Sync>(rows: &[R], told: impl Fn(&R) -> String + Sync, work: impl Fn(&mut Sandbox, &R) + Sync) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..SANDBOXES.min(rows.len()) {
            scope.spawn(|| {
                let mut sandbox = Sandbox::up();
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let start = Instant::now();
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&mut sandbox, row)));
                    let end = if done.is_ok() { "ok" } else { "FAILED" };
                    println!("{} ... {end} ({} s)", told(row), start.elapsed().as_secs());
                    if done.is_err() {
                        failed.lock().unwrap().push(told(row));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} rows failed, see above:\n{}", failed.len(), failed.join("\n"));
}

/// Runs a future to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A sandbox that is taken down with this.
pub struct Sandbox {
    dir: TempDir,
    work: TempDir,
    env: BTreeMap<String, String>,
    http: reqwest::Client,
}

/// How one command ended.
pub struct Ended {
    /// The exit code; -1 when it was killed.
    pub code: i32,
    /// All that it said.
    pub said: String,
}

/// The built binary, or another one that `PGENTRA_BIN` names.
fn binary() -> Command {
    Command::new(std::env::var_os("PGENTRA_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_pgentra").into()))
}

impl Sandbox {
    /// A sandbox at its beginning.
    pub fn up() -> Self {
        let (dir, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut sandbox = Self { dir, work, env: BTreeMap::new(), http: reqwest::Client::new() };
        sandbox.start();
        sandbox
    }

    fn manage(&self, action: &[&str]) -> String {
        let output = binary().arg("sandbox").args(action).arg("--dir").arg(self.dir.path()).output().unwrap();
        assert!(output.status.success(), "sandbox {action:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(&mut self) {
        self.manage(&["up", "--detach"]);
        let pair = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        };
        self.env = self.manage(&["env"]).lines().filter_map(pair).collect();
        let authorities = std::fs::read(&self.env["SSL_CERT_FILE"]).unwrap();
        let authorities = reqwest::Certificate::from_pem_bundle(&authorities).unwrap();
        self.http = reqwest::Client::builder().no_proxy().tls_certs_only(authorities).build().unwrap();
    }

    /// Brings everything back to the beginning, and puts a plan file in place.
    pub fn begin(&mut self, plan: &str) {
        self.manage(&["reset"]);
        self.start();
        self.work = tempfile::tempdir().unwrap();
        let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("plans").join(plan)).unwrap();
        std::fs::write(self.plan(), text).unwrap();
        std::fs::write(self.work.path().join("app.zip"), pgentra::sandbox::Version::Both.package()).unwrap();
    }

    /// The plan file in use.
    pub fn plan(&self) -> PathBuf {
        self.work.path().join("plan.toml")
    }

    /// The environment that points at it.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Starts pgentra with these arguments.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let log = std::fs::File::create(self.work.path().join("said")).unwrap();
        binary()
            .args(arguments)
            .current_dir(self.work.path())
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap()
    }

    /// Waits for it to end.
    pub fn wait(&self, mut child: Child) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        };
        Ended { code: status.code().unwrap_or(-1), said: self.said() }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.work.path().join("said")).unwrap()
    }

    /// Runs pgentra with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.wait(self.spawn(arguments))
    }

    /// One apply that is left as it is when it fails.
    pub fn apply(&self) -> Ended {
        self.run(&APPLY)
    }

    /// The same, and an open run is finished first.
    pub fn resume(&self) -> Ended {
        self.run(&[&APPLY[..], &["--resume"]].concat())
    }

    /// Undoes the newest run. Nothing to undo is fine.
    pub fn rollback(&self, more: &[&str]) -> Ended {
        let ended = self.run(&[&["rollback", "--file", "plan.toml", "--auto-approve"], more].concat());
        let nothing = ended.said.contains("there is no run that can be undone");
        Ended { code: if nothing { 0 } else { ended.code }, ..ended }
    }

    /// How many whole lines the journals have.
    pub fn records(&self) -> usize {
        self.journal().matches('\n').count()
    }

    /// All journals, as text.
    pub fn journal(&self) -> String {
        let entries = std::fs::read_dir(self.runs()).into_iter().flatten();
        entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok()).collect()
    }

    /// The id of the first run.
    pub fn oldest_run(&self) -> String {
        let names = std::fs::read_dir(self.runs()).unwrap();
        let names = names.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
        names.min().expect("a run")
    }

    /// The directory of the journals: the store has one by the plan's name.
    fn runs(&self) -> PathBuf {
        let store = self.work.path().join(".pgentra");
        let stores = std::fs::read_dir(&store).into_iter().flatten().filter_map(Result::ok);
        stores.map(|entry| entry.path().join("runs")).find(|runs| runs.is_dir()).unwrap_or_else(|| store.join("runs"))
    }

    /// Calls the control endpoint.
    pub async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/_sandbox/{path}", self.env["PGENTRA_SANDBOX_URL"]);
        let request = self.http.request(method.parse().unwrap(), url).header("x-sandbox", "1").body(body.to_string());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(json!(null))
    }

    /// A session of the server's superuser, whom the real service keeps for itself.
    pub async fn superuser(&self, database: &str) -> PgConnection {
        let info: Value =
            serde_json::from_slice(&std::fs::read(self.dir.path().join("sandbox.json")).unwrap()).unwrap();
        let data = Path::new(info["postgres_data"].as_str().unwrap());
        let text = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let options = PgConnectOptions::new_without_pgpass().socket(lines[4]).port(lines[3].trim().parse().unwrap());
        options.username("azuresu").database(database).ssl_mode(PgSslMode::Disable).connect().await.unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = binary().args(["sandbox", "down", "--dir"]).arg(self.dir.path()).output();
    }
}
