//! Each part of a cleanup alone: applied, seen to have its effect, and undone, so that the app signs in by password again.

use serde_json::Value;

use crate::cleanup::{hidden, leaks};
use crate::stand::{MIGRATION, Ran, Stand};

/// The parts that are a kind of their own, each with its plan file, and whether the app can do without it when it falls back.
const PARTS: [(&str, &str, bool); 5] = [
    ("escrow", include_str!("../../plans/escrow.toml"), true),
    ("password_login", include_str!("../../plans/password_login.toml"), false),
    ("password_setting", include_str!("../../plans/password_setting.toml"), false),
    ("role_password", include_str!("../../plans/role_password.toml"), false),
    ("server_password_auth", include_str!("../../plans/server_password_auth.toml"), false),
];

/// A short brown-out with evidence of its own.
const SOAK: &str = r#"
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
"#;

/// A sandbox whose app is migrated, and all that pgentra said there.
struct Bench {
    stand: Stand,
    said: String,
}

impl Bench {
    async fn migrated() -> Self {
        let stand = Stand::up().await;
        let mut bench = Self { stand, said: String::new() };
        bench.run(0, &["apply", "--auto-approve", "plan.toml"]);
        assert_eq!(bench.method().await, "managed_identity");
        bench
    }

    #[track_caller]
    fn run(&mut self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.stand.run(arguments);
        self.said.push_str(&ran.out);
        self.said.push_str(&ran.err);
        ran.ends(code)
    }

    /// How the app signs in; empty when it does not get in.
    async fn method(&self) -> String {
        let health = self.stand.health().await;
        let connected = health["database"]["status"] == "connected";
        health["database"]["auth_method"].as_str().filter(|_| connected).unwrap_or_default().to_owned()
    }

    /// How the app signs in without its identity, which it gets back afterwards.
    async fn method_without_identity(&mut self) -> String {
        self.run(0, &["sandbox", "app", "fall-back"]);
        let method = self.method().await;
        self.run(0, &["sandbox", "app", "recover"]);
        method
    }
}

#[tokio::test]
async fn each_part_alone_is_undone_and_the_password_works_again() {
    let mut bench = Bench::migrated().await;
    for (kind, plan, harmless) in PARTS {
        let file = format!("{kind}.toml");
        bench.stand.keep(&file, plan);
        bench.run(0, &["apply", "--auto-approve", &file]).says(&["Apply complete!"]);
        bench.run(0, &["plan", "--detailed-exitcode", &file]).says(&["No changes."]);
        let method = bench.method_without_identity().await;
        assert_eq!(method, if harmless { "password" } else { "" }, "{kind} has no effect, or too much");
        assert_eq!(bench.method().await, "managed_identity", "{kind}");
        bench.run(0, &["rollback", "--auto-approve", "--file", &file]).says(&["Rollback complete!"]);
        assert_eq!(bench.method_without_identity().await, "password", "{kind} was not undone");
        bench.run(2, &["plan", "--detailed-exitcode", &file]);
    }
    // Not only without a token for a while: without an identity at all.
    bench.run(0, &["apply", "--auto-approve", "role_password.toml"]);
    bench.run(0, &["sandbox", "app", "lose-identity"]);
    assert_eq!(bench.method().await, "");
    bench.run(0, &["rollback", "--auto-approve", "--file", "role_password.toml"]);
    assert_eq!(bench.method().await, "password");
    leaks(&bench.stand, &bench.said);
}

