//! Messages as somebody at a terminal sees them: one of each rule of findings and of each kind of refusal, to be read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::exit::Exit;
use super::findings;
use super::locate::Source;
use crate::azure::refusal;
use crate::model::{Class, Failure};
use crate::plan::load;
use crate::postgres;
use crate::report::{failure, terminal};
use crate::resources::schemas;
use crate::store;

const PLAN: &str = r#"version = 1
name = "base"
[variables]
env = { default = "prod" }
[azure]
subscription = "22222222-2222-4222-8222-222222222222"
resource_group = "rg-${env}"
[server.srv]
admin = { name = "dba", object_id = "33333333-3333-4333-8333-333333333333", type = "group" }
[app.web]
identity = "system"
[app.web.settings]
A = "1"
USER = { ref = "role.web-id.name" }
[[app.web.probe]]
name = "health"
get = "/health"
[role.web-id]
server = "srv"
identity = { ref = "app.web.principal_id" }
[[role.web-id.grants]]
database = "db"
schemas = ["s"]
tables = ["SELECT", "INSERT"]
"#;

/// One mistake per rule: what is replaced in the plan file, and by what.
const MISTAKES: [(&str, &str); 36] = [
    ("version = 1", ""),
    ("version = 1", "version = 2"),
    ("version = 1", "version = \"1\""),
    ("name = \"base\"", "name = \"base"),
    ("name = \"base\"", "nmae = \"base\""),
    ("name = \"base\"", "name = \"base\"\nname = \"twice\""),
    ("identity = \"system\"", "identity = \"sytem\""),
    ("identity = \"system\"", "identity = [\"x\"]"),
    ("subscription = \"22222222-2222-4222-8222-222222222222\"", "subscription = \"mine\""),
    ("get = \"/health\"", "get = \"health\""),
    ("get = \"/health\"", "get = \"/h\"\nwithin = \"5 minutes\""),
    ("get = \"/health\"", "get = \"/h\"\npost = \"/h\""),
    ("get = \"/health\"", "get = \"/h\"\n[[app.web.probe]]\nname = \"health\"\nget = \"/h\""),
    ("[role.web-id]", "[role.web-id]\nname = \"pg_web\""),
    ("A = \"1\"", "A = \"1\"\na = \"2\""),
    ("A = \"1\"", "POSTGIS_PASSWORD = \"hunter2\""),
    ("A = \"1\"", "A = \"postgres://u:hunter2@h/db\""),
    ("rg-${env}", "rg-${evn}"),
    ("rg-${env}", "rg-${env"),
    ("rg-${env}", "rg"),
    ("env = { default = \"prod\" }", "env = {}"),
    ("\"SELECT\"", "\"SELCT\""),
    ("tables = [\"SELECT\", \"INSERT\"]", ""),
    ("tables = [\"SELECT\", \"INSERT\"]", "tables = [\"SELECT\", \"SELECT\"]"),
    ("role.web-id.name", "role.web-di.name"),
    ("role.web-id.name", "role.web-id.nmae"),
    ("role.web-id.name", "web-id"),
    ("app.web.principal_id", "app.wbe.principal_id"),
    ("server = \"srv\"", "server = \"svr\""),
    ("admin = { name = \"dba\", object_id = \"33333333-3333-4333-8333-333333333333\", type = \"group\" }", ""),
    ("[app.web]", "[resource.databse_role.x]\nserver = \"srv\"\nname = \"x\"\n[app.web]"),
    ("[app.web]", "[server.srv.firewall.all]\nstart = \"0.0.0.0\"\nend = \"255.255.255.255\"\n[app.web]"),
    ("[app.web]", "[cleanup.web]\n[app.web]"),
    ("[app.web]", "[validation.web]\nperiod = \"7d\"\n[app.web]"),
    ("[azure]", "[store]\nurl = \"ftp://x\"\n[azure]"),
    ("[azure]", "[azure]\ncloud = \"azure\""),
];

fn source(text: String) -> Source {
    Source { path: "plan.toml".into(), text }
}

#[test]
fn findings_as_they_are_shown() {
    let mut shown = String::new();
    for (from, to) in MISTAKES {
        assert!(PLAN.contains(from), "{from}");
        let plan = source(PLAN.replacen(from, to, 1));
        let (_, found) = load(&plan.text, &BTreeMap::new(), &schemas());
        assert!(!found.is_empty(), "{to:?} is taken");
        shown.push_str(&findings::text(&plan, &found, false));
        shown.push('\n');
    }
    assert!(!shown.contains("hunter2"));
    insta::assert_snapshot!(shown);
}

/// Failures as text, each with its exit code.
fn told(failures: &[Failure]) -> String {
    failures.iter().fold(String::new(), |mut text, one| {
        let page = terminal(&failure(one)).plain();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{page}exit {}\n", Exit::from(one.class).code());
        text
    })
}

