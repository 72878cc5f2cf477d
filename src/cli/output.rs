//! Where results go: standard output as text or JSON, a JSON file besides, errors and progress on standard error.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::annotate::{self, Dialect, dialect};
use super::args::{Format, Global};
use crate::model::{Class, Failure};
use crate::report::{
    MarkdownView, Page, Text, failure, failure_event, html, json, json_line, markdown, terminal, version_event,
};

/// The sinks of one command.
#[derive(Debug)]
pub struct Output {
    format: Format,
    json_into: Option<PathBuf>,
    stdout: ColorChoice,
    stderr: ColorChoice,
    /// Whether standard output has something.
    told: AtomicBool,
    /// Whether a person sees standard output itself.
    seen: bool,
    /// Whether the JSON file has the result.
    filed: AtomicBool,
    budget: usize,
    annotations: Option<Dialect>,
    /// The command, and the plan file's name once it is known: what a comment or a page in a browser is about.
    command: String,
    plan: OnceLock<String>,
    /// Whether standard output is a stream of events, one JSON object per line.
    streams: AtomicBool,
}

impl Output {
    /// The sinks that the arguments and the environment ask for.
    pub fn new(global: &Global, command: &str) -> Self {
        let choice = |tty: bool| color(global.no_color, &|name| std::env::var(name).ok(), tty);
        Self {
            format: global.format,
            json_into: global.json_into.clone(),
            stdout: choice(io::stdout().is_terminal()),
            stderr: choice(io::stderr().is_terminal()),
            told: AtomicBool::new(false),
            seen: io::stdout().is_terminal(),
            filed: AtomicBool::new(false),
            budget: global.budget,
            annotations: dialect(global.annotations, &|name| std::env::var(name).ok()),
            command: command.to_owned(),
            plan: OnceLock::new(),
            streams: AtomicBool::new(false),
        }
    }

    /// Whether the result is JSON.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether the result is text for a person at a terminal. If not, standard output is kept for the result alone.
    pub fn is_text(&self) -> bool {
        self.format == Format::Text
    }

    /// Makes standard output a stream of events, where that was asked for, and begins it.
    ///
    /// # Errors
    /// `Input`: another format was asked for too.
    pub fn stream(&self, asked: bool) -> Result<(), Failure> {
        if !asked {
            return Ok(());
        }
        if !self.is_text() {
            return Err(Failure::new(Class::Input, "--json and --format do not go together")
                .remedy("take --json for events while it runs, --json-into FILE for the result besides"));
        }
        self.streams.store(true, Ordering::Relaxed);
        self.event(&version_event(env!("CARGO_PKG_VERSION"), Timestamp::now()))
    }

    /// Whether standard output is a stream of events.
    pub fn streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed)
    }

    /// One event of the stream.
    pub fn event(&self, event: &Json) -> Result<(), Failure> {
        self.data(&json_line(event))
    }

    /// Some events of the stream.
    pub fn events(&self, events: &[Json]) -> Result<(), Failure> {
        events.iter().try_for_each(|event| self.event(event))
    }

    /// Whose annotations are written besides, on standard error.
    pub fn annotations(&self) -> Option<Dialect> {
        self.annotations
    }

    /// Takes the plan file's name. The first one stays.
    pub fn about(&self, plan: &str) {
        let _ = self.plan.set(plan.to_owned());
    }

    /// `plan geoapi`.
    fn subject(&self) -> String {
        let plan = self.plan.get().map(|plan| format!(" {plan}")).unwrap_or_default();
        format!("{}{plan}", self.command)
    }

    /// Whether standard error takes colours.
    pub fn stderr_color(&self) -> ColorChoice {
        self.stderr
    }

    /// Whether standard output takes colours.
    pub fn stdout_color(&self) -> ColorChoice {
        self.stdout
    }

    /// The result. A comment may have to leave something out, so that the log of a CI job has all of it as text.
    pub fn page(&self, page: &Page) -> Result<(), Failure> {
        if self.format == Format::Markdown && !self.seen {
            self.aside(&terminal(page));
        }
        self.result(page)
    }

    /// The result of a command that came to none, where its text stands on standard error already.
    pub fn instead(&self, page: &Page) -> Result<(), Failure> {
        if self.is_text() { self.json_file(page) } else { self.result(page) }
    }

    fn result(&self, page: &Page) -> Result<(), Failure> {
        if self.streams() {
            return self.json_file(page);
        }
        match self.format {
            Format::Text => self.text(&terminal(page))?,
            Format::Json => self.data(&json(page))?,
            Format::Markdown => {
                self.data(&markdown(page, MarkdownView { subject: &self.subject(), budget: self.budget }))?;
            }
            Format::Html => self.data(&html(page, &format!("pgentra {}", self.subject())))?,
        }
        self.json_file(page)
    }

    /// Only the JSON file, for results whose text is written in another way.
    pub fn json_file(&self, page: &Page) -> Result<(), Failure> {
        let Some(path) = &self.json_into else { return Ok(()) };
        self.filed.store(true, Ordering::Relaxed);
        write(path, &json(page))
    }

    /// Styled lines on standard output.
    pub fn text(&self, text: &Text) -> Result<(), Failure> {
        self.data(&text.ansi())
    }

    /// Text on standard output, with its styles taken out where they are not wanted.
    pub fn data(&self, text: &str) -> Result<(), Failure> {
        self.told.store(true, Ordering::Relaxed);
        let mut stdout = AutoStream::new(io::stdout().lock(), self.stdout);
        finished(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
    }

    /// A text on standard error: progress, questions, remarks.
    pub fn aside(&self, text: &Text) {
        self.aside_raw(&text.ansi());
    }

    /// Text with styles of its own on standard error; the caller has made it harmless.
    pub fn aside_raw(&self, text: &str) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.stderr);
        // Nobody is left to be told when standard error is gone.
        let _ = stderr.write_all(text.as_bytes());
    }

    /// An error: on standard error for people; for programs also as the JSON result, unless there was one already.
    pub fn failure(&self, error: &Failure) {
        let page = failure(error);
        self.aside(&terminal(&page));
        if let Some(dialect) = self.annotations {
            self.aside_raw(&annotate::failure(dialect, error));
        }
        if self.streams() {
            // As below: a stream that cannot be written must not hide why the command failed.
            let _ = self.event(&failure_event(error, Timestamp::now()));
        }
        // The error itself decides how the process ends; a second one could only hide it.
        if !self.told.load(Ordering::Relaxed) {
            let _ = self.instead(&page);
        } else if !self.filed.load(Ordering::Relaxed) {
            let _ = self.json_file(&page);
        }
    }
}

