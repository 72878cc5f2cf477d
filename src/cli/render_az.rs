//! `render az`: the steps of a plan as a bash script of Azure CLI and psql commands.

use clap::Args;

use super::args::{Global, LiveArgs, PlanFileArg};
use super::exit::Exit;
use super::load::{load, narrowed};
use super::output::Output;
use super::{findings, live, place};
use crate::model::Failure;
use crate::pipeline;
use crate::report::{AzStep, Block, Page, az_script};
use crate::resources::schemas;

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
pub async fn run(args: &AzArgs, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (source, mut file) = match load(&args.file, global, &schemas())?.usable(output) {
        Ok(usable) => usable,
        Err(exit) => return Ok(exit),
    };
    file.desired = narrowed(file.desired, &args.live.only)?;
    let key = place::store(&source, &file, global).await?.digest_key().await?;
    let world = live::world(&file.target, global, key).await?;
    let planned = match pipeline::plan(&world, &file.desired, args.live.parallelism).await {
        Ok(planned) => planned,
        Err(failure) => return findings::of_failure(output, &source, &file, failure),
    };
    let mut steps = Vec::new();
    for step in &planned.steps {
        steps.push(AzStep { step: step.clone(), statements: world.statements(step).await? });
    }
    let text = az_script(&file.name, &steps, &planned.changes, &file.target);
    let data = serde_json::json!({ "format_version": "1.0", "plan": file.name, "script": text });
    let page = Page { blocks: Vec::<Block>::new(), data: data.into() };
    if output.is_json() {
        output.page(&page)?;
    } else {
        output.data(&text)?;
        output.json_file(&page)?;
    }
    Ok(Exit::Done)
}
