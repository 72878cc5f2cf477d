//! From the first observation to the password's removal and back: a week of the sandbox's time, a hidden session, a bad day.

use std::process::{Child, Stdio};

use base64::Engine as _;

use crate::stand::{MIGRATION, Ran, Stand};

const PLAN: &str = include_str!("../../plans/rmhazuregeoapi-cleanup.toml");

/// A sandbox whose app is migrated, and all that pgentra said there.
struct Week {
    stand: Stand,
    said: String,
}

impl Week {
    async fn begin() -> Self {
        let mut stand = Stand::up().await;
        stand.vars.insert("PGENTRA_EVIDENCE_KEY".to_owned(), "a key that is not in the store".to_owned());
        stand.keep("plan.toml", PLAN);
        let mut week = Self { stand, said: String::new() };
        week.run(0, &["apply", "--auto-approve", "plan.toml"]).says(&["validation.rmhazuregeoapi holds it"]);
        week
    }

    #[track_caller]
    fn run(&mut self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.stand.run(arguments);
        self.said.push_str(&ran.out);
        self.said.push_str(&ran.err);
        ran.ends(code)
    }

    /// An observation after so much time.
    #[track_caller]
    fn observe(&mut self, after: &str, code: i32) -> Ran {
        self.stand.run(&["sandbox", "clock", "advance", after]).ends(0);
        self.run(code, &["observe", "plan.toml"])
    }

    #[track_caller]
    fn apply(&mut self) -> Ran {
        self.run(0, &["apply", "--auto-approve", "plan.toml"])
    }

    fn old_role_gets_in(&self) -> bool {
        self.stand.sql("geoapp", &self.stand.vars["GEOAPP_PASSWORD"], "geopgflex", "SELECT 1").is_ok()
    }

    /// By the catalog: signing in would be the very thing that starts the window again.
    fn old_role_may_log_in(&self) -> bool {
        self.stand.admin("postgres", "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'geoapp'") == "t"
    }

    async fn has_password(&self) -> bool {
        self.stand.settings().await.get("POSTGIS_PASSWORD").is_some()
    }
}

/// Panics when a password is in anything that pgentra said or kept, plain or in base 64.
pub fn leaks(stand: &Stand, said: &str) {
    let mut all = vec![("what was said".to_owned(), said.as_bytes().to_vec())];
    let mut directories = vec![stand.here().join(".pgentra")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                directories.push(entry);
            } else {
                all.push((entry.display().to_string(), std::fs::read(&entry).unwrap()));
            }
        }
    }
    assert!(all.len() > 3, "the store is elsewhere");
    for name in ["GEOAPP_PASSWORD", "PGADMIN_PASSWORD"] {
        let secret = &stand.vars[name];
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret);
        for (place, bytes) in &all {
            let text = String::from_utf8_lossy(bytes);
            assert!(!text.contains(secret.as_str()) && !text.contains(&encoded), "{name} is in {place}");
        }
    }
}

/// A session of the old role that nobody told of, from before the observations.
pub fn hidden(stand: &Stand) -> Child {
    let mut psql = stand.program("psql");
    psql.args(["-XAtq", "-h", &stand.vars["PGENTRA_SANDBOX_POSTGRES_HOST"], "-U", "geoapp", "-d", "geopgflex"]);
    psql.env("PGPASSWORD", &stand.vars["GEOAPP_PASSWORD"]).env("PGAPPNAME", "nightly-report");
    let child = psql.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    await_sessions(stand, "1");
    child
}

