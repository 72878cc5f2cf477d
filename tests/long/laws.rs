//! The laws that kinds declare, tried on the live world of the sandbox: it refuses what the world in memory refuses.

use std::process::Command;

use pgentra::cli::{args::Global, live};
use pgentra::resources::{MemoryWorld, Trial};

use super::sandbox::Sandbox;
use super::trial::{file, refused};
use super::{asked_for, wanted};

/// The environment variable that says which law is tried; set in processes that have a sandbox's environment.
const LAW: &str = "PGENTRA_LAW";

#[test]
fn the_sandbox_has_every_law() {
    if !asked_for() {
        return;
    }
    let mut sandbox = Sandbox::up();
    for (number, (kind, law)) in MemoryWorld::new().laws().into_iter().enumerate() {
        let told = format!("{kind}: {}", law.says);
        match law.trial {
            Trial::Stricter(why) => println!("{told}: only in memory, {why}"),
            Trial::Refused { .. } if wanted(&told) => {
                sandbox.begin("check.toml");
                // The live world takes its sign-in and its certificates from the environment of its process.
                let mut trial = Command::new(std::env::current_exe().unwrap());
                trial.args(["laws::one_law", "--exact", "--ignored", "--nocapture"]).env(LAW, number.to_string());
                let output = trial.envs(sandbox.env()).output().unwrap();
                assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
                println!("{told}: refused");
            }
            Trial::Refused { .. } => {}
        }
    }
}

#[tokio::test]
#[ignore = "the test above runs it in a sandbox's environment"]
async fn one_law() {
    let Ok(number) = std::env::var(LAW) else { return };
    let (kind, law) = MemoryWorld::new().laws()[number.parse::<usize>().unwrap()];
    let world = live::world(&file("").target, &Global::default(), None).await.unwrap();
    let failure = refused(&world, kind, &law).await.unwrap();
    assert_eq!(failure.class, law.class, "{failure}");
}
