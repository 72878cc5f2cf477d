//! The store in a PostgreSQL schema of its own: every write is a transaction that checks that the lock is still ours.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::Mutex;

use super::{Held, LockNote, Store, finish, text};
use crate::azure::Tokens;
use crate::journal::Record;
use crate::model::{Auth, Class, Failure, PostgresPlace, Secret, Tls, hex};
use crate::postgres::{failure, no_answer, quote_ident};

const KEY: &str = "key";
const OWNED: &str = "owned";
/// The format of the tables.
const FORMAT: i32 = 1;
/// Reaching the server and signing in takes no longer than this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a taken lock is asked for again.
const RETRY: Duration = Duration::from_millis(250);

/// A schema. The lock is one of the session, so that of a holder that died is free when the server notices.
pub struct Postgres {
    place: PostgresPlace,
    /// Gives tokens that the server takes as a password, and their audience.
    tokens: Option<(Tokens, String)>,
    /// The session that reads; made when it is needed.
    reader: Mutex<Option<PgConnection>>,
}

type Query = sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments>;

impl Postgres {
    /// The store at `place`. `tokens` with their audience, unless the place names a password. Connects when it is used.
    pub fn new(place: PostgresPlace, tokens: Option<(Tokens, String)>) -> Self {
        Self { place, tokens, reader: Mutex::default() }
    }

    async fn connect(&self) -> Result<PgConnection, Failure> {
        let doing = format!("sign in to the store {}", self.place());
        let password = self.password().await?;
        let options = options(&self.place).password(password.expose());
        match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await {
            Ok(session) => session.map_err(|error| failure(&error, &doing)),
            Err(_) => Err(no_answer(&doing, CONNECT_TIMEOUT)),
        }
    }

    async fn password(&self) -> Result<Secret, Failure> {
        match (&self.place.auth, &self.tokens) {
            (Auth::Password(source), _) => {
                source.variable().and_then(|name| std::env::var(name).ok()).map(Secret::new).ok_or_else(|| {
                    Failure::new(Class::NotSignedIn, "the store has no password")
                        .detail(format!("{}: {source} is not set", self.place()))
                        .remedy(format!("set the {source}"))
                })
            }
            (Auth::Token, Some((tokens, audience))) => Ok(tokens.token(audience).await?.secret),
            (Auth::Token, None) => Err(Failure::new(Class::NotSignedIn, "there is no token for the store")
                .detail(self.place())
                .remedy("sign in, for example with `az login`")),
        }
    }

    fn no_holder(&self) -> Failure {
        Failure::new(Class::Other, "the table holder of the store is empty").detail(self.place()).remedy(format!(
            "insert its row again: INSERT INTO {}.holder DEFAULT VALUES",
            quote_ident(&self.place.schema)
        ))
    }

