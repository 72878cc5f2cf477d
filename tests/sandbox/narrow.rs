//! The custom role that `render rbac` writes: with it plan and apply succeed; with one action less they name that action.

use serde_json::{Value, json};

use crate::stand::{Ran, Stand};

/// The deployer's object id.
const DEPLOYER: &str = "55555555-5555-4555-8555-555555555555";
/// Needed where something goes or was there before, or Azure takes its time; not in every run.
const NOW_AND_THEN: [&str; 8] = [
    "/delete",
    "/recover/action",
    "/purge/action",
    "/readMetadata/action",
    "AsyncOperation/read",
    "OperationResults/read",
    "operationResults/read",
    "/query/*/read",
];

/// Runs pgentra as a principal that has a custom role alone, and is a member of the administrators' group.
pub async fn as_custom(stand: &Stand, role: &Value, arguments: &[&str]) -> Ran {
    let client = "77777777-7777-4777-8777-777777777777";
    let principal = json!({ "name": "narrow", "client_id": client, "object_id": client, "secret": "s", "role": { "custom": role } });
    stand.control("POST", "principals", principal).await;
    let members = [client, DEPLOYER];
    let group =
        json!({ "name": "pg-deployers", "object_id": "33333333-3333-4333-8333-333333333333", "members": members });
    stand.control("POST", "groups", group).await;
    let mut command = stand.program(crate::stand::PGENTRA);
    command.args(arguments).env("AZURE_CLIENT_ID", client).env("AZURE_CLIENT_SECRET", "s");
    Ran::of(&command.output().unwrap())
}

/// The role that pgentra writes for a plan file.
pub fn definition(stand: &Stand, plan: &str, more: &[&str]) -> Value {
    let arguments: Vec<&str> = ["render", "rbac", plan].iter().chain(more).copied().collect();
    let role: Value = serde_json::from_str(&stand.run(&arguments).ends(0).out).unwrap();
    assert!(role["IsCustom"] == true && role["AssignableScopes"].as_array().is_some_and(|scopes| !scopes.is_empty()));
    json!({ "Actions": role["Actions"], "NotActions": role["NotActions"], "DataActions": role["DataActions"] })
}

/// The same role without one action.
pub fn without(role: &Value, action: &str) -> Value {
    let mut role = role.clone();
    let lists = ["Actions", "DataActions"];
    let count = |role: &Value| lists.map(|list| role[list].as_array().unwrap().len()).iter().sum::<usize>();
    let before = count(&role);
    for list in lists {
        role[list].as_array_mut().unwrap().retain(|one| one != action);
    }
    assert_eq!(count(&role) + 1, before, "the role has no {action}");
    role
}

/// The actions of a role that another one does not have, but for those that not every run needs.
fn needed(role: &Value, other: &Value) -> Vec<String> {
    let all = |role: &Value| -> Vec<String> {
        let lists = ["Actions", "DataActions"].map(|list| role[list].as_array().unwrap().clone());
        lists.concat().iter().map(|action| action.as_str().unwrap().to_owned()).collect()
    };
    let other = all(other);
    let rare = |action: &String| NOW_AND_THEN.iter().any(|end| action.ends_with(end));
    all(role).into_iter().filter(|action| !other.contains(action) && !rare(action)).collect()
}

/// Each action of a role is missed by `doctor --can-i`, and by the plan or apply that needs it. What an apply leaves behind
/// however it ends (`kept`) is missed first, by an apply of that address alone. Nothing is left to do for `idle` actions.
async fn each_action_is_missed(stand: &Stand, plan: &str, kept: &[(&str, &str)], idle: &[&str]) {
    let (role, read) = (definition(stand, plan, &[]), definition(stand, plan, &["--read-only"]));
    let nothing = json!({ "Actions": [], "NotActions": [], "DataActions": [] });
    as_custom(stand, &read, &["plan", plan]).await.ends(0);
    for action in needed(&role, &nothing) {
        as_custom(stand, &without(&role, &action), &["doctor", plan, "--can-i"]).await.ends(11).says(&[&action]);
    }
    for action in needed(&read, &nothing).iter().filter(|action| kept.iter().all(|(other, _)| other != action)) {
        let ran = as_custom(stand, &without(&read, action), &["plan", plan, "--out", "saved"]).await.says(&[action]);
        ran.ends(11);
    }
    let apply = ["apply", "--auto-approve", plan];
    for (at, (action, address)) in kept.iter().enumerate() {
        let only: Vec<&str> = apply.iter().copied().chain(["--only", address]).collect();
        as_custom(stand, &without(&role, action), &only).await.ends(11).says(&[action]);
        if kept.get(at + 1).is_none_or(|(_, next)| next != address) {
            as_custom(stand, &role, &only).await.ends(0);
        }
    }
    let over: Vec<&str> = kept.iter().map(|(action, _)| *action).chain(idle.iter().copied()).collect();
    for action in needed(&role, &read).iter().filter(|action| !over.contains(&action.as_str())) {
        let ran = as_custom(stand, &without(&role, action), &apply).await.says(&[action]);
        assert!([5, 11].contains(&ran.code), "{action}: exit {}\n{}\n{}", ran.code, ran.out, ran.err);
    }
    as_custom(stand, &role, &apply).await.ends(0);
    as_custom(stand, &role, &["plan", plan, "--detailed-exitcode"]).await.ends(0);
    as_custom(stand, &role, &["doctor", plan, "--can-i"]).await.ends(0).says(&["Nothing is missing"]);
}

