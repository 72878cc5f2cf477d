//! The SCM site of an app (Kudu): takes a zip, deploys it in a while, and tells of its deployments.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::app_version::Version;
use super::call::{Call, Reply};
use super::claims::TokenCheck;
use super::directory::{Role, new_guid};
use super::emulator::Emulator;
use super::faults::{Action, Hit};
use super::http::{self, Cut, TlsListener};
use super::platform::Platform;
use super::state::{Site, World};
use crate::model::{Class, Failure};

/// Audiences of tokens that SCM sites take, besides the emulator's own address.
const AUDIENCES: [&str; 3] =
    ["https://appservice.azure.com", "https://management.azure.com", "https://management.core.windows.net"];

/// One deployment of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// 1 building, 3 failed, 4 success.
    pub status: i64,
    /// Why it failed.
    pub text: String,
    /// Who deployed.
    pub deployer: String,
    /// When it came.
    pub received: String,
    /// When it ended.
    pub end: Option<String>,
    /// The version of the app that it brought.
    pub version: Option<String>,
}

/// Serves the SCM host of a site, which is written into the state: its calls reach the emulator below `/scm/<site>`.
pub async fn serve(platform: &Platform, key: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(Class::Other, "cannot listen").detail(error.to_string());
    let known = platform.emulator.world().sites.get(key).map(|site| site.scm_host.clone()).unwrap_or_default();
    // A sandbox that is started again keeps its host names where it can.
    let before = known.parse::<SocketAddr>().ok().filter(|address| address.ip() == platform.address);
    let any = SocketAddr::new(platform.address, 0);
    let listener = match TcpListener::bind(before.unwrap_or(any)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(any).await.map_err(failed)?,
    };
    let address = listener.local_addr().map_err(failed)?;
    platform.emulator.change(|world| world.with_site(key, |site| site.scm_host = address.to_string()));
    let listener = TlsListener::new(listener, Arc::clone(&platform.tls)).map_err(failed)?;
    let (emulator, prefix) = (Arc::clone(&platform.emulator), format!("/scm/{}", key.replace('/', "~")));
    let router = Router::new().fallback(move |ConnectInfo(Cut(cut)): ConnectInfo<Cut>, request: Request<Body>| {
        let (emulator, prefix) = (Arc::clone(&emulator), prefix.clone());
        async move {
            let call = http::call(request).await.below(&prefix);
            emulator.handle(call, &cut).await.into_response()
        }
    });
    tokio::spawn(async move {
        drop(axum::serve(listener, router.into_make_service_with_connect_info::<Cut>()).await);
    });
    Ok(())
}

/// What a principal needs to use an app's SCM site.
const PUBLISH: &str = "Microsoft.Web/sites/publish/action";

impl Emulator {
    /// Answers below `/scm/<site>/`.
    pub(super) fn scm(self: &Arc<Self>, call: &Call, hit: Option<&Hit>) -> (Reply, Option<String>) {
        let caller = match self.scm_caller(call) {
            Ok(caller) => caller,
            Err(refusal) => return (refusal, None),
        };
        let world = self.world();
        let key = call.lower.get(1).map(|site| site.replace('~', "/")).unwrap_or_default();
        let role = world.directory.principals.get(&caller).map_or(Role::None, |who| who.role.clone());
        let past = hit.and_then(|hit| hit.then.as_ref()).filter(|_| call.method == "GET");
        let Some(site) = past.unwrap_or(&world).sites.get(&key).cloned() else {
            return (Reply::empty(404), Some(caller));
        };
        let writes = call.method != "GET";
        // Its own action, for looking as for deploying.
        let publishes = if key.contains('/') { "Microsoft.Web/sites/slots/publish/action" } else { PUBLISH };
        if !role.gives(publishes, false) || (writes && world.knobs.read_only) {
            return (Reply::empty(403), Some(caller));
        }
        let reply = match (call.method.as_str(), call.parts().get(2..).unwrap_or_default()) {
            ("GET", ["api", "deployments", "latest"]) => {
                site.deployments.last().map_or_else(|| Reply::empty(404), |latest| Reply::ok(show(&site, latest)))
            }
            ("GET", ["api", "deployments"]) => {
                Reply::ok(site.deployments.iter().rev().map(|one| show(&site, one)).collect())
            }
            ("GET", ["api", "deployments", id]) => {
                let found = site.deployments.iter().find(|one| one.id == *id);
                found.map_or_else(|| Reply::empty(404), |one| Reply::ok(show(&site, one)))
            }
            ("POST" | "PUT", ["api", "zipdeploy"]) => {
                let deployer = call.parameter("deployer").unwrap_or("ZipDeploy").to_owned();
                self.deploy(&site, call, deployer, hit)
            }
            // As Kudu has it, nobody can say here who deploys.
            ("POST" | "PUT", ["api", "publish"]) if call.parameter("type") == Some("zip") => {
                self.deploy(&site, call, "OneDeploy".to_owned(), hit)
            }
            _ => Reply::empty(404),
        };
        (reply, Some(caller))
    }

