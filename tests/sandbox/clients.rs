//! Clients that nobody here wrote, against the sandbox: psql always; the Azure CLI and the Azure SDK for Python when
//! `PGENTRA_TEST_AZ` names an `az` (its Python is expected beside it, with the SDK's packages and psycopg).

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::stand::{Ran, Stand};

const GRANTS: &str = r#"
GRANT CONNECT ON DATABASE geopgflex TO "rmhazuregeoapi-identity";
GRANT USAGE ON SCHEMA geo, app TO "rmhazuregeoapi-identity";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA geo, app TO "rmhazuregeoapi-identity";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA geo, app TO "rmhazuregeoapi-identity";
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA geo, app TO "rmhazuregeoapi-identity";
ALTER DEFAULT PRIVILEGES FOR ROLE geoapp IN SCHEMA geo, app
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "rmhazuregeoapi-identity";
ALTER DEFAULT PRIVILEGES FOR ROLE geoapp IN SCHEMA geo, app
    GRANT USAGE, SELECT ON SEQUENCES TO "rmhazuregeoapi-identity";
ALTER DEFAULT PRIVILEGES FOR ROLE geoapp IN SCHEMA geo, app
    GRANT EXECUTE ON FUNCTIONS TO "rmhazuregeoapi-identity";
"#;
const DEPLOYERS: &str = "33333333-3333-4333-8333-333333333333";
const CI: &str = "55555555-5555-4555-8555-555555555555";

/// The `az` to try, or a word about why not.
fn az() -> Option<PathBuf> {
    let found = std::env::var_os("PGENTRA_TEST_AZ").filter(|path| !path.is_empty()).map(PathBuf::from);
    if found.is_none() {
        eprintln!("skipped: PGENTRA_TEST_AZ is not set");
    }
    found
}

/// Runs `az` with these words.
fn call(stand: &Stand, az: &PathBuf, words: &str) -> Ran {
    Ran::of(&stand.program(az).args(words.split_whitespace()).output().unwrap())
}

/// The JSON that `az` answers.
#[track_caller]
fn answer(stand: &Stand, az: &PathBuf, words: &str) -> Value {
    let ran = call(stand, az, words).ends(0);
    serde_json::from_str(&ran.out).unwrap_or_default()
}

/// Signs `az` in as the deployer.
fn sign_in(stand: &Stand, az: &PathBuf) {
    let vars = &stand.vars;
    let url = &vars["PGENTRA_SANDBOX_URL"];
    call(stand, az, &format!("cloud register -n sandbox --endpoint-resource-manager {url}")).ends(0);
    call(stand, az, "cloud set -n sandbox").ends(0);
    let (id, secret, tenant) = (&vars["AZURE_CLIENT_ID"], &vars["AZURE_CLIENT_SECRET"], &vars["AZURE_TENANT_ID"]);
    call(stand, az, &format!("login --service-principal -u {id} -p {secret} --tenant {tenant}")).ends(0);
}

#[tokio::test]
async fn psql_signs_in_by_token_and_is_refused_in_azures_words() {
    let stand = Stand::up().await;
    stand.apply("plan.toml").ends(0);
    let arguments = ["psql", "--plan", "plan.toml", "--database", "geopgflex", "--", "-XAtc", "SELECT session_user"];
    assert_eq!(stand.run(&arguments).ends(0).out.trim(), "pg-deployers");
    let token = stand.run(&["token"]).ends(0).out.trim().to_owned();
    let ask = |user: &str, token: &str| stand.sql(user, token, "postgres", "SELECT session_user");
    assert_eq!(ask("pg-deployers", &token).unwrap(), "pg-deployers");

    let refused = |user: &str, token: &str, text: &str| {
        let said = ask(user, token).unwrap_err();
        assert!(said.contains(text), "{said}");
    };
    let arm = stand.run(&["token", "--for", "arm"]).ends(0).out.trim().to_owned();
    refused("pg-deployers", &arm, "The access token does not have a valid audience claim.");
    refused("pg-deployers", "hunter2", "The access token has invalid format.");
    refused("rmhazuregeoapi-identity", &token, "does not match");
    let short = stand.control("POST", "token", json!({"object_id": CI, "lifetime": 60})).await;
    let short = short["access_token"].as_str().unwrap();
    assert!(ask("pg-deployers", short).is_ok());
    stand.control("POST", "knobs", json!({"clock_shift": 61})).await;
    refused("pg-deployers", short, "The access token has expired. Please acquire a new token and retry.");
    let logins = stand.control("GET", "logins", Value::Null).await.to_string();
    assert!(!logins.contains("eyJ") && logins.contains("pg-deployers"), "{logins}");
}

