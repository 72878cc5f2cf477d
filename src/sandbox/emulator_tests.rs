//! The emulator as its clients see it, without PostgreSQL: sign-in, access, settings, identities, operations.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::call::{Call, Content, Reply};
use super::claims::TokenCheck;
use super::database::{Database, PrincipalType};
use super::emulator::{Emulator, lock};
use super::names::{self, CI_CLIENT, CI_OBJECT, DEPLOYERS, READER_CLIENT, SUBSCRIPTION, TENANT};
use super::token::Issuer;
use crate::model::{Failure, Secret};

/// Notes what the control plane asks of PostgreSQL.
#[derive(Default)]
struct Double(Mutex<Vec<String>>);

#[async_trait]
impl Database for Double {
    async fn set_auth(&self, entra: bool, password: bool, restart: bool) -> Result<(), Failure> {
        lock(&self.0).push(format!("auth {entra} {password} {restart}"));
        Ok(())
    }

    async fn set_admin_password(&self, _: &Secret) -> Result<(), Failure> {
        lock(&self.0).push("admin password".to_owned());
        Ok(())
    }

    async fn add_admin(&self, name: &str, object_id: &str, principal: PrincipalType) -> Result<(), Failure> {
        lock(&self.0).push(format!("admin {name} {object_id} {}", principal.label()));
        Ok(())
    }

    async fn remove_admin(&self, object_id: &str) -> Result<(), Failure> {
        lock(&self.0).push(format!("no admin {object_id}"));
        Ok(())
    }

    async fn set_clock(&self, ahead: SignedDuration) -> Result<(), Failure> {
        lock(&self.0).push(format!("clock {ahead:#}"));
        Ok(())
    }

    async fn checkpoint(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn databases(&self) -> Result<Vec<String>, Failure> {
        Ok(vec!["geopgflex".into(), "postgres".into()])
    }

    async fn create_database(&self, name: &str) -> Result<(), Failure> {
        lock(&self.0).push(format!("database {name}"));
        Ok(())
    }

    async fn drop_database(&self, name: &str) -> Result<(), Failure> {
        lock(&self.0).push(format!("no database {name}"));
        Ok(())
    }
}

pub struct Stand {
    pub emulator: Arc<Emulator>,
    database: Arc<Double>,
    pub token: String,
    pub dir: tempfile::TempDir,
}

pub const SITE: &str = "/providers/Microsoft.Web/sites/rmhazuregeoapi";
pub const SERVER: &str = "/providers/Microsoft.DBforPostgreSQL/flexibleServers/rmhpgflex";

impl Stand {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let issuer = Arc::new(Issuer::open(&dir.path().join("key"), TENANT).unwrap());
        let world = names::start(&names::Start {
            postgres_host: "127.0.0.11".into(),
            postgres_version: "17".into(),
            app_password: "app password".into(),
            ci_secret: "ci secret".into(),
            reader_secret: "reader secret".into(),
        });
        let database = Arc::new(Double::default());
        let kept = dir.path().join("state.json");
        let of = Arc::clone(&database) as Arc<dyn Database>;
        let emulator = Arc::new(Emulator::new("https://127.0.0.11:8443".into(), world, issuer, of, kept));
        let mut stand = Self { emulator, database, token: String::new(), dir };
        stand.control("POST", "knobs", json!({"operation_ms": 30})).await;
        stand.token = stand.sign_in(CI_CLIENT, "ci secret").await;
        stand
    }

    async fn send(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let headers: BTreeMap<String, String> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.emulator.handle(Call::new(method, uri, headers, body), &AtomicBool::new(false)).await
    }

    async fn form(&self, form: &str) -> Reply {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", &format!("/{TENANT}/oauth2/v2.0/token"), &headers, form.as_bytes().to_vec()).await
    }

    async fn sign_in(&self, client: &str, secret: &str) -> String {
        let form = format!(
            "grant_type=client_credentials&client_id={client}&client_secret={}&scope=https%3A%2F%2Fmanagement.azure.com%2F.default",
            secret.replace(' ', "+")
        );
        text(&json(&self.form(&form).await)["access_token"])
    }

