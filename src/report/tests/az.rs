//! Tests of `render az`: the script is run by bash with an `az` and a `psql` that only write down what they were given.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::hostile::{hostile, tame};
use crate::diff::ChangeSet;
use crate::model::{
    Address, Attributes, Auth, ConnectionTarget, Ref, SecretSource, SecretValue, ServerTarget, Step, Target, Tls, Undo,
    Value,
};
use crate::report::{AzStep, az_script};

/// Breaks careless quoting: quotes, expansions, an option, a glob, line ends, an escape sequence, a quote inside `$''`.
const HOSTILE: &str = "--x '$(touch evil)' \"`id`\" ${HOME} * \\ !\n\u{1b}[31m'é\u{202e}";
const ID: &str = "77777777-7777-4777-8777-777777777777";

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn step(kind: &str, key: Attributes, after: Option<Attributes>, statements: &[&str]) -> AzStep {
    let step = Step {
        id: format!("{kind}.x\n{HOSTILE}"),
        address: Address::new(kind, "x"),
        key,
        before: None,
        after,
        via: None,
        undo: Undo::Faithful,
        leans_on: BTreeSet::new(),
        serial_key: None,
        restarts: 0,
    };
    AzStep { step, statements: statements.iter().map(|one| (*one).to_owned()).collect() }
}

fn site() -> Attributes {
    map([("subscription", "s".into()), ("resource_group", HOSTILE.into()), ("app", "a".into())])
}

fn server() -> Attributes {
    map([("subscription", "s".into()), ("resource_group", "rg".into()), ("server", "srv".into())])
}

fn named(name: &str) -> Attributes {
    let mut key = server();
    key.insert("name".into(), name.into());
    key
}

/// Steps of every kind that has commands, with names that would like to break out of a script.
fn steps() -> Vec<AzStep> {
    let mut steps = migration();
    steps.extend(environment());
    steps
}

fn migration() -> Vec<AzStep> {
    let principal = Ref { address: Address::new("app_identity", "x"), output: "principal_id".into() };
    let secret = SecretValue { source: Some(SecretSource::Env("API_SECRET".into())), digest: None };
    let settings = map([
        ("A", HOSTILE.into()),
        ("B", Value::Open(principal.clone())),
        ("C", Value::Secret(secret)),
        ("D", Value::Null),
    ]);
    let admin = map([("name", HOSTILE.into()), ("principal_type", "group".into())]);
    let mut admin_key = server();
    admin_key.insert("object_id".into(), ID.into());
    let role = map([("server", "srv".into()), ("name", HOSTILE.into())]);
    let create = format!("SELECT make('{}', '(known after apply: {principal})')", HOSTILE.replace('\'', "''"));
    let sticky = map([("app_settings", Value::Map(map([("A", true.into()), ("B", false.into())])))]);
    vec![
        step("server_auth", server(), Some(map([("entra_auth", true.into()), ("password_auth", true.into())])), &[]),
        step("server_admin", admin_key, Some(admin), &[]),
        step("app_identity", site(), Some(map([("system", true.into())])), &[]),
        step(
            "database_role",
            role,
            Some(map([("object_id", Value::Open(principal))])),
            &[create.as_str(), "SELECT 'x\nSQL\ny'"],
        ),
        step("app_settings", site(), Some(map([("settings", Value::Map(settings))])), &[]),
        step("slot_settings", site(), Some(sticky), &[]),
        step("validation", Attributes::new(), Some(Attributes::new()), &[]),
    ]
}

fn environment() -> Vec<AzStep> {
    let mut in_database = named("shop");
    in_database.insert("database".into(), "orders".into());
    let zips = Value::Map(map([("sha256", HOSTILE.into())]));
    let zip = map([("content", "sha256".into()), ("zips", zips)]);
    let words = Value::List(vec!["echo".into(), HOSTILE.into()]);
    let admin_password = map([("env", "API_SECRET".into())]);
    vec![
        step(
            "firewall_rule",
            named("fw"),
            Some(map([("start", "203.0.113.7".into()), ("end", "203.0.113.9".into())])),
            &[],
        ),
        step(
            "database",
            named("orders"),
            Some(map([("charset", HOSTILE.into())])),
            &["ALTER DATABASE orders OWNER TO o"],
        ),
        step("schema", in_database, Some(map([("owner", "o".into())])), &["CREATE SCHEMA shop AUTHORIZATION o"]),
        step("deployment", site(), Some(zip), &[]),
        step("deployment", site(), Some(map([("command", words)])), &[]),
        step(
            "role_password",
            map([("server", "srv".into()), ("name", "old".into())]),
            Some(Attributes::new()),
            &["ALTER ROLE old PASSWORD NULL"],
        ),
        step(
            "server_password_auth",
            server(),
            Some(map([("enabled", true.into()), ("admin_password", Value::Map(admin_password))])),
            &[],
        ),
    ]
}

