//! `render az`: the steps of a plan as a bash script of Azure CLI and psql commands.

use clap::Args;

use super::args::{Global, LiveArgs, PlanFileArg};
use super::exit::{Ended, Exit};
use super::look::{Looked, look};
use super::output::Output;
use super::render::script;
use crate::report::{AzStep, az_script};

/// Options of `render az`.
#[derive(Args, Clone, Debug)]
pub struct AzArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
}

/// Runs `render az`.
pub async fn run(args: &AzArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let Looked { file, world, planned, .. } = look(&args.file, &args.live, global, output).await?;
    let mut steps = Vec::new();
    for step in &planned.steps {
        steps.push(AzStep { step: step.clone(), statements: world.statements(step).await? });
    }
    let text = az_script(&file.name, &steps, &planned.changes, &file.target);
    let data = serde_json::json!({ "format_version": "1.0", "plan": file.name, "script": text });
    Ok(script(&text, data, output)?)
}
