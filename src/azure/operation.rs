//! Long-running operations: where their state is asked for, and how they are followed to their end.

use std::time::{Duration, Instant};

use azure_core::http::{Method, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::azure::arm::{Answer, Arm, Note, header, retry_after};
use crate::azure::pace::seconds;
use crate::azure::refusal::Refusal;
use crate::azure::sites::SiteId;
use crate::model::{Class, Failure};

/// Where to ask how an operation stands. Serializable, so that a journal can keep it over the end of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Operation {
    /// The URL to ask, exactly as Azure gave it: signed parts in its query must not be touched.
    pub url: String,
    /// What its answers look like.
    pub style: Style,
    /// The first wait that Azure asked for, in seconds.
    pub wait: Option<u64>,
    /// The app whose deployment it is: the URL leads to its SCM site then, and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
}

/// What the answers of a polled URL look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// `Azure-AsyncOperation`: a body with `status`.
    Status,
    /// `Location`: 202 until it is done.
    Location,
    /// The resource itself, by `properties.provisioningState`.
    Resource,
}

/// How an operation stands.
enum Stand {
    Running,
    Done,
    Failed(Refusal),
}

impl Operation {
    /// The operation that an answer announces, in Azure's order of preference; `None` when the answer is final.
    pub(crate) fn of(method: Method, url: &Url, answer: &Answer) -> Option<Self> {
        let wait = retry_after(&answer.headers).map(|wait| wait.as_secs());
        let at = |url: &str, style| Some(Self { url: url.to_owned(), style, wait, site: None });
        if let Some(url) = header(&answer.headers, "azure-asyncoperation") {
            return at(url, Style::Status);
        }
        if answer.status == 202
            && let Some(url) = header(&answer.headers, "location")
        {
            return at(url, Style::Location);
        }
        let unfinished = provisioning(&answer.body).is_some_and(|state| !is_terminal(state));
        if matches!(method, Method::Put | Method::Patch) && unfinished {
            return at(url.as_str(), Style::Resource);
        }
        None
    }
}

impl Arm {
    /// Follows an operation to its end, for at most [`crate::azure::Pace::operation`].
    pub async fn finish(&self, operation: &Operation, note: Note<'_>) -> Result<(), Refusal> {
        if let Some(site) = &operation.site {
            return self.scm(site).await.map_err(Refusal::ours)?.finish(&operation.url, note).await;
        }
        let url = self.trusted(&operation.url)?;
        let start = Instant::now();
        let mut wait = operation.wait.map_or(self.pace().wait(0), Duration::from_secs);
        let mut tries = 0;
        loop {
            if start.elapsed() + wait > self.pace().operation {
                let failure = Failure::new(Class::Busy, "an operation of Azure takes longer than it may")
                    .detail(format!("{}: waited {}", url.path(), seconds(start.elapsed())))
                    .remedy("it goes on in Azure; run the same command again to see how it ended");
                return Err(Refusal::ours(failure));
            }
            self.rest(wait).await.map_err(Refusal::ours)?;
            let answer = self.send(Method::Get, &url, None, note).await.map_err(on_poll)?;
            match stand(operation.style, &answer) {
                Stand::Done => return Ok(()),
                Stand::Failed(refusal) => return Err(refusal),
                Stand::Running => {}
            }
            tries += 1;
            wait = retry_after(&answer.headers).unwrap_or_else(|| self.pace().wait(tries));
            let since = start.elapsed();
            if since >= Duration::from_secs(2) {
                note(&format!("waiting for Azure to finish ({})", seconds(since)));
            }
        }
    }
}

/// Reading an operation's state needs a right on the resource group, not on the resource.
fn on_poll(mut refusal: Refusal) -> Refusal {
    if refusal.failure.class == Class::Forbidden {
        refusal.failure.remedy = Some(
            "the change was begun, but its state may not be read: grant Reader on the resource group (states of \
             operations are not kept under the resource), then run the same command again"
                .to_owned(),
        );
    }
    refusal
}

fn stand(style: Style, answer: &Answer) -> Stand {
    let status = answer.body["status"].as_str();
    let state = match style {
        Style::Status => status,
        Style::Location if answer.status == 202 => return Stand::Running,
        // A final answer is the resource, whose own fields are no state of ours; only a status body counts.
        Style::Location => status.filter(|_| answer.body["properties"].is_null()),
        Style::Resource => provisioning(&answer.body),
    };
    let Some(state) = state else { return Stand::Done };
    let is = |word: &str| state.eq_ignore_ascii_case(word);
    if is("Succeeded") {
        Stand::Done
    } else if is("Failed") || is("Canceled") || is("Cancelled") {
        let request = header(&answer.headers, "x-ms-request-id");
        let name = answer.body["name"].as_str().map(|name| format!(" {name}")).unwrap_or_default();
        let what = format!("operation{name} {}", state.to_ascii_lowercase());
        Stand::Failed(Refusal::of(&what, answer.status, request, &answer.body))
    } else {
        Stand::Running
    }
}

fn provisioning(body: &Value) -> Option<&str> {
    body["properties"]["provisioningState"].as_str()
}

fn is_terminal(state: &str) -> bool {
    ["Succeeded", "Failed", "Canceled", "Cancelled"].iter().any(|word| state.eq_ignore_ascii_case(word))
}