    /// Makes the schema and its tables where they are missing.
    async fn set_up(&self, session: &mut PgConnection) -> Result<(), Failure> {
        if !self.is_made(session).await? {
            let schema = quote_ident(&self.place.schema);
            // Two first writers would meet in the catalog; the lock of this transaction sends them one after the other.
            let script = format!(
                "BEGIN; SELECT pg_advisory_xact_lock(1885826418, 0); CREATE SCHEMA IF NOT EXISTS {schema}; \
                 SET LOCAL search_path = {schema}; {}; COMMIT",
                include_str!("../../sql/store/tables.sql").trim_end().trim_end_matches(';')
            );
            let made = sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *session).await;
            made.map_err(|error| {
                let failure = failure(&error, &format!("make the store {}", self.place()));
                match failure.class {
                    Class::Forbidden => failure.remedy(format!(
                        "let somebody who may run: CREATE SCHEMA {schema} AUTHORIZATION {}",
                        quote_ident(&self.place.user)
                    )),
                    _ => failure,
                }
            })?;
        }
        let row = self.rows(session, sqlx::query(include_str!("../../sql/store/format.sql"))).await?.pop();
        match row.map(|row| self.column::<i32>(&row, "format")).transpose()? {
            Some(FORMAT) => Ok(()),
            None => Err(self.no_holder()),
            Some(found) => Err(Failure::new(Class::Input, "the store was made by another version of pgentra")
                .detail(format!("{} has format {found}; this version writes {FORMAT}", self.place()))
                .remedy("use the version that made it")),
        }
    }

    async fn is_made(&self, session: &mut PgConnection) -> Result<bool, Failure> {
        let query = sqlx::query(include_str!("../../sql/store/exists.sql")).bind(self.place.schema.clone());
        let rows = self.rows(session, query).await?;
        rows.first().map_or(Ok(false), |row| self.column(row, "made"))
    }

    async fn rows(&self, session: &mut PgConnection, query: Query) -> Result<Vec<PgRow>, Failure> {
        let answer = query.fetch_all(session).await;
        answer.map_err(|error| failure(&error, &format!("use the store {}", self.place())))
    }

    fn column<T>(&self, row: &PgRow, name: &str) -> Result<T, Failure>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        row.try_get(name).map_err(|error| failure(&error, &format!("read the store {}", self.place())))
    }

    /// The rows that a query answers; none where there is no store yet. A session that failed is not used again.
    async fn look(&self, query: Query) -> Result<Vec<PgRow>, Failure> {
        let mut reader = self.reader.lock().await;
        let mut session = match reader.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        let rows = if self.is_made(&mut session).await? { self.rows(&mut session, query).await? } else { Vec::new() };
        *reader = Some(session);
        Ok(rows)
    }

    async fn texts(&self, query: Query, column: &str) -> Result<Vec<String>, Failure> {
        self.look(query).await?.iter().map(|row| self.column(row, column)).collect()
    }

    async fn document(&self, name: &'static str) -> Result<Option<String>, Failure> {
        let query = sqlx::query(include_str!("../../sql/store/document.sql")).bind(name);
        Ok(self.texts(query, "content").await?.pop())
    }

    /// The session that has the lock, and its note.
    async fn session_of_holder(&self) -> Result<Option<(i32, Option<LockNote>)>, Failure> {
        let query = sqlx::query(include_str!("../../sql/store/holder.sql")).bind(self.place.schema.clone());
        let Some(row) = self.look(query).await?.pop() else { return Ok(None) };
        let note: Option<String> = self.column(&row, "note")?;
        Ok(Some((self.column(&row, "pid")?, note.and_then(|note| serde_json::from_str(&note).ok()))))
    }

    async fn try_lock(&self, session: &mut PgConnection) -> Result<bool, Failure> {
        let query = sqlx::query(include_str!("../../sql/store/try_lock.sql")).bind(self.place.schema.clone());
        let rows = self.rows(session, query).await?;
        rows.first().map_or(Ok(false), |row| self.column(row, "taken"))
    }
}

