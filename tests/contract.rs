//! Contract tests: what the ARM client sends and reads, held against Azure's official OpenAPI files and their examples.
//!
//! They run when `AZURE_SPECS_DIR` names a directory with the `specification` folder of Azure/azure-rest-api-specs.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests may panic, and say why they are skipped"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::Headers;
use azure_core::http::request::Body;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};
use pgentra::azure::{
    AccessToken, Administrator, Arm, AuthConfig, Identity, Pace, ServerId, SiteId, TokenSource, Tokens,
};
use pgentra::model::{Endpoints, Failure, Secret};
use serde_json::{Value, json};

const WEB: &str = "web/resource-manager/Microsoft.Web/stable/2023-12-01";
const POSTGRES: [&str; 2] = [
    "postgresql/resource-manager/Microsoft.DBforPostgreSQL/stable/2022-12-01",
    "postgresql/resource-manager/Microsoft.DBforPostgreSQL/preview/2023-12-01-preview",
];

/// The `specification` folder, or `None` with a word about it.
fn specification() -> Option<PathBuf> {
    let found = std::env::var_os("AZURE_SPECS_DIR").map(|dir| PathBuf::from(dir).join("specification"));
    if found.is_none() {
        eprintln!("skipped: AZURE_SPECS_DIR is not set");
    }
    found
}

fn load(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap()
}

/// Answers every call with one body and keeps what it was sent.
#[derive(Debug)]
struct Wire {
    answer: Value,
    sent: Mutex<Vec<(String, String, Value)>>,
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let body = match request.body() {
            Body::Bytes(bytes) if !bytes.is_empty() => serde_json::from_slice(bytes).unwrap(),
            _ => Value::Null,
        };
        let sent = (request.method().as_ref().to_lowercase(), request.url().path().to_owned(), body);
        self.sent.lock().unwrap().push(sent);
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), self.answer.to_string()))
    }
}

struct OneToken;

#[async_trait]
impl TokenSource for OneToken {
    async fn fetch(&self, _: &str) -> Result<AccessToken, Failure> {
        let expires_on = jiff::Timestamp::now() + Duration::from_hours(1);
        Ok(AccessToken { secret: Secret::new("token"), expires_on })
    }
}

fn arm(answer: Value) -> (Arm, Arc<Wire>) {
    let wire = Arc::new(Wire { answer, sent: Mutex::default() });
    let endpoints = Endpoints {
        authority: "https://login.test".into(),
        resource_manager: "https://arm.test".into(),
        resource_manager_audience: "https://arm.test".into(),
        postgres_audience: "https://ossrdbms.test".into(),
    };
    (Arm::new(endpoints, Tokens::new(Arc::new(OneToken)), wire.clone(), Pace::quick()).unwrap(), wire)
}

/// One OpenAPI file, and those that it refers to.
struct Spec {
    path: PathBuf,
    json: Value,
}

impl Spec {
    fn open(path: PathBuf) -> Self {
        Self { json: load(&path), path }
    }

    /// The operation that serves a call, by its path template.
    fn operation(&self, verb: &str, path: &str) -> &Value {
        let parts: Vec<&str> = path.split('/').collect();
        let serves = |template: &str| {
            let names: Vec<&str> = template.split('/').collect();
            let same = |(name, part): (&&str, &&str)| name.starts_with('{') || name.eq_ignore_ascii_case(part);
            names.len() == parts.len() && names.iter().zip(&parts).all(same)
        };
        let paths = self.json["paths"].as_object().unwrap();
        // A literal segment wins over a parameter.
        let found =
            paths.iter().filter(|(template, _)| serves(template)).min_by_key(|(name, _)| name.matches('{').count());
        let (_, verbs) = found.unwrap_or_else(|| panic!("{} has no path for {path}", self.path.display()));
        let operation = &verbs[verb];
        assert!(operation.is_object(), "{} has no {verb} for {path}", self.path.display());
        operation
    }

