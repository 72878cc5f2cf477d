//! Tests of calls and long-running operations against the double.

use std::sync::Mutex;
use std::time::Instant;

use azure_core::http::Method;
use serde_json::{Value, json};

use crate::azure::double::{Reply, Seen, arm, error, reply, reply_with};
use crate::azure::{Operation, Refusal};
use crate::model::Class;

const PATH: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites/app";

/// Answers with these replies in turn, and with the last one from then on.
fn script(replies: Vec<Reply>) -> impl FnMut(&Seen) -> Reply {
    let mut next = 0;
    move |_| {
        let reply = replies[next.min(replies.len() - 1)].clone();
        next += 1;
        reply
    }
}

async fn change(replies: Vec<Reply>) -> (Result<Value, Refusal>, Vec<String>, Vec<String>) {
    let (arm, double) = arm(script(replies));
    let notes = Mutex::new(Vec::new());
    let note = |text: &str| notes.lock().unwrap().push(text.to_owned());
    let done = arm.change(Method::Put, PATH, "2024-11-01", Some(&json!({ "a": 1 })), &note).await;
    (done, double.calls(), notes.into_inner().unwrap())
}

const POLL: &str =
    "https://arm.test/subscriptions/s/providers/P/locations/l/azureAsyncOperation/7?api-version=1&t=a%2Bb";

#[tokio::test]
async fn a_call_carries_token_version_and_body() {
    let (arm, double) = arm(script(vec![reply(200, json!({ "ok": true }))]));
    arm.change(Method::Put, PATH, "2024-11-01", Some(&json!({ "a": 1 })), &|_| {}).await.unwrap();
    let seen = &double.seen()[0];
    assert!(seen.bearer);
    assert_eq!((seen.path.as_str(), seen.query.as_str()), (PATH, "api-version=2024-11-01"));
    assert_eq!(seen.body, json!({ "a": 1 }));
}

#[tokio::test]
async fn throttling_is_waited_for_and_told() {
    let throttled = reply_with(429, &[("retry-after", "1")], json!({}));
    let start = Instant::now();
    let (done, calls, notes) = change(vec![throttled, reply(200, json!({}))]).await;
    done.unwrap();
    assert!(start.elapsed().as_millis() >= 1000);
    assert_eq!(calls.len(), 2);
    assert_eq!(notes, ["Azure asks to wait (HTTP 429); trying again in 1 s"]);
}

#[tokio::test]
async fn a_wait_beyond_the_bound_is_a_failure_at_once() {
    let start = Instant::now();
    let (done, calls, _) = change(vec![reply_with(429, &[("retry-after", "3600")], json!({}))]).await;
    assert_eq!(done.unwrap_err().failure.class, Class::Busy);
    assert!(start.elapsed().as_secs() < 2 && calls.len() == 1);
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_not_repeated() {
    for trouble in [Reply::Broken, reply(500, json!({})), reply(504, json!({}))] {
        let (done, calls, _) = change(vec![trouble, reply(200, json!({}))]).await;
        assert!(done.is_err());
        assert_eq!(calls.len(), 1);
    }
}

#[tokio::test]
async fn a_read_is_repeated() {
    for trouble in [Reply::Broken, reply(500, json!({})), reply(503, json!({}))] {
        let (arm, double) = arm(script(vec![trouble.clone(), trouble, reply(200, json!({ "ok": 1 }))]));
        assert_eq!(arm.get(PATH, "1").await.unwrap(), json!({ "ok": 1 }));
        assert_eq!(double.calls().len(), 3);
    }
}

#[tokio::test]
async fn a_read_that_goes_on_failing_ends() {
    let (arm, double) = arm(script(vec![reply(500, json!({}))]));
    assert_eq!(arm.get(PATH, "1").await.unwrap_err().status, 500);
    assert_eq!(double.calls().len(), 4);
}

#[tokio::test]
async fn an_async_operation_is_followed_verbatim() {
    let begun = reply_with(202, &[("azure-asyncoperation", POLL), ("location", "https://arm.test/no")], json!({}));
    let running = reply_with(200, &[("retry-after", "0")], json!({ "status": "InProgress" }));
    let (arm, double) = arm(script(vec![begun, running, reply(200, json!({ "status": "Succeeded" }))]));
    arm.change(Method::Patch, PATH, "1", Some(&json!({})), &|_| {}).await.unwrap();
    let seen = double.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen[1..].iter().all(|seen| seen.path.ends_with("/7") && seen.query == "api-version=1&t=a%2Bb"));
}

#[tokio::test]
async fn an_operation_that_fails_late_is_a_failure() {
    let begun = reply_with(202, &[("azure-asyncoperation", POLL)], Value::Null);
    let code = "EngineCredentialsNotProvided";
    let failed = json!({ "name": "7", "status": "Failed", "error": { "code": code, "message": "must be provided" } });
    let (done, ..) = change(vec![begun, reply_with(200, &[("x-ms-request-id", "r-9")], failed)]).await;
    let refusal = done.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), (code, 200));
    let detail = refusal.failure.detail.unwrap();
    assert!(detail.contains("must be provided") && detail.contains(code) && detail.contains("r-9"), "{detail}");
}

