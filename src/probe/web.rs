//! The web client for probes: bounded in time and size, and it stays on the host that it was asked to go to.

use std::time::{Duration, Instant};

use reqwest::header::{HeaderName, HeaderValue};

use crate::model::{Class, Failure, Secret};

/// How long one request may take, redirects included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a body is read.
const LARGEST: usize = 1024 * 1024;

/// Asks an app over HTTP. Sends no credentials but those it is given, and keeps no cookies.
#[derive(Clone, Debug)]
pub struct Web {
    client: reqwest::Client,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The body, at most 1 MiB of it.
    pub body: Vec<u8>,
    /// From sending the request to the end of the body.
    pub took: Duration,
}

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The HTTP method; `GET` when empty.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Headers by name.
    pub headers: Vec<(String, String)>,
    /// Headers whose values are secret. They go over TLS only, or to this machine.
    pub credentials: Vec<(String, Secret)>,
    /// The body.
    pub body: Option<String>,
}

impl Web {
    /// A client that trusts the platform's roots and these certificates.
    pub fn new(certificates: Vec<reqwest::Certificate>) -> Result<Self, Failure> {
        let stay = reqwest::redirect::Policy::custom(|attempt| {
            let first = attempt.previous().first();
            let origin = |url: &reqwest::Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
            let same = first.is_some_and(|first| {
                let host = first.host_str() == attempt.url().host_str();
                // From http to https on one host is the only change of port that is followed.
                host && (origin(first) == origin(attempt.url()) || attempt.url().scheme() == "https")
            });
            if same && attempt.previous().len() <= 5 { attempt.follow() } else { attempt.stop() }
        });
        let client = reqwest::Client::builder()
            .tls_certs_merge(certificates)
            .timeout(TIMEOUT)
            .redirect(stay)
            .user_agent(concat!("pgentra/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(|client| Self { client }).map_err(|error| {
            Failure::new(Class::Other, "cannot set up the HTTP client")
                .remedy("check the proxy (HTTPS_PROXY) and the certificates of this machine")
                .detail(causes(&error))
        })
    }

    /// Fetches a page. Any status is an answer; a redirect to another host is one too.
    pub async fn get(&self, url: &str) -> Result<Page, Failure> {
        self.ask(&Ask { url: url.to_owned(), ..Ask::default() }).await
    }

    /// Sends a request. Any status is an answer; a redirect to another host is one too.
    pub async fn ask(&self, ask: &Ask) -> Result<Page, Failure> {
        let request = self.request(ask)?;
        let failure = |error: reqwest::Error| {
            let shown = ask.url.split('?').next().unwrap_or_default();
            Failure::new(Class::Unreachable, "the address cannot be reached")
                .detail(format!("{shown}: {}", causes(&error.without_url())))
                .remedy("check that the app runs, its access restrictions, and the network from here")
        };
        let start = Instant::now();
        let mut answer = self.client.execute(request).await.map_err(failure)?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failure)? {
            let room = LARGEST - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == LARGEST {
                break;
            }
        }
        Ok(Page { status, body, took: start.elapsed() })
    }

    fn request(&self, ask: &Ask) -> Result<reqwest::Request, Failure> {
        let wrong = |what: String| {
            Failure::new(Class::Input, "the request cannot be sent")
                .detail(what)
                .remedy("mend the probe or check in the plan file")
        };
        let url = reqwest::Url::parse(&ask.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| wrong(format!("{:?} is no http or https address", ask.url)))?;
        let here = url.host_str().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
        if !ask.credentials.is_empty() && url.scheme() != "https" && !here {
            return Err(wrong("a function key or token is sent over https only".to_owned()));
        }
        let method = if ask.method.is_empty() { "GET" } else { &ask.method };
        let method = reqwest::Method::from_bytes(method.as_bytes());
        let method = method.map_err(|_| wrong(format!("{:?} is no HTTP method", ask.method)))?;
        let mut request = self.client.request(method, url);
        for (name, value) in &ask.headers {
            let named = HeaderName::from_bytes(name.as_bytes()).ok();
            let valued = HeaderValue::from_str(value).ok();
            let (Some(named), Some(valued)) = (named, valued) else {
                return Err(wrong(format!("{name:?} cannot be sent as a header")));
            };
            request = request.header(named, valued);
        }
        for (name, value) in &ask.credentials {
            let Ok(mut value) = HeaderValue::from_str(value.expose()) else {
                return Err(wrong(format!("the secret of header {name:?} holds characters that no header takes")));
            };
            value.set_sensitive(true);
            request = request.header(name.as_str(), value);
        }
        if let Some(body) = &ask.body {
            request = request.body(body.clone());
        }
        request.build().map_err(|error| wrong(causes(&error.without_url())))
    }
}

