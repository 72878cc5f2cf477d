//! Tests of `deployment`: against the double of Azure, and with programs of a temporary directory.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::process::Program;
use super::undo;
use crate::azure::double::{Double, Reply, Seen, reply};
use crate::model::{Address, Attributes, Class, Failure, Observed, Purpose, Reading, State, Step, Undo, hex};
use crate::resources::arm_testing::{attributes, live, look};
use crate::resources::{Live, Watch, World};

const ZIP: &[u8] = b"PK of the new code";
const OLD: &[u8] = b"PK of the old code";

#[derive(Default)]
struct Nobody(Mutex<Vec<String>>);

impl Watch for Nobody {
    fn note(&self, _: &str) {}

    fn accepted(&self, operation: &str) {
        self.0.lock().unwrap().push(operation.to_owned());
    }
}

fn key() -> Attributes {
    attributes(json!({ "subscription": "s", "resource_group": "rg", "app": "app" }))
}

fn content(zip: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(zip)))
}

fn deployer(zip: &[u8]) -> String {
    format!("pgentra-{}", content(zip).replace(':', "-"))
}

/// A site with its SCM host.
fn site(more: &Json) -> Json {
    let hosts = json!([{ "name": "app.azurewebsites.net", "hostType": "Standard" },
        { "name": "app.scm.test", "hostType": "Repository" }]);
    let mut properties = json!({ "hostNameSslStates": hosts });
    for (name, value) in more.as_object().into_iter().flatten() {
        properties[name] = value.clone();
    }
    json!({ "kind": "functionapp,linux", "properties": properties })
}

fn deployment(id: &str, status: i64, deployer: &str) -> Json {
    json!({ "id": id, "status": status, "status_text": "", "deployer": deployer, "log_url": "https://log" })
}

/// An SCM site whose newest deployment is `first`, and after a publish `then`, one look after the other.
fn scm(more: Json, first: Option<Json>, then: Vec<Json>) -> (Live, Arc<Double>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("app.zip"), ZIP).unwrap();
    std::fs::write(directory.path().join("old.zip"), OLD).unwrap();
    let (latest, queue) = (Mutex::new(first), Mutex::new(then.into_iter().rev().collect::<Vec<_>>()));
    let published = Mutex::new(false);
    let (live, double) = live(move |seen: &Seen| -> Reply {
        match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", path) if path.ends_with("/sites/app") => reply(200, site(&more)),
            ("POST", "/api/zipdeploy" | "/api/publish") => {
                *published.lock().unwrap() = true;
                reply(202, Json::Null)
            }
            ("GET", "/api/deployments/latest") => {
                let mut latest = latest.lock().unwrap();
                if *published.lock().unwrap()
                    && let Some(next) = queue.lock().unwrap().pop()
                {
                    *latest = Some(next);
                }
                latest.clone().map_or_else(|| reply(404, Json::Null), |latest| reply(200, latest))
            }
            ("GET", "/api/deployments") => reply(404, Json::Null),
            other => panic!("unexpected: {other:?}"),
        }
    });
    (Live { directory: Some(directory.path().to_owned()), ..live }, double, directory)
}

async fn plan(live: &Live, wanted: Json) -> Result<Reading, Failure> {
    look(live, "deployment", &key(), &attributes(wanted), Purpose::Plan).await
}

/// The two ends of the step that a plan would hold.
fn ends(reading: Reading) -> (Attributes, Attributes) {
    let Observed::Present(State { attributes, .. }) = reading.observed else { panic!("it is there") };
    (attributes, reading.desired.unwrap())
}

async fn write(live: &Live, before: Attributes, after: Attributes) -> Result<(), Failure> {
    live.write(&step(before, after), &Nobody::default()).await.map(|_| ())
}

fn step(before: Attributes, after: Attributes) -> Step {
    Step {
        id: "x".into(),
        address: Address::new("deployment", "x"),
        key: key(),
        before: Some(before),
        after: Some(after),
        via: None,
        undo: Undo::Faithful,
        leans_on: std::collections::BTreeSet::new(),
        serial_key: None,
        restarts: 0,
    }
}

#[tokio::test]
async fn a_zip_is_published_under_the_name_of_its_content_and_followed() {
    let (first, pending) = (deployment("1", 4, "VS Code"), deployment("2", 1, &deployer(ZIP)));
    let (live, double, _dir) = scm(json!({}), Some(first), vec![pending, deployment("2", 4, &deployer(ZIP))]);
    let reading = plan(&live, json!({ "zip": "app.zip", "keep": true })).await.unwrap();
    assert!(reading.notes[0].contains("VS Code"), "{:?}", reading.notes);
    let (before, after) = ends(reading);
    assert_eq!(before["content"].as_text(), Some("deployment 1 by VS Code"));
    assert_eq!(after["content"].as_text(), Some(content(ZIP).as_str()));
    assert!(matches!(undo(Some(&before), Some(&after)), Undo::Kept(_)));
    write(&live, before.clone(), after.clone()).await.unwrap();
    let post = double.seen().into_iter().find(|seen| seen.method == "POST").unwrap();
    assert_eq!((post.path.as_str(), post.bearer), ("/api/zipdeploy", true));
    assert_eq!(post.query, format!("isAsync=true&Deployer={}", deployer(ZIP)));
    assert_eq!(post.body, json!(String::from_utf8_lossy(ZIP)));
    let (now, wanted) = ends(plan(&live, json!({ "zip": "app.zip", "keep": true })).await.unwrap());
    assert_eq!(now, wanted);
    let failure = write(&live, after, before).await.unwrap_err();
    assert_eq!(failure.class, Class::Input, "what others deployed cannot be given back");
}

