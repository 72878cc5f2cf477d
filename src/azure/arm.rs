//! The Resource Manager: one call with its retries, and changes that are followed to their end.
//!
//! Requests go through `azure_core`'s pipeline for its transport, request ids, user agent and redacted logging. Its
//! retry and bearer policies are left out: waits have to be told to whoever watches and bounded by [`Pace`], a write
//! must not be repeated when its outcome is unknown, and an emulator on this machine is reached over plain HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{
    ClientOptions, Context, HttpClient, Method, Pipeline, PipelineSendOptions, Request, RetryOptions, Transport, Url,
};
use serde_json::Value;

use crate::azure::operation::Operation;
use crate::azure::pace::{Pace, seconds};
use crate::azure::refusal::Refusal;
use crate::azure::tokens::Tokens;
use crate::azure::trouble::Trouble;
use crate::azure::waiting::Waiting;
use crate::model::{Class, Endpoints, Failure};

/// Hears what a call is waiting for.
pub type Note<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A client of one cloud's Resource Manager.
#[derive(Clone)]
pub struct Arm {
    pipeline: Pipeline,
    http: Arc<dyn HttpClient>,
    endpoints: Endpoints,
    base: Url,
    tokens: Tokens,
    pace: Pace,
    waiting: Waiting,
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Value,
}

