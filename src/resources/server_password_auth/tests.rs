//! `server_password_auth` against Azure's double, and against a real server with others on it.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use super::{SCHEMA, ServerPasswordAuth};
use crate::azure::double::{Reply, Seen, arm, reply};
use crate::model::{Attributes, Class, Purpose, Undo, Value};
use crate::postgres::testing::{SERVER, SUPERUSER, Server, server};
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

/// Both directions in one test: other roles of this server, which all tests share, come and go.
#[tokio::test]
async fn others_are_named_and_the_way_back_carries_the_administrators_password() {
    let Some(server) = server() else { return };
    server.run("postgres", "CREATE ROLE \"still here\" LOGIN; CREATE ROLE mapped LOGIN").await;
    let (bench, azure) = bench(server);
    let other = server.databases(&["still here"]);
    let lease = other.lease(SERVER, "postgres", None).await.unwrap();
    let step = bench.step(&off()).await;
    let notes = bench.plan(&off()).await.notes;
    assert!(notes.iter().any(|note| note.contains("\"still here\" may have a password and is connected")), "{notes:?}");
    let failure = bench.write(&step).await.unwrap_err();
    assert_eq!(failure.class, Class::Conflict);
    let detail = failure.detail.unwrap();
    assert!(detail.contains("\"still here\" is connected") && !detail.contains("\"mapped\""), "{detail}");
    assert!(azure.lock().unwrap().1.is_empty(), "nothing was written");
    drop(lease);
    // Sessions of other tests' roles may be there: what is looked for is that this one is no hindrance any more.
    server.run("postgres", "ALTER ROLE \"still here\" VALID UNTIL '-infinity'").await;
    if let Err(failure) = bench.write(&step).await {
        assert!(!failure.to_string().contains("still here"), "{failure}");
        return;
    }
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
