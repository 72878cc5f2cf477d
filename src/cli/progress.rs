//! Live progress on standard error: spinners on a terminal, plain lines elsewhere; fed by the journal's events alone.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstream::ColorChoice;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::engine::Listener;
use crate::journal::Record;
use crate::report::{Line, Live, Text};

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
