//! What is wrong with a validation besides its shape: gates that could never open, or that nothing would keep closed.

use std::collections::BTreeSet;

use super::node::Node;
use crate::model::{Attributes, Finding, Value, duration, in_words};

/// The sensors that every validation may have, by their names.
const BUILT_IN: [&str; 3] = ["census", "identity", "privileges"];
/// The kinds of sensors that miss nothing between two observations.
const CONTINUOUS: [&str; 2] = ["server_logs", "fallback"];

/// How late entries may be where nothing is said.
const DEFAULT_LAG: &str = "15m";

/// Everything that is wrong with one validation. `lowered` is what it came to.
pub(super) fn all(label: &str, node: &Node, lowered: &Attributes, findings: &mut Vec<Finding>) {
    let path = format!("validation.{label}");
    spans(node, lowered, findings);
    signing(&path, node, findings);
    let measures = |name: &str| lowered.get(name).and_then(Value::as_list).is_some_and(|list| !list.is_empty());
    if !lowered.contains_key("old_role") && !["probes", "privileges", "sensors"].into_iter().any(measures) {
        findings.push(
            Finding::error("empty-validation", format!("`{path}` measures nothing"), node.place())
                .label("no probe, no role, no sensor")
                .remedy("name the app that it is about: app = \"...\"; and the role that must not be needed: old_role"),
        );
    }
    let mut names: BTreeSet<String> = BUILT_IN.map(str::to_owned).into();
    names.extend(probes(lowered));
    for sensor in node.get_list("sensor").iter().filter(|sensor| sensor.table().is_some()) {
        one(sensor, node, &mut names, findings);
        late(sensor, lowered, findings);
    }
    coverage(node, findings);
}

/// What the sensors of the probes are called.
fn probes(lowered: &Attributes) -> impl Iterator<Item = String> {
    let all = lowered.get("probes").and_then(Value::as_list).unwrap_or_default();
    all.iter().filter_map(|probe| Some(format!("probe {}", probe.as_map()?.get("name")?.as_text()?)))
}

fn spans(node: &Node, lowered: &Attributes, findings: &mut Vec<Finding>) {
    let length = |name: &str, default| duration(lowered.get(name).and_then(Value::as_text).unwrap_or(default));
    if let (Some(period), Some(every)) = (length("period", "7d"), length("every", "24h"))
        && period < every
    {
        let place = node.get("period").or(node.get("every")).unwrap_or(node).place();
        findings.push(
            Finding::error("invalid-value", "the period is over before the second observation", place)
                .label("shorter than `every`")
                .remedy("make `period` longer than `every`"),
        );
    }
}

fn signing(path: &str, node: &Node, findings: &mut Vec<Finding>) {
    let key = node.get("key");
    let has = |name: &str| key.is_some_and(|key| key.get(name).is_some());
    let allowed = node.get_bool("allow_unsigned") == Some(true);
    let remedy = "write key = { env = \"NAME\" }, or key = { key_vault = \"...\", secret = \"...\" }";
    if key.is_none() && !allowed {
        findings.push(
            Finding::error("missing-key", format!("nothing signs the observations of `{path}`"), node.place())
                .label("`key` is required here")
                .remedy(format!("{remedy}; or accept forgeable evidence with allow_unsigned = true")),
        );
    }
    let Some(key) = key.filter(|key| key.table().is_some()) else { return };
    if has("env") == (has("key_vault") || has("secret")) || has("key_vault") != has("secret") {
        findings.push(
            Finding::error("conflicting-keys", "this does not name one key", key.place())
                .label("either an environment variable or a secret of a Key Vault")
                .remedy(remedy),
        );
    }
}

