//! Log sensors against what the sandbox's server and app really did: a password login, a fallback, and logs that are blind.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::stand::{Ran, Stand};

const PLAN: &str = r#"
version = 1
name = "sensors"

[azure]
subscription = "22222222-2222-4222-8222-222222222222"
tenant = "11111111-1111-4111-8111-111111111111"
resource_group = "rmhazure_rg"

[server.rmhpgflex]
connections = [{ name = "admin", user = "pgadmin", password = { env = "PGADMIN_PASSWORD" } }]

[app.rmhazuregeoapi]

[validation.logins]
old_role = "geoapp"
server = "rmhpgflex"
allow_unsigned = true

[[validation.logins.sensor]]
name = "password logins"
kind = "server_logs"
workspace = "99999999-9999-4999-8999-999999999999"
lag = "1s"

[validation.traces]
app = "rmhazuregeoapi"
old_role = "geoapp"
server = "rmhpgflex"
allow_unsigned = true
restart = true

[[validation.traces.sensor]]
name = "fallbacks"
kind = "fallback"
app_insights = "829adb94-5f5c-46ae-9f00-18e731529222"
lag = "1s"

[[validation.traces.sensor]]
name = "restarts"
kind = "query"
app_insights = "829adb94-5f5c-46ae-9f00-18e731529222"
lag = "1s"
query = "requests | where url == '/api/health' | project timestamp"
control = "requests | take 1"
proves = "restart"
"#;

/// Observes once and gives the newest measurement of a sensor: its state and its reason or value.
fn observed(stand: &Stand, code: i32, sensor: &str) -> (String, String) {
    let ran: Ran = stand.run(&["observe", "plan.toml"]);
    ran.ends(code);
    newest(stand, sensor)
}

fn newest(stand: &Stand, sensor: &str) -> (String, String) {
    let exported = exported(stand);
    let all: Value = serde_json::from_str(&exported).unwrap();
    let mut found = Vec::new();
    measurements(&all, sensor, &mut found);
    let last = found.pop().unwrap_or_else(|| panic!("{sensor} measured nothing: {exported}"));
    let state = last["verdict"]["state"].as_str().unwrap().to_owned();
    let why = last["verdict"]["why"].as_str().or(last["value"].as_str()).unwrap().to_owned();
    (state, why)
}

fn exported(stand: &Stand) -> String {
    stand.run(&["evidence", "export", "plan.toml"]).ends(0);
    std::fs::read_to_string(stand.here().join("sensors-evidence.json")).unwrap()
}

/// Every measurement of a sensor, in the order of the export.
fn measurements(json: &Value, sensor: &str, found: &mut Vec<Value>) {
    match json {
        Value::Array(list) => list.iter().for_each(|one| measurements(one, sensor, found)),
        Value::Object(map) if map.get("sensor").is_some_and(|name| name == sensor) && map.contains_key("verdict") => {
            found.push(json.clone());
        }
        Value::Object(map) => map.values().for_each(|one| measurements(one, sensor, found)),
        _ => {}
    }
}

/// Until what just happened is older than the sensors' lag, so that the next observation asks for it.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(1_200)).await;
}

#[tokio::test]
async fn a_password_login_fails_the_observation_and_a_blind_log_is_no_evidence() {
    let stand = Stand::up().await;
    stand.keep("plan.toml", PLAN);
    // What came before the first observation does not count.
    stand.owner("SELECT 1");
    stand.health().await;
    a_moment().await;
    assert_eq!(observed(&stand, 0, "password logins").0, "passed");
    stand.admin("postgres", "SELECT 1");
    assert!(stand.sql("geoapp", "wrong", "geopgflex", "SELECT 1").is_err());
    stand.health().await;
    a_moment().await;
    // The app itself still signs in by its password.
    let (state, why) = observed(&stand, 10, "password logins");
    assert!(state == "failed" && why.starts_with("1 logins of the old role between"), "{state}: {why}");
    assert_eq!(newest(&stand, "fallbacks").0, "passed");
    assert_eq!(newest(&stand, "restarts").0, "passed");
    let ledger = exported(&stand);
    assert!(ledger.contains("\"event\": \"restart\""), "{ledger}");
    // What was counted once is not counted again.
    stand.admin("postgres", "SELECT 1");
    a_moment().await;
    assert_eq!(observed(&stand, 0, "password logins").0, "passed");
    for (knob, why) in [
        (json!({"query_empty": true}), "HTTP 204"),
        (json!({"query_partial": true}), "PartialError"),
        (json!({"query_blind": true}), "may not be read"),
        (json!({"ingestion_ms": 86_400_000}), "no control entry"),
    ] {
        stand.control("POST", "knobs", knob.clone()).await;
        for sensor in ["password logins", "fallbacks"] {
            let (state, said) = observed(&stand, 10, sensor);
            assert!(state == "blind" && said.contains(why), "{sensor} with {knob}: {state}: {said}");
        }
        let off = json!({"query_empty": false, "query_partial": false, "query_blind": false, "ingestion_ms": 0});
        stand.control("POST", "knobs", off).await;
    }
}

#[tokio::test]
async fn time_before_logging_was_switched_is_not_covered() {
    const LOGGED: &str = "/../../../Microsoft.DBforPostgreSQL/flexibleServers/rmhpgflex/configurations/log_connections";
    let stand = Stand::up().await;
    stand.keep("plan.toml", PLAN);
    stand.run(&["observe", "plan.toml"]);
    for value in ["off", "on"] {
        stand.arm("PUT", LOGGED, json!({"properties": {"value": value, "source": "user-override"}})).await;
        a_moment().await;
    }
    // Somebody signs in, so that there is a sign that logins are logged again.
    stand.admin("postgres", "SELECT 1");
    a_moment().await;
    stand.run(&["observe", "plan.toml"]);
    let (state, value) = newest(&stand, "password logins");
    assert!(state == "passed" && value.contains("log_connections was changed at"), "{state}: {value}");
}

