//! How one run is disturbed: by Azure, inside PostgreSQL, by a signal, by a kill.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::Executor as _;

use super::matrix::{ArmFault, Calls, SITE};
use super::sandbox::{APPLY, Sandbox};

/// How a step inside PostgreSQL is hit: while its transaction waits for a lock that we hold.
#[derive(Clone, Copy, PartialEq)]
pub enum Hit {
    /// The server ends the session: nothing was committed.
    Cut,
    /// pgentra is killed: the server rolls back when it finds the session gone.
    Killed,
    /// pgentra is killed once the lock is free again: it may have committed.
    KilledLate,
}

/// Runs to a fault of Azure's, and takes the fault away.
pub async fn arm_fault(sandbox: &Sandbox, calls: &Calls, fault: &ArmFault) {
    let (method, path) = if fault.on_look { calls.look } else { calls.write };
    let mut rule = (fault.rule)();
    rule["method"] = json!(method);
    rule["path"] = json!(path);
    if !fault.on_look {
        rule["nth"] = json!(calls.nth);
    }
    sandbox.control("POST", "faults", &rule).await;
    let mut child = sandbox.spawn(&APPLY);
    if fault.killed {
        until(sandbox, &format!("\"started\",\"step\":\"{}.", calls.kind)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        child.kill().unwrap();
    }
    let ended = sandbox.wait(child);
    assert!([0, 6, -1].contains(&ended.code), "{} x {}: exit {}\n{}", calls.kind, fault.name, ended.code, ended.said);
    // A call in flight takes effect although its caller is gone.
    tokio::time::sleep(Duration::from_millis(if fault.killed { 2000 } else { 0 })).await;
    sandbox.control("DELETE", "faults", &Value::Null).await;
}

/// Asks a run to end while Azure works on its change: it says where to ask for that, and ends long before it.
pub async fn signal(sandbox: &Sandbox, calls: &Calls) {
    const SLOW: Duration = Duration::from_secs(12);
    // The call is held up until Azure works slowly; what came before it did not.
    let (method, path) = calls.write;
    let held_up = json!({ "method": method, "path": path, "nth": calls.nth, "action": "latency", "ms": 1000 });
    sandbox.control("POST", "faults", &held_up).await;
    let child = sandbox.spawn(&APPLY);
    until(sandbox, &format!("\"started\",\"step\":\"{}.", calls.kind)).await;
    let before = sandbox.control("GET", "knobs", &Value::Null).await["operation_ms"].clone();
    sandbox.control("POST", "knobs", &json!({ "operation_ms": SLOW.as_millis() })).await;
    until(sandbox, &format!("\"accepted\",\"step\":\"{}.", calls.kind)).await;
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let asked = Instant::now();
    let ended = sandbox.wait(child);
    sandbox.control("POST", "knobs", &json!({ "operation_ms": before })).await;
    sandbox.control("DELETE", "faults", &Value::Null).await;
    assert_eq!(ended.code, 6, "{}", ended.said);
    assert!(asked.elapsed() < SLOW / 2, "it ends {:?} after it was asked to", asked.elapsed());
}

/// Waits until the journal says something.
async fn until(sandbox: &Sandbox, text: &str) {
    for _ in 0..6000 {
        if sandbox.journal().contains(text) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the journal never says {text}:\n{}", sandbox.journal());
}

/// Runs until the write of a kind waits for a lock inside PostgreSQL, and hits it there.
pub async fn sql_fault(sandbox: &Sandbox, kind: &str, lock: &'static str, hit: Hit) {
    let mut child = sandbox.spawn(&APPLY);
    // The lock is taken while the rest is still being planned: nothing before the kind has to change this catalog.
    until(sandbox, "\"done\",\"step\":\"server_admin.").await;
    let mut superuser = sandbox.superuser("geopgflex").await;
    superuser.execute(lock).await.unwrap();
    until(sandbox, &format!("\"started\",\"step\":\"{kind}.")).await;
    let mut watcher = sandbox.superuser("postgres").await;
    let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename <> 'azuresu'";
    let mut pid: Option<i32> = None;
    for _ in 0..1000 {
        pid = sqlx::query_scalar(waiting).fetch_optional(&mut watcher).await.unwrap();
        if pid.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = pid.expect("its write waits for the lock");
    if hit == Hit::Killed {
        child.kill().unwrap();
    }
    if hit == Hit::Cut {
        sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut watcher).await.unwrap();
    }
    superuser.execute("ROLLBACK").await.unwrap();
    if hit == Hit::KilledLate {
        tokio::time::sleep(Duration::from_millis(3)).await;
        child.kill().unwrap();
    }
    let ended = sandbox.wait(child);
    assert!([0, 6, -1].contains(&ended.code), "{kind}: exit {}\n{}", ended.code, ended.said);
}

/// A check changes nothing, so what can happen to it is to fail, and to be killed while it looks. While the address of
/// the app cannot be had, its health cannot be asked for.
pub async fn check_fault(sandbox: &Sandbox, killed: bool) {
    let mut child = sandbox.spawn(&APPLY);
    until(sandbox, "\"done\",\"step\":\"app_settings.").await;
    let body = json!({ "error": { "code": "ResourceNotFound", "message": "planted" } });
    let refused = json!({ "method": "GET", "path": SITE, "times": 0, "action": "status", "status": 404, "body": body });
    sandbox.control("POST", "faults", &refused).await;
    if killed {
        until(sandbox, "\"started\",\"step\":\"check.\\\"rmhazuregeoapi health").await;
        child.kill().unwrap();
    }
    let ended = sandbox.wait(child);
    assert!([0, 6, -1].contains(&ended.code), "exit {}\n{}", ended.code, ended.said);
    sandbox.control("DELETE", "faults", &Value::Null).await;
}
