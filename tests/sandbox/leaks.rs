//! Every command, in every format: none of them says a secret, and none writes one into a file.

use std::collections::BTreeMap;

use serde_json::json;

use crate::events::events;
use crate::secrets::{files, plant, search};
use crate::stand::{MIGRATION, PGENTRA, Ran, Stand};

/// The migration with secrets of its own, and evidence that a secret signs.
fn plan() -> String {
    let settings = "[app.rmhazuregeoapi.settings]\nOWN_SECRET = { env = \"OWN_SECRET\" }\n";
    let admin = "connections = [\n  { name = \"admin\", user = \"pg-deployers\" },\n  \
        { name = \"owner\", user = \"geoapp\", password = { env = \"GEOAPP_PASSWORD\" } },\n]\n";
    let evidence = r#"
[validation.rmhazuregeoapi]
period = "7d"
old_role = "geoapp"
server = "rmhpgflex"
key = { key_vault = "kv-ops", secret = "evidence-key" }

[[validation.rmhazuregeoapi.sensor]]
name = "password logins"
kind = "server_logs"
workspace = "99999999-9999-4999-8999-999999999999"
lag = "1s"
"#;
    MIGRATION
        .replace("[app.rmhazuregeoapi.settings]\n", settings)
        .replace("[server.rmhpgflex]\n", &format!("[server.rmhpgflex]\n{admin}"))
        + evidence
}

/// A plan file with a secret where none may stand, and mistakes around it.
fn flawed(secret: &str) -> String {
    let url = format!("DATABASE_URL = \"postgres://u:{secret}@h/d\"\n");
    let settings = format!(
        "[app.rmhazuregeoapi.settings]\n{url}STORAGE = \"AccountName=a;AccountKey={secret}==\" 1\nPASSWORD = \"{secret}\"\n"
    );
    MIGRATION.replace("[app.rmhazuregeoapi.settings]\n", &settings)
}

/// What is run, in this order: whether in every format, which exit codes are well, and the words.
const RUNS: [(bool, &[i32], &str); 41] = [
    (true, &[0], "validate plan.toml --sarif-into plan.sarif"),
    (true, &[3], "validate flawed.toml --sarif-into flawed.sarif --annotations github"),
    (false, &[3], "plan flawed.toml --annotations azure"),
    (true, &[3], "validate wrong.toml"),
    (false, &[3], "plan --json wrong.toml"),
    (false, &[0, 1, 3], "fmt --check plan.toml"),
    (false, &[0, 1, 3], "fmt --check flawed.toml"),
    (true, &[0], "graph plan.toml"),
    (false, &[0], "graph plan.toml --as dot"),
    (false, &[0], "graph plan.toml --as mermaid"),
    (true, &[0], "plan plan.toml --full"),
    (false, &[0], "plan plan.toml --json --log trace"),
    (true, &[0], "plan plan.toml --explain app_settings.rmhazuregeoapi"),
    (true, &[0, 10, 11], "doctor plan.toml"),
    (true, &[0, 11], "doctor plan.toml --can-i"),
    (true, &[0, 10], "doctor plan.toml --local"),
    (
        false,
        &[0],
        "import -g rmhazure_rg --app rmhazuregeoapi --admin pg-deployers --admin-object-id \
        33333333-3333-4333-8333-333333333333 --connect-as pgadmin --password-env PGADMIN_PASSWORD --database geopgflex --out imported.toml",
    ),
    (false, &[0, 11], "render sql plan.toml"),
    (true, &[0], "render az plan.toml"),
    (true, &[0], "render kql plan.toml"),
    (true, &[0], "render rbac plan.toml"),
    (false, &[5], "apply --auto-approve plan.toml --json --json-into failed.json --log trace --annotations github"),
    (false, &[0], "plan plan.toml --out saved"),
    (false, &[0, 4], "apply --auto-approve plan.toml --format json --log trace"),
    (true, &[0], "plan plan.toml --full --out saved"),
    (true, &[0, 10], "verify plan.toml --junit-into junit.xml --try-in-database"),
    (true, &[0, 10], "observe plan.toml"),
    (false, &[0, 10], "observe plan.toml --json --log trace"),
    (true, &[0], "evidence show plan.toml"),
    (true, &[0], "evidence verify plan.toml"),
    (false, &[0], "evidence export plan.toml"),
    (true, &[0, 4, 10], "status plan.toml"),
    (true, &[0], "history plan.toml"),
    (true, &[0], "show last plan.toml"),
    (false, &[0], "import -g rmhazure_rg --app rmhazuregeoapi --database geopgflex"),
    (true, &[0], "render sql plan.toml"),
    (true, &[0], "plan plan.toml --refresh-only"),
    (false, &[0], "rollback --auto-approve --file plan.toml --format html --log trace"),
    (true, &[0, 1], "unlock plan.toml --force"),
    (false, &[0], "sandbox log"),
    (false, &[0], "sandbox log --processes"),
];

