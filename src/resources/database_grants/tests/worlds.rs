//! Random worlds of objects, roles and grants: planned, applied, nothing left to do, undone; PostgreSQL is the oracle.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::super::rules::Rule;
use super::super::wants::Wishes;
use super::super::{DatabaseGrants, wanted};
use super::{Bench, everything, rule, settles};
use crate::model::{Attributes, Value, agrees_all};
use crate::postgres::testing::{HOSTILE, SERVER, SUPERUSER, Server, server};
use crate::postgres::{Databases, Demand, LetterSet, Object, ObjectType, Snapshot, lacking, quote_ident};
use crate::resources::testing::{attributes, before, list, undo};

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

    fn one<'a>(&mut self, of: &'a [String]) -> &'a str {
        &of[self.below(of.len())]
    }
}

const TABLES: [&str; 7] = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];
const SCHEMAS: [&str; 4] = ["geo", "a.b", "Ünï\"code", "DROP SCHEMA x; --"];

/// A random world; answers its roles.
pub(in super::super) async fn random_world(server: &Server, seed: u64, database: &str) -> Vec<String> {
    world(server, &mut Dice(seed), database).await
}

/// Makes a world: roles and schemas with hostile names, objects of all kinds, some grants already there.
async fn world(server: &Server, dice: &mut Dice, database: &str) -> Vec<String> {
    let start = dice.below(HOSTILE.len());
    let hostile = (0..4).map(|at| HOSTILE[(start + at) % HOSTILE.len()]);
    let number: String = database.chars().filter(char::is_ascii_digit).collect();
    let roles: Vec<String> =
        hostile.map(|name| format!("{number}{name}").chars().take(60).collect::<String>()).collect();
    server.database(database).await;
    let mut sql = "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER w FOREIGN DATA WRAPPER w;".to_owned();
    for role in &roles {
        writeln!(sql, "CREATE ROLE {} LOGIN;", quote_ident(role)).unwrap();
    }
    for schema in SCHEMAS {
        objects(dice, &mut sql, &roles, &quote_ident(schema));
    }
    writeln!(sql, "SELECT lo_create(0); REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;").unwrap();
    server.run(database, &sql).await;
    roles
}

fn objects(dice: &mut Dice, sql: &mut String, roles: &[String], s: &str) {
    writeln!(sql, "CREATE SCHEMA {s};").unwrap();
    for n in 0..dice.below(4) {
        let name = quote_ident(&format!("{}{n}", HOSTILE[dice.below(6)].get(..8).unwrap_or("odd é'")));
        writeln!(sql, "CREATE TABLE {s}.{name} (i int, j serial, \"K \"\"l\" text);").unwrap();
        if dice.below(2) == 0 {
            writeln!(sql, "ALTER TABLE {s}.{name} OWNER TO {};", quote_ident(dice.one(roles))).unwrap();
        }
        let (first, second) = (quote_ident(dice.one(roles)), quote_ident(dice.one(roles)));
        match dice.below(5) {
            0 => writeln!(sql, "GRANT {} ON {s}.{name} TO {first};", TABLES[dice.below(7)]).unwrap(),
            1 => writeln!(sql, "GRANT SELECT (i), UPDATE (\"K \"\"l\") ON {s}.{name} TO {first};").unwrap(),
            2 => writeln!(
                sql,
                "GRANT USAGE ON SCHEMA {s} TO {first}; GRANT SELECT, INSERT ON {s}.{name} TO {first} WITH GRANT OPTION;
                 SET ROLE {first}; GRANT SELECT ON {s}.{name} TO {second}; RESET ROLE;"
            )
            .unwrap(),
            3 => writeln!(
                sql,
                "ALTER DEFAULT PRIVILEGES FOR ROLE {first} IN SCHEMA {s} GRANT INSERT ON TABLES TO {second};
                 ALTER DEFAULT PRIVILEGES FOR ROLE {first} GRANT EXECUTE ON FUNCTIONS TO {second};"
            )
            .unwrap(),
            _ => {}
        }
    }
    writeln!(
        sql,
        "CREATE TYPE {s}.\"Mood;\" AS ENUM ('a', 'b'); CREATE DOMAIN {s}.d AS int;
         CREATE VIEW {s}.v AS SELECT 1 AS one; CREATE TABLE {s}.p (i int) PARTITION BY LIST (i);
         CREATE MATERIALIZED VIEW {s}.m AS SELECT 1 AS one; CREATE FOREIGN TABLE {s}.x (i int) SERVER w;"
    )
    .unwrap();
    for arguments in ["", "a int, b text[]", "VARIADIC x \"Mood;\"[]", "INOUT y \"char\""] {
        let arguments = arguments.replace("\"Mood;\"", &format!("{s}.\"Mood;\""));
        let result = if arguments.contains("INOUT") { "\"char\"" } else { "text" };
        writeln!(sql, "CREATE FUNCTION {s}.\"f x\"({arguments}) RETURNS {result} LANGUAGE sql AS 'SELECT NULL';")
            .unwrap();
    }
    writeln!(
        sql,
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {s} FROM PUBLIC;
         CREATE PROCEDURE {s}.p(i int) LANGUAGE sql AS 'SELECT 1';
         CREATE AGGREGATE {s}.total(int) (SFUNC = int4pl, STYPE = int);"
    )
    .unwrap();
}

