//! A change set as a page: what will be done to each resource and why, what comes of it, what is held.

use std::collections::BTreeSet;

use super::attributes;
use super::data::Data;
use super::page::{Block, Node, Page, Row, Symbol};
use super::plan_json;
use super::privileges;
use super::tally::GATES;
use super::text::{Line, Tone};
use crate::diff::{ASKED_AGAIN, Action, Change, ChangeSet, Reason, Summary};
use crate::model::{Attributes, Undo, Value};

/// How the note of a gate begins that a person opened.
const OVERRIDDEN: &str = "opened without the evidence";

/// How the lines end by which tools for Terraform find what becomes of each resource.
const HEADS: [&str; 7] = [
    " will be created",
    " will be updated in-place",
    " will be destroyed",
    " must be replaced",
    " will be replaced",
    " will be imported",
    " will be read during apply",
];

/// What to show of a change set.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanView {
    /// Show unchanged attributes and every object of a grant.
    pub full: bool,
}

/// The page of a change set.
pub fn plan(changes: &ChangeSet, view: PlanView) -> Page {
    page(changes, view, "pgentra used the plan file to generate the following execution plan. Resource", None)
}

/// The page of what a rollback would change, and of the steps that would stay: id, and why.
pub fn way_back(changes: &ChangeSet, view: PlanView, stays: &[(String, String)]) -> Page {
    let source = "pgentra read the journal to generate the following way back. Resource";
    let mut page = page(changes, view, source, stay_block(stays));
    tell(&mut page, "stays", stay_data(stays));
    page
}

/// A plan's page with what stays although the plan file no longer names it, and with the digest of its steps.
pub fn reviewed(mut page: Page, stays: &[(String, String)], digest: Option<&str>) -> Page {
    if let Some(block) = stay_block(stays) {
        let at = page.blocks.len().saturating_sub(1);
        page.blocks.insert(at, block);
    }
    if let Some(digest) = digest {
        page.blocks.push(Block::Lines(vec![Line::of(Tone::Faint, format!("Plan digest: {digest}"))]));
    }
    tell(&mut page, "stays", stay_data(stays));
    tell(&mut page, "steps_digest", serde_json::json!(digest));
    page
}

fn stay_block(stays: &[(String, String)]) -> Option<Block> {
    let line = |(step, why): &(String, String)| Line::plain("  ").with(Tone::Strong, step).and(format!(": {why}"));
    let lines: Vec<Line> = stays.iter().map(line).collect();
    (!lines.is_empty()).then(|| Block::Lines([Line::of(Tone::Strong, "Stays:")].into_iter().chain(lines).collect()))
}

fn stay_data(stays: &[(String, String)]) -> serde_json::Value {
    stays.iter().map(|(step, why)| serde_json::json!({ "step": step, "why": why })).collect()
}

fn tell(page: &mut Page, name: &'static str, value: serde_json::Value) {
    page.data = std::mem::take(&mut page.data).changed(move |data| data[name] = value);
}

fn page(changes: &ChangeSet, view: PlanView, source: &'static str, stay: Option<Block>) -> Page {
    let summary = changes.summary();
    let acting: Vec<&Change> =
        changes.changes.iter().filter(|change| change.acts() && change.action != Action::Held).collect();
    let mut blocks = Vec::new();
    let symbols: BTreeSet<Symbol> = acting.iter().filter_map(|change| symbol(change.action)).collect();
    if !symbols.is_empty() {
        blocks.push(Block::Legend(legend(&symbols, source)));
    }
    if !acting.is_empty() {
        blocks.push(Block::Heading(Line::plain("pgentra will perform the following actions:")));
        blocks.extend(acting.iter().map(|change| resource(change, view.full)));
    }
    blocks.extend(problems(changes));
    blocks.extend(held(changes));
    blocks.extend(asked_again(changes));
    blocks.extend(stay);
    blocks.extend(overridden(changes));
    blocks.push(Block::Verdict(verdict(changes, &summary)));
    let more = consequences(&summary);
    if !more.is_empty() {
        blocks.push(Block::Consequences(more));
    }
    blocks.push(Block::Graph(nodes(changes)));
    let changes = changes.clone();
    Page { blocks, data: Data::later(move || plan_json::data(&changes, &summary)) }
}

fn nodes(changes: &ChangeSet) -> Vec<Node> {
    let node = |change: &Change| Node {
        address: change.address.to_string(),
        symbol: symbol(change.action).unwrap_or(Symbol::Same),
        leans_on: change.leans_on.iter().map(ToString::to_string).collect(),
    };
    changes.changes.iter().map(node).collect()
}

