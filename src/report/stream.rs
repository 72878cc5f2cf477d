//! The stream of events behind `--json`: one object per line in the envelope of Terraform's machine-readable UI.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::runs::Run;
use super::tally::{GATES, moment};
use crate::diff::{Action, Change, ChangeSet, Reason};
use crate::journal::{Event, Operation, Outcome, Record};
use crate::model::{Address, Failure, Finding, Severity, Step};

/// The version of the stream: additions raise the second number, everything else the first.
const UI_VERSION: &str = "1.0";

/// One event in the envelope. `more` holds its own members.
fn event(level: &str, kind: &str, message: &str, at: Timestamp, more: Json) -> Json {
    let mut event = json!({
        "@level": level, "@message": message, "@module": "pgentra.ui", "@timestamp": moment(at), "type": kind,
    });
    if let (Json::Object(event), Json::Object(more)) = (&mut event, more) {
        event.extend(more);
    }
    event
}

/// The first event of every stream.
pub fn version_event(version: &str, at: Timestamp) -> Json {
    event("info", "version", &format!("pgentra {version}"), at, json!({ "pgentra": version, "ui": UI_VERSION }))
}

/// The events of a change set: each change that acts, what could not be looked at, and the summary.
pub fn plan_events(changes: &ChangeSet, at: Timestamp) -> Vec<Json> {
    let acting = changes.changes.iter().filter(|change| change.acts());
    let mut events: Vec<Json> = acting.map(|change| planned_change(change, at)).collect();
    events.extend(changes.changes.iter().filter_map(|change| unread(change, at)));
    let summary = changes.summary();
    let counts = [summary.add, summary.change, summary.destroy];
    let [add, change, destroy] = counts;
    let message = format!("Plan: {add} to add, {change} to change, {destroy} to destroy.");
    events.push(summed("plan", counts, &message, at));
    events
}

fn planned_change(change: &Change, at: Timestamp) -> Json {
    let word = action(change.action);
    let reason = match &change.reason {
        Reason::Gate(why) | Reason::Unreadable(why) | Reason::NotReadable(why) => Some(why),
        _ => None,
    };
    let message = match change.action {
        Action::Held => format!("{}: Held by a gate", change.address),
        Action::Unknown => format!("{}: Plan is not known yet", change.address),
        _ => format!("{}: Plan to {word}", change.address),
    };
    let planned = json!({
        "resource": resource(&change.address), "action": word, "reason": reason,
        "held": change.action == Action::Held, "unknown": change.action == Action::Unknown,
    });
    event("info", "planned_change", &message, at, json!({ "change": planned }))
}

/// Terraform's word for an action; what is held or not known yet does nothing so far.
fn action(action: Action) -> &'static str {
    match action {
        Action::None | Action::Held | Action::Unknown => "noop",
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
        Action::Check => "read",
    }
}

fn resource(address: &Address) -> Json {
    json!({
        "addr": address, "module": "", "resource": address, "implied_provider": "pgentra",
        "resource_type": address.kind, "resource_name": address.name, "resource_key": null,
    })
}

fn unread(change: &Change, at: Timestamp) -> Option<Json> {
    let (level, detail) = match (&change.reason, &change.failure) {
        (Reason::NotReadable(why), _) => ("warn", why.clone()),
        (_, Some(failure)) => ("error", failure.to_string()),
        _ => return None,
    };
    let summary = if level == "warn" { "not readable" } else { "cannot be looked at" };
    Some(diagnostic(level, summary, Some(&detail), None, Some(&change.address.to_string()), at))
}

fn diagnostic(
    level: &str,
    summary: &str,
    detail: Option<&str>,
    remedy: Option<&str>,
    address: Option<&str>,
    at: Timestamp,
) -> Json {
    let (severity, word) = if level == "warn" { ("warning", "Warning") } else { ("error", "Error") };
    let told = json!({
        "severity": severity, "summary": summary, "detail": detail, "remedy": remedy, "address": address,
    });
    event(level, "diagnostic", &format!("{word}: {summary}"), at, json!({ "diagnostic": told }))
}