fn random_rule(dice: &mut Dice, roles: &[String]) -> Value {
    let role = if dice.below(8) == 0 { "PUBLIC" } else { dice.one(roles) };
    let schemas = if dice.below(3) == 0 { Value::text("*") } else { list(&dice.some(&SCHEMAS)) };
    let mut more = Vec::new();
    for (field, words) in [
        ("database_privileges", &["CONNECT", "TEMPORARY", "CREATE"][..]),
        ("schema", &["USAGE", "CREATE"]),
        ("tables", &TABLES),
        ("views", &["SELECT"]),
        ("materialized_views", &["SELECT", "TRIGGER"]),
        ("sequences", &["USAGE", "SELECT"]),
        ("functions", &["EXECUTE"]),
        ("procedures", &["EXECUTE"]),
        ("types", &["ALL"]),
        ("domains", &["USAGE"]),
        ("large_objects", &["SELECT"]),
    ] {
        if dice.below(2) == 0 {
            more.push((field, list(&dice.some(words))));
        }
    }
    match dice.below(4) {
        0 => more.push(("except", list(&["*v", "*x", "f x*"]))),
        1 => more.push(("only", list(&["*.p", "f x*(integer, text[])"]))),
        _ => more.push(("future", Value::Bool(dice.below(2) == 0))),
    }
    if role != "PUBLIC" {
        more.push(("grant_option", Value::Bool(dice.below(4) == 0)));
    }
    if dice.below(3) == 0 {
        more.push(("languages", list(&["plpgsql"])));
        let columns = attributes([("SELECT", list(&["i"])), ("REFERENCES", list(&["i"]))]);
        more.push(("columns", Value::Map(attributes([("\"a.b\".p", Value::Map(columns))]))));
    }
    rule(role, schemas, &more)
}

fn random_wishes(dice: &mut Dice, roles: &[String]) -> Attributes {
    let mut grants: Vec<Value> = (0..=dice.below(5)).map(|_| random_rule(dice, roles)).collect();
    let revokes = dice.below(3) == 0;
    if revokes {
        grants.retain(|rule| rule.as_map().unwrap()["role"] != Value::text("PUBLIC"));
    }
    let mut wishes = attributes([("grants", Value::List(grants))]);
    if dice.below(2) == 0 {
        wishes.insert("exclusive".into(), list(&[dice.one(roles)]));
    }
    if revokes {
        let more = [("functions", list(&["EXECUTE"])), ("types", list(&["USAGE"])), ("schema", list(&["CREATE"]))];
        wishes.insert("revoke".into(), Value::List(vec![rule("PUBLIC", list(&["geo"]), &more)]));
    }
    wishes
}

/// What a rule says of one object, worked out plainly.
fn says(rule: &Rule, object: &Object, snapshot: &Snapshot) -> LetterSet {
    let kind = object.name.kind;
    let applies = match kind {
        ObjectType::Column => return rule.column_letters(&object.name, snapshot),
        ObjectType::Language if rule.languages.contains(&object.name.name) => return snapshot.all(kind),
        ObjectType::Database | ObjectType::LargeObject => true,
        ObjectType::Language => false,
        ObjectType::Schema => rule.covers(&object.name.name),
        _ => rule.covers(&object.name.schema) && rule.means(&object.name),
    };
    if applies { rule.letters(kind, snapshot) } else { LetterSet::default() }
}

