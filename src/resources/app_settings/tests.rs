//! Tests of settings against an app that keeps them, and other people who write them too.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use super::SCHEMA;
use crate::azure::double::{Reply, Seen, error, reply};
use crate::model::{Attributes, Class, Observed, Purpose, Undo, Value};
use crate::resources::arm_testing::{attributes, digester, live, look, read, write};

type Shared = Arc<Mutex<serde_json::Map<String, Json>>>;

fn key() -> Attributes {
    attributes(json!({ "subscription": "s", "resource_group": "rg", "app": "app", "slot": "blue" }))
}

fn shared(settings: &Json) -> Shared {
    Arc::new(Mutex::new(settings.as_object().unwrap().clone()))
}

/// An app whose settings are in `kept`.
fn app(kept: &Shared) -> impl FnMut(&Seen) -> Reply + Send + 'static {
    let kept = kept.clone();
    move |seen: &Seen| -> Reply {
        if seen.method == "GET" {
            assert!(seen.path.ends_with("/sites/app/slots/blue"), "{}", seen.path);
            return reply(200, json!({ "properties": {} }));
        }
        let mut kept = kept.lock().unwrap();
        if seen.method == "PUT" {
            assert!(seen.path.ends_with("/sites/app/slots/blue/config/appsettings"), "{}", seen.path);
            *kept = seen.body["properties"].as_object().unwrap().clone();
        } else if seen.path.ends_with("/config/connectionstrings/list") {
            let main = json!({ "type": "PostgreSQL", "value": "Host=h;Password=hunter2" });
            return reply(200, json!({ "properties": { "main": main } }));
        } else {
            assert!(seen.path.ends_with("/config/appsettings/list"), "{}", seen.path);
        }
        reply(200, json!({ "properties": *kept }))
    }
}

fn settings(map: Json) -> Attributes {
    attributes(Json::Object([("settings".to_owned(), map)].into_iter().collect()))
}

/// A live secret as it is shown.
fn seen(secret: &str) -> Json {
    json!({ "$secret": { "source": null, "digest": digester().digest(secret) } })
}

/// A secret from the environment; cargo sets this variable for every test.
fn from_env(digest: &str) -> Json {
    json!({ "$secret": { "source": { "env": "CARGO_PKG_NAME" }, "digest": digester().digest(digest) } })
}

#[tokio::test]
async fn secrets_are_read_as_digests_and_nothing_else_is_read() {
    let kept = shared(&json!({
        "MODE": "old", "DB_PASSWORD": "hunter2", "URL": "postgres://u:p@h/d", "API_TOKEN": "true", "OTHER": "x",
        "VAULT_SECRET": "@Microsoft.KeyVault(SecretUri=https://v/s)", "ODD": "quiet", "N": 5,
    }));
    let asked = json!({
        "MODE": "new", "DB_PASSWORD": null, "URL": null, "API_TOKEN": "true", "VAULT_SECRET": null, "ODD": null,
        "ABSENT": "x", "N": null,
    });
    let mut asked = settings(asked);
    asked.insert("sensitive".into(), Value::List(vec!["ODD".into()]));
    let (state, _) = read("app_settings", &key(), &asked, app(&kept)).await;
    let mut expected = settings(json!({
        "MODE": "old", "DB_PASSWORD": seen("hunter2"), "URL": seen("postgres://u:p@h/d"), "API_TOKEN": "true",
        "VAULT_SECRET": "@Microsoft.KeyVault(SecretUri=https://v/s)", "ODD": seen("quiet"), "ABSENT": null, "N": "5",
    }));
    expected.insert("sensitive".into(), Value::List(vec!["ODD".into()]));
    assert_eq!(state.unwrap(), expected);
}

#[tokio::test]
async fn owned_keys_are_merged_into_what_is_there_at_that_moment() {
    let kept = shared(&json!({ "MODE": "old", "THEIRS": " é\n\"x\" ", "GONE": "y", "N": 5 }));
    let mut answer = app(&kept);
    let writer = kept.clone();
    // Somebody else writes between our look and our list.
    let handler = move |seen: &Seen| {
        if seen.path.ends_with("/slots/blue") {
            writer.lock().unwrap().insert("SECOND_WRITER".into(), json!("z"));
        }
        answer(seen)
    };
    let before = settings(json!({ "MODE": "old", "GONE": "y", "NEW": null }));
    let after = settings(json!({ "MODE": "new", "GONE": null, "NEW": "" }));
    let (done, double) = write("app_settings", &key(), Some(before), Some(after), handler).await;
    done.unwrap();
    let expected = json!({ "MODE": "new", "THEIRS": " é\n\"x\" ", "N": 5, "SECOND_WRITER": "z", "NEW": "" });
    assert_eq!(Json::Object(kept.lock().unwrap().clone()), expected);
    let calls: Vec<String> = double.seen().iter().map(|seen| seen.method.clone()).collect();
    assert_eq!(calls, ["GET", "POST", "PUT"], "nothing between the list and the one PUT");
}

