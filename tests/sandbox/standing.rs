//! `status` at several stages of a live migration: before, migrated, observed, attested, open, cleaned up, purge due, purged.

use serde_json::Value;

use crate::stand::{MIGRATION, Ran, Stand};

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

/// The evidence and the cleanup of an hour each; what is kept is purged after three.
const CLEANUP: &str = r#"
[validation.rmhazuregeoapi]
period = "1h"
every = "1h"
old_role = "geoapp"
allow_unsigned = true

[[validation.rmhazuregeoapi.sensor]]
name = "password logins"
kind = "server_logs"
workspace = "99999999-9999-4999-8999-999999999999"
lag = "1s"

[cleanup.rmhazuregeoapi]
password_login = true
soak = "1h"
remove_settings = ["POSTGIS_PASSWORD"]
escrow = { key_vault = "kv-ops", purge_after = "3h" }
"#;

const ESCROW: &str = "escrow.\"rmhazuregeoapi POSTGIS_PASSWORD\"";

/// What `status` says of an address: its state, and everything that is to be said besides.
fn resource(status: &Value, address: &str) -> (String, String) {
    let all = status["resources"].as_array().unwrap();
    let one = all.iter().find(|one| one["address"] == address).unwrap_or_else(|| panic!("{status:#}"));
    (one["state"].as_str().unwrap().to_owned(), one["notes"].to_string())
}

/// Observes after so much time.
#[track_caller]
fn observe(stand: &Stand, after: &str) -> Ran {
    stand.run(&["sandbox", "clock", "advance", after]).ends(0);
    stand.run(&["observe", "plan.toml"]).ends(0)
}

#[track_caller]
fn apply(stand: &Stand, code: i32) -> Ran {
    stand.run(&["apply", "--auto-approve", "--detailed-exitcode", "plan.toml"]).ends(code)
}

#[tokio::test]
async fn the_checklist_follows_the_cleanup_to_its_purge_which_waits_for_what_needs_the_escrow() {
    const GONE: &str = "Remove the password from Azure config";
    const WEEK: &str = "Zero authentication errors for the whole period";
    let stand = Stand::up().await;
    stand.keep("plan.toml", &format!("{MIGRATION}{CLEANUP}"));
    apply(&stand, 4).says(&["Apply complete!"]);
    stand.run(&["observe", "plan.toml"]).ends(0);
    let held = status(&stand);
    assert_eq!((state(&held, GONE).0, state(&held, WEEK).0), ("held", "held"), "{held:#}");
    assert_eq!(held["gates"][0]["open"], false);
    observe(&stand, "1h").says(&["open"]);
    let open = status(&stand);
    assert_eq!((state(&open, GONE).0, state(&open, WEEK).0), ("held", "done"), "{open:#}");
    assert_eq!((&open["gates"][0]["open"], &open["complete"]), (&true.into(), &false.into()));
    assert_eq!(resource(&open, "password_login.rmhazuregeoapi").0, "differs");
    apply(&stand, 4);
    // Until what was logged since is older than the sensor's lag.
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    stand.run(&["observe", "plan.toml"]).ends(0);
    observe(&stand, "1h");
    apply(&stand, 0);
    let cleaned = status(&stand);
    assert_eq!((state(&cleaned, GONE).0, state(&cleaned, "No password fallbacks in logs").0), ("done", "done"));
    let (kept, notes) = resource(&cleaned, ESCROW);
    assert!(kept == "as wanted" && notes.contains("is purged by the first apply after"), "{kept}: {notes}");

    // Nobody has looked for a while: the gate holds the purge, and status says that it is due all the same.
    stand.run(&["sandbox", "clock", "advance", "3h"]).ends(0);
    let (due, notes) = resource(&status(&stand), ESCROW);
    assert!(due == "held" && notes.contains("is due to be purged since"), "{due}: {notes}");
    stand.run(&["status", "plan.toml"]).ends(0).says(&["is due to be purged since"]);
    apply(&stand, 4).says(&["No changes.", "validation.rmhazuregeoapi holds it"]);
    stand.run(&["observe", "plan.toml"]);
    observe(&stand, "1h").says(&["open"]);

    // Another part is added, which needs what is kept for its way back: the purge waits for it.
    stand.keep("plan.toml", &format!("{MIGRATION}{CLEANUP}role_password = true\n"));
    let (waits, notes) = resource(&status(&stand), ESCROW);
    assert!(waits == "as wanted" && notes.contains("it waits for role_password.rmhazuregeoapi"), "{waits}: {notes}");
    apply(&stand, 0).says(&["role_password.rmhazuregeoapi: Modifications complete", "Steps: 1 done."]);
    assert!(stand.vault("GET", "secrets/rmhazuregeoapi-postgis-password", Value::Null).await["value"].is_string());
    apply(&stand, 0).says(&["for good", "1 irreversible step."]);
    stand.settled("plan.toml");
    stand.run(&["rollback", "--file", "plan.toml", "--auto-approve"]).ends(7).says(&["it is deleted for good"]);
}
