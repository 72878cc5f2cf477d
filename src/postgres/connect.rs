//! Connections: at most two at once per server and one per database, kept and reused, each signed in afresh.

mod password;
mod patience;
mod rejection;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{ConnectOptions, Connection, Either};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::batch::{Question, message};
use super::errors::{failure, no_answer, worth_another_try};
pub use rejection::Rejection;

use super::statements::Script;
use crate::model::{Auth, Class, ConnectionTarget, Failure, Secret, ServerTarget, Target, Tls};
use patience::{ANSWER, GLANCE, end, run, within};

/// How many connections one server has to bear at once.
const PER_SERVER: usize = 2;
/// Reaching a server and signing in takes no longer than this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a transaction is run again when somebody else touched the same catalog rows.
const TRIES: u32 = 6;

/// What the way to a server needs from elsewhere.
#[async_trait]
pub trait Access: Send + Sync {
    /// A token that PostgreSQL takes as a password, good for at least a few minutes.
    async fn token(&self) -> Result<Secret, Failure>;

    /// The fully qualified domain name of a server, for one whose host the plan file does not name.
    async fn host(&self, server: &ServerTarget) -> Result<String, Failure>;
}

/// All databases of a plan file's servers.
#[derive(Clone)]
pub struct Databases {
    target: Arc<Target>,
    access: Arc<dyn Access>,
    servers: Arc<Mutex<BTreeMap<String, Arc<Server>>>>,
    patience: Duration,
}

struct Server {
    permits: Arc<Semaphore>,
    databases: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    database: String,
    connection: String,
    session: PgConnection,
}

/// A connection in use. Goes back to be reused when dropped, unless something went wrong with it. Never hold two.
pub struct Lease {
    session: Option<PgConnection>,
    settled: bool,
    database: String,
    connection: String,
    user: String,
    server: Arc<Server>,
    patience: Duration,
    _permit: OwnedSemaphorePermit,
    _turn: OwnedMutexGuard<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_connection(which: &str) -> Failure {
    Failure::new(Class::Input, "the server has no such connection in the plan file")
        .detail(which)
        .remedy("add it to the plan file: [[server.<label>.connections]] with name and user")
}

impl Databases {
    /// Knows the servers and how to get at tokens and names; connects when asked.
    pub fn new(target: Arc<Target>, access: Arc<dyn Access>) -> Self {
        Self { target, access, servers: Arc::default(), patience: ANSWER }
    }

