//! `token`: gets an access token for scripts; the one command whose result is a secret.

use clap::{Args, ValueEnum};

use super::args::Global;
use super::exit::Exit;
use super::live;
use super::output::Output;
use crate::model::{Failure, Target};

/// Get an access token and write it to standard output, for scripts
///
/// The token is a secret: whoever has it can act as you until it expires. `psql` needs none of this: `pgentra psql` signs
/// in by itself.
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

/// Runs `token`.
pub async fn run(args: &TokenArgs, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (endpoints, tokens) = live::tokens(&Target::default(), global).await?;
    let audience = match args.audience {
        Audience::Postgres => &endpoints.postgres_audience,
        Audience::Arm => &endpoints.resource_manager_audience,
    };
    let token = tokens.token(audience).await?;
    // Not through a page: reports hide whatever looks like a token.
    output.data(&format!("{}\n", token.secret.expose()))?;
    Ok(Exit::Done)
}
