//! The emulator under planted faults, its tokens for managed identities, and its HTTPS listener.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use super::call::Call;
use super::claims::TokenCheck;
use super::emulator_tests::{SERVER, SITE, Stand, header, json, text};
use super::names::{self, SUBSCRIPTION};
use super::tls::Authority;

#[tokio::test]
async fn faults_hit_what_they_are_planted_for() {
    let stand = Stand::new().await;
    let settings = format!("{SITE}/config/appsettings");
    let list = format!("{settings}/list");
    let plant = |body: Value| stand.control("POST", "faults", body);
    plant(json!({"method": "PUT", "path": "*/config/appsettings", "nth": 2, "action": "status", "status": 429,
        "body": {"error": {"code": "TooManyRequests"}}, "retry_after": 7}))
    .await;
    let write = |value: &'static str| stand.arm("PUT", &settings, json!({"properties": {"A": value}}));
    assert_eq!(write("1").await.status, 200);
    let refused = write("2").await;
    assert_eq!((refused.status, header(&refused, "retry-after")), (429, "7".into()));
    assert_eq!(write("3").await.status, 200);
    stand.control("DELETE", "faults", Value::Null).await;

    plant(json!({"path": "*/config/appsettings/list", "times": 2, "action": "stale_read"})).await;
    write("4").await;
    for expected in ["3", "3", "4"] {
        assert_eq!(json(&stand.arm("POST", &list, Value::Null).await)["properties"]["A"], expected);
    }
    plant(json!({"method": "PUT", "path": "*/config/appsettings", "action": "lie"})).await;
    assert_eq!(json(&write("5").await)["properties"]["A"], "5");
    assert_eq!(json(&stand.arm("POST", &list, Value::Null).await)["properties"]["A"], "4");
    plant(json!({"method": "PUT", "path": "*/config/appsettings", "action": "status", "status": 500, "after_effect": true}))
        .await;
    let one = write("6").await; // the fault above comes second: the lie is over
    assert_eq!(one.status, 500);
    assert_eq!(json(&stand.arm("POST", &list, Value::Null).await)["properties"]["A"], "6");

    plant(json!({"method": "PATCH", "path": "*/flexibleservers/*", "action": "lro_fails_late", "code": "ServerBusy",
        "message": "try again"}))
    .await;
    let on = json!({"properties": {"authConfig": {"activeDirectoryAuth": "Enabled"}}});
    let (states, end) = stand.follow(&stand.arm("PATCH", SERVER, on).await).await;
    assert_eq!((states.last().unwrap().as_str(), &end["error"]["code"]), ("Failed", &json!("ServerBusy")));
    assert!(!stand.emulator.world().servers["rmhpgflex"].entra);
    stand.entra_on().await;
}

#[tokio::test]
async fn others_act_through_the_control_endpoint() {
    let stand = Stand::new().await;
    let list = format!("{SITE}/config/appsettings/list");
    stand
        .control(
            "POST",
            "faults",
            json!({"method": "POST", "path": "*/list", "action": "second_writer",
            "site": "rmhazuregeoapi", "key": "THEIRS", "value": "1"}),
        )
        .await;
    let before = json(&stand.arm("POST", &list, Value::Null).await);
    assert_eq!(before["properties"]["THEIRS"], Value::Null, "the answer is from before");
    assert_eq!(json(&stand.arm("POST", &list, Value::Null).await)["properties"]["THEIRS"], "1");
    stand.control("POST", "settings", json!({"site": "rmhazuregeoapi", "key": "THEIRS"})).await;
    assert!(!stand.emulator.world().sites["rmhazuregeoapi"].settings.contains_key("THEIRS"));

    let old = stand.emulator.world().identities["rmh-geo-identity"].principal_id.clone();
    let new = stand.control("POST", "identity/recreate", json!({"identity": "rmh-geo-identity"})).await;
    let world = stand.emulator.world();
    assert_eq!(new["principal_id"], json!(world.identities["rmh-geo-identity"].principal_id));
    assert!(!world.directory.principals.contains_key(&old) && new["principal_id"] != json!(old));
}

