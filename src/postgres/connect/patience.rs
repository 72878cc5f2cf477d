//! How long one waits for a server's answer: after a failover the old one may never say a word again.

use std::future::Future;
use std::io::{Error as IoError, ErrorKind};
use std::time::Duration;

use futures::TryStreamExt as _;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Error};

use crate::postgres::statements::Script;

/// How long one statement may go without an answer: a little longer than the server lets one run (`statement_timeout`).
pub(super) const ANSWER: Duration = Duration::from_secs(130);
/// How long a kept session may take to show that it is alive, or to end.
pub(super) const GLANCE: Duration = Duration::from_secs(5);

/// The answer, if it comes in time.
pub(super) async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::Io(IoError::new(ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs())));
    tokio::time::timeout(limit, answer).await.map_err(late)?
}

/// Runs the statements of a message, each with its own time, as the server counts it.
pub(super) async fn run(session: &mut PgConnection, message: &str, each: Duration) -> Result<(), Error> {
    let mut answers = sqlx::raw_sql(Script::trusted(message)).fetch_many(session);
    while within(each, answers.try_next()).await?.is_some() {}
    Ok(())
}

/// Ends a session politely, unless the server no longer listens.
pub(super) async fn end(session: PgConnection) {
    let _ = within(GLANCE, session.close()).await;
}
