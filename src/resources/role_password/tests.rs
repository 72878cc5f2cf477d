//! `role_password` against a real server that asks for passwords, and a key vault that keeps one.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::RolePassword;
use crate::azure::double::{arm, error, reply, reply_with};
use crate::model::{Attributes, Class, Observed, Purpose, Secret, Undo, Value};
use crate::postgres::testing::{SERVER, SUPERUSER, Server, server};
use crate::resources::arm_testing::attributes;
use crate::resources::testing::{Bench, before, undo};
use crate::resources::{Kind, Live};

/// What the vault holds, and whether the server takes passwords.
type Azure = Arc<Mutex<(Option<String>, bool)>>;

/// A role of this name with a password, and a bench for it.
async fn bench(server: &Server, name: &str) -> (Bench<'static>, Azure) {
    let make = format!(
        "DO $$ BEGIN CREATE ROLE by_password; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         CREATE ROLE {name} LOGIN PASSWORD 'hunter2' IN ROLE by_password"
    );
    server.run("postgres", &make).await;
    let azure: Azure = Arc::new(Mutex::new((Some("hunter2".to_owned()), true)));
    let state = Arc::clone(&azure);
    let (arm, _) = arm(move |seen| {
        let (kept, passwords) = state.lock().unwrap().clone();
        match (seen.path.as_str(), kept) {
            (path, _) if path.ends_with("/vaults/kv") => {
                reply(200, json!({ "properties": { "vaultUri": "https://kv.vault.test/" } }))
            }
            (path, _) if path.contains("/flexibleServers/") => {
                let word = if passwords { "Enabled" } else { "Disabled" };
                reply(200, json!({ "properties": { "authConfig": { "passwordAuth": word } } }))
            }
            (path, kept) if path.contains("/secrets/") => {
                if !seen.bearer {
                    let header = "Bearer authorization=\"https://login.test/t\", resource=\"https://vault.test\"";
                    return reply_with(401, &[("www-authenticate", header)], json!({}));
                }
                match kept {
                    Some(kept) => reply(200, json!({ "id": "https://kv.vault.test/secrets/old/v1", "value": kept })),
                    None => error(404, "SecretNotFound"),
                }
            }
            (path, _) => panic!("unexpected call: {path}"),
        }
    });
    let mut bench = Bench::new(&RolePassword, server.databases(&[SUPERUSER]), ("name", name));
    bench.live = Live { arm, ..bench.live };
    (bench, azure)
}

fn wanted() -> Attributes {
    attributes(json!({
        "password": false,
        "escrow": { "key_vault": "kv", "secret": "old", "subscription": "s", "resource_group": "rg" },
    }))
}

async fn takes(bench: &Bench<'_>, name: &str, password: &str) -> bool {
    bench.live.databases.takes(SERVER, name, &Secret::new(password)).await.unwrap()
}

