//! Messages about roles and grants: most of them against a real server.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{over, unplanned, unwritten};
use crate::azure::double::reply;
use crate::cli::told::{told, told_flaws};
use crate::model::{Attributes, Failure, Look, Purpose, Value};
use crate::plan::load;
use crate::postgres::testing::{SERVER, SUPERUSER, Server, own_server, server};
use crate::resources::arm_testing::{attributes, look, with_databases};
use crate::resources::database_grants::rules;
use crate::resources::database_role::plan::{no_admin, theirs};
use crate::resources::database_role::still_needed;
use crate::resources::kept_password::Kept;
use crate::resources::password_login::sessions_stay;
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
    let many: Vec<String> =
        left.map(str::to_owned).into_iter().chain((0..20).map(|at| format!("owns type t{at}"))).collect();
    let place = attributes(json!({ "escrow": { "key_vault": "kv", "secret": "old" } }));
    let kept = Kept::of(&place).unwrap().unwrap();
    let failures = [
        unwritten(&nobody, "database_role", &role, json!(null), json!({ "object_id": open })).await,
        still_needed("web-id", &many),
        no_admin(&["readers", "Wri\"ters"].into(), "dba"),
        theirs(&[("readers", None, "ada"), ("writers", Some("ADMIN"), "Bob")].into(), "web-id", "dba"),
        unwritten(&nobody, "password_login", &role, json!({ "login": true }), json!(null)).await,
        unwritten(&nobody, "role_password", &role, json!({ "value": null }), json!(null)).await,
        unwritten(&nobody, "role_password", &role, json!({ "value": null }), json!({ "value": "unseen" })).await,
        unplanned(&nobody, "role_password", &role, json!({ "password": true })).await,
        unplanned(&nobody, "role_password", &role, json!({ "password": false })).await,
        untried(&kept, "srv", "geoapp"),
        sessions_stay("geoapp"),
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
        look(&world, "password_login", &named("name", "told_absent"), &attributes(off.clone()), Purpose::Settle)
            .await
            .unwrap_err(),
        unwritten(&world, "password_login", &named("name", SUPERUSER), json!({ "login": true }), off).await,
    ];
    insta::assert_snapshot!(told(&failures));
}

/// A database whose schema `s` belongs to `<name>_owner`.
async fn owned(server: &Server, name: &str) {
    server.database(name).await;
    let sql = format!(
        "CREATE ROLE {name}_owner LOGIN; CREATE ROLE {name}_admin LOGIN; CREATE ROLE {name}_app;
         GRANT CREATE ON DATABASE {name} TO {name}_owner; SET ROLE {name}_owner;
         CREATE SCHEMA s; CREATE TABLE s.t (i int, j int); CREATE TABLE s.u (i int); RESET ROLE"
    );
    server.run(name, &sql).await;
}

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
    { role = "told_app", schemas = ["s"], tables = ["SELECT"], only = ["v"] },
    { role = "told_app", columns = { "s.t" = { SELECT = ["k"] }, "s.w" = { SELECT = ["i"] } } },
    { role = "told_app", languages = ["plpython3u"] },
    { role = "told_app", schemas = ["s"], tables = ["INSERT"] },
]
revoke = [
    { role = "told_app", schemas = ["s"], tables = ["INSERT"], only = ["u"] },
    { role = "PUBLIC", schemas = ["s"], functions = ["EXECUTE"], future = true },
]
[resource.database_grants.elsewhere]
server = "srv"
database = "tolled"
grants = [{ role = "told_app", database_privileges = ["CONNECT"] }]
[resource.database_role.told_new]
server = "srv"
name = "told_new"
member_of = { told_grup = {} }
"#;

/// What servers before PostgreSQL 16 and 17 do not know.
const LATER: &str = r#"version = 1
name = "geo"
[azure]
subscription = "22222222-2222-4222-8222-222222222222"
resource_group = "rg"
[server.srv]
connections = [{ name = "admin", user = "dba" }]
[resource.database_grants.later]
server = "srv"
database = "later"
grants = [{ role = "later_app", schemas = ["s"], tables = ["SELECT", "MAINTAIN"] }]
[resource.database_role.later_new]
server = "srv"
name = "later_new"
member_of = { later_app = { inherit = true } }
"#;

/// Why each resource of a plan file does not fit the server.
async fn told_unfit(world: &Live, text: &str) -> String {
    let (plan, found) = load(text, &BTreeMap::new(), &schemas());
    let plan = plan.unwrap_or_else(|| panic!("{found:?}"));
    let mut shown = String::new();
    for want in &plan.desired {
        let (address, key, attributes) = (&want.address, &want.key, &want.attributes);
        let failure =
            world.read(Look { address, key, attributes, purpose: Purpose::Plan, via: None }).await.unwrap_err();
        shown.push_str(&told_flaws(text, &plan, &failure));
        shown.push('\n');
    }
    shown
}

/// Suggestions name whatever roles there are: a server of its own has only these.
#[tokio::test]
async fn grants_that_do_not_fit() {
    let Some(server) = own_server() else { return };
    owned(&server, "told").await;
    insta::assert_snapshot!(told_unfit(&live(&server, &[SUPERUSER]), PLAN).await);
}

/// Newer servers take all of it: then there is nothing to read.
#[tokio::test]
async fn grants_that_an_older_server_does_not_know() {
    let Some(server) = own_server() else { return };
    owned(&server, "later").await;
    let world = live(&server, &[SUPERUSER]);
    let version = world.databases.lease(SERVER, "later", None).await.unwrap().version();
    if version < 160_000 {
        insta::assert_snapshot!(told_unfit(&world, LATER).await);
    }
}

#[tokio::test]
async fn grants_that_nobody_may_make() {
    let Some(server) = own_server() else { return };
    owned(&server, "shut").await;
    let world = live(&server, &["shut_admin"]);
    let rule = json!({ "role": "shut_app", "schemas": ["s"], "schema": ["USAGE"], "tables": ["SELECT"] });
    let wanted: Json = json!({ "grants": [rule] });
    let flawed = json!({ "grants": [{ "role": "shut_ap", "schemas": ["s"], "tables": ["SELECT"] }] });
    let key = named("database", "shut");
    let failures: [Failure; 2] = [
        unplanned(&world, "database_grants", &key, wanted).await,
        unplanned(&world, "database_grants", &key, flawed).await,
    ];
    insta::assert_snapshot!(told(&failures));
}
