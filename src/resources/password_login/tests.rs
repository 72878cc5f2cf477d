//! Tests of `password_login` against a real server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{PasswordLogin, SCHEMA};
use crate::model::{Attributes, Class, Purpose, Undo, Value};
use crate::postgres::may_alter;
use crate::postgres::testing::{SERVER, SUPERUSER, Server, server};
use crate::resources::testing::{Bench, attributes, before, undo};
use crate::resources::{Kind, Watch};

fn bench(server: &Server, name: &str) -> Bench<'static> {
    Bench::new(&PasswordLogin, server.databases(&[SUPERUSER]), ("name", name))
}

fn off(more: &[(&str, &str)]) -> Attributes {
    let mut off = attributes([("login", Value::Bool(false))]);
    off.extend(more.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))));
    off
}

#[tokio::test]
async fn the_login_goes_and_comes_back() {
    let Some(server) = server() else { return };
    let name = "brown \"out\"; --";
    server.run("postgres", "CREATE ROLE \"brown \"\"out\"\"; --\" LOGIN").await;
    let bench = bench(server, name);
    let step = bench.step(&off(&[])).await;
    assert_eq!(step.before.as_ref().unwrap()["login"], Value::Bool(true));
    let statements = bench.statements(&step).await;
    assert_eq!(statements[1], "ALTER ROLE \"brown \"\"out\"\"; --\" NOLOGIN");
    bench.write(&step).await.unwrap();
    let seen = bench.look(&off(&[]), Purpose::Settle, None).await.unwrap();
    assert_eq!(before(&seen).unwrap(), off(&[]));
    bench.write(&undo(&step)).await.unwrap();
    assert_eq!(before(&bench.plan(&off(&[])).await).unwrap()["login"], Value::Bool(true));
}

#[tokio::test]
async fn open_sessions_are_told_and_ended_when_asked() {
    let Some(server) = server() else { return };
    server.run("postgres", "CREATE ROLE lingering LOGIN").await;
    let other = server.databases(&["lingering"]);
    let mut lease = other.lease(SERVER, "postgres", None).await.unwrap();
    let bench = bench(server, "lingering");
    let told = bench.plan(&off(&[])).await.notes;
    assert!(told.iter().any(|note| note.contains("\"lingering\" is connected")), "{told:?}");
    bench.write(&bench.step(&off(&[])).await).await.unwrap();
    lease.rows(sqlx::query("SELECT 1"), "go on").await.unwrap();
    let after = off(&[("end_sessions_after", "0s")]);
    bench.write(&bench.between(None, Some(after))).await.unwrap();
    lease.rows(sqlx::query("SELECT 1"), "go on").await.unwrap_err();
}

#[tokio::test]
async fn nobody_locks_himself_out_and_a_missing_role_is_no_hindrance() {
    let Some(server) = server() else { return };
    let own = bench(server, SUPERUSER);
    let failure = own.write(&own.between(None, Some(off(&[])))).await.unwrap_err();
    assert_eq!(failure.class, Class::Input);
    let gone = bench(server, "never_made");
    assert_eq!(before(&gone.plan(&off(&[])).await).unwrap(), off(&[]));
    let on = attributes([("login", Value::Bool(true))]);
    assert_eq!(gone.look(&on, Purpose::Plan, None).await.unwrap_err().class, Class::NotFound);
}

/// Asks the write to stop once it is told to.
#[derive(Default)]
struct Stopper(AtomicBool);

impl Watch for Stopper {
    fn note(&self, _text: &str) {}

    fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_wait_for_sessions_is_not_forgotten_and_keeps_nobody_waiting() {
    let Some(server) = server() else { return };
    server.run("postgres", "CREATE ROLE outliving LOGIN").await;
    let mut theirs = server.databases(&["outliving"]).lease(SERVER, "postgres", None).await.unwrap();
    let bench = bench(server, "outliving");
    let sessions = |end: &Attributes| end["sessions"].clone();
    let step = bench.step(&off(&[("end_sessions_after", "1h")])).await;
    assert_eq!(sessions(step.before.as_ref().unwrap()), Value::text("open"));
    assert_eq!(sessions(step.after.as_ref().unwrap()), Value::text("ended"));
    let watch = Stopper::default();
    let others = async {
        let taken = "SELECT 1 FROM pg_roles WHERE rolname = 'outliving' AND NOT rolcanlogin";
        while server.ask("postgres", taken).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let lease = bench.live.databases.lease(SERVER, "postgres", None);
        let lease = tokio::time::timeout(Duration::from_mins(1), lease).await;
        watch.0.store(true, Ordering::Relaxed);
        lease.expect("the only connection to this database is free during the wait").unwrap();
    };
    let (written, ()) = tokio::join!(PasswordLogin.write(&bench.live, &step, &watch), others);
    assert_eq!(written.unwrap_err().class, Class::Interrupted);

    // Neither end: the step is to be gone on with, or undone.
    let after = step.after.clone().unwrap();
    let seen = before(&bench.look(&after, Purpose::Settle, None).await.unwrap()).unwrap();
    assert_eq!((seen["login"].clone(), sessions(&seen)), (Value::Bool(false), Value::text("open")));
    // A plan that is made now has this much left to do.
    let rest = bench.step(&off(&[("end_sessions_after", "0s")])).await;
    assert_eq!(rest.before.as_ref().unwrap()["login"], Value::Bool(false));
    assert!(matches!((SCHEMA.undo)(rest.before.as_ref(), rest.after.as_ref()), Undo::Kept(_)));
    assert_eq!((SCHEMA.undo)(step.before.as_ref(), step.after.as_ref()), Undo::Faithful);
    theirs.rows(sqlx::query("SELECT 1"), "go on").await.unwrap();
    bench.write(&rest).await.unwrap();
    theirs.rows(sqlx::query("SELECT 1"), "go on").await.unwrap_err();
    let seen = before(&bench.look(&after, Purpose::Settle, None).await.unwrap()).unwrap();
    assert_eq!(seen, after);
    bench.write(&undo(&step)).await.unwrap();
    let back = step.before.clone().unwrap();
    assert_eq!(before(&bench.look(&back, Purpose::Settle, None).await.unwrap()).unwrap(), back);
}

/// What PostgreSQL will say is known before: roles with REPLICATION are a superuser's only up to version 15.
#[tokio::test]
async fn who_may_change_a_replication_role_depends_on_the_version() {
    let Some(server) = server() else { return };
    let sql = "CREATE ROLE repl_admin LOGIN CREATEROLE; CREATE ROLE repl_old LOGIN REPLICATION;
        GRANT repl_old TO repl_admin WITH ADMIN OPTION";
    server.run("postgres", sql).await;
    let bench = Bench::new(&PasswordLogin, server.databases(&["repl_admin"]), ("name", "repl_old"));
    let mut lease = bench.live.databases.lease(SERVER, "postgres", None).await.unwrap();
    let may = may_alter(&mut lease, "repl_old").await.unwrap();
    assert_eq!(may, lease.version() >= 160_000);
    drop(lease);
    assert_eq!(bench.write(&bench.step(&off(&[])).await).await.is_ok(), may);
}
