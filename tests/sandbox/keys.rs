//! A signing key that is kept in a Key Vault: fetched when observations are recorded and checked, and nowhere else.

use serde_json::json;

use crate::stand::Stand;

const PLAN: &str = r#"
version = 1
name = "keys"

[azure]
subscription = "22222222-2222-4222-8222-222222222222"
tenant = "11111111-1111-4111-8111-111111111111"
resource_group = "rmhazure_rg"

[server.rmhpgflex]
connections = [{ name = "admin", user = "pgadmin", password = { env = "PGADMIN_PASSWORD" } }]

[app.rmhazuregeoapi]

[validation.signed]
app = "rmhazuregeoapi"
old_role = "geoapp"
server = "rmhpgflex"
key = { key_vault = "kv-ops", secret = "evidence-key" }
"#;

#[tokio::test]
async fn observations_are_signed_with_a_key_of_a_vault() {
    let stand = Stand::up().await;
    stand.keep("plan.toml", PLAN);
    stand.run(&["observe", "plan.toml"]).ends(1).says(&["nothing signs", "evidence-key of Key Vault kv-ops"]);
    let key = "a secret of more than sixteen characters";
    stand.vault("PUT", "secrets/evidence-key", json!({"value": key})).await;
    // Whether the app is signed in by password at this moment does not matter here: it is recorded and signed.
    let observed = stand.run(&["observe", "plan.toml"]);
    assert!([0, 10].contains(&observed.code), "{observed:?}");
    let verified = stand.run(&["evidence", "verify", "plan.toml"]).ends(0);
    verified.says(&["1 signed, 0 with another key, 0 unsigned"]);
    stand.vault("PUT", "secrets/evidence-key", json!({"value": "another key of enough characters"})).await;
    let other = stand.run(&["evidence", "verify", "plan.toml"]).ends(10);
    other.says(&["0 signed, 1 with another key"]);
    let elsewhere = PLAN.replace("kv-ops", "kv-none");
    stand.keep("plan.toml", &elsewhere);
    stand.run(&["observe", "plan.toml"]).ends(1).says(&["kv-none"]);
    let mut kept = String::new();
    for file in walk(&stand.here().join(".pgentra")) {
        kept += &String::from_utf8_lossy(&std::fs::read(file).unwrap());
    }
    assert!(kept.contains("signature") && !kept.contains(key), "the key is not in the store");
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