fn legend(symbols: &BTreeSet<Symbol>, source: &str) -> Vec<Line> {
    let head = [source, "actions are indicated with the following symbols:"];
    let entry =
        |symbol: &Symbol| Line::plain(" ").with(symbol.tone(), symbol.mark()).and(format!(" {}", symbol.meaning()));
    head.iter().map(Line::plain).chain(symbols.iter().map(entry)).collect()
}

fn symbol(action: Action) -> Option<Symbol> {
    match action {
        Action::Create => Some(Symbol::Create),
        Action::Update => Some(Symbol::Update),
        Action::Delete => Some(Symbol::Delete),
        Action::Check => Some(Symbol::Read),
        Action::None | Action::Unknown | Action::Held => None,
    }
}

/// One change as a block.
pub(super) fn resource(change: &Change, full: bool) -> Block {
    let empty = Attributes::new();
    let before = change.before.as_ref().unwrap_or(&empty);
    let after = change.after.as_ref().unwrap_or(&empty);
    let mut rows = match change.action {
        Action::Create | Action::Update | Action::Delete => body(before, after, full),
        _ => Vec::new(),
    };
    if rows.is_empty() && matches!(change.action, Action::Create | Action::Delete) {
        let symbol = symbol(change.action).unwrap_or(Symbol::Same);
        rows = key_rows(change, symbol);
    }
    let name = change.address.name.replace('\\', "\\\\").replace('"', "\\\"");
    let opening = Line::plain(format!("resource \"{}\" \"{name}\"", change.address.kind));
    let symbol = symbol(change.action).unwrap_or(Symbol::Same);
    Block::Resource { comments: comments(change), symbol, opening, rows }
}

/// A resource that is nothing but its key is shown by it.
fn key_rows(change: &Change, symbol: Symbol) -> Vec<Row> {
    let width = change.key.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    let line =
        |(name, value): (&String, &Value)| Line::plain(format!("{name:width$} = {}", attributes::inline(name, value)));
    change.key.iter().map(|entry| Row { symbol, depth: 0, line: line(entry) }).collect()
}

