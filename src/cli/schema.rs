//! `schema`: the JSON Schema of plan files, for editors.

use clap::Args;
use serde_json::Value as Json;

use super::exit::Exit;
use super::output::Output;
use crate::model::Failure;
use crate::report::json_text;

/// Write the JSON Schema of plan files, for editors
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SchemaArgs {}

/// Runs `schema` with the schema made by the plan room; always JSON.
pub fn run(schema: &Json, output: &Output) -> Result<Exit, Failure> {
    output.data(&json_text(schema))?;
    Ok(Exit::Done)
}
