//! The dependency graph of a plan file as text, Graphviz DOT or Mermaid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::json;

use super::clean::{clean, guard_lines};
use super::page::{Block, Page};
use super::text::{Line, Tone};
use crate::model::{Address, Desired, Graph};

type Leans = BTreeMap<Address, BTreeSet<Address>>;

fn leans(desired: &[Desired]) -> Leans {
    desired.iter().map(|resource| (resource.address.clone(), resource.after.clone())).collect()
}

/// The graph as a page: each resource after everything it leans on.
pub fn graph(desired: &[Desired]) -> Page {
    let leans = leans(desired);
    let order = Graph::new(&leans).order();
    let mut lines = Vec::new();
    for address in &order {
        lines.push(Line::of(Tone::Strong, address.to_string()));
        let on = leans.get(address).into_iter().flatten();
        lines.extend(on.map(|on| Line::of(Tone::Faint, "  after ").and(on.to_string())));
    }
    let data = json!({
        "format_version": "1.0",
        "resources": order.iter().map(|address| json!({
            "address": address, "leans_on": leans.get(address),
        })).collect::<Vec<_>>(),
    });
    Page { blocks: vec![Block::Lines(lines)], data: data.into() }
}

/// The graph for Graphviz; edges point from what comes first to what leans on it.
pub fn dot(desired: &[Desired]) -> String {
    let leans = leans(desired);
    let mut out = String::from("digraph pgentra {\n  rankdir = LR;\n  node [shape = box];\n");
    for address in leans.keys() {
        let _ = writeln!(out, "  {};", dot_text(address));
    }
    for (address, on) in &leans {
        for on in on {
            let _ = writeln!(out, "  {} -> {};", dot_text(on), dot_text(address));
        }
    }
    out.push_str("}\n");
    guard_lines(&out)
}

fn dot_text(address: &Address) -> String {
    format!("\"{}\"", clean(&address.to_string()).replace('\\', "\\\\").replace('"', "\\\""))
}

/// The graph for Mermaid.
pub fn mermaid(desired: &[Desired]) -> String {
    let leans = leans(desired);
    let ids: BTreeMap<&Address, usize> = leans.keys().enumerate().map(|(id, address)| (address, id)).collect();
    let mut out = String::from("flowchart LR\n");
    for (address, id) in &ids {
        let _ = writeln!(out, "  n{id}[\"{}\"]", mermaid_text(address));
    }
    for (address, on) in &leans {
        for on in on.iter().filter_map(|on| ids.get(on)) {
            let _ = writeln!(out, "  n{on} --> n{}", ids[address]);
        }
    }
    guard_lines(&out)
}

/// Mermaid reads HTML entities by number between `#` and `;`; everything but plain characters is written so.
fn mermaid_text(address: &Address) -> String {
    let plain = |c: char| c.is_alphanumeric() || " ._-/@()".contains(c);
    let entity = |c: char| if plain(c) { c.to_string() } else { format!("#{};", c as u32) };
    clean(&address.to_string()).chars().map(entity).collect()
}
