//! Messages follow docs/words.md, as far as a machine can tell. That a summary is constant, its type sees to.

use crate::failures::{Made, failures};
use crate::files::none;

/// Words that docs/words.md has no use for.
const UNWANTED: [&str; 5] = ["please", "sorry", "oops", "invalid", "failed to"];

/// Summaries without a remedy, and why nothing can be told there.
const NO_REMEDY: [(&str, &str); 1] =
    [("the database server cannot be reached", "its two callers add the one that fits what happened")];

#[test]
fn summaries_are_short_and_calm() {
    let unwanted = |summary: &str| UNWANTED.iter().any(|word| summary.to_lowercase().contains(word));
    let breaks = |made: &&Made| {
        let summary = made.summary.as_deref().unwrap_or_default();
        summary.ends_with(['.', '!']) || summary.contains('\n') || summary.len() > 80 || unwanted(summary)
    };
    let all = failures();
    let complaints: Vec<String> = all
        .iter()
        .filter(breaks)
        .map(|made| format!("{}: {}", made.file, made.summary.as_deref().unwrap_or_default()))
        .collect();
    none("summaries that break docs/words.md", &complaints);
}

#[test]
fn every_failure_says_what_to_do() {
    let excused = |summary: &str| NO_REMEDY.iter().any(|(known, _)| *known == summary);
    let all = failures();
    let complaints: Vec<String> = all
        .iter()
        .filter(|made| !made.then.contains("remedy") && !excused(made.summary.as_deref().unwrap_or_default()))
        .map(|made| format!("{}: {}", made.file, made.summary.as_deref().unwrap_or_default()))
        .collect();
    none("failures without a remedy", &complaints);
    let unused: Vec<&str> = NO_REMEDY
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| {
            !all.iter().any(|made| made.summary.as_deref() == Some(*known) && !made.then.contains("remedy"))
        })
        .collect();
    none("excuses that nothing needs", &unused.into_iter().map(str::to_owned).collect::<Vec<_>>());
}