async fn more(stand: &Stand, planted: &mut BTreeMap<&'static str, String>) {
    let what = "PRIVATE KEY";
    let pem = format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", "pl4ntedInAPrivateKey/+pl4nted");
    planted.insert("a private key", "pl4ntedInAPrivateKey/+pl4nted".into());
    planted.insert("a secret in the plan file", "pl4nted-in-the-plan-file".into());
    for (what, name) in [
        ("a referenced secret", "referenced"),
        ("a secret of the vault", "own"),
        ("the key of the evidence", "evidence-key"),
    ] {
        let value = format!("pl4nted&in\"the\"vault-{name}");
        stand.vault("PUT", &format!("secrets/{name}"), json!({ "value": value })).await;
        planted.insert(what, value);
    }
    let vault = format!("{}/vaults/kv-ops/secrets/referenced", stand.vars["PGENTRA_SANDBOX_URL"]);
    for (key, value) in [("CERTIFICATE", pem), ("REFERENCE", format!("@Microsoft.KeyVault(SecretUri={vault})"))] {
        stand.control("POST", "settings", json!({"site": "rmhazuregeoapi", "key": key, "value": value})).await;
    }
}

#[tokio::test]
async fn no_command_says_a_secret_in_any_format() {
    let stand = Stand::up().await;
    let mut planted = plant(&stand).await;
    more(&stand, &mut planted).await;
    stand.keep("plan.toml", &plan());
    stand.keep("flawed.toml", &flawed(&planted["a secret in the plan file"]));
    let wrong = flawed(&planted["a secret in the plan file"]).replace("==\" 1\n", "==\"\n");
    stand.keep("wrong.toml", &wrong.replace("kind = \"function\"", "kind = \"functoin\""));
    let refusal = json!({"Code": "BadRequest", "Message": "The value is wrong."});
    let rule = json!({"method": "PUT", "path": "*/config/appsettings", "action": "status", "status": 400, "body": refusal, "times": 100});
    let own = planted["a value that the plan owns"].clone();
    let (mut said, mut wrong): (Vec<(String, Vec<u8>)>, Vec<String>) = (Vec::new(), Vec::new());
    for (every, codes, words) in RUNS {
        if codes == [5] {
            stand.plant(rule.clone()).await;
        }
        for format in if every { &["text", "json", "markdown", "html"][..] } else { &[""][..] } {
            let mut command = stand.program(PGENTRA);
            command.env("OWN_SECRET", &own).env("RUST_BACKTRACE", "1").args(words.split_whitespace());
            if !format.is_empty() {
                command.args(["--format", format, "--json-into", "result.json"]);
            }
            let ran = Ran::of(&command.output().unwrap());
            if !codes.contains(&ran.code) {
                wrong.push(format!("{words} ({format}) ended with {}: {:.400}", ran.code, ran.err));
            }
            if words.contains("--json ") {
                events(&ran.out);
            }
            said.push((format!("output of {words} ({format})"), ran.out.into_bytes()));
            said.push((format!("log of {words} ({format})"), ran.err.into_bytes()));
            let result = stand.here().join("result.json");
            if let Ok(result) = std::fs::read(&result) {
                said.push((format!("the result of {words} ({format})"), result));
            }
        }
        stand.control("DELETE", "faults", json!(null)).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    files(&stand.here().join(".pgentra"), &mut said);
    for name in ["saved", "failed.json", "imported.toml", "plan.sarif", "flawed.sarif", "junit.xml"] {
        said.push((name.to_owned(), std::fs::read(stand.here().join(name)).unwrap()));
    }
    for ending in ["json", "md"] {
        let name = format!("rmhazuregeoapi-evidence.{ending}");
        said.push((name.clone(), std::fs::read(stand.here().join(name)).unwrap()));
    }
    search(&said, &planted);
}
