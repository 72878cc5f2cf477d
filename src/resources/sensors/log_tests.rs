//! Tests of what the log sensors make of answers, against the double of Azure.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use super::{logins, sensors};
use crate::azure::double::{Reply, Seen, reply};
use crate::evidence::{Measurement, Standpoint, Verdict};
use crate::postgres::testing::{SERVER, SUPERUSER, server};
use crate::resources::Live;
use crate::resources::arm_testing::{attributes, live};

const APP_ID: &str = "829adb94-5f5c-46ae-9f00-18e731529222";

fn rows(columns: &[&str], rows: &Json) -> Reply {
    let columns: Vec<Json> = columns.iter().map(|name| json!({ "name": name })).collect();
    reply(200, json!({ "tables": [{ "name": "PrimaryResult", "columns": columns, "rows": rows }] }))
}

/// What a sensor measures over the last day when the component keeps `sampling` percent, and the question and the control
/// (the query with `last`) are answered so.
async fn measured(
    mut sensor: Json,
    sampling: u32,
    question: fn() -> Reply,
    control: fn() -> Reply,
) -> (Measurement, Standpoint) {
    let (live, _) = live(move |seen: &Seen| {
        let component =
            json!({ "id": "/subscriptions/s/c", "properties": { "AppId": APP_ID, "SamplingPercentage": sampling } });
        match seen.body["query"].as_str() {
            None => reply(200, json!({ "value": [component] })),
            Some(query) if query.contains("last") => control(),
            Some(_) => question(),
        }
    });
    for (name, value) in [("name", "log"), ("subscription", "s"), ("app_insights", APP_ID)] {
        sensor[name] = json!(value);
    }
    let validation = attributes(json!({ "sensors": [sensor] }));
    let now = Timestamp::from_second(1_793_491_200).unwrap();
    let standpoint = Standpoint { now, watermark: Some(now - SignedDuration::from_hours(24)) };
    let all = sensors(&live, &validation).unwrap();
    (all[0].measure(standpoint).await, standpoint)
}

fn nothing() -> Reply {
    rows(&["events"], &json!([]))
}

/// 214 sign-ins, the last one an hour before the observation.
fn control() -> Reply {
    let last = Timestamp::from_second(1_793_491_200 - 3_600).unwrap().to_string();
    rows(&["events", "last", "sampled"], &json!([[214, last, 1]]))
}

fn sampled() -> Reply {
    rows(&["events", "last", "sampled"], &json!([[214, null, 3]]))
}

#[tokio::test]
async fn what_is_covered_ends_where_the_log_ends() {
    let (seen, standpoint) = measured(json!({ "kind": "fallback" }), 100, nothing, control).await;
    assert_eq!(seen.verdict, Verdict::Passed, "{seen:?}");
    let covers = seen.covers.unwrap();
    assert_eq!(covers.from, standpoint.watermark.unwrap());
    assert_eq!(covers.to, standpoint.now - SignedDuration::from_hours(1));
    assert!(seen.control.unwrap().starts_with("214 control entries between"));
}

#[tokio::test]
async fn fallbacks_are_weighed_and_a_sample_without_any_is_blind() {
    let (seen, _) = measured(json!({ "kind": "fallback" }), 50, || rows(&["events"], &json!([["6"]])), control).await;
    assert!(matches!(&seen.verdict, Verdict::Failed(why) if why.starts_with("6 fallbacks")), "{seen:?}");
    for (sampling, control) in [(50, control as fn() -> Reply), (100, sampled)] {
        let (seen, _) = measured(json!({ "kind": "fallback" }), sampling, nothing, control).await;
        assert!(matches!(&seen.verdict, Verdict::Blind(why) if why.contains("sampled")), "{seen:?}");
    }
    // One that was seen counts, whether or not the control saw anything.
    let (seen, standpoint) =
        measured(json!({ "kind": "fallback" }), 100, || rows(&["events"], &json!([[1]])), nothing).await;
    assert!(matches!(&seen.verdict, Verdict::Failed(_)), "{seen:?}");
    assert_eq!(seen.covers.unwrap().to, standpoint.now - SignedDuration::from_mins(15));
    let (seen, _) = measured(json!({ "kind": "fallback" }), 100, nothing, nothing).await;
    assert!(matches!(&seen.verdict, Verdict::Blind(why) if why.contains("no control entry")), "{seen:?}");
}

#[tokio::test]
async fn a_query_does_not_cover_time_but_goes_on_from_where_it_asked() {
    let sensor = |expect: &str, query: &str| json!({ "kind": "query", "expect": expect, "query": query, "control": "requests | summarize last = now()" });
    let two = || rows(&["timestamp", "itemCount"], &json!([["2026-11-23T10:00:00Z", 1], ["2026-11-23T11:00:00Z", 4]]));
    let (seen, standpoint) = measured(sensor("none", "traces"), 100, nothing, control).await;
    assert_eq!((&seen.verdict, seen.covers), (&Verdict::Passed, None));
    assert_eq!(seen.asked.unwrap().to, standpoint.now - SignedDuration::from_mins(15));
    let (seen, _) = measured(sensor("none", "traces"), 50, nothing, control).await;
    assert!(matches!(&seen.verdict, Verdict::Blind(why) if why.contains("itemCount")), "{seen:?}");
    let (seen, _) = measured(sensor("none", "traces | summarize sum(itemCount)"), 50, nothing, control).await;
    assert_eq!(seen.verdict, Verdict::Passed);
    let (seen, _) = measured(sensor("none", "traces"), 100, two, control).await;
    assert!(matches!(&seen.verdict, Verdict::Failed(why) if why.starts_with("5 events")), "{seen:?}");
    let (seen, _) = measured(sensor("some", "traces"), 100, two, control).await;
    assert_eq!((seen.verdict, seen.control.as_deref()), (Verdict::Passed, Some("its own rows")));
    let (seen, _) = measured(sensor("some", "traces"), 100, nothing, control).await;
    assert!(matches!(&seen.verdict, Verdict::Failed(_)), "{seen:?}");
}

