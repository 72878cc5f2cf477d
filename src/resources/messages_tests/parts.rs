//! Messages about checks, deployments, gates, and what sensors need.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{over, unplanned, unwritten};
use crate::azure::double::reply;
use crate::cli::told::told;
use crate::model::{Address, Attributes, Failure, Look, Purpose};
use crate::probe::Web;
use crate::resources::arm_testing::attributes;
use crate::resources::doctor::gather_logs::ask;
use crate::resources::sensors::log_queries::log_queries;
use crate::resources::sensors::logs::blind;
use crate::resources::{Live, Watch, World as _, Worlds, pause, sensors};

fn site_key() -> Attributes {
    attributes(json!({ "subscription": "s", "resource_group": "rg", "app": "web" }))
}

/// The failures, wherever the directory is.
fn told_in(directory: &tempfile::TempDir, failures: &[Failure]) -> String {
    told(failures).replace(&directory.path().display().to_string(), "DIR")
}

#[tokio::test]
async fn checks_that_do_not_pass() {
    let site = over(|_| reply(200, json!({ "properties": {} })));
    let none = Attributes::new();
    let http = |table: Json, within: &str| json!({ "http": table, "within": within });
    let closed = json!({ "url": "http://127.0.0.1:1", "path": "/health" });
    let app = json!({ "subscription": "s", "resource_group": "rg", "app": "web", "path": "/health" });
    let odd = json!({ "url": "ftp://files.example", "path": "/health" });
    let web = Web::new(Vec::new()).unwrap();
    let failures = [
        unwritten(&site, "check", &none, json!(null), http(closed, "0s")).await,
        unwritten(&site, "check", &none, json!(null), http(json!({}), "soon")).await,
        unwritten(&site, "check", &none, json!(null), json!({})).await,
        unwritten(&site, "check", &none, json!(null), http(app, "1s")).await,
        unwritten(&site, "check", &none, json!(null), http(odd, "1s")).await,
        web.get("http://127.0.0.1:1/health?code=hunter2").await.unwrap_err(),
    ];
    assert!(!told(&failures).contains("hunter2"));
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test]
async fn deployments_that_do_not_go() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("app.zip"), "PK code").unwrap();
    std::fs::write(directory.path().join("notes.txt"), "no zip").unwrap();
    let live = Live { directory: Some(directory.path().to_owned()), ..over(|_| reply(200, json!({}))) };
    let write = |after: Json| {
        let live = &live;
        async move { unwritten(live, "deployment", &site_key(), json!(null), after).await }
    };
    let command = |words: Json| json!({ "command": words, "check": ["true"], "content": "deployed" });
    let with = |mut end: Json, name: &str, value: Json| {
        end[name] = value;
        end
    };
    let shell = command(json!(["sh", "-c", "echo no disk is left >&2; exit 3"]));
    let failures = [
        write(json!(null)).await,
        write(json!({ "keep": true })).await,
        write(shell).await,
        write(command(json!(["./deploy.sh"]))).await,
        write(with(command(json!(["sleep", "60"])), "timeout", json!("0s"))).await,
        write(with(command(json!(["true"])), "env", json!(["PGENTRA_TEST_ABSENT"]))).await,
        write(json!({ "check": ["true"], "content": "1.0" })).await,
        write(json!({ "zips": {}, "content": "deployment 7 by VS Code" })).await,
        write(json!({ "zips": { "sha256:00": "app.zip" }, "content": "sha256:00" })).await,
        write(json!({ "zips": { "sha256:00": "notes.txt" }, "content": "sha256:00" })).await,
        write(json!({ "zips": { "sha256:00": "none.zip" }, "content": "sha256:00" })).await,
    ];
    insta::assert_snapshot!(told_in(&directory, &failures));
}

/// Somebody asks to stop.
struct Stopped;

impl Watch for Stopped {
    fn note(&self, _: &str) {}

    fn stopped(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn gates_and_sensors() {
    let id = "11111111-1111-4111-8111-111111111111";
    let component = json!({ "value": [{ "id": "/subscriptions/s/c", "properties": { "AppId": id } }] });
    let live =
        over(move |seen| if seen.method == "GET" { reply(200, component.clone()) } else { reply(204, json!(null)) });
    let none = Attributes::new();
    let log = attributes(json!({ "subscription": "s", "app_insights": id }));
    let probe = attributes(json!({ "probes": [{ "name": "health" }] }));
    let get = json!({ "name": "health", "http": { "url": "https://web.example/health" } });
    let twice = attributes(json!({ "probes": [get, get] }));
    let (address, key) = (Address::new("shape", "x"), Attributes::new());
    let look = Look { address: &address, key: &key, attributes: &none, purpose: Purpose::Plan, via: None };
    let failures = [
        unwritten(&live, "soak", &none, json!(null), json!({ "validation": "web" })).await,
        unplanned(&live, "validation", &attributes(json!({ "name": "web" })), json!({ "period": "soon" })).await,
        log_queries(&none, &attributes(json!({ "kind": "server_logs" }))).err().unwrap(),
        sensors(&live, &probe).err().unwrap(),
        sensors(&live, &twice).err().unwrap(),
        ask(&live, "web", &log).await.err().unwrap(),
        blind("no rows, and no control query"),
        pause(&Stopped, Duration::from_secs(1)).await.unwrap_err(),
        Worlds::new().read(look).await.unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}