    /// A call below the resource group.
    pub async fn arm(&self, method: &str, tail: &str, body: Value) -> Reply {
        let path = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/RMHAZURE_RG{tail}?api-version=2025-05-01");
        self.arm_as(&self.token, method, &path, body).await
    }

    async fn arm_as(&self, token: &str, method: &str, path: &str, body: Value) -> Reply {
        let bearer = format!("Bearer {token}");
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(method, path, &[("authorization", &bearer)], body).await
    }

    pub async fn control(&self, method: &str, tail: &str, body: Value) -> Value {
        let body = body.to_string().into_bytes();
        let reply = self.send(method, &format!("/_sandbox/{tail}"), &[("x-sandbox", "1")], body).await;
        assert!(reply.status < 300, "{tail}: {reply:?}");
        if reply.body == Content::Empty { Value::Null } else { json(&reply) }
    }

    /// Polls a long-running operation to its end; the words of its states.
    pub async fn follow(&self, reply: &Reply) -> (Vec<String>, Value) {
        assert_eq!(reply.status, 202, "{reply:?}");
        let url = header(reply, "azure-asyncoperation");
        assert!(header(reply, "retry-after").parse::<u64>().is_ok());
        let path = url.strip_prefix("https://127.0.0.11:8443").unwrap();
        let mut states: Vec<String> = Vec::new();
        loop {
            let got = json(&self.arm_as(&self.token, "GET", path, Value::Null).await);
            let state = text(&got["status"]);
            if states.last() != Some(&state) {
                states.push(state.clone());
            }
            if state != "InProgress" {
                return (states, got);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn entra_on(&self) {
        let on = json!({"properties": {"authConfig": {"activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled"}}});
        let reply = self.arm("PATCH", SERVER, on).await;
        assert_eq!(self.follow(&reply).await.0.last().unwrap(), "Succeeded");
    }
}

pub fn json(reply: &Reply) -> Value {
    match &reply.body {
        Content::Json(value) => value.clone(),
        other => panic!("no JSON: {} {other:?}", reply.status),
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

pub fn header(reply: &Reply, name: &str) -> String {
    reply.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

fn code(reply: &Reply) -> (u16, String) {
    let body = json(reply);
    (reply.status, body["error"]["code"].as_str().or(body["Code"].as_str()).unwrap_or_default().to_owned())
}

#[tokio::test]
async fn sign_in_answers_like_entra() {
    let stand = Stand::new().await;
    let base =
        format!("grant_type=client_credentials&client_id={CI_CLIENT}&scope=https://management.azure.com/.default");
    let wrong = stand.form(&format!("{base}&client_secret=x")).await;
    assert_eq!((wrong.status, &json(&wrong)["error_codes"]), (401, &json!([7_000_215])));
    assert!(text(&json(&wrong)["error_description"]).starts_with("AADSTS7000215: Invalid client secret provided."));
    let unknown = stand.form("grant_type=client_credentials&client_id=nobody&client_secret=x&scope=x/.default").await;
    assert_eq!((unknown.status, &json(&unknown)["error_codes"]), (400, &json!([700_016])));
    let tenant =
        stand.send("GET", "/99999999-9999-4999-8999-999999999999/v2.0/.well-known/openid-configuration", &[], vec![]);
    assert_eq!(json(&tenant.await)["error_codes"], json!([90_002]));
    let found = stand.send("GET", "/organizations/v2.0/.well-known/openid-configuration", &[], vec![]).await;
    assert!(text(&json(&found)["token_endpoint"]).starts_with("https://127.0.0.11:8443/organizations/oauth2"));
    let odd = stand.form(&base.replace("management.azure.com", "example.com")).await;
    assert_eq!(json(&odd)["error"], "invalid_client", "the secret is judged first");

    let postgres = base.replace("management.azure.com", "ossrdbms-aad.database.windows.net");
    let token = text(&json(&stand.form(&format!("{postgres}&client_secret=ci+secret")).await)["access_token"]);
    let claims = stand.emulator.issuer.check(&token, &[names::POSTGRES_AUDIENCE]).unwrap();
    assert_eq!((claims.object_id.as_str(), claims.is_app), (CI_OBJECT, true));
    assert!(claims.groups.contains(DEPLOYERS));

    let federated = json!({"client_id": CI_CLIENT, "issuer": "https://ci", "subject": "repo:a/b", "audience": "aud"});
    let assertion = text(&stand.control("POST", "assertion", federated.clone()).await["value"]);
    let form = format!("{base}&client_assertion={assertion}");
    assert_eq!(json(&stand.form(&form).await)["error_codes"], json!([700_213]));
    stand.control("POST", "federated", federated).await;
    assert_eq!(stand.form(&form).await.status, 200);
}

#[tokio::test]
async fn resource_manager_wants_a_token_a_version_and_a_right() {
    let stand = Stand::new().await;
    let path = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rmhazure_rg{SITE}?api-version=1");
    let without = stand.send("GET", &path, &[], vec![]).await;
    assert_eq!(code(&without), (401, "AuthenticationFailed".into()));
    assert!(header(&without, "www-authenticate").starts_with("Bearer authorization_uri=\"https://127.0.0.11:8443/"));
    let other = stand.control("POST", "token", json!({"object_id": CI_OBJECT})).await;
    let refused = stand.arm_as(&text(&other["access_token"]), "GET", &path, Value::Null).await;
    assert_eq!(code(&refused), (401, "InvalidAuthenticationTokenAudience".into()));
    let version = stand.arm_as(&stand.token, "GET", path.split('?').next().unwrap(), Value::Null).await;
    assert_eq!(code(&version), (400, "MissingApiVersionParameter".into()));

    let reader = stand.sign_in(READER_CLIENT, "reader secret").await;
    assert_eq!(stand.arm_as(&reader, "GET", &path, Value::Null).await.status, 200);
    let list = path.replace('?', "/config/appsettings/list?");
    let refused = stand.arm_as(&reader, "POST", &list, Value::Null).await;
    assert_eq!(code(&refused), (403, "AuthorizationFailed".into()));
    let words = text(&json(&refused)["error"]["message"]);
    assert!(words.contains("'Microsoft.Web/sites/config/list/action'"), "{words}");
    assert!(words.contains(READER_CLIENT) && words.contains("/sites/rmhazuregeoapi/config/appsettings'"), "{words}");

    stand.control("POST", "read_only", json!({"on": true})).await;
    assert_eq!(stand.arm_as(&stand.token, "POST", &list, Value::Null).await.status, 200);
    assert_eq!(stand.arm("POST", &format!("{SITE}/restart"), Value::Null).await.status, 403);

    let missing = stand.arm("GET", "/providers/Microsoft.Web/sites/nope", Value::Null).await;
    assert_eq!(code(&missing), (404, "ResourceNotFound".into()));
    assert!(text(&json(&missing)["error"]["message"]).starts_with("The Resource 'Microsoft.Web/sites/nope' under"));
    let kind = stand.arm("GET", "/providers/Microsoft.Cache/redis/x", Value::Null).await;
    assert_eq!(code(&kind), (404, "InvalidResourceType".into()));
    let seen = stand.control("GET", "requests", Value::Null).await;
    let newest = seen["value"].as_array().unwrap().last().unwrap();
    assert_eq!((&newest["status"], &newest["api_version"]), (&json!(404), &json!("2025-05-01")));
    assert!(!seen.to_string().contains("ci secret"));
}

#[tokio::test]
async fn settings_are_replaced_whole_and_each_write_restarts() {
    let stand = Stand::new().await;
    let restarts = || stand.emulator.world().sites["rmhazuregeoapi"].restarts;
    let before = restarts();
    let put =
        stand.arm("PUT", &format!("{SITE}/config/appsettings"), json!({"properties": {"A": "1", "B": "2"}})).await;
    assert_eq!(json(&put)["properties"], json!({"A": "1", "B": "2"}));
    assert_eq!(restarts(), before + 1);
    let listed = stand.arm("POST", &format!("{SITE}/config/appsettings/list"), Value::Null).await;
    assert_eq!(json(&listed)["properties"], json!({"A": "1", "B": "2"}));
    let slot = stand.arm("POST", &format!("{SITE}/slots/staging/config/appsettings/list"), Value::Null).await;
    assert_eq!(json(&slot)["properties"]["POSTGIS_PASSWORD"], "app password", "slots have settings of their own");
    let double =
        stand.arm("PUT", &format!("{SITE}/config/appsettings"), json!({"properties": {"A": "1", "a": "2"}})).await;
    assert_eq!(code(&double), (409, "Conflict".into()));
    for body in [json!([1]), json!({"properties": 1}), Value::Null] {
        assert_eq!(stand.arm("PUT", &format!("{SITE}/config/appsettings"), body).await.status, 400);
    }
    let get = stand.arm("GET", SITE, Value::Null).await;
    assert!(!json(&get).to_string().contains("\"A\""), "settings are not in the site");

    let sticky = json!({"properties": {"appSettingNames": ["A"]}});
    assert_eq!(stand.arm("PUT", &format!("{SITE}/config/slotConfigNames"), sticky).await.status, 200);
    assert_eq!(
        stand.arm("GET", &format!("{SITE}/slots/staging/config/slotConfigNames"), Value::Null).await.status,
        404
    );
    stand.arm("POST", &format!("{SITE}/slotsswap"), json!({"targetSlot": "staging"})).await;
    let sites = stand.emulator.world().sites;
    assert!(sites["rmhazuregeoapi"].settings.contains_key("A") && !sites["rmhazuregeoapi"].settings.contains_key("B"));
    assert!(sites["rmhazuregeoapi/slots/staging"].settings.contains_key("B"));

    stand.control("POST", "settings", json!({"site": "rmhazuregeoapi", "key": "A", "value": "other"})).await;
    let listed = stand.arm("POST", &format!("{SITE}/config/appsettings/list"), Value::Null).await;
    assert_eq!(json(&listed)["properties"]["A"], "other");
    let kept = std::fs::read_to_string(stand.dir.path().join("state.json")).unwrap();
    assert!(kept.contains("\"A\": \"other\""), "the state is written down");
}

#[tokio::test]
async fn identities_are_the_whole_wanted_set() {
    let stand = Stand::new().await;
    let user = format!(
        "/subscriptions/{SUBSCRIPTION}/resourcegroups/rmhazure_rg/providers/microsoft.managedidentity/userassignedidentities/RMH-geo-identity"
    );
    let system = json!({"identity": {"type": "SystemAssigned"}});
    let first = json(&stand.arm("PATCH", SITE, system.clone()).await)["identity"].clone();
    assert_eq!(first["tenantId"], TENANT);
    let both =
        json!({"identity": {"type": "systemassigned,userassigned", "userAssignedIdentities": {user.clone(): {}}}});
    let got = json(&stand.arm("PATCH", SITE, both).await)["identity"].clone();
    assert_eq!(got["type"], "SystemAssigned, UserAssigned");
    assert_eq!(got["principalId"], first["principalId"]);
    let (id, ids) = got["userAssignedIdentities"].as_object().unwrap().iter().next().unwrap();
    assert!(id.ends_with("/userAssignedIdentities/rmh-geo-identity") && ids["clientId"].is_string(), "{got}");

    let taken = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {user.clone(): null}}});
    assert_eq!(stand.arm("PATCH", SITE, taken).await.status, 400);
    assert_eq!(json(&stand.arm("PATCH", SITE, system.clone()).await)["identity"].get("userAssignedIdentities"), None);
    let none = json(&stand.arm("PUT", SITE, json!({"identity": {"type": "None"}})).await);
    assert_eq!(none.get("identity"), None);
    let again = json(&stand.arm("PATCH", SITE, system).await)["identity"].clone();
    assert_ne!(again["principalId"], first["principalId"], "a new identity has a new id");
    let unknown = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {user + "x": {}}}});
    assert_eq!(code(&stand.arm("PATCH", SITE, unknown).await), (400, "FailedIdentityOperation".into()));
    let put = json(&stand.arm("PUT", SITE, json!({"location": "East US", "properties": {}})).await);
    assert_eq!(put["identity"], again, "a PUT without identity keeps it");
    let recreated = stand.control("POST", "identity/recreate", json!({"site": "rmhazuregeoapi"})).await;
    assert_ne!(recreated["principal_id"], again["principalId"]);
}

