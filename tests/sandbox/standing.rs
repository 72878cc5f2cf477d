//! `status` at several stages of a live migration: before, migrated, observed, attested.

use serde_json::Value;

use crate::stand::{MIGRATION, Stand};

const VALIDATION: &str = r#"
[validation.rmhazuregeoapi]
period = "7d"
every = "24h"
old_role = "geoapp"
server = "rmhpgflex"
allow_unsigned = true
fresh_token = true

[[validation.rmhazuregeoapi.sensor]]
name = "fallbacks"
kind = "fallback"
app_insights = "829adb94-5f5c-46ae-9f00-18e731529222"
lag = "1s"

[[validation.rmhazuregeoapi.sensor]]
name = "tokens"
kind = "query"
app_insights = "829adb94-5f5c-46ae-9f00-18e731529222"
lag = "1s"
query = "traces | where message contains 'Token acquired' | project timestamp"
control = "traces | take 1"
expect = "some"
proves = "fresh_token"
"#;

fn status(stand: &Stand) -> Value {
    serde_json::from_str(&stand.run(&["status", "plan.toml", "--format", "json"]).ends(0).out).unwrap()
}

#[track_caller]
fn state<'a>(status: &'a Value, line: &str) -> (&'a str, &'a str) {
    let all = status["checklist"].as_array().unwrap();
    let found = all.iter().find(|one| one["line"] == line).unwrap_or_else(|| panic!("no line {line}"));
    (found["state"].as_str().unwrap(), found["seen"].as_str().unwrap())
}

#[tokio::test]
async fn the_checklist_follows_the_migration() {
    let stand = Stand::up().await;
    stand.keep("plan.toml", &format!("{MIGRATION}{VALIDATION}"));
    let before = status(&stand);
    assert_eq!(before["complete"], false);
    for line in
        ["Enabled managed identity on the app", "Added USE_MANAGED_IDENTITY", "Remove the password from Azure config"]
    {
        assert_eq!(state(&before, line).0, "not_yet", "{line}");
    }
    assert_eq!(state(&before, "Verified existing PostgreSQL connection variables present").0, "done");
    stand.apply("plan.toml").ends(0);
    stand.health().await;
    let migrated = status(&stand);
    for line in [
        "Enabled managed identity on the app",
        "Verified identity exists (captured principal id)",
        "Ran the setup: role and grants",
        "All permission checks show YES",
        "Added MANAGED_IDENTITY_NAME",
        "Health endpoint returns connected with managed identity",
    ] {
        assert_eq!(state(&migrated, line).0, "done", "{line}: {migrated:#}");
    }
    let (held, why) = state(&migrated, "Zero authentication errors for the whole period");
    assert!(held == "held" && why.contains("no observation passed yet"), "{held}: {why}");
    assert_eq!(state(&migrated, "Test job submission succeeds").0, "cannot_be_seen");
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    stand.run(&["observe", "plan.toml"]).ends(0);
    let line = "Local development working with az login";
    stand.run(&["evidence", "attest", line, "--by", "Ada", "--plan", "plan.toml"]).ends(0);
    let observed = status(&stand);
    assert_eq!(state(&observed, "Test job submission succeeds").0, "done");
    assert_eq!(state(&observed, "Verify no fallback to password authentication").0, "done");
    assert_eq!(state(&observed, "All endpoints functional").0, "done");
    assert_eq!(state(&observed, line), ("attested", "by Ada"));
    let gate = &observed["gates"][0];
    assert!(gate["open"] == false && gate["earliest"].is_string() && gate["observations"] == 1, "{gate:#}");
    stand.run(&["status", "plan.toml", "--expect-complete"]).ends(10).says(&[
        "held",
        "not before",
        "Migration under way",
    ]);
}
