//! One page model for every report, and its renderers: terminal text and JSON. Nothing secret gets in or out. Pure.

mod attributes;
mod checklist;
mod clean;
mod data;
mod failure;
mod graph;
mod json;
mod live;
mod page;
mod plan;
mod plan_json;
mod privileges;
mod runs;
mod sql;
mod tally;
mod terminal;
mod text;

#[cfg(test)]
mod tests;

pub use checklist::{Check, checklist};
pub use clean::{clean, guard_lines, hide_secrets};
pub use data::Data;
pub use failure::failure;
pub use graph::{dot, graph, mermaid};
pub use json::{json, json_line, json_text};
pub use live::{Live, elapsed};
pub use page::{Block, Page, Row, Symbol};
pub use plan::{PlanView, plan, way_back};
pub use privileges::privilege_words;
pub use runs::{Run, history, outcome, run};
pub use sql::{StepSql, sql};
pub use tally::moment;
pub use terminal::terminal;
pub use text::{Line, Text, Tone};