#[tokio::test]
async fn servers_do_one_operation_at_a_time() {
    let stand = Stand::new().await;
    let admin = format!("{SERVER}/administrators/{DEPLOYERS}");
    let body = json!({"properties": {"principalType": "Group", "principalName": "pg-deployers", "tenantId": TENANT}});
    let off = stand.arm("PUT", &admin, body.clone()).await;
    assert_eq!(code(&off), (409, "AadAuthOperationCannotBePerformedWhenAadAuthIsDisabled".into()));
    let on = json!({"properties": {"authConfig": {"activeDirectoryAuth": "Enabled"}}});
    let reply = stand.arm("PATCH", SERVER, on.clone()).await;
    assert_eq!(json(&stand.arm("GET", SERVER, Value::Null).await)["properties"]["state"], "Updating");
    assert_eq!(code(&stand.arm("PATCH", SERVER, on).await), (409, "ServerIsBusy".into()));
    let busy = stand.arm("PUT", &admin, body.clone()).await;
    assert_eq!(code(&busy), (409, "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible".into()));
    assert_eq!(stand.follow(&reply).await.0, ["InProgress", "Succeeded"]);
    let server = json(&stand.arm("GET", SERVER, Value::Null).await);
    assert_eq!(
        server["properties"]["authConfig"],
        json!({"activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled", "tenantId": TENANT})
    );
    assert_eq!(server["properties"]["state"], "Ready");

    let put = stand.arm("PUT", &admin, body).await;
    stand.follow(&put).await;
    let result = header(&put, "location");
    let result =
        stand.arm_as(&stand.token, "GET", result.strip_prefix("https://127.0.0.11:8443").unwrap(), Value::Null);
    assert_eq!(json(&result.await)["properties"]["objectId"], DEPLOYERS);
    let list = json(&stand.arm("GET", &format!("{SERVER}/administrators"), Value::Null).await);
    assert_eq!(list["value"][0].get("name"), None, "Azure's list has no names");
    let delete = stand.arm("DELETE", &admin, Value::Null).await;
    stand.follow(&delete).await;
    assert_eq!(stand.arm("DELETE", &admin, Value::Null).await.status, 204);
    assert_eq!(code(&stand.arm("GET", &admin, Value::Null).await), (404, "ResourceNotFound".into()));
    let databases = json(&stand.arm("GET", &format!("{SERVER}/databases"), Value::Null).await);
    assert_eq!(databases["value"].as_array().unwrap().len(), 2);
    for (method, name) in [("PUT", "more"), ("DELETE", "geopgflex")] {
        stand.follow(&stand.arm(method, &format!("{SERVER}/databases/{name}"), json!({})).await).await;
    }
    assert_eq!(stand.arm("DELETE", &format!("{SERVER}/databases/nothing"), Value::Null).await.status, 204);
    let asked = lock(&stand.database.0).clone();
    let admin = format!("admin pg-deployers {DEPLOYERS} group");
    let rest = [format!("no admin {DEPLOYERS}"), "database more".into(), "no database geopgflex".into()];
    assert_eq!(asked, [vec!["auth true true true".to_owned(), admin], rest.to_vec()].concat());
}