    fn resolve(&self, reference: &str) -> (Spec, Value) {
        let (file, pointer) = reference.split_once('#').unwrap();
        let spec = if file.is_empty() {
            Spec { path: self.path.clone(), json: self.json.clone() }
        } else {
            Spec::open(self.path.parent().unwrap().join(file))
        };
        let value = spec.json.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")).clone();
        (spec, value)
    }

    /// The property of this name, of the schema or of those that it extends.
    fn property(&self, schema: &Value, name: &str) -> Option<(Spec, Value)> {
        let own = || Spec { path: self.path.clone(), json: self.json.clone() };
        if let Some(reference) = schema["$ref"].as_str() {
            let (spec, schema) = self.resolve(reference);
            return spec.property(&schema, name);
        }
        if let Some(property) = schema["properties"].get(name) {
            return Some((own(), property.clone()));
        }
        let parents = schema["allOf"].as_array().cloned().unwrap_or_default();
        let inherited = parents.iter().find_map(|parent| self.property(parent, name));
        inherited.or_else(|| schema.get("additionalProperties").map(|more| (own(), more.clone())))
    }

    /// Fails when a body holds something that the schema does not declare as writable.
    fn conforms(&self, schema: &Value, body: &Value, at: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            assert_ne!(schema["readOnly"], true, "{at} is read-only");
            let (spec, schema) = self.resolve(reference);
            return spec.conforms(&schema, body, at);
        }
        assert_ne!(schema["readOnly"], true, "{at} is read-only");
        if let Some(words) = schema["enum"].as_array() {
            assert!(words.contains(body), "{at}: {body} is none of {words:?}");
        }
        match schema["type"].as_str() {
            Some("string") => assert!(body.is_string(), "{at}: {body} is no string"),
            Some("array") => assert!(body.is_array(), "{at}: {body} is no array"),
            Some("object") => assert!(body.is_object(), "{at}: {body} is no object"),
            _ => {}
        }
        for (name, value) in body.as_object().into_iter().flatten() {
            let (spec, schema) = self.property(schema, name).unwrap_or_else(|| panic!("{at}.{name} is not declared"));
            spec.conforms(&schema, value, &format!("{at}.{name}"));
        }
    }

    /// Holds one call against the operation that serves it.
    fn takes(&self, (verb, path, body): &(String, String, Value)) {
        let operation = self.operation(verb, path);
        let parameters = operation["parameters"].as_array().unwrap();
        let schema =
            parameters.iter().find(|parameter| parameter["in"] == "body").map(|parameter| &parameter["schema"]);
        match schema {
            Some(schema) => self.conforms(schema, body, &format!("{verb} {path}")),
            None => assert_eq!(*body, Value::Null, "{verb} {path} takes no body"),
        }
    }
}

fn example(dir: &Path, name: &str, status: &str) -> Value {
    let body = load(&dir.join("examples").join(name))["responses"][status]["body"].clone();
    assert!(body.is_object(), "{name} has no body for {status}");
    body
}

fn site() -> SiteId {
    SiteId { subscription: "s".into(), resource_group: "rg".into(), app: "app".into(), slot: None }
}

fn server() -> ServerId {
    ServerId { subscription: "s".into(), resource_group: "rg".into(), server: "pg".into() }
}

#[tokio::test]
async fn calls_about_apps_are_what_the_specification_takes() {
    let Some(root) = specification() else { return };
    let spec = Spec::open(root.join(WEB).join("WebApps.json"));
    let (arm, wire) = arm(json!({}));
    let slot = SiteId { slot: Some("blue".into()), ..site() };
    for id in [&site(), &slot] {
        arm.site(id).await.unwrap();
        arm.settings(id).await.unwrap();
        let settings = json!({ "A": "x" }).as_object().unwrap().clone();
        arm.put_settings(id, settings, &|_| {}).await.unwrap();
        let all = ["/id".to_owned()];
        for (system, stay) in [(true, &all[..]), (true, &[]), (false, &all[..]), (false, &[])] {
            arm.patch_identity(id, &Identity::body(system, stay, &[]), &|_| {}).await.unwrap();
        }
        arm.sticky_names(id).await.unwrap();
        let names = json!({ "appSettingNames": ["A"], "connectionStringNames": [], "azureStorageConfigNames": [] });
        arm.put_sticky_names(id, names.as_object().unwrap().clone(), &|_| {}).await.unwrap();
    }
    let sent = wire.sent.lock().unwrap();
    assert_eq!(sent.len(), 18);
    sent.iter().for_each(|call| spec.takes(call));
}

