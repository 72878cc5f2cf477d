//! What the demo app can be told to do wrong, and how the platform tells it.

use serde::{Deserialize, Serialize};

use crate::model::{Class, Failure};

/// The environment variable that holds the trouble an app starts with, as JSON.
pub const VARIABLE: &str = "PGENTRA_SANDBOX_TROUBLE";
/// Where a running app is told, with the header `x-sandbox`, which the platform sends on for nobody else.
const PATH: &str = "/_sandbox/trouble";

/// What a demo app does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trouble {
    /// It answers every request with 500.
    pub fail: bool,
    /// It gets no token, so that it falls back to its password if it has one.
    pub fall_back: bool,
    /// It keeps a session open that it opened with its password, as a pool does.
    pub leak: bool,
}

impl Trouble {
    /// What a process finds in its environment.
    pub fn from_environment(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Tells the app that listens on a port of loopback, and waits until it does so.
    ///
    /// # Errors
    /// `Other`: the app cannot, and says why.
    pub async fn tell(self, port: u16) -> Result<(), Failure> {
        let failed = |error: reqwest::Error| {
            Failure::new(Class::Unreachable, "the demo app does not answer").detail(error.without_url().to_string())
        };
        let client = reqwest::Client::builder().no_proxy().build().map_err(failed)?;
        let body = serde_json::to_string(&self).unwrap_or_default();
        let told = client
            .post(format!("http://127.0.0.1:{port}{PATH}"))
            .header("x-sandbox", "1")
            .body(body)
            .send()
            .await
            .map_err(failed)?;
        if told.status().is_success() {
            return Ok(());
        }
        let said = told.text().await.map_err(failed)?;
        let said: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        let said = said["error"].as_str().unwrap_or("it does not say why").to_owned();
        Err(Failure::new(Class::Other, "the demo app cannot do that").detail(said))
    }
}
