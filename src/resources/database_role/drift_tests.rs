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
