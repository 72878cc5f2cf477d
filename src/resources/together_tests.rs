//! Looks that are answered in one go say what each says alone, in the order in which they were asked.

use super::testing::{attributes, list};
use super::{World, arm_testing};
use crate::model::{Address, Attributes, Look, Purpose, Value};
use crate::postgres::testing::{SERVER, SUPERUSER, server};

type Asked = (Address, Attributes, Attributes);

fn role(name: &str) -> Asked {
    let key = attributes([("server", Value::text(SERVER)), ("name", Value::text(name))]);
    (Address::new("database_role", name), key, attributes([("login", Value::Bool(true))]))
}

/// A check that a role may do this with all tables of schema `s`.
fn check(label: &str, database: &str, role: &str, privilege: &str) -> Asked {
    let wish = attributes([("schemas", list(&["s"])), ("tables", list(&[privilege])), ("future", Value::Bool(true))]);
    let table = attributes([
        ("server", Value::text(SERVER)),
        ("database", Value::text(database)),
        ("role", Value::text(role)),
        ("grants", Value::List(vec![Value::Map(wish)])),
    ]);
    (Address::new("check", label), Attributes::new(), attributes([("privileges", Value::Map(table))]))
}

fn look((address, key, attributes): &Asked) -> Look<'_> {
    Look { address, key, attributes, purpose: Purpose::Plan, via: None }
}

#[tokio::test]
async fn looks_in_one_go_say_what_each_says_alone() {
    let Some(server) = server() else { return };
    for database in ["tog_a", "tog_b"] {
        server.database(database).await;
        let sql = "CREATE SCHEMA s; CREATE TABLE s.t (i int); CREATE TABLE s.u (i int)";
        server.run(database, sql).await;
    }
    let roles = "CREATE ROLE tog_one LOGIN; CREATE ROLE tog_two CREATEDB; CREATE ROLE tog_group";
    server.run("postgres", roles).await;
    let grants = "GRANT SELECT ON ALL TABLES IN SCHEMA s TO tog_one; GRANT tog_group TO tog_two; \
                  GRANT SELECT ON s.t TO tog_group; GRANT INSERT ON s.u TO PUBLIC";
    server.run("tog_a", grants).await;
    let live = arm_testing::with_databases(server.databases(&[SUPERUSER]));
    let asked = [
        check("one", "tog_a", "tog_one", "SELECT"),
        role("tog_two"),
        check("two", "tog_a", "tog_two", "SELECT"),
        check("other", "tog_b", "tog_one", "SELECT"),
        role("tog_nobody"),
        check("nobody", "tog_a", "tog_nobody", "SELECT"),
        check("wrong", "tog_a", "tog_one", "SELCT"),
        check("nowhere", "tog_nowhere", "tog_one", "SELECT"),
        role("tog_one"),
        check("everybody", "tog_a", "PUBLIC", "INSERT"),
        check("again", "tog_a", "tog_one", "INSERT"),
    ];
    let looks: Vec<Look<'_>> = asked.iter().map(look).collect();
    let together = live.read_all(&looks, 4).await;
    assert_eq!(together.len(), looks.len());
    let mut different = std::collections::BTreeSet::new();
    for (look, together) in looks.iter().zip(together) {
        let (together, alone) = (format!("{together:?}"), format!("{:?}", live.read(*look).await));
        assert_eq!(together, alone, "{}", look.address);
        different.insert(together);
    }
    assert!(different.len() >= 9, "each says something of its own: {different:#?}");
}
