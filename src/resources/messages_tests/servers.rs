//! Messages about servers and who may sign in to them.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{over, unplanned, unwritten};
use crate::azure::double::{Reply, Seen, reply};
use crate::cli::told::told;
use crate::model::{Attributes, Auth, ConnectionTarget, SecretSource, ServerTarget, Target, Tls};
use crate::postgres::Databases;
use crate::postgres::testing::TestAccess;
use crate::resources::Live;
use crate::resources::arm_testing::attributes;
use crate::resources::held::refuse_full;
use crate::resources::server_password_auth::{not_last, refuse_own_lock_out};

const OID: &str = "9f6e0000-0000-0000-0000-00000000000a";

fn key() -> Attributes {
    attributes(json!({ "subscription": "s", "resource_group": "rg", "server": "srv" }))
}

/// A server that lets clients in so, with these administrators.
fn server(entra: bool, password: bool, role: &str, administrators: Json) -> impl FnMut(&Seen) -> Reply + Send + use<> {
    let word = |on: bool| if on { "Enabled" } else { "Disabled" };
    let auth = json!({ "activeDirectoryAuth": word(entra), "passwordAuth": word(password), "tenantId": "t" });
    let server = json!({ "properties": { "state": "Ready", "authConfig": auth, "replicationRole": role } });
    move |seen| {
        let list = seen.path.ends_with("/administrators");
        reply(200, if list { json!({ "value": administrators }) } else { server.clone() })
    }
}

#[tokio::test]
async fn ways_to_sign_in() {
    let mut admin = key();
    admin.extend(attributes(json!({ "object_id": OID })));
    let own = json!([{ "properties": { "objectId": OID, "principalName": "dba" } }]);
    let passwords = over(server(false, true, "Primary", json!([])));
    let tokens = over(server(true, false, "Primary", own));
    let both = over(server(true, true, "Primary", json!([])));
    let replica = over(server(true, true, "AsyncReplica", json!([])));
    let group = json!({ "name": "dba", "principal_type": "group" });
    let on = |entra: bool, password: bool| json!({ "entra_auth": entra, "password_auth": password });
    let failures = [
        unwritten(&passwords, "server_admin", &admin, json!(null), group.clone()).await,
        unwritten(&tokens, "server_admin", &admin, group.clone(), json!(null)).await,
        unwritten(&replica, "server_admin", &admin, json!(null), group).await,
        unwritten(&replica, "server_auth", &key(), on(true, true), on(true, false)).await,
        unwritten(&passwords, "server_auth", &key(), on(false, true), on(false, false)).await,
        unwritten(&both, "server_auth", &key(), on(true, true), on(true, false)).await,
        unwritten(&both, "server_auth", &key(), on(true, true), json!(null)).await,
        unwritten(&tokens, "server_password_auth", &key(), json!({ "enabled": false }), json!({ "enabled": true }))
            .await,
    ];
    insta::assert_snapshot!(told(&failures));
}

/// Databases whose one connection signs in by password.
fn by_password() -> Databases {
    let auth = Auth::Password(SecretSource::Env("PGENTRA_TEST_ABSENT".to_owned()));
    let target = ServerTarget {
        subscription: "s".into(),
        resource_group: "rg".into(),
        name: "srv".into(),
        host: Some("127.0.0.1".into()),
        port: 1,
        tls: Tls::VerifyFull,
        connections: vec![ConnectionTarget { name: "owner".into(), user: "geo_owner".into(), auth }],
    };
    let servers = [("srv".to_owned(), target)].into();
    Databases::new(Arc::new(Target { servers, ..Target::default() }), Arc::new(TestAccess))
}

#[tokio::test]
async fn the_last_one_out() {
    let live = Live { databases: by_password(), ..over(|_| reply(200, json!({}))) };
    let seen =
        ["\"old_app\" is connected, with 2 sessions", "whether \"etl\" signed in cannot be seen: the log is empty"];
    let failures = [refuse_own_lock_out(&live, "srv").unwrap_err(), not_last("srv", &seen.map(str::to_owned))];
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test]
async fn databases_that_stay_as_they_are() {
    let mut key = key();
    key.extend(attributes(json!({ "name": "orders" })));
    let there = over(|_| reply(200, json!({ "properties": { "charset": "UTF8", "collation": "en_US.utf8" } })));
    let contents: Vec<String> = (1..=22).map(|number| format!("table public.t{number}")).collect();
    let failures = [
        unplanned(&there, "database", &key, json!({ "collation": "C" })).await,
        refuse_full("database \"orders\"", &contents).unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}
