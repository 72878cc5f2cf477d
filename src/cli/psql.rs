//! `psql`: the arguments of the command that runs PostgreSQL's client with a token as its password.

use std::ffi::OsString;

use clap::Args;

use super::args::PlanFileArg;

/// Run psql on a server of the plan file, signed in with a token
#[derive(Args, Clone, Debug)]
pub struct PsqlArgs {
    /// The plan file.
    #[arg(long = "plan", value_name = "PLAN_FILE")]
    pub file: Option<std::path::PathBuf>,
    /// The server, by its Azure name; may be left out when the plan file has one
    #[arg(long)]
    pub server: Option<String>,
    /// The database
    #[arg(long, short, default_value = "postgres")]
    pub database: String,
    /// The role to sign in as; by default that of the server's first connection
    #[arg(long, short = 'U')]
    pub user: Option<String>,
    /// What psql gets, after `--`
    #[arg(last = true)]
    pub psql: Vec<OsString>,
}

impl PsqlArgs {
    /// The plan file as other commands have it.
    pub fn plan_file(&self) -> PlanFileArg {
        PlanFileArg { file: self.file.clone() }
    }
}
