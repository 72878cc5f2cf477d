//! Messages about roles and grants: most of them against a real server.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{over, unplanned, unwritten};
use crate::azure::double::reply;
use crate::cli::told::{told, told_flaws};
use crate::model::{Attributes, Failure, Look, Purpose, Value};
use crate::plan::load;
use crate::postgres::testing::{SERVER, SUPERUSER, Server, server};
use crate::resources::arm_testing::{attributes, with_databases};
use crate::resources::database_grants::rules;
use crate::resources::database_role::plan::helpless_to_hand_out;
use crate::resources::database_role::still_needed;
use crate::resources::kept_password::Kept;
use crate::resources::role_password::untried;
use crate::resources::{Live, World as _, schemas};

fn named(field: &str, name: &str) -> Attributes {
    attributes(json!({ "server": SERVER, field: name }))
}

fn live(server: &Server, users: &[&str]) -> Live {
    with_databases(server.databases(users))
}

#[tokio::test]
async fn roles_that_stay_as_they_are() {
    let nobody = over(|_| reply(200, json!({})));
    let role = named("name", "web-id");
    let open = json!({ "$after_apply": { "address": "app_identity.web", "output": "principal_id" } });
    let left = ["owns 3 objects in database geo", "holds privileges on table public.t in database postgres"];
    let many: Vec<String> = left.map(str::to_owned).into_iter().chain((0..20).map(|at| format!("owns type t{at}"))).collect();
    let place = attributes(json!({ "escrow": { "key_vault": "kv", "secret": "old" } }));
    let kept = Kept::of(&place).unwrap().unwrap();
    let failures = [
        unwritten(&nobody, "database_role", &role, json!(null), json!({ "object_id": open })).await,
        still_needed("web-id", &many),
        helpless_to_hand_out(&[&"readers".to_owned(), &"Wri\"ters".to_owned()], "dba"),
        unwritten(&nobody, "password_login", &role, json!({ "login": true }), json!(null)).await,
        unwritten(&nobody, "role_password", &role, json!({ "value": null }), json!(null)).await,
        unwritten(&nobody, "role_password", &role, json!({ "value": null }), json!({ "value": "unseen" })).await,
        unplanned(&nobody, "role_password", &role, json!({ "password": true })).await,
        unplanned(&nobody, "role_password", &role, json!({ "password": false })).await,
        untried(&kept, "srv", "geoapp"),
        rules("grants", Some(&Value::List(vec![Value::Int(5)]))).unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}

#[tokio::test]
async fn roles_on_a_server() {
    let Some(server) = server() else { return };
    server.run("postgres", "CREATE ROLE told_password LOGIN PASSWORD 'x'").await;
    let world = live(server, &[SUPERUSER]);
    let bound = json!({ "object_id": "11111111-1111-1111-1111-111111111111" });
    let off = json!({ "login": false });
    let failures = [
        unplanned(&world, "database_role", &named("name", "told_password"), bound).await,
        unplanned(&world, "password_login", &named("name", "told_absent"), off.clone()).await,
        unwritten(&world, "password_login", &named("name", SUPERUSER), json!({ "login": true }), off).await,
    ];
    insta::assert_snapshot!(told(&failures));
}

const OWNED: &str = "CREATE ROLE told_owner LOGIN; CREATE ROLE told_admin LOGIN; CREATE ROLE told_app;
    GRANT CREATE ON DATABASE told TO told_owner; SET ROLE told_owner;
    CREATE SCHEMA s; CREATE TABLE s.t (i int, j int); CREATE TABLE s.u (i int); RESET ROLE";

const PLAN: &str = r#"version = 1
name = "geo"
[azure]
subscription = "22222222-2222-4222-8222-222222222222"
resource_group = "rg"
[server.srv]
connections = [{ name = "admin", user = "dba" }]
[resource.database_grants.told]
server = "srv"
database = "told"
exclusive = ["told_nobody"]
grants = [
    { role = "told_ap", schemas = ["s"], tables = ["SELECT"], future = ["told_onwer"] },
    { role = "told_app", schemas = ["sales"], tables = ["SELECT"] },
    { role = "told_app", schemas = ["s"], tables = ["SELECT", "MAINTAIN"], only = ["v"] },
    { role = "told_app", columns = { "s.t" = { SELECT = ["k"] }, "s.w" = { SELECT = ["i"] } } },
    { role = "told_app", languages = ["plpython3u"] },
]
revoke = [{ role = "told_app", schemas = ["s"], tables = ["SELECT"], only = ["u"] }]
[resource.database_grants.elsewhere]
server = "srv"
database = "told"
grants = [{ role = "told_app", database_privileges = ["CONNECT"] }]
[resource.database_role.told_new]
server = "srv"
name = "told_new"
member_of = { told_grup = { inherit = true }, told_app = { inherit = true } }
"#;

#[tokio::test]
async fn grants_that_do_not_fit() {
    let Some(server) = server() else { return };
    server.database("told").await;
    server.run("told", OWNED).await;
    let (plan, found) = load(PLAN, &BTreeMap::new(), &schemas());
    let plan = plan.unwrap_or_else(|| panic!("{found:?}"));
    let world = live(server, &[SUPERUSER]);
    let mut shown = Vec::new();
    for want in &plan.desired {
        let (address, key, attributes) = (&want.address, &want.key, &want.attributes);
        let failure = world.read(Look { address, key, attributes, purpose: Purpose::Plan, via: None }).await.unwrap_err();
        // PostgreSQL 16 and 17 know what 15 does not.
        shown.push(older(&told_flaws(PLAN, &plan, &failure)));
    }
    insta::assert_snapshot!(told_together(&shown));
}

/// Without the findings that depend on the version of the server.
fn older(shown: &str) -> String {
    let kept = shown.split("\n\n").filter(|one| !one.contains("PostgreSQL 1"));
    kept.map(|one| if one.starts_with("plan.toml: ") { "" } else { one }).collect::<Vec<_>>().join("\n\n")
}

/// What [`told_flaws`] gave of each resource.
fn told_together(shown: &[String]) -> String {
    shown.concat()
}

#[tokio::test]
async fn grants_that_nobody_may_make() {
    let Some(server) = server() else { return };
    server.database("told").await;
    server.run("told", OWNED).await;
    let world = live(server, &["told_admin"]);
    let rule = json!({ "role": "told_app", "schemas": ["s"], "schema": ["USAGE"], "tables": ["SELECT"] });
    let wanted: Json = json!({ "grants": [rule] });
    let flawed = json!({ "grants": [{ "role": "told_ap", "schemas": ["s"], "tables": ["SELECT"] }] });
    let key = named("database", "told");
    let failures: [Failure; 2] = [
        unplanned(&world, "database_grants", &key, wanted).await,
        unplanned(&world, "database_grants", &key, flawed).await,
    ];
    insta::assert_snapshot!(told(&failures));
}