/// A failure that ends a command.
pub fn failure_event(failure: &Failure, at: Timestamp) -> Json {
    diagnostic("error", failure.summary, failure.detail.as_deref(), failure.remedy.as_deref(), None, at)
}

/// Something wrong with a plan file, and where: `plan.toml:12`.
pub fn finding_event(finding: &Finding, place: Option<&str>, at: Timestamp) -> Json {
    let level = if finding.severity == Severity::Error { "error" } else { "warn" };
    diagnostic(level, &finding.title, place, finding.remedy.as_deref(), None, at)
}

fn summed(operation: &str, [add, change, remove]: [usize; 3], message: &str, at: Timestamp) -> Json {
    let changes = json!({ "add": add, "change": change, "remove": remove, "operation": operation });
    event("info", "change_summary", message, at, json!({ "changes": changes }))
}

/// One validation that was observed: its address, and each measurement's name and whether it passed.
pub fn observation_event(address: &Address, measured: &[(String, bool)], at: Timestamp) -> Json {
    let passed = measured.iter().all(|(_, passed)| *passed);
    let level = if passed { "info" } else { "warn" };
    let message = format!("{address}: {}", if passed { "Observed, all passed" } else { "Observed, not all passed" });
    let measured: Vec<Json> = measured.iter().map(|(name, passed)| json!({ "name": name, "passed": passed })).collect();
    let told = json!({ "resource": resource(address), "passed": passed, "measurements": measured });
    event(level, "observation", &message, at, json!({ "observation": told }))
}

/// What the observations of all validations came to: how many there are, and how many passed.
pub fn observed_event(observed: usize, passed: usize, at: Timestamp) -> Json {
    let level = if passed == observed { "info" } else { "warn" };
    let message = format!("Observed {observed} validations: {passed} passed, {} did not.", observed - passed);
    event(level, "observation_summary", &message, at, json!({ "observed": observed, "passed": passed }))
}

/// Follows a run by the events of its journal.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    steps: BTreeMap<String, (Address, Action)>,
    since: BTreeMap<String, Timestamp>,
    /// What the steps that are done and were not undone did.
    done: BTreeMap<String, Action>,
}

impl Stream {
    /// Takes one event in and answers what to tell of it.
    pub fn hear(&mut self, record: &Record) -> Vec<Json> {
        let at = record.at;
        match &record.event {
            Event::Planned { steps } => {
                self.steps.extend(steps.iter().map(|step| (step.id.clone(), (step.address.clone(), doing(step)))));
                Vec::new()
            }
            Event::Started { step, .. } => {
                self.since.insert(step.clone(), at);
                vec![self.hook("info", "apply_start", step, "Started", at, None)]
            }
            Event::Done { step, .. } => {
                self.done.extend(self.steps.get(step).map(|(_, action)| (step.clone(), *action)));
                vec![self.hook("info", "apply_complete", step, "Complete", at, None)]
            }
            Event::AlreadyThere { step, .. } => {
                if let Some((_, action)) = self.steps.get_mut(step) {
                    *action = Action::None;
                }
                vec![self.hook("info", "apply_complete", step, "Already as wanted", at, None)]
            }
            Event::Held { step, reason, .. } => vec![self.hook("info", "apply_held", step, "Held", at, Some(reason))],
            Event::Failed { step, error, .. } => self.failed("apply_errored", step, error, at),
            Event::UndoStarted { step } => {
                self.since.insert(step.clone(), at);
                vec![self.hook("info", "undo_start", step, "Undoing", at, None)]
            }
            Event::Undone { step } => {
                self.done.remove(step);
                vec![self.hook("info", "undo_complete", step, "Undone", at, None)]
            }
            Event::Kept { step, reason } => vec![self.hook("info", "undo_kept", step, "Kept", at, Some(reason))],
            Event::UndoFailed { step, error } => self.failed("undo_errored", step, error, at),
            Event::Opened { .. }
            | Event::Leans { .. }
            | Event::GoesDown { .. }
            | Event::Resumed { .. }
            | Event::Accepted { .. }
            | Event::Closed { .. } => Vec::new(),
        }
    }

