//! More symptoms that the doctor finds in a live sandbox: roles dropped or unmapped, stale tokens, swaps, clocks, locked doors.

use serde_json::{Value, json};

use crate::doctor::{DEPLOYER, ROLE, migrated, set, symptoms};
use crate::stand::{MIGRATION, Stand};

/// The principals that may sign in as the administrators' group.
async fn administrators(stand: &Stand, members: &[&str]) {
    let group = "33333333-3333-4333-8333-333333333333";
    let group = json!({ "name": "pg-deployers", "object_id": group, "members": members });
    stand.control("POST", "groups", group).await;
}

#[tokio::test]
async fn a_role_that_is_gone_or_stands_for_nobody() {
    let stand = migrated().await;
    let token = stand.token_of(DEPLOYER).await;
    let deployer = |database: &str, sql: &str| stand.sql("pg-deployers", &token, database, sql).unwrap();
    for database in ["geopgflex", "postgres"] {
        deployer(database, &format!("DROP OWNED BY \"{ROLE}\""));
    }
    deployer("postgres", &format!("DROP ROLE \"{ROLE}\""));
    stand.health().await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["role-missing"]);
    stand
        .run(&["doctor", "plan.toml"])
        .ends(10)
        .says(&["pgentra apply plan.toml --only database_role.rmhazuregeoapi-identity"]);
    // Somebody makes an ordinary role of that name.
    stand.admin("postgres", &format!("CREATE ROLE \"{ROLE}\" LOGIN"));
    assert!(symptoms(&stand, "plan.toml").contains(&"role-not-mapped".to_owned()));
    let identity = "identity = { ref = \"app.rmhazuregeoapi.principal_id\" }\n";
    stand.keep("plan.toml", &MIGRATION.replace(identity, &format!("{identity}adopt = true\n")));
    stand.apply("plan.toml").ends(0);
    stand.health().await;
    assert_eq!(symptoms(&stand, "plan.toml"), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_that_is_kept_beyond_its_end() {
    let stand = migrated().await;
    // A day passes for those who judge tokens, and not for the app.
    stand.control("POST", "knobs", json!({ "clock_shift": 90_000 })).await;
    stand.health().await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["stale-token"]);
    stand.run(&["doctor", "plan.toml"]).ends(10).says(&["token has expired", "az functionapp restart"]);
    stand.arm("POST", "/restart", Value::Null).await;
    stand.health().await;
    assert_eq!(symptoms(&stand, "plan.toml"), Vec::<String>::new());
}

#[tokio::test]
async fn an_identity_that_the_app_does_not_have() {
    let stand = migrated().await;
    stand.arm("PATCH", "", json!({ "identity": { "type": "None" } })).await;
    set(&stand, "AZURE_CLIENT_ID", Some("12345678-1234-4234-8234-123456789012")).await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["identity-off", "wrong-identity", "password-fallback"]);
}

/// The slot as an app of its own, with a role of its own.
const SLOT: &str = r#"
[app.staging]
kind = "function"
name = "rmhazuregeoapi"
slot = "staging"
identity = "system"
[app.staging.settings]
MANAGED_IDENTITY_NAME = { ref = "role.staging-identity.name" }

[role.staging-identity]
server = "rmhpgflex"
identity = { ref = "app.staging.principal_id" }
"#;

#[tokio::test]
async fn a_swap_that_took_the_roles_name_along() {
    let stand = Stand::up().await;
    stand.keep("plan.toml", &format!("{MIGRATION}{SLOT}"));
    stand.apply("plan.toml").ends(0);
    stand.health().await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["password-sign-in"]);
    let risk = "not slot-sticky: MANAGED_IDENTITY_NAME; slots with other identities: staging";
    stand.run(&["doctor", "plan.toml"]).ends(10).says(&[risk]);
    stand.arm("POST", "/slotsswap", json!({ "targetSlot": "staging", "preserveVnet": true })).await;
    stand.health().await;
    assert!(symptoms(&stand, "plan.toml").contains(&"slot-swap".to_owned()));
    stand.run(&["doctor", "plan.toml"]).ends(10).says(&[
        "MANAGED_IDENTITY_NAME is staging-identity, whose role stands for the identity of slot staging",
        "pgentra apply plan.toml --only app_settings.rmhazuregeoapi",
    ]);
    stand.apply("plan.toml").ends(0);
    let sticky = json!({ "properties": { "appSettingNames": ["MANAGED_IDENTITY_NAME"] } });
    stand.arm("PUT", "/config/slotConfigNames", sticky).await;
    stand.health().await;
    let healed = stand.run(&["doctor", "plan.toml"]);
    assert!(!healed.out.contains("slot swap"), "{}", healed.out);
}

#[tokio::test]
async fn a_clock_that_is_off_and_a_door_that_is_closed() {
    let stand = migrated().await;
    administrators(&stand, &[]).await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["not-let-in"]);
    administrators(&stand, &[DEPLOYER]).await;
    assert_eq!(symptoms(&stand, "plan.toml"), Vec::<String>::new());
    stand.run(&["sandbox", "clock", "advance", "1h"]).ends(0);
    stand.health().await;
    assert_eq!(symptoms(&stand, "plan.toml"), ["clock"]);
}
