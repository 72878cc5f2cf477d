//! Each kind x fault x {resume, rollback}, with the built binary in the sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use pgentra::model::Nature;
use pgentra::resources::schemas;
use serde_json::{Value, json};
use sqlx::Executor as _;

use super::same::World;
use super::sandbox::{APPLY, Sandbox, block_on, spread};
use super::{asked_for, wanted};

/// What a kind calls when it writes, and what it calls when it looks; in the plan file that has it.
struct Calls {
    kind: &'static str,
    plan: &'static str,
    write: (&'static str, &'static str),
    look: (&'static str, &'static str),
    /// Which of these writes is the kind's: others of its plan file come first.
    nth: usize,
    long_running: bool,
}

const SITE: &str = "*/sites/rmhazuregeoapi";
const SERVER: &str = "*/flexibleservers/rmhpgflex";
const SECRETS: &str = "/vaults/kv-ops/secrets/*";

const ARM: [Calls; 11] = [
    Calls {
        kind: "server_auth",
        plan: MIGRATION,
        write: ("PATCH", SERVER),
        look: ("GET", SERVER),
        nth: 1,
        long_running: true,
    },
    Calls {
        kind: "server_admin",
        plan: MIGRATION,
        write: ("PUT", "*/administrators/*"),
        look: ("GET", "*/administrators/*"),
        nth: 1,
        long_running: true,
    },
    Calls {
        kind: "app_identity",
        plan: MIGRATION,
        write: ("PATCH", SITE),
        look: ("GET", SITE),
        nth: 1,
        long_running: false,
    },
    Calls {
        kind: "app_settings",
        plan: MIGRATION,
        write: ("PUT", "*/config/appsettings"),
        look: ("POST", "*/config/appsettings/list"),
        nth: 1,
        long_running: false,
    },
    Calls {
        kind: "slot_settings",
        plan: "slot_settings.toml",
        write: ("PUT", "*/config/slotconfignames"),
        look: ("GET", "*/config/slotconfignames"),
        nth: 1,
        long_running: false,
    },
    Calls {
        kind: "escrow",
        plan: "escrow.toml",
        write: ("PUT", SECRETS),
        look: ("GET", SECRETS),
        nth: 1,
        long_running: false,
    },
    Calls {
        kind: "password_setting",
        plan: "password_setting.toml",
        write: ("PUT", "*/config/appsettings"),
        look: ("POST", "*/config/appsettings/list"),
        nth: 1,
        long_running: false,
    },
    Calls {
        kind: "server_password_auth",
        plan: "server_password_auth.toml",
        write: ("PATCH", SERVER),
        look: ("GET", SERVER),
        nth: 2,
        long_running: true,
    },
    Calls {
        kind: "deployment",
        plan: "deployment.toml",
        write: ("POST", "/scm/*/api/zipdeploy"),
        look: ("GET", "/scm/*/api/deployments/latest"),
        nth: 1,
        long_running: true,
    },
    Calls {
        kind: "firewall_rule",
        plan: "firewall_rule.toml",
        write: ("PUT", "*/firewallrules/*"),
        look: ("GET", "*/firewallrules/*"),
        nth: 1,
        long_running: true,
    },
    Calls {
        kind: "database",
        plan: "database.toml",
        write: ("PUT", "*/databases/*"),
        look: ("GET", "*/databases/*"),
        nth: 1,
        long_running: true,
    },
];

const MIGRATION: &str = "rmhazuregeoapi.toml";

/// A fault of Azure's, as the control endpoint takes it.
struct ArmFault {
    name: &'static str,
    on_look: bool,
    only_long_running: bool,
    killed: bool,
    rule: fn() -> Value,
}

const ARM_FAULTS: [ArmFault; 8] = [
    arm("error before", || json!({ "times": 0, "action": "status", "status": 500, "body": error() })),
    arm(
        "error after",
        || json!({ "times": 0, "action": "status", "status": 500, "body": error(), "after_effect": true }),
    ),
    arm("lost reply", || json!({ "times": 0, "action": "lost_reply" })),
    arm("lie", || json!({ "times": 1, "action": "lie" })),
    arm("throttled", || json!({ "times": 1, "action": "status", "status": 429, "body": error(), "retry_after": 1 })),
    ArmFault { on_look: true, ..arm("stale read", || json!({ "nth": 3, "times": 2, "action": "stale_read" })) },
    ArmFault { killed: true, ..arm("half-way", || json!({ "times": 0, "action": "latency", "ms": 1500 })) },
    ArmFault {
        only_long_running: true,
        ..arm("fails late", || json!({ "action": "lro_fails_late", "code": "InternalServerError", "message": "late" }))
    },
];

const fn arm(name: &'static str, rule: fn() -> Value) -> ArmFault {
    ArmFault { name, on_look: false, only_long_running: false, killed: false, rule }
}

fn error() -> Value {
    json!({ "error": { "code": "InternalServerError", "message": "planted" } })
}

/// How a step inside PostgreSQL is hit: while its transaction waits for a lock that we hold.
#[derive(Clone, Copy, PartialEq)]
enum Hit {
    /// The server ends the session: nothing was committed.
    Cut,
    /// pgentra is killed: the server rolls back when it finds the session gone.
    Killed,
    /// pgentra is killed once the lock is free again: it may have committed.
    KilledLate,
}

const SQL_FAULTS: [(&str, Hit); 3] =
    [("connection cut", Hit::Cut), ("killed in it", Hit::Killed), ("killed after it", Hit::KilledLate)];

const ROLES: &str = "BEGIN; LOCK TABLE pg_catalog.pg_authid IN SHARE MODE";

