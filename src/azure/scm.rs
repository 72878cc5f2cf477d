//! Code deployment through the SCM site of an app: publish a zip, follow it to its end, and see what is deployed.
//!
//! Function Apps on a Flex Consumption plan take a zip at `/api/publish`. All others take it at `/api/zipdeploy`, not at
//! `/api/publish`: only there does the caller say who deploys, and by that a deployment is known again (Kudu's
//! `PushDeploymentController`, 2024).

use std::time::Instant;

use azure_core::Bytes;
use azure_core::http::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::azure::arm::{Answer, Arm, Note, describe, header, retry_after};
use crate::azure::operation::{Operation, Style};
use crate::azure::refusal::{Refusal, answer_unclear};
use crate::azure::sites::{Site, SiteId};
use crate::azure::trouble::Trouble;
use crate::model::{Class, Endpoints, Failure};

/// The audience of tokens for App Service in the public cloud; elsewhere it takes those of the Resource Manager.
const APP_SERVICE_AUDIENCE: &str = "https://appservice.azure.com";
/// The public cloud's Resource Manager.
const PUBLIC: &str = "https://management.azure.com";
/// So many looks that show somebody else's deployment, and ours will not show any more.
const GLANCES: u32 = 3;

/// The SCM site of an app.
pub struct Scm {
    client: Arm,
    base: String,
    flex: bool,
    app: SiteId,
    /// The action that whoever deploys needs, with its scope.
    right: String,
}

/// One deployment, as the SCM site tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Deployment {
    /// Its id; one with `temp` in it is a placeholder.
    pub id: String,
    /// Where it stands, as a number; see [`Deployment::progress`].
    pub status: i64,
    /// The same in words; may be empty.
    pub status_text: Option<String>,
    /// Who deployed, in the deployer's own words.
    pub deployer: Option<String>,
    /// Where its log is.
    pub log_url: Option<String>,
    /// When it began, as the site writes it.
    pub received_time: Option<String>,
    /// Whether its code is what runs.
    pub active: bool,
}

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is under way.
    Pending,
    /// Its code runs.
    Succeeded,
    /// It failed, was cancelled, or went through only in part.
    Failed,
    /// A later one took its place.
    Superseded,
}

impl Deployment {
    /// Where it stands: 0 pending, 1 building, 2 deploying, 3 failed, 4 success; on Flex Consumption also -1 cancelled,
    /// 5 superseded, 6 partial success.
    pub fn progress(&self) -> Progress {
        match self.status {
            4 => Progress::Succeeded,
            5 => Progress::Superseded,
            3 | 6 | -1 => Progress::Failed,
            _ => Progress::Pending,
        }
    }

    fn pending(&self) -> bool {
        self.progress() == Progress::Pending || self.id.contains("temp")
    }

    fn is_by(&self, deployer: &str) -> bool {
        self.deployer.as_deref() == Some(deployer)
    }
}

impl Site {
    /// The host of its SCM site, in an emulator with a port.
    pub fn scm_host(&self) -> Option<&str> {
        let hosts = self.properties.rest.get("hostNameSslStates")?.as_array()?;
        let is_scm =
            |host: &&Value| host["hostType"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("Repository"));
        hosts.iter().find(is_scm)?["name"].as_str().filter(|name| !name.is_empty())
    }

    /// Whether it runs on a Flex Consumption plan.
    pub fn is_flex(&self) -> bool {
        let property = |name: &str| self.properties.rest.get(name);
        property("sku").and_then(Value::as_str).is_some_and(|sku| sku.eq_ignore_ascii_case("FlexConsumption"))
            || property("functionAppConfig").is_some_and(Value::is_object)
    }

    /// Why it takes no zip, if so.
    fn takes_no_zip(&self) -> Option<&'static str> {
        let words = self.kind.as_deref().unwrap_or_default().to_ascii_lowercase();
        if self.properties.rest.get("managedEnvironmentId").and_then(Value::as_str).is_some_and(|id| !id.is_empty()) {
            return Some("it is hosted on Container Apps, which run container images");
        }
        words.split(',').any(|word| word == "container").then_some("it runs a container image")
    }
}

fn audience(endpoints: &Endpoints) -> &str {
    if endpoints.resource_manager == PUBLIC { APP_SERVICE_AUDIENCE } else { &endpoints.resource_manager_audience }
}

