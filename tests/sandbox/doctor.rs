//! The doctor against a live sandbox: each symptom is really produced, found, and gone once its command was run.

use serde_json::{Value, json};

use crate::narrow::{as_custom, definition, without};
use crate::stand::{MIGRATION, Stand};

pub const DEPLOYER: &str = "55555555-5555-4555-8555-555555555555";
pub const ROLE: &str = "rmhazuregeoapi-identity";

/// The rules of all symptoms that are found, risks left out.
pub fn symptoms(stand: &Stand, plan: &str) -> Vec<String> {
    let ran = stand.run(&["doctor", plan, "--format", "json"]);
    let found: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}\n{}", ran.out, ran.err));
    let all = found["symptoms"].as_array().unwrap_or_else(|| panic!("{found:#}")).clone();
    let ours = all.iter().filter(|one| one["severity"] == "symptom");
    let rules: Vec<String> = ours.map(|one| one["rule"].as_str().unwrap().to_owned()).collect();
    let code =
        if rules.is_empty() { i32::from(found["unseen"].as_array().is_some_and(|all| !all.is_empty())) } else { 10 };
    assert_eq!(ran.code, code, "{found:#}\n{}", ran.err);
    rules
}

pub async fn set(stand: &Stand, key: &str, value: Option<&str>) {
    let body = json!({ "site": "rmhazuregeoapi", "key": key, "value": value });
    stand.control("POST", "settings", body).await;
    stand.health().await;
}

pub async fn migrated() -> Stand {
    let stand = Stand::up().await;
    stand.apply("plan.toml").ends(0);
    stand.health().await;
    assert_eq!(symptoms(&stand, "plan.toml"), Vec::<String>::new());
    stand
}

#[tokio::test]
async fn symptoms_of_the_app_are_found_and_their_commands_mend_them() {
    let stand = Stand::up().await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["identity-off", "wrong-role-name", "password-sign-in", "entra-off"]);
    let stand = {
        stand.apply("plan.toml").ends(0);
        stand.health().await;
        stand
    };
    assert_eq!(symptoms(&stand, "plan.toml"), Vec::<String>::new());
    set(&stand, "MANAGED_IDENTITY_NAME", Some("somebody")).await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["wrong-role-name"]);
    stand.run(&["apply", "--auto-approve", "plan.toml", "--only", "app_settings.rmhazuregeoapi"]).ends(0);
    set(&stand, "PGSSLMODE", Some("prefer")).await;
    set(&stand, "DB_SCOPE", Some("https://ossrdbms-aad.database.usgovcloudapi.net/.default")).await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["wrong-audience", "tls"]);
    set(&stand, "PGSSLMODE", None).await;
    set(&stand, "DB_SCOPE", None).await;
    // The token service is off: the app goes back to its password, and says so.
    set(&stand, "WEBSITE_DISABLE_MSI", Some("true")).await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["token-service-off", "password-fallback"]);
    set(&stand, "WEBSITE_DISABLE_MSI", None).await;
    stand.arm("PATCH", "", json!({ "identity": { "type": "None" } })).await;
    stand.control("POST", "settings", json!({ "site": "rmhazuregeoapi", "key": "RESTART", "value": "1" })).await;
    stand.health().await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["identity-off", "password-fallback"]);
}

