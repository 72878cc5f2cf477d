//! `render kql`: the queries that monitor the apps of a plan file.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};

use super::args::{Global, PlanFileArg};
use super::exit::{Ended, Exit};
use super::load::usable;
use super::observe::validations;
use super::output::Output;
use crate::report::{Block, Page, clean_lines};
use crate::resources::{MonitoringQuery, monitoring, sensor_queries};

/// Options of `render kql`.
#[derive(Args, Clone, Debug)]
pub struct KqlArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// Whose tables to ask
    #[arg(long, value_enum, default_value = "classic")]
    pub schema: LogSchema,
}

/// Names of tables and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogSchema {
    /// Those of an Application Insights component: `traces`
    Classic,
    /// Those of a Log Analytics workspace: `AppTraces`
    Workspace,
}

/// Runs `render kql`.
pub fn run(args: &KqlArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let (_, file) = usable(&args.file, global, output)?;
    let apps: BTreeSet<&str> = file.desired.iter().filter_map(|want| want.key.get("app")?.as_text()).collect();
    let apps: Vec<&str> = apps.into_iter().collect();
    let mut queries = monitoring(&apps, args.schema == LogSchema::Workspace);
    for want in validations(&file) {
        queries.extend(sensor_queries(&want.address.name, &want.attributes)?);
    }
    let data = |query: &MonitoringQuery| json!({ "name": query.name, "query": query.text });
    let all: Vec<Json> = queries.iter().map(data).collect();
    let data = json!({ "format_version": "1.0", "plan": file.name, "queries": all });
    let page = Page { blocks: Vec::<Block>::new(), data: data.into() };
    if output.is_json() {
        output.page(&page)?;
    } else {
        let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
        output.data(&clean_lines(&texts.join("\n")))?;
        output.json_file(&page)?;
    }
    Ok(Exit::Done)
}
