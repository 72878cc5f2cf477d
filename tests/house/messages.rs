//! The proof that no message is forgotten: each failure and each rule stands in a snapshot that people read.

use std::collections::BTreeSet;

use crate::failures::{by_hand, failures, rules, titles};
use crate::files::{below, name, none, root, text};

/// Failures that no test can provoke, and why.
const UNPROVOKED: [(&str, &str); 9] = [
    ("cannot hear signals", "only where the system takes no more signal handlers"),
    ("cannot set up the HTTP client", "only where the system has no roots of trust at all"),
    ("cannot start", "only where the system gives no thread or event queue"),
    ("the connection is gone", "a lease has its session until it is dropped"),
    ("the connections were closed", "nobody closes them while the process lives"),
    ("the password cannot be used as a key", "HMAC takes keys of any length; the type says otherwise"),
    ("the record cannot be written", "a record of the ledger has nothing that JSON cannot hold"),
    ("the server did not tell the time", "PostgreSQL answers `SELECT now()` with one row"),
    ("the system gives no random numbers", "only where the system's random source fails"),
];

/// Texts that look like a rule and are none, and what they are.
const NO_RULE: [(&str, &str); 0] = [];

/// A snapshot of messages: one of what `told...` gives.
struct Shown {
    file: String,
    /// The test file that made it.
    source: String,
    /// The test, or the name that the test gives it.
    name: String,
    text: String,
}

fn snapshots() -> Vec<Shown> {
    let shown = below("src", ".snap").into_iter().filter_map(|path| {
        let (whole, file) = (text(&path), name(&path));
        let (head, text) = whole.strip_prefix("---\n")?.split_once("\n---\n")?;
        let field = |field: &str| head.lines().find_map(|line| line.strip_prefix(field)).map(str::trim);
        let expression = field("expression:")?;
        let told = ["told(", "told_"].iter().any(|told| expression.contains(told));
        let made_by = file.strip_suffix(".snap")?.rsplit("__").next()?.to_owned();
        told.then(|| Shown { source: field("source:").unwrap().to_owned(), name: made_by, text: text.to_owned(), file })
    });
    let shown: Vec<Shown> = shown.collect();
    assert!(shown.len() > 10, "only {} snapshots of messages were found", shown.len());
    shown
}

/// The summaries that a reader of the snapshots meets.
fn summaries() -> BTreeSet<String> {
    let heads = snapshots().into_iter().flat_map(|shown| shown.text.lines().map(str::to_owned).collect::<Vec<_>>());
    heads.filter_map(|line| line.strip_prefix("Error: ").map(str::to_owned)).collect()
}

/// The rules that a reader of the snapshots meets: `error[rule]: ...`.
fn shown_rules() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in snapshots().iter().flat_map(|shown| shown.text.lines()) {
        let rest = line.strip_prefix("error[").or_else(|| line.strip_prefix("warning["));
        found.extend(rest.and_then(|rest| rest.split(']').next()).map(str::to_owned));
    }
    found
}

#[test]
fn every_failure_stands_in_a_snapshot() {
    let (made, shown) = (failures(), summaries());
    let excused = |summary: &String| UNPROVOKED.iter().any(|(known, _)| known == summary);
    let missing = made.iter().filter_map(|made| Some((&made.file, made.summary.as_ref()?)));
    let missing: BTreeSet<String> = missing
        .filter(|(_, summary)| !shown.contains(*summary) && !excused(summary))
        .map(|(file, summary)| format!("{file}: {summary}"))
        .collect();
    none("failures that no snapshot of messages shows", &missing.into_iter().collect::<Vec<_>>());
    let all: BTreeSet<&str> = made.iter().filter_map(|made| made.summary.as_deref()).collect();
    let unused = UNPROVOKED.iter().filter(|(known, _)| !all.contains(known) || shown.contains(*known));
    none("excuses that nothing needs", &unused.map(|(known, _)| (*known).to_owned()).collect::<Vec<_>>());
}

#[test]
fn every_rule_stands_in_a_snapshot() {
    let (rules, shown) = (rules(), shown_rules());
    let excused = |rule: &String| NO_RULE.iter().any(|(known, _)| known == rule);
    let missing: BTreeSet<String> = rules
        .iter()
        .filter(|(rule, _)| !shown.contains(rule) && !excused(rule))
        .map(|(rule, file)| format!("{file}: {rule}"))
        .collect();
    none("rules that no snapshot of messages shows", &missing.into_iter().collect::<Vec<_>>());
    let unused = NO_RULE.iter().filter(|(known, _)| !rules.iter().any(|(rule, _)| rule == known));
    none("excuses that nothing needs", &unused.map(|(known, _)| (*known).to_owned()).collect::<Vec<_>>());
}

/// One rule has many titles; each of them is a message.
#[test]
fn every_title_stands_in_a_snapshot() {
    let snapshots = snapshots();
    let lines = snapshots.iter().flat_map(|shown| shown.text.lines());
    let heads = lines.filter(|line| line.starts_with("error[") || line.starts_with("warning["));
    let shown: Vec<&str> = heads.filter_map(|line| Some(line.split_once("]: ")?.1)).collect();
    let missing = titles().into_iter().filter(|(_, pieces)| !shown.iter().any(|title| fits(title, pieces)));
    let missing: BTreeSet<String> = missing.map(|(file, pieces)| format!("{file}: {}", pieces.join("{}"))).collect();
    none("titles of findings that no snapshot of messages shows", &missing.into_iter().collect::<Vec<_>>());
}

/// Whether a title has these pieces, in this order, with anything between them.
fn fits(title: &str, pieces: &[String]) -> bool {
    let Some((first, others)) = pieces.split_first() else { return false };
    let Some(mut rest) = title.strip_prefix(first.as_str()) else { return false };
    let Some((last, between)) = others.split_last() else { return rest.is_empty() };
    for piece in between {
        let Some((_, after)) = rest.split_once(piece.as_str()) else { return false };
        rest = after;
    }
    rest.ends_with(last.as_str())
}

/// Otherwise the proofs above would not see it.
#[test]
fn a_summary_stands_where_its_failure_is_made() {
    let hidden = failures().into_iter().filter(|made| made.summary.is_none()).map(|made| made.file);
    none("summaries that a variable holds", &hidden.collect::<Vec<_>>());
    none("summaries that `Failure::new` does not see", &by_hand());
}

/// A snapshot that no test makes any more would prove nothing, nor would one of a failure that the test made itself.
#[test]
fn snapshots_of_messages_are_made_by_tests_that_provoke_them() {
    let made = failures();
    let mut complaints = Vec::new();
    for shown in snapshots() {
        let Ok(test) = std::fs::read_to_string(root().join(&shown.source)) else {
            complaints.push(format!("{}: {} is gone", shown.file, shown.source));
            continue;
        };
        if !test.contains(&format!("fn {}(", shown.name)) && !test.contains(&format!("\"{}\"", shown.name)) {
            complaints.push(format!("{}: no test makes it", shown.file));
        }
        let own = made.iter().filter_map(|made| made.summary.as_ref());
        let copied = own.filter(|summary| test.contains("Failure::new(") && test.contains(&format!("\"{summary}\"")));
        complaints.extend(copied.map(|summary| format!("{}: made by hand: {summary}", shown.source)));
    }
    complaints.dedup();
    none("snapshots of messages that prove nothing", &complaints);
}