    /// What a running step waits for.
    pub fn progress(&self, step: &str, text: &str, at: Timestamp) -> Json {
        self.hook("info", "apply_progress", step, text, at, None)
    }

    fn failed(&self, kind: &str, step: &str, error: &str, at: Timestamp) -> Vec<Json> {
        let summary = if kind == "apply_errored" { "a step failed" } else { "an undo failed" };
        let address = self.steps.get(step).map_or_else(|| step.to_owned(), |(address, _)| address.to_string());
        vec![
            self.hook("error", kind, step, "Failed", at, Some(error)),
            diagnostic("error", summary, Some(error), None, Some(&address), at),
        ]
    }

    fn hook(&self, level: &str, kind: &str, step: &str, word: &str, at: Timestamp, why: Option<&str>) -> Json {
        let since = self.since.get(step).map(|since| at.duration_since(*since).as_secs().max(0));
        let known = self.steps.get(step);
        let mut hook = json!({
            "resource": known.map(|(address, _)| resource(address)),
            "action": known.map_or("update", |(_, did)| action(*did)),
            "step": step,
        });
        if !kind.ends_with("_start") {
            hook["elapsed_seconds"] = json!(since.unwrap_or_default());
        }
        if let Some(why) = why {
            hook["reason"] = json!(why);
        }
        event(level, kind, &format!("{step}: {word}"), at, json!({ "hook": hook }))
    }
}

fn doing(step: &Step) -> Action {
    match (step.address.kind.as_str(), &step.before, &step.after) {
        ("check", ..) => Action::Check,
        (kind, ..) if GATES.contains(&kind) => Action::None,
        (_, None, _) => Action::Create,
        (_, _, None) => Action::Delete,
        _ => Action::Update,
    }
}

/// How many resources stand added, changed and destroyed by a run and the runs of the same rollback before it. One that
/// took several steps counts once.
pub(super) fn resources_done(run: Run<'_>, earlier: &[Run<'_>]) -> [usize; 3] {
    let mut done = Vec::new();
    for run in earlier.iter().chain([&run]) {
        let mut stream = Stream::default();
        for record in run.records {
            stream.hear(record);
        }
        let address = |step: &String| stream.steps.get(step).map(|(address, _)| address.clone());
        let done_here: BTreeMap<_, _> = stream.done.iter().map(|(step, action)| (address(step), *action)).collect();
        done.extend(done_here.into_values());
    }
    let count = |wanted: Action| done.iter().filter(|action| **action == wanted).count();
    [Action::Create, Action::Update, Action::Delete].map(count)
}

/// Terraform's words for what an apply came to.
pub(super) fn resources_words([add, change, remove]: [usize; 3]) -> String {
    format!("Resources: {add} added, {change} changed, {remove} destroyed.")
}

/// How an apply ends that had nothing to do, and made no run.
pub fn nothing_event(at: Timestamp) -> Json {
    summed("apply", [0; 3], &format!("Apply complete! {}", resources_words([0; 3])), at)
}

/// How a run ended: what stands of it and of the runs of the same rollback before it, its id and its outcome.
pub fn end_events(run: Run<'_>, earlier: &[Run<'_>], outcome: Outcome, at: Timestamp) -> Vec<Json> {
    let counts = resources_done(run, earlier);
    let undoes = run
        .records
        .iter()
        .any(|record| matches!(&record.event, Event::Opened { operation: Operation::Rollback { .. }, .. }));
    let word = match (undoes, outcome) {
        (false, Outcome::Applied | Outcome::Held) => "Apply complete!",
        (true, Outcome::Applied | Outcome::Held) => "Rollback complete!",
        // Nothing that a reader could take for a good end.
        (false, _) => "Apply failed.",
        (true, _) => "Rollback failed.",
    };
    let message = format!("{word} {}", resources_words(counts));
    let text = |value: Json| json!({ "sensitive": false, "type": "string", "value": value });
    let outputs = json!({ "run": text(json!(run.id)), "outcome": text(json!(outcome)) });
    vec![
        summed("apply", counts, &message, at),
        event("info", "outputs", "Outputs: 2", at, json!({ "outputs": outputs })),
    ]
}
