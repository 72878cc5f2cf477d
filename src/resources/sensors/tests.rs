//! Tests of the sensors against a real server and the double of Azure.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{CENSUS, IDENTITY, PRIVILEGES, noted, scope, sensor_names, sensors};
use crate::azure::double::{Reply, Seen, reply};
use crate::evidence::{Measurement, Standpoint, Verdict};
use crate::model::Attributes;
use crate::postgres::testing::{SERVER, SUPERUSER, server};
use crate::resources::Live;
use crate::resources::arm_testing::{attributes, live, with_databases};

fn standpoint() -> Standpoint {
    let now = Timestamp::from_second(1_793_491_200).unwrap();
    Standpoint { now, watermark: Some(now - SignedDuration::from_hours(24)) }
}

async fn measured(live: &Live, validation: &Attributes, sensor: &str) -> Measurement {
    let all = sensors(live, validation).unwrap();
    all.iter().find(|one| one.name() == sensor).unwrap().measure(standpoint()).await
}

fn old_role(name: &str) -> Attributes {
    attributes(json!({ "old_role": { "server": SERVER, "name": name } }))
}

#[tokio::test]
async fn the_census_names_who_is_connected_and_covers_only_where_nobody_may_log_in() {
    let Some(server) = server() else { return };
    server.run("postgres", "CREATE ROLE census_old LOGIN; CREATE ROLE census_off NOLOGIN").await;
    let live = with_databases(server.databases(&[SUPERUSER]));
    let nobody = measured(&live, &old_role("census_old"), CENSUS).await;
    assert_eq!((nobody.verdict, nobody.covers), (Verdict::Passed, None));
    let off = measured(&live, &old_role("census_off"), CENSUS).await;
    assert_eq!((off.verdict, off.covers.map(|covers| covers.to)), (Verdict::Passed, Some(standpoint().now)));
    let gone = measured(&live, &old_role("census_never"), CENSUS).await;
    let Verdict::Blind(why) = &gone.verdict else { panic!("{gone:?}") };
    assert!(why.starts_with("there is no role census_never on "), "{why}");
    let unknown = noted(&live, &old_role("census_never")).await;
    assert!(!unknown.contains_key(&format!("login of census_never on {SERVER}")), "{unknown:?}");
    let names = [scope(&live, &old_role("census_never")).await, scope(&live, &old_role("census_off")).await];
    let [misspelt, right] = names.map(Result::unwrap);
    assert_eq!(misspelt.differing(&right), ["old role"], "another name is another matter");
    let note = noted(&live, &old_role("census_off")).await;
    assert_eq!(note[&format!("login of census_off on {SERVER}")], "not allowed");
    // A session that was opened earlier outlives its right to log in, and counts.
    let session = server.databases(&["census_old"]);
    let lease = session.lease(SERVER, "postgres", None).await.unwrap();
    server.run("postgres", "ALTER ROLE census_old NOLOGIN").await;
    let seen = measured(&live, &old_role("census_old"), CENSUS).await;
    let Verdict::Failed(why) = &seen.verdict else { panic!("{seen:?}") };
    assert!(why.starts_with("1 session is connected as census_old: process ") && why.contains("127.0.0.1"), "{why}");
    assert_eq!(seen.covers, None);
    drop(lease);
}

#[tokio::test]
async fn a_census_without_the_right_to_see_is_blind() {
    let Some(server) = server() else { return };
    server.run("postgres", "CREATE ROLE blind_old LOGIN; CREATE ROLE blind_looker LOGIN").await;
    let session = server.databases(&["blind_old"]);
    let _lease = session.lease(SERVER, "postgres", None).await.unwrap();
    let live = with_databases(server.databases(&["blind_looker"]));
    let seen = measured(&live, &old_role("blind_old"), CENSUS).await;
    let Verdict::Blind(why) = &seen.verdict else { panic!("{seen:?}") };
    assert!(why.contains("pg_read_all_stats"), "{why}");
}

