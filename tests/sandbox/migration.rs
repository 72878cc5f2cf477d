//! The guide's migration from a server without Entra authentication to the end, in one apply; and plans that write
//! nothing.

use serde_json::{Value, json};

use crate::stand::Stand;

#[tokio::test]
async fn the_migration_runs_from_password_to_managed_identity_in_one_apply() {
    let stand = Stand::up().await;
    let before = stand.health().await;
    assert_eq!((&before["status"], &before["database"]["auth_method"]), (&json!("healthy"), &json!("password")));

    stand.control("POST", "read_only", json!({})).await;
    let plan = stand.run(&["plan", "--detailed-exitcode", "plan.toml"]).ends(2);
    plan.says(&[
        "app_identity.rmhazuregeoapi will be updated in-place",
        "database_role.rmhazuregeoapi-identity (known after apply: server rmhpgflex lets none of its connections in",
        "sign-in: password now, managed identity with the password as fallback after this",
        "Plan: 1 to add, 3 to change, 0 to destroy.",
    ]);
    assert_eq!(stand.writes().await, [""; 0]);
    assert!(!stand.here().join(".pgentra").exists(), "a plan leaves nothing behind");
    stand.apply("plan.toml").ends(11).says(&["ReadOnly"]);
    stand.control("POST", "read_only", json!({"on": false})).await;

    let settings = stand.run(&["plan", "--explain", "app_settings.rmhazuregeoapi", "plan.toml"]).ends(0);
    settings.says(&[
        "never while another step of site:rmhazuregeoapi runs",
        "faithful: rollback gives back",
        "plan.toml:30",
    ]);
    let slip = stand.run(&["plan", "--explain", "app_setting.rmhazuregeoapi", "plan.toml"]).ends(1);
    slip.says(&["the plan has no such resource", "did you mean app_settings.rmhazuregeoapi?"]);

    let ran = stand.run(&["apply", "--auto-approve", "--json", "--json-into", "result.json", "plan.toml"]).ends(0);
    let events: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!((kinds[0], kinds.last()), ("version", Some(&"outputs")), "{kinds:?}");
    for kind in ["planned_change", "change_summary", "apply_start", "apply_progress", "apply_complete"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    assert_eq!(events.last().unwrap()["outputs"]["outcome"]["value"], "applied");
    assert!(std::fs::read_to_string(stand.here().join("result.json")).unwrap().contains("\"applied\""));
    stand.run(&["plan", "--json", "--format", "json", "plan.toml"]).ends(1).says(&["do not go together"]);
    let grants = ["plan", "--explain", "database_grants.geopgflex", "--replaces", "geoapp", "plan.toml"];
    stand.run(&grants).ends(0).says(&["gives rmhazuregeoapi-identity", "lacks CREATE on 2 schemas: app, geo"]);
    let after = stand.health().await;
    assert_eq!(after["database"]["auth_method"], "managed_identity", "{after}");
    assert_eq!(after["database"]["user"], "rmhazuregeoapi-identity");
    stand.run(&["verify", "plan.toml"]).ends(0).says(&["managed identity with the password as fallback", "hold."]);

    // From here on nothing may be written: not in Azure, not in any session of the administrators.
    stand.control("DELETE", "requests", Value::Null).await;
    stand.control("POST", "read_only", json!({})).await;
    stand.admin("postgres", r#"ALTER ROLE "pg-deployers" SET default_transaction_read_only = on"#);
    stand.settled("plan.toml");
    stand.apply("plan.toml").ends(0).says(&["No changes."]);
    assert_eq!(stand.writes().await, [""; 0], "twice is once");
}
