//! Tests of grants against a real server: random worlds, owners that others cannot act for, objects that vanish.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::DatabaseGrants;
use crate::model::{Attributes, Class, Purpose, Step, Value, agrees_all};
use crate::postgres::testing::{HOSTILE, SERVER, SUPERUSER, Server, server};
use crate::postgres::{Databases, Demand, ObjectType, Snapshot, Wanted, lacking, quote_ident};
use crate::resources::testing::{Bench, attributes, before, list, undo};

/// A random number generator that needs no dependency: the same seed makes the same world.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn some<'a>(&mut self, of: &[&'a str]) -> Vec<&'a str> {
        of.iter().copied().filter(|_| self.below(2) == 0).collect()
    }
}

const TABLES: [&str; 7] = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];

fn rule(role: &str, schemas: Value, more: &[(&str, Value)]) -> Value {
    let mut table = attributes([("role", Value::text(role)), ("schemas", schemas)]);
    table.extend(more.iter().map(|(field, value)| ((*field).to_owned(), value.clone())));
    Value::Map(table)
}

fn grants(rules: Vec<Value>) -> Attributes {
    attributes([("grants", Value::List(rules))])
}

/// Every letter that everybody holds by itself: semantic equality of access control lists.
async fn letters(databases: &Databases, database: &str, roles: &[String]) -> BTreeSet<(String, String, String)> {
    let mut lease = databases.lease(SERVER, database, None).await.unwrap();
    let wanted = Wanted { schemas: None, kinds: ObjectType::ALL.into(), oids: None };
    let snapshot = Snapshot::read(&mut lease, &wanted).await.unwrap();
    let mut found = BTreeSet::new();
    let sorted = |letters: &str| letters.chars().collect::<BTreeSet<char>>().into_iter().collect::<String>();
    for role in roles.iter().map(String::as_str).chain([SUPERUSER, "PUBLIC"]) {
        for object in &snapshot.objects {
            let held = [snapshot.letters(object, role), "*", snapshot.options(object, role)].map(sorted).concat();
            found.insert((object.name.entry(object.oid), role.to_owned(), held));
        }
        for row in &snapshot.defaults {
            let entry = format!("{} {:?} {}", row.creator, row.schema, row.kind);
            let held = sorted(row.acl.letters(if role == "PUBLIC" { "" } else { role }));
            if !held.is_empty() {
                found.insert((entry, role.to_owned(), held));
            }
        }
    }
    found
}

/// Makes a world: roles and schemas with hostile names, objects of all kinds, some grants already there.
async fn world(server: &Server, dice: &mut Dice, database: &str) -> (Vec<String>, Vec<String>) {
    let roles: Vec<String> = HOSTILE.iter().take(4).map(|name| format!("{database}{name}")).collect();
    let schemas: Vec<String> = ["geo", "a.b", "Ünï\"code", "DROP SCHEMA x; --"].map(str::to_owned).into();
    server.database(database).await;
    let mut sql = String::new();
    for role in &roles {
        writeln!(sql, "CREATE ROLE {} LOGIN;", quote_ident(role)).unwrap();
    }
    for schema in &schemas {
        let s = quote_ident(schema);
        writeln!(sql, "CREATE SCHEMA {s};").unwrap();
        for n in 0..dice.below(4) {
            let owner = quote_ident(&roles[dice.below(roles.len())]);
            let name = quote_ident(&format!("{}{n}", HOSTILE[dice.below(6)].get(..8).unwrap_or("odd é'")));
            writeln!(sql, "CREATE TABLE {s}.{name} (i int, j serial);").unwrap();
            if dice.below(2) == 0 {
                writeln!(sql, "ALTER TABLE {s}.{name} OWNER TO {owner};").unwrap();
            }
            if dice.below(2) == 0 {
                let to = quote_ident(&roles[dice.below(roles.len())]);
                let option = if dice.below(2) == 0 { "WITH GRANT OPTION" } else { "" };
                writeln!(sql, "GRANT {} ON {s}.{name} TO {to} {option};", TABLES[dice.below(7)]).unwrap();
            }
        }
        writeln!(sql, "CREATE TYPE {s}.\"Mood;\" AS ENUM ('a', 'b'); CREATE DOMAIN {s}.d AS int;").unwrap();
        writeln!(sql, "CREATE VIEW {s}.v AS SELECT 1 AS one; CREATE TABLE {s}.p (i int) PARTITION BY LIST (i);")
            .unwrap();
        for arguments in ["", "a int, b text[]", "VARIADIC x \"Mood;\"[]", "INOUT y \"char\""] {
            let arguments = arguments.replace("\"Mood;\"", &format!("{s}.\"Mood;\""));
            writeln!(
                sql,
                "CREATE FUNCTION {s}.\"f x\"({arguments}) RETURNS {} LANGUAGE sql AS 'SELECT NULL';",
                if arguments.contains("INOUT") { "\"char\"".to_owned() } else { "text".to_owned() }
            )
            .unwrap();
        }
        writeln!(sql, "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {s} FROM PUBLIC;").unwrap();
        writeln!(sql, "CREATE PROCEDURE {s}.p(i int) LANGUAGE sql AS 'SELECT 1';").unwrap();
        writeln!(sql, "CREATE AGGREGATE {s}.total(int) (SFUNC = int4pl, STYPE = int);").unwrap();
    }
    server.run(database, &sql).await;
    (roles, schemas)
}

