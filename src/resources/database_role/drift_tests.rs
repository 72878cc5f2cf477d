//! Tests of what happened to a role behind the plan file's back: attributes, memberships, and who may mend them.

use super::tests::{ONE, azure, bound};
use super::{DatabaseRole, Membership};
use crate::model::{Attributes, Class, Purpose, Value, agrees_all};
use crate::postgres::role_state;
use crate::postgres::testing::{SERVER, SUPERUSER};
use crate::resources::testing::{Bench, attributes, before, undo};

fn members(options: &[(&str, Value)]) -> Value {
    Value::Map(options.iter().map(|(role, value)| ((*role).to_owned(), value.clone())).collect())
}

fn flags<const N: usize>(flags: [(&str, bool); N]) -> Value {
    Value::Map(attributes(flags.map(|(name, on)| (name, Value::Bool(on)))))
}

#[tokio::test]
async fn drifted_roles_are_noticed_told_and_mended() {
    let Some(server) = azure().await else { return };
    let bench = Bench::new(&DatabaseRole, server.databases(&[SUPERUSER]), ("name", "drifted"));
    bench.write(&bench.step(&bound(ONE)).await).await.unwrap();
    server.run("postgres", "ALTER ROLE drifted NOLOGIN SUPERUSER CREATEDB; GRANT pg_read_all_data TO drifted").await;
    let reading = bench.plan(&bound(ONE)).await;
    assert_eq!(
        reading.notes,
        [
            "beyond the plan file: the role has SUPERUSER",
            "beyond the plan file: the role has CREATEDB",
            "beyond the plan file: the role is a member of pg_read_all_data",
        ]
    );
    let login = |end: &Attributes| end["login"].clone();
    assert_eq!(login(&before(&reading).unwrap()), Value::Bool(false));
    assert_eq!(login(&reading.desired.unwrap()), Value::Bool(true));
    let mut only = bound(ONE);
    only.insert("exclusive".into(), Value::Bool(true));
    let step = bench.step(&only).await;
    let was = step.before.clone().unwrap();
    bench.write(&step).await.unwrap();
    let again = bench.plan(&only).await;
    assert!(agrees_all(&before(&again).unwrap(), again.desired.as_ref().unwrap()) && again.notes.is_empty());
    bench.write(&undo(&step)).await.unwrap();
    assert!(agrees_all(&was, &before(&bench.plan(&only).await).unwrap()), "undone");
}

#[tokio::test]
async fn options_of_memberships_are_set_where_the_version_has_them() {
    let Some(server) = azure().await else { return };
    let bench = Bench::new(&DatabaseRole, server.databases(&[SUPERUSER]), ("name", "optional"));
    server.run("postgres", "CREATE ROLE opt_group").await;
    let lease = bench.live.databases.lease(SERVER, "postgres", None).await.unwrap();
    let new = lease.version() >= 160_000;
    drop(lease);
    let mut wanted = bound(ONE);
    wanted.insert("member_of".into(), members(&[("opt_group", flags([("admin", true)]))]));
    bench.write(&bench.step(&wanted).await).await.unwrap();
    wanted.insert("member_of".into(), members(&[("opt_group", flags([("inherit", false), ("set", true)]))]));
    if !new {
        let failure = bench.look(&wanted, Purpose::Plan, None).await.unwrap_err();
        assert_eq!((failure.class, failure.flaws()[0].path.as_str()), (Class::Flawed, "member_of.opt_group"));
        return;
    }
    let step = bench.step(&wanted).await;
    bench.write(&step).await.unwrap();
    let mut lease = bench.live.databases.lease(SERVER, "postgres", None).await.unwrap();
    let (_, state) = role_state(&mut lease, "optional").await.unwrap().unwrap();
    drop(lease);
    let Membership { admin, inherit, set, .. } = state.member_of["opt_group"];
    assert_eq!((admin, inherit, set), (Some(true), Some(false), Some(true)));
    bench.write(&undo(&step)).await.unwrap();
    assert!(agrees_all(&step.before.unwrap(), &before(&bench.plan(&wanted).await).unwrap()));
}

/// On every version: 15 knows no `ADMIN FALSE`.
#[tokio::test]
async fn the_admin_option_is_given_and_taken_back_and_the_membership_stays() {
    let Some(server) = azure().await else { return };
    let bench = Bench::new(&DatabaseRole, server.databases(&[SUPERUSER]), ("name", "adm_member"));
    server.run("postgres", "CREATE ROLE adm_member; CREATE ROLE adm_group; GRANT adm_group TO adm_member").await;
    let wanted = |admin| attributes([("member_of", members(&[("adm_group", flags([("admin", admin)]))]))]);
    let admin = async || {
        let mut lease = bench.live.databases.lease(SERVER, "postgres", None).await.unwrap();
        let (_, state) = role_state(&mut lease, "adm_member").await.unwrap().unwrap();
        state.member_of["adm_group"].admin
    };
    let step = bench.step(&wanted(true)).await;
    bench.write(&step).await.unwrap();
    assert_eq!(admin().await, Some(true));
    bench.write(&undo(&step)).await.unwrap();
    assert_eq!(admin().await, Some(false));
    bench.write(&step).await.unwrap();
    bench.write(&bench.step(&wanted(false)).await).await.unwrap();
    assert_eq!(admin().await, Some(false));
    let again = bench.plan(&wanted(false)).await;
    assert!(agrees_all(&before(&again).unwrap(), again.desired.as_ref().unwrap()));
}

