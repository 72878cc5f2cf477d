//! Arguments that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::model::Address;
use crate::report::COMMENT_BYTES;

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Gives a variable of the plan file; wins over --var-file and `PGENTRA_VAR_<NAME>`
    #[arg(long = "var", value_name = "NAME=VALUE", global = true)]
    pub var: Vec<String>,
    /// Reads variables from a TOML file of `name = value` lines; later files win
    #[arg(long, value_name = "FILE", global = true)]
    pub var_file: Vec<PathBuf>,
    /// How the result is written to standard output
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: Format,
    /// Writes the result as JSON into a file as well
    #[arg(long, value_name = "FILE", global = true)]
    pub json_into: Option<PathBuf>,
    /// How many bytes `--format markdown` may have; what does not fit is left out by whole resources, and named
    #[arg(long, value_name = "BYTES", default_value_t = COMMENT_BYTES, global = true)]
    pub budget: usize,
    /// Writes findings and failures on standard error as annotations of a CI system too
    #[arg(long, value_enum, value_name = "SYSTEM", default_value_t, global = true)]
    pub annotations: Annotations,
    /// Uses no colours (so do `NO_COLOR`, `TERM=dumb` and output that is no terminal)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Logs to standard error; never statements or tokens
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t, global = true)]
    pub log: Log,
    /// Which Azure credential is used; by default what is found first
    #[arg(long, value_name = "NAME", global = true)]
    pub credential: Option<String>,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a comment on a pull request.
    Markdown,
    /// One self-contained file for a browser.
    Html,
}

/// Whose annotations are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Annotations {
    /// Those of GitHub Actions or Azure Pipelines, where this runs in one of them.
    #[default]
    Auto,
    /// Those of GitHub Actions.
    Github,
    /// Those of Azure Pipelines.
    Azure,
    /// None.
    None,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// And what looks wrong.
    #[default]
    Warn,
    /// And what is done.
    Info,
    /// And how.
    Debug,
    /// And every detail.
    Trace,
}

/// The plan file.
#[derive(Args, Clone, Debug, Default)]
pub struct PlanFileArg {
    /// The plan file, or a directory with one [default: the `*.toml` here that has a `version`]
    #[arg(value_name = "PLAN_FILE")]
    pub file: Option<PathBuf>,
}

/// Options of commands that look at the live system.
#[derive(Args, Clone, Debug)]
pub struct LiveArgs {
    /// How many steps are done at the same time; up to 32 times as many looks
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = parallelism)]
    pub parallelism: usize,
    /// Narrows the work to one resource and what it leans on; may be given again
    #[arg(long, value_name = "ADDRESS")]
    pub only: Vec<Address>,
    /// Shows unchanged attributes and every object of a grant
    #[arg(long)]
    pub full: bool,
}

/// Events while a command runs.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct StreamArgs {
    /// Write events to standard output while it runs, one JSON object per line, in the envelope of Terraform's
    /// machine-readable UI; the result goes into --json-into
    #[arg(long)]
    pub json: bool,
}

pub(super) fn parallelism(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=256).contains(&count) => Ok(count),
        _ => Err("expected a number from 1 to 256".to_owned()),
    }
}

/// Reads a span of time such as `30s`, `5m`, `24h`, `7d`; a bare number is seconds.
///
/// # Errors
/// One line that says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?} is not a span of time: expected a number with s, m, h or d");
    let (number, factor) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3_600),
        Some((at, 'd')) => (&text[..at], 86_400),
        _ => (text, 1),
    };
    let number: u32 = number.parse().map_err(|_| expected())?;
    Ok(Duration::from_secs(u64::from(number) * factor))
}

#[cfg(test)]
mod tests {
    use super::{duration, parallelism};

    #[test]
    fn spans_of_time() {
        let seconds = |text| duration(text).map(|span| span.as_secs());
        assert_eq!(seconds("0"), Ok(0));
        assert_eq!(
            (seconds("30s"), seconds("5m"), seconds("24h"), seconds("7d")),
            (Ok(30), Ok(300), Ok(86_400), Ok(604_800))
        );
        for text in ["", "s", "-1s", "5 m", "1ü", "99999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parallelism_has_bounds() {
        assert_eq!(parallelism("10"), Ok(10));
        assert!(parallelism("0").is_err() && parallelism("257").is_err() && parallelism("x").is_err());
    }
}
