//! `server_password_auth` against Azure's double, and against a real server with others on it.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use super::{SCHEMA, ServerPasswordAuth};
use crate::azure::double::{Reply, Seen, arm, reply};
use crate::model::{Attributes, Class, Purpose, Undo, Value};
use crate::postgres::testing::{SERVER, SUPERUSER, Server, own_server, server};
use crate::resources::Live;
use crate::resources::arm_testing::attributes;
use crate::resources::testing::{Bench, before};

/// What Azure keeps of the server, and the bodies that it was sent.
type Azure = Arc<Mutex<(bool, Vec<Json>)>>;

fn answers(azure: &Azure) -> impl FnMut(&Seen) -> Reply + Send + 'static + use<> {
    let azure = Arc::clone(azure);
    move |seen| {
        let mut azure = azure.lock().unwrap();
        if seen.path.ends_with("/administrators") {
            return reply(200, json!({ "value": [{ "properties": { "objectId": "x" } }] }));
        }
        if seen.method == "PATCH" {
            azure.0 = seen.body["properties"]["authConfig"]["passwordAuth"] == "Enabled";
            azure.1.push(seen.body.clone());
        }
        let word = if azure.0 { "Enabled" } else { "Disabled" };
        let auth = json!({ "activeDirectoryAuth": "Enabled", "passwordAuth": word, "tenantId": "t" });
        reply(200, json!({ "date": "now", "properties": { "state": "Ready", "authConfig": auth } }))
    }
}

fn bench(server: &Server) -> (Bench<'static>, Azure) {
    let azure: Azure = Arc::new(Mutex::new((true, Vec::new())));
    let (arm, _) = arm(answers(&azure));
    let mut bench = Bench::new(&ServerPasswordAuth, server.databases(&[SUPERUSER]), ("resource_group", "rg"));
    bench.key.insert("subscription".to_owned(), Value::text("s"));
    bench.live = Live { arm, ..bench.live };
    (bench, azure)
}

fn off() -> Attributes {
    attributes(json!({ "enabled": false, "admin_password": { "env": "PATH" } }))
}

/// Everybody who may have a password counts, whoever else is on a server: so it is one that no other test uses.
#[tokio::test]
async fn others_are_named_until_the_last_one_is_out() {
    let Some(server) = own_server() else { return };
    server.run("postgres", include_str!("../../postgres/testing/pgaadauth.sql")).await;
    let sql = "CREATE ROLE \"still here\" LOGIN; CREATE ROLE debezium LOGIN REPLICATION; CREATE ROLE mapped LOGIN;
         CREATE ROLE replication LOGIN REPLICATION;
         SELECT pgaadauth_update_principal_with_oid('mapped', '1', 'service', false, false)";
    server.run("postgres", sql).await;
    let (bench, azure) = bench(&server);
    let others = ["still here", "debezium", "mapped", "replication"];
    let mut sessions = std::collections::BTreeMap::new();
    for name in others {
        let lease = server.databases(&[name]).lease(SERVER, "postgres", None).await.unwrap();
        sessions.insert(name, lease);
    }
    let step = bench.step(&off()).await;
    let notes = bench.plan(&off()).await.notes.join("\n");
    let detail = async || {
        let failure = bench.write(&step).await.unwrap_err();
        assert_eq!(failure.class, Class::Conflict);
        failure.detail.unwrap()
    };
    let told = detail().await;
    for name in ["still here", "debezium"] {
        assert!(notes.contains(&format!("{name:?} may have a password and is connected")), "{notes}");
        assert!(told.contains(&format!("{name:?} is connected")), "{told}");
    }
    // Those who sign in by token, and Azure's own.
    for name in ["mapped", "replication"] {
        assert!(!notes.contains(&format!("{name:?}")) && !told.contains(&format!("{name:?}")), "{notes}\n{told}");
    }
    assert!(azure.lock().unwrap().1.is_empty(), "nothing was written");

    server.run("postgres", "ALTER ROLE \"still here\" VALID UNTIL '-infinity'").await;
    assert_eq!(
        detail().await.lines().collect::<Vec<_>>(),
        ["server srv", "\"debezium\" is connected, with 1 sessions"]
    );
    server.run("postgres", "ALTER ROLE debezium VALID UNTIL '-infinity'").await;
    bench.write(&step).await.unwrap();
    let auth = json!({ "activeDirectoryAuth": "Enabled", "passwordAuth": "Disabled", "tenantId": "t" });
    assert_eq!(
        azure.lock().unwrap().1,
        [json!({ "properties": { "authConfig": auth } })],
        "all three, and no password"
    );
    let settled = bench.look(&off(), Purpose::Settle, None).await.unwrap();
    assert_eq!(before(&settled).unwrap(), off());
}

#[tokio::test]
async fn the_way_back_carries_the_administrators_password() {
    let Some(server) = server() else { return };
    let (bench, azure) = bench(server);
    azure.lock().unwrap().0 = false;
    let mut on = off();
    on.insert("enabled".to_owned(), Value::Bool(true));
    bench.write(&bench.between(Some(off()), Some(on))).await.unwrap();
    let sent = azure.lock().unwrap().1[0]["properties"]["administratorLoginPassword"].clone();
    assert_eq!(sent, json!(std::env::var("PATH").unwrap()));
    azure.lock().unwrap().0 = false;
    let nameless = attributes(json!({ "enabled": true }));
    assert_eq!(bench.write(&bench.between(None, Some(nameless))).await.unwrap_err().class, Class::Input);
}

#[test]
fn there_is_a_way_back_only_with_the_administrators_password() {
    let end = |enabled: bool, env: Option<&str>| {
        let mut end = attributes(json!({ "enabled": enabled }));
        end.extend(env.map(|env| ("admin_password".to_owned(), Value::Map(attributes(json!({ "env": env }))))));
        end
    };
    let undo = |env| (SCHEMA.undo)(Some(&end(true, env)), Some(&end(false, env)));
    assert_eq!(undo(Some("PW")), Undo::Faithful);
    assert!(matches!(undo(None), Undo::Never(_)));
    assert_eq!((SCHEMA.restarts)(Some(&end(true, None)), Some(&end(false, None))), 1);
}
