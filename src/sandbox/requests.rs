//! Asks a running sandbox for the list of requests that it served.

use std::path::Path;

use serde_json::Value;

use super::info::{Info, missing};
use crate::model::{Class, Failure};

/// Every request that the sandbox in `dir` served since it began, oldest first, with secrets masked.
///
/// # Errors
/// `NotFound`: there is none, or it does not run.
pub async fn requests(dir: &Path) -> Result<Vec<Value>, Failure> {
    let info = Info::read(dir)?.ok_or_else(|| missing(dir))?;
    if info.alive().is_none() {
        return Err(Failure::new(Class::NotFound, format!("the sandbox in {} does not run", dir.display()))
            .remedy("pgentra sandbox up; what its processes said is shown by: pgentra sandbox log --processes"));
    }
    let failed = |error: reqwest::Error| {
        Failure::new(Class::Unreachable, "the sandbox does not answer").detail(error.without_url().to_string())
    };
    let pem = super::files::read(&info.ca_bundle)?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(failed)?;
    let client = reqwest::Client::builder().no_proxy().tls_certs_only(certificates).build().map_err(failed)?;
    let url = format!("{}/_sandbox/requests", info.resource_manager);
    let answer = client.get(url).header("x-sandbox", "1").send().await.map_err(failed)?;
    let answer: Value = serde_json::from_slice(&answer.bytes().await.map_err(failed)?)
        .map_err(|error| Failure::new(Class::Other, "the sandbox answers no JSON").detail(error.to_string()))?;
    Ok(answer["value"].as_array().cloned().unwrap_or_default())
}