/// Until the old role has so many sessions.
#[track_caller]
fn await_sessions(stand: &Stand, count: &str) {
    for _ in 0..200 {
        if stand.admin("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'geoapp'") == count {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    panic!("the sessions of the old role are not {count}");
}

#[test]
fn the_plan_file_is_the_migration_and_more() {
    let tables = MIGRATION.split_once("# Phase 2.1").unwrap().1;
    assert!(
        PLAN.contains(tables),
        "plans/rmhazuregeoapi-cleanup.toml migrates otherwise than plans/rmhazuregeoapi.toml"
    );
}

#[tokio::test]
async fn a_week_opens_the_gate_and_the_password_goes_comes_back_and_goes() {
    let mut week = Week::begin().await;
    week.run(0, &["observe", "plan.toml"]);
    week.observe("1d", 0).says(&["1d of 7d: held"]);
    // A bad day, which is named. What it did itself counts on the next day.
    week.stand.run(&["sandbox", "app", "fall-back"]).ends(0);
    week.stand.health().await;
    week.observe("1h", 10).says(&["password logins: ", "database.auth_method is \"password\"", "0s of 7d: held"]);
    week.stand.run(&["sandbox", "app", "recover"]).ends(0);
    week.observe("1h", 10).says(&["logins of the old role between"]);
    week.observe("1d", 0).says(&["0s of 7d: held", "by 1 observation"]);
    for day in 1..7 {
        week.observe("1d", 0).says(&[&format!("{day}d of 7d: held")]);
    }
    week.apply().says(&["No changes.", "6d of 7d are covered"]);
    assert!(week.old_role_may_log_in());
    week.observe("1d", 0).says(&["7d of 7d: open"]);

    let cleanup = |week: &mut Week| {
        week.apply().says(&["password_login.rmhazuregeoapi: Modifications complete", "soak.rmhazuregeoapi: "]);
        week.run(0, &["observe", "plan.toml"]);
        week.run(4, &["plan", "--detailed-exitcode", "plan.toml"]).says(&["password_setting.rmhazuregeoapi: soak"]);
        week.observe("1d", 0);
        week.apply().says(&["password_setting.rmhazuregeoapi: Modifications complete"]);
    };
    cleanup(&mut week);
    assert!(!week.has_password().await && !week.old_role_gets_in());
    assert_eq!(week.stand.health().await["database"]["auth_method"], "managed_identity");
    week.stand.settled("plan.toml");

    // The way back.
    let history = week.run(0, &["history", "plan.toml"]).out;
    let applies: Vec<&str> = history.lines().filter(|line| line.contains("  apply  ")).collect();
    let first = applies[1].split_whitespace().next().unwrap();
    week.run(0, &["rollback", "--through", first, "--auto-approve", "--file", "plan.toml"]);
    assert!(week.has_password().await && week.old_role_may_log_in());
    // At once again: what was observed of the first brown-out says nothing about another one.
    for _ in 0..2 {
        week.apply().says(&["soak.rmhazuregeoapi"]);
        assert!(week.has_password().await && !week.old_role_may_log_in());
    }
    week.run(0, &["rollback", "--auto-approve", "--file", "plan.toml"]);
    assert!(week.has_password().await && week.old_role_gets_in());
    week.stand.run(&["sandbox", "app", "fall-back"]).ends(0);
    assert_eq!(week.stand.health().await["database"]["auth_method"], "password");
    week.stand.run(&["sandbox", "app", "recover"]).ends(0);

    // And again, a week after the password was used last.
    week.observe("1h", 10);
    week.observe("1h", 0);
    for _ in 0..7 {
        week.observe("1d", 0);
    }
    cleanup(&mut week);
    assert!(!week.has_password().await && !week.old_role_gets_in());
    leaks(&week.stand, &week.said);
}

#[tokio::test]
async fn a_hidden_session_from_before_keeps_the_gate_shut_and_is_named() {
    let mut week = Week::begin().await;
    let mut session = hidden(&week.stand);
    // Long before the first observation, so that no log will tell of it.
    week.stand.run(&["sandbox", "clock", "advance", "2d"]).ends(0);
    for _ in 0..8 {
        week.observe("1d", 10).says(&["connected as geoapp: process", "(nightly-report) in database geopgflex since"]);
    }
    week.apply().says(&["No changes.", "validation.rmhazuregeoapi holds it", "nightly-report"]);
    assert!(week.old_role_may_log_in());
    session.kill().unwrap();
    session.wait().unwrap();
    await_sessions(&week.stand, "0");
    week.observe("1d", 0).says(&["0s of 7d: held"]);
}
