//! Tests of grants against a real server: owners that others cannot act for, objects that vanish, races, drift.

mod chains;
mod creators;
mod drift;
mod worlds;

pub(super) use worlds::random_world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::DatabaseGrants;
use crate::model::{Attributes, Class, Letters, Purpose, Step, Value, agrees_all};
use crate::postgres::testing::{SERVER, SUPERUSER, Server, server};
use crate::postgres::{Databases, ObjectType, Snapshot, Wanted, quote_ident};
use crate::resources::testing::{Bench, attributes, before, list, undo};

fn rule(role: &str, schemas: Value, more: &[(&str, Value)]) -> Value {
    let mut table = attributes([("role", Value::text(role)), ("schemas", schemas)]);
    table.extend(more.iter().map(|(field, value)| ((*field).to_owned(), value.clone())));
    Value::Map(table)
}

pub(super) fn grants(rules: Vec<Value>) -> Attributes {
    attributes([("grants", Value::List(rules))])
}

/// Everything that anybody granted to anybody, letter by letter: semantic equality of access control lists.
async fn everything(databases: &Databases, database: &str) -> BTreeSet<String> {
    let mut lease = databases.lease(SERVER, database, None).await.unwrap();
    let wanted = Wanted { kinds: ObjectType::ALL.into(), ..Wanted::default() };
    let snapshot = Snapshot::read(&mut lease, &wanted).await.unwrap();
    let mut found = BTreeSet::new();
    let mut add = |what: String, grant: &crate::postgres::Grant| {
        for letter in grant.letters.chars() {
            let option = if grant.options.has(letter) { "*" } else { "" };
            found.insert(format!("{what}: {}={letter}{option}/{}", grant.grantee, grant.grantor));
        }
    };
    for object in &snapshot.objects {
        for grant in snapshot.grants(object) {
            add(object.name.entry(object.oid), &grant);
        }
    }
    for row in &snapshot.defaults {
        for grant in &row.acl.0 {
            add(format!("{} {:?} {}", row.creator, row.schema, row.kind), grant);
        }
    }
    found
}

/// A settle look shows exactly one end of the step: the one after it, or the one before.
async fn settles(bench: &Bench<'_>, step: &Step, after: bool) {
    let ends = [step.before.as_ref().unwrap(), step.after.as_ref().unwrap()];
    let asked = Value::Map(ends[0].clone());
    let asked = merged(asked, Value::Map(ends[1].clone())).as_map().unwrap().clone();
    let seen = before(&bench.look(&asked, Purpose::Settle, None).await.unwrap()).unwrap();
    let end = ends[usize::from(after)];
    assert!(agrees_all(&pruned(&seen), &pruned(end)), "{seen:?} is not {end:?}");
}

/// Everything that either of two ends names.
fn merged(a: Value, b: Value) -> Value {
    match (a, b) {
        (Value::Map(mut a), Value::Map(b)) => {
            for (name, value) in b {
                let old = a.remove(&name).unwrap_or(Value::Null);
                a.insert(name, merged(old, value));
            }
            Value::Map(a)
        }
        (Value::Letters(a), Value::Letters(b)) => {
            Value::Letters(Letters::new((a.as_str().to_owned() + b.as_str()).chars()))
        }
        (a, Value::Null) => a,
        (_, b) => b,
    }
}

/// Without empty maps, which mean the same as nothing.
fn pruned(end: &Attributes) -> Attributes {
    let one = |(name, value): (&String, &Value)| {
        let value = value.as_map().map_or_else(|| value.clone(), |map| Value::Map(pruned(map)));
        (value.as_map().is_none_or(|map| !map.is_empty())).then(|| (name.clone(), value))
    };
    end.iter().filter_map(one).collect()
}

/// A database whose schema `s` and table `s.t` belong to `<name>_owner`.
async fn owned(server: &Server, name: &str) {
    server.database(name).await;
    let sql = format!(
        "CREATE ROLE {name}_owner LOGIN; CREATE ROLE {name}_admin LOGIN; CREATE ROLE {name}_app;
         GRANT CREATE ON DATABASE {name} TO {name}_owner; SET ROLE {name}_owner;
         CREATE SCHEMA s; CREATE TABLE s.t (i int); RESET ROLE"
    );
    server.run(name, &sql).await;
}

fn select(role: &str) -> Attributes {
    let more = [("schema", list(&["USAGE"])), ("tables", list(&["SELECT"])), ("future", Value::Bool(true))];
    grants(vec![rule(role, list(&["s"]), &more)])
}