impl Arm {
    /// The SCM site of an app.
    ///
    /// # Errors
    /// `Input`: the app takes no zip. `Busy`: something else is under way with it. Those of a look at the app.
    pub async fn scm(&self, id: &SiteId) -> Result<Scm, Failure> {
        let site = self.site(id).await?;
        if let Some(why) = site.takes_no_zip() {
            return Err(Failure::new(Class::Input, "this app takes no zip")
                .detail(format!("{id}: {why}"))
                .remedy("deploy it with a command of your own: command = [\"...\"] with check and undo"));
        }
        site.refuse_busy(id)?;
        let unknown = || {
            Failure::new(Class::Other, "Azure does not say where this app takes deployments")
                .detail(id.to_string())
                .remedy("look at the app's host names in the portal, then run the same command again")
        };
        let base = format!("https://{}", site.scm_host().ok_or_else(unknown)?);
        address(id, &base, "")?;
        let client = self.aimed(&base, audience(self.endpoints()))?;
        Ok(Scm { client, base, flex: site.is_flex(), app: id.clone(), right: right(id) })
    }
}

impl Scm {
    fn url(&self, rest: &str) -> Result<Url, Failure> {
        address(&self.app, &self.base, rest)
    }

    async fn get(&self, path: &str) -> Result<Option<Value>, Failure> {
        match self.client.send(Method::Get, &self.url(path)?, None, &|_| {}).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(self.explained(refusal)),
        }
    }

    /// The newest deployment, whatever became of it; `None` where there was none yet.
    ///
    /// # Errors
    /// Those of a call.
    pub async fn latest(&self) -> Result<Option<Deployment>, Failure> {
        self.get("/api/deployments/latest").await?.map(decode).transpose()
    }

    /// The deployment whose code runs, once none is under way any more. `Err` inside: nobody can say which, but this one
    /// was the last to be tried.
    ///
    /// # Errors
    /// `Busy`: one is under way for too long. Those of a call.
    pub async fn running(&self) -> Result<Option<Result<Deployment, Deployment>>, Failure> {
        let (start, mut tries) = (Instant::now(), 0);
        let latest = loop {
            let latest = self.latest().await?;
            if !latest.as_ref().is_some_and(Deployment::pending) {
                break latest;
            }
            let wait = self.client.pace().wait(tries);
            if start.elapsed() + wait > self.client.pace().busy {
                return Err(Failure::new(Class::Busy, "another deployment does not come to its end")
                    .detail(self.app.to_string())
                    .remedy("wait until it is over, then run the same command again"));
            }
            self.client.rest(wait).await?;
            tries += 1;
        };
        let Some(latest) = latest else { return Ok(None) };
        if latest.progress() == Progress::Succeeded {
            return Ok(Some(Ok(latest)));
        }
        let Some(all) = self.get("/api/deployments").await? else { return Ok(Some(Err(latest))) };
        let all: Vec<Deployment> = decode(all)?;
        // Where none of them took effect, what runs is what was there before all of them.
        let active = all.into_iter().find(|one| one.active && one.progress() == Progress::Succeeded);
        Ok(active.map(Ok))
    }

    /// Publishes a zip under the name of a deployer (letters, digits, hyphens) and follows it to its end. While another
    /// deployment is under way it is tried again. Whether ours is there in the end is for a look to say.
    ///
    /// # Errors
    /// `Other`: the deployment failed, with where its log is. `Busy`, and those of a call.
    pub async fn publish(&self, zip: Vec<u8>, deployer: &str, build: bool, note: Note<'_>) -> Result<(), Failure> {
        let (path, media) = if self.flex {
            (format!("/api/publish?RemoteBuild={build}&Deployer={deployer}"), "application/zip")
        } else {
            (format!("/api/zipdeploy?isAsync=true&Deployer={deployer}"), "application/octet-stream")
        };
        let before = self.latest().await?.map(|latest| latest.id);
        let (url, zip) = (self.url(&path)?, Bytes::from(zip));
        let (start, mut tries) = (Instant::now(), 0);
        loop {
            note(&format!("publishing {} bytes to {}", zip.len(), self.app));
            let (refusal, asked) = match self.upload(&url, media, zip.clone()).await {
                Ok(answer) => {
                    self.client.accept(&self.operation(&answer));
                    break;
                }
                Err(Trouble::Network { failure, .. }) => return Err(failure.0),
                Err(Trouble::Refused(refusal, asked)) => (refusal, asked),
            };
            let wait = asked.unwrap_or_else(|| self.client.pace().wait(tries + 2));
            if !matches!(refusal.status, 409 | 429 | 503) || start.elapsed() + wait > self.client.pace().busy {
                return Err(self.explained(refusal));
            }
            note(&format!("{} takes no deployment now (HTTP {}); trying again", self.app, refusal.status));
            self.client.rest(wait).await?;
            tries += 1;
        }
        self.follow(before.as_deref(), deployer, note).await
    }

    /// The deployment that an upload began.
    fn operation(&self, answer: &Answer) -> Operation {
        let newest = || format!("{}/api/deployments/latest", self.base);
        Operation {
            url: header(&answer.headers, "location").map_or_else(newest, str::to_owned),
            style: Style::Location,
            wait: retry_after(&answer.headers).map(|wait| wait.as_secs()),
            site: Some(self.app.clone()),
        }
    }

    async fn upload(&self, url: &Url, media: &'static str, zip: Bytes) -> Result<Answer, Trouble> {
        let mut request = self.client.request(Method::Post, url).await?;
        request.insert_header("content-type", media);
        request.set_body(zip);
        self.client.exchange(request, &describe(Method::Post, url)).await
    }

    /// Waits until the deployment that a polling URL of this site tells of is over, however it ends.
    ///
    /// # Errors
    /// The URL leads elsewhere; `Busy`: it does not come to its end; those of a call.
    pub(crate) async fn finish(&self, url: &str, note: Note<'_>) -> Result<(), Refusal> {
        let url = self.client.trusted(url)?;
        let (start, mut tries) = (Instant::now(), 0);
        while start.elapsed() < self.client.pace().operation {
            let answer = match self.client.send(Method::Get, &url, None, note).await {
                // Nothing is told of one that is over, or that never was.
                Err(refusal) if refusal.is_not_found() => return Ok(()),
                answer => answer?,
            };
            if !decode::<Deployment>(answer.body).map_err(Refusal::ours)?.pending() {
                return Ok(());
            }
            note(&format!("waiting for the deployment of {}", self.app));
            self.client.rest(self.client.pace().wait(tries.min(2))).await.map_err(Refusal::ours)?;
            tries += 1;
        }
        Err(Refusal::ours(self.endless()))
    }

    fn endless(&self) -> Failure {
        Failure::new(Class::Busy, "the deployment does not come to its end")
            .detail(self.app.to_string())
            .remedy("wait until it is over, then run the same command again")
    }

    /// Follows the deployment that came after `before` to its end.
    async fn follow(&self, before: Option<&str>, deployer: &str, note: Note<'_>) -> Result<(), Failure> {
        let (start, mut tries, mut glances) = (Instant::now(), 0, 0);
        while start.elapsed() < self.client.pace().operation {
            match self.latest().await? {
                Some(latest) if latest.pending() => {
                    let words = latest.status_text.as_deref().filter(|words| !words.is_empty()).unwrap_or("deploying");
                    note(&format!("waiting for the deployment of {} ({words})", self.app));
                }
                Some(latest) if latest.is_by(deployer) && before != Some(latest.id.as_str()) => {
                    return if latest.progress() == Progress::Failed { Err(self.failed(&latest)) } else { Ok(()) };
                }
                // On Flex Consumption nothing is told of a deployment that is over.
                None if self.flex => return Ok(()),
                _ => glances += 1,
            }
            if glances == GLANCES {
                return Ok(());
            }
            self.client.rest(self.client.pace().wait(tries.min(2))).await?;
            tries += 1;
        }
        Err(self.endless())
    }

    fn failed(&self, deployment: &Deployment) -> Failure {
        let words = deployment.status_text.as_deref().filter(|words| !words.is_empty());
        let words = words.unwrap_or("the site does not say why");
        Failure::new(Class::Other, "the deployment failed")
            .detail(format!("{}, deployment {}: {words}", self.app, deployment.id))
            .remedy(match &deployment.log_url {
                Some(log) => format!("read its log: {log}"),
                None => "read its log in the portal, under Deployment Center".to_owned(),
            })
    }

    fn explained(&self, refusal: Refusal) -> Failure {
        match refusal.status {
            409 => refusal.failure.remedy(
                "wait for the other deployment; or remove the setting WEBSITE_RUN_FROM_PACKAGE if it names a URL: such an \
                 app takes no zip",
            ),
            // The SCM site itself does not say which right is missing.
            401 | 403 => {
                let told = refusal.failure.detail.clone().unwrap_or_default();
                refusal.failure.detail(format!("{}\n{told}", self.right)).remedy(format!(
                "give the role Website Contributor on {}, and let the access restrictions of its SCM site admit this \
                 machine",
                self.app
            ))
            }
            _ => refusal.failure,
        }
    }
}

fn address(app: &SiteId, base: &str, rest: &str) -> Result<Url, Failure> {
    Url::parse(&format!("{base}{rest}")).map_err(|error| {
        Failure::new(Class::Other, "Azure names no address where this app takes deployments")
            .detail(format!("{app}: {base}: {error}"))
            .remedy("look at the app's host names in the portal")
    })
}

/// What a look at deployments and a deployment need.
fn right(id: &SiteId) -> String {
    let slots = if id.slot.is_some() { "/slots" } else { "" };
    format!("Microsoft.Web/sites{slots}/publish/action on {}", id.arm_id())
}

fn decode<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, Failure> {
    serde_json::from_value(body).map_err(|error| answer_unclear(format!("the SCM site, about a deployment: {error}")))
}
