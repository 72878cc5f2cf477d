//! The sandbox's PostgreSQL as a flexible server: started, seeded, restarted, and driven by the control plane.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};

use crate::model::{Class, Failure, Secret};

use super::clock;
use super::cluster_files::Files;
use super::cluster_secrets::ClusterSecrets;
use super::cluster_server::{Server, find_programs, prepare_data};
use super::database::{Database, PrincipalType};
use super::pgaadauth::Label;
use super::seed::{ADMIN_LOGIN, APP_LOGIN, Backend, failed, seed, set_rights};

/// Seconds that the server's clock may be off.
const CLOCK_TOLERANCE: u64 = 2;

/// What the members of azure_pg_admin may do with the roles of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminRights {
    /// As Azure documents it: they manage every role that is not restricted, and reach the objects it owns.
    #[default]
    Documented,
    /// As stock PostgreSQL has it; servers that behave so are on record too.
    Strict,
}

impl AdminRights {
    fn word(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Strict => "strict",
        }
    }
}

/// How to run a cluster.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The sandbox's directory; made where there is none, used again where there is one.
    pub directory: PathBuf,
    /// The directory of PostgreSQL's programs; searched for when `None`.
    pub programs: Option<PathBuf>,
    /// The tenant's id, for labels.
    pub tenant: String,
    /// What administrators may do.
    pub rights: AdminRights,
    /// How long at least a restart answers `the database system is starting up`.
    pub restart_window: Duration,
}

impl ClusterOptions {
    /// Documented rights, half a second for a restart, PostgreSQL searched for.
    pub fn new(directory: impl Into<PathBuf>, tenant: impl Into<String>) -> Self {
        Self {
            directory: directory.into(),
            programs: None,
            tenant: tenant.into(),
            rights: AdminRights::default(),
            restart_window: Duration::from_millis(500),
        }
    }
}

/// A principal of the tenant, as `pgaadauth_create_principal` finds it by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Object id.
    pub object_id: String,
    /// User principal name, or display name of a group or application.
    pub name: String,
    /// What kind of principal it is.
    pub principal: PrincipalType,
}

/// What the front must know before a sign-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    /// Port of the server, while it takes connections.
    pub port: Option<u16>,
    /// Whether tokens are taken.
    pub entra: bool,
    /// Whether passwords are taken.
    pub password: bool,
}

/// A running PostgreSQL with its data.
#[derive(Debug)]
pub struct Cluster {
    files: Files,
    programs: PathBuf,
    secrets: ClusterSecrets,
    restart_window: Duration,
    server: Mutex<Option<Server>>,
    door: watch::Sender<Door>,
}

impl Cluster {
    /// Starts the server, and seeds it where that was not done yet. Entra authentication is off and passwords are on in
    /// a new server; an existing one keeps what was set.
    pub async fn start(options: ClusterOptions) -> Result<Self, Failure> {
        let programs = find_programs(options.programs.as_deref())?;
        let files = Files::prepare(&options.directory)?;
        let secrets = match ClusterSecrets::read(&files.directory)? {
            Some(secrets) => secrets,
            None if files.data.exists() => {
                return Err(Failure::new(Class::NotFound, "the passwords of the sandbox's PostgreSQL are gone")
                    .remedy(format!(
                        "delete {} and {} to begin anew",
                        files.data.display(),
                        files.directory.display()
                    )));
            }
            None => ClusterSecrets::create(&files.directory, ADMIN_LOGIN, APP_LOGIN)?,
        };
        prepare_data(&files, &programs).await?;
        let server = Server::start(&files, &programs).await?;
        let backend = Backend { socket: &files.socket, port: server.port };
        seed(backend, &secrets, &options.tenant, options.rights.word()).await?;
        let mut postgres = backend.connect("postgres").await?;
        let set = sqlx::query("SELECT entra_auth, password_auth FROM sandbox.settings")
            .fetch_one(&mut postgres)
            .await
            .map_err(failed("read its settings"))?;
        let read = |name: &str| set.try_get(name).map_err(failed("read its settings"));
        let door = Door { port: Some(server.port), entra: read("entra_auth")?, password: read("password_auth")? };
        let (door, _) = watch::channel(door);
        let restart_window = options.restart_window;
        Ok(Self { files, programs, secrets, restart_window, server: Mutex::new(Some(server)), door })
    }

    /// Ends all sessions and stops the server; the data stays. Dropping a cluster stops it too, less gracefully.
    pub async fn stop(&self) {
        self.door.send_modify(|door| door.port = None);
        if let Some(mut server) = self.server.lock().await.take() {
            server.stop().await;
        }
    }

