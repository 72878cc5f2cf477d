//! One page model for every report, and its renderers: terminal text and JSON. Nothing secret gets in or out. Pure.

mod attributes;
mod az;
mod az_parts;
mod checklist;
mod clean;
mod data;
mod doctor;
mod escape;
mod evidence;
mod explain;
mod failure;
mod graph;
mod html;
mod json;
mod junit;
mod live;
mod markdown;
mod page;
mod plan;
mod plan_json;
mod privileges;
mod rights;
mod runs;
mod shell;
mod sql;
mod sql_text;
mod standing;
mod status;
mod stream;
mod tally;
mod terminal;
mod text;

#[cfg(test)]
pub(crate) mod tests;

pub use crate::model::privilege_words;
pub use az::{AzStep, az_script};
pub use checklist::{Check, checklist, ways};
pub use clean::{clean, clean_lines, clean_styled, guard_lines, hide_secrets};
pub use data::Data;
pub use doctor::{Doctor, Symptom, doctor};
pub use evidence::{Evidence, Mark, Moment, evidence, evidence_markdown};
pub use explain::{Explained, RoleView, explain};
pub use failure::failure;
pub use graph::{dot, graph, mermaid};
pub use html::html;
pub use json::{json, json_line, json_text};
pub use junit::junit;
pub use live::{Live, elapsed};
pub use markdown::{COMMENT_BYTES, MarkdownView, markdown};
pub use page::{Block, Node, Page, Row, Symbol};
pub use plan::{PlanView, plan, reviewed, way_back};
pub use rights::{RightLine, rights};
pub use runs::{Run, history, nothing_done, outcome, run};
pub use sql::{StepSql, sql};
pub use standing::{GateLine, ListLine, Mark as LineMark, complete};
pub use status::{Status, status};
pub use stream::{
    Stream, end_events, failure_event, finding_event, nothing_event, observation_event, observed_event, plan_events,
    version_event,
};
pub use tally::GATES;
pub use tally::moment;
pub use terminal::terminal;
pub use text::{Line, Text, Tone};
