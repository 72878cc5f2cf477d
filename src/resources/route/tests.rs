//! The connection that may is found, and what PostgreSQL is said to allow is what it allows.

use crate::model::{Attributes, Class, Purpose, Step, Value, WHOLE};
use crate::postgres::testing::{SERVER, SUPERUSER, server};
use crate::postgres::{may_own_database, may_own_schema};
use crate::resources::database_role::DatabaseRole;
use crate::resources::password_login::PasswordLogin;
use crate::resources::schema::Schema;
use crate::resources::testing::{Bench, attributes, before};

fn off() -> Attributes {
    attributes([("login", Value::Bool(false))])
}

/// The step that a change set would hold, through the connection that the look found.
async fn routed(bench: &Bench<'_>, wanted: &Attributes) -> Step {
    let via = bench.plan(wanted).await.routes.get(WHOLE).cloned();
    Step { via, ..bench.step(wanted).await }
}

#[tokio::test]
async fn a_role_is_changed_by_the_connection_that_may() {
    let Some(server) = server() else { return };
    let sql = "CREATE ROLE rt_weak LOGIN; CREATE ROLE rt_admin LOGIN CREATEROLE; CREATE ROLE rt_old LOGIN;
        GRANT rt_old TO rt_admin WITH ADMIN OPTION";
    server.run("postgres", sql).await;
    let bench = |ways: &[&str]| Bench::new(&PasswordLogin, server.databases(ways), ("name", "rt_old"));
    let alone = bench(&["rt_weak"]).plan(&off()).await;
    assert!(
        alone.routes.is_empty()
            && alone.notes.iter().any(|note| note.contains("\"rt_weak\" may not change \"rt_old\""))
    );
    let both = bench(&["rt_weak", "rt_admin"]);
    let step = routed(&both, &off()).await;
    assert_eq!(step.via.as_deref(), Some("rt_admin"));
    both.write(&step).await.unwrap();
    assert_eq!(before(&both.plan(&off()).await).unwrap(), off());
    // The first that may is enough, and needs no word.
    assert!(bench(&["rt_admin", SUPERUSER]).plan(&off()).await.routes.is_empty());
}

#[tokio::test]
async fn a_connection_that_will_be_lost_is_told_of_and_the_last_one_is_kept() {
    let Some(server) = server() else { return };
    server.run("postgres", "CREATE ROLE rt_owner LOGIN CREATEROLE").await;
    let bench = |ways: &[&str]| Bench::new(&PasswordLogin, server.databases(ways), ("name", "rt_owner"));
    let reading = bench(&["rt_owner", SUPERUSER]).plan(&off()).await;
    assert_eq!(reading.routes[WHOLE], SUPERUSER, "nobody takes his own login");
    let told = "connection \"rt_owner\" signs in as \"rt_owner\" and will not be let in any more: what only its role may do, \
                also when an earlier run is rolled back, takes GRANT \"rt_owner\" TO \"azuresu\" first";
    assert!(reading.notes.iter().any(|note| note == told), "{:?}", reading.notes);
    let failure = bench(&["rt_owner"]).look(&off(), Purpose::Plan, None).await.unwrap_err();
    assert_eq!((failure.class, failure.summary), (Class::Input, "pgentra would lock itself out"));
}

#[tokio::test]
async fn roles_are_mapped_by_the_connection_that_may() {
    let Some(server) = crate::resources::database_role::azure().await else { return };
    server.run("postgres", "CREATE ROLE map_weak LOGIN; CREATE ROLE map_admin LOGIN CREATEROLE").await;
    let bench = Bench::new(&DatabaseRole, server.databases(&["map_weak", "map_admin"]), ("name", "map_app"));
    let wanted = attributes([("object_id", Value::text("11111111-1111-1111-1111-111111111111"))]);
    let step = routed(&bench, &wanted).await;
    assert_eq!(step.via.as_deref(), Some("map_admin"));
    let lease = bench.live.databases.lease(SERVER, "postgres", None).await.unwrap();
    if lease.version() >= 160_000 {
        // The stand-in makes the role as its own owner, so that nobody else is its administrator.
        return;
    }
    drop(lease);
    bench.write(&step).await.unwrap();
    assert!(bench.plan(&wanted).await.routes.is_empty(), "there is nothing left to write");
}

#[tokio::test]
async fn a_schema_is_made_and_handed_over_by_the_connection_that_may() {
    let Some(server) = server() else { return };
    server.run("postgres", "CREATE ROLE ms_weak LOGIN; CREATE ROLE ms_maker LOGIN; CREATE ROLE ms_owner").await;
    server.database("ms").await;
    server.run("ms", "GRANT CREATE ON DATABASE ms TO ms_maker; GRANT ms_owner TO ms_maker").await;
    let mut bench = Bench::new(&Schema, server.databases(&["ms_weak", "ms_maker"]), ("name", "made"));
    bench.key.insert("database".to_owned(), Value::text("ms"));
    let owner = |owner: &str| attributes([("owner", Value::text(owner))]);
    let step = routed(&bench, &owner("ms_owner")).await;
    assert_eq!(step.via.as_deref(), Some("ms_maker"));
    assert_eq!(bench.write(&Step { via: None, ..step.clone() }).await.unwrap_err().class, Class::Forbidden);
    bench.write(&step).await.unwrap();
    for (user, name, to, may) in [
        ("ms_weak", "new", None, false),
        ("ms_maker", "new", None, true),
        ("ms_maker", "new", Some("ms_weak"), false),
        ("ms_maker", "new", Some("not there yet"), true),
        ("ms_maker", "made", Some("ms_owner"), true),
        ("ms_weak", "made", Some("ms_maker"), false),
        ("ms_maker", "made", Some("ms_maker"), true),
        ("ms_maker", "made", Some("ms_weak"), false),
    ] {
        let mut lease = bench.live.databases.lease(SERVER, "ms", Some(user)).await.unwrap();
        assert_eq!(may_own_schema(&mut lease, name, to).await.unwrap(), may, "{user} {name} {to:?}");
        if let ("made", Some(to)) = (name, to.filter(|to| *to != "ms_owner")) {
            let script = crate::postgres::own_schema(name, to);
            assert_eq!(lease.run(&script, "hand it over").await.is_ok(), may, "{user} {to}");
        }
    }
}

#[tokio::test]
async fn who_may_hand_a_database_over_is_known() {
    let Some(server) = server() else { return };
    let sql = "CREATE ROLE db_one LOGIN; CREATE ROLE db_two LOGIN; CREATE ROLE db_three LOGIN; GRANT db_two TO db_one";
    server.run("postgres", sql).await;
    server.run("postgres", "CREATE DATABASE handed OWNER db_one").await;
    let databases = server.databases(&["db_one", "db_three"]);
    for (user, to, create, may) in [
        ("db_three", "db_two", true, false),
        ("db_one", "db_three", true, false),
        ("db_one", "db_two", false, false),
        ("db_one", "db_two", true, true),
    ] {
        let word = if create { "CREATEDB" } else { "NOCREATEDB" };
        server.run("postgres", &format!("ALTER ROLE {user} {word}")).await;
        let mut lease = databases.lease(SERVER, "postgres", Some(user)).await.unwrap();
        assert_eq!(may_own_database(&mut lease, "handed", to).await.unwrap(), may, "{user} {to} {create}");
        let script = crate::postgres::own_database("handed", to);
        assert_eq!(lease.run(&script, "hand it over").await.is_ok(), may, "{user} {to} {create}");
    }
}