fn target(user: &str) -> Target {
    let connection = ConnectionTarget { name: "admin".into(), user: user.into(), auth: Auth::Token };
    let server = ServerTarget {
        subscription: "s".into(),
        resource_group: "rg".into(),
        name: "srv".into(),
        host: None,
        port: 5432,
        tls: Tls::VerifyFull,
        connections: vec![connection],
    };
    Target { servers: BTreeMap::from([("srv".to_owned(), server)]), ..Target::default() }
}

fn script() -> String {
    az_script(HOSTILE, &steps(), &ChangeSet::default(), &target(HOSTILE))
}

/// Runs the script; every call of `az` and `psql` with its words as they arrived, and what psql read.
fn calls(script: &str) -> Vec<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let recorder = "#!/bin/bash\n{ printf '%s\\0' \"${0##*/}\" \"$@\"; printf '\\0'; } >>\"$CALLS\"\n";
    let answers = format!(
        "case \"$*\" in *principalId*) echo {ID};; *token*) echo a-token;; *Domain*) echo a-host;; *) echo '{{}}';; esac\n"
    );
    let reads = "{ printf 'stdin\\0'; cat; printf '\\0%s\\0\\0' \"$PGPASSWORD\"; } >>\"$CALLS\"\n";
    for (name, more) in [("az", answers.as_str()), ("psql", reads)] {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("{recorder}{more}")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let file = dir.path().join("script.sh");
    std::fs::write(&file, script).unwrap();
    let bash = |arguments: &[&str]| {
        let mut bash = Command::new("/bin/bash");
        bash.args(arguments).arg(&file).current_dir(dir.path()).env("CALLS", dir.path().join("calls"));
        bash.env("PATH", format!("{}:/usr/bin:/bin", dir.path().display())).env("API_SECRET", "hunter2");
        let ran = bash.output().unwrap();
        assert!(ran.status.success(), "{}\n{script}", String::from_utf8_lossy(&ran.stderr));
    };
    bash(&["-n"]);
    bash(&[]);
    assert!(!dir.path().join("evil").exists(), "a name was run");
    let text = String::from_utf8(std::fs::read(dir.path().join("calls")).unwrap()).unwrap();
    text.split("\0\0")
        .filter(|call| !call.is_empty())
        .map(|call| call.split('\0').map(str::to_owned).collect())
        .collect()
}

/// The words of a script's calls, by functions in the place of `az` and `psql`, so that many scripts run quickly.
fn words_of(script: &str) -> Vec<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script.sh");
    let double = "write() { { printf '%s\\0' \"$@\"; printf '\\0'; } >>\"$CALLS\"; }\n\
        az() { write az \"$@\"; case \"$*\" in *principalId*) printf %s \"$ID\";; *) printf x;; esac; }\n\
        psql() { write psql \"$@\"; write stdin \"$(cat)\"; }\n";
    std::fs::write(&file, format!("{double}{script}")).unwrap();
    let mut bash = Command::new("/bin/bash");
    bash.arg(&file).current_dir(dir.path()).env("CALLS", dir.path().join("calls")).env("ID", ID);
    let ran = bash.env("API_SECRET", "hunter2").output().unwrap();
    assert!(ran.status.success(), "{}\n{script}", String::from_utf8_lossy(&ran.stderr));
    assert!(!dir.path().join("evil").exists(), "a name was run");
    let text = String::from_utf8(std::fs::read(dir.path().join("calls")).unwrap()).unwrap();
    text.split("\0\0").map(|call| call.split('\0').map(str::to_owned).collect()).collect()
}

#[test]
fn no_name_becomes_more_than_a_word() {
    for name in hostile() {
        // No word of a shell can hold it, and no name in Azure or PostgreSQL.
        let name = name.replace('\0', "");
        let mut key = server();
        key.insert("object_id".into(), name.as_str().into());
        let mut place = site();
        place.insert("resource_group".into(), name.as_str().into());
        let admin = map([("name", name.as_str().into()), ("principal_type", "user".into())]);
        let settings = map([("settings", Value::Map(map([("A", name.as_str().into())])))]);
        let role = map([("server", "srv".into()), ("name", name.as_str().into())]);
        let sql = format!("SELECT make({})", crate::postgres::quote_literal(&name));
        let mut steps = vec![
            step("server_admin", key, Some(admin), &[]),
            step("app_settings", place, Some(settings), &[]),
            step("database_role", role, Some(Attributes::new()), &[sql.as_str()]),
        ];
        for step in &mut steps {
            step.step.id = format!("{}.{name}", step.step.address.kind);
        }
        let script = az_script(&name, &steps, &ChangeSet::default(), &target(&name));
        tame(&script);
        let calls = words_of(&script);
        let has = |start: &str, end: &[&str]| {
            let fits = |call: &Vec<String>| {
                call[..].join(" ").starts_with(start) && call.iter().rev().zip(end.iter().rev()).all(|(a, b)| a == b)
            };
            assert!(calls.iter().any(fits), "{start} of {name:?} in {calls:#?}");
        };
        has("az postgres flexible-server microsoft-entra-admin", &["-i", &name, "-u", &name, "-t", "User"]);
        has(
            "az webapp config appsettings set",
            &["-g", &name, "-n", "a", "-o", "none", "--settings", &format!("A={name}")],
        );
        has("psql -X", &["-U", &name, "-d", "postgres", "-f", "-"]);
    }
}

