//! `completions`: a completion script for a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use super::exit::Exit;
use super::output::Output;
use crate::model::Failure;

/// Write a completion script for a shell to standard output
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Runs `completions`.
pub fn run(args: &CompletionsArgs, mut command: Command, output: &Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "pgentra", &mut script);
    output.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
