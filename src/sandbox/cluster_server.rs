//! The PostgreSQL server process of the sandbox: found, initialised, started, awaited and stopped.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::model::{Class, Failure};

use super::clock;
use super::cluster_files::Files;

/// The superuser; on Azure it is Microsoft's.
pub const SUPERUSER: &str = "azuresu";

const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// The socket is open to everybody who can reach it: its directory lets in the server's user alone.
const HBA: &str = "# Written by the sandbox at every start.\n\
                   local all all trust\n\
                   host all all 127.0.0.1/32 scram-sha-256\n";

/// Settings of the server. No durability: a sandbox is thrown away. Statements that fail are not logged, because they
/// may hold a password. Connections are, as on Azure.
const SETTINGS: [&str; 14] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_permissions=0700",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=200",
    "password_encryption=scram-sha-256",
    "logging_collector=off",
    "log_destination=stderr",
    "log_connections=on",
    "log_min_error_statement=panic",
    "timezone=UTC",
];

/// Finds the directory of PostgreSQL's server programs: `chosen` or the environment variable PGENTRA_PG_BIN, the PATH,
/// then the places where packages put them, newest version first.
pub fn find_programs(chosen: Option<&Path>) -> Result<PathBuf, Failure> {
    let complete =
        |directory: &Path| ["initdb", "postgres", "pg_ctl"].iter().all(|name| directory.join(name).is_file());
    let named = chosen.map(Path::to_path_buf).or_else(|| std::env::var_os("PGENTRA_PG_BIN").map(PathBuf::from));
    if let Some(directory) = named {
        if complete(&directory) {
            return Ok(directory);
        }
        return Err(Failure::new(Class::NotFound, "there is no PostgreSQL server in the directory named")
            .detail(directory.display().to_string())
            .remedy("name one that holds initdb, postgres and pg_ctl, with --postgres or PGENTRA_PG_BIN"));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for (root, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql@"),
        ("/usr", "pgsql-"),
        ("/Library/PostgreSQL", ""),
    ] {
        places.extend(versions(Path::new(root), prefix));
    }
    places
        .extend(["/usr/local/pgsql/bin", "/Applications/Postgres.app/Contents/Versions/latest/bin"].map(PathBuf::from));
    places.into_iter().find(|place| complete(place)).ok_or_else(|| {
        Failure::new(Class::NotFound, "no PostgreSQL server is installed")
            .remedy("apt-get install postgresql, or set PGENTRA_PG_BIN to the directory that holds initdb and postgres")
    })
}

/// `<root>/<prefix><version>/bin`, newest first.
fn versions(root: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.split('.').next()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Makes the data directory where there is none, and ends a server that a killed sandbox left behind in it.
pub async fn prepare_data(files: &Files, programs: &Path) -> Result<(), Failure> {
    if files.data.join("PG_VERSION").is_file() {
        check_version(files, programs).await?;
        if files.data.join("postmaster.pid").exists() {
            let mut stop = command(&programs.join("pg_ctl"), files);
            stop.args(["stop", "-m", "fast", "-w", "-t", "20", "-D"]).arg(&files.data);
            // It fails when the server is gone already, which is what is wanted.
            let _ = run(stop).await?;
        }
    } else {
        let fresh = files.fresh_data()?;
        let mut initdb = command(&programs.join("initdb"), files);
        initdb.args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]).arg(&fresh);
        let (done, said) = run(initdb).await?;
        if !done {
            return Err(Failure::new(Class::Other, "initdb could not make a data directory").detail(said));
        }
        fs::rename(&fresh, &files.data).map_err(|error| {
            Failure::new(Class::Other, "cannot make the data directory")
                .detail(format!("{}: {error}", files.data.display()))
        })?;
    }
    fs::write(files.data.join("pg_hba.conf"), HBA)
        .map_err(|error| Failure::new(Class::Other, "cannot write pg_hba.conf").detail(error.to_string()))
}

/// A data directory belongs to one major version.
async fn check_version(files: &Files, programs: &Path) -> Result<(), Failure> {
    let path = files.data.join("PG_VERSION");
    let made_by = fs::read_to_string(&path).map_err(|error| {
        Failure::new(Class::Other, "cannot read the data directory").detail(format!("{}: {error}", path.display()))
    })?;
    let mut ask = command(&programs.join("postgres"), files);
    ask.arg("--version");
    let (_, said) = run(ask).await?;
    let version =
        said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap_or_default();
    if version.split('.').next() == Some(made_by.trim()) {
        return Ok(());
    }
    Err(Failure::new(Class::Input, "the data directory is of another version of PostgreSQL")
        .detail(format!(
            "{} was made by PostgreSQL {}, but {} is PostgreSQL {version}",
            files.data.display(),
            made_by.trim(),
            programs.display()
        ))
        .remedy("set PGENTRA_PG_BIN to the programs of that version, or delete the sandbox's directory to begin anew"))
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its TCP port on 127.0.0.1, and the number in the name of its socket.
    pub port: u16,
    follows_clock: bool,
}

