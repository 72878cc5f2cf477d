//! Tests of roles against a real server with stand-ins for Azure's functions.

use std::sync::OnceLock;

use super::{DatabaseRole, role_name};
use crate::model::{Attributes, Class, Observed, Purpose, Value, agrees_all};
use crate::postgres::quote_ident;
use crate::postgres::testing::{HOSTILE, SUPERUSER, Server, server};
use crate::resources::testing::{Bench, attributes, before, undo};

pub(super) const ONE: &str = "11111111-1111-1111-1111-111111111111";
const TWO: &str = "22222222-2222-2222-2222-22222222222A";

/// The server with the stand-ins in database `postgres`, made once.
pub(in crate::resources) async fn azure() -> Option<&'static Server> {
    static MADE: OnceLock<tokio::sync::Mutex<bool>> = OnceLock::new();
    let server = server()?;
    let mut made = MADE.get_or_init(Default::default).lock().await;
    if !*made {
        server.run("postgres", include_str!("../../postgres/testing/pgaadauth.sql")).await;
        *made = true;
    }
    Some(server)
}

fn bench(server: &Server, name: &str) -> Bench<'static> {
    Bench::new(&DatabaseRole, server.databases(&[SUPERUSER]), ("name", name))
}

pub(super) fn bound(object_id: &str) -> Attributes {
    attributes([("object_id", Value::text(object_id))])
}

#[tokio::test]
async fn hostile_names_are_created_found_and_removed() {
    let Some(server) = azure().await else { return };
    server.run("postgres", "CREATE ROLE \"group; --\"; CREATE ROLE other_group").await;
    for name in HOSTILE {
        let name = format!("r{}", &name[..name.len().min(60)]);
        let bench = bench(server, &name);
        let mut wanted = bound(TWO);
        let groups = ["group; --", "other_group"].map(|group| (group.to_owned(), Value::Bool(true)));
        wanted.extend(attributes([("member_of", Value::Map(groups.into())), ("connection_limit", Value::Int(7))]));
        let step = bench.step(&wanted).await;
        assert_eq!(step.before, None);
        bench.write(&step).await.unwrap();
        let again = bench.plan(&wanted).await;
        assert!(agrees_all(&before(&again).unwrap(), again.desired.as_ref().unwrap()), "{again:?}");
        let Observed::Present(state) = again.observed else { panic!() };
        assert_eq!(state.outputs["object_id"], Value::text(TWO.to_lowercase()));
        bench.write(&step).await.unwrap();
        bench.write(&undo(&step)).await.unwrap();
        assert!(matches!(bench.plan(&wanted).await.observed, Observed::Absent));
        bench.write(&undo(&step)).await.unwrap();
    }
}

#[tokio::test]
async fn an_identity_made_anew_is_bound_again_and_keeps_its_grants() {
    let Some(server) = azure().await else { return };
    let bench = bench(server, "rebound");
    bench.write(&bench.step(&bound(ONE)).await).await.unwrap();
    server.run("postgres", "CREATE TABLE public.rebound (i int); GRANT SELECT ON public.rebound TO rebound").await;
    let step = bench.step(&bound(TWO)).await;
    assert_eq!(step.before.as_ref().unwrap()["object_id"], Value::text(ONE));
    bench.write(&step).await.unwrap();
    let has = server.ask("postgres", "SELECT has_table_privilege('rebound', 'public.rebound', 'SELECT')::text").await;
    assert_eq!(sqlx::Row::get::<&str, _>(&has[0], 0), "true");
    bench.write(&undo(&step)).await.unwrap();
    let seen = before(&bench.look(&bound(ONE), Purpose::Settle, None).await.unwrap()).unwrap();
    assert_eq!(seen["object_id"], Value::text(ONE));
}