#[tokio::test]
async fn what_follows_faster_than_the_log_covers_nothing_and_is_shown_by_the_observation_before() {
    let now = Timestamp::from_second(1_793_491_200).unwrap();
    // Between the two nothing was logged; in the day before there was.
    let answer = |day_before: fn() -> Reply| {
        move |seen: &Seen| {
            let component =
                json!({ "id": "/subscriptions/s/c", "properties": { "AppId": APP_ID, "SamplingPercentage": 100 } });
            let Some(query) = seen.body["query"].as_str() else { return reply(200, json!({ "value": [component] })) };
            let (from, to) = seen.body["timespan"].as_str().unwrap().split_once('/').unwrap();
            let asked = to.parse::<Timestamp>().unwrap().duration_since(from.parse().unwrap());
            if query.contains("last") && asked >= SignedDuration::from_hours(24) { day_before() } else { nothing() }
        }
    };
    let sensor =
        json!({ "name": "log", "kind": "fallback", "subscription": "s", "app_insights": APP_ID, "lag": "15m" });
    let validation = attributes(json!({ "sensors": [sensor] }));
    for (since, before, passes) in [
        (SignedDuration::from_mins(16), control as fn() -> Reply, true),
        (SignedDuration::from_mins(16), nothing, false),
        // By now the entries of the observation before have to be there.
        (SignedDuration::from_mins(31), control, false),
    ] {
        let (live, _) = live(answer(before));
        let from = now - since;
        let all = sensors(&live, &validation).unwrap();
        let seen = all[0].measure(Standpoint { now, watermark: Some(from) }).await;
        assert_eq!(seen.verdict == Verdict::Passed, passes, "{since:#}: {seen:?}");
        assert_eq!(seen.covers.map(|covers| (covers.from, covers.to)), passes.then_some((from, from)), "{seen:?}");
    }
}

#[tokio::test]
async fn a_control_that_tells_no_time_covers_none() {
    let sensor = json!({ "kind": "fallback", "control": "requests | summarize events = count() // last" });
    let (seen, standpoint) = measured(sensor, 100, nothing, || rows(&["events"], &json!([[5]]))).await;
    let (covers, from) = (seen.covers.unwrap(), standpoint.watermark.unwrap());
    assert_eq!((seen.verdict, covers.from, covers.to), (Verdict::Passed, from, from));
}

/// A server whose log ends so many seconds ago, and whose `log_connections` was changed so many seconds ago.
async fn of_server(ends: i64, changed: Option<i64>) -> Option<(Measurement, Verdict)> {
    let server = server()?;
    let now = Timestamp::from_second(1_793_491_200).unwrap();
    let ago =
        move |seconds| rows(&["events", "last"], &json!([[3, (now - SignedDuration::from_secs(seconds)).to_string()]]));
    let (live, _) = live(move |seen: &Seen| {
        let component = json!({ "id": "/subscriptions/s/c", "properties": { "AppId": APP_ID } });
        match seen.body["query"].as_str() {
            None => reply(200, json!({ "value": [component] })),
            Some(query) if query.contains("parameter") => changed.map_or_else(nothing, ago),
            Some(query) if query.contains("last = max") => ago(ends),
            Some(_) => nothing(),
        }
    });
    let live = Live { databases: server.databases(&[SUPERUSER]), ..live };
    let sensor = json!({ "name": "log", "kind": "server_logs", "subscription": "s", "app_insights": APP_ID });
    let old = json!({ "server": SERVER, "name": "old" });
    let validation = attributes(json!({ "old_role": old, "sensors": [sensor] }));
    let standpoint = Standpoint { now, watermark: Some(now - SignedDuration::from_hours(24)) };
    let seen = sensors(&live, &validation).unwrap()[1].measure(standpoint).await;
    Some((seen, logins(&live, SERVER, "old", &attributes(sensor), standpoint).await.unwrap()))
}

#[tokio::test]
async fn a_servers_log_is_believed_as_long_as_logins_are_logged_and_up_to_its_end() {
    let Some((off, _)) = of_server(1_800, None).await else { return };
    assert!(matches!(&off.verdict, Verdict::Blind(why) if why.contains("log_connections is off")), "{off:?}");
    let server = server().unwrap();
    server.run("postgres", "ALTER SYSTEM SET log_connections = on").await;
    server.run("postgres", "SELECT pg_reload_conf()").await;
    let mut seen = of_server(1_800, None).await.unwrap();
    for _ in 0..100 {
        if seen.1 == Verdict::Passed {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        seen = of_server(1_800, None).await.unwrap();
    }
    assert_eq!((seen.0.verdict, seen.1), (Verdict::Passed, Verdict::Passed));
    let now = Timestamp::from_second(1_793_491_200).unwrap();
    let (early, login) = of_server(3 * 3_600, None).await.unwrap();
    assert_eq!(early.covers.unwrap().to, now - SignedDuration::from_hours(3));
    assert!(matches!(&login, Verdict::Blind(why) if why.starts_with("the log ends at ")), "{login:?}");
    // What was not logged before the setting was changed nobody knows.
    let (changed, login) = of_server(1_800, Some(7_200)).await.unwrap();
    assert_eq!(changed.covers.unwrap().from, now - SignedDuration::from_hours(2));
    assert!(changed.value.contains("log_connections was changed"), "{changed:?}");
    assert!(matches!(&login, Verdict::Blind(why) if why.contains("cannot be believed before")), "{login:?}");
}
