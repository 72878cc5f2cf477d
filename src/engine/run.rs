//! Runs tasks as soon as what they lean on is done, under a limit, never two with the same serial key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::executor::Executor;
use super::{Chronicle, Scope, Task};
use crate::model::{Address, Attributes, Class, Failure};
use crate::resources::World;

/// Asks a run to stop: nothing new is started, what runs is waited for. Safe to set at any time, from a signal too.
pub type Stop = AtomicBool;

/// What changes nothing may be ended at any time: answers a failure of class `Interrupted` soon after `stop` is set.
///
/// # Errors
/// Those of `look`; `Interrupted`.
pub async fn unless_stopped<T>(stop: &Stop, look: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let stopped = async {
        while !stop.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        looked = look => looked,
        () = stopped => Err(stopped_early()),
    }
}

fn stopped_early() -> Failure {
    Failure::new(Class::Interrupted, "stopped before anything was changed").remedy("run the same command again")
}

/// Which way tasks are run, and so which events they leave in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the ends that they were planned for; a failure starts nothing new within this scope.
    Forward(Scope),
    /// Back to where this run found them.
    Back,
}

/// How tasks are run.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// How many at a time.
    pub parallelism: usize,
    /// Asks to stop.
    pub stop: &'a Stop,
    /// Which way.
    pub way: Way,
}

/// What running came to.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// The steps that failed, with their failures, in the order in which they failed.
    pub failed: Vec<(String, Failure)>,
    /// The steps that a gate holds.
    pub held: BTreeSet<String>,
    /// Whether it was asked to stop before all was done.
    pub interrupted: bool,
}

/// Runs `tasks` (each after what it leans on; ids in `done` are done, others that are not among them too). `given` holds
/// the outputs known so far and takes the new ones.
///
/// # Errors
/// Only those of the journal; failures of steps are in the answer.
pub async fn run(
    world: &dyn World,
    tasks: &[Task],
    given: &mut BTreeMap<Address, Attributes>,
    chronicle: &mut Chronicle<'_>,
    rules: Rules<'_>,
) -> Result<Ran, Failure> {
    Executor::new(world, tasks, given, chronicle, rules).run().await
}
