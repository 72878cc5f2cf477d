//! The two generated Azure crates as clients of the emulator that nobody here wrote: what they can do has to work, and
//! what they cannot is pinned, so that a repaired release is noticed.

#![cfg(all(feature = "mgmt-clients", feature = "sandbox"))]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[allow(dead_code, reason = "it is shared with the sandbox tests, which use all of it")]
#[path = "sandbox/stand.rs"]
mod stand;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core_legacy as legacy;
use azure_mgmt_postgresql::package_flexibleserver_2024_08_01 as postgresql;
use azure_mgmt_web::package_2024_04 as web;
use legacy::auth::{AccessToken, TokenCredential};
use legacy::{BytesStream, HttpClient, TransportOptions, Url};
use postgresql::models::{
    ActiveDirectoryAdministratorAdd, AdministratorPropertiesForAdd, AuthConfig, ServerForUpdate,
    ServerPropertiesForUpdate, administrator_properties_for_add::PrincipalType, auth_config,
};
use serde_json::{Value, json};
use stand::Stand;

const SUBSCRIPTION: &str = "22222222-2222-4222-8222-222222222222";
const GROUP: &str = "rmhazure_rg";
const APP: &str = "rmhazuregeoapi";
const SERVER: &str = "rmhpgflex";
const DEPLOYERS: &str = "33333333-3333-4333-8333-333333333333";

/// A token for the resource manager.
#[derive(Debug)]
struct Token(String);

#[async_trait]
impl TokenCredential for Token {
    async fn get_token(&self, _: &[&str]) -> legacy::Result<AccessToken> {
        let expires_on = azure_core::time::OffsetDateTime::now_utc() + azure_core::time::Duration::hours(1);
        Ok(AccessToken::new(self.0.clone(), expires_on))
    }

    async fn clear_cache(&self) -> legacy::Result<()> {
        Ok(())
    }
}

/// Carries calls over this package's HTTP client, and keeps the bodies that were sent.
#[derive(Debug)]
struct Carrier {
    http: reqwest::Client,
    sent: Mutex<Vec<Value>>,
}

#[async_trait]
impl HttpClient for Carrier {
    async fn execute_request(&self, request: &legacy::Request) -> legacy::Result<legacy::Response> {
        let method = reqwest::Method::from_bytes(request.method().as_ref().as_bytes()).unwrap();
        let mut carried = self.http.request(method, request.url().as_str());
        for (name, value) in request.headers().iter() {
            carried = carried.header(name.as_str(), value.as_str());
        }
        if let legacy::Body::Bytes(bytes) = request.body() {
            self.sent.lock().unwrap().push(serde_json::from_slice(bytes).unwrap_or_default());
            carried = carried.body(bytes.clone());
        }
        let failed = |error| legacy::Error::new(legacy::error::ErrorKind::Io, error);
        let answer = carried.send().await.map_err(failed)?;
        let status = legacy::StatusCode::try_from(answer.status().as_u16()).unwrap();
        let headers: HashMap<_, _> = answer
            .headers()
            .iter()
            .map(|(name, value)| {
                let (name, value) = (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned());
                (legacy::headers::HeaderName::from(name), legacy::headers::HeaderValue::from(value))
            })
            .collect();
        let body = answer.bytes().await.map_err(failed)?;
        Ok(legacy::Response::new(status, headers.into(), Box::pin(BytesStream::new(body))))
    }
}

/// What both crates' clients are made from.
async fn parts(stand: &Stand) -> (Arc<Token>, Url, Arc<Carrier>) {
    let base = &stand.vars["PGENTRA_SANDBOX_URL"];
    let ask = json!({"object_id": "55555555-5555-4555-8555-555555555555", "audience": base});
    let token = stand.control("POST", "token", ask).await["access_token"].as_str().unwrap().to_owned();
    let pem = std::fs::read(&stand.vars["SSL_CERT_FILE"]).unwrap();
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).unwrap();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only(certificates).build().unwrap();
    (Arc::new(Token(token)), Url::parse(base).unwrap(), Arc::new(Carrier { http, sent: Mutex::default() }))
}