#[tokio::test]
async fn a_soak_that_is_over_is_no_point_of_no_return() {
    let mut bench = Bench::migrated().await;
    bench.stand.keep("plan.toml", &format!("{MIGRATION}{SOAK}"));
    let observe = |bench: &mut Bench| bench.run(0, &["observe", "plan.toml"]);
    observe(&mut bench);
    bench.run(0, &["sandbox", "clock", "advance", "1h"]);
    observe(&mut bench).says(&["open"]);
    bench.run(4, &["apply", "--auto-approve", "--detailed-exitcode", "plan.toml"]).says(&["soak.rmhazuregeoapi"]);
    // Until what was logged since is older than the sensor's lag.
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    observe(&mut bench);
    // The gate holds the rest, and nothing changes: that is told by the exit code, too.
    bench.run(4, &["apply", "--auto-approve", "--detailed-exitcode", "plan.toml"]).says(&["No changes."]);
    bench.run(0, &["sandbox", "clock", "advance", "1h"]);
    observe(&mut bench);
    bench.run(0, &["apply", "--auto-approve", "--detailed-exitcode", "plan.toml"]);
    assert_eq!(bench.method_without_identity().await, "");
    bench.run(0, &["rollback", "--auto-approve", "--file", "plan.toml"]);
    assert_eq!(bench.method_without_identity().await, "password");
    leaks(&bench.stand, &bench.said);
}

#[tokio::test]
async fn a_server_whose_passwords_others_need_goes_on_taking_them() {
    let mut bench = Bench::migrated().await;
    let plan = include_str!("../../plans/server_password_auth.toml");
    bench.stand.keep("last.toml", plan);
    let mut session = hidden(&bench.stand);
    let apply = ["apply", "--auto-approve", "last.toml"];
    bench.run(7, &apply).says(&["others may still need their passwords", "\"geoapp\" is connected, with 1 sessions"]);
    session.kill().unwrap();
    session.wait().unwrap();
    // Nobody is connected, but the administrator was, not long ago: the log tells.
    let sensor = "sensors = [{ name = \"logins\", kind = \"server_logs\", lag = \"1s\",\n  \
                  subscription = \"22222222-2222-4222-8222-222222222222\",\n  \
                  workspace = \"99999999-9999-4999-8999-999999999999\" }]\n";
    bench.stand.keep("last.toml", &format!("{plan}seen_within = \"2h\"\n{sensor}"));
    bench.stand.admin("postgres", "SELECT 1");
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    bench.run(7, &apply).says(&["\"pgadmin\": ", "logins of the old role between"]);
    // Long ago is as good as never; that logins are logged at all is shown by pgentra's own.
    bench.run(0, &["sandbox", "clock", "advance", "3h"]);
    bench.run(0, &["plan", "last.toml"]);
    // Azure tells the time in whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    bench.run(0, &apply);
    assert!(bench.stand.sql("pgadmin", &bench.stand.vars["PGADMIN_PASSWORD"], "postgres", "SELECT 1").is_err());
}

/// A connection by password is of no use once the server refuses passwords; those by token take over.
#[tokio::test]
async fn connections_by_password_make_room_for_those_by_token() {
    let mut bench = Bench::migrated().await;
    let ways = "connections = [{ name = \"owner\", user = \"geoapp\", password = { env = \"GEOAPP_PASSWORD\" } }, \
                { name = \"entra\", user = \"pg-deployers\" }]\n";
    let with = |text: &str| text.replace("entra_auth = true\n", &format!("entra_auth = true\n{ways}"));
    bench.stand.keep("last.toml", &with(include_str!("../../plans/server_password_auth.toml")));
    bench.run(0, &["apply", "--auto-approve", "last.toml"]);
    bench.run(0, &["plan", "--detailed-exitcode", "last.toml"]).says(&["No changes."]);
    bench.stand.keep("grants.toml", &with(MIGRATION).replace("password_auth = true\n", ""));
    bench.run(0, &["plan", "--detailed-exitcode", "grants.toml"]).says(&["No changes."]);
    let more =
        with(MIGRATION).replace("password_auth = true\n", "").replace("\"DELETE\"]", "\"DELETE\", \"TRUNCATE\"]");
    bench.stand.keep("grants.toml", &more);
    bench.run(0, &["apply", "--auto-approve", "grants.toml"]).says(&["Apply complete!"]);
    bench.run(0, &["doctor", "grants.toml"]);
    let state = bench.stand.control("GET", "state", Value::Null).await;
    assert_eq!(state["servers"]["rmhpgflex"]["password"], false, "{state:#}");
    bench.run(0, &["rollback", "--auto-approve", "--file", "last.toml"]);
    bench.stand.owner("SELECT 1");
    leaks(&bench.stand, &bench.said);
}