/// A process that ends while the site deploys leaves word of where to ask, and the next one waits there.
#[tokio::test]
async fn a_deployment_outlives_the_process_that_began_it() {
    let (first, pending) = (deployment("1", 4, "VS Code"), deployment("2", 1, &deployer(ZIP)));
    let (live, double, _dir) =
        scm(json!({}), Some(first), vec![pending.clone(), pending, deployment("2", 4, &deployer(ZIP))]);
    let (before, after) = ends(plan(&live, json!({ "zip": "app.zip", "keep": true })).await.unwrap());
    let told = Nobody::default();
    live.write(&step(before, after), &told).await.unwrap();
    let operations = told.0.into_inner().unwrap();
    let [operation] = operations.as_slice() else { panic!("{operations:?}") };
    assert!(operation.contains("https://app.scm.test/api/deployments/latest"), "{operation}");
    let seen = double.seen().len();
    live.follow(operation, &Nobody::default()).await.unwrap();
    let asked = |double: &Double| double.seen()[seen..].iter().filter(|seen| seen.path.starts_with("/api")).count();
    assert_eq!(asked(&double), 1, "it is over");
    let elsewhere = operation.replace("app.scm.test", "elsewhere.test");
    live.follow(&elsewhere, &Nobody::default()).await.unwrap();
    assert_eq!(asked(&double), 1, "no token is sent to another host");
}

#[tokio::test]
async fn only_a_previous_zip_that_is_deployed_can_be_given_back() {
    let wanted = json!({ "zip": "app.zip", "previous": "old.zip" });
    for (deployed, faithful) in [(deployer(OLD), true), ("VS Code".to_owned(), false)] {
        let (live, ..) = scm(json!({}), Some(deployment("1", 4, &deployed)), vec![]);
        let missing = plan(&live, wanted.clone()).await;
        assert_eq!(missing.unwrap_err().class, Class::Input, "the directory is gone");
        let (live, _double, _dir) = scm(json!({}), Some(deployment("1", 4, &deployed)), vec![]);
        let (before, after) = ends(plan(&live, wanted.clone()).await.unwrap());
        assert_eq!(undo(Some(&before), Some(&after)) == Undo::Faithful, faithful, "{deployed}");
        assert_eq!(matches!(undo(Some(&before), Some(&after)), Undo::Never(_)), !faithful, "{deployed}");
    }
    let back = deployment("3", 4, &deployer(OLD));
    let (live, double, _dir) = scm(json!({}), Some(deployment("1", 4, &deployer(OLD))), vec![back]);
    let (before, after) = ends(plan(&live, wanted).await.unwrap());
    write(&live, after, before).await.unwrap();
    assert!(double.seen().iter().any(|seen| seen.method == "POST" && seen.query.ends_with(&deployer(OLD))));
}

#[tokio::test]
async fn flex_consumption_takes_it_elsewhere() {
    let flex = json!({ "sku": "FlexConsumption" });
    let (live, double, _dir) = scm(flex, None, vec![]);
    let (before, after) = ends(plan(&live, json!({ "zip": "app.zip", "build": true, "keep": true })).await.unwrap());
    assert!(!before.contains_key("content") || before["content"] == crate::model::Value::Null);
    write(&live, before, after).await.unwrap();
    let post = double.seen().into_iter().find(|seen| seen.method == "POST").unwrap();
    assert_eq!(post.path, "/api/publish");
    assert_eq!(post.query, format!("RemoteBuild=true&Deployer={}", deployer(ZIP)));
}

#[tokio::test]
async fn what_takes_no_zip_and_what_failed_say_so() {
    let (live, _, _dir) = scm(json!({ "managedEnvironmentId": "/x" }), None, vec![]);
    let failure = plan(&live, json!({ "zip": "app.zip" })).await.unwrap_err();
    assert!(failure.detail.is_some_and(|detail| detail.contains("container images")));
    let failed = deployment("2", 3, &deployer(ZIP));
    let (live, _, _dir) = scm(json!({}), Some(deployment("1", 4, "x")), vec![failed]);
    let (before, after) = ends(plan(&live, json!({ "zip": "app.zip" })).await.unwrap());
    let failure = write(&live, before.clone(), after.clone()).await.unwrap_err();
    assert!(failure.remedy.is_some_and(|remedy| remedy.contains("https://log")));
    let (now, _) = ends(plan(&live, json!({ "zip": "app.zip" })).await.unwrap());
    assert_eq!(now["content"].as_text(), Some("unknown, after deployment 2 failed"));
    // A lie: it was taken, and nothing came of it. The look that follows finds that out.
    let (live, _, dir) = scm(json!({}), Some(deployment("1", 4, "x")), vec![]);
    write(&live, before.clone(), after.clone()).await.unwrap();
    std::fs::write(dir.path().join("app.zip"), b"PK of other code").unwrap();
    assert_eq!(write(&live, before, after).await.unwrap_err().class, Class::Conflict, "not the zip that was planned");
}