#[tokio::test]
async fn azure_mgmt_postgresql_turns_entra_on_and_makes_an_administrator() {
    let stand = Stand::up().await;
    let (token, base, carrier) = parts(&stand).await;
    let transport = TransportOptions::new(carrier);
    let client = postgresql::ClientBuilder::new(token).endpoint(base).transport(transport).build().unwrap();
    let servers = client.servers_client();
    let server = servers.get(SUBSCRIPTION, GROUP, SERVER).await.unwrap();
    let properties = server.properties.unwrap();
    assert_eq!(properties.administrator_login.as_deref(), Some("pgadmin"));
    assert_eq!(properties.fully_qualified_domain_name, Some(stand.vars["PGENTRA_SANDBOX_POSTGRES_HOST"].clone()));

    let auth_config = AuthConfig {
        active_directory_auth: Some(auth_config::ActiveDirectoryAuth::Enabled),
        password_auth: Some(auth_config::PasswordAuth::Enabled),
        tenant_id: Some("11111111-1111-4111-8111-111111111111".into()),
    };
    let mut update = ServerForUpdate::new();
    update.properties =
        Some(ServerPropertiesForUpdate { auth_config: Some(auth_config.clone()), ..ServerPropertiesForUpdate::new() });
    servers.update(SUBSCRIPTION, GROUP, SERVER, update).send().await.unwrap();
    let auth = async || servers.get(SUBSCRIPTION, GROUP, SERVER).await.unwrap().properties.unwrap().auth_config;
    while auth().await.as_ref() != Some(&auth_config) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    let properties = AdministratorPropertiesForAdd {
        principal_type: Some(PrincipalType::Group),
        principal_name: Some("pg-deployers".into()),
        tenant_id: auth_config.tenant_id,
    };
    let add = ActiveDirectoryAdministratorAdd { properties: Some(properties) };
    let administrators = client.administrators_client();
    administrators.create(SUBSCRIPTION, GROUP, SERVER, DEPLOYERS, add).send().await.unwrap();
    let found = loop {
        match administrators.get(SUBSCRIPTION, GROUP, SERVER, DEPLOYERS).await {
            Ok(found) => break found,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    assert_eq!(found.properties.principal_name.as_deref(), Some("pg-deployers"));
    // What the crate set shows in a plan.
    let plan = stand.run(&["plan", "plan.toml"]).ends(0);
    assert!(!plan.out.contains("server_auth.") && !plan.out.contains("server_admin."), "{}", plan.out);
}

#[tokio::test]
async fn azure_mgmt_web_reads_and_writes_settings() {
    let stand = Stand::up().await;
    let (token, base, carrier) = parts(&stand).await;
    let transport = TransportOptions::new(carrier);
    let client = web::ClientBuilder::new(token).endpoint(base).transport(transport).build().unwrap();
    let apps = client.web_apps_client();
    let mut settings = apps.list_application_settings(GROUP, APP, SUBSCRIPTION).await.unwrap();
    let properties = settings.properties.as_mut().unwrap();
    assert_eq!(properties["POSTGIS_DATABASE"], "geopgflex");
    properties["USE_MANAGED_IDENTITY"] = json!("false");
    let written = apps.update_application_settings(GROUP, APP, settings.clone(), SUBSCRIPTION).await.unwrap();
    assert_eq!(written.properties, settings.properties);
    let plan = stand.run(&["plan", "plan.toml"]).ends(0);
    plan.says(&["\"USE_MANAGED_IDENTITY\"  = \"false\" -> \"true\""]);
}

#[tokio::test]
async fn the_identity_defects_of_azure_mgmt_web_are_still_there() {
    let stand = Stand::up().await;
    let (token, base, carrier) = parts(&stand).await;
    let transport = TransportOptions::new(Arc::clone(&carrier) as Arc<dyn HttpClient>);
    let client = web::ClientBuilder::new(token).endpoint(base).transport(transport).build().unwrap();
    let apps = client.web_apps_client();
    let mut identity = web::models::ManagedServiceIdentity::new();
    identity.type_ = Some(web::models::managed_service_identity::Type::SystemAssigned);
    let mut patch = web::models::SitePatchResource::new();
    patch.identity = Some(identity);
    let refused = apps.update(GROUP, APP, patch, SUBSCRIPTION).await;
    assert!(refused.is_err(), "the emulator refuses what Azure refuses");
    let sent = carrier.sent.lock().unwrap().last().cloned().unwrap();
    assert_eq!(sent["identity"]["type"], json!({"$text": "SystemAssigned"}), "repaired? see docs/dependencies.md");

    stand.arm("PATCH", "", json!({"identity": {"type": "SystemAssigned"}})).await;
    let unread = apps.get(GROUP, APP, SUBSCRIPTION).await.unwrap_err();
    assert!(format!("{unread:?}").contains("SystemAssigned"), "{unread:?}");
}