#[tokio::test]
async fn a_member_without_inherited_rights_becomes_the_owner() {
    let Some(server) = server() else { return };
    owned(server, "become").await;
    server.run("become", "ALTER ROLE become_admin NOINHERIT; GRANT become_owner TO become_admin").await;
    let bench = Bench::new(&DatabaseGrants, server.databases(&["become_admin"]), ("database", "become"));
    let step = bench.step(&select("become_app")).await;
    bench.write(&step).await.unwrap();
    settles(&bench, &step, true).await;
    bench.write(&undo(&step)).await.unwrap();
    settles(&bench, &step, false).await;
    let exact = bench.statements(&step).await;
    assert_eq!((exact[1].as_str(), exact[5].as_str()), ("SET LOCAL ROLE \"become_owner\"", "RESET ROLE"), "{exact:?}");
    assert!(exact[4].starts_with("ALTER DEFAULT PRIVILEGES FOR ROLE \"become_owner\" IN SCHEMA \"s\" GRANT SELECT"));
}

#[tokio::test]
async fn another_connection_is_found_or_the_hand_over_is_named() {
    let Some(server) = server() else { return };
    owned(server, "route").await;
    let alone = Bench::new(&DatabaseGrants, server.databases(&["route_admin"]), ("database", "route"));
    let failure = alone.look(&select("route_app"), Purpose::Plan, None).await.unwrap_err();
    assert_eq!(failure.class, Class::Forbidden, "{failure:?}");
    assert!(failure.detail.unwrap().contains("of role route_owner: "));
    assert!(failure.remedy.unwrap().contains("GRANT \"route_owner\" TO \"route_admin\";"));

    let both = Bench::new(&DatabaseGrants, server.databases(&["route_admin", "route_owner"]), ("database", "route"));
    let reading = both.plan(&select("route_app")).await;
    assert_eq!(reading.routes.len(), 3, "{:?}", reading.routes);
    assert!(reading.routes.values().all(|connection| connection == "route_owner"));
    let step = Step { via: Some("route_owner".into()), ..both.step(&select("route_app")).await };
    assert_eq!(both.write(&Step { via: None, ..step.clone() }).await.unwrap_err().class, Class::Forbidden);
    both.write(&step).await.unwrap();
    settles(&both, &step, true).await;
}

#[tokio::test]
async fn grant_options_are_enough_to_grant() {
    let Some(server) = server() else { return };
    owned(server, "option").await;
    server.run("option", "GRANT USAGE ON SCHEMA s TO option_admin WITH GRANT OPTION; GRANT SELECT ON s.t TO option_admin WITH GRANT OPTION").await;
    let bench = Bench::new(&DatabaseGrants, server.databases(&["option_admin"]), ("database", "option"));
    let more = [("schema", list(&["USAGE"])), ("tables", list(&["SELECT"]))];
    let step = bench.step(&grants(vec![rule("option_app", list(&["s"]), &more)])).await;
    bench.write(&step).await.unwrap();
    settles(&bench, &step, true).await;
    let more = [("tables", list(&["SELECT", "UPDATE"]))];
    let failure = bench.look(&grants(vec![rule("option_app", list(&["s"]), &more)]), Purpose::Plan, None).await;
    assert_eq!(failure.unwrap_err().class, Class::Forbidden);
}

#[tokio::test]
async fn vanished_and_replaced_objects_are_told_apart() {
    let Some(server) = server() else { return };
    owned(server, "gone").await;
    server
        .run("gone", "CREATE TABLE s.gone (i int); CREATE TABLE s.replaced (i int); CREATE TABLE s.renamed (i int)")
        .await;
    let bench = Bench::new(&DatabaseGrants, server.databases(&[SUPERUSER]), ("database", "gone"));
    let step = bench.step(&select("gone_app")).await;
    server.run("gone", "DROP TABLE s.gone; DROP TABLE s.replaced; CREATE TABLE s.replaced (i int); ALTER TABLE s.renamed RENAME TO other").await;
    let reading = bench.look(step.after.as_ref().unwrap(), Purpose::Settle, None).await.unwrap();
    let names = |set: &BTreeSet<String>| {
        set.iter().map(|entry| entry.split(" #").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&reading.gone), ["table s.gone"]);
    assert_eq!(names(&reading.replaced), ["table s.renamed", "table s.replaced"]);
    bench.write(&step).await.unwrap();
    let seen = before(&bench.look(step.after.as_ref().unwrap(), Purpose::Settle, None).await.unwrap()).unwrap();
    let tables: Vec<&String> = seen["privileges"].as_map().unwrap().keys().collect();
    assert!(tables.iter().any(|entry| entry.starts_with("table s.t #")) && tables.len() == 2, "{tables:?}");
}