/// A write that has to be tried again is made of what is there then: whoever kept Azure busy may have written settings.
#[tokio::test]
async fn what_others_write_while_azure_is_busy_stays() {
    for busy in [error(409, "AnotherOperationInProgress"), error(429, "TooManyRequests")] {
        let kept = shared(&json!({ "MODE": "old" }));
        let (mut answer, writer, mut busy) = (app(&kept), kept.clone(), Some(busy));
        let handler = move |seen: &Seen| match busy.take_if(|_| seen.method == "PUT") {
            Some(busy) => {
                writer.lock().unwrap().insert("SECOND_WRITER".into(), json!("z"));
                busy
            }
            None => answer(seen),
        };
        let (before, after) = (settings(json!({ "MODE": "old" })), settings(json!({ "MODE": "new" })));
        let (done, double) = write("app_settings", &key(), Some(before), Some(after), handler).await;
        done.unwrap();
        let expected = json!({ "MODE": "new", "SECOND_WRITER": "z" });
        assert_eq!(Json::Object(kept.lock().unwrap().clone()), expected);
        let calls: Vec<String> = double.seen().iter().map(|seen| seen.method.clone()).collect();
        assert_eq!(calls, ["GET", "POST", "PUT", "POST", "PUT"], "read again before it is put again");
    }
}

#[tokio::test]
async fn the_way_back_removes_what_was_added() {
    let kept = shared(&json!({ "MODE": "new", "NEW": "1", "THEIRS": "x" }));
    let before = settings(json!({ "MODE": "new", "NEW": "1" }));
    let after = settings(json!({ "MODE": "old", "NEW": null }));
    write("app_settings", &key(), Some(before.clone()), Some(after), app(&kept)).await.0.unwrap();
    assert_eq!(Json::Object(kept.lock().unwrap().clone()), json!({ "MODE": "old", "THEIRS": "x" }));

    let kept = shared(&json!({ "MODE": "new", "NEW": "1", "THEIRS": "x" }));
    write("app_settings", &key(), Some(before), None, app(&kept)).await.0.unwrap();
    assert_eq!(Json::Object(kept.lock().unwrap().clone()), json!({ "THEIRS": "x" }));
}

#[tokio::test]
async fn what_is_already_so_is_not_put() {
    let kept = shared(&json!({ "MODE": "new", "S_PASSWORD": "pgentra" }));
    let after = settings(json!({ "MODE": "new", "GONE": null, "S_PASSWORD": from_env("pgentra") }));
    let (done, double) = write("app_settings", &key(), None, Some(after), app(&kept)).await;
    done.unwrap();
    assert!(double.seen().iter().all(|seen| seen.method != "PUT"));
}

#[tokio::test]
async fn a_change_by_somebody_else_is_not_overwritten() {
    let kept = shared(&json!({ "MODE": "theirs", "DB_PASSWORD": "changed" }));
    let before = settings(json!({ "MODE": "old", "DB_PASSWORD": seen("hunter2") }));
    let after = settings(json!({ "MODE": "new", "DB_PASSWORD": null }));
    let (done, double) = write("app_settings", &key(), Some(before), Some(after), app(&kept)).await;
    let failure = done.unwrap_err();
    assert_eq!(failure.class, Class::Conflict);
    assert!(failure.first_cause().ends_with("DB_PASSWORD, MODE"), "{failure}");
    assert!(double.seen().iter().all(|seen| seen.method != "PUT"));
}

