//! The sandbox's clock: everything moves on together, only forward, and not where PostgreSQL could not follow.

use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::stand::{PGENTRA, Ran, Stand};

const AHEAD: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Whether a moment is the real one, eight days later. The test itself may take a while.
#[track_caller]
fn is_ahead(text: &str) {
    let at: Timestamp = text.parse().unwrap_or_else(|_| panic!("no moment: {text:?}"));
    let off = at.duration_since(Timestamp::now()) - AHEAD;
    assert!(off.abs() < SignedDuration::from_mins(5), "{text} is {off:#} off");
}

fn time(stand: &Stand, what: &str) -> String {
    stand.admin("postgres", &format!("SELECT to_char({what} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"))
}

#[tokio::test]
async fn everything_moves_on_together() {
    let stand = Stand::up().await;
    stand.apply("plan.toml").ends(0);
    stand.health().await;
    let tokens = |stand: &Stand| stand.run(&["sandbox", "log", "--processes"]).out.matches("Token acquired").count();
    let before = tokens(&stand);
    stand.run(&["sandbox", "clock", "advance", "8d"]).ends(0).says(&["8d ahead"]);
    let shown = stand.run(&["sandbox", "clock", "show"]).ends(0).out;
    is_ahead(shown.split_once(',').unwrap().0);
    is_ahead(&time(&stand, "clock_timestamp()"));
    let started = "(SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())";
    is_ahead(&time(&stand, started));
    let date = stand.date().await;
    let date = jiff::fmt::rfc2822::parse(&date).unwrap().timestamp().to_string();
    is_ahead(&date);

    // The token that the app had is over by now.
    assert_eq!(stand.health().await["database"]["auth_method"], "managed_identity");
    assert!(tokens(&stand) > before, "the app got no new token");
    let logins = stand.control("GET", "logins", Value::Null).await;
    is_ahead(logins["value"].as_array().unwrap().last().unwrap()["at"].as_str().unwrap());
    // Nothing of pgentra's own is over: it signs in, trusts the certificates, and finds nothing to do.
    stand.settled("plan.toml");

    for span in ["-1d", "0s", "tomorrow", "900w"] {
        stand.run(&["sandbox", "clock", "advance", "--", span]).ends(1);
    }
    stand.run(&["sandbox", "clock", "advance", "0s"]).says(&["only goes forward"]);
    // It stays ahead from one start to the next.
    stand.run(&["sandbox", "down"]).ends(0);
    stand.run(&["sandbox", "up", "--detach"]).ends(0);
    is_ahead(&time(&stand, "clock_timestamp()"));
    let log = stand.run(&["sandbox", "log", "--processes"]).out;
    let started = log.lines().find_map(|line| line.strip_prefix("postgresql.log: ")?.split_once(" UTC")).unwrap().0;
    is_ahead(&format!("{}Z", started.replacen(' ', "T", 1)));
}

#[test]
fn where_postgresql_cannot_follow_nothing_moves() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("sandbox");
    let sandbox = |action: &[&str]| {
        let mut command = Command::new(PGENTRA);
        command.env("PGENTRA_LIBFAKETIME", dir.path().join("nothing")).arg("sandbox").args(action);
        Ran::of(&command.arg("--dir").arg(&place).output().unwrap())
    };
    sandbox(&["up", "--detach"]).ends(0);
    let refused = sandbox(&["clock", "advance", "1d"]);
    let shown = sandbox(&["clock", "show"]);
    sandbox(&["down"]).ends(0);
    refused.ends(1).says(&["libfaketime is missing", "apt-get install libfaketime"]);
    assert!(!shown.ends(0).out.contains("ahead"));
}

#[tokio::test]
async fn an_idle_servers_log_goes_on() {
    let stand = Stand::up().await;
    stand.run(&["sandbox", "clock", "advance", "1d"]).ends(0);
    let token = stand
        .control(
            "POST",
            "token",
            json!({"object_id": "55555555-5555-4555-8555-555555555555", "audience": "https://api.loganalytics.io"}),
        )
        .await;
    let query = "PGSQLServerLogs | where Message startswith 'checkpoint complete' | summarize n = count(), \
                 first = min(TimeGenerated), last = max(TimeGenerated)";
    let answer = stand.workspace(token["access_token"].as_str().unwrap(), query).await;
    let row = answer["tables"][0]["rows"][0].as_array().unwrap();
    let at = |cell: &Value| cell.as_str().unwrap().parse::<Timestamp>().unwrap();
    // One each five minutes.
    assert!(row[0].as_i64().unwrap() >= 286, "{row:?}");
    assert!(at(&row[2]).duration_since(at(&row[1])) > SignedDuration::from_hours(23), "{row:?}");
}
