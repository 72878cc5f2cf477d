//! The journal while a run writes it: numbers and dates each record, makes it durable, then tells the listener.

use std::time::Duration;

use jiff::Timestamp;

use crate::journal::{Event, Record};
use crate::model::{Class, Failure};
use crate::store::Held;

/// How long a call that a step makes may take before it is given up.
const CALL: Duration = Duration::from_secs(30);

/// Hears each event once it is durable, and what running steps are waiting for.
pub trait Listener: Send + Sync {
    /// An event was journaled.
    fn event(&self, record: &Record);
    /// A running step says what it waits for.
    fn note(&self, step: &str, text: &str);
}

/// A listener that hears nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Listener for Silent {
    fn event(&self, _: &Record) {}
    fn note(&self, _: &str, _: &str) {}
}

/// The journal of the run in hand.
pub struct Chronicle<'a> {
    held: &'a mut dyn Held,
    run: String,
    earlier: u64,
    begun: bool,
    records: Vec<Record>,
    listener: &'a dyn Listener,
}

impl<'a> Chronicle<'a> {
    /// Opens the journal `run`, which has `written` records so far.
    pub fn new(held: &'a mut dyn Held, run: impl Into<String>, written: u64, listener: &'a dyn Listener) -> Self {
        Self { held, run: run.into(), earlier: written, begun: written > 0, records: Vec::new(), listener }
    }

    /// Writes one event; it is durable when this returns, and nothing may follow from it before.
    ///
    /// # Errors
    /// Those of the store; the beginning of a step for which the lock may not last. The run has to stop then: of class
    /// `Interrupted` once a step was begun, since what is there can be taken up again.
    pub async fn write(&mut self, event: Event) -> Result<(), Failure> {
        let begins = matches!(event, Event::Started { .. } | Event::UndoStarted { .. });
        if begins {
            self.lasts()?;
        }
        let seq = self.earlier + self.records.len() as u64;
        let record = Record { seq, at: Timestamp::now(), event };
        self.held.append(&self.run, &record).await.map_err(|failure| self.amid(failure))?;
        self.begun |= begins;
        self.listener.event(&record);
        self.records.push(record);
        Ok(())
    }

    /// A failure of the store as the run meets it: once a step was begun, whatever it was, the run has stopped midway.
    pub fn amid(&self, failure: Failure) -> Failure {
        if self.begun { Failure { class: Class::Interrupted, ..failure } } else { failure }
    }

    /// Whether the lock lasts as long as a call may take: a step that began under it must not end under somebody else's.
    ///
    /// # Errors
    /// When it may not: nothing may be written then.
    pub fn lasts(&self) -> Result<(), Failure> {
        match self.held.time_left() {
            Some(left) if left < CALL => {
                let failure = Failure::new(Class::Locked, "the lock of the store runs out; nothing more was begun")
                    .detail(format!("it lasts {} s more, and a call may take {} s", left.as_secs(), CALL.as_secs()))
                    .remedy("see that the store can be reached, then take the run up again with `pgentra apply`");
                Err(self.amid(failure))
            }
            _ => Ok(()),
        }
    }

    /// The whole journal, when all of it was written here.
    pub fn records(&self) -> Option<&[Record]> {
        (self.earlier == 0).then_some(self.records.as_slice())
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Who hears it.
    pub fn listener(&self) -> &'a dyn Listener {
        self.listener
    }
}