/// Attributes as rows; privileges, where the resource has them, as sentences.
fn body(before: &Attributes, after: &Attributes, full: bool) -> Vec<Row> {
    let has_privileges =
        |attributes: &Attributes| privileges::FIELDS.iter().any(|field| attributes.contains_key(*field));
    if !has_privileges(before) && !has_privileges(after) {
        return attributes::rows(before, after, full);
    }
    let rest = |attributes: &Attributes| -> Attributes {
        let others = attributes.iter().filter(|(name, _)| !privileges::FIELDS.contains(&name.as_str()));
        others.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let mut rows = privileges::rows(before, after, full);
    rows.extend(attributes::rows(&rest(before), &rest(after), full));
    rows
}

fn comments(change: &Change) -> Vec<Line> {
    let head = Line::of(Tone::Strong, change.address.to_string());
    let mut lines = Vec::new();
    match change.action {
        Action::Create => lines.push(head.and(" will be created")),
        Action::Update => lines.push(head.and(" will be updated in-place")),
        Action::Delete => lines.push(head.and(" will be ").with(Tone::Remove, "destroyed")),
        Action::Check => lines.push(head.and(" will be checked during apply")),
        Action::Unknown => lines.push(head.and(format!(" {}", unknown(&change.reason)))),
        Action::Held | Action::None => lines.push(head),
    }
    if change.action == Action::Check && change.before.is_some() {
        let (tone, text) =
            if change.passes() { (Tone::Good, "passes now") } else { (Tone::Change, "does not pass yet") };
        lines.push(Line::of(tone, text));
    }
    if let (Reason::LeansOn(address), false) = (&change.reason, change.action == Action::Unknown) {
        lines.push(Line::plain(format!("because {address} changes")));
    }
    if change.restarts > 0 {
        lines.push(Line::of(Tone::Change, plural(change.restarts as usize, "restart", "restarts")));
    }
    lines.extend(change.notes.iter().map(|note| Line::plain(format!("note: {note}"))));
    if change.changes() && change.action != Action::Unknown {
        lines.push(undo(&change.undo));
    }
    // Tools list resources by lines that end so; a remark of a server's must not be taken for one.
    for line in lines.iter_mut().skip(1).filter(|line| HEADS.iter().any(|head| line.text().ends_with(head))) {
        *line = std::mem::take(line).and(".");
    }
    lines
}

fn unknown(reason: &Reason) -> String {
    match reason {
        Reason::NotReadable(why) => format!("(not readable: {why})"),
        Reason::Unreadable(why) => format!("(known after apply: {why})"),
        Reason::LeansOn(address) => format!("(known after apply: {address} comes first)"),
        _ => "(known after apply)".to_owned(),
    }
}

/// `undo: ...`, as every report shows it.
pub(super) fn undo(undo: &Undo) -> Line {
    match undo {
        Undo::Faithful => Line::plain("undo: faithful"),
        Undo::Kept(why) => Line::plain(format!("undo: kept: {why}")),
        Undo::Lossy(what) => Line::of(Tone::Change, format!("undo: lossy: {what}")),
        Undo::Never(why) => Line::of(Tone::Bad, format!("undo: never: {why}")),
    }
}

/// Looks that failed, so that "no changes" is never said of what nobody could see.
fn problems(changes: &ChangeSet) -> Option<Block> {
    let mut lines = Vec::new();
    for change in &changes.changes {
        let Some(failure) = change.failure.as_ref().filter(|_| !change.not_readable()) else { continue };
        lines.push(Line::of(Tone::Bad, "Error: ").and(format!("{}: {}", change.address, failure.summary)));
        lines.extend(super::failure::details(failure));
    }
    (!lines.is_empty()).then_some(Block::Lines(lines))
}

fn held(changes: &ChangeSet) -> Option<Block> {
    let held = changes.changes.iter().filter(|change| change.action == Action::Held);
    let line = |change: &Change| {
        let why = if let Reason::Gate(why) = &change.reason { format!(": {why}") } else { String::new() };
        Line::plain("  ").with(Tone::Strong, change.address.to_string()).and(why)
    };
    let lines: Vec<Line> = held.map(line).collect();
    (!lines.is_empty()).then(|| Block::Lines([Line::of(Tone::Strong, "Held:")].into_iter().chain(lines).collect()))
}

/// Gates that are open as long as nothing happens before their turn comes.
fn asked_again(changes: &ChangeSet) -> Option<Block> {
    let again = changes.changes.iter().filter(|change| change.notes.iter().any(|note| note == ASKED_AGAIN));
    let line = |change: &Change| Line::plain("  ").with(Tone::Strong, change.address.to_string());
    let lines: Vec<Line> = again.map(line).collect();
    let head = Line::of(Tone::Strong, "Open, and asked again before what they let through:");
    (!lines.is_empty()).then(|| Block::Lines([head].into_iter().chain(lines).collect()))
}

/// Gates that a person opened, for as long as the plan file has them.
fn overridden(changes: &ChangeSet) -> Option<Block> {
    let gates = changes.changes.iter().filter(|change| GATES.contains(&change.address.kind.as_str()));
    let line =
        |(address, note): (String, &String)| Line::of(Tone::Bad, "  ").with(Tone::Strong, address).and(": ").and(note);
    let notes = gates.flat_map(|change| change.notes.iter().map(|note| (change.address.to_string(), note)));
    let lines: Vec<Line> = notes.filter(|(_, note)| note.starts_with(OVERRIDDEN)).map(line).collect();
    let head = Line::of(Tone::Bad, "Overridden:");
    (!lines.is_empty()).then(|| Block::Lines([head].into_iter().chain(lines).collect()))
}

fn verdict(changes: &ChangeSet, summary: &Summary) -> Line {
    if changes.has_changes() {
        let Summary { add, change, destroy, .. } = summary;
        return Line::of(Tone::Strong, "Plan:")
            .and(format!(" {add} to add, {change} to change, {destroy} to destroy."));
    }
    if changes.changes.iter().any(|change| change.failure.is_some()) {
        return Line::of(Tone::Bad, "Not all of it could be read; what could be read is as wanted.");
    }
    let head = Line::of(Tone::Good, "No changes.");
    if summary.held > 0 {
        return head.and(" All that may be done is done; a gate holds the rest.");
    }
    // Terraform's words to the letter: that is what tools look for.
    head.and(" Your infrastructure matches the configuration.")
}

fn consequences(summary: &Summary) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut facts = Vec::new();
    if summary.restarts > 0 {
        facts.push(plural(summary.restarts as usize, "restart", "restarts"));
    }
    if summary.irreversible > 0 {
        facts.push(plural(summary.irreversible, "irreversible step", "irreversible steps"));
    }
    if !facts.is_empty() {
        lines.push(Line::plain(format!("{}.", facts.join(", "))));
    }
    if summary.check > 0 {
        lines.push(Line::plain(format!("{} during apply.", plural(summary.check, "check", "checks"))));
    }
    if summary.not_readable > 0 {
        let resources = plural(summary.not_readable, "resource is", "resources are");
        let line = format!("{resources} not readable for whoever is signed in, who cannot apply this plan.");
        lines.push(Line::of(Tone::Bad, line));
    }
    if summary.unknown > 0 {
        let resources = plural(summary.unknown, "resource", "resources");
        lines.push(Line::plain(format!("{resources} can only be read after earlier steps; apply shows them then.")));
    }
    lines
}

/// `1 restart`, `2 restarts`.
pub(super) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
