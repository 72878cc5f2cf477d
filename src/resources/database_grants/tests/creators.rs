//! Creators: one that a rule names is meant; one that was found is cared for where somebody may.

use super::{Bench, DatabaseGrants, everything, grants, owned, rule, settles};
use crate::model::{Attributes, Class, Purpose, Value};
use crate::postgres::testing::{SUPERUSER, server};
use crate::resources::testing::{before, list, undo};

#[tokio::test]
async fn a_creator_that_a_rule_names_is_not_left_out() {
    let Some(server) = server() else { return };
    owned(server, "named").await;
    server.run("named", "CREATE ROLE named_maker; CREATE SCHEMA theirs AUTHORIZATION named_maker").await;
    let bench = Bench::new(&DatabaseGrants, server.databases(&["named_owner"]), ("database", "named"));
    let wish = |schema: &str, future| {
        grants(vec![rule("named_app", list(&[schema]), &[("tables", list(&["SELECT"])), ("future", future)])])
    };
    // It made nothing yet; the plan file says that it will.
    let failure = bench.look(&wish("s", list(&["named_maker"])), Purpose::Plan, None).await.unwrap_err();
    assert_eq!(failure.class, Class::Forbidden);
    assert!(failure.remedy.unwrap().contains("GRANT \"named_maker\" TO \"named_owner\";"));
    // Found as the owner of an empty schema, it is told of, and of why.
    let notes = bench.plan(&wish("theirs", Value::Bool(true))).await.notes;
    let told = "left as they are, nobody here may act for the creator, who owns the schema and has made nothing in it: \
                named_maker in schema theirs on tables";
    assert!(notes.iter().any(|note| note == told), "{notes:?}");
}

fn revoke(schemas: Value, future: Value) -> Attributes {
    let mut wanted = grants(Vec::new());
    let more = [("functions", list(&["EXECUTE"])), ("future", future)];
    wanted.insert("revoke".into(), Value::List(vec![rule("PUBLIC", schemas, &more)]));
    wanted
}

#[tokio::test]
async fn what_a_revoke_in_single_schemas_cannot_take_is_a_flaw() {
    let Some(server) = server() else { return };
    owned(server, "unborn").await;
    let bench = Bench::new(&DatabaseGrants, server.databases(&[SUPERUSER]), ("database", "unborn"));
    for future in [Value::Bool(true), list(&["unborn_owner"])] {
        let failure = bench.look(&revoke(list(&["s"]), future), Purpose::Plan, None).await.unwrap_err();
        assert_eq!((failure.class, failure.flaws()[0].path.as_str()), (Class::Flawed, "revoke.0.future"));
        let title =
            "PUBLIC will get EXECUTE on functions that unborn_owner makes all the same: by what holds in every schema";
        assert_eq!(failure.flaws()[0].title, title);
        assert!(failure.flaws()[0].remedy.as_ref().unwrap().contains("schemas = \"*\""));
    }
    // Today's objects it takes; and where nothing is given anywhere, a schema's own row is all there is.
    bench.plan(&revoke(list(&["s"]), Value::Bool(false))).await;
    let everywhere = bench.step(&revoke(Value::text("*"), Value::Bool(true))).await;
    bench.write(&everywhere).await.unwrap();
    bench.plan(&revoke(list(&["s"]), Value::Bool(true))).await;
    server.run("unborn", "SET ROLE unborn_owner; CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'").await;
    let may = server.ask("unborn", "SELECT has_function_privilege('unborn_app', 's.f()', 'EXECUTE')::text").await;
    assert_eq!(sqlx::Row::get::<&str, _>(&may[0], 0), "false");
}

#[tokio::test]
async fn an_exclusive_public_loses_what_it_has_by_birth_tomorrow_too() {
    let Some(server) = server() else { return };
    owned(server, "newborn").await;
    let databases = server.databases(&[SUPERUSER]);
    let bench = Bench::new(&DatabaseGrants, databases.clone(), ("database", "newborn"));
    let was = everything(&databases, "newborn").await;
    let mut wanted = grants(Vec::new());
    wanted.insert("exclusive".into(), list(&["PUBLIC"]));
    let step = bench.step(&wanted).await;
    let defaults: Vec<&String> = step.before.as_ref().unwrap()["default_privileges"].as_map().unwrap().keys().collect();
    assert_eq!(defaults, ["newborn_owner on functions", "newborn_owner on types"]);
    bench.write(&step).await.unwrap();
    settles(&bench, &step, true).await;
    assert_eq!(before(&bench.plan(&wanted).await).unwrap()["privileges"].as_map().unwrap().len(), 0);
    bench.write(&undo(&step)).await.unwrap();
    settles(&bench, &step, false).await;
    assert_eq!(everything(&databases, "newborn").await, was);
}