#[tokio::test]
async fn a_password_role_is_taken_over_only_when_asked() {
    let Some(server) = azure().await else { return };
    server.run("postgres", "CREATE ROLE old_role LOGIN PASSWORD 'x' CREATEDB").await;
    let bench = bench(server, "old_role");
    let failure = bench.look(&bound(ONE), Purpose::Plan, None).await.unwrap_err();
    assert_eq!(failure.class, Class::Conflict);
    assert!(failure.remedy.unwrap().contains("adopt = true"));
    let mut wanted = bound(ONE);
    wanted.extend(attributes([("adopt", Value::Bool(true)), ("create_db", Value::Bool(false))]));
    let step = bench.step(&wanted).await;
    assert!(!step.after.as_ref().unwrap().contains_key("adopt"));
    bench.write(&step).await.unwrap();
    let seen = before(&bench.look(step.after.as_ref().unwrap(), Purpose::Settle, None).await.unwrap()).unwrap();
    assert!(agrees_all(&seen, step.after.as_ref().unwrap()), "{seen:?}");
    assert!(bench.statements(&undo(&step)).await.iter().any(|sql| sql.contains("ON ROLE \"old_role\" IS NULL")));
}

#[tokio::test]
async fn a_role_that_things_depend_on_stays() {
    let Some(server) = azure().await else { return };
    let bench = bench(server, "needed");
    let step = bench.step(&bound(ONE)).await;
    bench.write(&step).await.unwrap();
    server.database("elsewhere").await;
    server.run("elsewhere", "CREATE TABLE public.its (i int); ALTER TABLE public.its OWNER TO needed").await;
    server.run("postgres", "CREATE TABLE public.not_its (i int); GRANT SELECT ON public.not_its TO needed").await;
    let failure = bench.write(&undo(&step)).await.unwrap_err();
    assert_eq!(failure.class, Class::Conflict);
    let detail = failure.detail.unwrap();
    assert!(detail.contains("it holds privileges on table public.not_its in database postgres"), "{detail}");
    assert!(detail.contains("it owns 1 objects in database elsewhere"), "{detail}");
}

#[tokio::test]
async fn foreign_memberships_stay() {
    let Some(server) = azure().await else { return };
    server
        .run("postgres", "CREATE ROLE member_role; CREATE ROLE theirs; CREATE ROLE ours; GRANT theirs TO member_role")
        .await;
    let bench = bench(server, "member_role");
    let wanted = attributes([("member_of", Value::Map([("ours".to_owned(), Value::Bool(true))].into()))]);
    let step = bench.step(&wanted).await;
    bench.write(&step).await.unwrap();
    let groups = async || {
        let rows = server
            .ask(
                "postgres",
                "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'member_role'::regrole ORDER BY 1",
            )
            .await;
        rows.iter().map(|row| sqlx::Row::get::<String, _>(row, 0)).collect::<Vec<_>>()
    };
    assert_eq!(groups().await, ["ours", "theirs"]);
    bench.write(&undo(&step)).await.unwrap();
    assert_eq!(groups().await, ["theirs"]);
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_read_later() {
    let Some(server) = azure().await else { return };
    let bench = Bench::new(&DatabaseRole, server.databases(&["nobody yet"]), ("name", "x"));
    let reading = bench.look(&bound(ONE), Purpose::Plan, None).await.unwrap();
    let Observed::Unreadable(why) = reading.observed else { panic!() };
    assert!(why.not_yet && why.reason.contains("nobody yet"), "{}", why.reason);
    assert_eq!(bench.look(&bound(ONE), Purpose::Settle, None).await.unwrap_err().class, Class::NotSignedIn);
}

#[test]
fn names_that_postgresql_would_refuse_or_cut_are_findings() {
    for name in ["", "pg_x", "public", "a\0b", &"ü".repeat(32)] {
        assert!(role_name(name).is_err(), "{name:?}");
    }
    for name in HOSTILE {
        assert_eq!(role_name(name), Ok(()), "{}", quote_ident(name));
    }
}
