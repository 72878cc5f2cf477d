//! The store in a PostgreSQL schema, through the program: signed in by token over TLS, and left by a holder that died.

use serde_json::json;

use crate::stand::{PGENTRA, Stand};

#[tokio::test]
async fn journals_and_the_lock_live_in_a_schema_that_a_token_opens() {
    let stand = Stand::up().await;
    stand.apply("plan.toml").ends(0);
    let plan =
        include_str!("../../plans/app_settings.toml").replace("USE_MANAGED_IDENTITY = \"true\"", "EXTRA = \"1\"");
    let host = &stand.vars["PGENTRA_SANDBOX_POSTGRES_HOST"];
    let store = format!("postgres://pg-deployers@{host}:5432/geopgflex?schema=pgentra");
    stand.keep("settings.toml", &format!("{plan}\n[store]\nurl = \"{store}\"\n"));

    // Whoever dies while holding the lock leaves an open run and no lock.
    stand.plant(json!({"method": "PUT", "path": "*/config/appsettings", "action": "latency", "ms": 3000})).await;
    let apply = ["apply", "--auto-approve", "settings.toml"];
    let mut first = stand.program(PGENTRA).args(apply).spawn().unwrap();
    let started = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
    while stand.admin("geopgflex", started) == "0" {
        assert!(first.try_wait().unwrap().is_none(), "the first apply ended without a lock");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stand.run(&["apply", "--auto-approve", "settings.toml", "--lock-timeout", "0s"]).ends(8).says(&["is locked"]);
    first.kill().unwrap();
    first.wait().unwrap();
    stand.control("DELETE", "faults", json!(null)).await;

    stand.run(&["apply", "--auto-approve", "--resume", "settings.toml"]).ends(0);
    stand.settled("settings.toml");
    assert_eq!(stand.settings().await["EXTRA"], "1");
    stand.run(&["history", "settings.toml"]).ends(0).says(&["apply"]);
    stand.run(&["rollback", "--auto-approve", "--file", "settings.toml"]).ends(0);
    assert_eq!(stand.settings().await.get("EXTRA"), None);
    assert!(!stand.here().join(".pgentra/app_settings").exists(), "nothing of it is kept beside the plan file");
    let kept = stand.admin("geopgflex", "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgentra'");
    assert_eq!(kept, "1");
}