/// Since PostgreSQL 16 one membership may have been granted by several, and each grant has its own options.
#[tokio::test]
async fn what_other_grantors_gave_is_changed_in_their_names_or_refused() {
    let Some(server) = azure().await else { return };
    let all = Bench::new(&DatabaseRole, server.databases(&[SUPERUSER]), ("name", "gb_member"));
    let lease = all.live.databases.lease(SERVER, "postgres", None).await.unwrap();
    if lease.version() < 160_000 {
        return;
    }
    drop(lease);
    let sql = "CREATE ROLE gb_member; CREATE ROLE gb_group; CREATE ROLE gb_one LOGIN CREATEROLE; CREATE ROLE gb_two LOGIN CREATEROLE;
        GRANT gb_group TO gb_one, gb_two WITH ADMIN OPTION;
        SET ROLE gb_one; GRANT gb_group TO gb_member WITH INHERIT TRUE; RESET ROLE";
    server.run("postgres", sql).await;
    let wanted = |inherit| attributes([("member_of", members(&[("gb_group", flags([("inherit", inherit)]))]))]);
    // Another administrator of the same role has not the rights of the one who granted it.
    let two = Bench::new(&DatabaseRole, server.databases(&["gb_two"]), ("name", "gb_member"));
    let failure = two.look(&wanted(false), Purpose::Plan, None).await.unwrap_err();
    assert_eq!(failure.class, Class::Forbidden);
    let remedy = failure.remedy.unwrap();
    assert!(
        remedy.contains("REVOKE INHERIT OPTION FOR \"gb_group\" FROM \"gb_member\" GRANTED BY \"gb_one\";"),
        "{remedy}"
    );
    let mut only = attributes([("exclusive", Value::Bool(true))]);
    assert_eq!(two.look(&only, Purpose::Plan, None).await.unwrap_err().class, Class::Forbidden);

    server.run("postgres", "GRANT gb_one TO gb_two").await;
    let rows = async || {
        let sql = "SELECT grantor::regrole::text || ' ' || inherit_option::text || ' ' || set_option::text FROM pg_auth_members
            WHERE member = 'gb_member'::regrole ORDER BY 1";
        server.ask("postgres", sql).await.iter().map(|row| sqlx::Row::get(row, 0)).collect::<Vec<String>>()
    };
    let step = two.step(&wanted(false)).await;
    two.write(&step).await.unwrap();
    assert_eq!(rows().await, ["gb_one false true"]);
    let again = two.plan(&wanted(false)).await;
    assert!(agrees_all(&before(&again).unwrap(), again.desired.as_ref().unwrap()), "it held");
    two.write(&undo(&step)).await.unwrap();
    assert_eq!(rows().await, ["gb_one true true"], "changed where it was, and none made besides");

    // Whoever granted it has to be acted for; else what is given more is one more grant, and gives nothing besides.
    server.run("postgres", "REVOKE gb_one FROM gb_two; REVOKE SET OPTION FOR gb_group FROM gb_member GRANTED BY gb_one; REVOKE INHERIT OPTION FOR gb_group FROM gb_member GRANTED BY gb_one").await;
    two.write(&two.step(&wanted(true)).await).await.unwrap();
    assert_eq!(rows().await, ["gb_one false false", "gb_two true false"]);
    only.insert("member_of".into(), members(&[]));
    all.write(&all.step(&only).await).await.unwrap();
    assert_eq!(rows().await, Vec::<String>::new(), "an exclusive role loses what each of them gave");
}

#[tokio::test]
async fn who_may_not_hand_out_a_role_is_told_what_would_help() {
    let Some(server) = azure().await else { return };
    server
        .run("postgres", "CREATE ROLE hand_admin LOGIN CREATEROLE; CREATE ROLE hand_group; CREATE ROLE handed LOGIN")
        .await;
    let bench = Bench::new(&DatabaseRole, server.databases(&["hand_admin"]), ("name", "handed"));
    let wanted = attributes([("member_of", members(&[("hand_group", Value::Bool(true))]))]);
    let answer = bench.look(&wanted, Purpose::Plan, None).await;
    let lease = bench.live.databases.lease(SERVER, "postgres", None).await.unwrap();
    if lease.version() < 160_000 {
        assert!(answer.is_ok(), "CREATEROLE is enough before version 16");
        return;
    }
    let failure = answer.unwrap_err();
    assert_eq!(failure.class, Class::Forbidden);
    assert!(failure.remedy.unwrap().contains("GRANT \"hand_group\" TO \"hand_admin\" WITH ADMIN OPTION;"));
}

#[tokio::test]
async fn a_membership_in_a_role_that_is_not_there_is_a_flaw() {
    let Some(server) = azure().await else { return };
    let bench = Bench::new(&DatabaseRole, server.databases(&[SUPERUSER]), ("name", "misspelt"));
    let wanted = attributes([("member_of", members(&[("pg_read_all_dat", Value::Bool(true))]))]);
    let failure = bench.look(&wanted, Purpose::Plan, None).await.unwrap_err();
    assert_eq!(failure.flaws()[0].path, "member_of.pg_read_all_dat");
    assert_eq!(failure.remedy.as_deref(), Some("did you mean \"pg_read_all_data\"?"));
}
