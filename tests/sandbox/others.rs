//! What others do meanwhile: an identity made anew, identities and settings that are theirs, writers in between.

use serde_json::{Value, json};

use crate::stand::Stand;

const IDENTITY: &str = "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/rmhazure_rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/rmh-geo-identity";

#[tokio::test]
async fn a_role_follows_an_identity_that_was_made_anew_and_keeps_its_grants() {
    let stand = Stand::up().await;
    stand.apply("plan.toml").ends(0);
    let look = "SELECT oid FROM pg_roles WHERE rolname = 'rmhazuregeoapi-identity'";
    let grants = "SELECT md5(string_agg(relname || relacl::text, ',' ORDER BY relname)) FROM pg_class \
        WHERE relacl::text LIKE '%rmhazuregeoapi-identity%'";
    let (role, rights) = (stand.owner(look), stand.owner(grants));

    let new = stand.control("POST", "identity/recreate", json!({"site": "rmhazuregeoapi"})).await;
    let ill = stand.health().await;
    assert_eq!(ill["status"], "unhealthy", "{ill}");
    let new = new["principal_id"].as_str().unwrap();
    let plan = stand.run(&["plan", "--detailed-exitcode", "plan.toml"]).ends(2);
    plan.says(&["database_role.rmhazuregeoapi-identity will be updated in-place", new]);
    stand.apply("plan.toml").ends(0);
    stand.settled("plan.toml");
    assert_eq!((stand.owner(look), stand.owner(grants)), (role, rights), "the same role with the same grants");
    assert_eq!(stand.health().await["status"], "healthy");
}

#[tokio::test]
async fn what_belongs_to_others_stays() {
    let stand = Stand::up().await;
    let theirs = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}});
    stand.arm("PATCH", "", theirs).await;
    stand.control("POST", "settings", json!({"site": "rmhazuregeoapi", "key": "THEIRS", "value": " é\n\"x\" "})).await;
    let before = stand.settings().await;
    stand.control("DELETE", "requests", Value::Null).await;
    // Between the look before the write and the write itself somebody else writes two settings.
    let writer = |nth: u64, key: &str| {
        json!({"method": "POST", "path": "*/config/appsettings/list", "nth": nth, "action": "second_writer",
            "site": "rmhazuregeoapi", "key": key, "value": "in between"})
    };
    for (nth, key) in [(1, "FIRST"), (2, "SECOND"), (3, "THIRD")] {
        stand.plant(writer(nth, key)).await;
    }
    stand.apply("plan.toml").ends(0);
    stand.control("DELETE", "faults", Value::Null).await;
    let mut expected = before.as_object().unwrap().clone();
    for key in ["FIRST", "SECOND", "THIRD"] {
        expected.insert(key.into(), json!("in between"));
    }
    expected.insert("USE_MANAGED_IDENTITY".into(), json!("true"));
    expected.insert("MANAGED_IDENTITY_NAME".into(), json!("rmhazuregeoapi-identity"));
    assert_eq!(stand.settings().await, Value::Object(expected));
    let puts = stand.writes().await;
    let puts = puts.iter().filter(|one| one.starts_with("PUT") && one.ends_with("/config/appsettings")).count();
    assert_eq!(puts, 1, "all settings in one write");
    let site = stand.arm("GET", "", Value::Null).await;
    assert_eq!(site["identity"]["type"], "SystemAssigned, UserAssigned");
    assert!(site["identity"]["userAssignedIdentities"][IDENTITY].is_object(), "{site}");
    stand.settled("plan.toml");
}