#[tokio::test]
async fn privileges_are_asked_for_by_name() {
    let Some(server) = server() else { return };
    server.database("sensed").await;
    server.run("sensed", "CREATE ROLE sensed_app; CREATE SCHEMA s; CREATE TABLE s.t (i int)").await;
    let live = with_databases(server.databases(&[SUPERUSER]));
    let validation = attributes(json!({ "privileges": [{
        "server": SERVER, "database": "sensed", "role": "sensed_app",
        "grants": [{ "schemas": ["s"], "schema": ["USAGE"], "tables": ["SELECT"] }],
    }] }));
    let lacking = measured(&live, &validation, PRIVILEGES).await;
    assert!(matches!(&lacking.verdict, Verdict::Failed(why) if why.contains("lacks SELECT")), "{lacking:?}");
    server.run("sensed", "GRANT USAGE ON SCHEMA s TO sensed_app; GRANT SELECT ON s.t TO sensed_app").await;
    assert_eq!(measured(&live, &validation, PRIVILEGES).await.verdict, Verdict::Passed);
    let about = scope(&live, &validation).await.unwrap();
    assert_eq!(about.0.keys().collect::<Vec<_>>(), ["declared grants"]);
}

fn site(seen: &Seen, password: &str) -> Reply {
    if seen.path.ends_with("/config/appsettings/list") {
        return reply(200, json!({ "properties": { "PGHOST": password, "OTHER": "x" } }));
    }
    reply(200, json!({ "identity": { "type": "SystemAssigned", "principalId": "ABCD-1" }, "properties": {} }))
}

#[tokio::test]
async fn the_scope_is_the_identity_and_the_settings_and_shows_no_value() {
    let validation = attributes(json!({
        "app": { "subscription": "s", "resource_group": "rg", "app": "app" }, "settings": ["PGHOST", "GONE"],
    }));
    let about = async |value: &'static str| {
        let (live, _) = live(move |seen| site(seen, value));
        scope(&live, &validation).await.unwrap()
    };
    let (one, other) = (about("hunter2").await, about("hunter3").await);
    assert_eq!(one.0["identity of app app"], "abcd-1");
    assert_eq!(one.0["setting GONE"], "absent");
    assert_eq!(one.differing(&other), ["setting PGHOST"]);
    assert_ne!(one.digest(), other.digest());
    assert!(!format!("{one:?}").contains("hunter"));
}

#[tokio::test]
async fn a_role_that_stands_for_nobody_or_cannot_be_asked_is_told_apart() {
    let validation = |server: &str| {
        attributes(json!({
            "app": { "subscription": "s", "resource_group": "rg", "app": "app" },
            "roles": [{ "server": server, "name": "drift_role" }],
        }))
    };
    let (live, _) = live(|seen| site(seen, ""));
    let seen = measured(&live, &validation("nowhere"), IDENTITY).await;
    assert!(matches!(&seen.verdict, Verdict::Blind(_)), "{seen:?}");
    let Some(server) = server() else { return };
    let live = Live { databases: server.databases(&[SUPERUSER]), ..live };
    let seen = measured(&live, &validation(SERVER), IDENTITY).await;
    let no_role = format!("there is no role drift_role on {SERVER}, or it stands for no principal");
    assert_eq!(seen.verdict, Verdict::Failed(no_role));
}

#[test]
fn the_names_of_sensors_are_known_without_looking() {
    let (live, _) = live(|_| Reply::Broken);
    let validation = attributes(json!({
        "app": { "app": "a" }, "roles": [{ "server": "s", "name": "r" }],
        "privileges": [{ "server": "s", "database": "d", "role": "r" }],
        "old_role": { "server": "s", "name": "o" },
        "probes": [{ "name": "health", "http": { "url": "http://h" } }],
        "sensors": [{ "name": "logs", "kind": "server_logs" }],
    }));
    let made = sensors(&live, &validation).unwrap();
    let names: std::collections::BTreeSet<String> = made.iter().map(|sensor| sensor.name().to_owned()).collect();
    assert_eq!(names, sensor_names(&validation));
    assert_eq!(names.len(), 5);
    let twice = attributes(json!({
        "old_role": { "server": "s", "name": "o" },
        "probes": [{ "name": "health", "http": { "url": "http://h" } }],
        "sensors": [{ "name": "probe health", "kind": "server_logs" }],
    }));
    assert!(sensors(&live, &twice).is_err());
}
