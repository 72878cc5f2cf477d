//! Tests of signing in against an authority with a certificate of its own, as the sandbox and private clouds have.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::azure::{Choice, Tokens, http_client, sign_in};
use crate::model::{Endpoints, Failure};

const GUID: &str = "11111111-2222-3333-4444-555555555555";

/// An authority on this machine that gives a token to whoever asks, and the PEM of its certificate.
struct Authority {
    url: String,
    pem: String,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn read_request<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut text = String::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&part[..read]));
        let length = text
            .to_ascii_lowercase()
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.split("\r\n").next()?.parse::<usize>().ok());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if read == 0 || body.is_some_and(|body| body >= length.unwrap_or(0)) {
            return text;
        }
    }
}

fn response(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn authority() -> Authority {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let request = read_request(&mut stream).await;
            kept.lock().unwrap().push(request);
            let body = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"granted"}"#;
            let _ = stream.write_all(response(body).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    Authority { url, pem: made.cert.pem(), asked }
}

fn tokens(authority: &Authority, trusted: bool, variables: &[(&str, &str)]) -> Result<Tokens, Failure> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(authority.pem.as_bytes()).unwrap();
    let path = if trusted { file.path().to_str().unwrap() } else { "" };
    let http = http_client(&BTreeMap::from([("SSL_CERT_FILE".to_owned(), path.to_owned())]))?;
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let endpoints = Endpoints {
        authority: authority.url.clone(),
        resource_manager: "https://arm.test".into(),
        resource_manager_audience: "https://arm.test".into(),
        postgres_audience: "https://ossrdbms.test".into(),
    };
    sign_in(Choice::Automatic, &endpoints, None, &variables, &http)
}

const SECRET: [(&str, &str); 3] = [("AZURE_TENANT_ID", GUID), ("AZURE_CLIENT_ID", GUID), ("AZURE_CLIENT_SECRET", "s3")];

#[tokio::test]
async fn a_certificate_in_ssl_cert_file_is_trusted() {
    let authority = authority().await;
    let tokens = tokens(&authority, true, &SECRET).unwrap();
    let token = tokens.token("https://arm.test").await.unwrap();
    assert_eq!(token.secret.expose(), "granted");
    assert_eq!(tokens.credential().as_deref(), Some("environment"));
    let asked = authority.asked.lock().unwrap()[0].clone();
    assert!(asked.starts_with(&format!("POST /{GUID}/oauth2/v2.0/token ")), "{asked}");
    assert!(asked.contains("scope=https%3A%2F%2Farm.test%2F.default"), "{asked}");
}

#[tokio::test]
async fn an_unknown_certificate_is_said_at_once() {
    let authority = authority().await;
    let start = Instant::now();
    let failure = tokens(&authority, false, &SECRET).unwrap().token("https://arm.test").await.unwrap_err();
    assert!(start.elapsed().as_secs() < 3);
    let detail = failure.detail.unwrap();
    assert!(detail.lines().next().unwrap().to_ascii_lowercase().contains("certificate"), "{detail}");
}

#[tokio::test]
async fn a_github_job_signs_in_with_a_fresh_token_each_time() {
    let authority = authority().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token?api=1", listener.local_addr().unwrap());
    let jobs: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = jobs.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = read_request(&mut stream).await;
            kept.lock().unwrap().push(request);
            let number = kept.lock().unwrap().len();
            let _ = stream.write_all(response(&format!(r#"{{"value":"job-{number}"}}"#)).as_bytes()).await;
        }
    });
    let job = [
        ("AZURE_TENANT_ID", GUID),
        ("AZURE_CLIENT_ID", GUID),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer-of-the-job"),
    ];
    let tokens = tokens(&authority, true, &job).unwrap();
    tokens.token("https://arm.test").await.unwrap();
    tokens.token("https://ossrdbms.test").await.unwrap();
    assert_eq!(tokens.credential().as_deref(), Some("workload-identity"));
    let asked = authority.asked.lock().unwrap().clone();
    assert!(asked[0].contains("client_assertion=job-1") && asked[1].contains("client_assertion=job-2"), "{asked:?}");
    let first = jobs.lock().unwrap()[0].clone();
    assert!(first.starts_with("GET /token?api=1&audience=api%3A%2F%2FAzureADTokenExchange "), "{first}");
    assert!(first.contains("Bearer bearer-of-the-job"), "{first}");
}