#[test]
fn refusals_of_azure() {
    let error = |code: &str, message: &str| json!({ "error": { "code": code, "message": message } });
    let site = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites/web";
    let lacks = format!(
        "The client 'c' with object id 'o' does not have authorization to perform action 'Microsoft.Web/sites/write' \
         over scope '{site}' or the scope is invalid."
    );
    let answers = [
        (401, error("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than now.")),
        (403, error("AuthorizationFailed", &lacks)),
        (403, json!({})),
        (404, error("ResourceNotFound", "The Resource 'Microsoft.Web/sites/web' was not found.")),
        (409, error("Conflict", "Cannot modify this site because another operation is in progress.")),
        (409, error("ServerIsBusy", "The server is busy processing another operation.")),
        (429, error("TooManyRequests", "The request is being throttled.")),
        (400, error("InvalidParameter", "The value of tenantId is wrong.")),
        (502, json!("Bad Gateway")),
    ];
    let refused = |(status, body): &(u16, serde_json::Value)| {
        refusal::Refusal::of("PATCH sites/web", *status, Some("r-1"), body).failure
    };
    let mut failures: Vec<Failure> = answers.iter().map(refused).collect();
    failures.push(refusal::answer_unclear("site web: missing field `id`".to_owned()));
    insta::assert_snapshot!(told(&failures));
}

#[test]
fn refusals_of_postgresql() {
    let doing = "sign in to database \"geo\" at srv.example:5432 as \"web-id\"";
    let io = |kind| sqlx::Error::Io(std::io::Error::new(kind, "as the system says it"));
    let mut failures: Vec<Failure> = [
        ("28P01", "password authentication failed for user \"web-id\""),
        ("28P01", "The access token has expired. Acquire a new token and retry"),
        ("28P01", "The access token does not have a valid audience claim."),
        ("28P01", "Service principal oid mismatch for role \"web-id\""),
        ("28000", "no pg_hba.conf entry for host \"1.2.3.4\", user \"web-id\", database \"geo\", no encryption"),
        ("28000", "role \"web-id\" is not permitted to log in"),
        ("3D000", "database \"geo\" does not exist"),
        ("53300", "sorry, too many clients already"),
        ("57P03", "the database system is starting up"),
    ]
    .iter()
    .map(|(code, message)| postgres::refusal(code, message, &[], doing))
    .collect();
    let statements = [
        ("42501", "permission denied to alter role", "Only roles with the CREATEROLE attribute may alter roles."),
        ("55P03", "canceling statement due to lock timeout", ""),
        ("57014", "canceling statement due to statement timeout", ""),
        ("2BP01", "role \"web-id\" cannot be dropped because some objects depend on it", "owner of table geo.t"),
        ("XX000", "tuple concurrently updated", ""),
    ];
    failures.extend(statements.iter().map(|(code, message, more)| {
        let more: Vec<&str> = Some(*more).filter(|more| !more.is_empty()).into_iter().collect();
        postgres::refusal(code, message, &more, "change role \"web-id\"")
    }));
    failures.extend([
        postgres::failure(&io(std::io::ErrorKind::ConnectionRefused), doing),
        postgres::failure(&io(std::io::ErrorKind::TimedOut), doing),
        postgres::failure(&io(std::io::ErrorKind::ConnectionReset), doing),
        postgres::failure(&io(std::io::ErrorKind::Other), doing),
        postgres::failure(&sqlx::Error::Tls("invalid peer certificate: UnknownIssuer".into()), doing),
        postgres::no_answer(doing, Duration::from_secs(15)),
    ]);
    insta::assert_snapshot!(told(&failures));
}

#[test]
fn refusals_of_the_store() {
    let note = store::LockNote {
        who: "ada".to_owned(),
        host: "runner-1".to_owned(),
        pid: 4711,
        operation: "apply".to_owned(),
        since: "2026-01-02T03:04:05Z".parse().unwrap(),
    };
    let failures = [
        store::locked(".pgentra", Some(&note)),
        store::locked("azblob://ops/state", None),
        store::lost("azblob://ops/state", "its lease ended"),
        store::no_run("01a2", ".pgentra"),
        store::key("not a key", ".pgentra/key").unwrap_err(),
        store::record(b"{", ".pgentra/runs/01a2.jsonl", 3).unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}

#[test]
fn every_class_has_a_message_that_ends_with_its_code() {
    let classes = [Class::Locked, Class::Unfit, Class::Conflict, Class::CheckFailed, Class::Interrupted];
    let failures = classes.map(|class| Failure::new(class, "it did not go").detail("why").remedy("do this\nor that"));
    insta::assert_snapshot!(told(&failures));
}
