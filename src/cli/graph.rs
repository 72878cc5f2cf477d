//! `graph`: which resource leans on which, as text, Graphviz DOT or Mermaid.

use clap::{Args, ValueEnum};

use super::args::{Global, PlanFileArg};
use super::exit::{Ended, Exit};
use super::load::usable;
use super::output::Output;

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
pub fn run(args: &GraphArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let (_, plan) = usable(&args.file, global, output)?;
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
