//! The emulated Key Vault, asked by Azure's own client: versions, soft delete, recovery, refusals.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use azure_core::http::headers::Headers;
use azure_core::http::request::Body;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use super::call::{Call, Content};
use super::emulator::Emulator;
use super::emulator_tests::Stand;
use super::names::{CI_OBJECT, READER_OBJECT, VAULT};
use crate::azure::{AccessToken, Standing, TokenSource, Tokens, Vault};
use crate::model::{Class, Failure, Secret};

/// The emulator as the transport of a client, without a network.
#[derive(Clone)]
struct Line(Arc<Emulator>);

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

#[async_trait]
impl HttpClient for Line {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.to_vec(),
            Body::SeekableStream(_) => Vec::new(),
        };
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned())).collect();
        let url = request.url();
        let uri = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let reply =
            self.0.handle(Call::new(request.method().as_ref(), &uri, headers, body), &AtomicBool::new(false)).await;
        let mut headers = Headers::new();
        for (name, value) in &reply.headers {
            headers.insert(name.clone(), value.clone());
        }
        let body = match reply.body {
            Content::Json(value) => value.to_string(),
            _ => String::new(),
        };
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(reply.status), headers, body))
    }
}

/// Signs in as a principal of the emulator's directory.
struct As(Arc<Emulator>, &'static str);

#[async_trait]
impl TokenSource for As {
    async fn fetch(&self, audience: &str) -> Result<AccessToken, Failure> {
        let subject = self.0.world().directory.subject(self.1).unwrap();
        let secret = Secret::new(self.0.issuer.issue(&subject, audience, 3600)?);
        Ok(AccessToken { secret, expires_on: Timestamp::now() + std::time::Duration::from_hours(1) })
    }
}

fn vault(stand: &Stand, who: &'static str) -> Vault {
    let tokens = Tokens::new(Arc::new(As(Arc::clone(&stand.emulator), who)));
    let url = format!("{}/vaults/{VAULT}/", stand.emulator.base);
    Vault::new(&url, tokens, Arc::new(Line(Arc::clone(&stand.emulator)))).unwrap()
}

#[tokio::test]
async fn a_secret_is_kept_read_by_version_deleted_and_brought_back() {
    let stand = Stand::new().await;
    let vault = vault(&stand, CI_OBJECT);
    assert_eq!(vault.standing("old").await.unwrap(), Standing::Absent);
    let first = vault.set("old", &Secret::new("hunter2"), "text/plain", &[("app", "geo")]).await.unwrap();
    let second = vault.set("old", &Secret::new("hunter3"), "text/plain", &[]).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(vault.get("old", Some(&first)).await.unwrap().expose(), "hunter2");
    assert_eq!(vault.get("old", None).await.unwrap().expose(), "hunter3");
    vault.delete("old").await.unwrap();
    assert_eq!(vault.standing("old").await.unwrap(), Standing::Deleted);
    assert_eq!(vault.get("old", Some(&first)).await.unwrap_err().class, Class::NotFound);
    let third = vault.set("old", &Secret::new("hunter4"), "text/plain", &[]).await.unwrap();
    assert_eq!(vault.get("old", Some(&first)).await.unwrap().expose(), "hunter2", "a reused name is recovered first");
    assert_eq!(vault.get("old", Some(&third)).await.unwrap().expose(), "hunter4");
    vault.delete("old").await.unwrap();
    vault.purge("old").await.unwrap();
    assert_eq!(vault.standing("old").await.unwrap(), Standing::Absent);
    vault.delete("old").await.unwrap();
    vault.purge("old").await.unwrap();
}

#[tokio::test]
async fn a_deleted_name_is_taken_until_it_is_recovered() {
    let stand = Stand::new().await;
    let vault = vault(&stand, CI_OBJECT);
    vault.set("old", &Secret::new("x"), "text/plain", &[]).await.unwrap();
    let (base, subject) = (format!("/vaults/{VAULT}"), stand.emulator.world().directory.subject(CI_OBJECT).unwrap());
    let token = stand.emulator.issuer.issue(&subject, "https://vault.azure.net", 60).unwrap();
    let call = |method: &str, path: &str, body: serde_json::Value| {
        let headers = [("authorization".to_owned(), format!("Bearer {token}"))].into();
        Call::new(method, &format!("{base}{path}"), headers, body.to_string().into_bytes())
    };
    let send = |call| async { stand.emulator.handle(call, &AtomicBool::new(false)).await };
    send(call("DELETE", "/secrets/old", json!({}))).await;
    let inner = |reply: &super::call::Reply| match &reply.body {
        Content::Json(body) => body["error"]["innererror"]["code"].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let early = send(call("PUT", "/secrets/old", json!({"value": "y"}))).await;
    assert_eq!((early.status, inner(&early).as_str()), (409, "ObjectIsBeingDeleted"));
    assert_eq!(send(call("GET", "/deletedsecrets/old", json!({}))).await.status, 404, "not settled yet");
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    let late = send(call("PUT", "/secrets/old", json!({"value": "y"}))).await;
    assert_eq!((late.status, inner(&late).as_str()), (409, "ObjectIsDeletedButRecoverable"));
    let log = serde_json::to_string(&super::emulator::lock(&stand.emulator.log).since(0)).unwrap();
    assert!(log.contains("(masked)") && !log.contains("\"value\":\"y\""), "{log}");
}

#[tokio::test]
async fn a_reader_is_refused_and_told_what_would_help() {
    let stand = Stand::new().await;
    let failure = vault(&stand, READER_OBJECT).get("old", None).await.unwrap_err();
    assert_eq!(failure.class, Class::Forbidden);
    assert!(failure.remedy.unwrap().contains("Key Vault Secrets Officer"));
}