#[tokio::test]
async fn symptoms_of_the_role_are_found_and_their_commands_mend_them() {
    let stand = migrated().await;
    let owner = |sql: &str| stand.owner(sql);
    owner(&format!("REVOKE USAGE ON SCHEMA geo FROM \"{ROLE}\""));
    assert_eq!(symptoms(&stand, "plan.toml"), ["no-grant"]);
    owner(&format!("ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE ALL ON TABLES FROM \"{ROLE}\""));
    assert_eq!(symptoms(&stand, "plan.toml"), ["no-grant", "no-default-privileges"]);
    stand.run(&["apply", "--auto-approve", "plan.toml", "--only", "database_grants.geopgflex"]).ends(0);
    assert_eq!(symptoms(&stand, "plan.toml"), Vec::<String>::new());
    let token = stand.token_of(DEPLOYER).await;
    stand.sql("pg-deployers", &token, "postgres", &format!("ALTER ROLE \"{ROLE}\" NOLOGIN")).unwrap();
    assert_eq!(symptoms(&stand, "plan.toml"), ["role-no-login"]);
    stand.sql("pg-deployers", &token, "postgres", &format!("ALTER ROLE \"{ROLE}\" LOGIN")).unwrap();
    stand.control("POST", "identity/recreate", json!({ "site": "rmhazuregeoapi" })).await;
    stand.health().await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["role-old-object-id"]);
    stand.apply("plan.toml").ends(0);
    for database in ["geopgflex", "postgres"] {
        let drop = format!("DROP OWNED BY \"{ROLE}\"");
        stand.sql("geoapp", &stand.vars["GEOAPP_PASSWORD"], database, &drop).ok();
    }
    owner(&format!(
        "REVOKE ALL ON ALL TABLES IN SCHEMA geo, app FROM \"{ROLE}\"; REVOKE ALL ON ALL SEQUENCES IN SCHEMA geo, app FROM \"{ROLE}\""
    ));
    assert!(symptoms(&stand, "plan.toml").contains(&"no-grant".to_owned()));
}

#[tokio::test]
async fn symptoms_of_the_server_are_found() {
    let stand = migrated().await;
    let away = MIGRATION.replace("[server.rmhpgflex]\n", "[server.rmhpgflex]\nhost = \"127.0.0.1\"\nport = 9\n");
    stand.keep("away.toml", &away);
    assert_eq!(symptoms(&stand, "away.toml"), ["firewall"]);
    stand.control("POST", "server", json!({ "server": "rmhpgflex", "state": "Stopped" })).await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["server-not-ready"]);
    stand.control("POST", "server", json!({ "server": "rmhpgflex", "state": "Ready" })).await;
    stand.control("POST", "knobs", json!({ "token_lifetime": 3599 })).await;
    assert_eq!(symptoms(&stand, "plan.toml"), Vec::<String>::new());
}

#[tokio::test]
async fn the_rendered_role_is_enough_and_none_of_it_is_too_much() {
    let stand = Stand::up().await;
    let (role, read) = (definition(&stand, "plan.toml", &[]), definition(&stand, "plan.toml", &["--read-only"]));
    as_custom(&stand, &read, &["plan", "plan.toml"]).await.ends(0);
    let missing = as_custom(&stand, &read, &["doctor", "plan.toml", "--can-i"]).await.ends(11);
    missing.says(&["Microsoft.DBforPostgreSQL/flexibleServers/write", "are missing."]);
    for action in ["Microsoft.Web/sites/read", "Microsoft.DBforPostgreSQL/flexibleServers/read"] {
        // A look goes on without what it may not see, and says so; a plan to be carried out has to have seen all.
        let narrow = without(&read, action);
        as_custom(&stand, &narrow, &["plan", "plan.toml"]).await.ends(0).says(&["not readable", action]);
        as_custom(&stand, &narrow, &["plan", "plan.toml", "--out", "saved"]).await.ends(11).says(&[action]);
    }
    let apply = ["apply", "--auto-approve", "plan.toml"];
    for (action, address) in [
        ("Microsoft.DBforPostgreSQL/flexibleServers/write", "server_auth.rmhpgflex"),
        ("Microsoft.Web/sites/write", "app_identity.rmhazuregeoapi"),
    ] {
        let only: Vec<&str> = apply.iter().copied().chain(["--only", address]).collect();
        as_custom(&stand, &without(&role, action), &only).await.ends(11).says(&[action]);
    }
    as_custom(&stand, &role, &apply).await.ends(0);
    as_custom(&stand, &role, &["plan", "plan.toml", "--detailed-exitcode"]).await.ends(0);
    let all = as_custom(&stand, &role, &["doctor", "plan.toml", "--can-i"]).await.ends(0);
    all.says(&["Nothing is missing"]);
    let local = stand.run(&["doctor", "plan.toml", "--local"]).ends(0);
    local.says(&["Local development works.", "Option 1: the Azure CLI", "as pg-deployers"]);
}
