//! Messages about arguments, files and questions.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;

use super::Desk;
use crate::cli::apply::resume::unfinished;
use crate::cli::init::{self, InitArgs};
use crate::cli::prompt::{self, Prompt};
use crate::cli::told::told;
use crate::cli::{locate, output, override_gate, psql, sandbox, show, unlock};
use crate::model::{Address, Attributes, ConnectionTarget, Desired, Failure, ServerTarget, Target};
use crate::pipeline::SavedPlan;
use crate::store::LockNote;

fn saved_plan() -> SavedPlan {
    SavedPlan {
        format: crate::pipeline::SAVED_PLAN_FORMAT,
        version: "0".into(),
        plan: "geo".into(),
        digest: "d".into(),
        made: Timestamp::UNIX_EPOCH,
        target: Target::default(),
        store: "state".into(),
        steps: Vec::new(),
        leans: BTreeMap::new(),
        given: BTreeMap::new(),
        frontier: false,
        held: false,
    }
}

#[tokio::test]
async fn arguments_that_do_not_go() {
    let desk = Desk::new("");
    desk.put("saved.json", &saved_plan().text().unwrap());
    desk.put("other.json", "{ \"steps\": [] }");
    desk.put("later.json", "{ \"format\": 9 }");
    desk.put("list.toml", "at = 2026-01-02\n");
    let mut failures = Vec::new();
    for line in [
        &["apply", "DIR/saved.json", "--only", "database_role.web"][..],
        &["apply", "DIR/saved.json", "--override-gate", "no time"],
        &["apply", "DIR/other.json"],
        &["show", "DIR/later.json"],
        &["plan", "DIR/plan.toml", "--only", "database_role.web"],
        &["plan", "DIR/plan.toml", "--json", "--format", "json"],
        &["rollback", "0199-aa", "--through", "0199-ab"],
        &["validate", "DIR/plan.toml", "--var", "hunter2"],
        &["validate", "DIR/plan.toml", "--var-file", "DIR/list.toml"],
        &["token", "--credential", "az-cli"],
        &["observe", "DIR/plan.toml"],
        &["apply", "DIR/plan.toml", "--override-gate", " "],
    ] {
        failures.push(desk.refusal(line).await);
    }
    let runs = ["0199-aa", "0199-ab"].map(str::to_owned);
    let chosen = |runs: &[String], meant: &str| show::chosen(runs, meant).unwrap_err();
    failures.extend([chosen(&[], "last"), chosen(&runs, "0199-b"), chosen(&runs, "0199")]);
    assert!(!desk.told(&failures).contains("hunter2"));
    insta::assert_snapshot!(desk.told(&failures));
}

#[tokio::test]
async fn files_that_are_not_as_they_should_be() {
    let desk = Desk::new("");
    desk.put("other.toml", "version = 1\n");
    desk.put("file", "");
    std::fs::create_dir(desk.path("empty")).unwrap();
    let mut failures = Vec::new();
    for line in [
        &["validate", "DIR/none.toml"][..],
        &["validate", "DIR/empty"],
        &["validate", "DIR"],
        &["validate", "DIR/plan.toml", "--json-into", "DIR/none/out.json"],
        &["init", "DIR/plan.toml"],
        &["man", "--into", "DIR/file/pages"],
        &["sandbox", "up", "--detach", "--dir", "DIR/file/sandbox"],
    ] {
        failures.push(desk.refusal(line).await);
    }
    failures.push(locate::find(None, &desk.path("nowhere")).unwrap_err());
    failures.push(crate::cli::import::exists(&desk.path("plan.toml")));
    failures.push(output::finished(Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"))).unwrap_err());
    insta::assert_snapshot!(desk.told(&failures));
}

struct Broken;

impl io::Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("the terminal is gone"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A conversation in which this is typed.
fn asked<T>(mut typed: &[u8], interactive: bool, talk: impl FnOnce(&mut Prompt<'_>) -> Result<T, Failure>) -> Failure {
    let mut output = Vec::new();
    talk(&mut Prompt { input: &mut typed, output: &mut output, interactive }).err().unwrap()
}

#[tokio::test]
async fn questions_without_an_answer() {
    let approve = |prompt: &mut Prompt<'_>| prompt.confirm("Do you want this?", "", "pass --auto-approve");
    let gate = Desired {
        address: "validation.web".parse().unwrap(),
        key: Attributes::new(),
        attributes: Attributes::new(),
        after: std::collections::BTreeSet::new(),
        place: None,
    };
    let open = |prompt: &mut Prompt<'_>| override_gate::confirm(prompt, &gate, "2 observations are missing");
    let args: InitArgs = crate::cli::tests::parse("init --app web --server srv").unwrap();
    let mut nobody: &[u8] = b"";
    let mut gone = Prompt { input: &mut nobody, output: &mut Broken, interactive: true };
    let failures = [
        asked(b"", false, approve),
        asked(b"", true, approve),
        asked(b"\xff\n", true, approve),
        approve(&mut gone).unwrap_err(),
        prompt::confirm("Do you want this?", "", "", &AtomicBool::new(true)).await.unwrap_err(),
        asked(b"", false, |prompt| init::answers(&args, prompt)),
        asked(b"", false, open),
        asked(b"wbe\n", true, open),
        override_gate::closed(&Address::new("validation", "web"), "the scope could not be seen"),
        unfinished("0199-aa"),
    ];
    insta::assert_snapshot!(told(&failures));
}

fn server(name: &str, connections: Vec<ConnectionTarget>) -> (String, ServerTarget) {
    let server = ServerTarget {
        subscription: "s".into(),
        resource_group: "rg".into(),
        name: name.into(),
        host: None,
        port: 5432,
        tls: crate::model::Tls::VerifyFull,
        connections,
    };
    (name.to_owned(), server)
}

#[test]
fn locks_sandboxes_and_psql() {
    let note = |who: &str| LockNote {
        who: who.to_owned(),
        host: "runner-1".to_owned(),
        pid: 4711,
        operation: "apply".to_owned(),
        since: "2026-01-02T03:04:05Z".parse().unwrap(),
    };
    let target = |servers: &[&str]| Target {
        servers: servers.iter().map(|name| server(name, Vec::new())).collect(),
        ..Target::default()
    };
    let two = target(&["one", "two"]);
    let failures = [
        unlock::passed_on(&note("ada"), Some(&note("bob"))),
        unlock::passed_on(&note("ada"), None),
        sandbox::not_started("Error: no PostgreSQL is installed\n"),
        psql::server(&target(&[]), None).unwrap_err(),
        psql::server(&two, Some("three")).unwrap_err(),
        psql::server(&two, None).unwrap_err(),
        psql::connection(&two.servers["one"], None).unwrap_err(),
        psql::not_run(&io::Error::from(io::ErrorKind::NotFound)),
    ];
    insta::assert_snapshot!(told(&failures));
}