#[test]
fn every_word_arrives_as_it_was_meant() {
    let script = script();
    assert!(!script.contains("hunter2") && !script.contains('\u{1b}') && !script.contains('\u{202e}'), "{script}");
    let calls = calls(&script);
    let words = |start: &[&str]| {
        let starts =
            |call: &&Vec<String>| call.iter().zip(start).filter(|(word, start)| word == start).count() == start.len();
        calls.iter().find(starts).unwrap_or_else(|| panic!("{start:?} in {calls:#?}")).clone()
    };
    assert_eq!(
        words(&["az", "postgres", "flexible-server", "update"])[4..],
        [
            "--subscription",
            "s",
            "-g",
            "rg",
            "-n",
            "srv",
            "--microsoft-entra-auth",
            "Enabled",
            "--password-auth",
            "Enabled"
        ]
    );
    let admin = words(&["az", "postgres", "flexible-server", "microsoft-entra-admin", "create"]);
    assert_eq!(admin[admin.len() - 4..], ["-u", HOSTILE, "-t", "Group"]);
    let assigned = words(&["az", "webapp", "identity", "assign"]);
    assert_eq!(assigned[4..], ["--subscription", "s", "-g", HOSTILE, "-n", "a", "--identities", "[system]"]);
    let set = words(&["az", "webapp", "config", "appsettings", "set"]);
    let at = set.iter().position(|word| word == "--settings").unwrap();
    assert_eq!(set[at + 1..], [format!("A={HOSTILE}"), format!("B={ID}"), "C=hunter2".to_owned()]);
    assert_eq!(words(&["az", "webapp", "config", "appsettings", "delete"]).last().unwrap(), "D");
    let psql = words(&["psql"]);
    assert!(
        psql.ends_with(&["-U".into(), HOSTILE.into(), "-d".into(), "postgres".into(), "-f".into(), "-".into()]),
        "{psql:?}"
    );
    let read = words(&["stdin"]);
    assert!(read[1].contains(ID) && read[1].contains("SQL") && !read[1].contains("known after apply"), "{read:?}");
    assert_eq!(read[2], "a-token");
    let put = words(&["az", "rest", "--method", "put"]);
    assert_eq!(put[put.len() - 2..], ["--body", "{}"]);
}

#[test]
fn a_new_environment_and_the_end_of_passwords_have_their_commands() {
    let calls = calls(&script());
    let put = |part: &str| {
        let put = |call: &&Vec<String>| {
            call.starts_with(&["az", "rest", "--method", "put"].map(str::to_owned)) && call[5].contains(part)
        };
        let call = calls.iter().find(put).unwrap_or_else(|| panic!("{part} in {calls:#?}"));
        serde_json::from_str::<serde_json::Value>(&call[7]).unwrap()["properties"].clone()
    };
    let rule = serde_json::json!({ "startIpAddress": "203.0.113.7", "endIpAddress": "203.0.113.9" });
    assert_eq!(put("/flexibleServers/srv/firewallRules/fw?"), rule);
    assert_eq!(put("/flexibleServers/srv/databases/orders?"), serde_json::json!({ "charset": HOSTILE }));
    let waited =
        calls.iter().filter(|call| call.get(3).is_some_and(|verb| verb == "get") && call.contains(&"none".into()));
    assert_eq!(waited.count(), 2);
    let has = |end: &[&str]| {
        calls.iter().any(|call| call.ends_with(&end.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()))
    };
    assert!(has(&["--type", "zip", "--src-path", HOSTILE]), "{calls:#?}");
    assert!(has(&["--password-auth", "Enabled", "--admin-password", "hunter2"]), "{calls:#?}");
    let ran: Vec<&String> = calls.iter().filter(|call| call[0] == "stdin").map(|call| &call[1]).collect();
    for sql in ["ALTER DATABASE orders", "CREATE SCHEMA shop", "ALTER ROLE old PASSWORD NULL"] {
        assert!(ran.iter().any(|text| text.contains(sql)), "{sql} in {ran:#?}");
    }
}

#[test]
fn an_identity_that_is_taken_back_is_removed_whole() {
    let taken = |before| {
        let mut taken = step("app_identity", site(), None, &[]);
        taken.step.before = Some(before);
        let target = Target::default();
        az_script("x", &[taken], &ChangeSet::default(), &target)
    };
    let system = taken(map([("system", true.into())]));
    assert!(system.contains("identity remove") && system.contains("'[system]'"), "{system}");
    assert!(!taken(map([("system", false.into())])).contains("[system]"));
}
