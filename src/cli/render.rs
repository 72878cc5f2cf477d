//! `render`: writes what would be run in another form: SQL for a DBA to review, queries that watch an app, a role for CI.

use clap::{Args, Subcommand};

use super::args::{Global, LiveArgs, PlanFileArg};
use super::exit::{Ended, Exit};
use super::look::{Looked, look};
use super::output::Output;
use super::{render_az, render_kql, render_rbac};
use crate::diff::swapped;
use crate::model::{Failure, Step};
use crate::report::{Block, Page, StepSql, sql};
use crate::resources::Live;

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
    /// The SQL statements in their order, each step with its inverse; changes nothing
    Sql(SqlArgs),
    /// The KQL queries that monitor the plan file's apps, and those of its log sensors; looks at nothing live
    ///
    /// Queries about managed identity activity, authentication failures, connection statistics, password fallbacks and token
    /// latency, to be pasted into Application Insights or Log Analytics.
    Kql(render_kql::KqlArgs),
    /// The Azure CLI and psql commands in their order, as a bash script; changes nothing
    ///
    /// It holds what differs from the live system and nothing else, as a plan does. A script of the whole plan file would make
    /// what is there already, restart for nothing, and have to guess what only a look at the live system tells.
    Az(render_az::AzArgs),
    /// A custom role with exactly the Azure actions that plan and apply need, for `az role definition create`
    ///
    /// Rights in PostgreSQL are no Azure actions; `pgentra doctor --can-i` lists them.
    Rbac(render_rbac::RbacArgs),
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

/// Runs `render`.
pub async fn run(args: &RenderArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    match &args.form {
        Form::Sql(args) => statements(args, global, output).await,
        Form::Rbac(args) => render_rbac::run(args, global, output).await,
        Form::Kql(args) => render_kql::run(args, global, output),
        Form::Az(args) => render_az::run(args, global, output).await,
    }
}

async fn statements(args: &SqlArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let Looked { file, world, planned, .. } = look(&args.file, &args.live, global, output).await?;
    let mut steps = Vec::new();
    for step in &planned.steps {
        steps.extend(step_sql(&world, step).await?);
    }
    let (text, data) = sql(&file.name, &steps, &planned.changes);
    Ok(script(&text, data, output)?)
}

/// A text that is meant for another program; as JSON for those who ask for it.
pub(super) fn script(text: &str, data: serde_json::Value, output: &Output) -> Result<Exit, Failure> {
    let page = Page { blocks: Vec::<Block>::new(), data: data.into() };
    if output.is_json() {
        output.page(&page)?;
    } else {
        output.data(text)?;
        output.json_file(&page)?;
    }
    Ok(Exit::Done)
}

/// The statements of a step and of its undo; none when it speaks no SQL.
async fn step_sql(world: &Live, step: &Step) -> Result<Option<StepSql>, Failure> {
    let statements = world.statements(step).await?;
    if statements.is_empty() {
        return Ok(None);
    }
    let inverse = world.statements(&swapped(step)).await?;
    Ok(Some(StepSql { step: step.clone(), statements, inverse }))
}