    /// The object id of a caller with a token; a user name and password are not taken.
    fn scm_caller(&self, call: &Call) -> Result<String, Reply> {
        let token = call.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        let audiences: Vec<&str> = AUDIENCES.into_iter().chain([self.base.as_str()]).collect();
        let claims = token.and_then(|token| self.issuer.check(token.trim(), &audiences).ok());
        let refusal = || Reply::empty(401).with("www-authenticate", "Bearer realm=\"site\"");
        claims.map(|claims| claims.object_id).ok_or_else(refusal)
    }

    fn deploy(self: &Arc<Self>, site: &Site, call: &Call, deployer: String, hit: Option<&Hit>) -> Reply {
        if site.deployments.last().is_some_and(|latest| latest.status == 1) {
            return Reply::json(
                409,
                json!("There is a deployment currently in progress. Please try again when it completes."),
            );
        }
        if site.settings.get("WEBSITE_RUN_FROM_PACKAGE").is_some_and(|value| value.starts_with("http")) {
            let text = "Run-From-Zip is set to a remote URL using WEBSITE_RUN_FROM_PACKAGE app setting. Deployment is not supported in this configuration.";
            return Reply::json(409, json!(text));
        }
        let location = format!("https://{}/api/deployments/latest?deployer={deployer}", site.scm_host);
        let reply = Reply::empty(202).with("location", location).with("retry-after", "1");
        if matches!(hit.map(|hit| &hit.action), Some(Action::Lie)) {
            return reply;
        }
        let deployment = Deployment {
            id: new_guid(),
            status: 1,
            deployer,
            received: self.now(),
            version: Version::of_package(&call.body).map(|version| version.name().to_owned()),
            ..Deployment::default()
        };
        let (key, id) = (site.key(), deployment.id.clone());
        let failed = match hit.map(|hit| &hit.action) {
            Some(Action::LroFailsLate { message, .. }) => Some(message.clone()),
            _ => deployment.version.is_none().then(|| {
                "The package has no demo-app.toml that is stored uncompressed; `pgentra sandbox package` makes one."
                    .to_owned()
            }),
        };
        self.change(|world| world.with_site(&key, |site| site.deployments.push(deployment)));
        let emulator = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(emulator.world().knobs.operation_ms)).await;
            let now = emulator.now();
            emulator.change(|world| world.with_site(&key, |site| finish(site, &id, failed, now)));
        });
        reply
    }
}

impl Deployment {
    /// One that a killed sandbox left half-way has failed.
    pub fn settle(&mut self) {
        if self.status == 1 {
            (self.status, self.text) = (3, "The sandbox was stopped meanwhile.".to_owned());
        }
    }
}

impl World {
    fn with_site(&mut self, key: &str, change: impl FnOnce(&mut Site)) {
        if let Some(site) = self.sites.get_mut(key) {
            change(site);
        }
    }
}

/// Lets a deployment take effect, or notes why it failed.
fn finish(site: &mut Site, id: &str, failed: Option<String>, now: String) {
    let Some(one) = site.deployments.iter_mut().find(|one| one.id == id) else { return };
    one.end = Some(now);
    if let Some(text) = failed {
        (one.status, one.text) = (3, text);
    } else {
        one.status = 4;
        site.restart();
    }
}

impl Site {
    /// The deployment whose code runs.
    fn active(&self) -> Option<&Deployment> {
        self.deployments.iter().rev().find(|one| one.status == 4)
    }

    /// The version of the demo app that runs.
    pub fn version(&self) -> Version {
        self.active().and_then(|one| Version::named(one.version.as_deref()?)).unwrap_or_default()
    }
}

fn show(site: &Site, one: &Deployment) -> Value {
    let url = format!("https://{}/api/deployments/{}", site.scm_host, one.id);
    json!({"id": one.id, "status": one.status, "status_text": one.text, "author_email": "N/A", "author": "N/A",
        "deployer": one.deployer, "message": "Created via a push deployment", "progress": "",
        "received_time": one.received, "start_time": one.received, "end_time": one.end,
        "last_success_end_time": one.end.as_ref().filter(|_| one.status == 4), "complete": one.end.is_some(),
        "active": site.active().is_some_and(|active| active.id == one.id), "is_temp": false, "is_readonly": true,
        "url": url, "log_url": format!("{url}/log"), "site_name": site.app})
}