    /// A server of the plan file. An unknown one is an [`Class::Input`] failure.
    pub fn server(&self, name: &str) -> Result<&ServerTarget, Failure> {
        self.target.servers.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.target.servers.keys().map(String::as_str).collect();
            Failure::new(Class::Input, "the plan file has no such server")
                .detail(format!(
                    "{name:?}; servers it has: {}",
                    if known.is_empty() { "none".into() } else { known.join(", ") }
                ))
                .remedy("add it to the plan file: [server.<name>]")
        })
    }

    /// A connection to a database: through the named way, or through the first one.
    pub async fn lease(&self, server: &str, database: &str, via: Option<&str>) -> Result<Lease, Failure> {
        let target = self.server(server)?;
        let connection = match via {
            Some(name) => target.connections.iter().find(|connection| connection.name == name),
            None => target.connections.first(),
        };
        let connection = connection.ok_or_else(|| {
            no_connection(&via.map_or_else(|| format!("server {server}"), |name| format!("server {server}: {name:?}")))
        })?;
        self.open(target, database, connection).await.map_err(|rejection| rejection.failure)
    }

    /// A connection to look through: the first way that the server lets in, and into this database. Ways that it refuses
    /// are passed over; when it refuses all, the rejection is that of the first one.
    pub async fn lease_any(&self, server: &str, database: &str) -> Result<Lease, Rejection> {
        let target = self.server(server)?;
        let mut first: Option<Rejection> = None;
        for connection in &target.connections {
            match self.open(target, database, connection).await {
                Err(rejection) if rejection.is_about_the_role() => first = first.or(Some(rejection)),
                other => return other,
            }
        }
        Err(first.unwrap_or_else(|| no_connection(&format!("server {server}")).into()))
    }

    /// Signs in with a token as any role, to see whether it may. Not kept.
    pub async fn sign_in(&self, server: &str, database: &str, role: &str) -> Result<(), Failure> {
        let target = self.server(server)?;
        let connection = ConnectionTarget { name: format!("\0{role}"), user: role.to_owned(), auth: Auth::Token };
        let mut lease = self.open(target, database, &connection).await.map_err(|rejection| rejection.failure)?;
        let answer = lease.rows(sqlx::query("SELECT 1"), "ask the server").await.map(|_| ());
        lease.settled = false;
        answer
    }

    fn state(&self, server: &str) -> Arc<Server> {
        let mut servers = lock(&self.servers);
        let state = servers.entry(server.to_owned()).or_insert_with(|| {
            Arc::new(Server {
                permits: Arc::new(Semaphore::new(PER_SERVER)),
                databases: Mutex::default(),
                idle: Mutex::default(),
            })
        });
        Arc::clone(state)
    }

    async fn open(&self, target: &ServerTarget, database: &str, by: &ConnectionTarget) -> Result<Lease, Rejection> {
        let server = self.state(&target.name);
        let turn = Arc::clone(lock(&server.databases).entry(database.to_owned()).or_default());
        let turn = turn.lock_owned().await;
        let Ok(permit) = Arc::clone(&server.permits).acquire_owned().await else {
            return Err(Failure::new(Class::Other, "the connections were closed")
                .remedy("run the same command again")
                .into());
        };
        let session = match take_idle(&server, database, &by.name, self.patience.min(GLANCE)).await {
            Some(session) => session,
            None => self.connect(target, database, by).await?,
        };
        Ok(Lease {
            session: Some(session),
            settled: true,
            database: database.to_owned(),
            connection: by.name.clone(),
            user: by.user.clone(),
            server,
            patience: self.patience,
            _permit: permit,
            _turn: turn,
        })
    }

    async fn password(&self, by: &ConnectionTarget) -> Result<Secret, Failure> {
        let Auth::Password(source) = &by.auth else { return self.access.token().await };
        source.variable().and_then(|name| std::env::var(name).ok()).map(Secret::new).ok_or_else(|| {
            Failure::new(Class::NotSignedIn, "the connection has no password")
                .detail(format!("connection {}: {source} is not set", by.name))
                .remedy(format!("set the {source}"))
        })
    }

    async fn host(&self, target: &ServerTarget) -> Result<String, Failure> {
        match &target.host {
            Some(host) => Ok(host.clone()),
            None => self.access.host(target).await,
        }
    }

    async fn connect(
        &self,
        target: &ServerTarget,
        database: &str,
        by: &ConnectionTarget,
    ) -> Result<PgConnection, Rejection> {
        // Asked for side by side: each may be a call of its own.
        let (password, host) = futures::try_join!(self.password(by), self.host(target))?;
        let doing = format!("sign in to database {database:?} at {host}:{} as {:?}", target.port, by.user);
        let options = options(target, &host).username(&by.user).password(password.expose()).database(database);
        match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => {
                let refused = error.as_database_error().is_some();
                Err(Rejection { refused, failure: failure(&error, &doing) })
            }
            Err(_) => Err(no_answer(&doing, CONNECT_TIMEOUT).into()),
        }
    }
}

