//! Tests of the HTTP part of checks against a small server.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{base, complaints, joined};
use crate::azure::double::{Reply, reply};
use crate::model::{Observed, Purpose};
use crate::resources::arm_testing::{attributes, live, look};

/// A server that answers the n-th request (from 0) for a head with a status and a body.
async fn serve(answer: impl Fn(usize, &str) -> (u16, String) + Send + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let (status, body) = answer(count, &String::from_utf8_lossy(&head[..read]));
            let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            count += 1;
        }
    });
    url
}

#[tokio::test]
async fn the_address_is_the_apps_own() {
    let (live, _) = live(|seen| {
        assert!(seen.path.ends_with("/sites/app/slots/blue"));
        reply(200, json!({ "properties": { "defaultHostName": "app-blue.localhost:8443" } }))
    });
    let table = json!({ "subscription": "s", "resource_group": "rg", "app": "app", "slot": "blue" });
    assert_eq!(base(&live, &attributes(table)).await.unwrap(), "https://app-blue.localhost:8443");
    assert_eq!(base(&live, &attributes(json!({ "url": "http://h/" }))).await.unwrap(), "http://h/");
    assert_eq!((joined("http://h/", "/p"), joined("http://h/q", "")), ("http://h/p".into(), "http://h/q".into()));
    assert_eq!(joined("https://h", "api/x"), "https://h/api/x");
}

#[tokio::test]
async fn status_values_text_and_latency_are_compared() {
    let body = r#"{"status":"healthy","database":{"auth_method":"password"}}"#;
    let url = serve(move |_, _| (200, body.to_owned())).await;
    let (live, _) = live(|_| Reply::Broken);
    let found = async |table| complaints(&live, &attributes(table)).await.unwrap();
    let expect = json!({ "status": "healthy", "database.auth_method": "managed_identity" });
    assert_eq!(
        found(json!({ "url": url, "expect": expect })).await,
        [r#"database.auth_method is "password", expected "managed_identity""#]
    );
    let status = found(json!({ "url": url, "expect_status": 503 })).await;
    assert_eq!(status, [format!("{url} answered 200, expected 503")]);
    let text = found(json!({ "url": url, "expect_text": ["healthy", "sick"] })).await;
    assert_eq!(text, [format!("the answer of {url} does not contain \"sick\"")]);
    assert!(found(json!({ "url": url, "latency": "0s" })).await[0].contains("expected at most 0 ms"));
    assert!(found(json!({ "url": url, "latency": "1m" })).await.is_empty());
    let closed = found(json!({ "url": "http://127.0.0.1:1" })).await;
    assert!(closed[0].contains("cannot be reached"), "{closed:?}");
}

#[tokio::test]
async fn a_job_is_followed_to_its_end() {
    let url = serve(|count, head| match count % 3 {
        0 => {
            assert!(head.starts_with("POST /jobs ") && head.contains("content-type: application/json"), "{head}");
            assert!(head.ends_with(r#"{"message": "hello"}"#), "{head}");
            (202, r#"{"job_id":"j 1"}"#.to_owned())
        }
        nth => {
            assert!(head.starts_with("GET /jobs/j%201 "), "{head}");
            (200, format!(r#"{{"status":"{}"}}"#, if nth == 1 { "queued" } else { "completed" }))
        }
    })
    .await;
    let (live, _) = live(|_| Reply::Broken);
    let follow = |until: &str, within: &str| {
        json!({
            "url": url, "method": "POST", "path": "/jobs", "body": r#"{"message": "hello"}"#, "expect_status": 202,
            "follow": { "path": "/jobs/{job_id}", "until": { "status": until }, "fail": { "status": "lost" },
                        "within": within, "every": "0s" },
        })
    };
    let found = async |table| complaints(&live, &attributes(table)).await.unwrap();
    assert!(found(follow("completed", "1m")).await.is_empty());
    let mut failing = follow("never", "1m");
    failing["follow"]["fail"] = json!({ "status": "completed" });
    assert_eq!(found(failing).await, ["/jobs/j%201 says that it failed"]);
}

#[tokio::test]
async fn an_unfinished_job_has_its_bound() {
    let url = serve(|_, _| (200, r#"{"job_id":7,"status":"queued"}"#.to_owned())).await;
    let (live, _) = live(|_| Reply::Broken);
    let follow = |path: &str| json!({ "url": url, "follow": { "path": path, "until": { "status": "done" }, "within": "0s", "every": "1s" } });
    let found = complaints(&live, &attributes(follow("/{job_id}"))).await.unwrap();
    assert_eq!(found, [r#"/7 was not finished within 0 s: status is "queued", expected "done""#]);
    let found = complaints(&live, &attributes(follow("/{nothing}"))).await.unwrap();
    assert_eq!(found, [format!("{url}: the answer has no nothing")]);
}

#[tokio::test]
async fn planning_sends_nothing() {
    let url = serve(|_, head| panic!("unexpected request: {head}")).await;
    let (live, double) = live(|_| Reply::Broken);
    let asked = attributes(json!({ "http": { "url": url, "method": "POST" } }));
    let reading = look(&live, "check", &attributes(json!({})), &asked, Purpose::Plan).await.unwrap();
    let Observed::Present(state) = reading.observed else { panic!() };
    assert_eq!(Some(state.attributes), reading.desired);
    assert!(reading.notes[0].starts_with("not tried when planning") && double.calls().is_empty());
}
