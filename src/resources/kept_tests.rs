//! Tests of `escrow` and `password_setting` against an app and a key vault that keep what they are told.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value as Json, json};

use super::World as _;
use super::arm_testing::{attributes, live, look, step, write};
use crate::azure::double::{Reply, Seen, error, reply, reply_with};
use crate::model::{Attributes, Class, Observed, Purpose, Reading, Undo, Value};

/// What Azure keeps.
#[derive(Default)]
pub(super) struct Azure {
    pub(super) settings: Map<String, Json>,
    strings: Map<String, Json>,
    pub(super) vault: Map<String, Json>,
    deleted: bool,
    puts: usize,
}

pub(super) type Shared = Arc<Mutex<Azure>>;

pub(super) fn azure() -> Shared {
    let object = |json: Json| json.as_object().unwrap().clone();
    Arc::new(Mutex::new(Azure {
        settings: object(json!({ "PW": "hunter2", "THEIRS": "x" })),
        strings: object(json!({ "main": { "value": "Host=h;Password=hunter3", "type": "PostgreSQL" } })),
        ..Azure::default()
    }))
}

pub(super) fn lock(azure: &Shared) -> MutexGuard<'_, Azure> {
    azure.lock().unwrap()
}

/// Both lists as they are now.
fn all(azure: &Shared) -> (Map<String, Json>, Map<String, Json>) {
    let azure = lock(azure);
    (azure.settings.clone(), azure.strings.clone())
}

/// Answers as Azure does.
pub(super) fn answers(azure: &Shared) -> impl FnMut(&Seen) -> Reply + Send + 'static + use<> {
    let azure = Arc::clone(azure);
    move |seen| {
        let mut azure = lock(&azure);
        if let Some(path) = seen.path.strip_prefix("/secrets/") {
            azure.deleted |= seen.bearer && seen.method == "DELETE";
            return secrets(&mut azure.vault, seen, path.trim_end_matches('/'));
        }
        if seen.path.contains("/deletedsecrets/") {
            if !seen.bearer {
                return challenge();
            }
            let there = azure.deleted;
            azure.deleted &= seen.method != "DELETE";
            let done = if seen.method == "DELETE" { 204 } else { 200 };
            return if there { reply(done, json!({})) } else { error(404, "SecretNotFound") };
        }
        if seen.path.ends_with("/vaults/kv") {
            return reply(200, json!({ "properties": { "vaultUri": "https://kv.vault.test/" } }));
        }
        let strings = seen.path.contains("connectionstrings");
        if seen.method == "PUT" {
            let all = seen.body["properties"].as_object().unwrap().clone();
            azure.puts += 1;
            *(if strings { &mut azure.strings } else { &mut azure.settings }) = all;
        }
        reply(200, json!({ "properties": if strings { &azure.strings } else { &azure.settings } }))
    }
}

fn challenge() -> Reply {
    let header = "Bearer authorization=\"https://login.test/t\", resource=\"https://vault.test\"";
    reply_with(401, &[("www-authenticate", header)], json!({ "error": { "code": "Unauthorized" } }))
}

fn secrets(vault: &mut Map<String, Json>, seen: &Seen, name: &str) -> Reply {
    if !seen.bearer {
        return challenge();
    }
    let id = format!("https://kv.vault.test/secrets/{name}/v1");
    let answer = |value: &Json| reply(200, json!({ "id": id, "value": value, "attributes": { "created": 1_000_000 } }));
    match (seen.method.as_str(), vault.get(name)) {
        ("PUT", _) => {
            vault.insert(name.to_owned(), seen.body["value"].clone());
            answer(&seen.body["value"])
        }
        ("DELETE", Some(_)) => {
            vault.remove(name);
            reply(200, json!({}))
        }
        (_, Some(value)) => answer(value),
        (_, None) => error(404, "SecretNotFound"),
    }
}

pub(super) fn key(list: &str, name: Option<&str>) -> Attributes {
    let mut key = attributes(json!({ "subscription": "s", "resource_group": "rg", "app": "app", "list": list }));
    key.extend(name.map(|name| ("name".to_owned(), Value::text(name))));
    key
}