#[tokio::test]
async fn a_fallback_fails_the_observation() {
    let stand = Stand::up().await;
    stand.keep("plan.toml", PLAN);
    stand.health().await;
    a_moment().await;
    assert_eq!(observed(&stand, 0, "fallbacks").0, "passed");
    // Told to use an identity that it does not have, the app goes back to its password.
    let mut settings = stand.settings().await;
    settings["USE_MANAGED_IDENTITY"] = json!("true");
    stand.arm("PUT", "/config/appsettings", json!({ "properties": settings })).await;
    for _ in 0..100 {
        if stand.run(&["sandbox", "log", "--processes"]).out.contains("Falling back to password") {
            break;
        }
        stand.health().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    a_moment().await;
    let (state, why) = observed(&stand, 10, "fallbacks");
    assert!(state == "failed" && why.contains("fallbacks to the password between"), "{state}: {why}");
}

/// Where the diagnostic setting sends logs of all kinds into one table, the sensor finds them there.
#[tokio::test]
async fn the_legacy_table_of_the_servers_log_does_as_well() {
    let stand = Stand::up().await;
    stand.keep("plan.toml", PLAN);
    stand.control("POST", "knobs", json!({"azure_diagnostics": true})).await;
    let token = stand
        .control(
            "POST",
            "token",
            json!({"object_id": "55555555-5555-4555-8555-555555555555",
        "audience": "https://api.loganalytics.io"}),
        )
        .await;
    let token = token["access_token"].as_str().unwrap();
    let own = stand.workspace(token, "PGSQLServerLogs | take 1").await;
    assert!(own["error"].is_object(), "there is no table of its own: {own}");
    stand.health().await;
    a_moment().await;
    assert_eq!(observed(&stand, 0, "password logins").0, "passed");
    stand.health().await;
    a_moment().await;
    let (state, why) = observed(&stand, 10, "password logins");
    assert!(state == "failed" && why.contains("logins of the old role between"), "{state}: {why}");
    let rows =
        stand.workspace(token, "AzureDiagnostics | where Resource =~ 'rmhpgflex' and errorLevel_s == 'LOG' | take 1");
    assert_eq!(rows.await["tables"][0]["rows"].as_array().map(Vec::len), Some(1));
}

/// The scope of the newest observation of the traces.
fn scope(stand: &Stand) -> Value {
    let all: Value = serde_json::from_str(&exported(stand)).unwrap();
    let mut found = Vec::new();
    scopes(&all, &mut found);
    found.pop().unwrap_or_else(|| panic!("{all:#}"))
}

fn scopes(json: &Value, found: &mut Vec<Value>) {
    match json {
        Value::Array(list) => list.iter().for_each(|one| scopes(one, found)),
        Value::Object(map) if map.get("validation").is_some_and(|name| name == "traces") => {
            found.extend(map.get("scope").filter(|scope| scope.is_object()).cloned());
            map.values().for_each(|one| scopes(one, found));
        }
        Value::Object(map) => map.values().for_each(|one| scopes(one, found)),
        _ => {}
    }
}

#[tokio::test]
async fn what_is_deployed_is_part_of_the_scope_where_the_plan_file_says_so() {
    const FACT: &str = "deployment of app rmhazuregeoapi";
    let stand = Stand::up().await;
    stand.keep("plan.toml", PLAN);
    stand.health().await;
    a_moment().await;
    observed(&stand, 0, "fallbacks");
    assert!(scope(&stand).get(FACT).is_none(), "{}", scope(&stand));
    stand.keep("plan.toml", &PLAN.replace("restart = true", "deployment = true"));
    observed(&stand, 0, "fallbacks");
    assert_eq!(scope(&stand)[FACT], "none");
    stand.run(&["sandbox", "package", "--out", "app.zip"]).ends(0);
    let deployment = "[app.rmhazuregeoapi]\n[app.rmhazuregeoapi.deployment]\nzip = \"app.zip\"\nkeep = true\n";
    let deploy = PLAN.split("[validation").next().unwrap().replace("[app.rmhazuregeoapi]", deployment);
    stand.keep("deploy.toml", &deploy.replace("name = \"sensors\"", "name = \"deploy\""));
    stand.apply("deploy.toml").ends(0);
    stand.health().await;
    stand.run(&["observe", "plan.toml"]).says(&["0s of 7d: held", FACT]);
    assert!(scope(&stand)[FACT].as_str().is_some_and(|content| content.starts_with("sha256:")), "{}", scope(&stand));
}

/// A service that stays is stopped by SIGTERM: it ends well, with nothing half written and nothing locked.
#[tokio::test]
async fn a_repeated_observation_ends_well_on_sigterm() {
    let stand = Stand::up().await;
    stand.keep("plan.toml", PLAN);
    stand.health().await;
    a_moment().await;
    let mut command = stand.program(crate::stand::PGENTRA);
    command.args(["observe", "plan.toml", "--every", "1h"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = lines.map_while(Result::ok).any(|line| line.contains("Observing again in 3600 s"));
    assert!(waits, "it did not stay");
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    stand.run(&["evidence", "verify", "plan.toml"]).ends(0);
    stand.run(&["observe", "plan.toml", "--lock-timeout", "0s"]);
    assert!(scope(&stand).is_object());
}
