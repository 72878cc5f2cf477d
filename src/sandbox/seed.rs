//! What the sandbox's PostgreSQL holds at its start: the roles of a flexible server, pgaadauth, the application's data.

use std::path::Path;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use crate::model::{Class, Failure};

use super::cluster_secrets::ClusterSecrets;
use super::cluster_server::SUPERUSER;

/// The administrator login that a new server has.
pub const ADMIN_LOGIN: &str = "pgadmin";
/// The password role of the application.
pub const APP_LOGIN: &str = "geoapp";
/// The application's database.
pub const DATABASE: &str = "geopgflex";

/// The server's socket, as the superuser reaches it.
#[derive(Clone, Copy, Debug)]
pub struct Backend<'a> {
    /// The directory of the socket.
    pub socket: &'a Path,
    /// The number in the socket's name.
    pub port: u16,
}

impl Backend<'_> {
    /// A session of the superuser in `database`.
    pub async fn connect(self, database: &str) -> Result<PgConnection, Failure> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.socket)
            .port(self.port)
            .username(SUPERUSER)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
            .application_name("pgentra sandbox")
            .disable_statement_logging();
        PgConnection::connect_with(&options).await.map_err(|error| {
            let class = if error.as_database_error().is_some() { Class::Other } else { Class::Unreachable };
            Failure::new(class, "cannot reach the sandbox's PostgreSQL").detail(error.to_string())
        })
    }
}

/// Says what could not be done, in the server's words.
pub fn failed(what: &str) -> impl Fn(sqlx::Error) -> Failure {
    move |error| {
        let detail =
            error.as_database_error().map_or_else(|| error.to_string(), |refused| refused.message().to_owned());
        Failure::new(Class::Other, "the sandbox's PostgreSQL cannot be prepared")
            .detail(format!("cannot {what}: {detail}"))
    }
}

/// Brings the server to what this version of pgentra expects; what a migration changed in the meantime stays.
pub async fn seed(backend: Backend<'_>, secrets: &ClusterSecrets, tenant: &str, rights: &str) -> Result<(), Failure> {
    let mut postgres = backend.connect("postgres").await?;
    run(&mut postgres, include_str!("../../sql/sandbox/settings.sql")).await?;
    let seeded: bool = sqlx::query_scalar(
        "INSERT INTO sandbox.settings (tenant, admin_login, rights) VALUES ($1, $2, $3) \
         ON CONFLICT (one) DO UPDATE SET tenant = excluded.tenant RETURNING seeded",
    )
    .bind(tenant)
    .bind(&secrets.admin_login)
    .bind(rights)
    .fetch_one(&mut postgres)
    .await
    .map_err(failed("keep its settings"))?;
    if !seeded {
        name_logins(&mut postgres, secrets).await?;
        run(&mut postgres, include_str!("../../sql/sandbox/roles.sql")).await?;
        run(&mut postgres, PUBLIC_SCHEMA).await?;
        let mut template = backend.connect("template1").await?;
        run(&mut template, PUBLIC_SCHEMA).await?;
        template.close().await.map_err(failed("end a session"))?;
    }
    run(&mut postgres, include_str!("../../sql/sandbox/rights.sql")).await?;
    run(&mut postgres, include_str!("../../sql/sandbox/labels.sql")).await?;
    run(&mut postgres, include_str!("../../sql/sandbox/pgaadauth.sql")).await?;
    if !seeded {
        make_database(&mut postgres, &secrets.admin_login).await?;
        let mut data = backend.connect(DATABASE).await?;
        name_logins(&mut data, secrets).await?;
        run(&mut data, include_str!("../../sql/sandbox/geodata.sql")).await?;
        data.close().await.map_err(failed("end a session"))?;
        run(&mut postgres, "UPDATE sandbox.settings SET seeded = true").await?;
    }
    set_rights(&mut postgres, rights).await?;
    postgres.close().await.map_err(failed("end a session"))
}

/// Switches what administrators may do.
pub async fn set_rights(postgres: &mut PgConnection, rights: &str) -> Result<(), Failure> {
    sqlx::query("SELECT sandbox.set_rights($1)")
        .bind(rights)
        .execute(postgres)
        .await
        .map(drop)
        .map_err(failed("switch the administrators' rights"))
}

const PUBLIC_SCHEMA: &str = include_str!("../../sql/sandbox/public_schema.sql");

/// Hands the names and passwords to the scripts, as settings of the session.
async fn name_logins(session: &mut PgConnection, secrets: &ClusterSecrets) -> Result<(), Failure> {
    sqlx::query(
        "SELECT set_config('sandbox.admin_login', $1, false), set_config('sandbox.admin_password', $2, false), \
         set_config('sandbox.app_login', $3, false), set_config('sandbox.app_password', $4, false)",
    )
    .bind(&secrets.admin_login)
    .bind(secrets.admin_password.expose())
    .bind(&secrets.app_login)
    .bind(secrets.app_password.expose())
    .execute(session)
    .await
    .map(drop)
    .map_err(failed("take the names of the logins"))
}

async fn make_database(postgres: &mut PgConnection, owner: &str) -> Result<(), Failure> {
    let statement: Option<String> = sqlx::query_scalar(
        "SELECT format('CREATE DATABASE %I OWNER %I', $1, $2) \
         WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = $1)",
    )
    .bind(DATABASE)
    .bind(owner)
    .fetch_optional(&mut *postgres)
    .await
    .map_err(failed("look for the application's database"))?;
    let Some(statement) = statement else { return Ok(()) };
    // Safe: format() quoted both names.
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(postgres)
        .await
        .map(drop)
        .map_err(failed("make the application's database"))
}

/// Runs a script as one transaction.
async fn run(session: &mut PgConnection, script: &'static str) -> Result<(), Failure> {
    sqlx::raw_sql(script).execute(session).await.map(drop).map_err(|error| {
        let first = script.lines().next().unwrap_or_default().trim_start_matches("-- ");
        failed(&format!("run the script \"{first}\""))(error)
    })
}