    /// Ends all sessions, stops the server and starts it again. Until then, and at least for the restart window, the
    /// front answers `the database system is starting up`.
    pub async fn restart(&self) -> Result<(), Failure> {
        let mut server = self.server.lock().await;
        let open_again = Instant::now() + self.restart_window;
        self.door.send_modify(|door| door.port = None);
        if let Some(mut old) = server.take() {
            old.stop().await;
        }
        let new = Server::start(&self.files, &self.programs).await?;
        let port = new.port;
        *server = Some(new);
        sleep_until(open_again).await;
        self.door.send_modify(|door| door.port = Some(port));
        Ok(())
    }

    /// The generated logins.
    pub fn secrets(&self) -> &ClusterSecrets {
        &self.secrets
    }

    /// The server's data directory.
    pub fn data_directory(&self) -> &Path {
        &self.files.data
    }

    /// The file of the sandbox's clock.
    pub fn clock_file(&self) -> &Path {
        &self.files.clock
    }

    /// What the server says.
    pub fn log_file(&self) -> &Path {
        &self.files.log
    }

    /// Switches what administrators may do. Under strict rights grants that leaned on the documented ones are gone.
    pub async fn set_rights(&self, rights: AdminRights) -> Result<(), Failure> {
        let mut postgres = self.connect("postgres").await?;
        set_rights(&mut postgres, rights.word()).await
    }

    /// Replaces the principals that `pgaadauth_create_principal` finds by name.
    pub async fn set_directory(&self, entries: &[DirectoryEntry]) -> Result<(), Failure> {
        let mut postgres = self.connect("postgres").await?;
        let column = |of: fn(&DirectoryEntry) -> &str| entries.iter().map(|entry| of(entry).to_owned()).collect();
        let ids: Vec<String> = column(|entry| &entry.object_id);
        let names: Vec<String> = column(|entry| &entry.name);
        let kinds: Vec<String> = column(|entry| entry.principal.label());
        let mut change = postgres.begin().await.map_err(failed("fill the directory"))?;
        sqlx::query("DELETE FROM sandbox.directory")
            .execute(&mut *change)
            .await
            .map_err(failed("empty the directory"))?;
        sqlx::query(
            "INSERT INTO sandbox.directory (object_id, name, principal_type) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[])",
        )
        .bind(ids)
        .bind(names)
        .bind(kinds)
        .execute(&mut *change)
        .await
        .map_err(failed("fill the directory"))?;
        change.commit().await.map_err(failed("fill the directory"))
    }

    /// A session of the superuser.
    pub(super) async fn connect(&self, database: &str) -> Result<PgConnection, Failure> {
        let port =
            self.door().port.ok_or_else(|| Failure::new(Class::Busy, "the sandbox's PostgreSQL is restarting"))?;
        Backend { socket: &self.files.socket, port }.connect(database).await
    }

    /// Runs the statement that `query` writes about `name`; the server quotes it.
    async fn statement(&self, query: &'static str, name: &str, what: &'static str) -> Result<(), Failure> {
        let mut postgres = self.connect("postgres").await?;
        let statement: String =
            sqlx::query_scalar(query).bind(name).fetch_one(&mut postgres).await.map_err(failed(what))?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut postgres).await.map(drop).map_err(failed(what))
    }

    pub(super) fn door(&self) -> Door {
        *self.door.borrow()
    }

    pub(super) fn socket(&self, port: u16) -> PathBuf {
        self.files.socket.join(format!(".s.PGSQL.{port}"))
    }

    /// The mapping of a role to a principal; an unknown role has none. Administrators get their rights here, because
    /// roles may have been made since they last signed in.
    pub(super) async fn label(&self, name: &str) -> Result<Option<Label>, Failure> {
        let mut postgres = self.connect("postgres").await?;
        let found = sqlx::query(include_str!("../../sql/sandbox/login.sql"))
            .bind(name)
            .fetch_optional(&mut postgres)
            .await
            .map_err(failed("look a role up"))?;
        let Some(row) = found else { return Ok(None) };
        let label: Option<String> = row.try_get("label").map_err(failed("look a role up"))?;
        let admin: bool = row.try_get("admin").map_err(failed("look a role up"))?;
        if admin {
            let shared = sqlx::query("SELECT sandbox.share_roles()").execute(&mut postgres).await;
            if let Err(error) = shared {
                // Somebody else has a role in hand; the next sign-in shares it.
                tracing::warn!("not all roles could be shared with the administrators: {error}");
            }
        }
        Ok(label.as_deref().and_then(Label::parse))
    }
}