#[tokio::test]
async fn the_guide_by_hand_leaves_nothing_to_plan() {
    let Some(az) = az() else { return };
    let stand = Stand::up().await;
    sign_in(&stand, &az);
    let app = "-n rmhazuregeoapi -g rmhazure_rg";
    assert_eq!(answer(&stand, &az, &format!("functionapp identity show {app}")), Value::Null);
    let assigned = answer(&stand, &az, &format!("functionapp identity assign {app}"));
    let shown = call(&stand, &az, &format!("functionapp identity show {app} --query principalId -o tsv")).ends(0);
    assert_eq!(Some(shown.out.trim()), assigned["principalId"].as_str());
    let auth = "--microsoft-entra-auth Enabled --password-auth Enabled";
    call(&stand, &az, &format!("postgres flexible-server update -n rmhpgflex -g rmhazure_rg {auth}")).ends(0);
    let admin = format!("-u pg-deployers -i {DEPLOYERS} -t Group");
    let server = "postgres flexible-server microsoft-entra-admin";
    call(&stand, &az, &format!("{server} create -s rmhpgflex -g rmhazure_rg {admin}")).ends(0);

    let token = "account get-access-token --resource-type oss-rdbms --query accessToken -o tsv";
    let token = call(&stand, &az, token).ends(0).out.trim().to_owned();
    let create = format!(
        "SELECT pgaadauth_create_principal_with_oid('rmhazuregeoapi-identity', '{}', 'service', false, false)",
        shown.out.trim()
    );
    let elsewhere = stand.sql("pg-deployers", &token, "geopgflex", &create).unwrap_err();
    assert!(elsewhere.contains("does not exist"), "on Azure the functions are in postgres only: {elsewhere}");
    let by_name = "SELECT pgaadauth_create_principal('rmhazuregeoapi-identity', false, false)";
    let by_name = stand.sql("pg-deployers", &token, "postgres", by_name).unwrap_err();
    assert!(by_name.contains("its name is not found in the tenant"), "the identity has the app's name: {by_name}");
    stand.sql("pg-deployers", &token, "postgres", &create).unwrap();
    stand.sql("pg-deployers", &token, "geopgflex", GRANTS).unwrap();
    let settings = "--settings USE_MANAGED_IDENTITY=true MANAGED_IDENTITY_NAME=rmhazuregeoapi-identity";
    let set = call(&stand, &az, &format!("functionapp config appsettings set {app} {settings}")).ends(0);
    assert!(!set.err.contains("not supported"), "{}", set.err);

    stand.settled("plan.toml");
    assert_eq!(stand.health().await["database"]["auth_method"], "managed_identity");
    stand.run(&["verify", "plan.toml"]).ends(0);
}

#[tokio::test]
async fn az_sees_what_apply_set_and_plan_sees_what_az_set() {
    let Some(az) = az() else { return };
    let stand = Stand::up().await;
    let sticky = "\n[resource.slot_settings.rmhazuregeoapi]\napp = \"rmhazuregeoapi\"\napp_settings = [\"MANAGED_IDENTITY_NAME\"]\n";
    stand.keep("plan.toml", &format!("{}{sticky}", crate::stand::MIGRATION));
    stand.apply("plan.toml").ends(0);
    sign_in(&stand, &az);
    let app = "-n rmhazuregeoapi -g rmhazure_rg";
    let identity = answer(&stand, &az, &format!("functionapp identity show {app}"));
    assert_eq!(identity["type"], "SystemAssigned");
    let server = answer(&stand, &az, "postgres flexible-server show -n rmhpgflex -g rmhazure_rg");
    assert_eq!(server["authConfig"]["activeDirectoryAuth"], "Enabled");
    let admins = answer(&stand, &az, "postgres flexible-server microsoft-entra-admin list -s rmhpgflex -g rmhazure_rg");
    assert_eq!(admins[0]["principalName"], "pg-deployers");
    let settings = answer(&stand, &az, &format!("functionapp config appsettings list {app}"));
    let setting = |name: &str| settings.as_array().unwrap().iter().find(|one| one["name"] == name).cloned().unwrap();
    assert_eq!(setting("USE_MANAGED_IDENTITY")["value"], "true");
    assert_eq!(setting("MANAGED_IDENTITY_NAME")["slotSetting"], true);

    let set = "--settings USE_MANAGED_IDENTITY=false OTHERS=1";
    call(&stand, &az, &format!("functionapp config appsettings set {app} {set}")).ends(0);
    let plan = stand.run(&["plan", "plan.toml"]).ends(0);
    let plan = plan.says(&["\"USE_MANAGED_IDENTITY\" = \"false\" -> \"true\"", "sign-in: password now"]);
    assert!(!plan.out.contains("OTHERS"), "{}", plan.out);
    call(&stand, &az, &format!("functionapp config appsettings delete {app} --setting-names USE_MANAGED_IDENTITY"))
        .ends(0);
    stand.run(&["plan", "plan.toml"]).ends(0).says(&["+ \"USE_MANAGED_IDENTITY\" = \"true\""]);
    call(&stand, &az, &format!("functionapp identity remove {app}")).ends(0);
    stand.run(&["plan", "plan.toml"]).ends(0).says(&["system = false -> true"]);
    let admin =
        format!("postgres flexible-server microsoft-entra-admin delete -s rmhpgflex -g rmhazure_rg -i {DEPLOYERS} -y");
    call(&stand, &az, &admin).ends(0);
    stand.run(&["plan", "plan.toml"]).ends(0).says(&["server_admin.rmhpgflex will be created"]);
    stand.apply("plan.toml").ends(0);
    stand.settled("plan.toml");
    assert_eq!(stand.settings().await["OTHERS"], "1");
}

