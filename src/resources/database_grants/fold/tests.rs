//! Tests that rules folded from a catalog want exactly what is there: of made-up catalogs, and of a real server.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::beyond::Beyond;
use super::super::made::Made;
use super::super::names::flaws;
use super::super::plan::{on_defaults, on_objects};
use super::super::wants::Wishes;
use super::super::{DatabaseGrants, tests::grants};
use super::{Folded, fold};
use crate::model::{Address, Attributes, Look, Purpose, Value, agrees_all};
use crate::postgres::testing::{SERVER, SUPERUSER, server};
use crate::postgres::{Acl, DefaultAcl, Grant, LetterSet, Object, ObjectName, ObjectType, Snapshot, Wanted};
use crate::resources::testing::{Bench, before, list};

const ROLES: [&str; 4] = ["owner", "other \"o\"", "app.*", "reader"];
const ROLE: &str = "app.*";
const SCHEMAS: [&str; 3] = ["geo", "a.b", "*\"\n"];
const NAMES: [&str; 5] = ["features", "a.b", "f*", "Ünï (1)", "say \"x\""];

/// The rules as the plan file's lowering hands them over.
fn wishes(folded: &Folded, grantee: &str) -> Attributes {
    let lowered = |folded: &super::FoldedRule| {
        let mut rule = folded.rule.clone();
        rule.insert("role".to_owned(), Value::text(grantee));
        Value::Map(rule)
    };
    let mut wishes = grants(folded.rules.iter().map(lowered).collect());
    // What an exclusive role holds beyond its rules would be revoked.
    wishes.insert("exclusive".to_owned(), list(&[grantee]));
    wishes
}

fn letters(kind: ObjectType, bits: u16) -> LetterSet {
    let known = kind.privileges().iter().enumerate().filter(|(_, (letter, _))| *letter != 'm');
    known.filter(|(at, _)| bits & (1 << at) != 0).map(|(_, (letter, _))| *letter).collect()
}

/// One entry of a list: to whom, by whom, letters, which of them with the grant option.
type Entry = (usize, usize, u16, u16);

fn acl(kind: ObjectType, owner: usize, entries: &[Entry]) -> Acl {
    let grant = |(grantee, grantor, held, options): &Entry| {
        let held = letters(kind, *held);
        let grantor = if grantor % 3 == 0 { ROLES[1] } else { ROLES[owner] };
        let options = letters(kind, *options).and(held);
        Grant { grantee: ROLES[*grantee].into(), grantor: grantor.into(), letters: held, options }
    };
    Acl(entries.iter().map(grant).filter(|grant| !grant.letters.is_empty()).collect())
}

fn entries() -> impl Strategy<Value = Option<Vec<Entry>>> {
    // Few different sets of letters, so that whole schemas come to hold the same.
    let bits = || prop_oneof![3 => Just(1_u16), 2 => Just(7), 1 => 0..128_u16];
    let options = prop_oneof![3 => Just(0_u16), 1 => 0..128_u16];
    proptest::option::weighted(0.8, proptest::collection::vec((2..4_usize, 0..6_usize, bits(), options), 0..3))
}

fn object() -> impl Strategy<Value = Object> {
    let kinds = ObjectType::ALL.into_iter().filter(|kind| kind.in_schema() || *kind == ObjectType::LargeObject);
    let kind = proptest::sample::select(kinds.collect::<Vec<_>>());
    (kind, 0..SCHEMAS.len(), 0..NAMES.len(), prop_oneof![4 => Just(0_usize), 1 => 1..4_usize], entries()).prop_map(
        |(kind, schema, name, owner, entries)| {
            let inner = match kind {
                ObjectType::Function | ObjectType::Procedure => format!("integer, \"{name}.*)\""),
                ObjectType::Column => NAMES[name].to_owned(),
                _ => String::new(),
            };
            // Of one name each kind has one object in a schema; what PostgreSQL keeps apart by name is apart here too.
            let name = if kind == ObjectType::Column { NAMES[0].into() } else { format!("{}{kind}", NAMES[name]) };
            let schema = if kind.in_schema() { SCHEMAS[schema].to_owned() } else { String::new() };
            let acl = entries.map(|entries| Arc::new(acl(kind, owner, &entries)));
            let name = ObjectName { kind, schema, name, inner };
            Object { name, oid: 0, owner: u32::try_from(owner).unwrap(), acl, extension: false }
        },
    )
}

