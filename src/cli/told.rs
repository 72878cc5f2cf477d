//! Messages as a terminal shows them, for the tests of every room that keep one of each to be read.

use std::fmt::Write as _;

use super::exit::Exit;
use super::findings;
use super::locate::Source;
use crate::model::Failure;
use crate::plan::PlanFile;
use crate::report::{failure, terminal};

/// The text with `PORT` for the ports of this machine, which differ from run to run.
fn without_ports(text: &str) -> String {
    let mut parts = text.split(HERE);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let port = if rest.len() < part.len() - 1 { "PORT" } else { &part[..part.len() - rest.len()] };
        text + HERE + port + rest
    })
}

/// What stands before a port of this machine.
const HERE: &str = "127.0.0.1:";

/// Failures as text, each with its exit code. A snapshot of them is made by `assert_snapshot!(told(...))`: by that the
/// proof that no failure is forgotten knows it (`tests/house/messages.rs`).
pub(crate) fn told<'f>(failures: impl IntoIterator<Item = &'f Failure>) -> String {
    failures.into_iter().fold(String::new(), |mut text, one| {
        let page = without_ports(&terminal(&failure(one)).plain());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{page}exit {}\n", Exit::from(one.class).code());
        text
    })
}

/// The flaws of a plan file, each at its place, as `plan` shows them.
pub(crate) fn told_flaws(text: &str, file: &PlanFile, failure: &Failure) -> String {
    let source = Source { path: "plan.toml".into(), text: text.to_owned() };
    let found: Vec<_> = failure.flaws().iter().map(|flaw| findings::finding(file, flaw)).collect();
    assert!(!found.is_empty(), "{failure:?}");
    findings::text(&source, &found, false)
}
