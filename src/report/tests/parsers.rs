//! Tools that read Terraform's text understand ours: their patterns run over whole outputs.

use regex::Regex;

use super::{everything, text};
use crate::model::{Class, Failure};
use crate::report::{failure, terminal};

/// The patterns that tfcmt looks for in the text of plans and applies.
struct Patterns {
    counts: Regex,
    no_changes: Regex,
    error: Regex,
    destroys: Regex,
    created: Regex,
    updated: Regex,
    destroyed: Regex,
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
    }
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
