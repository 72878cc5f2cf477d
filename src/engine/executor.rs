//! The loop that runs tasks: starts what may start, journals what ends, and lets a failure stop what it has to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::fill::filled;
use super::run::{Ran, Rules, Stop, Way};
use super::unit::{Scope, unit};
use super::walk::{Intent, Looked, Walked, before_write, write};
use super::{Chronicle, Listener, Task};
use crate::journal::Event;
use crate::model::{Address, Attributes, Class, Failure, Step};
use crate::resources::{Watch, World};

/// What a running task has come to.
enum Ended<'t> {
    /// The look before the write.
    Looked(&'t Task, Result<Looked, Failure>),
    /// The write and the look after it.
    Wrote(&'t Task, Result<Walked, Failure>),
}

/// The tasks that are running.
type Running<'t> = FuturesUnordered<BoxFuture<'t, Ended<'t>>>;

/// A step's id and the operation that a service took on for it.
type Accepted = (String, String);

/// One call of [`super::run`].
pub(super) struct Executor<'t, 'r, 'c> {
    world: &'t dyn World,
    tasks: &'t [Task],
    waiting: Vec<&'t Task>,
    done: BTreeSet<&'t str>,
    known: BTreeSet<&'t str>,
    busy: BTreeSet<&'t str>,
    down: BTreeSet<String>,
    given: &'r mut BTreeMap<Address, Attributes>,
    chronicle: &'r mut Chronicle<'c>,
    rules: Rules<'t>,
    accepted: (UnboundedSender<Accepted>, UnboundedReceiver<Accepted>),
    /// Tells what runs that the journal takes nothing more.
    broken: Arc<AtomicBool>,
    ran: Ran,
}

