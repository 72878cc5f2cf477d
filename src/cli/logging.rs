//! Logging to standard error: our own records only, so that no library can log a statement or a token.

use std::io::{self, Write};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

use super::args::Log;
use crate::report::clean_styled;

/// Starts logging. A second call in one process changes nothing.
pub fn start(level: Log, color: bool) {
    let level = match level {
        Log::Off => LevelFilter::OFF,
        Log::Error => LevelFilter::ERROR,
        Log::Warn => LevelFilter::WARN,
        Log::Info => LevelFilter::INFO,
        Log::Debug => LevelFilter::DEBUG,
        Log::Trace => LevelFilter::TRACE,
    };
    let own = Targets::new().with_target("pgentra", level);
    let lines = fmt::layer().with_writer(|| Tame).with_ansi(color).with_target(false);
    // Fails only when a subscriber is there already, as in tests.
    let _ = registry().with(lines).with(own).try_init();
}

/// Standard error, where each record is one line whatever stands in it. A record comes in one piece.
struct Tame;

impl Write for Tame {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        let line = clean_styled(text.strip_suffix('\n').unwrap_or(&text));
        io::stderr().lock().write_all(format!("{line}\n").as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}