fn place() -> Attributes {
    attributes(json!({ "key_vault": "kv", "secret": "old" }))
}

async fn plan(azure: &Shared, kind: &str, key: &Attributes, asked: &Attributes) -> Reading {
    look(&live(answers(azure)).0, kind, key, asked, Purpose::Plan).await.unwrap()
}

fn ends(reading: Reading) -> (Option<Attributes>, Option<Attributes>) {
    let Observed::Present(state) = reading.observed else { return (None, reading.desired) };
    (Some(state.attributes), reading.desired)
}

/// The secret `name` as a removal sees it.
fn removal(name: &str) -> Attributes {
    attributes(json!({ "names": [name], "escrow": { name: { "key_vault": "kv", "secret": "old" } } }))
}

async fn keep_and_remove(azure: &Shared, list: &str, name: &str) -> (Attributes, Attributes) {
    let escrow = key(list, Some(name));
    let (before, after) = ends(plan(azure, "escrow", &escrow, &place()).await);
    assert_eq!(before, None);
    write("escrow", &escrow, before, after.clone(), answers(azure)).await.0.unwrap();
    assert_eq!(ends(plan(azure, "escrow", &escrow, &place()).await), (after.clone(), after));
    let (before, after) = ends(plan(azure, "password_setting", &key(list, None), &removal(name)).await);
    write("password_setting", &key(list, None), before.clone(), after.clone(), answers(azure)).await.0.unwrap();
    (before.unwrap(), after.unwrap())
}

#[tokio::test]
async fn what_is_kept_goes_and_comes_back() {
    for (list, name, theirs) in [("settings", "PW", 1), ("connection_strings", "main", 0)] {
        let azure = azure();
        let start = all(&azure);
        let (before, after) = keep_and_remove(&azure, list, name).await;
        let shown = serde_json::to_string(&(&before, &after)).unwrap();
        assert!(!shown.contains("hunter"), "{shown}");
        assert_eq!(lock(&azure).puts, 1);
        let (settings, strings) = all(&azure);
        let left = if list == "settings" { settings.len() } else { strings.len() };
        assert_eq!(left, theirs, "{list}");
        assert_eq!((super::password_setting::SCHEMA.undo)(Some(&before), Some(&after)), Undo::Faithful);
        write("password_setting", &key(list, None), Some(after), Some(before), answers(&azure)).await.0.unwrap();
        assert_eq!(all(&azure), start);
    }
}

#[tokio::test]
async fn nothing_goes_that_is_not_kept() {
    let azure = azure();
    let site = key("settings", None);
    let (before, after) = ends(plan(&azure, "password_setting", &site, &removal("PW")).await);
    for held in [None, Some("another")] {
        if let Some(held) = held {
            lock(&azure).vault.insert("old".to_owned(), json!(held));
        }
        let (done, _) = write("password_setting", &site, before.clone(), after.clone(), answers(&azure)).await;
        assert_eq!(done.unwrap_err().class, Class::Conflict);
    }
    assert_eq!(lock(&azure).puts, 0);
}

#[tokio::test]
async fn a_value_is_given_up_only_when_that_is_said() {
    let azure = azure();
    let site = key("settings", None);
    let names = attributes(json!({ "names": ["PW"] }));
    let world = live(answers(&azure)).0;
    let failure = look(&world, "password_setting", &site, &names, Purpose::Plan).await.unwrap_err();
    assert_eq!(failure.class, Class::Input);
    let given_up = attributes(json!({ "names": ["PW"], "irreversible": true }));
    let (before, after) = ends(plan(&azure, "password_setting", &site, &given_up).await);
    let undo = (super::password_setting::SCHEMA.undo)(before.as_ref(), after.as_ref());
    assert!(matches!(undo, Undo::Never(_)), "{undo:?}");
}