#[tokio::test]
async fn az_runs_its_other_commands() {
    let Some(az) = az() else { return };
    let stand = Stand::up().await;
    sign_in(&stand, &az);
    let (app, server) = ("-n rmhazuregeoapi -g rmhazure_rg", "-s rmhpgflex -g rmhazure_rg");
    for words in [
        format!("functionapp identity assign {app} --slot staging"),
        format!("functionapp identity remove {app} --slot staging"),
        format!("functionapp config appsettings set {app} --slot staging --slot-settings FOO=bar"),
        format!("functionapp config appsettings delete {app} --slot staging --setting-names FOO"),
        format!("functionapp config show {app}"),
        format!("functionapp show {app}"),
        format!("functionapp deployment slot list {app}"),
        format!("webapp config connection-string set {app} -t PostgreSQL --settings main=host"),
        format!("webapp config connection-string list {app}"),
        format!("functionapp restart {app}"),
        "appservice plan list -g rmhazure_rg".into(),
        "resource list -g rmhazure_rg".into(),
        "identity list -g rmhazure_rg".into(),
        format!("postgres flexible-server db create {server} --name more"),
        format!("postgres flexible-server db show {server} --name more"),
        format!("postgres flexible-server db delete {server} --name more -y"),
        format!("postgres flexible-server firewall-rule create {server} --name mine --start-ip-address 10.0.0.1"),
        format!("postgres flexible-server firewall-rule delete {server} --name mine -y"),
        format!("postgres flexible-server parameter show {server} --name require_secure_transport"),
        "postgres flexible-server restart -n rmhpgflex -g rmhazure_rg".into(),
    ] {
        let ran = call(&stand, &az, &words);
        assert_eq!(ran.code, 0, "az {words}\n{}", ran.err);
    }
    let databases = answer(&stand, &az, &format!("postgres flexible-server db list {server}"));
    let names: Vec<&str> = databases.as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["geopgflex", "postgres"]);
    let missing = call(&stand, &az, "functionapp identity show -n nothing -g rmhazure_rg");
    assert_eq!(missing.code, 3, "{missing:?}");
    missing.says(&["ResourceNotFound"]);
}

#[tokio::test]
async fn the_azure_sdk_for_python_works_with_its_own_models() {
    let Some(az) = az() else { return };
    let python = az.with_file_name("python");
    let stand = Stand::up().await;
    stand.keep("azure_sdk.py", include_str!("azure_sdk.py"));
    let ran = Ran::of(&stand.program(python).arg("azure_sdk.py").output().unwrap());
    ran.ends(0).says(&["all as expected"]);
    // What it set shows here: the identity, Entra authentication and the administrator are there.
    let plan = stand.run(&["plan", "plan.toml"]).ends(0);
    let plan = plan.says(&["database_role.rmhazuregeoapi-identity will be created"]);
    for done in ["app_identity.", "server_auth.", "server_admin."] {
        assert!(!plan.out.contains(&format!("{done}rmh")), "{}", plan.out);
    }
    assert_eq!(stand.settings().await["SDK"], "1");
}