fn random_rules(dice: &mut Dice, roles: &[String], schemas: &[String]) -> Vec<Value> {
    (0..=dice.below(5))
        .map(|_| {
            let role = if dice.below(8) == 0 { "PUBLIC" } else { &roles[dice.below(roles.len())] };
            let chosen: Vec<&str> = dice.some(&schemas.iter().map(String::as_str).collect::<Vec<_>>());
            let schemas = if dice.below(3) == 0 { Value::text("*") } else { list(&chosen) };
            let mut more = vec![("future", Value::Bool(dice.below(2) == 0))];
            for (field, words) in [
                ("database_privileges", &["CONNECT", "TEMP", "CREATE"][..]),
                ("schema", &["USAGE", "create"]),
                ("tables", &TABLES),
                ("sequences", &["USAGE", "SELECT"]),
                ("functions", &["EXECUTE"]),
                ("types", &["ALL"]),
            ] {
                let words = dice.some(words);
                if !words.is_empty() {
                    more.push((field, list(&words)));
                }
            }
            rule(role, schemas, &more)
        })
        .collect()
}

/// What the rules want, asked of PostgreSQL itself.
async fn oracle(databases: &Databases, database: &str, rules: &[super::Rule]) {
    let mut lease = databases.lease(SERVER, database, None).await.unwrap();
    let snapshot = Snapshot::read(&mut lease, &super::wanted(rules)).await.unwrap();
    for rule in rules {
        let role = if rule.role == "PUBLIC" { "public" } else { &rule.role };
        let letters = ObjectType::ALL
            .into_iter()
            .flat_map(|kind| rule.letters(kind, &snapshot).into_iter().map(move |letter| (kind, letter)))
            .collect();
        let schemas = rule.schemas.as_ref().map(|schemas| schemas.iter().cloned().collect());
        if role != "public" {
            let demand = Demand { role: role.to_owned(), schemas, letters };
            assert_eq!(lacking(&mut lease, &demand).await.unwrap(), []);
        }
    }
}

#[tokio::test]
async fn random_worlds_are_granted_settled_and_undone() {
    let Some(server) = server() else { return };
    for seed in 0..8 {
        let mut dice = Dice(seed);
        let database = format!("World {seed}; --");
        let (roles, schemas) = world(server, &mut dice, &database).await;
        let databases = server.databases(&[SUPERUSER]);
        let bench = Bench::new(&DatabaseGrants, databases.clone(), ("database", &database));
        let wanted = grants(random_rules(&mut dice, &roles, &schemas));
        let was = letters(&databases, &database, &roles).await;

        let step = bench.step(&wanted).await;
        assert_eq!(letters(&databases, &database, &roles).await, was, "planning changes nothing");
        settles(&bench, &step, false).await;
        bench.write(&step).await.unwrap();
        settles(&bench, &step, true).await;
        oracle(&databases, &database, &super::rules(wanted.get("grants")).unwrap()).await;
        let again = bench.plan(&wanted).await;
        assert!(agrees_all(&before(&again).unwrap(), again.desired.as_ref().unwrap()), "seed {seed}: {again:?}");
        bench.write(&step).await.unwrap();

        bench.write(&undo(&step)).await.unwrap();
        settles(&bench, &step, false).await;
        assert_eq!(letters(&databases, &database, &roles).await, was, "seed {seed}: undo brings back what was");
    }
}

/// A settle look shows exactly one end of the step: the one after it, or the one before.
async fn settles(bench: &Bench<'_>, step: &Step, after: bool) {
    let asked = step.after.as_ref().unwrap();
    let seen = before(&bench.look(asked, Purpose::Settle, None).await.unwrap()).unwrap();
    let end = if after { asked } else { step.before.as_ref().unwrap() };
    assert!(agrees_all(&seen, end), "{seen:?} is not {end:?}");
}

#[tokio::test]
async fn acl_texts_mean_what_aclexplode_says() {
    let Some(server) = server() else { return };
    let mut dice = Dice(99);
    world(server, &mut dice, "explode").await;
    let mut sql = String::new();
    for (n, name) in HOSTILE.iter().enumerate() {
        writeln!(
            sql,
            "CREATE ROLE {}; GRANT SELECT, UPDATE ON geo.v TO {0} {};",
            quote_ident(name),
            if n % 2 == 0 { "WITH GRANT OPTION" } else { "" }
        )
        .unwrap();
    }
    server.run("explode", &sql).await;
    let rows = server.ask("explode", "SELECT c.relacl::text, COALESCE(r.rolname, ''), x.privilege_type, x.is_grantable::text \
        FROM pg_class c, aclexplode(c.relacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee WHERE c.relnamespace = 'geo'::regnamespace").await;
    assert!(rows.len() > 20);
    for row in rows {
        let text = |at: usize| sqlx::Row::get::<&str, _>(&row, at).to_owned();
        let acl = crate::postgres::Acl::parse(&text(0)).unwrap();
        let letter = ObjectType::Table.privilege(&text(2)).unwrap();
        assert!(acl.letters(&text(1)).contains(letter), "{} {}", text(0), text(1));
        assert_eq!(acl.options(&text(1)).contains(letter), text(3) == "true", "{} {}", text(0), text(1));
    }
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
    assert_eq!((failure.class, failure.remedy.as_deref()), (Class::Input, Some("did you mean \"s\"?")));
    let rules = grants(vec![rule("words_app", list(&["s"]), &[("functions", list(&["SELECT"]))])]);
    assert_eq!(bench.look(&rules, Purpose::Plan, None).await.unwrap_err().class, Class::Input);
    let reading = bench.plan(&select("not made yet")).await;
    assert_eq!(reading.notes, ["role \"not made yet\" is not there yet"]);
    assert_eq!(reading.desired.unwrap()["privileges"].as_map().unwrap().len(), 2);
    assert_eq!(bench.write(&bench.step(&select("not made yet")).await).await.unwrap_err().class, Class::NotFound);
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
