//! A double of Azure for tests: a transport that answers from a function and keeps what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::Headers;
use azure_core::http::request::Body;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::azure::{AccessToken, Arm, Pace, TokenSource, Tokens};
use crate::model::{Endpoints, Failure, Secret};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub body: Value,
    pub bearer: bool,
}

impl Seen {
    /// `GET /path`.
    pub fn call(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, Value),
    /// The connection breaks.
    Broken,
}

type Handler = Box<dyn FnMut(&Seen) -> Reply + Send>;

/// The transport.
pub(crate) struct Double {
    handler: Mutex<Handler>,
    seen: Mutex<Vec<Seen>>,
}

impl std::fmt::Debug for Double {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Double")
    }
}

/// A plain answer.
pub(crate) fn reply(status: u16, body: Value) -> Reply {
    Reply::Answer(status, Vec::new(), body)
}

/// An answer with headers.
pub(crate) fn reply_with(status: u16, headers: &[(&'static str, &str)], body: Value) -> Reply {
    Reply::Answer(status, headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), body)
}

/// An error of the Resource Manager.
pub(crate) fn error(status: u16, code: &str) -> Reply {
    reply(status, json!({ "error": { "code": code, "message": format!("{code} happened") } }))
}

impl Double {
    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Every request so far, as `GET /path`.
    pub fn calls(&self) -> Vec<String> {
        self.seen().iter().map(Seen::call).collect()
    }
}

#[async_trait]
impl HttpClient for Double {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let body = match request.body() {
            Body::Bytes(bytes) if !bytes.is_empty() => {
                // What is no JSON (a package) is shown as text.
                serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
            }
            _ => Value::Null,
        };
        let bearer = request
            .headers()
            .iter()
            .any(|(name, value)| name.as_str() == "authorization" && value.as_str() == "Bearer token-of-the-test");
        let seen = Seen {
            method: request.method().as_ref().to_owned(),
            path: request.url().path().to_owned(),
            query: request.url().query().unwrap_or_default().to_owned(),
            body,
            bearer,
        };
        self.seen.lock().unwrap().push(seen.clone());
        let Reply::Answer(status, headers, body) = (self.handler.lock().unwrap())(&seen) else {
            return Err(azure_core::Error::with_message(azure_core::error::ErrorKind::Io, "connection reset"));
        };
        let mut all = Headers::new();
        for (name, value) in headers {
            all.insert(name, value);
        }
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), all, bytes))
    }
}

/// Gives one token for everything.
struct OneToken;

#[async_trait]
impl TokenSource for OneToken {
    async fn fetch(&self, _: &str) -> Result<AccessToken, Failure> {
        let expires_on = Timestamp::now() + Duration::from_hours(1);
        Ok(AccessToken { secret: Secret::new("token-of-the-test"), expires_on })
    }
}

/// A pace without any patience: what would be waited for is over at once.
pub(crate) const HASTY: Pace = Pace {
    first: Duration::ZERO,
    longest: Duration::ZERO,
    throttled: Duration::ZERO,
    busy: Duration::ZERO,
    operation: Duration::ZERO,
    identity: Duration::ZERO,
};

/// A client whose calls are answered by `handler`.
pub(crate) fn arm(handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> (Arm, Arc<Double>) {
    arm_at(Pace::quick(), handler)
}

/// The same with a pace of its own.
pub(crate) fn arm_at(pace: Pace, handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> (Arm, Arc<Double>) {
    let double = Arc::new(Double { handler: Mutex::new(Box::new(handler)), seen: Mutex::default() });
    let endpoints = Endpoints {
        authority: "https://login.test".into(),
        resource_manager: "https://arm.test".into(),
        resource_manager_audience: "https://arm.test".into(),
        postgres_audience: "https://ossrdbms.test".into(),
    };
    let arm = Arm::new(endpoints, Tokens::new(Arc::new(OneToken)), double.clone(), pace).unwrap();
    (arm, double)
}
