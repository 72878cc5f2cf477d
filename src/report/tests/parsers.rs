//! Tools that read Terraform's text understand ours: their patterns run over whole outputs.

use regex::Regex;
use serde_json::json;

use super::{attributes, change, everything, runs, text};
use crate::diff::{Action, ChangeSet, drift};
use crate::journal::{Event, Operation, Outcome, Record};
use crate::model::{Attributes, Class, Failure};
use crate::report::{
    MarkdownView, Page, PlanView, Run, failure, markdown, nothing_done, outcome, plan, terminal, way_back,
};

/// The patterns that tfcmt looks for in the text of plans and applies, and Terratest and Atlantis in their last lines.
struct Patterns {
    counts: Regex,
    no_changes: Regex,
    error: Regex,
    destroys: Regex,
    created: Regex,
    updated: Regex,
    destroyed: Regex,
    applied: Regex,
    applied_counts: Regex,
    apply_error: Regex,
    matches: Regex,
}

fn patterns() -> Patterns {
    let pattern = |text: &str| Regex::new(text).unwrap();
    Patterns {
        counts: pattern(r"(?m)^Plan: (\d+) to add, (\d+) to change, (\d+) to destroy\."),
        no_changes: pattern(r"(?m)^(No changes.)"),
        error: pattern(r"(?m)^([│|] )?(Error: )"),
        destroys: pattern(r"(?m)([1-9][0-9]* to destroy.)"),
        created: pattern(r"(?m)^ *# (.*) will be created$"),
        updated: pattern(r"(?m)^ *# (.*) will be updated in-place$"),
        destroyed: pattern(r"(?m)^ *# (.*) will be destroyed$"),
        applied: pattern(r"(?m)^(Apply complete!)"),
        applied_counts: pattern(r"(?m)^Apply complete! Resources: (\d+) added, (\d+) changed, (\d+) destroyed\."),
        apply_error: pattern(r"(?m)^(Error: )"),
        matches: pattern(r"No changes\. Your infrastructure matches the configuration\."),
    }
}

fn numbers(pattern: &Regex, told: &str) -> Vec<String> {
    let found = pattern.captures(told).unwrap_or_else(|| panic!("{pattern} is not in {told}"));
    found.iter().skip(1).flatten().map(|number| number.as_str().to_owned()).collect()
}

/// A run that makes, changes and destroys one resource each, checks one, and ends so.
fn run_of(operation: Operation, ended: Outcome) -> Vec<Record> {
    let value = || Some(attributes(json!({ "on": true })));
    let mut steps = ["app_identity.a", "app_settings.b", "slot_settings.c", "check.d"].map(runs::step_of);
    steps[1].before = value();
    (steps[2].before, steps[2].after) = (value(), None);
    let mut twice = steps[1].clone();
    twice.id += "@owner";
    let mut steps = steps.to_vec();
    steps.push(twice);
    let ids: Vec<String> = steps.iter().map(|step| step.id.clone()).collect();
    let mut events = vec![runs::opened(operation), Event::Planned { steps }];
    for step in &ids {
        events.push(Event::started(step.clone()));
        events.push(Event::Done { step: step.clone(), outputs: Attributes::new() });
    }
    if ended == Outcome::RolledBack {
        events.push(Event::Failed { step: ids[3].clone(), error: "no\nApply complete!".into(), refused: false });
        for step in ids.iter().rev() {
            events.push(Event::UndoStarted { step: step.clone() });
            events.push(Event::Undone { step: step.clone() });
        }
    }
    events.push(Event::Closed { outcome: ended });
    runs::records(events)
}

fn ended(operation: Operation, how: Outcome) -> Page {
    outcome(Run { id: "r1", records: &run_of(operation, how) }, &[], &[])
}

#[test]
fn an_apply_ends_as_terraforms_does() {
    let is = patterns();
    for how in [Outcome::Applied, Outcome::Held] {
        let told = terminal(&ended(Operation::Apply, how)).plain();
        assert_eq!(numbers(&is.applied_counts, &told), ["1", "1", "1"], "{told}");
        assert!(!is.apply_error.is_match(&told) && !is.error.is_match(&told), "{told}");
    }
    let nothing = nothing_done(plan(&ChangeSet { changes: vec![everything().remove(8)] }, PlanView::default()));
    let told = terminal(&nothing).plain();
    assert!(is.matches.is_match(&told), "{told}");
    assert_eq!(numbers(&is.applied_counts, &told), ["0", "0", "0"]);
}

