//! Tests of connections against a real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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
async fn a_way_that_may_not_connect_to_the_database_is_passed_over() {
    let Some(server) = server() else { return };
    let sql = "CREATE ROLE shut_admin LOGIN; CREATE ROLE shut_owner LOGIN; CREATE DATABASE shut OWNER shut_owner";
    for statement in sql.split("; ") {
        server.run("postgres", statement).await;
    }
    server.run("postgres", "REVOKE CONNECT ON DATABASE shut FROM PUBLIC").await;
    let databases = server.databases(&["shut_admin", "shut_owner"]);
    assert_eq!(databases.lease_any(SERVER, "shut").await.unwrap().user(), "shut_owner");
    let shut_out = server.databases(&["shut_admin"]).lease_any(SERVER, "shut").await.err().unwrap();
    assert_eq!((shut_out.refused, shut_out.failure.class), (true, Class::Forbidden));
}

/// Databases of a server at a port of this machine, with one connection.
fn at(port: u16, tls: Tls) -> Databases {
    let target = ServerTarget {
        subscription: "s".into(),
        resource_group: "g".into(),
        name: SERVER.into(),
        host: Some("127.0.0.1".into()),
        port,
        tls,
        connections: vec![ConnectionTarget { name: "a".into(), user: SUPERUSER.into(), auth: Auth::Token }],
    };
    let servers = [(SERVER.to_owned(), target)].into();
    Databases::new(Arc::new(Target { servers, ..Target::default() }), Arc::new(TestAccess))
}

/// A way to the server that can lose connections without a word.
#[derive(Default)]
struct Proxy {
    accepted: AtomicUsize,
    lost: AtomicUsize,
}

impl Proxy {
    /// From now on nothing that the clients of today say arrives.
    fn lose_all(&self) {
        self.lost.store(self.accepted.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    async fn listen(self: Arc<Self>, server: u16) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = self.accepted.fetch_add(1, Ordering::Relaxed);
                let server = tokio::net::TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let (mut from, mut to) = client.into_split();
                let (mut answers, mut questions) = server.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut answers, &mut to).await });
                let proxy = Arc::clone(&self);
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(some @ 1..) = from.read(&mut bytes).await {
                        if number >= proxy.lost.load(Ordering::Relaxed) {
                            questions.write_all(&bytes[..some]).await.unwrap();
                        }
                    }
                });
            }
        });
        port
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_and_its_session_too() {
    let Some(server) = server() else { return };
    let proxy = Arc::new(Proxy::default());
    let port = Arc::clone(&proxy).listen(server.port()).await;
    let databases = Databases { patience: Duration::from_millis(300), ..at(port, Tls::Disable) };
    let script = crate::postgres::set_login("nobody", true);
    for way in 0..4 {
        let mut lease = databases.lease(SERVER, "postgres", None).await.unwrap();
        proxy.lose_all();
        let question = crate::postgres::batch::Question::plain("SELECT 1");
        let failure = match way {
            0 => lease.rows(sqlx::query("SELECT 1"), "ask").await.map(|_| ()),
            1 => lease.ask(&[question], "ask", |_, _| Ok(())).await,
            2 => lease.run(&script, "write").await,
            _ => lease.rows_within(&script, sqlx::query("SELECT 1"), "try").await.map(|_| ()),
        };
        let failure = failure.unwrap_err();
        assert_eq!(failure.class, Class::Unreachable, "{way}");
        assert!(failure.detail.unwrap().contains("no answer within"), "{way}");
    }
    // A kept session that no longer answers is replaced.
    drop(databases.lease(SERVER, "postgres", None).await.unwrap());
    proxy.lose_all();
    let mut lease = databases.lease(SERVER, "postgres", None).await.unwrap();
    lease.rows(sqlx::query("SELECT 1"), "ask").await.unwrap();
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let databases = at(closed, Tls::VerifyFull);
    let rejection = databases.lease_any(SERVER, "postgres").await.err().unwrap();
    assert_eq!((rejection.refused, rejection.failure.class), (false, Class::Unreachable));
}
