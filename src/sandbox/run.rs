//! `sandbox up`: picks addresses, starts PostgreSQL, the emulator and the apps, and ends them together.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::serve::ListenerExt;
use jiff::SignedDuration;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::cluster::{AdminRights, Cluster, ClusterOptions, DirectoryEntry};
use super::database::{Database, PrincipalType};
use super::directory::{Kind, new_secret};
use super::emulator::{Emulator, lock};
use super::http::{Cut, TlsListener};
use super::info::{CI_SECRET, Info, READER_SECRET, process_start};
use super::platform::{self, Platform};
use super::proxy::{LoginEvent, LoginMethod, serve};
use super::state::World;
use super::tls::{self, Authority};
use super::token::Issuer;
use super::{files, http, names, telemetry};
use crate::model::{Class, Failure};

/// How to run a sandbox.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its directory.
    pub dir: PathBuf,
    /// The program that holds the demo app: `<program> sandbox run-app` runs it.
    pub program: PathBuf,
    /// The directory of PostgreSQL's programs; searched for when `None`.
    pub postgres: Option<PathBuf>,
    /// What administrators may do with the roles of others.
    pub rights: AdminRights,
}

impl Options {
    /// In `dir`, with the demo app of the running program.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("pgentra"));
        Self { dir: dir.into(), program, postgres: None, rights: AdminRights::default() }
    }
}

/// The file that holds the control plane's state.
pub const STATE: &str = "state.json";

/// How often the server checkpoints. On Azure every five minutes; a sandbox's periods are shorter.
const CHECKPOINTS: std::time::Duration = std::time::Duration::from_secs(5);

fn failed(what: &str) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::new(Class::Other, "the sandbox cannot run").detail(format!("cannot {what}: {error}"))
}

struct Listeners {
    address: IpAddr,
    postgres: TcpListener,
    https: TcpListener,
    identity: TcpListener,
}

/// Runs a sandbox until `shutdown`; calls `ready` once everything answers.
pub async fn up(
    options: Options,
    ready: impl FnOnce(&Info),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let dir = options.dir.as_path();
    files::make_dir(dir)?;
    let before = Info::read(dir)?;
    if let Some(pid) = before.as_ref().and_then(Info::alive) {
        return Err(Failure::new(Class::Locked, "the sandbox is running already")
            .detail(format!("{} (process {pid})", dir.display()))
            .remedy("stop it with `pgentra sandbox down`, or give this one a directory of its own with --dir"));
    }
    let mut cluster = ClusterOptions::new(dir, names::TENANT);
    cluster.programs.clone_from(&options.postgres);
    cluster.rights = options.rights;
    let cluster = Arc::new(Cluster::start(cluster).await?);
    let served = run(&options, before, Arc::clone(&cluster), ready, shutdown).await;
    cluster.stop().await;
    if let Some(mut info) = Info::read(dir)? {
        (info.pid, info.pid_started) = (None, None);
        info.write(dir)?;
    }
    served
}

async fn run(
    options: &Options,
    before: Option<Info>,
    cluster: Arc<Cluster>,
    ready: impl FnOnce(&Info),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let dir = options.dir.as_path();
    let listeners = listen(before.as_ref()).await?;
    let address = listeners.address;
    let host = address.to_string();
    let authority = Authority::open(dir)?;
    let own = [host.clone(), "127.0.0.1".to_owned(), "localhost".to_owned()];
    let (https, plain) = (authority.server(&own, &[b"http/1.1"])?, authority.server(&own, &[])?);
    let issuer = Arc::new(Issuer::open(&dir.join("token.key"), names::TENANT)?);
    let world = world(dir, &host, &cluster, before.as_ref())?;
    cluster.set_clock(SignedDuration::from_secs(world.ahead)).await?;
    let base = format!("https://{}", listeners.https.local_addr().map_err(failed("listen"))?);
    let identity = listeners.identity.local_addr().map_err(failed("listen"))?;
    let database: Arc<dyn Database> = Arc::clone(&cluster) as Arc<dyn Database>;
    let emulator = Arc::new(Emulator::new(base.clone(), world, Arc::clone(&issuer), database, dir.join(STATE)));
    let mut servers = JoinSet::new();
    let log = Arc::clone(&emulator);
    let log = Arc::new(move |event: LoginEvent| note(&log, &event));
    servers.spawn(serve(listeners.postgres, plain, Arc::clone(&cluster), issuer, log));
    servers.spawn(serve_emulator(Arc::clone(&emulator), listeners.https, Arc::clone(&https))?);
    servers.spawn(serve_identity(Arc::clone(&emulator), listeners.identity));
    servers.spawn(keep_directory(Arc::clone(&emulator), Arc::clone(&cluster)));
    servers.spawn(keep_logging(Arc::clone(&emulator)));
    let identity_endpoint = format!("http://{identity}/msi/token");
    servers.spawn(platform::run(Platform {
        emulator: Arc::clone(&emulator),
        address,
        program: options.program.clone(),
        tls: https,
        bundle: std::path::absolute(tls::bundle(dir)).map_err(failed("find the CA bundle"))?,
        identity_endpoint: identity_endpoint.clone(),
        clock: cluster.clock_file().to_path_buf(),
        logs: dir.to_path_buf(),
    }));
    let urls = site_urls(&emulator, &host).await;
    let info = Info {
        pid: Some(std::process::id()),
        pid_started: process_start(std::process::id()),
        address: host.clone(),
        resource_manager: base,
        identity_endpoint,
        machine_identity_host: format!("http://{identity}"),
        postgres_host: host,
        postgres_data: cluster.data_directory().to_path_buf(),
        app_url: urls.0,
        slot_url: urls.1,
        tenant: names::TENANT.to_owned(),
        subscription: names::SUBSCRIPTION.to_owned(),
        resource_group: names::RESOURCE_GROUP.to_owned(),
        ca_bundle: std::path::absolute(tls::bundle(dir)).map_err(failed("find the CA bundle"))?,
    };
    info.write(dir)?;
    for url in [&info.app_url, &info.slot_url] {
        answers(url.trim_start_matches("https://"), &emulator).await;
    }
    ready(&info);
    shutdown.await;
    servers.shutdown().await;
    Ok(())
}

