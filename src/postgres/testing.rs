//! A real PostgreSQL for tests: made in a temporary directory, gone with the test process.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, Connection};

use super::connect::{Access, Databases};
use crate::model::{Auth, ConnectionTarget, Failure, Secret, ServerTarget, Target, Tls};

/// The bootstrap superuser, as Azure calls it.
pub(crate) const SUPERUSER: &str = "azuresu";
/// The server's name in targets.
pub(crate) const SERVER: &str = "srv";
/// Names that break careless quoting.
pub(crate) const HOSTILE: [&str; 12] = [
    "my-app-identity",
    "Ünï\"code",
    "a.b",
    "app/slots/staging",
    "DROP TABLE x; --",
    "sixty-three bytes: 34567890123456789012345678901234567890123456",
    "it's \\ {a,b}=r/*",
    "O'Brien",
    "a{b}c",
    "select",
    "two\nlines #1 by x",
    "\"\"",
];

/// A running server. One per process; it ends when the process does.
pub(crate) struct Server {
    port: u16,
}

/// The server, or `None` (said on stderr) where no PostgreSQL is installed; with `CI=true`, where nothing that should
/// run may be skipped, that is a failure.
pub(crate) fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| binaries().map(|bin| Server::start(&bin))).as_ref()
}

/// A server of one test's own, for what another's roles and sessions would disturb; it ends when the process does.
pub(crate) fn own_server() -> Option<Server> {
    binaries().map(|bin| Server::start(&bin))
}

/// `PGENTRA_TEST_POSTGRES` names a directory with `initdb` and `postgres`; otherwise Debian's newest. A machine that
/// checks changes (`CI=true`) must have one: there a skipped suite is a failure.
#[allow(clippy::print_stderr)]
fn binaries() -> Option<PathBuf> {
    if let Ok(dir) = std::env::var("PGENTRA_TEST_POSTGRES") {
        let dir = PathBuf::from(dir);
        assert!(dir.join("initdb").exists(), "PGENTRA_TEST_POSTGRES: no initdb in {}", dir.display());
        return Some(dir);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten();
    let found = versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no PostgreSQL to test with");
        eprintln!("SKIPPED: no PostgreSQL under /usr/lib/postgresql and no PGENTRA_TEST_POSTGRES");
    }
    found
}

/// PostgreSQL refuses to run as root; then its own user does.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if nix::unistd::geteuid().is_root()
        && let Some(user) = nix::unistd::User::from_name("postgres").unwrap()
    {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

impl Server {
    fn start(bin: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("pgentra-test-").tempdir().unwrap().keep();
        if nix::unistd::geteuid().is_root() {
            let user = nix::unistd::User::from_name("postgres").unwrap().unwrap();
            std::os::unix::fs::chown(&dir, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let data = dir.join("data");
        let made = command(&bin.join("initdb"))
            .args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb failed");
        // Everybody is trusted but the members of one role.
        let rules = std::fs::read_to_string(data.join("pg_hba.conf")).unwrap();
        let asked = "host all +by_password 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), format!("{asked}{rules}")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The shell waits for the end of its standard input, which comes with the end of this process.
        let script = "\"$0\" -D \"$1\"/data -k \"$1\" -p \"$2\" -h 127.0.0.1 -F -c log_statement=all \
                      -c log_line_prefix='%p ' >\"$1\"/log 2>&1 <&- & cat >/dev/null; kill -INT $!; wait; rm -rf \"$1\"";
        let mut keeper = command(Path::new("/bin/sh"));
        keeper.args(["-c", script]).arg(bin.join("postgres")).arg(&dir).arg(port.to_string());
        #[allow(clippy::zombie_processes)] // it outlives this process by a moment, on purpose
        let keeper = keeper.current_dir("/").process_group(0).stdin(Stdio::piped()).spawn().unwrap();
        std::mem::forget(keeper.stdin);
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
                && std::fs::read_to_string(dir.join("log")).is_ok_and(|log| log.contains("ready to accept"))
            {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { port }
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A superuser's own session, for what pgentra does not do itself.
    pub(crate) async fn session(&self, database: &str) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .ssl_mode(PgSslMode::Disable)
            .username(SUPERUSER)
            .database(database);
        PgConnection::connect_with(&options).await.unwrap()
    }

    /// Runs statements as the superuser.
    pub(crate) async fn run(&self, database: &str, sql: &str) {
        let mut session = self.session(database).await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
        session.close().await.unwrap();
    }

    /// Asks one query as the superuser.
    pub(crate) async fn ask(&self, database: &str, sql: &str) -> Vec<PgRow> {
        let mut session = self.session(database).await;
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut session).await;
        rows.unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    /// The place of a store in a schema of this name.
    pub(crate) fn store_url(&self, schema: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres?schema={schema}&sslmode=disable", self.port)
    }

    /// A fresh database.
    pub(crate) async fn database(&self, name: &str) {
        self.run("postgres", &format!("CREATE DATABASE {}", super::quote_ident(name))).await;
    }

    /// Databases of a target with this server, signed in to as these roles, by connections of the same names.
    pub(crate) fn databases(&self, users: &[&str]) -> Databases {
        let connection =
            |user: &&str| ConnectionTarget { name: (*user).into(), user: (*user).into(), auth: Auth::Token };
        let server = ServerTarget {
            subscription: "s".into(),
            resource_group: "g".into(),
            name: SERVER.into(),
            host: Some("127.0.0.1".into()),
            port: self.port,
            tls: Tls::Disable,
            connections: users.iter().map(connection).collect(),
        };
        let servers = [(SERVER.to_owned(), server)].into();
        Databases::new(Arc::new(Target { servers, ..Target::default() }), Arc::new(TestAccess))
    }
}

/// Gives a token that the test server, which trusts everybody, does not look at.
pub(crate) struct TestAccess;

#[async_trait]
impl Access for TestAccess {
    async fn token(&self) -> Result<Secret, Failure> {
        Ok(Secret::new("token"))
    }

    async fn host(&self, _server: &ServerTarget) -> Result<String, Failure> {
        Ok("127.0.0.1".into())
    }
}
