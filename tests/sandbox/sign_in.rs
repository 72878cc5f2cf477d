//! Signing in: every credential against the emulator, and what is said when none works or a right is missing.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::stand::{PGENTRA, Ran, Stand};

const READER: &str = "77777777-7777-4777-8777-777777777777";

/// Runs pgentra with some of the sandbox's variables changed; empty ones are taken away.
fn with(stand: &Stand, changed: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = stand.program(PGENTRA);
    for (name, value) in changed {
        if value.is_empty() {
            command.env_remove(name);
        } else {
            command.env(name, value);
        }
    }
    Ran::of(&command.args(arguments).output().unwrap())
}

/// Nobody is signed in, and no `az` is found.
fn nobody(stand: &Stand) -> [(&'static str, String); 5] {
    let empty = stand.here().join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    // A stand-in for the metadata service where nobody listens.
    let nowhere = "http://127.0.0.1:9".to_owned();
    [
        ("AZURE_CLIENT_ID", String::new()),
        ("AZURE_CLIENT_SECRET", String::new()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", nowhere),
        ("PATH", empty.display().to_string()),
        ("CI", String::new()),
    ]
}

fn borrowed<'a>(pairs: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    pairs.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Claims of a token, unchecked.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.trim().split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn without_a_credential_each_way_says_why_it_failed() {
    let stand = Stand::up().await;
    let nobody = nobody(&stand);
    let none = borrowed(&nobody);
    let all = [
        "environment: AZURE_CLIENT_SECRET is not set",
        "workload-identity: AZURE_FEDERATED_TOKEN_FILE is not set, and this is no GitHub Actions job",
        "managed-identity: this is no App Service app, and no virtual machine's metadata service answers",
        "azure-cli: az not found on PATH",
        "azure-developer-cli: azd not found on PATH",
    ];
    let plan = with(&stand, &none, &["plan", "plan.toml"]).ends(11).says(&all).says(&["az login"]);
    assert_eq!(plan.err.matches("az not found").count(), 1, "said once:\n{}", plan.err);
    for line in all {
        let name = line.split(':').next().unwrap();
        let one = with(&stand, &none, &["token", "--credential", name]).ends(11).says(&[line]);
        let others = all.iter().filter(|other| **other != line);
        for other in others {
            assert!(!one.err.contains(other), "only {name} is tried:\n{}", one.err);
        }
    }
    with(&stand, &none, &["token", "--credential", "magic"]).ends(1).says(&["environment, workload-identity"]);

    let wrong = with(&stand, &[("AZURE_CLIENT_SECRET", "n0t-the-secret")], &["plan", "plan.toml"]).ends(11);
    let wrong = wrong.says(&["AADSTS7000215", "azure-cli: not tried, because AZURE_CLIENT_SECRET is set"]);
    assert!(!wrong.err.contains("n0t-the-secret"), "{}", wrong.err);
    with(&stand, &[("SSL_CERT_FILE", "")], &["token"]).ends(1).says(&["certificate"]);
}

#[tokio::test]
async fn each_credential_gets_a_token() {
    let stand = Stand::up().await;
    let nobody = nobody(&stand);
    let get = |name: &str, more: &[(&str, &str)]| {
        let changed: Vec<(&str, &str)> = borrowed(&nobody).into_iter().chain(more.iter().copied()).collect();
        claims(&with(&stand, &changed, &["token", "--credential", name]).ends(0).out)
    };
    let id = stand.vars["AZURE_CLIENT_ID"].clone();
    let secret = stand.vars["AZURE_CLIENT_SECRET"].clone();
    let own = get("environment", &[("AZURE_CLIENT_ID", &id), ("AZURE_CLIENT_SECRET", &secret)]);
    assert_eq!((&own["appid"], &own["aud"]), (&json!(id), &json!("https://ossrdbms-aad.database.windows.net")));

    let claim = json!({"issuer": "https://ci.test", "subject": "repo:a/b", "audience": "api://AzureADTokenExchange"});
    let mut registered = claim.clone();
    registered["client_id"] = json!(id);
    stand.control("POST", "federated", registered).await;
    let assertion = stand.control("POST", "assertion", claim).await;
    stand.keep("assertion", assertion["value"].as_str().unwrap());
    let file = stand.here().join("assertion").display().to_string();
    let federated = get("workload-identity", &[("AZURE_CLIENT_ID", &id), ("AZURE_FEDERATED_TOKEN_FILE", &file)]);
    assert_eq!(federated["appid"], json!(id));

    stand.arm("PATCH", "", json!({"identity": {"type": "SystemAssigned"}})).await;
    let principal = stand.arm("GET", "", Value::Null).await["identity"]["principalId"].clone();
    let endpoint = stand.vars["PGENTRA_SANDBOX_IDENTITY_ENDPOINT"].clone();
    let header = stand.vars["PGENTRA_SANDBOX_IDENTITY_HEADER"].clone();
    let app = get("managed-identity", &[("IDENTITY_ENDPOINT", &endpoint), ("IDENTITY_HEADER", &header)]);
    assert_eq!(app["oid"], principal);
    let host = stand.vars["AZURE_POD_IDENTITY_AUTHORITY_HOST"].clone();
    let machine = get("managed-identity", &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &host)]);
    assert!(machine["xms_mirid"].as_str().unwrap().ends_with("/rmh-geo-identity"), "{machine}");

    let token = stand.token_of("88888888-8888-4888-8888-888888888888").await;
    for (program, name, answer) in [
        (
            "az",
            "azure-cli",
            json!({"accessToken": token, "expires_on": 4_000_000_000_u64, "expiresOn": "2096-10-02 07:06:40.000000", "tenant": "t", "subscription": "s", "tokenType": "Bearer"}),
        ),
        ("azd", "azure-developer-cli", json!({"token": token, "expiresOn": "2096-10-02T07:06:40Z"})),
    ] {
        let bin = stand.here().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        stand.keep(&format!("bin/{program}"), &format!("#!/bin/sh\necho '{answer}'\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bin.join(program), mode).unwrap();
        let path = format!("{}:/usr/bin:/bin", bin.display());
        assert_eq!(get(name, &[("PATH", &path)])["upn"], "dba@sandbox.test", "{name}");
    }
}

#[tokio::test]
async fn a_missing_right_is_named_with_its_scope() {
    let stand = Stand::up().await;
    let (id, secret) =
        (stand.vars["PGENTRA_SANDBOX_READER_ID"].clone(), stand.vars["PGENTRA_SANDBOX_READER_SECRET"].clone());
    let reader = [("AZURE_CLIENT_ID", id.as_str()), ("AZURE_CLIENT_SECRET", secret.as_str())];
    let list = ["Microsoft.Web/sites/config/list/action", "/providers/Microsoft.Web/sites/rmhazuregeoapi/config"];
    let goes_on = [
        "app_settings.rmhazuregeoapi (not readable: Microsoft.Web/sites/config/list/action on /subscr",
        "Plan: 1 to add",
    ];
    let plan = with(&stand, &reader, &["plan", "plan.toml"]).ends(0).says(&list).says(&goes_on);
    assert!(!plan.out.contains("Plan digest"), "what was planned in part is not to be approved:\n{}", plan.out);
    with(&stand, &reader, &["plan", "--detailed-exitcode", "plan.toml"]).ends(2);
    with(&stand, &reader, &["plan", "--expect-no-changes", "plan.toml"]).ends(2);
    let json = with(&stand, &reader, &["plan", "--format", "json", "plan.toml"]).ends(0);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["complete"], &json["diagnostics"][0]["summary"]), (&json!(false), &json!("not readable")));
    with(&stand, &reader, &["plan", "--out", "saved", "plan.toml"]).ends(11).says(&["the plan is not saved"]);
    assert!(!stand.here().join("saved").exists());
    let only = ["plan", "--only", "server_auth.rmhpgflex", "--detailed-exitcode", "plan.toml"];
    with(&stand, &reader, &only).ends(2).says(&["0 to add, 1 to change"]);
    with(&stand, &reader, &["apply", "--auto-approve", "plan.toml"]).ends(11).says(&list);

    // May read everything, also settings, and write nothing.
    let auditor = json!({"name": "auditor", "secret": "the-auditors", "role": "settings-reader"});
    let auditor = stand.control("POST", "principals", auditor).await;
    let id = auditor["client_id"].as_str().unwrap().to_owned();
    let auditor = [("AZURE_CLIENT_ID", id.as_str()), ("AZURE_CLIENT_SECRET", "the-auditors")];
    with(&stand, &auditor, &["plan", "plan.toml"]).ends(0).says(&["Plan: 1 to add"]);
    let refused = with(&stand, &auditor, &["apply", "--auto-approve", "plan.toml"]);
    let refused = refused.says(&["Microsoft.Web/sites/write", "Microsoft.DBforPostgreSQL/flexibleServers/write"]);
    assert_eq!(refused.code, 11, "nothing was changed, so there is nothing to go back from: {refused:?}");
    assert_eq!(stand.settings().await.get("USE_MANAGED_IDENTITY"), None);
    let token = stand.token_of(READER).await;
    let refused = stand.sql("pg-deployers", &token, "postgres", "SELECT 1").unwrap_err();
    assert!(refused.contains("password authentication failed"), "Entra is still off: {refused}");
}