/// Takes a loopback address whose port 5432 is free, the one used before if it can be; the other ports as before, too.
async fn listen(before: Option<&Info>) -> Result<Listeners, Failure> {
    let old: Option<IpAddr> = before.and_then(|info| info.address.parse().ok());
    let all = (11..=99).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
    for address in old.into_iter().chain(all) {
        let Ok(postgres) = TcpListener::bind((address, 5432)).await else { continue };
        let https = bind(address, 8443).await?;
        let identity = bind(address, 8081).await?;
        return Ok(Listeners { address, postgres, https, identity });
    }
    Err(Failure::new(Class::Other, "port 5432 is taken on each loopback address from 127.0.0.11 to 127.0.0.99")
        .remedy("free one of them; `ss -ltnp` lists who listens"))
}

async fn bind(address: IpAddr, port: u16) -> Result<TcpListener, Failure> {
    match TcpListener::bind((address, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((address, 0)).await.map_err(failed("listen")),
    }
}

/// The world kept in the directory, moved to a new address where it has to; else the one to begin with.
fn world(dir: &Path, host: &str, cluster: &Cluster, before: Option<&Info>) -> Result<World, Failure> {
    let path = dir.join(STATE);
    if path.exists() {
        let mut world: World = serde_json::from_str(&files::read_text(&path)?).map_err(|error| {
            Failure::new(Class::Input, "cannot read what the sandbox wrote")
                .detail(format!("{}, line {}", path.display(), error.line()))
                .remedy("begin anew with `pgentra sandbox reset`")
        })?;
        world.settle();
        if let Some(old) = before.map(|info| info.postgres_host.as_str()).filter(|old| *old != host) {
            for server in world.servers.values_mut() {
                server.properties.insert("fullyQualifiedDomainName".into(), json!(host));
            }
            let settings = world.sites.values_mut().flat_map(|site| site.settings.values_mut());
            settings.filter(|value| *value == old).for_each(|value| host.clone_into(value));
        }
        return Ok(world);
    }
    let version = files::read_text(&cluster.data_directory().join("PG_VERSION"))?;
    Ok(names::start(&names::Start {
        postgres_host: host.to_owned(),
        postgres_version: version.trim().to_owned(),
        app_password: cluster.secrets().app_password.expose().to_owned(),
        ci_secret: secret(&dir.join(CI_SECRET))?,
        reader_secret: secret(&dir.join(READER_SECRET))?,
    }))
}

fn secret(path: &Path) -> Result<String, Failure> {
    if path.exists() {
        return Ok(files::read_text(path)?.trim().to_owned());
    }
    let secret = new_secret();
    files::write_secret(path, secret.as_bytes())?;
    Ok(secret)
}

/// The HTTPS side: Resource Manager, Entra, the control endpoint.
pub fn serve_emulator(
    emulator: Arc<Emulator>,
    listener: TcpListener,
    tls: Arc<tokio_rustls::rustls::ServerConfig>,
) -> Result<impl Future<Output = ()>, Failure> {
    let listener = TlsListener::new(listener, tls).map_err(failed("listen"))?;
    let router = Router::new().fallback(move |ConnectInfo(Cut(cut)): ConnectInfo<Cut>, request: Request<Body>| {
        let emulator = Arc::clone(&emulator);
        async move { emulator.handle(http::call(request).await, &cut).await.into_response() }
    });
    Ok(async move { drop(axum::serve(listener, router.into_make_service_with_connect_info::<Cut>()).await) })
}

/// The plain-HTTP side: tokens of managed identities.
async fn serve_identity(emulator: Arc<Emulator>, listener: TcpListener) {
    let router = Router::new().fallback(move |request: Request<Body>| {
        let emulator = Arc::clone(&emulator);
        async move {
            // Plain HTTP has no switch to cut the line by: a lost reply is an empty 500 here.
            let cut = Cut::default();
            emulator.handle_identity(http::call(request).await, &cut.0).await.into_response()
        }
    });
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    drop(axum::serve(listener, router).await);
}

/// Keeps the principals that PostgreSQL finds by name as the directory has them.
async fn keep_directory(emulator: Arc<Emulator>, cluster: Arc<Cluster>) {
    let mut changes = emulator.changes();
    let mut told = Vec::new();
    loop {
        let directory = emulator.world().directory;
        let people = directory.principals.iter().map(|(id, principal)| {
            let kind = if matches!(principal.kind, Kind::User) { PrincipalType::User } else { PrincipalType::Service };
            DirectoryEntry { object_id: id.clone(), name: principal.name.clone(), principal: kind }
        });
        let groups = directory.groups.iter().map(|(id, group)| DirectoryEntry {
            object_id: id.clone(),
            name: group.name.clone(),
            principal: PrincipalType::Group,
        });
        let entries: Vec<DirectoryEntry> = people.chain(groups).collect();
        if entries != told {
            match cluster.set_directory(&entries).await {
                Ok(()) => told = entries,
                // It restarts; the next look tries again.
                Err(failure) => tracing::debug!("the directory is not told yet: {failure}"),
            }
        }
        let wait = tokio::time::timeout(std::time::Duration::from_secs(1), changes.changed()).await;
        if matches!(wait, Ok(Err(_))) {
            return;
        }
    }
}

/// Has the server checkpoint now and then, so that its log goes on while nobody signs in.
async fn keep_logging(emulator: Arc<Emulator>) {
    loop {
        emulator.checkpoint().await;
        tokio::time::sleep(CHECKPOINTS).await;
    }
}

/// Waits until both sites have the host names that the platform gives them.
async fn site_urls(emulator: &Arc<Emulator>, host: &str) -> (String, String) {
    let mut changes = emulator.changes();
    let slot = super::state::site_key(names::APP, Some(names::SLOT));
    loop {
        let world = emulator.world();
        let name = |key: &str| world.sites.get(key).map(|site| site.host_name.clone()).unwrap_or_default();
        let (app, slot) = (name(names::APP), name(&slot));
        let served = |name: &str| name.is_empty() || name.starts_with(&format!("{host}:"));
        if served(&app) && served(&slot) {
            return (format!("https://{app}"), format!("https://{slot}"));
        }
        let wait = tokio::time::timeout(std::time::Duration::from_secs(5), changes.changed()).await;
        if wait.is_err() {
            return (format!("https://{app}"), format!("https://{slot}"));
        }
    }
}

/// Waits until the app of a host name runs, for ten seconds at most.
async fn answers(host: &str, emulator: &Emulator) {
    for _ in 0..400 {
        let running = lock(&emulator.serving).contains_key(host);
        let exists = emulator.world().sites.values().any(|site| site.running && site.host_name == host);
        if running || !exists {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
}

/// Whether the server parameter `log_connections` is on, as it is on Azure unless somebody turns it off.
fn logs_connections(emulator: &Emulator) -> bool {
    let world = emulator.world();
    let server = world.servers.get(names::SERVER);
    let set = server.and_then(|server| server.configurations.get("log_connections"));
    set.is_none_or(|value| !value.eq_ignore_ascii_case("off"))
}

fn note(emulator: &Emulator, event: &LoginEvent) {
    let refusal = event.result.as_ref().err().map(|refusal| format!("{refusal:?}"));
    let method = match event.method {
        LoginMethod::Token => "azuread",
        LoginMethod::Password => "scram-sha-256",
        LoginMethod::Refused => "none",
    };
    let row = telemetry::login(names::SERVER, &event.user, &event.database, method, refusal.as_deref());
    if logs_connections(emulator) {
        emulator.tell(telemetry::SERVER_LOGS, row);
    }
    let mut logins = lock(&emulator.logins);
    if logins.len() >= 5000 {
        logins.remove(0);
    }
    logins.push(json!({"at": emulator.clock().to_string(), "user": event.user, "database": event.database,
        "method": format!("{:?}", event.method).to_lowercase(), "refused": refusal}));
}
