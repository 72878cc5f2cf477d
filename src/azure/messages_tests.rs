//! Messages of the calls to Azure, each provoked, to be read as a terminal shows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use azure_core::error::ErrorKind;
use azure_core::http::StatusCode;
use serde_json::{Value, json};

use crate::azure::double::{HASTY, Reply, Seen, arm, arm_at, error, reply, reply_with};
use crate::azure::refusal::{self, Refusal};
use crate::azure::vault::{self, Doing, Vault};
use crate::azure::{Arm, Choice, Credential, Method, Pace, ServerId, SiteId, Waiting, discover, http_client, sign_in};
use crate::cli::told::told;
use crate::model::{Endpoints, Failure};

const SITE: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites/web";

fn site_id() -> SiteId {
    SiteId { subscription: "s".into(), resource_group: "rg".into(), app: "web".into(), slot: None }
}

/// An impatient client whose every call is answered so.
fn always(answer: Reply) -> Arm {
    arm_at(HASTY, move |_| answer.clone()).0
}

fn endpoints(resource_manager: &str) -> Endpoints {
    Endpoints {
        authority: "https://login.test".into(),
        resource_manager: resource_manager.to_owned(),
        resource_manager_audience: "https://arm.test".into(),
        postgres_audience: "https://ossrdbms.test".into(),
    }
}

#[test]
fn refusals_of_azure() {
    let error = |code: &str, message: &str| json!({ "error": { "code": code, "message": message } });
    let lacks = format!(
        "The client 'c' with object id 'o' does not have authorization to perform action 'Microsoft.Web/sites/write' \
         over scope '{SITE}' or the scope is invalid."
    );
    let answers = [
        (401, error("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than now.")),
        (403, error("AuthorizationFailed", &lacks)),
        (403, json!({})),
        (404, error("ResourceNotFound", "The Resource 'Microsoft.Web/sites/web' was not found.")),
        (409, error("Conflict", "Cannot modify this site because another operation is in progress.")),
        (409, error("ServerIsBusy", "The server is busy processing another operation.")),
        (429, error("TooManyRequests", "The request is being throttled.")),
        (400, error("InvalidParameter", "The value of tenantId is wrong.")),
        (409, error("UpsertServerManagementOperationComputeOnlySupportForStoppedServer", "The server is stopped.")),
        (502, json!("Bad Gateway")),
    ];
    let refused = |(status, body): &(u16, Value)| Refusal::of("PATCH sites/web", *status, Some("r-1"), body).failure;
    let mut failures: Vec<Failure> = answers.iter().map(refused).collect();
    failures.push(refusal::answer_unclear("site web: missing field `id`".to_owned()));
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test]
async fn calls_that_azure_does_not_end_as_it_should() {
    let (patient, _) = arm(|_| reply(200, json!({})));
    let double = patient.http();
    let plain = Arm::new(endpoints("http://arm.test"), patient.tokens().clone(), double, HASTY).err().unwrap();
    let waiting = Waiting::default();
    waiting.stop();
    let stopped = waiting.rest(std::time::Duration::from_secs(1)).await.unwrap_err();
    let failed = |refusal: Refusal| refusal.failure;
    let begun = reply_with(202, &[("location", "https://arm.test/operations/7")], json!({}));
    let strange = reply(200, json!({ "value": [], "nextLink": "https://else.test/page?2" }));
    let change = |arm: Arm| async move { arm.change(Method::Put, SITE, "v", None, &|_| {}).await.map_err(failed) };
    let failures = [
        plain,
        always(reply(200, json!({}))).date().await.map_err(failed).unwrap_err(),
        always(reply(200, json!({}))).get(" of a name", "v").await.map_err(failed).unwrap_err(),
        always(strange).list(SITE, "v").await.map_err(failed).unwrap_err(),
        change(always(begun)).await.unwrap_err(),
        always(Reply::Broken).get(SITE, "v").await.map_err(failed).unwrap_err(),
        stopped,
    ];
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test]
async fn ways_to_azure_that_lead_nowhere() {
    let none = BTreeMap::new();
    let http = http_client(&none).unwrap();
    let signed_in = |choice, variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        sign_in(choice, &endpoints("https://arm.test"), None, &variables, &http)
    };
    let plain = [("AZURE_AUTHORITY_HOST", "http://login.test")];
    let certificates = BTreeMap::from([("SSL_CERT_FILE".to_owned(), "/nonexistent/ca.pem".to_owned())]);
    let environment = signed_in(Choice::Only(Credential::Environment), &[]).unwrap();
    let failures = [
        signed_in(Choice::Automatic, &plain).err().unwrap(),
        environment.token("https://arm.test").await.unwrap_err(),
        http_client(&certificates).unwrap_err(),
        discover("https://127.0.0.1:1", &http).await.unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}