#[test]
fn an_apply_that_failed_is_an_error_and_not_complete() {
    let is = patterns();
    for how in [Outcome::RolledBack, Outcome::Stopped, Outcome::Stuck] {
        let told = terminal(&ended(Operation::Apply, how)).plain();
        assert!(!is.applied.is_match(&told), "{told}");
        assert_eq!(is.apply_error.is_match(&told), how == Outcome::RolledBack, "{told}");
    }
}

#[test]
fn a_rollback_is_a_plan_and_no_apply() {
    let is = patterns();
    let stays = [("app_identity.a".to_owned(), "kept".to_owned())];
    let shown = way_back(&ChangeSet { changes: everything() }, PlanView::default(), &stays);
    assert_eq!(numbers(&is.counts, &terminal(&shown).plain()), ["1", "3", "1"]);
    let told = terminal(&ended(Operation::Rollback { run: "r0".into() }, Outcome::Applied)).plain();
    assert!(told.contains("Rollback complete! Resources: 1 added, 1 changed, 1 destroyed."), "{told}");
    assert!(!is.applied.is_match(&told) && !is.apply_error.is_match(&told), "{told}");
}

#[test]
fn drift_and_what_goes_are_told_as_a_plan() {
    let is = patterns();
    let gone = change("slot_settings", "old", Action::Delete, json!({ "on": true }), json!(null));
    let told = text(vec![gone]);
    assert_eq!(numbers(&is.counts, &told), ["0", "0", "1"]);
    assert!(is.destroys.is_match(&told) && is.destroyed.captures_iter(&told).count() == 1, "{told}");
    for (changes, counts) in [(everything(), Some(["1", "3", "1"])), (vec![everything().remove(5)], None)] {
        let (changes, _) = drift(ChangeSet { changes }, &[]);
        let told = terminal(&plan(&changes, PlanView::default())).plain();
        match counts {
            Some(counts) => assert_eq!(numbers(&is.counts, &told), counts),
            None => assert!(is.matches.is_match(&told) && !is.counts.is_match(&told), "{told}"),
        }
    }
}

#[test]
fn a_comment_is_understood_by_those_who_search_it() {
    let is = patterns();
    let view = MarkdownView { subject: "plan x", budget: 65_536 };
    let told = markdown(&plan(&ChangeSet { changes: everything() }, PlanView::default()), view);
    let anywhere =
        Regex::new(r"Plan: (?:(\d+) to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy\.").unwrap();
    assert_eq!(numbers(&anywhere, &told), ["1", "3", "1"]);
    let told = markdown(&plan(&ChangeSet { changes: vec![everything().remove(8)] }, PlanView::default()), view);
    assert!(is.matches.is_match(&told), "{told}");
}

#[test]
fn changes_are_counted_and_named() {
    let (is, told) = (patterns(), text(everything()));
    let counts: Vec<&str> = is.counts.captures(&told).unwrap().iter().skip(1).flatten().map(|n| n.as_str()).collect();
    assert_eq!(counts, ["1", "3", "1"], "{told}");
    assert!(is.destroys.is_match(&told) && !is.no_changes.is_match(&told) && !is.error.is_match(&told), "{told}");
    let named = |pattern: &Regex| pattern.captures_iter(&told).count().to_string();
    assert_eq!([named(&is.created), named(&is.updated), named(&is.destroyed)], ["1", "3", "1"], "{told}");
}

#[test]
fn no_changes_and_held_ones_are_no_changes() {
    let is = patterns();
    for only in [8, 7] {
        let told = text(vec![everything().remove(only)]);
        assert_eq!(is.matches.is_match(&told), only == 8, "what is held does not match it: {told}");
        assert!(is.no_changes.is_match(&told) && !is.counts.is_match(&told) && !is.error.is_match(&told), "{told}");
    }
}

#[test]
fn failures_are_errors() {
    let is = patterns();
    let alone = Failure::new(Class::Forbidden, "not allowed").detail("one\nError: two").remedy("grant it");
    let told = terminal(&failure(&alone)).plain();
    assert_eq!(is.error.find_iter(&told).count(), 1, "{told}");
    let mut blind = everything().remove(8);
    blind.failure = Some(alone);
    let told = text(vec![blind]);
    assert!(is.error.is_match(&told) && !is.no_changes.is_match(&told), "{told}");
}
