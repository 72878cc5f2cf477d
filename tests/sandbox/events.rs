//! `--json`: what `apply`, `observe` and `rollback` say while they run, event by event, and how they end.

use serde_json::{Value, json};

use crate::stand::{MIGRATION, Stand};

/// A stream of events; every line has to be one, in the whole envelope.
pub fn events(out: &str) -> Vec<Value> {
    let read = |line: &str| -> Value { serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")) };
    let events: Vec<Value> = out.lines().map(read).collect();
    for event in &events {
        for name in ["@level", "@message", "@module", "@timestamp", "type"] {
            assert!(event[name].is_string(), "no {name} in {event}");
        }
        let at = event["@timestamp"].as_str().unwrap();
        assert!(at.parse::<jiff::Timestamp>().is_ok(), "no time: {at}");
        assert!(["info", "warn", "error"].contains(&event["@level"].as_str().unwrap()), "{event}");
    }
    assert_eq!(events[0]["type"], "version", "{out}");
    events
}

/// The events but for the warnings of the plan file.
fn told(out: &str) -> Vec<Value> {
    let mut events = events(out);
    events.retain(|event| event["type"] != "diagnostic" || event["@level"] != "warn");
    events
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

const EVIDENCE: &str = r#"
[validation.rmhazuregeoapi]
period = "7d"
old_role = "geoapp"
server = "rmhpgflex"
allow_unsigned = true
"#;

#[tokio::test]
async fn every_line_is_an_event_and_the_last_ones_sum_up() {
    let stand = Stand::up().await;
    stand.keep("plan.toml", &format!("{MIGRATION}{EVIDENCE}"));
    stand.run(&["apply", "--auto-approve", "--json", "plan.toml"]).ends(0);
    stand.health().await;

    let seen = told(&stand.run(&["observe", "--json", "--json-into", "seen.json", "plan.toml"]).ends(0).out);
    assert_eq!(kinds(&seen), ["version", "observation", "observation_summary"]);
    assert_eq!(seen[1]["observation"]["resource"]["addr"], "validation.rmhazuregeoapi");
    assert_eq!((&seen[1]["observation"]["passed"], &seen[1]["@level"]), (&json!(true), &json!("info")));
    assert!(!seen[1]["observation"]["measurements"].as_array().unwrap().is_empty());
    assert_eq!((&seen[2]["observed"], &seen[2]["passed"]), (&json!(1), &json!(1)));
    let kept: Value = serde_json::from_slice(&std::fs::read(stand.here().join("seen.json")).unwrap()).unwrap();
    assert_eq!(kept["validations"][0]["validation"], "rmhazuregeoapi", "the result itself stands in the file");

    stand.run(&["sandbox", "app", "fall-back"]).ends(0);
    stand.health().await;
    let failed = told(&stand.run(&["observe", "--json", "plan.toml"]).ends(10).out);
    assert_eq!(kinds(&failed), ["version", "observation", "observation_summary"]);
    assert_eq!((&failed[1]["observation"]["passed"], &failed[2]["passed"]), (&json!(false), &json!(0)));
    assert_eq!((&failed[1]["@level"], &failed[2]["@level"]), (&json!("warn"), &json!("warn")));
    stand.run(&["sandbox", "app", "recover"]).ends(0);

    let asked = told(&stand.run(&["rollback", "--json", "--file", "plan.toml"]).ends(1).out);
    let last = asked.last().unwrap();
    assert_eq!((&last["type"], &last["diagnostic"]["severity"]), (&json!("diagnostic"), &json!("error")));
    assert!(kinds(&asked).contains(&"planned_change") && !kinds(&asked).contains(&"apply_start"), "{asked:#?}");

    let back = ["rollback", "--json", "--auto-approve", "--json-into", "back.json", "--file", "plan.toml"];
    let back = told(&stand.run(&back).ends(0).out);
    let types = kinds(&back);
    assert_eq!(types[types.len() - 2..], ["change_summary", "outputs"], "{types:?}");
    let starts = types.iter().filter(|kind| **kind == "apply_start").count();
    assert_eq!(types.iter().filter(|kind| **kind == "apply_complete").count(), starts, "{types:?}");
    let [summary, outputs] = &back[back.len() - 2..] else { panic!("{back:#?}") };
    assert!(starts > 2 && summary["@message"].as_str().unwrap().starts_with("Rollback complete! Resources: "));
    assert_eq!(outputs["outputs"]["outcome"]["value"], "applied");
    let kept: Value = serde_json::from_slice(&std::fs::read(stand.here().join("back.json")).unwrap()).unwrap();
    assert_eq!(kept["run"], outputs["outputs"]["run"]["value"]);

    let nothing = told(&stand.run(&["rollback", "--json", "--auto-approve", "--file", "plan.toml"]).ends(1).out);
    assert_eq!(kinds(&nothing).last(), Some(&"diagnostic"));
    stand.keep("wrong.toml", "version = 1\nname = 1\n");
    let wrong = told(&stand.run(&["observe", "--json", "wrong.toml"]).ends(3).out);
    assert!(wrong.len() > 1 && kinds(&wrong)[1..].iter().all(|kind| *kind == "diagnostic"), "{wrong:#?}");
}