#[tokio::test]
async fn unknown_schemas_and_words_are_refused_and_new_roles_are_not() {
    let Some(server) = server() else { return };
    owned(server, "words").await;
    let bench = Bench::new(&DatabaseGrants, server.databases(&[SUPERUSER]), ("database", "words"));
    let failure =
        bench.look(&grants(vec![rule("words_app", list(&["S"]), &[])]), Purpose::Plan, None).await.unwrap_err();
    assert_eq!((failure.class, failure.remedy.as_deref()), (Class::Flawed, Some("did you mean \"s\"?")));
    assert_eq!(failure.flaws()[0].path, "grants.0.schemas.0");
    let rules = grants(vec![rule("words_app", list(&["s"]), &[("functions", list(&["SELECT"]))])]);
    assert_eq!(bench.look(&rules, Purpose::Plan, None).await.unwrap_err().class, Class::Input);
    let failure = bench.look(&select("not made yet"), Purpose::Plan, None).await.unwrap_err();
    assert_eq!((failure.class, failure.flaws()[0].path.as_str()), (Class::Flawed, "grants.0.role"));
    let mut managed = select("not made yet");
    if let Some(Value::List(rules)) = managed.get_mut("grants")
        && let Some(Value::Map(rule)) = rules.first_mut()
    {
        rule.insert("managed".into(), Value::Bool(true));
    }
    let reading = bench.plan(&managed).await;
    assert_eq!(
        reading.notes,
        ["role \"not made yet\" is not there yet", "not in the plan file: words_owner holds CREATE on database words"]
    );
    assert_eq!(reading.desired.unwrap()["privileges"].as_map().unwrap().len(), 2);
    assert_eq!(bench.write(&bench.step(&managed).await).await.unwrap_err().class, Class::NotFound);
}

#[tokio::test]
async fn extensions_keep_their_own_privileges() {
    let Some(server) = server() else { return };
    owned(server, "ext").await;
    server
        .run(
            "ext",
            "CREATE ROLE ext_vendor; CREATE TABLE s.theirs (i int);
        ALTER TABLE s.theirs OWNER TO ext_vendor; CREATE EXTENSION IF NOT EXISTS plpgsql;
        ALTER EXTENSION plpgsql ADD TABLE s.theirs; GRANT ext_owner TO ext_admin",
        )
        .await;
    let bench = Bench::new(&DatabaseGrants, server.databases(&["ext_admin"]), ("database", "ext"));
    let reading = bench.plan(&select("ext_app")).await;
    assert!(reading.notes[0].contains("table s.theirs"), "{:?}", reading.notes);
    assert!(!reading.notes[0].contains("ext_vendor"), "{:?}", reading.notes);
    let desired = reading.desired.unwrap();
    let count = |field: &str| desired[field].as_map().unwrap().len();
    assert_eq!((count("privileges"), count("default_privileges")), (2, 1));
}

#[tokio::test]
async fn concurrent_writers_do_not_lose_grants() {
    let Some(server) = server() else { return };
    owned(server, "race").await;
    let mut sql = String::new();
    for n in 0..60 {
        write!(sql, "CREATE TABLE s.t{n} (i int); ").unwrap();
    }
    for n in 0..4 {
        write!(sql, "CREATE ROLE race_{n}; ").unwrap();
    }
    server.run("race", &sql).await;
    let tasks: Vec<_> = (0..4)
        .map(|n| {
            let databases = server.databases(&[SUPERUSER]);
            tokio::spawn(async move {
                let bench = Bench::new(&DatabaseGrants, databases, ("database", "race"));
                let step = bench.step(&select(&format!("race_{n}"))).await;
                bench.write(&step).await.unwrap();
                settles(&bench, &step, true).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn each_object_is_touched_by_few_statements() {
    let Some(server) = server() else { return };
    owned(server, "few").await;
    let mut counts = BTreeMap::new();
    let bench = Bench::new(&DatabaseGrants, server.databases(&[SUPERUSER]), ("database", "few"));
    for role in ["one", "two"] {
        server.run("few", &format!("CREATE ROLE {}", quote_ident(&format!("few_{role}")))).await;
        let rules = ["one", "two"].iter().take(if role == "one" { 1 } else { 2 }).map(|role| {
            let more = [("schema", list(&["USAGE"])), ("tables", list(&["SELECT", "UPDATE"]))];
            rule(&format!("few_{role}"), list(&["s"]), &more)
        });
        let step = bench.step(&grants(rules.collect())).await;
        counts.insert(role, bench.statements(&step).await.len());
    }
    assert_eq!(counts["one"], counts["two"]);
}
