//! Messages follow docs/words.md, as far as a machine can tell.

use crate::files::{below, name, none, text};

/// How many failures still name their case in the summary. It only ever goes down: put the name into the detail.
const NAMED_AT_MOST: usize = 116;

/// Words that docs/words.md has no use for.
const UNWANTED: [&str; 5] = ["please", "sorry", "oops", "invalid", "failed to"];

/// The summary that follows each `Failure::new(` outside tests and the sandbox: its text, and whether it is put together.
fn summaries() -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    for path in below("src", ".rs") {
        let file = name(&path);
        if file.contains("test") || file.starts_with("src/sandbox/") {
            continue;
        }
        let code = text(&path);
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (at, start) in code.match_indices("Failure::new(") {
            let rest = &code[at + start.len()..];
            let Some((before, rest)) = rest.split_once('"') else { continue };
            let summary = rest.split('"').next().unwrap_or_default();
            found.push((file.clone(), summary.to_owned(), before.contains("format!(")));
        }
    }
    assert!(found.len() > 150, "only {} summaries were found", found.len());
    found
}

#[test]
fn summaries_are_short_and_calm() {
    let unwanted = |summary: &str| UNWANTED.iter().any(|word| summary.to_lowercase().contains(word));
    let breaks = |(_, summary, _): &&(String, String, bool)| {
        summary.ends_with(['.', '!']) || summary.contains('\n') || summary.len() > 110 || unwanted(summary)
    };
    let all = summaries();
    let complaints: Vec<String> =
        all.iter().filter(breaks).map(|(file, summary, _)| format!("{file}: {summary}")).collect();
    none("summaries that break docs/words.md", &complaints);
}

#[test]
fn ever_fewer_summaries_name_their_case() {
    let named: Vec<String> = summaries()
        .into_iter()
        .filter(|(.., put)| *put)
        .map(|(file, summary, _)| format!("{file}: {summary}"))
        .collect();
    assert!(
        named.len() <= NAMED_AT_MOST,
        "{} summaries name their case, {NAMED_AT_MOST} may: put names into the detail\n  {}",
        named.len(),
        named.join("\n  ")
    );
    assert!(named.len() + 3 > NAMED_AT_MOST, "only {} are left: lower NAMED_AT_MOST", named.len());
}