impl<'t, 'r, 'c: 't> Executor<'t, 'r, 'c> {
    pub(super) fn new(
        world: &'t dyn World,
        tasks: &'t [Task],
        given: &'r mut BTreeMap<Address, Attributes>,
        chronicle: &'r mut Chronicle<'c>,
        rules: Rules<'t>,
    ) -> Self {
        Self {
            world,
            tasks,
            waiting: tasks.iter().collect(),
            done: BTreeSet::new(),
            known: tasks.iter().map(|task| task.step.id.as_str()).collect(),
            busy: BTreeSet::new(),
            down: BTreeSet::new(),
            given,
            chronicle,
            rules,
            accepted: unbounded_channel(),
            broken: Arc::default(),
            ran: Ran::default(),
        }
    }

    pub(super) async fn run(mut self) -> Result<Ran, Failure> {
        let mut running = Running::new();
        loop {
            match self.turn(&mut running).await {
                Ok(true) => {}
                Ok(false) => break,
                // Without a journal nothing more begins, but a call in flight is never dropped.
                Err(failure) => {
                    self.broken.store(true, Ordering::SeqCst);
                    while running.next().await.is_some() {}
                    return Err(failure);
                }
            }
        }
        self.leave_the_rest().await?;
        Ok(self.ran)
    }

    /// Starts what may start, and journals the next thing that happens. False: nothing runs any more.
    async fn turn(&mut self, running: &mut Running<'t>) -> Result<bool, Failure> {
        while let Some(task) = self.next(running.len()) {
            running.push(self.begin(task).await?);
        }
        let ended = tokio::select! {
            biased;
            Some(accepted) = self.accepted.1.recv() => { self.accept(accepted).await?; return Ok(true); }
            ended = running.next() => ended,
        };
        while let Ok(accepted) = self.accepted.1.try_recv() {
            self.accept(accepted).await?;
        }
        match ended {
            None => return Ok(false),
            Some(Ended::Looked(task, Ok(Looked::Write(intent)))) => {
                if self.rules.way == Way::Back || task.journaled {
                    // It was journaled before the look, which may have taken minutes.
                    self.chronicle.lasts()?;
                } else {
                    let (step, found) = (task.step.id.clone(), intent.found.clone());
                    self.chronicle.write(Event::Started { step, found }).await?;
                }
                running.push(self.write(task, intent));
            }
            Some(Ended::Looked(task, Ok(Looked::Over(walked)))) => self.finish(task, Ok(walked)).await?,
            Some(Ended::Looked(task, Err(failure))) => self.finish(task, Err(failure)).await?,
            Some(Ended::Wrote(task, result)) => self.finish(task, result).await?,
        }
        Ok(true)
    }

    fn stopped(&self) -> bool {
        self.rules.stop.load(Ordering::SeqCst)
    }

    /// The next task that may start.
    fn next(&mut self, running: usize) -> Option<&'t Task> {
        if self.stopped() || running >= self.rules.parallelism.max(1) {
            return None;
        }
        let leans = |on: &String| self.done.contains(on.as_str()) || !self.known.contains(on.as_str());
        let free = |step: &Step| step.serial_key.as_deref().is_none_or(|key| !self.busy.contains(key));
        let may = |task: &&Task| {
            !self.down.contains(&task.step.id) && free(&task.step) && task.step.leans_on.iter().all(leans)
        };
        let at = self.waiting.iter().position(may)?;
        Some(self.waiting.remove(at))
    }

    /// Starts with the look. What an earlier try began, and an undo, are journaled before it: both may write at once.
    async fn begin(&mut self, task: &'t Task) -> Result<BoxFuture<'t, Ended<'t>>, Failure> {
        let id = task.step.id.clone();
        match self.rules.way {
            Way::Back => self.chronicle.write(Event::UndoStarted { step: id }).await?,
            Way::Forward(_) if task.journaled => self.chronicle.write(Event::started(id)).await?,
            Way::Forward(_) => {}
        }
        self.busy.extend(task.step.serial_key.as_deref());
        let (world, watcher) = (self.world, self.watcher(task));
        let filled = filled(&task.step, self.given).map(|step| Task { step, ..task.clone() });
        let look = async move {
            Ended::Looked(
                task,
                match filled {
                    Ok(filled) => before_write(world, &filled, &watcher).await,
                    Err(failure) => Err(failure),
                },
            )
        };
        Ok(look.boxed())
    }

    fn write(&self, task: &'t Task, intent: Box<Intent>) -> BoxFuture<'t, Ended<'t>> {
        let (world, watcher) = (self.world, self.watcher(task));
        async move { Ended::Wrote(task, write(world, &intent, &watcher).await) }.boxed()
    }

    fn watcher(&self, task: &'t Task) -> Watcher<'t> {
        Watcher {
            step: &task.step.id,
            listener: self.chronicle.listener(),
            stop: self.rules.stop,
            broken: self.broken.clone(),
            accepted: self.accepted.0.clone(),
        }
    }

    /// Keeps where to ask for an operation, as long as its step runs.
    async fn accept(&mut self, (step, operation): Accepted) -> Result<(), Failure> {
        self.chronicle.write(Event::Accepted { step, operation }).await
    }

    /// Journals how a task went, and lets others lean on it when it went well.
    async fn finish(&mut self, task: &'t Task, result: Result<Walked, Failure>) -> Result<(), Failure> {
        if let Some(key) = &task.step.serial_key {
            self.busy.remove(key.as_str());
        }
        let step = task.step.id.clone();
        let outputs = match &result {
            Ok(Walked::Done(outputs) | Walked::AlreadyThere(outputs)) => Some(outputs.clone()),
            Ok(Walked::Kept(_)) => Some(Attributes::new()),
            _ => None,
        };
        let (event, failure) = match (self.rules.way, result) {
            // It stays begun: what was begun may go on by itself, and the next look decides.
            (_, Err(failure)) if failure.class == Class::Interrupted => {
                self.ran.interrupted = true;
                return Ok(());
            }
            (Way::Back, result) => undone(step, result),
            (Way::Forward(_), result) => done(step, result, task.journaled),
        };
        if let Event::Held { step, .. } = &event {
            self.ran.held.insert(step.clone());
        }
        self.chronicle.write(event).await?;
        if let Some(outputs) = outputs {
            self.done.insert(&task.step.id);
            self.given.entry(task.step.address.clone()).or_default().extend(outputs);
        }
        if let Some(failure) = failure {
            self.ran.failed.push((task.step.id.clone(), failure));
            self.take_down();
        }
        Ok(())
    }

    /// Nothing new starts in what a failure takes down.
    fn take_down(&mut self) {
        if let Way::Forward(scope) = self.rules.way {
            let steps: Vec<&Step> = self.tasks.iter().map(|task| &task.step).collect();
            self.down = unit(&steps, &self.ran.failed.iter().map(|(id, _)| id.clone()).collect(), scope);
        }
    }

    /// What a failed undo keeps from being undone is said of each step, so that nothing is left unexplained.
    async fn leave_the_rest(&mut self) -> Result<(), Failure> {
        if self.stopped() {
            self.ran.interrupted |= !self.waiting.is_empty();
            return Ok(());
        }
        if !matches!(self.rules.way, Way::Back | Way::Forward(Scope::Branch)) {
            return Ok(());
        }
        for task in std::mem::take(&mut self.waiting) {
            let on_it = task
                .step
                .leans_on
                .iter()
                .find(|on| self.known.contains(on.as_str()) && !self.done.contains(on.as_str()));
            let on_it = on_it.map_or("what leans on it", String::as_str);
            let step = task.step.id.clone();
            let failure = Failure::new(Class::Other, "it stays, because what leans on it could not be undone")
                .detail(on_it)
                .remedy("mend what failed there, then run the same command again");
            if self.rules.way == Way::Back {
                self.chronicle.write(Event::UndoStarted { step: step.clone() }).await?;
                self.chronicle.write(Event::UndoFailed { step: step.clone(), error: failure.to_string() }).await?;
            } else {
                let event = Event::Failed { step: step.clone(), error: failure.to_string(), refused: false };
                self.chronicle.write(event).await?;
            }
            self.ran.failed.push((step, failure));
        }
        Ok(())
    }
}