#[tokio::test]
async fn managed_identities_get_tokens() {
    let stand = Stand::new().await;
    let header_of = |key: &str| stand.emulator.world().sites[key].identity_header.clone();
    let ask = async |query: &str, header: &str| {
        let headers = BTreeMap::from([("x-identity-header".to_owned(), header.to_owned())]);
        let uri =
            format!("/msi/token?api-version=2019-08-01&resource=https://ossrdbms-aad.database.windows.net{query}");
        let cut = AtomicBool::new(false);
        stand.emulator.handle_identity(Call::new("GET", &uri, headers, Vec::new()), &cut).await
    };
    let key = header_of("rmhazuregeoapi");
    let off = ask("", &key).await;
    assert_eq!((off.status, &json(&off)["statusCode"]), (400, &json!(400)));
    assert_eq!(ask("", "forged").await.status, 401);
    stand.arm("PATCH", SITE, json!({"identity": {"type": "SystemAssigned"}})).await;
    let got = json(&ask("", &key).await);
    assert!(got["expires_on"].as_str().unwrap().parse::<i64>().unwrap() > stand.emulator.issuer.now() + 80_000);
    let principal = stand.emulator.world().sites["rmhazuregeoapi"].system_identity.clone().unwrap();
    let claims = stand.emulator.issuer.check(&text(&got["access_token"]), &[names::POSTGRES_AUDIENCE]).unwrap();
    assert_eq!(claims.object_id, principal);
    assert_eq!(ask(&format!("&principal_id={principal}"), &key).await.status, 200);
    assert_eq!(ask("&client_id=x", &key).await.status, 400);
    assert_eq!(ask("", &header_of("rmhazuregeoapi/slots/staging")).await.status, 400, "the slot has its own identity");

    let id = stand.emulator.world().identity_id(&stand.emulator.world().identities["rmh-geo-identity"]);
    let user = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {id.clone(): {}}}});
    stand.arm("PATCH", SITE, user).await;
    assert_eq!(ask("", &key).await.status, 400, "with user-assigned ones alone, one must be named");
    assert_eq!(ask(&format!("&mi_res_id={id}"), &key).await.status, 200);
    stand.control("POST", "tokens", json!({"token_lifetime": 60, "clock_shift": -3600})).await;
    let short = json(&ask(&format!("&mi_res_id={id}"), &key).await);
    stand.control("POST", "tokens", json!({"clock_shift": 0})).await;
    assert!(stand.emulator.issuer.check(&text(&short["access_token"]), &[names::POSTGRES_AUDIENCE]).is_err());

    let machine = |value: &str| {
        let headers = BTreeMap::from([("metadata".to_owned(), value.to_owned())]);
        let uri = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
        Call::new("GET", uri, headers, Vec::new())
    };
    let cut = AtomicBool::new(false);
    assert_eq!(stand.emulator.handle_identity(machine("false"), &cut).await.status, 400);
    assert_eq!(json(&stand.emulator.handle_identity(machine("true"), &cut).await)["expires_in"], "60");
}

#[tokio::test]
async fn a_lost_reply_took_effect_and_the_line_is_cut() {
    let stand = Stand::new().await;
    let authority = Authority::open(stand.dir.path()).unwrap();
    let tls = authority.server(&["127.0.0.1".to_owned()], &[b"http/1.1"]).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = super::run::serve_emulator(Arc::clone(&stand.emulator), listener, tls).unwrap();
    let served = tokio::spawn(served);
    let pem = std::fs::read(stand.dir.path().join("ca.pem")).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
        .build()
        .unwrap();
    let metadata = client.get(format!("https://{address}/metadata/endpoints?api-version=2022-09-01")).send().await;
    let metadata: Value = serde_json::from_slice(&metadata.unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(metadata["ossrdbmsResourceId"], names::POSTGRES_AUDIENCE);

    stand
        .control("POST", "faults", json!({"method": "PUT", "path": "*/config/appsettings", "action": "lost_reply"}))
        .await;
    let url = format!(
        "https://{address}/subscriptions/{SUBSCRIPTION}/resourceGroups/rmhazure_rg{SITE}/config/appsettings?api-version=1"
    );
    let put = client.put(url).bearer_auth(&stand.token).body(r#"{"properties": {"A": "1"}}"#);
    assert!(put.send().await.is_err(), "no answer comes");
    assert_eq!(stand.emulator.world().sites["rmhazuregeoapi"].settings["A"], "1");
    served.abort();
}