/// A live world beside a script `./deploy` that keeps the version in a file.
fn scripts() -> (Live, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    script(
        directory.path(),
        "deploy",
        "case $1 in set) echo \"$2\" >code; echo \"$3 $PGENTRA_APP\";; see) cat code;; env) env; exit 3;; slow) sleep 60;; esac",
    );
    std::fs::write(directory.path().join("code"), "1.0\n").unwrap();
    let (live, _) = live(|seen: &Seen| panic!("unexpected: {seen:?}"));
    (Live { directory: Some(directory.path().to_owned()), ..live }, directory)
}

fn script(directory: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_command_deploys_and_its_undo_brings_back() {
    let (live, dir) = scripts();
    let wanted = json!({ "command": ["./deploy", "set", "2.0"], "undo": ["./deploy", "set", "1.0"],
        "check": ["./deploy", "see"], "version": "2.0" });
    let (before, after) = ends(plan(&live, wanted.clone()).await.unwrap());
    assert_eq!((before["content"].as_text(), after["content"].as_text()), (Some("1.0"), Some("2.0")));
    assert_eq!(undo(Some(&before), Some(&after)), Undo::Faithful);
    write(&live, before.clone(), after.clone()).await.unwrap();
    let (now, _) = ends(plan(&live, wanted).await.unwrap());
    assert_eq!(now, after);
    write(&live, after, before).await.unwrap();
    assert_eq!(std::fs::read_to_string(dir.path().join("code")).unwrap(), "1.0\n");
}

#[tokio::test]
async fn a_program_gets_a_clean_environment_and_tells_no_secret() {
    let (live, _dir) = scripts();
    // PATH stands for a secret here: tests cannot set variables of their own.
    let wanted =
        json!({ "command": ["./deploy", "env"], "check": ["./deploy", "see"], "version": "2", "env": ["PATH"] });
    let (before, after) = ends(plan(&live, wanted).await.unwrap());
    let failure = write(&live, before, after).await.unwrap_err();
    let told = failure.detail.clone().unwrap();
    assert!(failure.first_cause().contains("exited with 3") && told.contains("PGENTRA_APP=app"), "{failure:?}");
    assert!(told.contains("PATH=(sensitive value)") && !told.contains(&std::env::var("PATH").unwrap()), "{told}");
    assert!(!told.contains("CARGO"), "{told}");
}

/// Of a program that never ends a line, or says very much, only a little is kept; a key of several lines is struck out
/// line by line.
#[tokio::test]
async fn what_a_program_says_is_bounded_and_clean() {
    let directory = tempfile::tempdir().unwrap();
    let text =
        "head -c 3000000 /dev/zero | tr '\\0' x; echo; i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done";
    script(directory.path(), "talk", text);
    let program = |words: &[&str], secrets: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let mut program =
            Program::new(words, directory.path().to_owned(), &[], Vec::new(), Duration::from_mins(1)).unwrap();
        program.keep_secret(secrets.iter().copied());
        program
    };
    let ended = program(&["./talk"], &[]).run().await.unwrap();
    let first = ended.first_line().unwrap();
    assert!(first.starts_with("xxx") && first.len() <= 400, "{}", first.len());
    assert!(ended.last_lines().ends_with("line 499"), "{}", ended.last_lines());
    let key = "-----BEGIN KEY-----\nMIIabcdef\nzz\n-----END KEY-----\n";
    let ended = program(&["printf", "%s", &format!("the key: {key}")], &[key]).run().await.unwrap();
    let said = ended.last_lines();
    assert!(said.contains("(sensitive value)") && !said.contains("MIIabcdef"), "{said}");
}

#[tokio::test]
async fn a_program_that_hangs_or_is_not_there_is_told_of() {
    let (live, _dir) = scripts();
    let slow = json!({ "command": ["x"], "check": ["./deploy", "slow"], "timeout": "0s" });
    assert!(plan(&live, slow).await.unwrap_err().first_cause().contains("took longer"));
    let missing = json!({ "command": ["x"], "check": ["./nothing"] });
    assert!(plan(&live, missing).await.unwrap_err().first_cause().contains("\"./nothing\""));
    let both = json!({ "command": ["x"], "check": ["x"], "zip": "app.zip" });
    assert_eq!(plan(&live, both).await.unwrap_err().class, Class::Input);
}
