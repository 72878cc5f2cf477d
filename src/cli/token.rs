//! `token`: the arguments of the command that gets an access token for scripts.

use clap::{Args, ValueEnum};

/// Get an access token and write it to standard output, for scripts
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct TokenArgs {
    /// What the token is for
    #[arg(long = "for", value_enum, default_value_t)]
    pub audience: Audience,
}

/// Who takes a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Audience {
    /// PostgreSQL flexible servers, as the password.
    #[default]
    Postgres,
    /// Azure Resource Manager.
    Arm,
}