/// An error with all its causes in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Ask, LARGEST, Web};
    use crate::model::{Class, Secret};
    use std::time::Instant;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers each connection with the text that `answer` makes of the path.
    async fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let _ = stream.write_all(&answer(&path)).await;
            }
        });
        base
    }

    fn head(status: &str, rest: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\n{rest}\r\n").into_bytes()
    }

    #[tokio::test]
    async fn redirects_stay_on_the_host() {
        let base = serve(|path| match path {
            "/here" => head("302 Found", "location: /there\r\ncontent-length: 0\r\n"),
            "/away" => head("302 Found", "location: http://localhost:1/\r\ncontent-length: 0\r\n"),
            _ => [head("200 OK", "content-length: 2\r\n"), b"ok".to_vec()].concat(),
        })
        .await;
        let web = Web::new(Vec::new()).unwrap();
        assert_eq!(web.get(&format!("{base}/here")).await.unwrap().body, b"ok");
        assert_eq!(web.get(&format!("{base}/away")).await.unwrap().status, 302);
    }

    #[tokio::test]
    async fn method_headers_and_body_arrive_and_secrets_need_tls() {
        let base =
            serve(|path| head(if path == "/x" { "202 Accepted" } else { "404 Not Found" }, "content-length: 0\r\n"));
        let ask = Ask {
            method: "POST".into(),
            url: format!("{}/x", base.await),
            headers: vec![("content-type".into(), "text/plain".into())],
            credentials: vec![("x-functions-key".into(), Secret::new("key"))],
            body: Some("hello".into()),
        };
        let web = Web::new(Vec::new()).unwrap();
        assert_eq!(web.ask(&ask).await.unwrap().status, 202);
        let request = web.request(&ask).unwrap();
        assert_eq!(
            (request.method().as_str(), &request.headers()["content-type"]),
            ("POST", &"text/plain".parse().unwrap())
        );
        assert!(!format!("{request:?}").contains("\"key\""));
        let abroad = Ask { url: "http://example.test/x".into(), ..ask.clone() };
        assert_eq!(web.ask(&abroad).await.unwrap_err().class, Class::Input);
        for (name, value) in [("a b", "c"), ("a", "b\nc")] {
            let wrong = Ask { headers: vec![(name.into(), value.into())], ..ask.clone() };
            assert_eq!(web.ask(&wrong).await.unwrap_err().class, Class::Input, "{name}");
        }
    }

    #[tokio::test]
    async fn a_huge_body_is_cut() {
        let base = serve(|_| [head("200 OK", ""), vec![b'x'; LARGEST + 70_000]].concat()).await;
        assert_eq!(Web::new(Vec::new()).unwrap().get(&base).await.unwrap().body.len(), LARGEST);
    }

    #[tokio::test]
    async fn a_closed_port_and_nonsense_fail_at_once() {
        let web = Web::new(Vec::new()).unwrap();
        let start = Instant::now();
        assert_eq!(web.get("http://127.0.0.1:1/?key=1").await.unwrap_err().class, Class::Unreachable);
        assert!(start.elapsed().as_secs() < 5);
        for url in ["file:///etc/passwd", "/api", ""] {
            assert_eq!(web.get(url).await.unwrap_err().class, Class::Input, "{url}");
        }
    }
}
