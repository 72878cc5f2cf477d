//! Kills the built binary (kill -9) at every journal record, of an apply and of a rollback.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::same::World;
use super::sandbox::{APPLY, Sandbox, block_on, spread};
use super::{asked_for, wanted};

const PLAN: &str = "rmhazuregeoapi.toml";
const UNDO: [&str; 5] = ["rollback", "--file", "plan.toml", "--auto-approve", "--remove-kept"];

/// One command, and the number of the record at which it is killed.
struct Death {
    told: String,
    at: usize,
    rollback: bool,
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
    assert_eq!(sandbox.run(&UNDO).code, 0);
    let all = sandbox.records();
    drop(sandbox);
    let deaths = deaths(applied, all);
    let alive = AtomicUsize::new(0);
    spread(&deaths, |sandbox, death| {
        println!("{}", death.told);
        sandbox.begin(PLAN);
        if death.rollback {
            assert_eq!(sandbox.apply().code, 0);
        }
        let killed = kill_at(sandbox, if death.rollback { &UNDO } else { &APPLY }, death.at);
        alive.fetch_add(usize::from(killed), Ordering::SeqCst);
        // The session of a killed client ends when the server notices.
        std::thread::sleep(Duration::from_millis(500));
        let ended = if death.undone { sandbox.rollback(&["--remove-kept"]) } else { sandbox.resume() };
        assert_eq!(ended.code, 0, "{}\n{}\n{}", death.told, ended.said, sandbox.journal());
        let (now, end) = (block_on(World::of(sandbox)), if death.undone { &before } else { &after });
        assert!(now == *end, "{}\n{}", death.told, end.difference(&now));
    });
    println!("{} deaths, {} of them of a process that was still alive", deaths.len(), alive.into_inner());
}

fn deaths(applied: usize, all: usize) -> Vec<Death> {
    let mut deaths = Vec::new();
    for at in 1..=applied {
        for (undone, then) in [(false, "resume"), (true, "rollback")] {
            let told = format!("apply killed at record {at} of {applied}, then {then}");
            deaths.push(Death { told, at, rollback: false, undone });
        }
    }
    for at in applied + 1..=all {
        let told = format!("rollback killed at record {} of {}, then rollback", at - applied, all - applied);
        deaths.push(Death { told, at, rollback: true, undone: true });
    }
    deaths.retain(|death| wanted(&death.told));
    deaths
}
