//! A failure as a page: what could not be done, in whose words, and what would help.

use serde_json::json;

use super::page::{Block, Page};
use super::plan_json::failure_data;
use super::text::{Line, Tone};
use crate::model::Failure;

/// The page of a failure.
pub fn failure(failure: &Failure) -> Page {
    let head = Line::of(Tone::Bad, "Error: ").with(Tone::Strong, failure.summary);
    let lines = [head].into_iter().chain(details(failure)).collect();
    Page { blocks: vec![Block::Lines(lines)], data: json!({ "error": failure_data(failure) }).into() }
}

/// The cause and the remedy, indented; each line of a cause of several lines is a line here.
pub(super) fn details(failure: &Failure) -> Vec<Line> {
    let detail = failure.detail.iter().flat_map(|detail| detail.lines()).map(|line| Line::plain(format!("  {line}")));
    let remedy = failure.remedy.iter().flat_map(|remedy| remedy.lines());
    let remedy = remedy.map(|line| Line::of(Tone::Good, "  help: ").and(line));
    detail.chain(remedy).collect()
}