fn catalog() -> impl Strategy<Value = Snapshot> {
    let outer = (entries(), proptest::collection::vec(entries(), SCHEMAS.len()), entries());
    let default = (0..ROLES.len(), proptest::option::of(0..SCHEMAS.len()), 0..5_usize, entries());
    let defaults = proptest::collection::vec(default, 0..8);
    (proptest::collection::vec(object(), 0..40), outer, defaults).prop_map(|(mut objects, outer, defaults)| {
        let plain = |kind, name: &str, entries: Option<Vec<Entry>>| {
            let name = ObjectName { kind, schema: String::new(), name: name.into(), inner: String::new() };
            let acl = entries.map(|entries| Arc::new(acl(kind, 0, &entries)));
            Object { name, oid: 0, owner: 0, acl, extension: false }
        };
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        objects.dedup_by(|a, b| a.name == b.name);
        for (schema, entries) in SCHEMAS.iter().zip(outer.1) {
            objects.push(plain(ObjectType::Schema, schema, entries));
            let name = ObjectName {
                kind: ObjectType::Table,
                schema: (*schema).into(),
                name: NAMES[0].into(),
                inner: String::new(),
            };
            objects.push(Object { name, oid: 0, owner: 0, acl: None, extension: false });
        }
        objects.push(plain(ObjectType::Database, "db", outer.0));
        objects.push(plain(ObjectType::Language, "plpgsql", outer.2));
        for (oid, object) in (1..).zip(&mut objects) {
            object.oid = oid;
        }
        // A column has the oid of its table.
        let tables: Vec<(String, u32)> = objects
            .iter()
            .filter(|object| object.name.kind == ObjectType::Table && object.name.name == NAMES[0])
            .map(|object| (object.name.schema.clone(), object.oid))
            .collect();
        for object in objects.iter_mut().filter(|object| object.name.kind == ObjectType::Column) {
            object.oid = tables.iter().find(|(schema, _)| *schema == object.name.schema).unwrap().1;
            object.owner = 0;
        }
        let kinds =
            [ObjectType::Table, ObjectType::Sequence, ObjectType::Function, ObjectType::Type, ObjectType::Schema];
        let row = |(creator, schema, kind, entries): (usize, Option<usize>, usize, Option<Vec<Entry>>)| {
            let schema = schema.filter(|_| kinds[kind] != ObjectType::Schema).map(|schema| SCHEMAS[schema].to_owned());
            let acl = acl(kinds[kind], creator, &entries?);
            Some(DefaultAcl { creator: ROLES[creator].into(), schema, kind: kinds[kind], acl })
        };
        let mut defaults: Vec<DefaultAcl> = defaults.into_iter().filter_map(row).collect();
        let spot = |row: &DefaultAcl| (row.creator.clone(), row.schema.clone(), row.kind);
        defaults.sort_by_key(spot);
        defaults.dedup_by_key(|row| spot(row));
        Snapshot::made(&ROLES, objects, defaults)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn folded_rules_want_exactly_what_is_there(snapshot in catalog()) {
        let folded = fold(&snapshot, ROLE);
        let attributes = wishes(&folded, ROLE);
        let wishes = Wishes::read(&attributes).unwrap();
        let (address, key) = (Address::new("database_grants", "db"), Attributes::new());
        let look = Look { address: &address, key: &key, attributes: &attributes, purpose: Purpose::Plan, via: None };
        let flaws = flaws(&look, &wishes, &snapshot, 160_000);
        prop_assert!(flaws.is_empty(), "{flaws:?}");
        let none = Attributes::new();
        let mut beyond = Beyond::default();
        let mut entries = on_objects(&wishes, &snapshot, &Made::read(&none), &mut beyond);
        entries.extend(on_defaults(&wishes, &snapshot, &Made::read(&none), &mut beyond));
        // What no rule can say is said in a remark: it is all that an exclusive role would lose.
        let large = |text: &String| text.starts_with("large object ");
        let schemas = |text: &String| text.ends_with(" on schemas");
        let said = |what: &str| folded.remarks.iter().any(|remark| remark.contains(what));
        for entry in entries {
            let text = entry.text();
            let unsaid = (large(&text) && said("large objects")) || (schemas(&text) && said("on schemas"));
            prop_assert!(entry.give.is_empty() && unsaid, "{text}\n{folded:#?}");
        }
    }
}

/// Folds what a role holds in a real database, then plans with that: nothing is to be given or taken.
async fn comes_to_nothing(databases: &crate::postgres::Databases, database: &str, role: &str) -> Folded {
    let mut lease = databases.lease(SERVER, database, None).await.unwrap();
    let wanted = Wanted { kinds: ObjectType::ALL.into(), ..Wanted::default() };
    let snapshot = Snapshot::read(&mut lease, &wanted).await.unwrap();
    drop(lease);
    let folded = fold(&snapshot, role);
    let bench = Bench::new(&DatabaseGrants, databases.clone(), ("database", database));
    let mut wishes = wishes(&folded, role);
    if !folded.remarks.is_empty() {
        wishes.remove("exclusive");
    }
    let reading = bench.plan(&wishes).await;
    let (seen, wanted) = (before(&reading).unwrap(), reading.desired.clone().unwrap());
    assert!(agrees_all(&seen, &wanted), "{seen:#?}\n{wanted:#?}\n{folded:#?}");
    folded
}

#[tokio::test]
async fn a_database_made_by_others_is_folded_exactly() {
    let Some(server) = server() else { return };
    server.database("odd").await;
    server.run("odd", include_str!("odd.sql")).await;
    server.run("odd", "GRANT CONNECT, TEMPORARY ON DATABASE odd TO \"odd-app.*\"").await;
    let databases = server.databases(&[SUPERUSER]);
    let folded = comes_to_nothing(&databases, "odd", "odd-app.*").await;
    let shown: Vec<String> = folded
        .rules
        .iter()
        .map(|rule| serde_json::to_string(&rule.rule).unwrap())
        .chain(folded.remarks.iter().cloned())
        .collect();
    // ALL is one privilege more from PostgreSQL 17 on.
    insta::assert_snapshot!(shown.join("\n").replace(",\"MAINTAIN\"", ""), @r#"
    {"database_privileges":["CONNECT","TEMPORARY"],"future":true,"languages":["plpgsql"],"large_objects":["SELECT"],"schema":["USAGE"],"schemas":["a.b*"],"tables":["SELECT"]}
    {"future":true,"schemas":["empty"],"tables":["SELECT"]}
    {"domains":[],"materialized_views":["SELECT"],"partitioned_tables":["SELECT","INSERT","UPDATE"],"schema":["USAGE","CREATE"],"schemas":["geo"],"sequences":["USAGE"],"types":["USAGE"],"views":["SELECT"]}
    {"only":["\"*\""],"schemas":["a.b*"],"tables":["INSERT","UPDATE","DELETE","TRUNCATE","REFERENCES","TRIGGER"]}
    {"except":["\"x.y (z)\""],"schemas":["geo"],"tables":["SELECT"]}
    {"except":["audit","titles","counts"],"schemas":["geo"],"tables":["INSERT"]}
    {"only":["features","tiles","select","\"x.y (z)\"","parted_1"],"schemas":["geo"],"tables":["UPDATE"]}
    {"only":["jobs"],"schemas":["geo"],"tables":["UPDATE","TRUNCATE"]}
    {"functions":["EXECUTE"],"only":["area(integer, geo.mood[])","\"area(int)\"()"],"schemas":["geo"]}
    {"columns":{"geo.features":{"REFERENCES":["id","title"],"UPDATE":["title"]}}}
    {"except":["*"],"functions":["EXECUTE"],"future":["odd_owner"],"schemas":"*"}
    {"except":["*"],"future":["odd_owner"],"schemas":["geo"],"tables":["SELECT","INSERT"]}
    {"future":true,"grant_option":true,"schemas":["empty"],"sequences":["USAGE"]}
    {"grant_option":true,"procedures":["EXECUTE"],"schemas":["geo"]}
    {"grant_option":true,"only":["tiles","jobs"],"schemas":["geo"],"tables":["DELETE"]}
    {"columns":{"geo.\"x.y (z)\"":{"SELECT":["id"]}},"grant_option":true}
    "#);
    for role in ["odd_owner", "odd \"deployer\"", "odd_lender", "odd_group"] {
        comes_to_nothing(&databases, "odd", role).await;
    }
    let unsaid = "SET ROLE odd_owner; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO \"odd-app.*\"";
    server.run("odd", unsaid).await;
    let folded = comes_to_nothing(&databases, "odd", "odd-app.*").await;
    assert_eq!(folded.remarks.len(), 1, "{folded:#?}");
}

#[tokio::test]
async fn random_worlds_are_folded_exactly() {
    let Some(server) = server() else { return };
    for seed in 20..26 {
        let database = format!("Folded {seed}; --");
        let roles = super::super::tests::random_world(server, seed, &database).await;
        let databases = server.databases(&[SUPERUSER]);
        for role in &roles {
            comes_to_nothing(&databases, &database, role).await;
        }
    }
}