#[tokio::test]
async fn a_value_that_was_changed_meanwhile_is_neither_kept_nor_removed() {
    let azure = azure();
    let (escrow, site) = (key("settings", Some("PW")), key("settings", None));
    let (none, kept) = ends(plan(&azure, "escrow", &escrow, &place()).await);
    let (before, after) = ends(plan(&azure, "password_setting", &site, &removal("PW")).await);
    lock(&azure).vault.insert("old".to_owned(), json!("hunter2"));
    lock(&azure).settings.insert("PW".to_owned(), json!("rotated"));
    for (kind, key, before, after) in [("escrow", &escrow, none, kept), ("password_setting", &site, before, after)] {
        let (done, _) = write(kind, key, before, after, answers(&azure)).await;
        assert_eq!(done.unwrap_err().class, Class::Conflict, "{kind}");
    }
    assert_eq!(lock(&azure).vault["old"], json!("hunter2"));
    let failure = look(&live(answers(&azure)).0, "escrow", &escrow, &place(), Purpose::Plan).await.unwrap_err();
    assert_eq!(failure.class, Class::Conflict, "a secret with another value is somebody's");
}

#[tokio::test]
async fn the_only_copy_is_not_deleted() {
    let azure = azure();
    keep_and_remove(&azure, "settings", "PW").await;
    let escrow = key("settings", Some("PW"));
    let (before, _) = ends(plan(&azure, "escrow", &escrow, &place()).await);
    let (done, _) = write("escrow", &escrow, before, None, answers(&azure)).await;
    assert_eq!(done.unwrap_err().class, Class::Conflict);
}

#[tokio::test]
async fn a_kept_value_that_was_replaced_is_not_given_back() {
    let azure = azure();
    let (before, after) = keep_and_remove(&azure, "settings", "PW").await;
    lock(&azure).vault.insert("old".to_owned(), json!("another"));
    let (done, _) = write("password_setting", &key("settings", None), Some(after), Some(before), answers(&azure)).await;
    assert_eq!(done.unwrap_err().class, Class::Unfit);
    assert!(!lock(&azure).settings.contains_key("PW"));
}

/// The secret is of 1970, so that one day after it is long over, and 400 years are not.
#[tokio::test]
async fn what_is_kept_is_purged_when_it_is_due_and_nothing_can_give_it_back_then() {
    let azure = azure();
    let (value, gone) = keep_and_remove(&azure, "settings", "PW").await;
    let escrow = key("settings", Some("PW"));
    let after = |span: &str| {
        let mut place = place();
        place.insert("purge_after".to_owned(), Value::text(span));
        place
    };
    let early = plan(&azure, "escrow", &escrow, &after("146000d")).await;
    assert!(early.notes[0].contains("is purged by the first apply after"), "{:?}", early.notes);
    let (before, wanted) = ends(early);
    assert_eq!(before, wanted);
    let due = plan(&azure, "escrow", &escrow, &after("1d")).await;
    assert!(due.notes[0].contains("due to be purged since 1970-01-13"), "{:?}", due.notes);
    let (before, purged) = ends(due);
    assert!(matches!((super::escrow::SCHEMA.undo)(before.as_ref(), purged.as_ref()), Undo::Never(_)));

    lock(&azure).settings.insert("PW".to_owned(), json!("hunter2"));
    let (done, _) = write("escrow", &escrow, before.clone(), purged.clone(), answers(&azure)).await;
    assert_eq!(done.unwrap_err().class, Class::Conflict, "the app has it again");
    lock(&azure).settings.remove("PW");
    write("escrow", &escrow, before, purged.clone(), answers(&azure)).await.0.unwrap();
    assert!(lock(&azure).vault.is_empty() && !lock(&azure).deleted, "deleted, and purged");
    let world = live(answers(&azure)).0;
    let settled = look(&world, "escrow", &escrow, purged.as_ref().unwrap(), Purpose::Settle).await.unwrap();
    assert_eq!(ends(settled).0, purged);
    let (before, wanted) = ends(plan(&azure, "escrow", &escrow, &after("1d")).await);
    assert_eq!(before, wanted, "there is nothing left to do");
    let back = step("password_setting", &key("settings", None), Some(gone), Some(value));
    assert!(world.lost(&back).await.unwrap().unwrap().contains("is there no more"));
}
