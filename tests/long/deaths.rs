//! Kills the built binary (kill -9) at every journal record, of an apply and of a rollback.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::same::World;
use super::sandbox::{APPLY, Sandbox, block_on, spread};
use super::{asked_for, wanted};

const PLAN: &str = "rmhazuregeoapi.toml";
const UNDO: [&str; 5] = ["rollback", "--file", "plan.toml", "--auto-approve", "--remove-kept"];
const UNDO_BUT_KEPT: [&str; 4] = ["rollback", "--file", "plan.toml", "--auto-approve"];

/// The command that is killed.
#[derive(Clone, Copy, PartialEq)]
enum Killed {
    Apply,
    Rollback,
    /// A second rollback of the same run, which takes away what the first one kept.
    RemoveKept,
}

/// One command, and the number of the record at which it is killed.
struct Death {
    told: String,
    at: usize,
    killed: Killed,
    /// Whether the run is undone afterwards; finished otherwise.
    undone: bool,
}

/// Kills a command as soon as the journals have this many whole lines; answers whether it was still alive.
fn kill_at(sandbox: &Sandbox, arguments: &[&str], records: usize) -> bool {
    let mut child = sandbox.spawn(arguments);
    while sandbox.records() < records && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let alive = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    sandbox.wait(child);
    alive
}

/// Undoes what the run `id` left when another rollback had undone the rest.
fn remove_kept(id: &str) -> Vec<&str> {
    [&UNDO[..], &[id]].concat()
}

#[test]
fn death_at_every_record_is_finished_and_undone() {
    if !asked_for() {
        return;
    }
    let mut sandbox = Sandbox::up();
    sandbox.begin(PLAN);
    let before = block_on(World::of(&sandbox));
    assert_eq!(sandbox.apply().code, 0);
    let (after, applied) = (block_on(World::of(&sandbox)), sandbox.records());
    let run = sandbox.oldest_run();
    assert_eq!(sandbox.run(&UNDO_BUT_KEPT).code, 0);
    let back = sandbox.records();
    assert_eq!(sandbox.run(&remove_kept(&run)).code, 0);
    let kept = sandbox.records();
    sandbox.begin(PLAN);
    assert_eq!(sandbox.apply().code, 0);
    assert_eq!(sandbox.run(&UNDO).code, 0);
    let all = sandbox.records();
    drop(sandbox);
    let deaths = deaths(applied, all, back, kept);
    let alive = AtomicUsize::new(0);
    let told = |death: &Death| death.told.clone();
    spread(&deaths, told, |sandbox, death| {
        sandbox.begin(PLAN);
        if death.killed != Killed::Apply {
            assert_eq!(sandbox.apply().code, 0);
        }
        let run = if death.killed == Killed::Apply { String::new() } else { sandbox.oldest_run() };
        if death.killed == Killed::RemoveKept {
            assert_eq!(sandbox.run(&UNDO_BUT_KEPT).code, 0);
        }
        let command = match death.killed {
            Killed::Apply => APPLY.to_vec(),
            Killed::Rollback => UNDO.to_vec(),
            Killed::RemoveKept => remove_kept(&run),
        };
        alive.fetch_add(usize::from(kill_at(sandbox, &command, death.at)), Ordering::SeqCst);
        // The session of a killed client ends when the server notices.
        std::thread::sleep(Duration::from_millis(500));
        let ended = match (death.undone, death.killed) {
            (false, _) => sandbox.resume(),
            (true, Killed::RemoveKept) => sandbox.rollback(&["--remove-kept", &run]),
            (true, _) => sandbox.rollback(&["--remove-kept"]),
        };
        // Killed at its last record, the second rollback had nothing left to undo.
        let over = death.killed == Killed::RemoveKept && ended.said.contains("was undone already");
        assert!(ended.code == 0 || over, "{}: {}\n{}\n{}", death.told, ended.code, ended.said, sandbox.journal());
        let (now, end) = (block_on(World::of(sandbox)), if death.undone { &before } else { &after });
        assert!(now == *end, "{}\n{}", death.told, end.difference(&now));
    });
    println!("{} deaths, {} of them of a process that was still alive", deaths.len(), alive.into_inner());
}

/// The number of records after an apply, after a whole rollback, after a rollback, and after a second one of what that kept.
fn deaths(applied: usize, all: usize, back: usize, kept: usize) -> Vec<Death> {
    let mut deaths = Vec::new();
    for at in 1..=applied {
        for (undone, then) in [(false, "resume"), (true, "rollback")] {
            let told = format!("apply killed at record {at} of {applied}, then {then}");
            deaths.push(Death { told, at, killed: Killed::Apply, undone });
        }
    }
    for (killed, says, from, to) in [
        (Killed::Rollback, "rollback", applied, all),
        (Killed::RemoveKept, "second rollback --remove-kept RUN", back, kept),
    ] {
        for at in from + 1..=to {
            let told = format!("{says} killed at record {} of {}, then the same", at - from, to - from);
            deaths.push(Death { told, at, killed, undone: true });
        }
    }
    deaths.retain(|death| wanted(&death.told));
    deaths
}
