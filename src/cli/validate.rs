//! `validate`: everything that is wrong with a plan file, offline.

use std::path::PathBuf;

use clap::Args;

use super::args::{Global, PlanFileArg};
use super::exit::Exit;
use super::findings;
use super::load::load;
use super::output::{self, Output};
use super::sarif::sarif;
use crate::model::{Failure, Schema};
use crate::report::json_text;

/// Check the plan file and say everything that is wrong with it, offline
#[derive(Args, Clone, Debug, Default)]
pub struct ValidateArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// Writes the findings as SARIF 2.1.0 into a file as well, for code scanning
    #[arg(long, value_name = "FILE")]
    pub sarif_into: Option<PathBuf>,
}

/// Runs `validate`.
pub fn run(
    args: &ValidateArgs,
    global: &Global,
    schemas: &[&'static Schema],
    output: &Output,
) -> Result<Exit, Failure> {
    let loaded = load(&args.file, global, schemas)?;
    if let Some(path) = &args.sarif_into {
        output::write(path, &json_text(&sarif(&loaded.source, &loaded.findings)))?;
    }
    findings::result(output, &loaded.source, &loaded.findings)
}
