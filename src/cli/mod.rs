//! The command line: arguments in, an exit code out; the only room that prints.

pub mod apply;
pub mod args;
pub mod completions;
pub mod exit;
pub mod findings;
pub mod fmt;
pub mod graph;
pub mod history;
pub mod init;
pub mod load;
pub mod locate;
pub mod logging;
pub mod man;
pub mod output;
pub mod plan;
pub mod progress;
pub mod prompt;
pub mod psql;
pub mod render;
pub mod sandbox;
pub mod schema;
pub mod show;
pub mod token;
pub mod validate;
pub mod variables;
pub mod verify;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};

use args::Global;
use exit::Exit;
use output::Output;

use crate::model::Failure;

/// Moves Azure apps from PostgreSQL passwords to managed identity, as code, with proof
#[derive(Clone, Debug, Parser)]
#[command(name = "pgentra", version, propagate_version = true, max_term_width = 120)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    #[allow(missing_docs, reason = "the argument structs carry the documentation that --help shows")]
    Init(init::InitArgs),
    #[allow(missing_docs, reason = "see above")]
    Fmt(fmt::FmtArgs),
    #[allow(missing_docs, reason = "see above")]
    Completions(completions::CompletionsArgs),
    #[allow(missing_docs, reason = "see above")]
    Man(man::ManArgs),
}

/// Runs one command line, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no error; wrong usage is one. A reader that went away
            // has seen what it wanted.
            let _ = error.print();
            return if error.use_stderr() { Exit::Error } else { Exit::Done };
        }
    };
    let output = Output::new(&cli.global);
    logging::start(cli.global.log, output.stderr_color() != anstream::ColorChoice::Never);
    dispatch(&cli, &output).unwrap_or_else(|failure| {
        output.failure(&failure);
        Exit::from(failure.class)
    })
}

fn dispatch(cli: &Cli, output: &Output) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Init(args) => init::run(args, output),
        Command::Fmt(args) => fmt::run(args, output),
        Command::Completions(args) => completions::run(args, Cli::command(), output),
        Command::Man(args) => man::run(args, Cli::command(), output),
    }
}

#[cfg(test)]
mod tests;
