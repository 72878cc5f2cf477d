//! Tests of reading single rows of the catalog, also such as the server at hand cannot have.

use super::Snapshot;
use crate::postgres::batch::Question;
use crate::postgres::testing::{SERVER, SUPERUSER, server};

/// PostgreSQL 18 has default privileges of large objects, for which the rules have no words.
#[tokio::test]
async fn default_privileges_that_nobody_can_plan_are_passed_over() {
    let Some(server) = server() else { return };
    let mut lease = server.databases(&[SUPERUSER]).lease(SERVER, "postgres", None).await.unwrap();
    let rows = Question::plain(
        "SELECT 'app' AS creator, NULL::text AS schema, kind, '{app=rw/app,x=r/app}' AS acl FROM unnest(ARRAY['L', 'r']) AS k(kind)",
    );
    let mut snapshot = Snapshot::default();
    lease.ask(&[rows], "make rows up", |_, row| snapshot.take_default(row)).await.unwrap();
    let found: Vec<&str> = snapshot.defaults.iter().map(|row| row.kind.word()).collect();
    assert_eq!(found, ["table"]);
}