#[tokio::test]
async fn a_new_environment_needs_the_rendered_role_and_all_of_it() {
    let stand = Stand::up().await;
    stand.keep("new.toml", include_str!("../../plans/new_environment.toml"));
    // What the plan itself makes is known later, and is nothing that somebody lacks.
    let role = definition(&stand, "new.toml", &[]);
    as_custom(&stand, &role, &["doctor", "new.toml", "--can-i"]).await.ends(0).says(&["known after apply"]);
    let kept = [
        ("Microsoft.Web/sites/write", "app_identity.rmhazuregeoapi"),
        ("Microsoft.DBforPostgreSQL/flexibleServers/write", "server_auth.rmhpgflex"),
        ("Microsoft.DBforPostgreSQL/flexibleServers/administrators/write", "server_admin.rmhpgflex"),
        ("Microsoft.DBforPostgreSQL/flexibleServers/firewallRules/write", "firewall_rule.\"rmhpgflex/build-agents\""),
    ];
    each_action_is_missed(&stand, "new.toml", &kept, &[]).await;
}

#[tokio::test]
async fn a_deployment_needs_the_rendered_role_and_all_of_it() {
    let stand = Stand::up().await;
    stand.keep("deploy.toml", include_str!("../../plans/deployment.toml"));
    stand.run(&["sandbox", "package", "--out", "app.zip"]).ends(0);
    each_action_is_missed(&stand, "deploy.toml", &[], &[]).await;
}

/// A cleanup without its week of observations.
const CLEANUP: &str = r#"
version = 1
name = "cleanup"

[azure]
subscription = "22222222-2222-4222-8222-222222222222"
tenant = "11111111-1111-4111-8111-111111111111"
resource_group = "rmhazure_rg"

[server.rmhpgflex]
entra_auth = true
admin = { name = "pg-deployers", object_id = "33333333-3333-4333-8333-333333333333", type = "group" }

[resource.escrow.password]
app = "rmhazuregeoapi"
list = "settings"
name = "POSTGIS_PASSWORD"
key_vault = "kv-ops"
secret = "rmhazuregeoapi-postgis-password"

[resource.password_login.geoapp]
server = "rmhpgflex"
name = "geoapp"
login = false
after = ["escrow.password"]

[resource.password_setting.rmhazuregeoapi]
app = "rmhazuregeoapi"
list = "settings"
names = ["POSTGIS_PASSWORD"]
after = ["escrow.password"]

[resource.password_setting.rmhazuregeoapi.escrow.POSTGIS_PASSWORD]
key_vault = "kv-ops"
secret = "rmhazuregeoapi-postgis-password"

[resource.role_password.geoapp]
server = "rmhpgflex"
name = "geoapp"
password = false
after = ["escrow.password"]

[resource.role_password.geoapp.escrow]
subscription = "22222222-2222-4222-8222-222222222222"
resource_group = "rmhazure_rg"
key_vault = "kv-ops"
secret = "rmhazuregeoapi-postgis-password"
"#;

#[tokio::test]
async fn a_cleanup_needs_the_rendered_role_and_all_of_it() {
    let stand = Stand::up().await;
    stand.apply("plan.toml").ends(0);
    stand.health().await;
    stand.keep("clean.toml", CLEANUP);
    // The first apply makes the key by which a saved plan compares secrets.
    stand.run(&["apply", "--auto-approve", "clean.toml", "--only", "server_admin.rmhpgflex"]).ends(0);
    let kept = [
        ("Microsoft.KeyVault/vaults/secrets/setSecret/action", "escrow.password"),
        // A plan gets by without a look at the site itself; the write sees whether something else is under way with it.
        ("Microsoft.Web/sites/read", "password_setting.rmhazuregeoapi"),
        ("Microsoft.Web/sites/config/write", "password_setting.rmhazuregeoapi"),
    ];
    let idle = [
        "Microsoft.DBforPostgreSQL/flexibleServers/write",
        "Microsoft.DBforPostgreSQL/flexibleServers/administrators/write",
    ];
    each_action_is_missed(&stand, "clean.toml", &kept, &idle).await;
}
