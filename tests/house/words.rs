//! Messages follow docs/words.md, as far as a machine can tell. That a summary is constant, its type sees to.

use crate::files::{below, name, none, text};

/// Words that docs/words.md has no use for.
const UNWANTED: [&str; 5] = ["please", "sorry", "oops", "invalid", "failed to"];

/// Summaries without a remedy, and why nothing can be told there.
const NO_REMEDY: [(&str, &str); 1] =
    [("the database server cannot be reached", "its two callers add the one that fits what happened")];

/// A failure that is made somewhere outside tests, the sandbox and the world in memory.
struct Made {
    file: String,
    /// Its summary; empty where a variable holds it.
    summary: String,
    /// What follows, up to the next one or the end of the function.
    then: String,
}

fn failures() -> Vec<Made> {
    let mut found = Vec::new();
    for path in below("src", ".rs") {
        let file = name(&path);
        let rooms = ["src/sandbox/", "src/resources/memory/", "src/resources/behaviour/", "src/model/failure.rs"];
        if file.contains("test") || rooms.iter().any(|room| file.starts_with(room)) {
            continue;
        }
        let code = text(&path);
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for part in code.split("Failure::new(").skip(1) {
            let then = part.split("\n}\n").next().and_then(|part| part.split("\n    }\n").next()).unwrap_or_default();
            let arguments = then.split(')').next().unwrap_or_default();
            let summary = arguments.split('"').nth(1).unwrap_or_default();
            found.push(Made { file: file.clone(), summary: summary.to_owned(), then: then.to_owned() });
        }
    }
    assert!(found.len() > 150, "only {} failures were found", found.len());
    found
}

#[test]
fn summaries_are_short_and_calm() {
    let unwanted = |summary: &str| UNWANTED.iter().any(|word| summary.to_lowercase().contains(word));
    let breaks = |made: &&Made| {
        let summary = &made.summary;
        summary.ends_with(['.', '!']) || summary.contains('\n') || summary.len() > 80 || unwanted(summary)
    };
    let all = failures();
    let complaints: Vec<String> =
        all.iter().filter(breaks).map(|made| format!("{}: {}", made.file, made.summary)).collect();
    none("summaries that break docs/words.md", &complaints);
}

#[test]
fn every_failure_says_what_to_do() {
    let excused = |summary: &str| NO_REMEDY.iter().any(|(known, _)| *known == summary);
    let all = failures();
    let complaints: Vec<String> = all
        .iter()
        .filter(|made| !made.then.contains("remedy") && !excused(&made.summary))
        .map(|made| format!("{}: {}", made.file, made.summary))
        .collect();
    none("failures without a remedy", &complaints);
    let unused: Vec<&str> = NO_REMEDY
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| !all.iter().any(|made| made.summary == *known && !made.then.contains("remedy")))
        .collect();
    none("excuses that nothing needs", &unused.into_iter().map(str::to_owned).collect::<Vec<_>>());
}
