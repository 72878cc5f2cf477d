//! Trouble in Azure: throttling, a busy server, answers that are lost, lies and operations that fail late.

use serde_json::{Value, json};

use crate::stand::Stand;

/// The migration without its probe of the app, which takes its time.
fn plan() -> String {
    let text = crate::stand::MIGRATION;
    let probe = text.find("# Phase 4.1").unwrap();
    let role = text.find("# Phase 2.2: the role").unwrap();
    format!("{}{}", &text[..probe], &text[role..])
}

async fn stand() -> Stand {
    let stand = Stand::up().await;
    stand.keep("plan.toml", &plan());
    stand
}

fn status(method: &str, path: &str, status: u16, code: &str, more: &Value) -> Value {
    let mut fault = json!({"method": method, "path": path, "action": "status", "status": status,
        "body": {"error": {"code": code, "message": "as planted"}}});
    for (name, value) in more.as_object().into_iter().flatten() {
        fault[name] = value.clone();
    }
    fault
}

#[tokio::test]
async fn throttling_and_a_busy_server_are_waited_for() {
    let stand = stand().await;
    let again = json!({"times": 2, "retry_after": 0});
    for (method, path) in [
        ("GET", "*/sites/rmhazuregeoapi"),
        ("PATCH", "*/sites/rmhazuregeoapi"),
        ("POST", "*/config/appsettings/list"),
        ("PUT", "*/config/appsettings"),
        ("PUT", "*/administrators/*"),
    ] {
        stand.plant(status(method, path, 429, "TooManyRequests", &again)).await;
    }
    stand.plant(status("PATCH", "*/flexibleservers/*", 409, "ServerIsBusy", &json!({}))).await;
    stand.plant(status("GET", "*/flexibleservers/rmhpgflex", 500, "InternalServerError", &json!({"nth": 2}))).await;
    stand.plant(json!({"path": "*/operations/*", "times": 0, "action": "latency", "ms": 50})).await;
    stand.apply("plan.toml").ends(0).says(&["Azure is busy (ServerIsBusy); trying again"]);
    let seen = stand.control("GET", "faults", Value::Null).await;
    let met = seen["value"].as_array().unwrap().iter().filter(|one| one["seen"].as_u64() >= Some(1)).count();
    assert_eq!(met, 7, "{seen}");
    stand.control("DELETE", "faults", Value::Null).await;
    stand.settled("plan.toml");
}

#[tokio::test]
async fn an_operation_that_fails_late_is_a_failure_in_azures_words() {
    let stand = stand().await;
    stand
        .plant(json!({"method": "PATCH", "path": "*/flexibleservers/*", "action": "lro_fails_late",
            "code": "InternalServerError", "message": "An unexpected error occured. Tracking ID: 'abc'"}))
        .await;
    stand.apply("plan.toml").ends(5).says(&["Tracking ID: 'abc'"]);
    let settings = stand.settings().await;
    assert_eq!(settings.get("USE_MANAGED_IDENTITY"), None, "the app did not switch: {settings}");
    stand.apply("plan.toml").ends(0);
    stand.settled("plan.toml");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_looked_at_and_not_repeated_blindly() {
    let stand = stand().await;
    for (method, path) in [
        ("PATCH", "*/sites/rmhazuregeoapi"),
        ("PATCH", "*/flexibleservers/*"),
        ("PUT", "*/administrators/*"),
        ("PUT", "*/config/appsettings"),
    ] {
        stand.plant(json!({"method": method, "path": path, "action": "lost_reply"})).await;
        let ran = stand.apply("plan.toml");
        assert!([0, 5, 6].contains(&ran.code), "{method} {path}: {ran:?}");
        stand.control("DELETE", "faults", Value::Null).await;
    }
    stand.apply("plan.toml").ends(0);
    stand.settled("plan.toml");
    let writes = stand.writes().await;
    let settings = writes.iter().filter(|one| one.ends_with("/config/appsettings")).count();
    assert!(settings <= 3, "{writes:?}");
}

#[tokio::test]
async fn reads_that_lag_behind_a_write_are_waited_for() {
    let stand = stand().await;
    stand.keep("settings.toml", include_str!("../../plans/app_settings.toml"));
    stand.plant(json!({"path": "*/config/appsettings/list", "nth": 4, "times": 2, "action": "stale_read"})).await;
    stand.apply("settings.toml").ends(0);
    let seen = stand.control("GET", "faults", Value::Null).await["value"][0]["seen"].clone();
    assert!(seen.as_u64() >= Some(6), "looked until it held: {seen}");
    stand.settled("settings.toml");
}