impl Arm {
    /// A client that signs its calls with `tokens`. Only a Resource Manager on this machine may be plain HTTP.
    pub fn new(endpoints: Endpoints, tokens: Tokens, http: Arc<dyn HttpClient>, pace: Pace) -> Result<Self, Failure> {
        let refuse = |why: &str| {
            Failure::new(Class::Input, "this cannot be the address of a Resource Manager")
                .detail(format!("{}: {why}", endpoints.resource_manager))
                .remedy("name the cloud as public, usgov, china, or by an https address")
        };
        let base = Url::parse(&endpoints.resource_manager).map_err(|error| refuse(&error.to_string()))?;
        let local = base.host_str().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
        if base.scheme() != "https" && !(base.scheme() == "http" && local) {
            return Err(refuse("tokens are sent over https only"));
        }
        let options = ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::clone(&http))),
            ..ClientOptions::default()
        };
        let (name, version) = (Some(env!("CARGO_PKG_NAME")), Some(env!("CARGO_PKG_VERSION")));
        let pipeline = Pipeline::new(name, version, options, Vec::new(), Vec::new(), None);
        Ok(Self { pipeline, http, endpoints, base, tokens, pace, waiting: Waiting::default() })
    }

    /// The same client for the calls of one change.
    pub fn waiting(&self, waiting: Waiting) -> Self {
        Self { waiting, ..self.clone() }
    }

    /// The same client for another service of the cloud, which takes tokens of another audience.
    pub(crate) fn aimed(&self, base: &str, audience: &str) -> Result<Self, Failure> {
        let (resource_manager, resource_manager_audience) = (base.to_owned(), audience.to_owned());
        let endpoints = Endpoints { resource_manager, resource_manager_audience, ..self.endpoints.clone() };
        let aimed = Self::new(endpoints, self.tokens.clone(), self.http(), self.pace)?;
        Ok(aimed.waiting(self.waiting.clone()))
    }

    /// Sleeps, unless the change that this client serves is asked to stop.
    pub(crate) async fn rest(&self, span: Duration) -> Result<(), Failure> {
        self.waiting.rest(span).await
    }

    /// Tells whoever the change is made for of an operation that Azure took on.
    pub(crate) fn accept(&self, operation: &Operation) {
        self.waiting.accept(operation);
    }

    /// The cloud's endpoints.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Where the tokens come from.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// What its requests go through.
    pub(crate) fn http(&self) -> Arc<dyn HttpClient> {
        Arc::clone(&self.http)
    }

    /// How long it waits.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The tenant that issued the tokens for the Resource Manager, as they say.
    pub async fn tenant(&self) -> Result<Option<String>, Failure> {
        Ok(self.tokens.claims(&self.endpoints.resource_manager_audience).await?.tenant)
    }

    /// Reads a resource.
    pub async fn get(&self, path: &str, version: &str) -> Result<Value, Refusal> {
        self.send(Method::Get, &self.url(path, version)?, None, &|_| {}).await.map(|answer| answer.body)
    }

    /// What time it is by Azure's clock, to the second: the `Date` header of an answer.
    ///
    /// # Errors
    /// Those of a call; `Other` when the answer has no such header.
    pub async fn date(&self) -> Result<jiff::Timestamp, Refusal> {
        let answer = self.send(Method::Get, &self.url("/subscriptions", "2022-12-01")?, None, &|_| {}).await?;
        let told = header(&answer.headers, "date").and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
        told.map(|told| told.timestamp()).ok_or_else(|| {
            Refusal::ours(
                Failure::new(Class::Other, "Azure's answer does not tell the time")
                    .detail("GET /subscriptions: the answer has no Date header")
                    .remedy("look whether a proxy takes the Date header out of answers"),
            )
        })
    }

    /// Reads with POST, as lists of secrets are. Changes nothing.
    pub async fn list_by_post(&self, path: &str, version: &str) -> Result<Value, Refusal> {
        let url = self.url(path, version)?;
        self.send_as(Method::Post, &url, None, true, &|_| {}).await.map(|answer| answer.body)
    }

    /// Asks with a POST that has a body, as queries do. Changes nothing.
    pub(crate) async fn ask(&self, path: &str, version: &str, body: &Value) -> Result<Answer, Refusal> {
        let url = self.url(path, version)?;
        self.send_as(Method::Post, &url, Some(body), true, &|_| {}).await
    }

    /// Reads all pages of a collection.
    pub async fn list(&self, path: &str, version: &str) -> Result<Vec<Value>, Refusal> {
        let mut url = self.url(path, version)?;
        let mut all = Vec::new();
        loop {
            let mut page = self.send(Method::Get, &url, None, &|_| {}).await?.body;
            if let Some(values) = page["value"].as_array_mut() {
                all.append(values);
            }
            match page["nextLink"].as_str().filter(|link| !link.is_empty()) {
                Some(next) if all.len() < 100_000 => url = self.trusted(next)?,
                _ => return Ok(all),
            }
        }
    }

    /// Makes a change and follows it to its end. While the service is busy with something else it is tried again, up
    /// to [`Pace::busy`]. Answers the body of the first success.
    pub async fn change(
        &self,
        method: Method,
        path: &str,
        version: &str,
        body: Option<&Value>,
        note: Note<'_>,
    ) -> Result<Value, Refusal> {
        let start = Instant::now();
        let mut tries = 0;
        loop {
            let refusal = match self.change_once(method, path, version, body, note).await {
                Err(refusal) if refusal.is_busy() => refusal,
                other => return other,
            };
            let wait = self.pace.wait(tries + 2);
            if start.elapsed() + wait > self.pace.busy {
                return Err(refusal);
            }
            note(&format!("Azure is busy ({}); trying again in {}", refusal.code, seconds(wait)));
            self.rest(wait).await.map_err(Refusal::ours)?;
            tries += 1;
        }
    }

    async fn change_once(
        &self,
        method: Method,
        path: &str,
        version: &str,
        body: Option<&Value>,
        note: Note<'_>,
    ) -> Result<Value, Refusal> {
        let url = self.url(path, version)?;
        let answer = self.send(method, &url, body, note).await?;
        self.followed(method, &url, answer, note).await
    }

    /// Makes a change whose body holds what others wrote, too, and follows it to its end. It is never sent twice, as by
    /// then somebody may have written more: a service that is busy or throttles is waited for as long as it asks, and the
    /// refusal is given back, so that the caller reads again.
    pub async fn replace(
        &self,
        method: Method,
        path: &str,
        version: &str,
        body: &Value,
        note: Note<'_>,
    ) -> Result<(), Refusal> {
        let url = self.url(path, version)?;
        match self.try_once(method, &url, Some(body), &describe(method, &url)).await {
            Ok(answer) => self.followed(method, &url, answer, note).await.map(drop),
            Err(Trouble::Network { failure, .. }) => Err(Refusal::ours(failure.0)),
            Err(Trouble::Refused(refusal, asked)) => {
                let asked = asked.filter(|wait| refusal.failure.class == Class::Busy && *wait <= self.pace.throttled);
                self.rest(asked.unwrap_or_default()).await.map_err(Refusal::ours)?;
                Err(refusal)
            }
        }
    }

    async fn followed(&self, method: Method, url: &Url, answer: Answer, note: Note<'_>) -> Result<Value, Refusal> {
        if let Some(operation) = Operation::of(method, url, &answer) {
            self.waiting.accept(&operation);
            self.finish(&operation, note).await?;
        }
        Ok(answer.body)
    }

    /// Begins a change. The operation, when there is one, can be kept (it is serializable) and finished later.
    pub async fn begin(
        &self,
        method: Method,
        path: &str,
        version: &str,
        body: Option<&Value>,
        note: Note<'_>,
    ) -> Result<(Value, Option<Operation>), Refusal> {
        let url = self.url(path, version)?;
        let answer = self.send(method, &url, body, note).await?;
        let operation = Operation::of(method, &url, &answer);
        Ok((answer.body, operation))
    }

    fn url(&self, path: &str, version: &str) -> Result<Url, Refusal> {
        let text = format!("{}{path}?api-version={version}", self.endpoints.resource_manager);
        Url::parse(&text).map_err(|error| {
            let failure = Failure::new(Class::Input, "no address can be made of these names");
            Refusal::ours(failure.detail(format!("{path}: {error}")).remedy("check the names in the plan file"))
        })
    }

    /// A URL that Azure gave us to follow, if it leads to the same Resource Manager: it is called with our token.
    pub(crate) fn trusted(&self, text: &str) -> Result<Url, Refusal> {
        let ours = self.base.host_str().unwrap_or_default();
        match Url::parse(text) {
            Ok(url)
                if url.scheme() == self.base.scheme()
                    && url.port_or_known_default() == self.base.port_or_known_default()
                    && url.host_str().is_some_and(|host| host == ours || host.ends_with(&format!(".{ours}"))) =>
            {
                Ok(url)
            }
            _ => Err(Refusal::ours(
                Failure::new(Class::Other, "Azure's answer leads to another host; the token is not sent there")
                    .remedy("check the cloud's address, and that no proxy rewrites answers")
                    .detail(text.split('?').next().unwrap_or_default().to_owned()),
            )),
        }
    }

    /// One call; reads are repeated on any passing trouble, writes only where they cannot have been carried out.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &Url,
        body: Option<&Value>,
        note: Note<'_>,
    ) -> Result<Answer, Refusal> {
        self.send_as(method, url, body, method == Method::Get, note).await
    }

    async fn send_as(
        &self,
        method: Method,
        url: &Url,
        body: Option<&Value>,
        reads: bool,
        note: Note<'_>,
    ) -> Result<Answer, Refusal> {
        let what = describe(method, url);
        let mut waited = Duration::ZERO;
        let mut tries = 0;
        loop {
            let (refusal, asked) = match self.try_once(method, url, body, &what).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Refused(refusal, _)) if !passing(refusal.status, reads) => return Err(refusal),
                Err(Trouble::Refused(refusal, asked)) => (refusal, asked),
                Err(Trouble::Network { failure, again }) if tries >= 2 || !(again || (reads && failure.1)) => {
                    return Err(Refusal::ours(failure.0));
                }
                Err(Trouble::Network { failure, .. }) => (Refusal::ours(failure.0), None),
            };
            // 500 and its like are tried a few times only; throttling says itself how long it lasts.
            let own_bound = !matches!(refusal.status, 429 | 503) && tries >= 3;
            let wait = asked.unwrap_or_else(|| self.pace.wait(tries));
            if own_bound || waited + wait > self.pace.throttled {
                return Err(refusal);
            }
            if wait >= Duration::from_secs(1) {
                note(&format!("Azure asks to wait (HTTP {}); trying again in {}", refusal.status, seconds(wait)));
            }
            self.rest(wait).await.map_err(Refusal::ours)?;
            waited += wait;
            tries += 1;
        }
    }

    async fn try_once(&self, method: Method, url: &Url, body: Option<&Value>, what: &str) -> Result<Answer, Trouble> {
        let mut request = self.request(method, url).await?;
        match body {
            Some(body) => {
                request.insert_header("content-type", "application/json");
                if method == Method::Post {
                    // Of queries alone: says which tables were left out for want of rights. Others do not mind it.
                    request.insert_header("prefer", "include-permissions=true");
                }
                request.set_body(body.to_string());
            }
            // A POST without a body still has to say that it has none.
            None if method == Method::Post => request.insert_header("content-length", "0"),
            None => {}
        }
        self.exchange(request, what).await
    }

    /// A request with a token.
    pub(super) async fn request(&self, method: Method, url: &Url) -> Result<Request, Trouble> {
        let token = self.tokens.token(&self.endpoints.resource_manager_audience).await;
        let token = token.map_err(|failure| Trouble::Refused(Refusal::ours(failure), None))?;
        let mut request = Request::new(url.clone(), method);
        request.insert_header("authorization", format!("Bearer {}", token.secret.expose()));
        request.insert_header("accept", "application/json");
        Ok(request)
    }

    /// One exchange.
    pub(super) async fn exchange(&self, mut request: Request, what: &str) -> Result<Answer, Trouble> {
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let response = self.pipeline.send(&Context::new(), &mut request, Some(options)).await;
        let response = response.map_err(|error| Trouble::network(what, &error))?;
        let (status, headers, bytes) = response.deconstruct();
        let status = u16::from(status);
        let body: Value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).chars().take(200).collect()))
        };
        if (200..300).contains(&status) {
            return Ok(Answer { status, headers, body });
        }
        let request_id = header(&headers, "x-ms-request-id");
        Err(Trouble::Refused(Refusal::of(what, status, request_id, &body), retry_after(&headers)))
    }
}

/// Whether an answer of this status may be different the next time, without the call being carried out twice.
fn passing(status: u16, reads: bool) -> bool {
    matches!(status, 429 | 503) || (reads && matches!(status, 408 | 500 | 502 | 504))
}

pub(crate) fn header<'a>(headers: &'a Headers, name: &'static str) -> Option<&'a str> {
    headers.get_optional_str(&HeaderName::from_static(name))
}

/// `Retry-After` in seconds.
pub(crate) fn retry_after(headers: &Headers) -> Option<Duration> {
    header(headers, "retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs)
}

/// A call in a few words: the verb and the path from the provider on.
pub(super) fn describe(method: Method, url: &Url) -> String {
    let path = url.path();
    let short = path.split_once("/providers/").map_or(path, |(_, rest)| rest);
    format!("{} {short}", method.as_ref())
}

/// One segment of a path: a name from outside cannot become another path.
pub(crate) fn segment(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'(' | b')' => char::from(byte).to_string(),
            b'.' if name != "." && name != ".." => ".".to_owned(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
