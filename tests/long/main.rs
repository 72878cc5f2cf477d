//! The long fault run: the built binary against the sandbox, with faults of the service and kill -9 at journal records.
//!
//! It runs when `PGENTRA_LONG` is 1 (`make faults`). `PGENTRA_LONG_ONLY` narrows it to rows that contain a text.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may panic, and coverage is printed")]

mod deaths;
mod hits;
mod laws;
mod matrix;
mod same;
mod sandbox;
#[path = "../common/trial.rs"]
mod trial;

/// Whether the long run was asked for; says so when it was not.
fn asked_for() -> bool {
    let asked = std::env::var("PGENTRA_LONG").is_ok_and(|value| value == "1");
    if !asked {
        println!("skipped: `make faults` runs it");
    }
    asked
}

/// Whether a row is wanted.
fn wanted(row: &str) -> bool {
    std::env::var("PGENTRA_LONG_ONLY").map_or(true, |text| row.contains(&text))
}
