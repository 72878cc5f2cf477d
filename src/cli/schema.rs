//! `schema`: the JSON Schema of plan files, for editors.

use clap::Args;

use super::exit::Exit;
use super::output::Output;
use crate::model::{Failure, Schema};
use crate::plan::json_schema;
use crate::report::json_text;

/// Write the JSON Schema of plan files, for editors
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SchemaArgs {}

/// Runs `schema` for these kinds; always JSON.
pub fn run(schemas: &[&'static Schema], output: &Output) -> Result<Exit, Failure> {
    output.data(&json_text(&json_schema(schemas)))?;
    Ok(Exit::Done)
}