/// A site whose SCM site answers so.
fn deployed(answer: impl Fn(&Seen) -> Reply + Send + 'static) -> Arm {
    deployed_at(HASTY, answer)
}

fn deployed_at(pace: Pace, answer: impl Fn(&Seen) -> Reply + Send + 'static) -> Arm {
    let host = json!({ "hostType": "Repository", "name": "web.scm.test" });
    let site = json!({ "kind": "functionapp", "properties": { "hostNameSslStates": [host] } });
    arm_at(pace, move |seen| if seen.path == SITE { reply(200, site.clone()) } else { answer(seen) }).0
}

#[tokio::test]
async fn deployments_that_do_not_go() {
    let site = |kind: &str, properties: Value| always(reply(200, json!({ "kind": kind, "properties": properties })));
    let host = json!({ "hostNameSslStates": [{ "hostType": "Repository", "name": "web scm" }] });
    let pending = |_: &Seen| reply(200, json!({ "id": "7", "status": 2, "deployer": "pgentra" }));
    let failed = |seen: &Seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("POST", _) => reply(202, json!({})),
        _ => reply(
            200,
            json!({ "id": "7", "status": 3, "deployer": "pgentra", "status_text": "Build failed",
            "log_url": "https://web.scm.test/api/deployments/7/log" }),
        ),
    };
    let mut first = true;
    let fresh = std::sync::Mutex::new(move || std::mem::replace(&mut first, false));
    let newly_failed = move |seen: &Seen| {
        let newest = seen.path.ends_with("/latest");
        if newest && (fresh.lock().unwrap())() { error(404, "NotFound") } else { failed(seen) }
    };
    let id = site_id();
    let swap = json!({ "targetSwapSlot": "blue" });
    let publish = |arm: Arm| async move {
        let scm = arm.scm(&site_id()).await.unwrap();
        scm.publish(b"zip".to_vec(), "pgentra", false, &|_| {}).await.unwrap_err()
    };
    let failures = [
        site("app,linux,container", json!({})).scm(&id).await.err().unwrap(),
        site("app", swap).scm(&id).await.err().unwrap(),
        site("app", json!({})).scm(&id).await.err().unwrap(),
        site("app", host).scm(&id).await.err().unwrap(),
        deployed(pending).scm(&id).await.unwrap().running().await.unwrap_err(),
        publish(deployed(pending)).await,
        publish(deployed_at(Pace::quick(), newly_failed)).await,
        deployed(|_| error(403, "Forbidden")).scm(&id).await.unwrap().latest().await.unwrap_err(),
        deployed(|_| error(409, "Conflict")).scm(&id).await.unwrap().latest().await.unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test]
async fn servers_and_logs_that_are_not_there() {
    let id = ServerId { subscription: "s".into(), resource_group: "rg".into(), server: "srv".into() };
    let state = |state: &str| always(reply(200, json!({ "properties": { "state": state } })));
    let nothing = always(reply(200, json!({ "value": [] })));
    let failures = [
        state("Stopped").ready_server(&id, &|_| {}).await.unwrap_err(),
        state("Updating").ready_server(&id, &|_| {}).await.unwrap_err(),
        nothing.component_with("s", "11111111-1111-4111-8111-111111111111").await.unwrap_err(),
        nothing.workspace_with("s", "22222222-2222-4222-8222-222222222222").await.unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test]
async fn refusals_of_a_key_vault() {
    let (arm, double) = arm(|_| reply(200, json!({ "name": "kv", "properties": {} })));
    let doing = Doing { right: "getSecret/action", words: "read secret pw of https://kv.vault.azure.net".into() };
    let answer = |status: u16, code: &str| {
        let code = Some(code.to_owned());
        ErrorKind::HttpResponse { status: StatusCode::from(status), error_code: code, raw_response: None }.into_error()
    };
    let silent = azure_core::Error::with_message(ErrorKind::Io, "connection reset");
    let no_token = azure_core::Error::with_message(ErrorKind::Credential, "no credential gave a token for Azure");
    let answers = [
        answer(404, "SecretNotFound"),
        answer(401, "Unauthorized"),
        answer(403, "Forbidden"),
        answer(409, "ObjectIsDeletedButRecoverable"),
        answer(429, "Throttled"),
        answer(400, "BadParameter"),
        silent,
        no_token,
    ];
    let mut failures: Vec<Failure> = answers.iter().map(|error| vault::refused(&doing, error)).collect();
    failures.extend([
        vault::valueless(&doing),
        vault::unsettled(&doing),
        arm.vault_url("s", "rg", "kv").await.unwrap_err().failure,
        Vault::new("http://kv.test", arm.tokens().clone(), Arc::clone(&double) as _).err().unwrap(),
    ]);
    insta::assert_snapshot!(told(&failures));
}