/// One sensor: has what its kind needs, and a name of its own.
fn one(sensor: &Node, node: &Node, names: &mut BTreeSet<String>, findings: &mut Vec<Finding>) {
    let has = |name: &str| sensor.get(name).is_some();
    let kind = sensor.get_text("kind").unwrap_or_default();
    let mut wrong = |rule, title: String, label: &str, remedy: &str| {
        findings.push(Finding::error(rule, title, sensor.place()).label(label).remedy(remedy));
    };
    if let Some(name) = sensor.get_text("name")
        && !names.insert(name.to_owned())
    {
        wrong("duplicate-sensor", format!("two sensors are named `{name}`"), "the second one", "choose another name");
    }
    if has("workspace") == has("app_insights") {
        let remedy = "add workspace = \"<id>\" for Log Analytics, or app_insights = \"<id>\"";
        let rule = if has("workspace") { "conflicting-keys" } else { "missing-key" };
        wrong(rule, "a sensor asks exactly one log".to_owned(), "which one?", remedy);
    } else if kind == "server_logs" && has("app_insights") {
        let title = "PostgreSQL's logs are in Log Analytics, not in Application Insights".to_owned();
        wrong("conflicting-keys", title, "asks the wrong log", "write workspace = \"<id>\"");
    }
    if kind == "query" && !has("query") {
        wrong("missing-key", "this sensor asks nothing".to_owned(), "`query` is required here", "add query = \"...\"");
    }
    if kind == "query" && sensor.get_text("expect") != Some("some") && !has("control") {
        let remedy = "add control = \"...\", a query that gives rows whenever the log works";
        let title = "no rows mean nothing when nobody knows that the log works".to_owned();
        wrong("missing-key", title, "`control` is required here", remedy);
    }
    if has("proves") && kind != "query" {
        let title = format!("a sensor of kind `{kind}` proves nothing else");
        wrong("conflicting-keys", title, "`proves` goes with a query", "give it a sensor of kind \"query\"");
    }
    if kind == "server_logs" && node.get("old_role").is_none() {
        let remedy = "add old_role = \"...\" to the validation";
        wrong("missing-key", "whose logins are meant is not said".to_owned(), "needs `old_role`", remedy);
    }
}

/// A log whose entries may come later than the grace allows never covers the time up to an observation.
fn late(sensor: &Node, lowered: &Attributes, findings: &mut Vec<Finding>) {
    let every = duration(lowered.get("every").and_then(Value::as_text).unwrap_or("24h"));
    let said = sensor.get("lag");
    let lag = duration(said.and_then(Node::text).unwrap_or(DEFAULT_LAG));
    let continuous = sensor.get_text("kind").is_some_and(|kind| CONTINUOUS.contains(&kind));
    if let (Some(every), Some(lag)) = (every, lag)
        && continuous
        && lag >= every / 2
    {
        let (grace, lag, place) = (in_words(every / 2), in_words(lag), said.unwrap_or(sensor).place());
        findings.push(
            Finding::error("invalid-value", format!("entries of the log may come {lag} late"), place)
                .label(format!("half of `every`, which is {grace}, is the most"))
                .remedy("this gate could never open: make `every` longer, or `lag` shorter where the log is faster"),
        );
    }
}

/// What has to be covered needs somebody who can see it.
fn coverage(node: &Node, findings: &mut Vec<Finding>) {
    let sensors = || node.get_list("sensor").iter();
    for demand in ["fresh_token", "restart"] {
        if let Some(asked) = node.get(demand).filter(|_| node.get_bool(demand) == Some(true))
            && !sensors().any(|sensor| sensor.get_text("proves") == Some(demand))
        {
            findings.push(
                Finding::error("missing-key", format!("no sensor proves `{demand}`"), asked.place())
                    .label("this gate could never open")
                    .remedy(format!(
                        "add [[validation.<label>.sensor]] with kind = \"query\" and proves = \"{demand}\""
                    )),
            );
        }
    }
    let continuous = sensors().any(|sensor| CONTINUOUS.iter().any(|kind| sensor.get_text("kind") == Some(kind)));
    if node.table().is_some() && !continuous {
        findings.push(
            Finding::warning("no-continuous-sensor", "nobody sees what happens between two observations", node.place())
                .label("opens only while the old role may not log in")
                .remedy("add [[validation.<label>.sensor]] with kind = \"server_logs\" or kind = \"fallback\""),
        );
    }
}
