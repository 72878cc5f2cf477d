//! Tests of grouping, quoting and inverses of statements, without a server.

use std::collections::{BTreeMap, BTreeSet};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{Acting, MESSAGE_BYTES, create_role, drop_role, grants, update_role};
use crate::model::{Attributes, Class, Letters, Value};
use crate::postgres::role_state::{Membership, RoleState};

type End = BTreeMap<(&'static str, String, String), String>;

fn attributes(end: &End) -> Attributes {
    let mut fields = Attributes::new();
    for ((field, entry, grantee), letters) in end {
        let Value::Map(entries) = fields.entry((*field).to_owned()).or_insert_with(|| Value::Map(Attributes::new()))
        else {
            unreachable!()
        };
        let Value::Map(grantees) = entries.entry(entry.clone()).or_insert_with(|| Value::Map(Attributes::new())) else {
            unreachable!()
        };
        grantees.insert(grantee.clone(), Value::Letters(Letters::new(letters.chars())));
    }
    fields
}

fn end(items: &[(&'static str, &str, &str, &str)]) -> Attributes {
    attributes(
        &items.iter().map(|(f, e, g, l)| ((*f, (*e).to_owned(), (*g).to_owned()), (*l).to_owned())).collect::<End>(),
    )
}

#[test]
fn equal_grants_share_a_statement() {
    let after = end(&[
        ("privileges", "table geo.a #1", "app", "arw"),
        ("privileges", "table geo.a #1", "Ünï\"code", "arw"),
        ("privileges", "table geo.b #2", "app", "arw"),
        ("privileges", "table geo.b #2", "Ünï\"code", "arw"),
        ("privileges", "table geo.b #2", "reader", "r"),
        ("privileges", "schema geo #3", "app", "U"),
        ("privileges", "database \"a.b\" #4", "PUBLIC", "c"),
        ("grant_options", "table geo.b #2", "app", "r"),
        ("default_privileges", "owner in schema geo on tables", "app", "r"),
        ("default_privileges", "owner in schema app on tables", "app", "r"),
    ]);
    let acting = Acting::from([("schema geo #3".into(), "DROP TABLE x; --".into())]);
    assert_snapshot!(grants(None, Some(&after), &acting).unwrap().statements().join("\n"), @r#"
    BEGIN READ WRITE
    GRANT CONNECT ON DATABASE "a.b" TO PUBLIC
    GRANT SELECT ON TABLE "geo"."b" TO "reader"
    GRANT SELECT, INSERT, UPDATE ON TABLE "geo"."a", "geo"."b" TO "app", "Ünï""code"
    ALTER DEFAULT PRIVILEGES FOR ROLE "owner" IN SCHEMA "app", "geo" GRANT SELECT ON TABLES TO "app"
    GRANT SELECT ON TABLE "geo"."b" TO "app" WITH GRANT OPTION
    SET LOCAL ROLE "DROP TABLE x; --"
    GRANT USAGE ON SCHEMA "geo" TO "app"
    RESET ROLE
    COMMIT
    "#);
}

#[test]
fn the_inverse_takes_back_exactly_what_was_given() {
    let before = end(&[("privileges", "table geo.a #1", "app", "r")]);
    let after = end(&[("privileges", "table geo.a #1", "app", "rw")]);
    let back = grants(Some(&after), Some(&before), &Acting::new()).unwrap().statements();
    assert_eq!(back[1], "REVOKE UPDATE ON TABLE \"geo\".\"a\" FROM \"app\"");
    assert!(grants(Some(&after), Some(&after), &Acting::new()).unwrap().is_empty());
}

#[test]
fn ten_thousand_tables_are_ten_statements_in_one_message() {
    let entries: Vec<String> = (0..10_000).map(|n| format!("table geo.t{n} #{n}")).collect();
    let items: Vec<_> =
        entries.iter().flat_map(|entry| ["a", "b"].map(|role| ("privileges", entry.as_str(), role, "arwd"))).collect();
    let script = grants(None, Some(&end(&items)), &Acting::new()).unwrap();
    assert_eq!(script.statements().len(), 12);
    assert!(script.messages().len() <= 1 + 10_000 * 30 / MESSAGE_BYTES);
}

#[test]
fn letters_that_an_object_does_not_know_are_refused() {
    let after = end(&[("privileges", "schema geo #1", "app", "r")]);
    assert_eq!(grants(None, Some(&after), &Acting::new()).unwrap_err().class, Class::Input);
    let after = end(&[("privileges", "schema geo; DROP #1", "app", "U")]);
    assert_eq!(grants(None, Some(&after), &Acting::new()).unwrap_err().class, Class::Input);
}

#[test]
fn roles_are_made_changed_and_removed() {
    let state = RoleState {
        object_id: Some("11111111-1111-1111-1111-111111111111".into()),
        principal_type: Some("service".into()),
        create_db: Some(false),
        connection_limit: Some(5),
        member_of: BTreeMap::from([("a.b".into(), Membership::default())]),
        ..RoleState::default()
    };
    let other = RoleState {
        object_id: Some("2".into()),
        connection_limit: Some(-1),
        member_of: BTreeMap::new(),
        ..state.clone()
    };
    let name = "it's \"me\"";
    let scripts = [create_role(name, &state), update_role(name, &state, &other, &|_| false), drop_role(name)];
    assert_snapshot!(scripts.map(|script| script.0.join("\n")).join("\n"), @r#"
    SELECT pg_catalog.pgaadauth_create_principal_with_oid('it''s "me"', '11111111-1111-1111-1111-111111111111', 'service', false, false)
    ALTER ROLE "it's ""me""" NOCREATEDB CONNECTION LIMIT 5
    GRANT "a.b" TO "it's ""me"""
    SELECT pg_catalog.pgaadauth_update_principal_with_oid('it''s "me"', '2', 'service', false, false)
    ALTER ROLE "it's ""me""" CONNECTION LIMIT -1
    REVOKE "a.b" FROM "it's ""me"""
    DROP ROLE "it's ""me"""
    "#);
}

#[test]
fn memberships_are_changed_where_they_were_granted() {
    let options = |admin, inherit, set| Membership { admin, inherit, set, ..Membership::default() };
    let by = |grants: &[(&str, &[&'static str])]| {
        grants.iter().map(|(grantor, gave)| ((*grantor).to_owned(), gave.iter().copied().collect())).collect()
    };
    let state = |member_of: &[(&str, &Membership)]| RoleState {
        member_of: member_of.iter().map(|(role, one)| ((*role).to_owned(), (*one).clone())).collect(),
        ..RoleState::default()
    };
    let told = |before: &Membership, after: &Membership| {
        update_role("x", &state(&[("g", before)]), &state(&[("g", after)]), &|grantor| grantor == "b").0.join("\n")
    };
    // Version 15: no options but ADMIN, and nobody to name.
    let old = options(Some(true), None, None);
    assert_eq!(told(&old, &options(Some(false), None, None)), "REVOKE ADMIN OPTION FOR \"g\" FROM \"x\"");
    assert_eq!(told(&options(Some(false), None, None), &old), "GRANT \"g\" TO \"x\" WITH ADMIN OPTION");
    let grants = by(&[("a", &["INHERIT", "SET"]), ("b", &["INHERIT"])]);
    let held = Membership { grants, ..options(Some(false), Some(true), Some(true)) };
    assert_snapshot!(told(&held, &options(None, Some(false), None)), @r#"
    REVOKE INHERIT OPTION FOR "g" FROM "x" GRANTED BY "a"
    REVOKE INHERIT OPTION FOR "g" FROM "x" GRANTED BY "b"
    "#);
    assert_snapshot!(told(&held, &options(Some(true), None, Some(false))), @r#"
    REVOKE SET OPTION FOR "g" FROM "x" GRANTED BY "a"
    GRANT "g" TO "x" WITH ADMIN OPTION GRANTED BY "b"
    "#);
    let theirs = Membership { grants: by(&[("a", &["SET"])]), ..options(Some(false), Some(false), Some(true)) };
    assert_snapshot!(told(&theirs, &options(None, Some(true), None)), @r#"GRANT "g" TO "x" WITH ADMIN FALSE, INHERIT TRUE, SET FALSE"#);
    let gone = update_role("x", &state(&[("g", &held)]), &state(&[]), &|_| true).0.join("\n");
    assert_snapshot!(gone, @r#"
    REVOKE "g" FROM "x" GRANTED BY "a"
    REVOKE "g" FROM "x" GRANTED BY "b"
    "#);
}

proptest! {
    /// Reads the statements back into what they grant, and compares with the difference of the two ends.
    #[test]
    fn grouping_loses_nothing(
        before in proptest::collection::btree_map((0..6_u32, 0..4_usize), "[arwd]{1,3}", 0..12),
        after in proptest::collection::btree_map((0..6_u32, 0..4_usize), "[arwd]{1,3}", 0..12),
    ) {
        let roles = ["one", "two", "three", "four"];
        let make = |side: &BTreeMap<(u32, usize), String>| attributes(&side.iter()
            .map(|((table, role), letters)| (("privileges", format!("table s.t{table} #{table}"), roles[*role].to_owned()), letters.clone()))
            .collect::<End>());
        let mut state: BTreeSet<(u32, usize, char)> = before.iter()
            .flat_map(|((table, role), letters)| letters.chars().map(|l| (*table, *role, l))).collect();
        for statement in grants(Some(&make(&before)), Some(&make(&after)), &Acting::new()).unwrap().0 {
            let give = statement.starts_with("GRANT");
            let (words, rest) = statement.split_once(" ON TABLE ").unwrap();
            let (objects, grantees) = rest.split_once(if give { " TO " } else { " FROM " }).unwrap();
            for letter in [("SELECT", 'r'), ("INSERT", 'a'), ("UPDATE", 'w'), ("DELETE", 'd')].iter().filter(|(w, _)| words.contains(w)).map(|(_, l)| *l) {
                for table in (0..6).filter(|table| objects.contains(&format!("\"t{table}\""))) {
                    for role in (0..4).filter(|role| grantees.contains(&format!("\"{}\"", roles[*role]))) {
                        let item = (table, role, letter);
                        let moved = if give { state.insert(item) } else { state.remove(&item) };
                        prop_assert!(moved);
                    }
                }
            }
        }
        let wanted: BTreeSet<(u32, usize, char)> = after.iter()
            .flat_map(|((table, role), letters)| letters.chars().map(|l| (*table, *role, l))).collect();
        prop_assert_eq!(state, wanted);
    }
}
