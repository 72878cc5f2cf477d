//! The demo Function App: a process of its own that finds its settings in the environment, as on App Service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::net::TcpListener;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::app_geo;
use super::app_login::{Login, LoginError, Settings, quote};
use super::call::{Call, Reply};
use super::http;
use super::trouble::{self, Trouble};
use crate::model::{Class, Failure};

/// Set when the platform holds the other end of the standard input.
pub const PARENT: &str = "PGENTRA_SANDBOX_PARENT";

/// Runs the demo app: serves `FUNCTIONS_CUSTOMHANDLER_PORT` on loopback until the process is ended.
pub async fn run_app() -> Result<(), Failure> {
    let settings: BTreeMap<String, String> = std::env::vars().collect();
    let port = settings.get("FUNCTIONS_CUSTOMHANDLER_PORT").and_then(|port| port.parse().ok()).unwrap_or(0);
    let failed = |error: std::io::Error| Failure::new(Class::Other, "the app cannot listen").detail(error.to_string());
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.map_err(failed)?;
    // Nobody else says what the app does: its traces are what App Service would send on.
    let own = Targets::new().with_target("pgentra", LevelFilter::INFO);
    let timer = SandboxTime(Settings::new(settings.clone()));
    let traces = tracing_subscriber::fmt::layer().json().with_timer(timer).with_writer(std::io::stderr);
    drop(tracing_subscriber::registry().with(traces).with(own).try_init());
    let parent = parent_gone(settings.contains_key(PARENT));
    tokio::select! {
        served = axum::serve(listener, router(settings)).into_future() => served.map_err(failed),
        () = parent => Ok(()),
    }
}

/// Dates traces by the sandbox's clock.
struct SandboxTime(Settings);

impl FormatTime for SandboxTime {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        write!(to, "{}", self.0.now())
    }
}

/// Until the platform is gone, whose end of the standard input closes with it; never when there is none.
async fn parent_gone(watched: bool) {
    if !watched {
        return std::future::pending().await;
    }
    let (gone, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        let _ = gone.send(());
    });
    drop(told.await);
}

/// The app with these settings.
pub fn router(settings: BTreeMap<String, String>) -> Router {
    let trouble = settings.get(trouble::VARIABLE).map(|text| Trouble::from_environment(text)).unwrap_or_default();
    let login = Arc::new(Login::new(Settings::new(settings)));
    if trouble != Trouble::default() {
        let login = Arc::clone(&login);
        tokio::spawn(async move {
            if let Err(error) = login.be_troubled(trouble).await {
                tracing::warn!("the app cannot do what it is told to do wrong: {}", error.text);
            }
        });
    }
    Router::new().fallback(move |request: Request<Body>| {
        let login = Arc::clone(&login);
        async move { answer(&login, &http::call(request).await).await }
    })
}

async fn answer(login: &Login, call: &Call) -> Response<Body> {
    let reply = match (call.method.as_str(), call.parts().as_slice()) {
        ("POST", ["_sandbox", "trouble"]) if call.header("x-sandbox").is_some() => be_troubled(login, call).await,
        _ if login.trouble().fail => Reply::json(500, json!({"error": "Internal Server Error"})),
        ("GET", ["api", "health"]) => health(login).await,
        ("GET", ["api", "db", "stats"]) => or_error(stats(login).await),
        ("POST", ["api", "jobs", "submit", kind]) => or_error(submit(login, kind, &call.json()).await),
        ("GET", ["api", "jobs", _]) => or_error(job(login, &call.segments[2]).await),
        ("GET", ["api", "stac", "collections"]) => or_error(app_geo::stac(login).await),
        ("GET", ["api", "features", "collections"]) => or_error(app_geo::features(login).await),
        ("GET", ["api", "features", "collections", _, "items"]) => {
            or_error(app_geo::items(login, &call.segments[3]).await)
        }
        ("GET", ["admin", "host", "status"]) => Reply::ok(json!({"state": "Running", "version": "4.0"})),
        _ => Reply::json(404, json!({"error": "not found"})),
    };
    reply.into_response()
}

/// The platform tells the app what to do wrong.
async fn be_troubled(login: &Login, call: &Call) -> Reply {
    let Ok(trouble) = serde_json::from_value::<Trouble>(call.json()) else {
        return Reply::json(400, json!({"error": "no such trouble"}));
    };
    match login.be_troubled(trouble).await {
        Ok(()) => Reply::empty(204),
        Err(error) => Reply::json(409, json!({"error": error.text})),
    }
}