#[async_trait]
impl Database for Cluster {
    async fn set_auth(&self, entra: bool, password: bool, restart: bool) -> Result<(), Failure> {
        let mut postgres = self.connect("postgres").await?;
        sqlx::query("UPDATE sandbox.settings SET entra_auth = $1, password_auth = $2")
            .bind(entra)
            .bind(password)
            .execute(&mut postgres)
            .await
            .map_err(failed("set the ways of signing in"))?;
        postgres.close().await.map_err(failed("end a session"))?;
        self.door.send_modify(|door| {
            door.entra = entra;
            door.password = password;
        });
        if restart { self.restart().await } else { Ok(()) }
    }

    async fn set_admin_password(&self, password: &Secret) -> Result<(), Failure> {
        let mut postgres = self.connect("postgres").await?;
        let set: String = sqlx::query_scalar("SELECT format('ALTER ROLE %I PASSWORD %L', $1, $2)")
            .bind(&self.secrets.admin_login)
            .bind(password.expose())
            .fetch_one(&mut postgres)
            .await
            .map_err(failed("take the administrator's password"))?;
        // Safe: format() quoted both.
        let set = sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut postgres).await;
        set.map(drop).map_err(failed("set the administrator's password"))?;
        postgres.close().await.map_err(failed("end a session"))
    }

    async fn add_admin(&self, name: &str, object_id: &str, principal: PrincipalType) -> Result<(), Failure> {
        let mut postgres = self.connect("postgres").await?;
        sqlx::query("SELECT sandbox.add_admin($1, $2, $3)")
            .bind(name)
            .bind(object_id)
            .bind(principal.label())
            .execute(&mut postgres)
            .await
            .map(drop)
            .map_err(failed("add the administrator"))
    }

    async fn remove_admin(&self, object_id: &str) -> Result<(), Failure> {
        let mut postgres = self.connect("postgres").await?;
        sqlx::query("SELECT sandbox.remove_admin($1)")
            .bind(object_id)
            .execute(&mut postgres)
            .await
            .map(drop)
            .map_err(failed("remove the administrator"))
    }

    async fn set_clock(&self, ahead: SignedDuration) -> Result<(), Failure> {
        let follows = self.server.lock().await.as_ref().is_some_and(Server::follows_clock);
        if !follows && ahead.is_zero() {
            return Ok(());
        }
        if !follows {
            let title = "the sandbox's PostgreSQL cannot follow a clock that is moved: libfaketime is missing";
            return Err(Failure::new(Class::NotFound, title).remedy(clock::REMEDY));
        }
        clock::write(&self.files.clock, ahead)?;
        let mut postgres = self.connect("postgres").await?;
        let seconds: f64 = sqlx::query_scalar("SELECT extract(epoch FROM clock_timestamp())::float8")
            .fetch_one(&mut postgres)
            .await
            .map_err(failed("read its clock"))?;
        let wanted = clock::shifted(ahead).as_second();
        #[allow(clippy::cast_possible_truncation, reason = "seconds since 1970 are far below 2^53")]
        let off = wanted.abs_diff(seconds as i64);
        if off > CLOCK_TOLERANCE {
            let title = "the sandbox's PostgreSQL did not follow the clock";
            return Err(Failure::new(Class::Other, title).detail(format!("it is {off} s off")));
        }
        Ok(())
    }

    async fn checkpoint(&self) -> Result<(), Failure> {
        let mut postgres = self.connect("postgres").await?;
        sqlx::query("CHECKPOINT").execute(&mut postgres).await.map_err(failed("checkpoint"))?;
        postgres.close().await.map_err(failed("end a session"))
    }

    async fn databases(&self) -> Result<Vec<String>, Failure> {
        let mut postgres = self.connect("postgres").await?;
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE NOT datistemplate ORDER BY datname")
            .fetch_all(&mut postgres)
            .await
            .map_err(failed("list its databases"))
    }

    async fn create_database(&self, name: &str) -> Result<(), Failure> {
        if self.databases().await?.iter().any(|database| database == name) {
            return Ok(());
        }
        self.statement("SELECT format('CREATE DATABASE %I OWNER azure_pg_admin', $1)", name, "make a database").await
    }

    async fn drop_database(&self, name: &str) -> Result<(), Failure> {
        self.statement("SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', $1)", name, "drop a database").await
    }
}