#[tokio::test]
async fn answers_about_apps_are_understood() {
    let Some(root) = specification() else { return };
    let dir = root.join(WEB);
    let read = arm(example(&dir, "GetWebApp.json", "200")).0.site(&site()).await.unwrap();
    assert_eq!(read.host(), Some("sitef6141.azurewebsites.net"));
    assert_eq!(read.busy(), None);
    let read = arm(example(&dir, "ListAppSettings.json", "200")).0.settings(&site()).await.unwrap();
    assert_eq!(read["Setting1"], "Value1");
    let body = example(&dir, "CreateOrUpdateFunctionAppFlexConsumptionWithDetails.json", "200");
    let read = arm(body).0.site(&site()).await.unwrap();
    assert!(read.properties.rest.contains_key("functionAppConfig"), "unknown members are kept");
}

#[tokio::test]
async fn calls_about_servers_are_what_the_specification_takes() {
    let Some(root) = specification() else { return };
    for version in POSTGRES {
        let servers = Spec::open(root.join(version).join("FlexibleServers.json"));
        let administrators = Spec::open(root.join(version).join("Administrators.json"));
        let (arm, wire) = arm(json!({ "properties": {} }));
        let id = server();
        arm.server(&id).await.unwrap();
        for (entra, password, tenant) in [(true, true, Some("t")), (true, false, Some("t")), (false, true, None)] {
            arm.patch_auth(&id, &AuthConfig::body(entra, password, tenant), &|_| {}).await.unwrap();
        }
        wire.sent.lock().unwrap().drain(..).for_each(|call| servers.takes(&call));
        for kind in ["User", "Group", "ServicePrincipal"] {
            let administrator = Administrator {
                object_id: None,
                principal_name: Some("name".into()),
                principal_type: Some(kind.into()),
                tenant_id: Some("t".into()),
            };
            arm.put_administrator(&id, "oid", &administrator, &|_| {}).await.unwrap();
        }
        arm.administrator(&id, "oid").await.unwrap();
        arm.administrators(&id).await.unwrap();
        arm.delete_administrator(&id, "oid", &|_| {}).await.unwrap();
        let sent = wire.sent.lock().unwrap();
        assert_eq!(sent.len(), 6);
        sent.iter().for_each(|call| administrators.takes(call));
    }
}

#[tokio::test]
async fn answers_about_servers_are_understood() {
    let Some(root) = specification() else { return };
    for version in POSTGRES {
        let dir = root.join(version);
        let read = arm(example(&dir, "ServerGet.json", "200")).0.server(&server()).await.unwrap();
        assert_eq!(read.state(), "Ready");
        assert!(read.properties.fully_qualified_domain_name.is_some() && !read.is_replica());
        let read = arm(example(&dir, "ServerUpdateWithAadAuthEnabled.json", "200")).0.server(&server()).await.unwrap();
        assert!(read.auth().entra() && read.auth().password() && read.auth().tenant().is_some());
        let read = arm(example(&dir, "AdministratorGet.json", "200")).0.administrator(&server(), "oid").await.unwrap();
        assert!(read.principal_name.is_some() && read.principal_type.is_some() && read.object_id.is_some());
        let all = arm(example(&dir, "AdministratorsListByServer.json", "200")).0.administrators(&server()).await;
        assert!(all.unwrap().iter().all(|one| one.object_id.is_some()));
    }
}
