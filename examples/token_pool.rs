//! A sqlx pool for an app without a password: each new connection signs in with a token that is still good.
//!
//! A token is checked when a session begins, never later, so only new connections need a fresh one. The pool is told the
//! token right before it may open a connection; the token itself comes from a cache that renews it ahead of its end.
//!
//! ```sh
//! pgentra sandbox up --detach && eval "$(pgentra sandbox env)"
//! pgentra apply plans/rmhazuregeoapi.toml --auto-approve    # makes pg-deployers, whose member this is, an administrator
//! PGHOST=$PGENTRA_SANDBOX_POSTGRES_HOST PGUSER=pg-deployers PGDATABASE=postgres cargo run --example token_pool
//! ```
//!
//! In Azure the same code signs in with the app's managed identity, and PGUSER is the role that is mapped to it.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use pgentra::azure::{Choice, Tokens, endpoints, environment, http_client, sign_in};
use pgentra::model::{Cloud, Failure};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres};

/// A pool and where its tokens come from. Clones share both.
#[derive(Clone)]
struct TokenPool {
    pool: PgPool,
    options: PgConnectOptions,
    tokens: Tokens,
    audience: String,
}

impl TokenPool {
    /// A pool that connects when it is first used.
    fn new(options: PgConnectOptions, tokens: Tokens, audience: String) -> Self {
        let pool = PgPoolOptions::new().max_connections(5).connect_lazy_with(options.clone());
        Self { pool, options, tokens, audience }
    }

    /// A connection: an idle one, or a new one that signs in with a token from the cache.
    async fn acquire(&self) -> Result<PoolConnection<Postgres>, Box<dyn Error>> {
        let token = self.tokens.token(&self.audience).await?;
        self.pool.set_connect_options(self.options.clone().password(token.secret.expose()));
        Ok(self.pool.acquire().await?)
    }
}

/// Tokens as pgentra gets them: managed identity, federated credentials, client secret or Azure CLI, what is there.
async fn tokens() -> Result<(Tokens, String), Failure> {
    let variables = environment();
    let http = http_client(&variables)?;
    let cloud = variables.get("PGENTRA_CLOUD").map_or(Cloud::Public, |url| Cloud::Custom(url.clone()));
    let endpoints = endpoints(&cloud, &http).await?;
    let tokens = sign_in(Choice::Automatic, &endpoints, None, &variables, &http)?;
    Ok((tokens, endpoints.postgres_audience))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Host, user, database and TLS come from PGHOST, PGUSER, PGDATABASE, PGSSLMODE and PGSSLROOTCERT.
    if std::env::var_os("PGHOST").is_none() {
        println!("set PGHOST, PGUSER and PGDATABASE; the first lines of this example say how to try it in the sandbox");
        return Ok(());
    }
    let (tokens, audience) = tokens().await?;
    let pool = TokenPool::new(PgConnectOptions::new(), tokens, audience);
    for _ in 0..3 {
        let mut connection = pool.acquire().await?;
        let (role, process): (String, i32) =
            sqlx::query_as("SELECT current_user::text, pg_backend_pid()").fetch_one(&mut *connection).await?;
        println!("signed in as {role} (server process {process})");
        // Closing makes the next round sign in anew; an app would just drop it.
        connection.close().await?;
    }
    Ok(())
}