fn or_error(result: Result<Reply, LoginError>) -> Reply {
    result.unwrap_or_else(|error| Reply::json(500, json!({"error": error.text, "auth_method": error.method})))
}

async fn health(login: &Login) -> Reply {
    let looked = async {
        let (mut database, method) = login.connect().await?;
        let row = sqlx::query("SELECT session_user::text AS role, current_setting('server_version') AS version")
            .fetch_one(&mut database)
            .await
            .map_err(|error| LoginError::query(&error, method))?;
        let text = |name: &str| row.try_get::<String, _>(name).unwrap_or_default();
        // Not only that the role gets in: it also reads what the app reads.
        let collections = count(&mut database, login.settings().schema(), "collections", method).await?;
        let found = json!({"status": "connected", "auth_method": method, "user": text("role"),
            "server_version": text("version"), "database": login.settings().database(), "collections": collections});
        drop(database.close().await);
        Ok::<_, LoginError>(found)
    };
    let app = login.settings().app();
    match looked.await {
        Ok(database) => Reply::ok(json!({"status": "healthy", "app": app, "database": database})),
        Err(error) => Reply::json(
            503,
            json!({"status": "unhealthy", "app": app,
                "database": {"status": "disconnected", "auth_method": error.method, "error": error.text}}),
        ),
    }
}

/// Rows of a table of the app.
async fn count(
    database: &mut PgConnection,
    schema: &str,
    table: &str,
    method: &'static str,
) -> Result<i64, LoginError> {
    let query = format!("SELECT count(*) FROM {}.{}", quote(schema), quote(table));
    sqlx::query_scalar(AssertSqlSafe(query))
        .fetch_one(database)
        .await
        .map_err(|error| LoginError::query(&error, method))
}

async fn stats(login: &Login) -> Result<Reply, LoginError> {
    let (mut database, method) = login.connect().await?;
    let schema = login.settings().app_schema().to_owned();
    let jobs = count(&mut database, &schema, "jobs", method).await?;
    let tasks = count(&mut database, &schema, "tasks", method).await?;
    let query = format!("SELECT status::text, jobs FROM {}.job_counts()", quote(&schema));
    let rows = sqlx::query(AssertSqlSafe(query))
        .fetch_all(&mut database)
        .await
        .map_err(|error| LoginError::query(&error, method))?;
    let by_status: BTreeMap<String, i64> = rows
        .iter()
        .filter_map(|row| Some((row.try_get::<String, _>(0).ok()?, row.try_get::<i64, _>(1).ok()?)))
        .collect();
    drop(database.close().await);
    Ok(Reply::ok(json!({"jobs": jobs, "tasks": tasks, "jobs_by_status": by_status, "auth_method": method})))
}

/// Submits a job through the app's own function, then does it, which is no work at all.
async fn submit(login: &Login, kind: &str, parameters: &Value) -> Result<Reply, LoginError> {
    let (mut database, method) = login.connect().await?;
    let schema = quote(login.settings().app_schema());
    let parameters = if parameters.is_object() { parameters.to_string() } else { "{}".to_owned() };
    let failed = |error: sqlx::Error| LoginError::query(&error, method);
    let id: String = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {schema}.submit_job($1, $2::jsonb)")))
        .bind(kind)
        .bind(&parameters)
        .fetch_one(&mut database)
        .await
        .map_err(failed)?;
    for table in ["tasks", "jobs"] {
        sqlx::query(AssertSqlSafe(format!("UPDATE {schema}.{table} SET status = 'completed' WHERE job_id = $1")))
            .bind(&id)
            .execute(&mut database)
            .await
            .map_err(failed)?;
    }
    drop(database.close().await);
    Ok(Reply::json(202, json!({"job_id": id, "job_type": kind, "status": "queued"})))
}

async fn job(login: &Login, id: &str) -> Result<Reply, LoginError> {
    let (mut database, method) = login.connect().await?;
    let schema = quote(login.settings().app_schema());
    let query = format!("SELECT job_type, status::text FROM {schema}.jobs WHERE job_id = $1");
    let row = sqlx::query(AssertSqlSafe(query))
        .bind(id)
        .fetch_optional(&mut database)
        .await
        .map_err(|error| LoginError::query(&error, method))?;
    drop(database.close().await);
    let Some(row) = row else { return Ok(Reply::json(404, json!({"error": format!("no job {id}")}))) };
    let text = |at: usize| row.try_get::<String, _>(at).unwrap_or_default();
    Ok(Reply::ok(json!({"job_id": id, "job_type": text(0), "status": text(1)})))
}