/// The bare truth, which only a superuser sees.
async fn stored(server: &Server, name: &str) -> Option<String> {
    use sqlx::Row as _;
    let rows = server.ask("postgres", &format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{name}'")).await;
    rows[0].get(0)
}

#[tokio::test]
async fn the_password_goes_and_comes_back_by_its_verifier() {
    let Some(server) = server() else { return };
    let (bench, _) = bench(server, "pw_goes").await;
    assert!(takes(&bench, "pw_goes", "hunter2").await && !takes(&bench, "pw_goes", "hunter3").await);
    let step = bench.step(&wanted()).await;
    assert_eq!((RolePassword.schema().undo)(step.before.as_ref(), step.after.as_ref()), Undo::Faithful);
    let asked = step.after.clone().unwrap();
    let settled = bench.look(&asked, Purpose::Settle, None).await.unwrap();
    assert_eq!(before(&settled), step.before, "the kept password was tried");
    assert_eq!(bench.statements(&step).await[1], "ALTER ROLE \"pw_goes\" PASSWORD NULL VALID UNTIL '-infinity'");
    bench.write(&step).await.unwrap();
    assert_eq!(stored(server, "pw_goes").await, None);
    assert!(!takes(&bench, "pw_goes", "hunter2").await);
    assert_eq!(before(&bench.look(&asked, Purpose::Settle, None).await.unwrap()), step.after);
    let again = bench.plan(&wanted()).await;
    assert_eq!((before(&again), again.desired), (step.after.clone(), step.after.clone()), "there is nothing to do");

    let back = undo(&step);
    assert!(!bench.statements(&back).await.concat().contains("SCRAM-SHA-256$"));
    bench.write(&back).await.unwrap();
    assert!(stored(server, "pw_goes").await.unwrap().starts_with("SCRAM-SHA-256$4096:"));
    assert!(takes(&bench, "pw_goes", "hunter2").await);
    assert_eq!(before(&bench.look(&asked, Purpose::Settle, None).await.unwrap()), step.before);
}

#[tokio::test]
async fn a_role_that_may_not_log_in_is_still_asked_for_its_password_first() {
    let Some(server) = server() else { return };
    let (bench, _) = bench(server, "pw_brown").await;
    server.run("postgres", "ALTER ROLE pw_brown NOLOGIN").await;
    assert!(takes(&bench, "pw_brown", "hunter2").await && !takes(&bench, "pw_brown", "hunter3").await);
    server.run("postgres", "ALTER ROLE pw_brown LOGIN CONNECTION LIMIT 0").await;
    assert!(takes(&bench, "pw_brown", "hunter2").await && !takes(&bench, "pw_brown", "hunter3").await);
}

#[tokio::test]
async fn another_password_than_the_kept_one_is_not_cleared() {
    let Some(server) = server() else { return };
    let (bench, azure) = bench(server, "pw_other").await;
    let step = bench.step(&wanted()).await;
    server.run("postgres", "ALTER ROLE pw_other PASSWORD 'hunter3'").await;
    let asked = step.after.clone().unwrap();
    let seen = before(&bench.look(&asked, Purpose::Settle, None).await.unwrap()).unwrap();
    assert!(!crate::model::agrees(&seen["value"], &step.before.as_ref().unwrap()["value"]));
    azure.lock().unwrap().1 = false;
    let failure = bench.look(&asked, Purpose::Settle, None).await.unwrap_err();
    assert!(failure.summary.contains("cannot be seen"), "a server that takes no passwords says nothing: {failure}");
    *azure.lock().unwrap() = (Some("rotated".to_owned()), true);
    assert_eq!(bench.write(&step).await.unwrap_err().class, Class::Conflict);
    azure.lock().unwrap().0 = None;
    assert_eq!(bench.write(&step).await.unwrap_err().class, Class::Conflict);
    assert!(stored(server, "pw_other").await.is_some());
    assert!(matches!(bench.plan(&wanted()).await.observed, Observed::Unreadable(why) if why.not_yet));
}

#[tokio::test]
async fn what_nobody_keeps_is_given_up_only_in_so_many_words() {
    let Some(server) = server() else { return };
    let (bench, _) = bench(server, "pw_lost").await;
    let careless = attributes(json!({ "password": false }));
    assert_eq!(bench.look(&careless, Purpose::Plan, None).await.unwrap_err().class, Class::Input);
    let given_up = attributes(json!({ "password": false, "irreversible": true }));
    let step = bench.step(&given_up).await;
    assert!(matches!((RolePassword.schema().undo)(step.before.as_ref(), step.after.as_ref()), Undo::Never(_)));
    bench.write(&step).await.unwrap();
    assert_eq!(stored(server, "pw_lost").await, None);
    let again = bench.plan(&given_up).await;
    assert_eq!(before(&again), again.desired);
    assert_eq!(bench.write(&undo(&step)).await.unwrap_err().class, Class::Input);
}

#[tokio::test]
async fn an_end_that_was_set_comes_back() {
    let Some(server) = server() else { return };
    let (bench, _) = bench(server, "pw_ends").await;
    server.run("postgres", "ALTER ROLE pw_ends VALID UNTIL '2099-12-31 12:00+02'").await;
    let step = bench.step(&wanted()).await;
    assert_eq!(step.before.as_ref().unwrap()["valid_until"], Value::text("2099-12-31 10:00:00.000000+00"));
    bench.write(&step).await.unwrap();
    bench.write(&undo(&step)).await.unwrap();
    assert_eq!(bench.step(&wanted()).await.before, step.before);
    server.run("postgres", "ALTER ROLE pw_ends VALID UNTIL '2001-01-01'").await;
    let over = bench.plan(&wanted()).await;
    assert_eq!(before(&over), over.desired, "it is not taken any more");
    assert!(over.notes[0].contains("not taken since 2001-01-01"), "{:?}", over.notes);
}