/// What makes a write of each kind wait: a lock on a catalog that it has to change.
const SQL: [(&str, &str, &str); 5] = [
    ("database_role", MIGRATION, ROLES),
    ("database_grants", MIGRATION, "BEGIN; LOCK TABLE pg_catalog.pg_class IN SHARE MODE"),
    ("password_login", "password_login.toml", ROLES),
    ("role_password", "role_password.toml", ROLES),
    ("schema", "schema.toml", "BEGIN; LOCK TABLE pg_catalog.pg_namespace IN SHARE MODE"),
];

#[derive(Default)]
struct Coverage(BTreeMap<(&'static str, &'static str), [usize; 2]>);

impl Coverage {
    fn print(&self) {
        println!("{:<18}{:<18}{:>8}{:>10}", "kind", "fault", "resume", "rollback");
        for ((kind, fault), [resumed, back]) in &self.0 {
            println!("{kind:<18}{fault:<18}{resumed:>8}{back:>10}");
            assert!(*resumed > 0 && *back > 0, "nothing covers {kind} x {fault}");
        }
    }
}

/// What was left is finished (`way` 0) or undone (`way` 1), and the world is as it should be.
async fn conclude(sandbox: &Sandbox, (before, after): &(World, World), way: usize, told: &str) {
    if way == 0 {
        let ended = sandbox.resume();
        assert_eq!(ended.code, 0, "{told}: resume\n{}\n{}", ended.said, sandbox.journal());
        let now = World::of(sandbox).await;
        assert!(now == *after, "{told}: resumed\n{}", after.difference(&now));
    } else {
        let ended = sandbox.rollback(&[]);
        assert_eq!(ended.code, 0, "{told}: rollback\n{}\n{}", ended.said, sandbox.journal());
        let (now, before) = (World::of(sandbox).await.without_kept(), before.without_kept());
        assert!(now == before, "{told}: rolled back\n{}", before.difference(&now));
    }
}

/// What is done to a run.
#[derive(Clone, Copy)]
enum How {
    Arm(&'static Calls, &'static ArmFault),
    Sql(&'static str, &'static str, Hit),
    Check { killed: bool },
}

/// One row of the matrix, in one direction.
struct Row {
    kind: &'static str,
    fault: &'static str,
    plan: &'static str,
    /// 0: finished by a resume, 1: undone by a rollback.
    way: usize,
    how: How,
}

impl Row {
    fn told(&self) -> String {
        format!("{} x {} x {}", self.kind, self.fault, ["resume", "rollback"][self.way])
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for way in [0, 1] {
        for calls in &ARM {
            for fault in ARM_FAULTS.iter().filter(|fault| calls.long_running || !fault.only_long_running) {
                rows.push(Row {
                    kind: calls.kind,
                    fault: fault.name,
                    plan: calls.plan,
                    way,
                    how: How::Arm(calls, fault),
                });
            }
        }
        for (kind, plan, lock) in SQL {
            for (fault, hit) in SQL_FAULTS {
                rows.push(Row { kind, fault, plan, way, how: How::Sql(kind, lock, hit) });
            }
        }
        for (fault, killed) in [("fails", false), ("killed in it", true)] {
            rows.push(Row { kind: "check", fault, plan: MIGRATION, way, how: How::Check { killed } });
        }
    }
    rows.retain(|row| wanted(&row.told()));
    rows
}

#[test]
fn every_kind_is_finished_and_undone_after_every_fault() {
    if !asked_for() {
        return;
    }
    let rows = rows();
    let mut courses: BTreeMap<&str, (World, World)> = BTreeMap::new();
    let mut sandbox = Sandbox::up();
    for row in &rows {
        courses.entry(row.plan).or_insert_with(|| block_on(course(&mut sandbox, row.plan)));
    }
    drop(sandbox);
    spread(&rows, |sandbox, row| {
        println!("{}", row.told());
        sandbox.begin(row.plan);
        block_on(async {
            match row.how {
                How::Arm(calls, fault) => arm_fault(sandbox, calls, fault).await,
                How::Sql(kind, lock, hit) => sql_fault(sandbox, kind, lock, hit).await,
                How::Check { killed } => check_fault(sandbox, killed).await,
            }
            conclude(sandbox, &courses[row.plan], row.way, &row.told()).await;
        });
    });
    let mut coverage = Coverage::default();
    for row in &rows {
        coverage.0.entry((row.kind, row.fault)).or_default()[row.way] += 1;
    }
    coverage.print();
    if std::env::var_os("PGENTRA_LONG_ONLY").is_none() {
        // A gate has no steps to be disturbed.
        for schema in schemas().into_iter().filter(|schema| schema.nature != Nature::Gate) {
            assert!(coverage.0.keys().any(|(kind, _)| *kind == schema.kind), "nothing covers {}", schema.kind);
        }
    }
}

/// How a plan file goes when nothing happens to it: the world before and after.
async fn course(sandbox: &mut Sandbox, plan: &str) -> (World, World) {
    sandbox.begin(plan);
    let before = World::of(sandbox).await;
    let ended = sandbox.apply();
    assert_eq!(ended.code, 0, "{}", ended.said);
    let after = World::of(sandbox).await;
    assert_ne!(before, after);
    (before, after)
}

/// Runs to a fault of Azure's, and takes the fault away.
async fn arm_fault(sandbox: &Sandbox, calls: &Calls, fault: &ArmFault) {
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
async fn sql_fault(sandbox: &Sandbox, kind: &str, lock: &'static str, hit: Hit) {
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
async fn check_fault(sandbox: &Sandbox, killed: bool) {
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