#[tokio::test]
async fn location_alone_is_followed_until_it_is_not_202() {
    let begun = reply_with(202, &[("location", POLL)], Value::Null);
    for last in [reply(200, json!({ "properties": { "Setting": "x" } })), reply(204, Value::Null)] {
        let running = reply_with(202, &[("retry-after", "0")], Value::Null);
        let (done, calls, _) = change(vec![begun.clone(), running, last]).await;
        done.unwrap();
        assert_eq!(calls.len(), 3);
    }
    let failed = json!({ "status": "Canceled", "error": { "code": "Stop", "message": "m" } });
    let (done, ..) = change(vec![begun, reply(200, failed)]).await;
    assert_eq!(done.unwrap_err().code, "Stop");
}

#[tokio::test]
async fn a_resource_that_is_being_made_is_asked_again() {
    let state = |state: &str| reply(201, json!({ "properties": { "provisioningState": state } }));
    let (done, calls, _) = change(vec![state("Updating"), state("Updating"), state("Succeeded")]).await;
    done.unwrap();
    assert_eq!(calls, [format!("PUT {PATH}"), format!("GET {PATH}"), format!("GET {PATH}")]);
    let (done, ..) = change(vec![state("Updating"), state("Failed")]).await;
    assert!(done.is_err());
}

#[tokio::test]
async fn a_state_that_may_not_be_read_says_which_right_helps() {
    let begun = reply_with(202, &[("azure-asyncoperation", POLL)], Value::Null);
    let (done, ..) = change(vec![begun, error(403, "AuthorizationFailed")]).await;
    let failure = done.unwrap_err().failure;
    assert_eq!(failure.class, Class::Forbidden);
    assert!(failure.remedy.unwrap().contains("Reader on the resource group"));
}

#[tokio::test]
async fn the_token_goes_to_no_other_host() {
    for url in ["https://evil.test/x", "http://arm.test/x", "https://arm.test.evil/x", "https://arm.test:8443/x"] {
        let (done, calls, _) = change(vec![reply_with(202, &[("location", url)], Value::Null)]).await;
        assert!(done.unwrap_err().failure.summary.contains("another host"), "{url}");
        assert_eq!(calls.len(), 1);
    }
}

#[tokio::test]
async fn a_busy_server_is_waited_for() {
    let begun = reply_with(202, &[("azure-asyncoperation", POLL)], Value::Null);
    let late = json!({ "status": "Failed", "error": { "code": "ServerBusy", "message": "later" } });
    let replies = vec![error(409, "ServerIsBusy"), begun, reply(200, late), reply(200, json!({}))];
    let (done, calls, notes) = change(replies).await;
    done.unwrap();
    assert_eq!(calls.len(), 4);
    assert!(notes[0].starts_with("Azure is busy (ServerIsBusy)"), "{notes:?}");
}

#[tokio::test]
async fn a_server_that_stays_busy_is_given_up() {
    let (done, calls, _) = change(vec![error(409, "ServerIsBusy")]).await;
    assert_eq!(done.unwrap_err().failure.class, Class::Busy);
    assert!(calls.len() > 3);
}

#[tokio::test]
async fn an_operation_that_never_ends_is_given_up() {
    let begun = reply_with(202, &[("azure-asyncoperation", POLL), ("retry-after", "600")], Value::Null);
    let (done, calls, _) = change(vec![begun]).await;
    assert!(done.unwrap_err().failure.summary.contains("takes longer"));
    assert_eq!(calls.len(), 1);
}

#[tokio::test]
async fn an_operation_can_be_finished_in_another_process() {
    let begun = reply_with(202, &[("azure-asyncoperation", POLL)], Value::Null);
    let (arm, double) = arm(script(vec![begun, reply(200, json!({ "status": "Succeeded" }))]));
    let (_, operation) = arm.begin(Method::Put, PATH, "1", None, &|_| {}).await.unwrap();
    let kept = serde_json::to_string(&operation.unwrap()).unwrap();
    let operation: Operation = serde_json::from_str(&kept).unwrap();
    arm.finish(&operation, &|_| {}).await.unwrap();
    assert_eq!(double.calls().len(), 2);
}

#[tokio::test]
async fn pages_are_followed() {
    let first = json!({ "value": [1, 2], "nextLink": "https://arm.test/next?api-version=1&skip=2" });
    let (arm, _) = arm(script(vec![reply(200, first), reply(200, json!({ "value": [3], "nextLink": null }))]));
    assert_eq!(arm.list(PATH, "1").await.unwrap(), [json!(1), json!(2), json!(3)]);
}

#[test]
fn plain_http_is_for_this_machine_alone() {
    use crate::azure::{Arm, Pace};
    let (template, double) = arm(|_| Reply::Broken);
    for (url, fine) in [("http://127.0.0.1:8080", true), ("http://azure.example", false), ("ftp://x", false)] {
        let endpoints = crate::model::Endpoints { resource_manager: url.into(), ..template.endpoints().clone() };
        let made = Arm::new(endpoints, template.tokens().clone(), double.clone(), Pace::quick());
        assert_eq!(made.is_ok(), fine, "{url}");
    }
}