/// The event of a step that went forward. `journaled`: an earlier try had begun it, so what is there may be ours.
fn done(step: String, result: Result<Walked, Failure>, journaled: bool) -> (Event, Option<Failure>) {
    match result {
        Ok(Walked::AlreadyThere(outputs)) if !journaled => (Event::AlreadyThere { step, outputs }, None),
        Ok(Walked::Done(outputs) | Walked::AlreadyThere(outputs)) => (Event::Done { step, outputs }, None),
        Ok(Walked::Held { reason, earliest }) => (Event::Held { step, reason, earliest }, None),
        Ok(Walked::Kept(reason)) => (Event::Kept { step, reason }, None),
        Ok(Walked::Refused(failure)) => {
            (Event::Failed { step, error: failure.to_string(), refused: !journaled }, Some(failure))
        }
        Err(failure) => (Event::Failed { step, error: failure.to_string(), refused: false }, Some(failure)),
    }
}

/// The event of a step that went back.
fn undone(step: String, result: Result<Walked, Failure>) -> (Event, Option<Failure>) {
    match result {
        Ok(Walked::Kept(reason)) => (Event::Kept { step, reason }, None),
        Ok(Walked::Refused(failure)) | Err(failure) => {
            (Event::UndoFailed { step, error: failure.to_string() }, Some(failure))
        }
        Ok(_) => (Event::Undone { step }, None),
    }
}

/// Goes with one running step.
struct Watcher<'t> {
    step: &'t str,
    listener: &'t dyn Listener,
    stop: &'t Stop,
    broken: Arc<AtomicBool>,
    accepted: UnboundedSender<Accepted>,
}

impl Watch for Watcher<'_> {
    fn note(&self, text: &str) {
        self.listener.note(self.step, text);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst) || self.broken.load(Ordering::SeqCst)
    }

    fn accepted(&self, operation: &str) {
        // Nobody listens any more when the run has ended; then the step has too.
        let _ = self.accepted.send((self.step.to_owned(), operation.to_owned()));
    }
}
