//! Tests of connections against a real server.

use std::sync::Arc;

use crate::model::{Auth, Class, ConnectionTarget, ServerTarget, Target, Tls};
use crate::postgres::Databases;
use crate::postgres::testing::{SERVER, SUPERUSER, TestAccess, server};

#[tokio::test]
async fn looks_cannot_write_and_sessions_are_reused() {
    let Some(server) = server() else { return };
    let databases = server.databases(&[SUPERUSER]);
    let mut pids = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let mut lease = databases.lease(SERVER, "postgres", None).await.unwrap();
        let refused = lease.rows(sqlx::query("CREATE TABLE public.x ()"), "write").await.unwrap_err();
        assert!(refused.detail.unwrap().contains("read-only transaction"));
        let rows = lease.rows(sqlx::query("SELECT pg_backend_pid()"), "ask").await.unwrap();
        pids.insert(sqlx::Row::get::<i32, _>(&rows[0], 0));
    }
    assert_eq!(pids.len(), 1, "one session per database, reused");
}

#[tokio::test]
async fn a_server_bears_two_sessions_at_most() {
    let Some(server) = server() else { return };
    let databases = server.databases(&[SUPERUSER]);
    for name in ["two_a", "two_b", "two_c"] {
        server.database(name).await;
    }
    let work = ["two_a", "two_b", "two_c", "two_a", "two_b", "two_c"].map(|name| {
        let databases = databases.clone();
        tokio::spawn(async move {
            let mut lease = databases.lease(SERVER, name, None).await.unwrap();
            let query = "SELECT count(*)::int FROM pg_stat_activity WHERE datname LIKE 'two\\__' AND application_name LIKE 'pgentra/%'";
            // A session that was closed leaves the server's list a moment later.
            let mut count = i32::MAX;
            for _ in 0..40 {
                let rows = lease.rows(sqlx::query(query), "count").await.unwrap();
                count = count.min(sqlx::Row::get::<i32, _>(&rows[0], 0));
                if count <= 2 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            count
        })
    });
    for task in work {
        assert!(task.await.unwrap() <= 2);
    }
}

#[tokio::test]
async fn a_dead_session_is_replaced() {
    let Some(server) = server() else { return };
    let databases = server.databases(&[SUPERUSER]);
    server.database("dead").await;
    drop(databases.lease(SERVER, "dead", None).await.unwrap());
    // With a timeout it waits until the session is gone.
    let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'dead'";
    server.run("postgres", end).await;
    let mut lease = databases.lease(SERVER, "dead", None).await.unwrap();
    lease.rows(sqlx::query("SELECT 1"), "ask").await.unwrap();
}

#[tokio::test]
async fn each_way_of_failing_has_its_class() {
    let Some(server) = server() else { return };
    let databases = server.databases(&["nobody-here", SUPERUSER]);
    let class = |failure: crate::model::Failure| failure.class;
    assert_eq!(databases.lease(SERVER, "postgres", None).await.map_err(class).err(), Some(Class::NotSignedIn));
    assert_eq!(databases.lease_any(SERVER, "postgres").await.unwrap().user(), SUPERUSER);
    let missing = databases.lease_any(SERVER, "no such database").await.err().unwrap();
    assert_eq!((missing.refused, missing.failure.class), (true, Class::NotFound));
    assert_eq!(databases.lease("other", "postgres", None).await.map_err(class).err(), Some(Class::Input));
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let target = ServerTarget {
        subscription: "s".into(),
        resource_group: "g".into(),
        name: SERVER.into(),
        host: Some("127.0.0.1".into()),
        port: closed,
        tls: Tls::VerifyFull,
        connections: vec![ConnectionTarget { name: "a".into(), user: "a".into(), auth: Auth::Token }],
    };
    let servers = [(SERVER.to_owned(), target)].into();
    let databases = Databases::new(Arc::new(Target { servers, ..Target::default() }), Arc::new(TestAccess));
    let rejection = databases.lease_any(SERVER, "postgres").await.err().unwrap();
    assert_eq!((rejection.refused, rejection.failure.class), (false, Class::Unreachable));
}
