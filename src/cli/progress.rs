//! Live progress on standard error: spinners on a terminal, plain lines elsewhere; fed by the journal's events alone.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstream::ColorChoice;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::output::Output;
use crate::engine::Listener;
use crate::journal::Record;
use crate::report::{Line, Live, Stream, Text};

/// Who tells of a run while it goes on: events on standard output where those were asked for, otherwise progress.
pub fn listener(output: &Output) -> Box<dyn Listener + '_> {
    if output.streams() {
        Box::new(Events { output, stream: Mutex::default() })
    } else {
        Box::new(Progress::new(output.stderr_color()))
    }
}

/// Writes a run as a stream of events.
struct Events<'a> {
    output: &'a Output,
    stream: Mutex<Stream>,
}

impl Listener for Events<'_> {
    fn event(&self, record: &Record) {
        let events = lock(&self.stream).hear(record);
        // A reader that went away does not end a run; the journal has it all.
        drop(self.output.events(&events));
    }

    fn note(&self, step: &str, text: &str) {
        let event = lock(&self.stream).progress(step, text, Timestamp::now());
        drop(self.output.event(&event));
    }
}

/// Shows a run while it goes on.
#[derive(Debug)]
pub struct Progress {
    live: Mutex<Live>,
    spinners: Option<Spinners>,
    color: bool,
}

#[derive(Debug, Default)]
struct Spinners {
    all: MultiProgress,
    bars: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Progress {
    /// Progress on standard error; spinners when that is a terminal.
    pub fn new(color: ColorChoice) -> Self {
        let spinners = io::stderr().is_terminal().then(Spinners::default);
        Self { live: Mutex::default(), spinners, color: color != ColorChoice::Never }
    }
}

impl Listener for Progress {
    fn event(&self, record: &Record) {
        let mut live = lock(&self.live);
        if let Some(line) = live.hear(record) {
            self.print(line);
        }
        if let Some(spinners) = &self.spinners {
            spinners.follow(&live);
        }
    }

    fn note(&self, step: &str, text: &str) {
        let line = Line::plain(step).and(": ").and(text);
        match &self.spinners {
            Some(spinners) => spinners.note(step, &line.text()),
            None => self.print(line),
        }
    }
}

impl Progress {
    fn print(&self, line: Line) {
        let text: Text = [line].into_iter().collect();
        let text = if self.color { text.ansi() } else { text.plain() };
        match &self.spinners {
            // Progress is not worth an error: the journal has it all.
            Some(spinners) => drop(spinners.all.println(text.trim_end_matches('\n'))),
            None => drop(io::Write::write_all(&mut io::stderr().lock(), text.as_bytes())),
        }
    }
}

impl Spinners {
    fn follow(&self, live: &Live) {
        let mut bars = lock(&self.bars);
        bars.retain(|step, bar| {
            let runs = live.running().contains_key(step);
            if !runs {
                bar.finish_and_clear();
            }
            runs
        });
        for step in live.running().keys() {
            if !bars.contains_key(step) {
                let bar = self.all.add(ProgressBar::new_spinner().with_message(Line::plain(step).text()));
                if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg} [{elapsed}]") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(120));
                bars.insert(step.clone(), bar);
            }
        }
    }

    fn note(&self, step: &str, text: &str) {
        if let Some(bar) = lock(&self.bars).get(step) {
            bar.set_message(text.to_owned());
        }
    }
}

/// What a panicking thread left behind is still good enough for progress.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