/// Writes a result into a file.
///
/// # Errors
/// `Input`: it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| unwritten(path, &error))
}

/// A file that could not be written.
pub fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Class::Input, "cannot write the file")
        .detail(format!("{}: {error}", path.display()))
        .remedy("name a file in a directory that is there and that you may write to")
}

/// A reader that went away (`| head`) is not an error: it has seen what it wanted.
pub(super) fn finished(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Class::Other, "cannot write to standard output")
                .remedy("look where it leads: a full disk, a closed pipe")
                .detail(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Whether to use colours: `--no-color` and `NO_COLOR` forbid them, `FORCE_COLOR` and `CLICOLOR_FORCE` ask for them,
/// `TERM=dumb` and anything that is no terminal does without.
fn color(no_color: bool, env: &dyn Fn(&str) -> Option<String>, tty: bool) -> ColorChoice {
    let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    let forced = |name: &str| env(name).is_some_and(|value| !value.is_empty() && value != "0");
    let plain = env("TERM").is_some_and(|term| term == "dumb") || env("CLICOLOR").is_some_and(|value| value == "0");
    let on = !no_color && !set("NO_COLOR") && (forced("FORCE_COLOR") || forced("CLICOLOR_FORCE") || (tty && !plain));
    if on { ColorChoice::Always } else { ColorChoice::Never }
}

#[cfg(test)]
mod tests {
    use super::{Output, color, finished};
    use crate::cli::args::{Format, Global};
    use crate::model::{Class, Failure};
    use crate::report::Page;
    use anstream::ColorChoice;
    use std::io;

    #[test]
    fn colours_follow_the_conventions() {
        let choose = |flag: bool, env: &[(&str, &str)], tty: bool| {
            let find = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            color(flag, &find, tty) == ColorChoice::Always
        };
        assert!(choose(false, &[], true) && !choose(false, &[], false) && !choose(true, &[], true));
        assert!(!choose(false, &[("NO_COLOR", "1")], true) && choose(false, &[("NO_COLOR", "")], true));
        assert!(choose(false, &[("FORCE_COLOR", "1")], false) && !choose(false, &[("FORCE_COLOR", "0")], false));
        assert!(choose(false, &[("CLICOLOR_FORCE", "1")], false) && !choose(false, &[("TERM", "dumb")], true));
        assert!(!choose(true, &[("FORCE_COLOR", "1")], true) && !choose(false, &[("CLICOLOR", "0")], true));
        assert!(!choose(false, &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")], true));
    }

    /// Whatever was shown before; but a result that is there is not replaced.
    #[test]
    fn the_json_file_has_the_failure_unless_it_has_the_result() {
        let directory = tempfile::tempdir().unwrap();
        for (format, streams) in [(Format::Text, false), (Format::Text, true), (Format::Json, false)] {
            let path = directory.path().join("r.json");
            std::fs::write(&path, "stale").unwrap();
            let global = Global { json_into: Some(path.clone()), format, ..Global::default() };
            let output = Output::new(&global, "apply");
            output.stream(streams).unwrap();
            output.data("Plan: 1 to add\n").unwrap();
            output.failure(&Failure::new(Class::Input, "cannot ask"));
            assert!(std::fs::read_to_string(&path).unwrap().contains("cannot ask"), "{format:?}");
            let output = Output::new(&global, "apply");
            output.page(&Page { data: serde_json::json!({ "result": 1 }).into(), ..Page::default() }).unwrap();
            output.failure(&Failure::new(Class::Input, "cannot ask"));
            assert!(std::fs::read_to_string(&path).unwrap().contains("result"), "{format:?}");
        }
    }

    #[test]
    fn a_reader_may_leave() {
        assert!(finished(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(finished(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
