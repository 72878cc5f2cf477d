//! Secrets that are planted in the sandbox appear in no output, log or file of pgentra's, in no encoding.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::stand::{MIGRATION, PGENTRA, Ran, Stand};

/// A text in the forms in which it could slip out.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let percent = |keep: fn(u8) -> bool| -> String {
        let one = |byte: u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        secret.bytes().map(one).collect()
    };
    let hex = percent(|_| false).replace('%', "").to_lowercase();
    let json = json!(secret).to_string();
    let mut forms = vec![
        ("plain", secret.to_owned()),
        ("reversed", secret.chars().rev().collect()),
        ("JSON", json[1..json.len() - 1].to_owned()),
        ("percent", percent(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))),
        ("every byte in percent", percent(|_| false)),
        ("hex", hex.clone()),
        ("HEX", hex.to_uppercase()),
        ("HTML", secret.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")),
    ];
    // Base64 of a text within another depends on where it begins; the middle parts are the same.
    for shift in 0..3 {
        let padded = [vec![b'x'; shift], secret.as_bytes().to_vec()].concat();
        for (name, coded) in [("base64", STANDARD.encode(&padded)), ("base64url", URL_SAFE_NO_PAD.encode(&padded))] {
            let inner: String = coded.chars().skip(if shift == 0 { 0 } else { 4 }).collect();
            forms.push((name, inner.trim_end_matches('=').chars().take(inner.len().saturating_sub(4)).collect()));
        }
    }
    forms.push(("base64 without padding", STANDARD_NO_PAD.encode(secret)));
    forms
}

/// Every file below a directory, with its path.
pub fn files(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn the_search_finds_what_it_is_for() {
    let secret = "hunter2&\"geheim\"-äß/+9";
    let text = format!("a {} b", STANDARD.encode(format!("password={secret}!")));
    assert!(forms(secret).iter().any(|(_, form)| text.contains(form)));
    for form in [json!({ "p": secret }).to_string(), secret.to_owned()] {
        assert!(forms(secret).iter().any(|(_, wanted)| form.contains(wanted)), "{form}");
    }
}

/// Plants secrets wherever pgentra looks; answers each with where it is.
pub async fn plant(stand: &Stand) -> BTreeMap<&'static str, String> {
    let mut planted: BTreeMap<&str, String> = BTreeMap::from([
        ("a setting with a secret's name", "pl4nted-in&\"a\"-setting/+=".into()),
        ("a password in a URL", "pl4nted-in-a-url".into()),
        ("a key in a connection string", "pl4nted+account/key==".into()),
        ("a value that the plan owns", "pl4nted-by-the-plan#1".into()),
        ("a connection string", "pl4nted-c0nnection".into()),
    ]);
    let url = format!("postgresql://geoapp:{}@h/d", planted["a password in a URL"]);
    let storage = format!("AccountName=a;AccountKey={}", planted["a key in a connection string"]);
    for (key, value) in [
        ("API_SECRET", planted["a setting with a secret's name"].as_str()),
        ("DATABASE_URL", &url),
        ("AzureWebJobsStorage", &storage),
    ] {
        stand.control("POST", "settings", json!({"site": "rmhazuregeoapi", "key": key, "value": value})).await;
    }
    let string = format!("Host=h;Password={}", planted["a connection string"]);
    let strings = json!({"properties": {"main": {"type": "PostgreSQL", "value": string}}});
    stand.arm("PUT", "/config/connectionstrings", strings).await;
    for name in ["GEOAPP_PASSWORD", "PGADMIN_PASSWORD", "AZURE_CLIENT_SECRET", "PGENTRA_SANDBOX_IDENTITY_HEADER"] {
        planted.insert(name, stand.vars[name].clone());
    }
    planted
}

/// Panics when one of the secrets, or a token, is in what was said.
pub fn search(said: &[(String, Vec<u8>)], planted: &BTreeMap<&str, String>) {
    for (place, bytes) in said {
        let text = String::from_utf8_lossy(bytes);
        for (what, secret) in planted {
            for (form, wanted) in forms(secret) {
                assert!(!text.contains(&wanted), "{what} ({form}) is in {place}");
            }
        }
        let token = text.find("eyJ0eXAiOiJKV1Qi").or_else(|| text.find("eyJhbGciOi"));
        assert!(token.is_none(), "a token is in {place}");
    }
}

#[tokio::test]
async fn planted_secrets_appear_nowhere() {
    let stand = Stand::up().await;
    let planted = plant(&stand).await;
    let settings = "[app.rmhazuregeoapi.settings]\nOWN_SECRET = { env = \"OWN_SECRET\" }\n";
    stand.keep("plan.toml", &MIGRATION.replace("[app.rmhazuregeoapi.settings]\n", settings));
    let own = planted["a value that the plan owns"].clone();
    let run = |arguments: &[&str]| {
        let mut command = stand.program(PGENTRA);
        Ran::of(&command.env("OWN_SECRET", &own).env("RUST_BACKTRACE", "1").args(arguments).output().unwrap())
    };
    let mut said: Vec<(String, Vec<u8>)> = Vec::new();
    let mut all = |words: &str, code: i32| {
        let ran = run(&words.split(' ').collect::<Vec<_>>()).ends(code);
        said.push((format!("output of {words}"), ran.out.into_bytes()));
        said.push((format!("log of {words}"), ran.err.into_bytes()));
    };
    all("plan plan.toml --full --json-into plan.json --log trace", 0);
    let refusal = json!({"Code": "BadRequest", "Message": "The value is wrong."});
    stand
        .plant(json!({"method": "PUT", "path": "*/config/appsettings", "action": "status", "status": 400,
            "body": refusal}))
        .await;
    all("apply --auto-approve plan.toml --log trace", 5);
    all("apply --auto-approve plan.toml --format json --log trace", 0);
    all("verify plan.toml --format json", 0);
    all("render sql plan.toml", 0);
    let runs = run(&["history", "plan.toml"]).ends(0).out;
    let last = runs.lines().nth(1).and_then(|line| line.split_whitespace().next()).unwrap();
    all(&format!("show {last} plan.toml"), 0);
    all("history plan.toml", 0);
    all("sandbox log", 0);
    all("sandbox log --processes", 0);
    files(&stand.here().join(".pgentra"), &mut said);
    said.push(("plan.json".into(), std::fs::read(stand.here().join("plan.json")).unwrap()));
    assert!(stand.settings().await["OWN_SECRET"] == own.as_str(), "it was really written");
    let long = said.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    assert!(long > 50_000, "there is something to search: {long}");
    search(&said, &planted);
}
