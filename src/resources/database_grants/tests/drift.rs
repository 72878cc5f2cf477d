//! Every kind of drift is noticed at the level of the object: changed where the plan file asks for it, else reported.

use super::{Bench, DatabaseGrants, grants, owned, rule, settles};
use crate::model::{Attributes, Class, Purpose, Reading, Value};
use crate::postgres::testing::{SUPERUSER, Server, server};
use crate::resources::testing::{attributes, before, list, undo};

/// A database with two tables, a view, overloads and a procedure, all of which `<name>_app` may use.
async fn granted(server: &Server, name: &str) -> (Bench<'static>, Attributes) {
    owned(server, name).await;
    let sql = format!(
        "CREATE ROLE {name}_other; SET ROLE {name}_owner;
         CREATE TABLE s.u (i int, j int); CREATE VIEW s.v AS SELECT 1 AS one; CREATE SEQUENCE s.q;
         CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION s.f(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
         REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA s FROM PUBLIC"
    );
    server.run(name, &sql).await;
    let more = [
        ("schema", list(&["USAGE"])),
        ("tables", list(&["SELECT", "UPDATE"])),
        ("sequences", list(&["USAGE"])),
        ("functions", list(&["EXECUTE"])),
        ("future", Value::Bool(true)),
    ];
    let wanted = grants(vec![rule(&format!("{name}_app"), list(&["s"]), &more)]);
    let bench = Bench::new(&DatabaseGrants, server.databases(&[SUPERUSER]), ("database", name));
    bench.write(&bench.step(&wanted).await).await.unwrap();
    (bench, wanted)
}

/// The changes of a reading: `+` for what is granted, `-` for what is revoked, entries without oids.
fn changes(reading: &Reading) -> Vec<String> {
    let mut found = Vec::new();
    for (sign, end) in [("-", before(reading).unwrap()), ("+", reading.desired.clone().unwrap())] {
        for (field, entries) in &end {
            for (entry, grantees) in entries.as_map().unwrap() {
                for (grantee, letters) in grantees.as_map().unwrap() {
                    let Value::Letters(letters) = letters else { panic!("{letters:?}") };
                    let (entry, by) = entry.split_once(" #").unwrap_or((entry, ""));
                    let by = by.split_once(" by ").map(|(_, by)| format!(" by {by}")).unwrap_or_default();
                    let field = if field == "privileges" { String::new() } else { format!(" {field}") };
                    found.push(format!("{sign} {grantee} {} {entry}{by}{field}", letters.as_str()));
                }
            }
        }
    }
    found
}

/// What one drift comes to: SQL that makes it, changes of the additive plan, of the exclusive plan, and what is told.
type Drift = (&'static str, &'static [&'static str], &'static [&'static str], &'static str);

const DRIFTS: [Drift; 15] = [
    ("REVOKE SELECT ON s.u FROM %_app", &["+ %_app r table s.u"], &["+ %_app r table s.u"], ""),
    ("REVOKE USAGE ON SEQUENCE s.q FROM %_app", &["+ %_app U sequence s.q"], &["+ %_app U sequence s.q"], ""),
    (
        "REVOKE EXECUTE ON FUNCTION s.f(text) FROM %_app",
        &["+ %_app X function s.f(text)"],
        &["+ %_app X function s.f(text)"],
        "",
    ),
    ("REVOKE USAGE ON SCHEMA s FROM %_app", &["+ %_app U schema s"], &["+ %_app U schema s"], ""),
    (
        "GRANT TRUNCATE ON s.u TO %_app",
        &[],
        &["- %_app D table s.u"],
        "beyond the plan file: %_app holds TRUNCATE on table s.u",
    ),
    (
        "GRANT CREATE ON SCHEMA s TO %_app",
        &[],
        &["- %_app C schema s"],
        "beyond the plan file: %_app holds CREATE on schema s",
    ),
    ("GRANT SELECT ON s.u TO PUBLIC", &[], &[], "not in the plan file: PUBLIC holds SELECT on table s.u"),
    ("GRANT SELECT ON s.u TO %_other", &[], &[], "not in the plan file: %_other holds SELECT on table s.u"),
    (
        "RESET ROLE; CREATE SCHEMA z; CREATE TABLE z.t (i int); GRANT SELECT ON z.t TO %_app",
        &[],
        &["- %_app r table z.t"],
        "beyond the plan file: %_app holds SELECT on table z.t",
    ),
    (
        "GRANT SELECT ON s.u TO %_app WITH GRANT OPTION",
        &[],
        &["- %_app r table s.u grant_options"],
        "beyond the plan file: %_app may grant SELECT on table s.u to others",
    ),
    (
        "GRANT INSERT (j) ON s.u TO %_app",
        &[],
        &["- %_app a column s.u.j"],
        "beyond the plan file: %_app holds INSERT on column s.u.j",
    ),
    (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA s REVOKE SELECT ON TABLES FROM %_app",
        &["+ %_app r %_owner in schema s on tables default_privileges"],
        &["+ %_app r %_owner in schema s on tables default_privileges"],
        "",
    ),
    (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT DELETE ON TABLES TO %_app",
        &[],
        &["- %_app d %_owner in schema s on tables default_privileges"],
        "beyond the plan file: %_app holds DELETE on future tables created by %_owner in schema s",
    ),
    (
        "RESET ROLE; ALTER DEFAULT PRIVILEGES FOR ROLE %_other GRANT SELECT ON TABLES TO %_app",
        &[],
        &["- %_app r %_other on tables default_privileges"],
        "beyond the plan file: %_app holds SELECT on future tables created by %_other",
    ),
    (
        "CREATE TABLE s.p (i int) PARTITION BY LIST (i); REVOKE ALL ON s.p FROM %_app",
        &["+ %_app rw partitioned table s.p"],
        &["+ %_app rw partitioned table s.p"],
        "",
    ),
];

#[tokio::test]
async fn each_drift_changes_one_object_and_names_it() {
    let Some(server) = server() else { return };
    for (n, (sql, additive, exclusive, told)) in DRIFTS.into_iter().enumerate() {
        let name = format!("drift{n}");
        let (bench, wanted) = granted(server, &name).await;
        assert_eq!(changes(&bench.plan(&wanted).await), Vec::<String>::new(), "{name}");
        server.run(&name, &format!("SET ROLE {name}_owner; {}", sql.replace('%', &name))).await;
        let named = |lines: &[&str]| lines.iter().map(|line| line.replace('%', &name)).collect::<Vec<_>>();
        let reading = bench.plan(&wanted).await;
        assert_eq!(changes(&reading), named(additive), "{sql}");
        let told = told.replace('%', &name);
        assert!(told.is_empty() || reading.notes.contains(&told), "{sql}: {:?}", reading.notes);
        let mut only = wanted.clone();
        only.insert("exclusive".into(), list(&[&format!("{name}_app")]));
        assert_eq!(changes(&bench.plan(&only).await), named(exclusive), "{sql}");
        let step = bench.step(&only).await;
        bench.write(&step).await.unwrap();
        settles(&bench, &step, true).await;
        assert_eq!(changes(&bench.plan(&only).await), Vec::<String>::new(), "{sql}");
        bench.write(&undo(&step)).await.unwrap();
        assert_eq!(changes(&bench.plan(&only).await), named(exclusive), "{sql}: undone");
    }
}

/// What a rule wants no more goes where our runs granted it, and stays where somebody else did.
#[tokio::test]
async fn what_a_rule_no_longer_wants_goes_where_it_is_ours() {
    let Some(server) = server() else { return };
    owned(server, "lessens").await;
    server.run("lessens", "SET ROLE lessens_owner; CREATE TABLE s.u (); GRANT UPDATE ON s.u TO lessens_app").await;
    let bench = Bench::new(&DatabaseGrants, server.databases(&[SUPERUSER]), ("database", "lessens"));
    let wish = |privileges: &[&str]| {
        let more = [("tables", list(privileges)), ("future", Value::Bool(true))];
        grants(vec![rule("lessens_app", list(&["s"]), &more)])
    };
    let step = bench.step(&wish(&["SELECT", "UPDATE", "DELETE"])).await;
    bench.write(&step).await.unwrap();
    server.run("lessens", "SET ROLE lessens_owner; GRANT TRUNCATE ON s.u TO lessens_app").await;

    let mut less = wish(&["SELECT"]);
    assert_eq!(changes(&bench.plan(&less).await), Vec::<String>::new(), "nothing of it is known to be ours");
    less.extend(step.after.clone().unwrap());
    let step = bench.step(&less).await;
    let reading = bench.plan(&less).await;
    let default = "lessens_owner in schema s on tables default_privileges";
    let ours = [
        "- lessens_app dw ".to_owned() + default,
        "- lessens_app dw table s.t".to_owned(),
        "- lessens_app d table s.u".to_owned(),
    ];
    assert_eq!(changes(&reading), ours);
    bench.write(&step).await.unwrap();
    settles(&bench, &step, true).await;
    assert_eq!(changes(&bench.plan(&less).await), Vec::<String>::new());
    bench.write(&undo(&step)).await.unwrap();
    assert_eq!(changes(&bench.plan(&less).await), ours);
}

#[tokio::test]
async fn what_others_granted_counts_and_is_revoked_as_them() {
    let Some(server) = server() else { return };
    let (bench, wanted) = granted(server, "byother").await;
    let sql =
        "GRANT USAGE ON SCHEMA s TO byother_other; GRANT SELECT, DELETE ON s.u TO byother_other WITH GRANT OPTION;
        REVOKE SELECT ON s.u FROM byother_app; SET ROLE byother_other; GRANT SELECT, DELETE ON s.u TO byother_app";
    server.run("byother", sql).await;
    assert_eq!(changes(&bench.plan(&wanted).await), Vec::<String>::new(), "held, whoever granted it");
    let mut only = wanted.clone();
    only.insert("exclusive".into(), list(&["byother_app"]));
    assert_eq!(changes(&bench.plan(&only).await), ["- byother_app d table s.u by byother_other"]);
    let step = bench.step(&only).await;
    assert!(bench.statements(&step).await.contains(&"SET LOCAL ROLE \"byother_other\"".to_owned()));
    bench.write(&step).await.unwrap();
    settles(&bench, &step, true).await;
    bench.write(&undo(&step)).await.unwrap();
    settles(&bench, &step, false).await;
    // An option that was used is not taken alone: that would take what others have.
    only.insert("exclusive".into(), list(&["byother_other"]));
    assert_eq!(changes(&bench.plan(&only).await), ["- byother_other U schema s"]);
}

#[tokio::test]
async fn a_table_revoke_leaves_the_grants_of_columns() {
    let Some(server) = server() else { return };
    let (bench, _) = granted(server, "cols").await;
    server.run("cols", "GRANT SELECT (i) ON s.u TO cols_app WITH GRANT OPTION; GRANT UPDATE ON s.u TO cols_app").await;
    let columns = attributes([("UPDATE", list(&["i", "j"]))]);
    let more = [("columns", Value::Map(attributes([("u", Value::Map(columns))])))];
    let mut wanted = grants(vec![rule("cols_app", list(&["s"]), &more)]);
    wanted.insert("revoke".into(), Value::List(vec![rule("cols_app", list(&["s"]), &[("tables", list(&["ALL"]))])]));
    let step = bench.step(&wanted).await;
    bench.write(&step).await.unwrap();
    settles(&bench, &step, true).await;
    let kept = server.ask("cols", "SELECT has_column_privilege('cols_app', 's.u', 'i', 'SELECT WITH GRANT OPTION')::text, has_table_privilege('cols_app', 's.u', 'SELECT')::text").await;
    let answer = |at: usize| sqlx::Row::get::<&str, _>(&kept[0], at) == "true";
    assert_eq!((answer(0), answer(1)), (true, false));
    bench.write(&undo(&step)).await.unwrap();
    settles(&bench, &step, false).await;
}

#[tokio::test]
async fn wrong_names_are_flaws_with_their_places() {
    let Some(server) = server() else { return };
    let (bench, _) = granted(server, "flaw").await;
    let columns = attributes([("s.u", Value::Map(attributes([("SELECT", list(&["i", "k"]))])))]);
    let more = [
        ("tables", list(&["SELECT", "MAINTAIN"])),
        ("only", list(&["t", "s.features"])),
        ("columns", Value::Map(columns)),
        ("languages", list(&["plpgsq"])),
    ];
    let mut wanted = grants(vec![
        rule("flaw_app", list(&["s"]), &more),
        rule("flaw_ap", list(&["s", "s9"]), &[("future", list(&["flaw_owner", "flaw_ownr"]))]),
    ]);
    wanted.insert("exclusive".into(), list(&["flaw_app", "nobody"]));
    let failure = bench.look(&wanted, Purpose::Plan, None).await.unwrap_err();
    assert_eq!(failure.class, Class::Flawed);
    let mut places: Vec<&str> = failure.flaws().iter().map(|flaw| flaw.path.as_str()).collect();
    places.retain(|place| *place != "grants.0.tables.1");
    let expected = [
        "grants.0.only.1",
        "grants.0.columns.s.u.SELECT.1",
        "grants.0.languages.0",
        "grants.1.role",
        "grants.1.future.1",
        "grants.1.schemas.1",
        "exclusive.1",
    ];
    assert_eq!(places, expected);
    assert!(failure.remedy.unwrap().contains("did you mean \"flaw_app\"?"));
    let mut nowhere = Bench::new(&DatabaseGrants, server.databases(&[SUPERUSER]), ("database", "flwa"));
    nowhere.key.insert("database".into(), Value::text("flwa"));
    let failure = nowhere.look(&grants(Vec::new()), Purpose::Plan, None).await.unwrap_err();
    assert_eq!(
        (failure.flaws()[0].path.as_str(), failure.remedy.as_deref()),
        ("database", Some("did you mean \"flaw\"?"))
    );
}
