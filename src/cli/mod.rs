//! The command line: arguments in, an exit code out; the only room that prints.

pub mod annotate;
pub mod apply;
pub mod args;
pub mod completions;
pub mod doctor;
mod doctor_can_i;
mod doctor_local;
pub mod evidence;
pub mod evidence_keys;
pub mod evidence_view;
pub mod exit;
pub mod explain;
pub mod findings;
pub mod fmt;
pub mod graph;
pub mod history;
pub mod import;
pub mod init;
pub mod live;
pub mod load;
pub mod locate;
pub mod logging;
pub mod look;
pub mod man;
pub mod observe;
pub mod output;
pub mod override_gate;
pub mod place;
pub mod plan;
pub mod progress;
pub mod prompt;
pub mod psql;
pub mod render;
mod render_az;
mod render_kql;
mod render_rbac;
pub mod replace;
pub mod rollback;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod sarif;
pub mod schema;
pub mod show;
pub mod status;
pub mod token;
pub mod unlock;
pub mod validate;
pub mod variables;
pub mod verify;

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use args::Global;
use exit::{Ended, Exit};
use output::Output;

use crate::model::{Class, Failure};
use crate::report::clean_styled;
use crate::resources::schemas;

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
#[allow(missing_docs, reason = "the argument structs carry the documentation that --help shows")]
pub enum Command {
    Init(init::InitArgs),
    Import(import::ImportArgs),
    Validate(validate::ValidateArgs),
    Fmt(fmt::FmtArgs),
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Rollback(rollback::RollbackArgs),
    Verify(verify::VerifyArgs),
    Observe(observe::ObserveArgs),
    Evidence(evidence::EvidenceArgs),
    History(history::HistoryArgs),
    Show(show::ShowArgs),
    Status(status::StatusArgs),
    Doctor(doctor::DoctorArgs),
    Graph(graph::GraphArgs),
    Render(render::RenderArgs),
    Schema(schema::SchemaArgs),
    Token(token::TokenArgs),
    Psql(psql::PsqlArgs),
    Unlock(unlock::UnlockArgs),
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::SandboxArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs one command line, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let parsed = Cli::command().try_get_matches_from(args).and_then(|matches| {
        let name = matches.subcommand_name().unwrap_or_default().to_owned();
        Ok((Cli::from_arg_matches(&matches)?, name))
    });
    let (cli, name) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version go to standard output and are no error; wrong usage is one. A reader that went away
            // has seen what it wanted.
            let _ = if error.use_stderr() { said(&error) } else { error.print() };
            return if error.use_stderr() { Exit::Error } else { Exit::Done };
        }
    };
    let output = Output::new(&cli.global, &name);
    if !logs_itself(&cli.command) {
        logging::start(cli.global.log, output.stderr_color() != anstream::ColorChoice::Never);
    }
    let ended = tokio::runtime::Runtime::new()
        .map_err(|error| {
            Failure::new(Class::Other, "cannot start")
                .remedy("look at the limits of this machine: threads, memory, open files")
                .detail(error.to_string())
                .into()
        })
        .and_then(|runtime| runtime.block_on(dispatch(&cli, &output)));
    match ended {
        Ok(exit) | Err(Ended::Told(exit)) => exit,
        Err(Ended::Failed(failure)) => {
            output.failure(&failure);
            Exit::from(failure.class)
        }
    }
}

/// Says what is wrong with a command line, which may hold names from anywhere.
fn said(error: &clap::Error) -> std::io::Result<()> {
    let text = error.render().ansi().to_string();
    let lines: Vec<String> = text.split('\n').map(clean_styled).collect();
    std::io::Write::write_all(&mut anstream::stderr().lock(), lines.join("\n").as_bytes())
}

/// Whether a command keeps a log of its own: the sandbox's app, whose traces its platform reads.
#[allow(unused_variables, clippy::missing_const_for_fn, reason = "a build without the sandbox has no such command")]
fn logs_itself(command: &Command) -> bool {
    #[cfg(feature = "sandbox")]
    if let Command::Sandbox(args) = command {
        return matches!(args.action, sandbox::SandboxAction::RunApp);
    }
    false
}

async fn dispatch(cli: &Cli, output: &Output) -> Result<Exit, Ended> {
    let global = &cli.global;
    match &cli.command {
        Command::Init(args) => Ok(init::run(args, output)?),
        Command::Import(args) => Ok(import::run(args, global, output).await?),
        Command::Validate(args) => Ok(validate::run(args, global, &schemas(), output)?),
        Command::Fmt(args) => Ok(fmt::run(args, output)?),
        Command::Plan(args) => plan::run(args, global, output).await,
        Command::Apply(args) => apply::run(args, global, output).await,
        Command::Rollback(args) => rollback::run(args, global, output).await,
        Command::Verify(args) => verify::run(args, global, output).await,
        Command::Observe(args) => observe::run(args, global, output).await,
        Command::Evidence(args) => evidence::run(args, global, output).await,
        Command::History(args) => history::run(args, global, output).await,
        Command::Show(args) => show::run(args, global, output).await,
        Command::Status(args) => status::run(args, global, output).await,
        Command::Doctor(args) => doctor::run(args, global, output).await,
        Command::Graph(args) => graph::run(args, global, output),
        Command::Render(args) => render::run(args, global, output).await,
        Command::Schema(_) => Ok(schema::run(&schemas(), output)?),
        Command::Token(args) => Ok(token::run(args, global, output).await?),
        Command::Psql(args) => psql::run(args, global, output).await,
        Command::Unlock(args) => unlock::run(args, global, output).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => Ok(sandbox::run(args, output).await?),
        Command::Completions(args) => Ok(completions::run(args, Cli::command(), output)?),
        Command::Man(args) => Ok(man::run(args, Cli::command(), output)?),
    }
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod messages_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod told;
