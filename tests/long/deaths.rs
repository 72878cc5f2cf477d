//! kill -9 of the built binary at every journal record, of an apply and of a rollback.

use std::time::Duration;

use super::same::World;
use super::sandbox::Sandbox;
use super::{asked_for, wanted};

const PLAN: &str = "rmhazuregeoapi.toml";
const APPLY: [&str; 5] = ["apply", "plan.toml", "--auto-approve", "--on-failure", "stop"];

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

#[tokio::test]
async fn death_at_every_record_of_an_apply() {
    if !asked_for() {
        return;
    }
    let mut sandbox = Sandbox::up();
    sandbox.begin(PLAN);
    let before = World::of(&sandbox).await;
    assert_eq!(sandbox.apply().code, 0);
    let (after, records) = (World::of(&sandbox).await, sandbox.records());
    let mut killed = [0, 0];
    for at in 1..=records {
        for way in [0, 1] {
            let told = format!("apply killed at record {at} of {records}, then {}", ["resume", "rollback"][way]);
            if !wanted(&told) {
                continue;
            }
            println!("{told}");
            sandbox.begin(PLAN);
            killed[way] += usize::from(kill_at(&sandbox, &APPLY, at));
            // The session of a killed client ends when the server notices.
            std::thread::sleep(Duration::from_millis(500));
            let ended = if way == 0 { sandbox.resume() } else { sandbox.rollback(&["--remove-kept"]) };
            assert_eq!(ended.code, 0, "{told}\n{}\n{}", ended.said, sandbox.journal());
            let (now, wanted) = (World::of(&sandbox).await, if way == 0 { &after } else { &before });
            assert!(now == *wanted, "{told}\n{}", wanted.difference(&now));
        }
    }
    println!(
        "apply: {records} records, killed alive {} times before a resume, {} before a rollback",
        killed[0], killed[1]
    );
}

#[tokio::test]
async fn death_at_every_record_of_a_rollback() {
    if !asked_for() {
        return;
    }
    let mut sandbox = Sandbox::up();
    sandbox.begin(PLAN);
    let before = World::of(&sandbox).await;
    assert_eq!(sandbox.apply().code, 0);
    let records = sandbox.records();
    let undo = ["rollback", "--file", "plan.toml", "--auto-approve", "--remove-kept"];
    assert_eq!(sandbox.run(&undo).code, 0);
    let all = sandbox.records();
    for at in records + 1..=all {
        let told = format!("rollback killed at record {} of {}", at - records, all - records);
        if !wanted(&told) {
            continue;
        }
        println!("{told}");
        sandbox.begin(PLAN);
        assert_eq!(sandbox.apply().code, 0);
        kill_at(&sandbox, &undo, at);
        std::thread::sleep(Duration::from_millis(500));
        let ended = sandbox.rollback(&["--remove-kept"]);
        assert_eq!(ended.code, 0, "{told}\n{}\n{}", ended.said, sandbox.journal());
        let now = World::of(&sandbox).await;
        assert!(now == before, "{told}\n{}", before.difference(&now));
    }
}
