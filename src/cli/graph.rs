//! `graph`: which resource leans on which, as text, Graphviz DOT or Mermaid.

use clap::{Args, ValueEnum};

use super::args::{Global, PlanFileArg};
use super::exit::Exit;
use super::load::load;
use super::output::Output;
use crate::model::{Failure, Schema};
use crate::report::{dot, graph, mermaid};

/// Show which resource leans on which
#[derive(Args, Clone, Debug, Default)]
pub struct GraphArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// How it is drawn; `--format json` gives the same as data
    #[arg(long = "as", value_enum, value_name = "NOTATION", default_value_t)]
    pub notation: Notation,
}

/// How a graph is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Notation {
    /// A list in order.
    #[default]
    Text,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
}

/// Runs `graph`.
pub fn run(args: &GraphArgs, global: &Global, schemas: &[&'static Schema], output: &Output) -> Result<Exit, Failure> {
    let (_, plan) = match load(&args.file, global, schemas)?.usable(output) {
        Ok(usable) => usable,
        Err(exit) => return Ok(exit),
    };
    let page = graph(&plan.desired);
    match args.notation {
        Notation::Dot if output.is_text() => output.data(&dot(&plan.desired))?,
        Notation::Mermaid if output.is_text() => output.data(&mermaid(&plan.desired))?,
        _ => {
            output.page(&page)?;
            return Ok(Exit::Done);
        }
    }
    output.json_file(&page)?;
    Ok(Exit::Done)
}
