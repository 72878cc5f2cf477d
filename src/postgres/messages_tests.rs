//! Messages of PostgreSQL and of the ways to it, each provoked, to be read as a terminal shows them.

use std::sync::Arc;
use std::time::Duration;

use super::Databases;
use super::catalog::access_control;
use super::errors::{failure, no_answer, refusal};
use super::login::moment;
use super::role_state::{column, memberships, oid};
use super::statements::{Acting, grants};
use super::testing::{TestAccess, server};
use crate::cli::told::told;
use crate::model::{Auth, ConnectionTarget, Failure, Letters, SecretSource, ServerTarget, Target, Tls, Value};

#[test]
fn refusals_of_postgresql() {
    let doing = "sign in to database \"geo\" at srv.example:5432 as \"web-id\"";
    let io = |kind| sqlx::Error::Io(std::io::Error::new(kind, "as the system says it"));
    let mut failures: Vec<Failure> = [
        ("28P01", "password authentication failed for user \"web-id\""),
        ("28P01", "The access token has expired. Acquire a new token and retry"),
        ("28P01", "The access token does not have a valid audience claim."),
        ("28P01", "Service principal oid mismatch for role \"web-id\""),
        ("28000", "no pg_hba.conf entry for host \"1.2.3.4\", user \"web-id\", database \"geo\", no encryption"),
        ("28000", "role \"web-id\" is not permitted to log in"),
        ("3D000", "database \"geo\" does not exist"),
        ("53300", "sorry, too many clients already"),
        ("57P03", "the database system is starting up"),
    ]
    .iter()
    .map(|(code, message)| refusal(code, message, &[], doing))
    .collect();
    let statements = [
        ("42501", "permission denied to alter role", "Only roles with the CREATEROLE attribute may alter roles."),
        ("55P03", "canceling statement due to lock timeout", ""),
        ("57014", "canceling statement due to statement timeout", ""),
        ("2BP01", "role \"web-id\" cannot be dropped because some objects depend on it", "owner of table geo.t"),
        ("XX000", "tuple concurrently updated", ""),
    ];
    failures.extend(statements.iter().map(|(code, message, more)| {
        let more: Vec<&str> = Some(*more).filter(|more| !more.is_empty()).into_iter().collect();
        refusal(code, message, &more, "change role \"web-id\"")
    }));
    failures.extend([
        failure(&io(std::io::ErrorKind::ConnectionRefused), doing),
        failure(&io(std::io::ErrorKind::TimedOut), doing),
        failure(&io(std::io::ErrorKind::ConnectionReset), doing),
        failure(&io(std::io::ErrorKind::Other), doing),
        failure(&sqlx::Error::Tls("invalid peer certificate: UnknownIssuer".into()), doing),
        no_answer(doing, Duration::from_secs(15)),
    ]);
    insta::assert_snapshot!(told(&failures));
}

/// A server of the plan file with these connections, where nothing listens.
fn target(connections: Vec<ConnectionTarget>) -> Databases {
    let server = ServerTarget {
        subscription: "s".into(),
        resource_group: "rg".into(),
        name: "srv".into(),
        host: Some("127.0.0.1".into()),
        port: 1,
        tls: Tls::VerifyFull,
        connections,
    };
    let servers = [("srv".to_owned(), server)].into();
    Databases::new(Arc::new(Target { servers, ..Target::default() }), Arc::new(TestAccess))
}

/// What only a plan of another version, or one that was changed by hand, holds.
#[test]
fn steps_that_are_none() {
    let end = |entry: &str, letters: &str| {
        let grantees = Value::Map([("web".to_owned(), Value::Letters(Letters::new(letters.chars())))].into());
        let entries = Value::Map([(entry.to_owned(), grantees)].into());
        [("privileges".to_owned(), entries)].into()
    };
    let refused = |entry: &str, letters: &str| grants(None, Some(&end(entry, letters)), &Acting::new()).err().unwrap();
    insta::assert_snapshot!(told(&[refused("the table geo.a", "r"), refused("schema geo #3", "r")]));
}

#[tokio::test]
async fn connections_that_the_plan_file_does_not_give() {
    let absent = Auth::Password(SecretSource::Env("PGENTRA_TEST_ABSENT".to_owned()));
    let owner = ConnectionTarget { name: "owner".into(), user: "geo_owner".into(), auth: absent };
    let failures = [
        target(Vec::new()).lease("other", "geo", None).await.err().unwrap(),
        target(Vec::new()).lease("srv", "geo", None).await.err().unwrap(),
        target(vec![owner.clone()]).lease("srv", "geo", Some("admin")).await.err().unwrap(),
        target(vec![owner]).lease("srv", "geo", None).await.err().unwrap(),
    ];
    insta::assert_snapshot!(told(&failures));
}

/// What PostgreSQL answers nowhere today: said, and not guessed at.
#[tokio::test]
async fn answers_of_a_catalog_that_cannot_be_understood() {
    let Some(server) = server() else { return };
    let rows = server.ask("postgres", "SELECT 'x'::text AS member_of, -1::int8 AS oid").await;
    let failures = [
        access_control("{geo=what?/dba}").err().unwrap(),
        memberships(&rows[0]).unwrap_err(),
        column::<i64>(&rows[0], "absent").unwrap_err(),
        oid(&rows[0], "oid").unwrap_err(),
        moment(i64::MAX).unwrap_err(),
    ];
    insta::assert_snapshot!(told(&failures));
}