/// Unqualified names mean the catalog's first, then the store's, so that nobody's look-alike is run. What was answered
/// is on disk, whatever the server's default is.
fn options(place: &PostgresPlace) -> PgConnectOptions {
    let mode = match place.tls {
        Tls::VerifyFull => PgSslMode::VerifyFull,
        Tls::VerifyCa => PgSslMode::VerifyCa,
        Tls::Require => PgSslMode::Require,
        Tls::Disable => PgSslMode::Disable,
    };
    PgConnectOptions::new_without_pgpass()
        .host(&place.host)
        .port(place.port)
        .database(&place.database)
        .username(&place.user)
        .ssl_mode(mode)
        .application_name(concat!("pgentra/", env!("CARGO_PKG_VERSION")))
        .options([
            ("search_path", format!("pg_catalog,{},pg_temp", place.schema).as_str()),
            ("synchronous_commit", "on"),
            ("statement_timeout", "30s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "30s"),
            // A machine that vanished keeps the lock for a minute, not for hours; and nothing between forgets the session.
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
        ])
        .disable_statement_logging()
}

/// The lock of the store at `place` stays with a session that does not end.
pub(super) fn not_ended(pid: i32, place: &str) -> Failure {
    Failure::new(Class::Locked, "the server has not ended the session that holds the lock")
        .detail(format!("session {pid}\n{place}"))
        .remedy("try again in a moment; see what the session waits for in pg_stat_activity")
}

#[async_trait]
impl Store for Postgres {
    async fn lock(&self, note: LockNote, patience: Duration) -> Result<Box<dyn Held>, Failure> {
        let start = Instant::now();
        let mut session = self.connect().await?;
        self.set_up(&mut session).await?;
        while !self.try_lock(&mut session).await? {
            if start.elapsed() >= patience {
                return Err(text::locked(&self.place(), self.holder().await?.as_ref()));
            }
            tokio::time::sleep(RETRY).await;
        }
        let take = sqlx::query(include_str!("../../sql/store/take.sql")).bind(text::line(&note)?);
        let rows = self.rows(&mut session, take).await?;
        let row = rows.first().ok_or_else(|| self.no_holder())?;
        let last: Option<String> = self.column(row, "note")?;
        Ok(Box::new(Lock {
            store: Self::new(self.place.clone(), self.tokens.clone()),
            session: Some(session),
            epoch: self.column(row, "epoch")?,
            died_before: last.and_then(|note| serde_json::from_str(&note).ok()),
        }))
    }

    async fn holder(&self) -> Result<Option<LockNote>, Failure> {
        Ok(self.session_of_holder().await?.and_then(|(_, note)| note))
    }

    async fn runs(&self) -> Result<Vec<String>, Failure> {
        self.texts(sqlx::query(include_str!("../../sql/store/runs.sql")), "run").await
    }

    async fn journal(&self, run: &str) -> Result<Vec<Record>, Failure> {
        let query = sqlx::query(include_str!("../../sql/store/journal.sql")).bind(run.to_owned());
        let lines = self.texts(query, "line").await?;
        if lines.is_empty() {
            return Err(text::no_run(run, &self.place()));
        }
        let place = format!("{} run {run}", self.place());
        lines.iter().enumerate().map(|(at, line)| text::record(line.as_bytes(), &place, at + 1)).collect()
    }

    async fn digest_key(&self) -> Result<Option<[u8; 32]>, Failure> {
        self.document(KEY).await?.map(|key| text::key(&key, &format!("{} document {KEY}", self.place()))).transpose()
    }

    async fn ledger(&self) -> Result<Vec<String>, Failure> {
        self.texts(sqlx::query(include_str!("../../sql/store/ledger.sql")), "line").await
    }

    async fn owned(&self) -> Result<Option<String>, Failure> {
        self.document(OWNED).await
    }

    async fn break_lock(&self) -> Result<(), Failure> {
        let Some((pid, _)) = self.session_of_holder().await? else { return Ok(()) };
        let end = sqlx::query(include_str!("../../sql/store/end_session.sql")).bind(pid);
        self.look(end).await.map_err(|failure| match failure.class {
            Class::Forbidden => failure.remedy(format!(
                "let its role, or a member of pg_signal_backend, run in the server: SELECT pg_terminate_backend({pid})"
            )),
            _ => failure,
        })?;
        let start = Instant::now();
        while self.session_of_holder().await?.is_some_and(|(now, _)| now == pid) {
            if start.elapsed() > Duration::from_secs(10) {
                return Err(not_ended(pid, &self.place()));
            }
            tokio::time::sleep(RETRY).await;
        }
        Ok(())
    }

    fn place(&self) -> String {
        self.place.to_string()
    }
}

struct Lock {
    store: Postgres,
    /// The session that has the lock. Never replaced: with it the lock is gone.
    session: Option<PgConnection>,
    epoch: i64,
    died_before: Option<LockNote>,
}

impl Lock {
    /// Runs one write whose first parameter is the epoch.
    async fn write(&mut self, query: Query) -> Result<(), Failure> {
        let place = self.store.place();
        let Some(session) = self.session.as_mut() else {
            return Err(text::lost(&place, "the session that held it ended"));
        };
        match query.execute(session).await {
            Ok(done) if done.rows_affected() == 1 => Ok(()),
            Ok(_) => Err(text::lost(&place, "somebody else took it")),
            Err(error) => {
                let failure = failure(&error, &format!("write to the store {place}"));
                let code = error.as_database_error().and_then(|error| error.code().map(String::from));
                if code.is_none_or(|code| code == "57P01") {
                    // The write may or may not be on disk; the journal will tell whoever goes on.
                    self.session = None;
                    return Err(Failure { class: Class::Locked, ..failure });
                }
                Err(failure)
            }
        }
    }

    async fn put(&mut self, name: &'static str, content: String) -> Result<(), Failure> {
        let query = sqlx::query(include_str!("../../sql/store/put.sql")).bind(self.epoch).bind(name).bind(content);
        self.write(query).await
    }
}

#[async_trait]
impl Held for Lock {
    async fn append(&mut self, run: &str, record: &Record) -> Result<(), Failure> {
        let query = sqlx::query(include_str!("../../sql/store/append.sql"));
        self.write(query.bind(self.epoch).bind(run.to_owned()).bind(text::line(record)?)).await
    }

    async fn append_ledger(&mut self, line: &str) -> Result<(), Failure> {
        let query = sqlx::query(include_str!("../../sql/store/append_ledger.sql"));
        self.write(query.bind(self.epoch).bind(line.to_owned())).await
    }

    async fn put_owned(&mut self, json: &str) -> Result<(), Failure> {
        self.put(OWNED, json.to_owned()).await
    }

    async fn make_digest_key(&mut self) -> Result<[u8; 32], Failure> {
        if let Some(key) = self.store.digest_key().await? {
            return Ok(key);
        }
        let key = text::new_key()?;
        self.put(KEY, hex(&key)).await?;
        Ok(key)
    }

    fn died_before(&self) -> Option<&LockNote> {
        self.died_before.as_ref()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let Some(mut session) = self.session.take() else { return };
        let query = sqlx::query(include_str!("../../sql/store/free.sql")).bind(self.epoch);
        finish(async move {
            let _ = query.execute(&mut session).await;
            let _ = session.close().await;
        });
    }
}

#[cfg(test)]
#[path = "postgres_tests.rs"]
mod tests;
