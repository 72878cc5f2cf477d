//! Tests of checks against a real server.

use super::{Check, span};
use crate::model::{Attributes, Class, Observed, Purpose, Value};
use crate::postgres::counts;
use crate::postgres::testing::{SERVER, SUPERUSER, Server, server};
use crate::resources::testing::{Bench, attributes, list};

async fn prepared(server: &Server, name: &str) -> Bench<'static> {
    server.database(name).await;
    let sql = format!(
        "CREATE ROLE {name}_owner; CREATE ROLE {name}_app; CREATE ROLE {name}_group;
         CREATE SCHEMA s AUTHORIZATION {name}_owner; SET ROLE {name}_owner;
         CREATE TABLE s.\"a.b\" (i int); CREATE TABLE s.c (i int); CREATE SEQUENCE s.q;
         GRANT USAGE ON SCHEMA s TO {name}_app; GRANT SELECT ON s.c TO {name}_group; RESET ROLE;
         GRANT {name}_group TO {name}_app"
    );
    server.run(name, &sql).await;
    Bench::new(&Check, server.databases(&[SUPERUSER]), ("unused", "x"))
}

fn privileges(database: &str, future: bool) -> Attributes {
    let rule = attributes([
        ("schemas", list(&["s"])),
        ("schema", list(&["USAGE"])),
        ("tables", list(&["SELECT"])),
        ("future", Value::Bool(future)),
    ]);
    let table = attributes([
        ("server", Value::text(SERVER)),
        ("database", Value::text(database)),
        ("role", Value::Text(format!("{database}_app"))),
        ("grants", Value::List(vec![Value::Map(rule)])),
    ]);
    attributes([("privileges", Value::Map(table)), ("within", Value::text("0s"))])
}

#[tokio::test]
async fn what_is_lacking_is_named_and_memberships_count() {
    let Some(server) = server() else { return };
    let bench = prepared(server, "chk").await;
    let reading = bench.look(&privileges("chk", true), Purpose::Plan, None).await.unwrap();
    assert_eq!(
        reading.notes,
        [
            "role \"chk_app\" lacks SELECT on 1 of 2 objects of kind table: s.\"a.b\"",
            "role \"chk_app\" will lack SELECT on tables that role \"chk_owner\" makes in schema \"s\"",
        ]
    );
    let step = bench.between(None, Some(privileges("chk", true)));
    assert_eq!(bench.write(&step).await.unwrap_err().class, Class::CheckFailed);
    server.run("chk", "GRANT SELECT ON s.\"a.b\" TO PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE chk_owner IN SCHEMA s GRANT SELECT ON TABLES TO chk_group").await;
    bench.write(&step).await.unwrap();
    let reading = bench.plan(&privileges("chk", true)).await;
    let Observed::Present(state) = reading.observed else { panic!() };
    assert_eq!(Some(state.attributes), reading.desired);
}

#[tokio::test]
async fn missing_roles_and_databases_are_complaints() {
    let Some(server) = server() else { return };
    let bench = prepared(server, "miss").await;
    server.run("miss", "DROP OWNED BY miss_app; DROP ROLE miss_app").await;
    assert_eq!(bench.plan(&privileges("miss", false)).await.notes, ["there is no role \"miss_app\""]);
    assert!(bench.plan(&privileges("nowhere", false)).await.notes[0].contains("does not exist"));
}

#[tokio::test]
async fn signing_in_is_tried_for_real() {
    let Some(server) = server() else { return };
    let bench = prepared(server, "door").await;
    let login = |role: &str| {
        let table =
            [("server", SERVER), ("database", "door"), ("role", role)].map(|(name, value)| (name, Value::text(value)));
        attributes([("login", Value::Map(attributes(table)))])
    };
    assert_eq!(bench.plan(&login(SUPERUSER)).await.notes, Vec::<String>::new());
    assert!(bench.plan(&login("door_app")).await.notes[0].contains("not permitted to log in"));
}

#[tokio::test]
async fn usable_things_are_counted() {
    let Some(server) = server() else { return };
    let bench = prepared(server, "cnt").await;
    let mut lease = bench.live.databases.lease(SERVER, "cnt", None).await.unwrap();
    let counts = counts(&mut lease, "cnt_app").await.unwrap();
    let texts: Vec<String> =
        counts.iter().map(|count| format!("{} {}/{}", count.what, count.usable, count.total)).collect();
    assert_eq!(texts, ["schemas 2/2", "tables 1/2", "sequences 0/1", "functions 0/0"]);
}

#[test]
fn spans_are_read() {
    assert_eq!(span("5m").unwrap().as_secs(), 300);
    assert_eq!(span("2d").unwrap().as_secs(), 172_800);
    for text in ["", "5", "m", "-1s", "5 m", "99999999999999999999s", "18446744073709551615d"] {
        assert_eq!(span(text), None, "{text}");
    }
}
