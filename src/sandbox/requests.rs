//! Talks to the control endpoint of a running sandbox: the requests that it served, its clock, what its app does wrong.

use std::path::Path;

use serde_json::{Value, json};

use super::info::{Info, missing};
use super::trouble::Trouble;
use crate::model::{Class, Failure};

/// Every request that the sandbox in `dir` served since it began, oldest first, with secrets masked.
///
/// # Errors
/// `NotFound`: there is none, or it does not run.
pub async fn requests(dir: &Path) -> Result<Vec<Value>, Failure> {
    let answer = control(dir, "requests", None).await?;
    Ok(answer["value"].as_array().cloned().unwrap_or_default())
}

/// The time in a sandbox (RFC 3339), and how far that is ahead of the real one in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The time.
    pub now: String,
    /// How far ahead, such as `8d`; empty when it is not.
    pub ahead: String,
}

/// The clock of the sandbox in `dir`, moved on by `advance` (such as `8d`) first where that is given.
///
/// # Errors
/// `NotFound`: there is none, or it does not run. `Input`: no span of time. `Other`: it cannot be moved on this machine.
pub async fn move_clock(dir: &Path, advance: Option<&str>) -> Result<Clock, Failure> {
    let answer = control(dir, "clock", advance.map(|by| json!({"advance": by}))).await?;
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let ahead = if answer["ahead_seconds"] == 0 { String::new() } else { text("ahead") };
    Ok(Clock { now: text("now"), ahead })
}

/// Has the app of a site (`app`, or `app/slots/slot`) do these things wrong from now on, and others no longer.
///
/// # Errors
/// `NotFound`: no such sandbox or site. `Other`: the app cannot do that.
pub async fn trouble_app(dir: &Path, site: &str, trouble: Trouble) -> Result<(), Failure> {
    let mut body = json!(trouble);
    body["site"] = json!(site);
    control(dir, "app", Some(body)).await.map(drop)
}

/// Switches the system-assigned identity of a site off.
///
/// # Errors
/// `NotFound`: no such sandbox or site. `Other`: it has none.
pub async fn lose_identity(dir: &Path, site: &str) -> Result<(), Failure> {
    control(dir, "identity/lose", Some(json!({"site": site}))).await.map(drop)
}

/// One call of the control endpoint: a GET, or a POST of a body.
async fn control(dir: &Path, tail: &str, body: Option<Value>) -> Result<Value, Failure> {
    let info = Info::read(dir)?.ok_or_else(|| missing(dir))?;
    if info.alive().is_none() {
        return Err(Failure::new(Class::NotFound, "the sandbox does not run")
            .detail(dir.display().to_string())
            .remedy(
                "start it with `pgentra sandbox up`; `pgentra sandbox log --processes` shows what its processes said",
            ));
    }
    let failed = |error: reqwest::Error| {
        Failure::new(Class::Unreachable, "the sandbox does not answer").detail(error.without_url().to_string())
    };
    let pem = super::files::read(&info.ca_bundle)?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(failed)?;
    let client = reqwest::Client::builder().no_proxy().tls_certs_only(certificates).build().map_err(failed)?;
    let url = format!("{}/_sandbox/{tail}", info.resource_manager);
    let request = match body {
        Some(body) => client.post(url).body(body.to_string()),
        None => client.get(url),
    };
    let answer = request.header("x-sandbox", "1").send().await.map_err(failed)?;
    let (status, text) = (answer.status().as_u16(), answer.bytes().await.map_err(failed)?);
    match status {
        204 => Ok(Value::Null),
        200 => serde_json::from_slice(&text)
            .map_err(|error| Failure::new(Class::Other, "the sandbox answers no JSON").detail(error.to_string())),
        _ => Err(refused(status, &serde_json::from_slice(&text).unwrap_or_default())),
    }
}

/// What the control endpoint did not do, in its own words.
fn refused(status: u16, answer: &Value) -> Failure {
    let text = |name: &str| answer["error"][name].as_str().map(str::to_owned);
    let class = match status {
        400 => Class::Input,
        404 => Class::NotFound,
        _ => Class::Other,
    };
    let message = text("message").unwrap_or_else(|| format!("it answered HTTP {status}"));
    let detail = [Some(message), text("detail")].into_iter().flatten().collect::<Vec<_>>().join("\n");
    Failure { remedy: text("remedy"), ..Failure::new(class, "the sandbox does not do that").detail(detail) }
}
