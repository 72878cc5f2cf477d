//! Each kind x fault x {resume, rollback}, with the built binary in the sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use pgentra::model::Nature;
use pgentra::resources::schemas;
use serde_json::{Value, json};

use super::hits::{Hit, arm_fault, check_fault, signal, sql_fault};
use super::same::World;
use super::sandbox::{Sandbox, block_on, spread};
use super::{asked_for, wanted};

/// What a kind calls when it writes, and what it calls when it looks; in the plan file that has it.
pub struct Calls {
    pub kind: &'static str,
    pub plan: &'static str,
    pub write: (&'static str, &'static str),
    pub look: (&'static str, &'static str),
    /// Which of these writes is the kind's: others of its plan file come first.
    pub nth: usize,
    pub long_running: bool,
}

pub const SITE: &str = "*/sites/rmhazuregeoapi";
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
pub struct ArmFault {
    pub name: &'static str,
    pub on_look: bool,
    pub only_long_running: bool,
    pub killed: bool,
    pub rule: fn() -> Value,
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
        println!("{:<22}{:<18}{:>8}{:>10}", "kind", "fault", "resume", "rollback");
        for ((kind, fault), [resumed, back]) in &self.0 {
            println!("{kind:<22}{fault:<18}{resumed:>8}{back:>10}");
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
    Signal(&'static Calls),
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
        for calls in ARM.iter().filter(|calls| calls.long_running) {
            let how = How::Signal(calls);
            rows.push(Row { kind: calls.kind, fault: "signal", plan: calls.plan, way, how });
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
    let plans: BTreeSet<&str> = rows.iter().map(|row| row.plan).collect();
    let courses = Mutex::new(BTreeMap::new());
    let told = |plan: &&str| format!("{plan} undisturbed");
    spread(&plans.into_iter().collect::<Vec<_>>(), told, |sandbox, plan| {
        let course = block_on(course(sandbox, plan));
        courses.lock().unwrap().insert(*plan, course);
    });
    let courses: BTreeMap<&str, (World, World)> = courses.into_inner().unwrap();
    spread(&rows, Row::told, |sandbox, row| {
        sandbox.begin(row.plan);
        block_on(async {
            match row.how {
                How::Arm(calls, fault) => arm_fault(sandbox, calls, fault).await,
                How::Sql(kind, lock, hit) => sql_fault(sandbox, kind, lock, hit).await,
                How::Check { killed } => check_fault(sandbox, killed).await,
                How::Signal(calls) => signal(sandbox, calls).await,
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