#[tokio::test]
async fn secrets_come_from_the_environment_and_have_to_be_the_planned_ones() {
    let kept = shared(&json!({}));
    let step = |digest: &str| settings(json!({ "PLAIN_NAME": from_env(digest) }));
    write("app_settings", &key(), None, Some(step("pgentra")), app(&kept)).await.0.unwrap();
    assert_eq!(kept.lock().unwrap()["PLAIN_NAME"], "pgentra");
    let kept = shared(&json!({}));
    let failure = write("app_settings", &key(), None, Some(step("other")), app(&kept)).await.0.unwrap_err();
    assert_eq!(failure.class, Class::Unfit);
    assert!(!failure.to_string().contains("other value of"), "{failure}");
    let nobody = settings(json!({ "X": seen("gone") }));
    assert_eq!(write("app_settings", &key(), None, Some(nobody), app(&kept)).await.0.unwrap_err().class, Class::Input);
    assert!(kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_plan_look_restates_secrets_and_drops_policies() {
    let kept = shared(&json!({ "PLAIN_NAME": "pgentra", "THERE": "x", "WEBSITE_DISABLE_MSI": "True" }));
    let mut asked =
        settings(json!({ "PLAIN_NAME": { "$secret": { "source": { "env": "CARGO_PKG_NAME" }, "digest": null } } }));
    asked.insert("require".into(), Value::List(vec!["THERE".into()]));
    let (live, _) = live(app(&kept));
    let reading = look(&live, "app_settings", &key(), &asked, Purpose::Plan).await.unwrap();
    let mut expected = settings(json!({ "PLAIN_NAME": from_env("pgentra") }));
    expected.insert("sensitive".into(), Value::List(vec!["PLAIN_NAME".into()]));
    let desired = reading.desired.unwrap();
    assert_eq!(desired, expected);
    let Observed::Present(state) = reading.observed else { panic!("present") };
    assert!(crate::model::agrees_all(&state.attributes, &desired), "{state:?}");
    assert!(reading.notes[0].contains("WEBSITE_DISABLE_MSI"));
}

#[tokio::test]
async fn required_settings_have_to_be_there() {
    let mut asked = settings(json!({}));
    asked.insert("require".into(), Value::List(vec!["A".into(), "B".into()]));
    let (live, _) = live(app(&shared(&json!({ "B": "x" }))));
    let failure = look(&live, "app_settings", &key(), &asked, Purpose::Plan).await.unwrap_err();
    assert!(failure.class == Class::Input && failure.first_cause().ends_with(": A"), "{failure}");
}

#[tokio::test]
async fn a_reader_without_the_right_is_told_so() {
    let asked = settings(json!({ "A": "x" }));
    let (live, _) = live(|_| error(403, "AuthorizationFailed"));
    for purpose in [Purpose::Plan, Purpose::Settle] {
        let refused = look(&live, "app_settings", &key(), &asked, purpose).await;
        assert_eq!(refused.unwrap_err().class, Class::Forbidden);
    }
}

#[tokio::test]
async fn the_way_of_signing_in_is_told_when_it_changes() {
    let kept = shared(&json!({ "A": "x" }));
    let notes = async |asked: Json| {
        let (live, _) = live(app(&kept));
        look(&live, "app_settings", &key(), &settings(asked), Purpose::Plan).await.unwrap().notes
    };
    let told = notes(json!({ "USE_MANAGED_IDENTITY": "true" })).await;
    assert_eq!(told, ["sign-in: password now, managed identity with the password as fallback after this"]);
    assert!(notes(json!({ "A": "y" })).await.is_empty());
}

#[tokio::test]
async fn a_name_in_another_spelling_is_a_conflict() {
    let kept = shared(&json!({ "Mode": "old" }));
    let after = settings(json!({ "MODE": "new" }));
    let failure = write("app_settings", &key(), None, Some(after), app(&kept)).await.0.unwrap_err();
    assert_eq!(failure.class, Class::Conflict);
}

#[test]
fn undo_is_never_when_a_secret_would_be_lost() {
    let undo = |before: Json, after: Json| (SCHEMA.undo)(Some(&settings(before)), Some(&settings(after)));
    assert_eq!(undo(json!({ "A": "x", "B": null }), json!({ "A": "y", "B": "z" })), Undo::Faithful);
    assert_eq!(undo(json!({ "P": seen("x") }), json!({ "P": seen("x") })), Undo::Faithful, "it does not change");
    let never = undo(json!({ "P": seen("x") }), json!({ "P": null }));
    assert_eq!(never, Undo::Never("nobody can give back the old value of P".into()));
}

#[tokio::test]
async fn unreadable_connection_strings_hide_the_sign_in_alone() {
    let mut app = app(&shared(&json!({ "MODE": "old" })));
    let (live, _) = live(move |seen: &Seen| {
        if seen.path.ends_with("/config/connectionstrings/list") {
            return error(403, "AuthorizationFailed");
        }
        app(seen)
    });
    let asked = settings(json!({ "MODE": "new" }));
    let reading = look(&live, "app_settings", &key(), &asked, Purpose::Plan).await.unwrap();
    let found = settings(json!({ "MODE": "old" }));
    assert!(matches!(reading.observed, Observed::Present(state) if state.attributes == found));
    let note = reading.notes.join("\n");
    assert!(note.starts_with("sign-in: unknown, connection strings (not readable: "), "{note}");
}