/// What the wishes say, asked of PostgreSQL itself.
async fn oracle(databases: &Databases, database: &str, wishes: &Wishes) {
    let mut lease = databases.lease(SERVER, database, None).await.unwrap();
    let mut wanted = wanted(wishes.rules());
    wanted.kinds = ObjectType::ALL.into();
    let snapshot = Snapshot::read(&mut lease, &wanted).await.unwrap();
    for rule in wishes.grants.iter().filter(|rule| rule.role != "PUBLIC") {
        let demands: Vec<Demand<'_>> = snapshot
            .objects
            .iter()
            .map(|object| Demand { role: &rule.role, object, letters: says(rule, object, &snapshot) })
            .collect();
        let lacks = lacking(&mut lease, &demands).await.unwrap();
        assert!(lacks.iter().all(|letters| letters.is_empty()), "{rule:?} {lacks:?}");
    }
    for object in &snapshot.objects {
        for role in &wishes.exclusive {
            let rules = wishes.grants.iter().filter(|rule| rule.role == *role);
            let wanted = rules.fold(LetterSet::default(), |set, rule| set.or(says(rule, object, &snapshot)));
            let over = snapshot.letters(object, role).less(wanted);
            let owner = snapshot.roles.known(object.owner) == Some(role);
            let granted_on = snapshot.grants(object).iter().any(|grant| grant.grantor == *role);
            assert!(owner || granted_on || over.is_empty(), "{role} {} {over:?}", object.name);
        }
        for rule in &wishes.revokes {
            let both = snapshot.letters(object, &rule.role).and(says(rule, object, &snapshot));
            assert!(both.is_empty(), "{} {both:?}", object.name);
        }
    }
}

#[tokio::test]
async fn random_worlds_are_granted_settled_and_undone() {
    let Some(server) = server() else { return };
    for seed in 0..10 {
        let mut dice = Dice(seed);
        let database = format!("World {seed}; --");
        let roles = world(server, &mut dice, &database).await;
        let databases = server.databases(&[SUPERUSER]);
        let bench = Bench::new(&DatabaseGrants, databases.clone(), ("database", &database));
        let wanted = random_wishes(&mut dice, &roles);
        let was = everything(&databases, &database).await;

        let step = bench.step(&wanted).await;
        assert_eq!(everything(&databases, &database).await, was, "planning changes nothing");
        settles(&bench, &step, false).await;
        let script = bench.statements(&step).await;
        bench.write(&step).await.unwrap_or_else(|failure| panic!("seed {seed}: {failure}\n{}", script.join("\n")));
        settles(&bench, &step, true).await;
        oracle(&databases, &database, &Wishes::read(&wanted).unwrap()).await;
        let again = bench.plan(&wanted).await;
        assert!(agrees_all(&before(&again).unwrap(), again.desired.as_ref().unwrap()), "seed {seed}: {again:?}");

        bench.write(&undo(&step)).await.unwrap();
        settles(&bench, &step, false).await;
        let now = everything(&databases, &database).await;
        let differs: BTreeSet<&String> = now.symmetric_difference(&was).collect();
        assert!(differs.is_empty(), "seed {seed}: undo brings back what was: {differs:#?}\n{}", script.join("\n"));
    }
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
            quote_ident(&format!("x{name}").chars().take(30).collect::<String>()),
            if n % 2 == 0 { "WITH GRANT OPTION" } else { "" }
        )
        .unwrap();
    }
    server.run("explode", &sql).await;
    let rows = server.ask("explode", "SELECT c.relacl::text, COALESCE(r.rolname, ''), g.rolname, x.privilege_type, x.is_grantable::text \
        FROM pg_class c, aclexplode(c.relacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee JOIN pg_roles g ON g.oid = x.grantor \
        WHERE c.relnamespace = 'geo'::regnamespace").await;
    assert!(rows.len() > 20);
    for row in rows {
        let text = |at: usize| sqlx::Row::get::<&str, _>(&row, at).to_owned();
        let (letters, options) = crate::postgres::Acl::parse(&text(0)).unwrap().given(&text(1), &text(2));
        let letter = ObjectType::Table.privilege(&text(3)).unwrap();
        assert!(letters.has(letter), "{} {}", text(0), text(1));
        assert_eq!(options.has(letter), text(4) == "true", "{} {}", text(0), text(1));
    }
}