impl Server {
    /// Starts the server on a free port, with the sandbox's clock where libfaketime is installed, and waits until it takes connections.
    pub async fn start(files: &Files, programs: &Path) -> Result<Self, Failure> {
        if !files.clock.exists() {
            clock::write(&files.clock, SignedDuration::ZERO)?;
        }
        let mut last = None;
        // Between asking for a free port and using it somebody else may take it.
        for _ in 0..5 {
            let mut server = Self::spawn(files, programs)?;
            match server.ready(files).await {
                Ok(()) => return Ok(server),
                Err(failure)
                    if failure.detail.as_deref().is_some_and(|said| said.contains("Address already in use")) =>
                {
                    last = Some(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(last.unwrap_or_else(|| Failure::new(Class::Other, "PostgreSQL did not start")))
    }

    fn spawn(files: &Files, programs: &Path) -> Result<Self, Failure> {
        let failed =
            |error: &std::io::Error| Failure::new(Class::Other, "cannot start PostgreSQL").detail(error.to_string());
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| failed(&error))?
            .port();
        let log = File::create(&files.log).map_err(|error| failed(&error))?;
        let mut postgres = command(&programs.join("postgres"), files);
        postgres.arg("-D").arg(&files.data).args(["-p", &port.to_string()]);
        for setting in SETTINGS {
            postgres.args(["-c", setting]);
        }
        let socket = files.socket.to_string_lossy().replace('"', "\"\"");
        postgres.args(["-c", &format!("unix_socket_directories=\"{socket}\"")]);
        let library = clock::library();
        if let Some(library) = &library {
            postgres.envs(clock::environment(library, &files.clock));
        }
        // A group of its own: Ctrl-C at the terminal is for the sandbox, which then stops the server.
        postgres.process_group(0).stdout(Stdio::null()).stderr(log);
        let child = postgres.spawn().map_err(|error| failed(&error))?;
        Ok(Self { child, port, follows_clock: library.is_some() })
    }

    /// Whether its clock is that of the sandbox, also when that is moved.
    pub fn follows_clock(&self) -> bool {
        self.follows_clock
    }

    async fn ready(&mut self, files: &Files) -> Result<(), Failure> {
        let begin = Instant::now();
        let own = self.child.id().map(|id| id.to_string());
        while begin.elapsed() < START_LIMIT {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Failure::new(Class::Other, "PostgreSQL ended at its start")
                    .detail(format!("{status}\n{}", tail(&files.log))));
            }
            // Line 1 is the process id, line 8 the state.
            let text = fs::read_to_string(files.data.join("postmaster.pid")).unwrap_or_default();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            if lines.first().copied() == own.as_deref() && lines.get(7) == Some(&"ready") {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err(Failure::new(Class::Other, "PostgreSQL did not become ready within a minute").detail(tail(&files.log)))
    }

    /// Ends all sessions (57P01) and stops; a server that does not stop in time is killed.
    pub async fn stop(&mut self) {
        self.signal(Signal::SIGINT);
        if timeout(STOP_LIMIT, self.child.wait()).await.is_err() {
            self.signal(Signal::SIGQUIT);
            if timeout(Duration::from_secs(5), self.child.wait()).await.is_err() {
                let _ = self.child.kill().await;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // An error means that it is gone.
            let _ = kill(Pid::from_raw(id), signal);
        }
    }
}

impl Drop for Server {
    /// Ends the server at once, and gives it a moment so that its files can be deleted.
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        self.signal(Signal::SIGQUIT);
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begin.elapsed() > Duration::from_secs(2) {
                let _ = self.child.start_kill();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A command that runs as the server's user, in a directory that it can read, with nothing of our environment.
fn command(program: &Path, files: &Files) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&files.socket).env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C").stdin(Stdio::null());
    if let Some(user) = &files.user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// Runs a command to its end: whether it succeeded, and what it said.
async fn run(mut command: Command) -> Result<(bool, String), Failure> {
    let output = command.output().await.map_err(|error| {
        let class = if error.kind() == ErrorKind::NotFound { Class::NotFound } else { Class::Other };
        Failure::new(class, "cannot run PostgreSQL's programs").detail(error.to_string())
    })?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), said))
}

/// The last lines of the server's log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
