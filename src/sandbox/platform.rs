//! The platform: runs the demo app of each site as a process, starts it anew when settings or identity change, and
//! serves it under the site's host name.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::rustls::ServerConfig;

use super::call::Reply;
use super::emulator::{Emulator, lock};
use super::http::TlsListener;
use super::state::{Site, World};
use super::{scm, telemetry};
use crate::model::{Class, Failure};

/// How the platform runs apps.
#[derive(Clone)]
pub struct Platform {
    /// The emulator whose sites it runs.
    pub emulator: Arc<Emulator>,
    /// Loopback address of everything.
    pub address: IpAddr,
    /// The program that holds the demo app, run as `<program> sandbox run-app`.
    pub program: PathBuf,
    /// TLS of the sites' host names.
    pub tls: Arc<ServerConfig>,
    /// CA bundle the apps trust.
    pub bundle: PathBuf,
    /// Where managed identities get their tokens.
    pub identity_endpoint: String,
    /// The file of the sandbox's clock, which apps follow.
    pub clock: PathBuf,
    /// Where apps write what they say.
    pub logs: PathBuf,
}

/// Runs all sites, also those that are made later, until it is dropped.
pub async fn run(platform: Platform) {
    let mut changes = platform.emulator.changes();
    let mut sites = JoinSet::new();
    let mut known = std::collections::BTreeSet::new();
    loop {
        let keys: Vec<String> = platform.emulator.world().sites.keys().cloned().collect();
        known.retain(|key| keys.contains(key));
        for key in keys {
            if known.insert(key.clone()) {
                sites.spawn(run_site(platform.clone(), key));
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn run_site(platform: Platform, key: String) {
    let port = Arc::new(AtomicU16::new(0));
    let served = async {
        scm::serve(&platform, &key).await?;
        serve_site(&platform, &key, Arc::clone(&port)).await
    };
    if let Err(failure) = served.await {
        tracing::warn!("site {key} is not served: {failure}");
        return;
    }
    let mut changes = platform.emulator.changes();
    loop {
        port.store(0, Ordering::Relaxed);
        let world = platform.emulator.world();
        let Some(site) = world.sites.get(&key) else { return };
        let same = |platform: &Platform| {
            platform.emulator.world().sites.get(&key).map(|site| site.restarts) == Some(site.restarts)
        };
        if !site.running {
            while same(&platform) && changes.changed().await.is_ok() {}
            continue;
        }
        match start(&platform, &world, site).await {
            Ok((mut child, number)) => {
                // Held here: waiting for a child would close its input, by whose end it knows that we are gone.
                let _input = child.stdin.take();
                wait_for(number, &mut child).await;
                if same(&platform) {
                    port.store(number, Ordering::Relaxed);
                    lock(&platform.emulator.serving).insert(site.host_name.clone(), number);
                    tell_news(&platform, &key, site, number).await;
                }
                watch_child(&mut child, &mut changes, || same(&platform)).await;
                port.store(0, Ordering::Relaxed);
                lock(&platform.emulator.serving).remove(&site.host_name);
                drop(child.kill().await);
            }
            Err(failure) => {
                tracing::warn!("site {key} does not start: {failure}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Tells a process of trouble that was ordered while it started.
async fn tell_news(platform: &Platform, key: &str, started: &Site, port: u16) {
    let trouble = platform.emulator.world().sites.get(key).map(|site| site.trouble).unwrap_or_default();
    if trouble != started.trouble
        && let Err(failure) = trouble.tell(port).await
    {
        tracing::warn!("site {key} was not told what to do wrong: {failure}");
    }
}

/// Until the process ended or the site changed.
async fn watch_child(child: &mut Child, news: &mut watch::Receiver<u64>, same: impl Fn() -> bool) {
    while same() {
        tokio::select! {
            _ = child.wait() => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                return;
            }
            changed = news.changed() => if changed.is_err() { return },
        }
    }
}

async fn wait_for(port: u16, child: &mut Child) {
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() || child.try_wait().is_ok_and(|end| end.is_some()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

async fn start(platform: &Platform, world: &World, site: &Site) -> Result<(Child, u16), Failure> {
    let failed = |error: std::io::Error| {
        let detail = format!("{}: {error}", platform.program.display());
        Failure::new(Class::Other, "cannot start the demo app").detail(detail)
    };
    let port = TcpListener::bind("127.0.0.1:0").await.and_then(|free| free.local_addr()).map_err(failed)?.port();
    let name = site.key().replace('/', "-");
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(platform.logs.join(format!("app-{name}.log")))
        .map_err(failed)?;
    let mut child = Command::new(&platform.program)
        .args(["sandbox", "run-app"])
        .env_clear()
        .envs(environment(platform, world, site, port))
        .stdin(Stdio::piped())
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let Some(said) = child.stderr.take() {
        tokio::spawn(listen_to(said, log, Arc::clone(&platform.emulator), site.identity_name()));
    }
    Ok((child, port))
}

/// Keeps what an app says in its log, and sends it on as traces.
async fn listen_to(said: tokio::process::ChildStderr, mut log: std::fs::File, emulator: Arc<Emulator>, app: String) {
    let mut lines = BufReader::new(said).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // A full disk loses lines of a demonstration, nothing more.
        let _ = std::io::Write::write_all(&mut log, format!("{line}\n").as_bytes());
        emulator.tell("traces", telemetry::trace(&app, &line));
    }
}

/// What an app finds in its environment on App Service for Linux.
fn environment(platform: &Platform, world: &World, site: &Site, port: u16) -> BTreeMap<String, String> {
    let linux = |name: &str| name.replace(':', "__").replace(['.', '-'], "_");
    let mut all: BTreeMap<String, String> =
        site.settings.iter().map(|(name, value)| (linux(name), value.clone())).collect();
    for (name, value) in &site.connection_strings {
        let prefix = match value["type"].as_str().unwrap_or_default() {
            "PostgreSQL" => "POSTGRESQLCONNSTR_",
            "SQLAzure" => "SQLAZURECONNSTR_",
            "SQLServer" => "SQLCONNSTR_",
            "MySql" => "MYSQLCONNSTR_",
            _ => "CUSTOMCONNSTR_",
        };
        all.insert(format!("{prefix}{}", linux(name)), value["value"].as_str().unwrap_or_default().to_owned());
    }
    let bundle = platform.bundle.display().to_string();
    let given = [
        ("WEBSITE_SITE_NAME", site.app.clone()),
        ("WEBSITE_SLOT_NAME", site.slot.clone().unwrap_or_else(|| "Production".to_owned())),
        ("WEBSITE_RESOURCE_GROUP", site.resource_group.clone()),
        ("WEBSITE_OWNER_NAME", format!("{}+{}-EastUSwebspace-Linux", world.subscription, site.resource_group)),
        ("WEBSITE_HOSTNAME", site.host_name.clone()),
        ("WEBSITE_INSTANCE_ID", super::directory::new_guid().replace('-', "")),
        ("REGION_NAME", "East US".to_owned()),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string()),
        ("PGSSLROOTCERT", bundle.clone()),
        ("SSL_CERT_FILE", bundle),
        (super::app::PARENT, "1".to_owned()),
        (super::clock::VARIABLE, platform.clock.display().to_string()),
        (super::trouble::VARIABLE, serde_json::to_string(&site.trouble).unwrap_or_default()),
        (super::app_version::VARIABLE, site.version().name().to_owned()),
        ("HOME", "/tmp".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
    ];
    all.extend(given.map(|(name, value)| (name.to_owned(), value)));
    if site.system_identity.is_some() || !site.user_identities.is_empty() {
        all.insert("IDENTITY_ENDPOINT".to_owned(), platform.identity_endpoint.clone());
        all.insert("IDENTITY_HEADER".to_owned(), site.identity_header.clone());
    }
    all
}

/// Serves the site's host name, which is written into the state, and sends what comes to the app's process.
async fn serve_site(platform: &Platform, key: &str, port: Arc<AtomicU16>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(Class::Other, "cannot listen").detail(error.to_string());
    let known = platform.emulator.world().sites.get(key).map(|site| site.host_name.clone()).unwrap_or_default();
    // A sandbox that is started again keeps its host names where it can.
    let before = known.parse::<SocketAddr>().ok().filter(|address| address.ip() == platform.address);
    let listener = match before {
        Some(address) => TcpListener::bind(address).await.ok(),
        None => None,
    };
    let listener = match listener {
        Some(listener) => listener,
        None => TcpListener::bind((platform.address, 0)).await.map_err(failed)?,
    };
    let address = listener.local_addr().map_err(failed)?;
    platform.emulator.change(|world| {
        if let Some(site) = world.sites.get_mut(key) {
            site.host_name = address.to_string();
        }
    });
    let listener = TlsListener::new(listener, Arc::clone(&platform.tls)).map_err(failed)?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .map_err(|error| Failure::new(Class::Other, "cannot make an HTTP client").detail(error.to_string()))?;
    let app = platform.emulator.world().sites.get(key).map(Site::identity_name).unwrap_or_default();
    let emulator = Arc::clone(&platform.emulator);
    let router = Router::new().fallback(move |request: Request<Body>| {
        let (client, port, emulator, app) = (client.clone(), Arc::clone(&port), Arc::clone(&emulator), app.clone());
        async move {
            let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
            let start = std::time::Instant::now();
            let response = forward(client, port, request).await;
            let took = start.elapsed().as_secs_f64() * 1_000.0;
            emulator.tell("requests", telemetry::request(&app, &method, &path, response.status().as_u16(), took));
            response
        }
    });
    tokio::spawn(async move { drop(axum::serve(listener, router).await) });
    Ok(())
}

/// Sends a request on, with none of its headers but the type of its body.
async fn forward(client: reqwest::Client, port: Arc<AtomicU16>, request: Request<Body>) -> Response<Body> {
    let port = port.load(Ordering::Relaxed);
    if port == 0 {
        return unavailable();
    }
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let mut sent = client.request(parts.method, format!("http://127.0.0.1:{port}{path}")).body(body);
    if let Some(media) = parts.headers.get("content-type") {
        sent = sent.header("content-type", media);
    }
    let Ok(got) = sent.send().await else { return unavailable() };
    let status = got.status();
    let media = got.headers().get("content-type").cloned();
    let Ok(body) = got.bytes().await else { return unavailable() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if let Some(media) = media {
        response.headers_mut().insert("content-type", media);
    }
    response
}

fn unavailable() -> Response<Body> {
    let body = super::call::Content::Text("text/html", "<h2>503 Service Unavailable</h2>".to_owned());
    Reply { status: 503, headers: Vec::new(), body }.into_response()
}
