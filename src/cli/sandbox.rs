//! `sandbox`: the arguments of the commands that run a local Azure and PostgreSQL.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Run a local Azure emulator and a PostgreSQL that takes tokens
#[derive(Args, Clone, Debug)]
pub struct SandboxArgs {
    /// Where the sandbox keeps its files
    #[arg(long, value_name = "DIRECTORY", default_value = ".pgentra-sandbox", global = true)]
    pub directory: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub action: SandboxAction,
}

/// What to do with the sandbox.
#[derive(Clone, Debug, Subcommand)]
pub enum SandboxAction {
    /// Start it
    Up,
    /// Stop it
    Down,
    /// Put it back to its beginning
    Reset,
    /// Write the environment variables that point pgentra at it, for `eval`
    Env,
    /// Show its log
    Log,
}
