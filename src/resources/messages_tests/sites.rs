//! Messages about apps, their settings, and what is kept of them.

use serde_json::{Value as Json, json};

use super::{over, unplanned, unwritten};
use crate::azure::double::{error, reply};
use crate::cli::told::told;
use crate::model::Attributes;
use crate::resources::arm_testing::{attributes, digester};
use crate::resources::kept_password::Kept;
use crate::resources::kept_tests::{answers, azure, key as kept_key, lock};

fn key() -> Attributes {
    attributes(json!({ "subscription": "s", "resource_group": "rg", "app": "web" }))
}

/// A secret of a step: where it comes from, and the digest of this text.
fn secret(source: &Json, text: &str) -> Json {
    json!({ "$secret": { "source": source, "digest": digester().digest(text) } })
}

#[tokio::test]
async fn identities_and_settings() {
    let gone = over(|_| error(404, "ResourceNotFound"));
    let bare = over(|_| reply(200, json!({ "properties": {} })));
    let settings = json!({ "A": "theirs", "mode": "x" });
    let app = over(move |_| reply(200, json!({ "properties": settings })));
    // Cargo sets this one for every test.
    let env = json!({ "env": "CARGO_PKG_NAME" });
    let set = |value: Json| json!({ "settings": { "A": value } });
    let absent = secret(&json!({ "env": "PGENTRA_TEST_ABSENT" }), "x");
    let key = key();
    let nameless = attributes(json!({ "subscription": "s", "resource_group": "rg" }));
    let failures = [
        unplanned(&gone, "app_identity", &key, json!({ "system": true })).await,
        unwritten(&bare, "app_identity", &key, json!(null), json!({ "system": true })).await,
        unplanned(&app, "app_settings", &key, json!({ "require": ["PGHOST", "PGUSER"] })).await,
        unplanned(&app, "app_settings", &nameless, json!({})).await,
        unwritten(&app, "app_settings", &key, set(json!("1")), set(secret(&env, "planned"))).await,
        unwritten(&app, "app_settings", &key, set(json!("1")), set(secret(&json!(null), "old"))).await,
        unwritten(&app, "app_settings", &key, set(json!("1")), set(absent)).await,
        unwritten(&app, "app_settings", &key, set(json!("1")), set(json!(5))).await,
        unwritten(&app, "app_settings", &key, set(json!("1")), set(json!("2"))).await,
        unwritten(&app, "app_settings", &key, json!({ "settings": {} }), json!({ "settings": { "MODE": "1" } })).await,
    ];
    insta::assert_snapshot!(told(&failures));
}

fn place(value: &Json) -> Json {
    json!({ "key_vault": "kv", "secret": "old", "value": value })
}

#[tokio::test]
async fn values_that_are_kept_or_not() {
    let shared = azure();
    let world = over(answers(&shared));
    let (pw, gone) = (kept_key("settings", Some("PW")), kept_key("settings", Some("GONE")));
    let list = kept_key("settings", None);
    let vault = json!({ "key_vault": "kv", "secret": "old" });
    let values = |value: Json| json!({ "values": { "PW": value } });
    let ours = || secret(&json!({ "key_vault": { "vault": "kv", "secret": "old" } }), "hunter2");
    let escrow = |end: Attributes| Kept::of(&end).unwrap().unwrap();
    let end = attributes(json!({
        "escrow": { "key_vault": "kv", "secret": "old", "subscription": "s", "resource_group": "rg" }, "value": ours(),
    }));
    let absent = unwritten(&world, "password_setting", &list, values(ours()), values(json!(null))).await;
    let unkept = escrow(end.clone()).demand(&world, &end).await.unwrap_err();
    lock(&shared).vault.insert("old".to_owned(), json!("other"));
    let plain = secret(&json!({ "env": "CARGO_PKG_NAME" }), env!("CARGO_PKG_NAME"));
    let failures = [
        unplanned(&world, "escrow", &pw, vault).await,
        unwritten(&world, "escrow", &gone, place(&ours()), json!(null)).await,
        unwritten(&world, "escrow", &pw, place(&ours()), place(&json!(null))).await,
        unwritten(&world, "escrow", &pw, place(&json!(null)), place(&secret(&json!(null), "other"))).await,
        absent,
        unwritten(&world, "password_setting", &list, values(ours()), values(json!(null))).await,
        unkept,
        escrow(end.clone()).demand(&world, &end).await.unwrap_err(),
        unplanned(&world, "password_setting", &list, json!({ "names": ["PW", "PW_OLD"] })).await,
        unplanned(&world, "password_setting", &kept_key("lists", None), json!({ "names": ["PW"] })).await,
        unwritten(
            &world,
            "password_setting",
            &kept_key("connection_strings", None),
            json!({ "values": { "main": null } }),
            json!({ "values": { "main": plain } }),
        )
        .await,
    ];
    assert!(!told(&failures).contains("hunter2"));
    insta::assert_snapshot!(told(&failures));
}