/// The options that do not depend on who signs in. Looks are read-only: a session writes only inside a transaction
/// that says so. Unqualified names mean the catalog's, so that nobody's look-alike is run.
fn options(target: &ServerTarget, host: &str) -> PgConnectOptions {
    let mode = match target.tls {
        Tls::VerifyFull => PgSslMode::VerifyFull,
        Tls::VerifyCa => PgSslMode::VerifyCa,
        Tls::Require => PgSslMode::Require,
        Tls::Disable => PgSslMode::Disable,
    };
    PgConnectOptions::new_without_pgpass()
        .host(host)
        .port(target.port)
        .ssl_mode(mode)
        .application_name(concat!("pgentra/", env!("CARGO_PKG_VERSION")))
        .options([
            ("default_transaction_read_only", "on"),
            ("search_path", "pg_catalog"),
            ("statement_timeout", "120s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "120s"),
        ])
        .disable_statement_logging()
}

/// An unused connection of this database and way. Makes room by closing others when the server has its two.
async fn take_idle(server: &Server, database: &str, connection: &str, patience: Duration) -> Option<PgConnection> {
    let (found, surplus) = {
        let mut idle = lock(&server.idle);
        let at = idle.iter().position(|idle| idle.database == database && idle.connection == connection);
        let found = at.map(|at| idle.remove(at).session);
        let leased = PER_SERVER - server.permits.available_permits();
        let room = PER_SERVER.saturating_sub(leased);
        let (same, mut other): (Vec<Idle>, Vec<Idle>) = idle.drain(..).partition(|idle| idle.database == database);
        let keep = other.split_off(other.len().saturating_sub(room));
        *idle = keep;
        (found, same.into_iter().chain(other).collect::<Vec<_>>())
    };
    for idle in surplus {
        end(idle.session).await;
    }
    let mut session = found?;
    within(patience, session.ping()).await.ok()?;
    Some(session)
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn gone() -> Failure {
    Failure::new(Class::Other, "the connection is gone").remedy("run the same command again")
}

impl Lease {
    /// The role that is signed in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The plan file's name of this way to sign in.
    pub fn connection(&self) -> &str {
        &self.connection
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The server's version as PostgreSQL counts it: 150018 is 15.18.
    pub fn version(&self) -> u32 {
        self.session.as_ref().and_then(PgConnection::server_version_num).unwrap_or_default()
    }

    /// Runs one query and answers all its rows. `doing` is what it is for, as in `cannot <doing>`.
    pub async fn rows(&mut self, query: Query<'_>, doing: &str) -> Result<Vec<PgRow>, Failure> {
        let Some(session) = self.session.as_mut() else {
            return Err(gone());
        };
        self.settled = false;
        let answer = within(self.patience, query.fetch_all(session)).await;
        self.settled = !matches!(&answer, Err(error) if error.as_database_error().is_none());
        answer.map_err(|error| failure(&error, doing))
    }

    /// Asks several queries in one round trip and on one snapshot of the database. Each row goes to `take` as it comes,
    /// with the number of its query (from 0), so that large answers are never held as rows. `doing` as for `rows`.
    pub async fn ask(
        &mut self,
        questions: &[Question],
        doing: &str,
        mut take: impl FnMut(usize, &PgRow) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(session) = self.session.as_mut() else {
            return Err(gone());
        };
        self.settled = false;
        let message = message(questions);
        let mut answers = sqlx::raw_sql(Script::trusted(&message)).fetch_many(session);
        // The first statement sets the isolation and has no rows.
        let mut ended = 0;
        loop {
            match within(self.patience, answers.try_next()).await {
                Ok(None) => break,
                Ok(Some(Either::Left(_))) => ended += 1,
                Ok(Some(Either::Right(row))) => take(usize::saturating_sub(ended, 1), &row)?,
                Err(error) => {
                    drop(answers);
                    self.settled = error.as_database_error().is_some();
                    return Err(failure(&error, doing));
                }
            }
        }
        drop(answers);
        self.settled = true;
        Ok(())
    }

    /// Runs the statements of a script in one transaction, in as few round trips as their size allows; all or nothing.
    /// Runs them again when somebody else touched the same catalog rows meanwhile.
    pub async fn run(&mut self, script: &Script, doing: &str) -> Result<(), Failure> {
        let messages = script.messages();
        let mut tries = 0;
        loop {
            tries += 1;
            match self.run_once(&messages).await {
                Ok(()) => return Ok(()),
                Err(error) if tries < TRIES && worth_another_try(&error) => {
                    tokio::time::sleep(Duration::from_millis(25 << tries)).await;
                }
                Err(error) => return Err(failure(&error, doing)),
            }
        }
    }

    /// Runs the statements of a script and then a query in one transaction, and rolls it back whatever happens.
    pub(super) async fn rows_within(
        &mut self,
        script: &Script,
        query: Query<'_>,
        doing: &str,
    ) -> Result<Vec<PgRow>, Failure> {
        let Some(session) = self.session.as_mut() else {
            return Err(gone());
        };
        self.settled = false;
        let answer = match run(session, &script.open_message(), self.patience).await {
            Ok(()) => within(self.patience, query.fetch_all(&mut *session)).await,
            Err(error) => Err(error),
        };
        self.settled = rolled_back(session, &answer, self.patience).await;
        answer.map_err(|error| failure(&error, doing))
    }

    async fn run_once(&mut self, messages: &[String]) -> Result<(), sqlx::Error> {
        let Some(session) = self.session.as_mut() else { return Err(sqlx::Error::PoolClosed) };
        self.settled = false;
        for message in messages {
            let answer = run(session, message, self.patience).await;
            if answer.is_err() {
                self.settled = rolled_back(session, &answer, self.patience).await;
                return answer;
            }
        }
        self.settled = true;
        Ok(())
    }
}

/// Ends a transaction without a trace, where the session still answers.
async fn rolled_back<T>(session: &mut PgConnection, answer: &Result<T, sqlx::Error>, patience: Duration) -> bool {
    !matches!(answer, Err(sqlx::Error::Io(_))) && run(session, "ROLLBACK", patience).await.is_ok()
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.session.take().filter(|_| self.settled) {
            let (database, connection) = (self.database.clone(), self.connection.clone());
            lock(&self.server.idle).push(Idle { database, connection, session });
        }
    }
}

#[cfg(test)]
mod tests;