#[tokio::test]
async fn a_privilege_that_is_gone_from_a_rule_is_revoked() {
    let stand = Stand::up().await;
    stand.apply("plan.toml").ends(0);
    let deletes = "SELECT count(*) FROM pg_tables WHERE schemaname = 'geo' \
        AND has_table_privilege('rmhazuregeoapi-identity', format('%I.%I', schemaname, tablename), 'DELETE')";
    assert_ne!(stand.owner(deletes), "0");
    let whole = std::fs::read_to_string(stand.here().join("plan.toml")).unwrap();
    let less = whole.replace(r#""UPDATE", "DELETE"]"#, r#""UPDATE"]"#);
    assert_ne!(whole, less);
    stand.keep("plan.toml", &less);
    stand.run(&["plan", "--detailed-exitcode", "plan.toml"]).ends(2).says(&["DELETE"]);
    stand.run(&["render", "sql", "plan.toml"]).ends(0).says(&["REVOKE DELETE ON"]);
    stand.apply("plan.toml").ends(0);
    assert_eq!(stand.owner(deletes), "0");
    stand.settled("plan.toml");
    stand.run(&["rollback", "--auto-approve", "plan.toml"]).ends(0);
    assert_ne!(stand.owner(deletes), "0");
}

#[tokio::test]
async fn of_two_applies_at_once_one_waits_and_one_names_who_holds_the_lock() {
    let stand = Stand::up().await;
    let slow = json!({"method": "PUT", "path": "*/config/appsettings", "action": "latency", "ms": 6000});
    stand.plant(slow).await;
    let apply = ["apply", "--auto-approve", "plan.toml", "--lock-timeout"];
    let start = |timeout: &str| stand.program(crate::stand::PGENTRA).args(apply).arg(timeout).spawn().unwrap();
    let mut first = start("0s");
    while !stand.here().join(".pgentra/rmhazuregeoapi/runs").read_dir().is_ok_and(|mut runs| runs.next().is_some()) {
        assert!(first.try_wait().unwrap().is_none(), "the first apply ended without a journal");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut waiting = start("5m");
    let refused = stand.run(&["apply", "--auto-approve", "plan.toml", "--lock-timeout", "0s"]).ends(8);
    refused.says(&["is locked", "apply", &first.id().to_string()]);
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    stand.settled("plan.toml");
    let history = stand.run(&["history", "plan.toml"]).ends(0);
    assert_eq!(history.out.matches("apply").count(), 1, "the second found nothing to do: {}", history.out);
}

#[tokio::test]
async fn an_owned_setting_that_somebody_else_changed_meanwhile_is_a_conflict() {
    let stand = Stand::up().await;
    let plan = include_str!("../../plans/app_settings.toml");
    stand.keep("settings.toml", plan);
    let path = "*/config/appsettings/list";
    stand
        .plant(json!({"method": "POST", "path": path, "action": "second_writer", "site": "rmhazuregeoapi",
            "key": "USE_MANAGED_IDENTITY", "value": "maybe"}))
        .await;
    let ran = stand.apply("settings.toml");
    assert!([5, 7].contains(&ran.code), "{ran:?}");
    ran.says(&["USE_MANAGED_IDENTITY"]);
    assert_eq!(stand.settings().await["USE_MANAGED_IDENTITY"], "maybe", "nothing was overwritten");
}

#[tokio::test]
async fn drift_is_told_unless_it_is_allowed() {
    let stand = Stand::up().await;
    let plan = include_str!("../../plans/app_settings.toml");
    stand.keep("settings.toml", plan);
    stand.apply("settings.toml").ends(0);
    let drift = ["plan", "--refresh-only", "--expect-no-changes", "settings.toml"];
    stand.run(&drift).ends(0).says(&["No changes."]);
    let change = json!({"site": "rmhazuregeoapi", "key": "USE_MANAGED_IDENTITY", "value": "maybe"});
    stand.control("POST", "settings", change).await;
    let told = stand.run(&drift).ends(2);
    let told = told.says(&["USE_MANAGED_IDENTITY", "1 to change"]);
    assert!(!told.out.contains("digest"), "what is shown is not all that an apply would do: {}", told.out);
    let path = "app_settings.rmhazuregeoapi.settings.USE_MANAGED_IDENTITY";
    let passed_over = format!("Passed over, as it may differ: {path}");
    stand.run(&[&drift[..], &["--ignore", path]].concat()).ends(0).says(&["No changes.", &passed_over]);
    stand.keep("settings.toml", &format!("{plan}\n[drift]\nignore = [\"app_settings.*\"]\n"));
    stand.run(&drift).ends(0).says(&["No changes."]);
    stand.run(&["plan", "--expect-no-changes", "settings.toml"]).ends(2);
}

/// Where only a line is left for why something cannot be seen, it gets a line.
#[tokio::test]
async fn a_reason_in_a_table_is_one_line() {
    let stand = Stand::up().await;
    for words in [
        "doctor plan.toml --can-i",
        "plan plan.toml --explain database_grants.geopgflex --replaces geoapp",
        "status plan.toml",
        "verify plan.toml",
    ] {
        let ran = stand.run(&words.split(' ').collect::<Vec<_>>());
        assert!(ran.out.contains("SQLSTATE 28P01") && !ran.out.contains("\\n"), "{words}: {}", ran.out);
    }
}
