//! `render`: the arguments of the command that writes what would be run for a DBA to read.

use clap::{Args, Subcommand};

use super::args::{LiveArgs, PlanFileArg};

/// Write what would be done in another form
#[derive(Args, Clone, Debug)]
pub struct RenderArgs {
    /// The form.
    #[command(subcommand)]
    pub form: Form,
}

/// The form.
#[derive(Clone, Debug, Subcommand)]
pub enum Form {
    /// The SQL statements, for a DBA to review
    Sql(SqlArgs),
}

/// Options of `render sql`.
#[derive(Args, Clone, Debug)]
pub struct SqlArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
}
