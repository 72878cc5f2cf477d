//! One resource of a change set as a page: why it changes, what it leans on, what holds it, who writes it, what undoes it.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::page::{Block, Page};
use super::plan;
use super::plan_json;
use super::text::{Line, Tone};
use crate::diff::{Action, Change, ChangeSet, Reason};
use crate::model::{Address, Step, Undo};

/// What is told of one resource besides its change.
#[derive(Clone, Debug, Default)]
pub struct Explained<'a> {
    /// Its steps, in order; none for what does not act or has to wait.
    pub steps: Vec<&'a Step>,
    /// Steps with the same key never overlap.
    pub serial_key: Option<String>,
    /// The gates that it leans on, directly or through others.
    pub gates: BTreeSet<Address>,
    /// What leans on it, directly or through others.
    pub dependants: BTreeSet<Address>,
    /// Where it stands in the plan file: `plan.toml:12`.
    pub place: Option<String>,
    /// Of grants: where a rule stands (`plan.toml:40`), its role, and what it leads to.
    pub rules: Vec<(String, String, Vec<String>)>,
    /// Of grants: each role beside the old one.
    pub roles: Vec<RoleView>,
    /// Remarks, such as what could not be looked at for the explanation.
    pub notes: Vec<String>,
}

/// What a role may do once the plan file is true, beside an old role.
#[derive(Clone, Debug, Default)]
pub struct RoleView {
    /// The role of the plan file.
    pub role: String,
    /// The role that it replaces.
    pub old: String,
    /// What it may do and the old one may not.
    pub gains: Vec<String>,
    /// What the old one may do and it may not.
    pub lacks: Vec<String>,
}

/// The page of one change.
pub fn explain(change: &Change, changes: &ChangeSet, told: &Explained<'_>) -> Page {
    let mut blocks = vec![plan::resource(change, true)];
    let mut section = |head: &str, lines: Vec<Line>| {
        if !lines.is_empty() {
            blocks.push(Block::Heading(Line::of(Tone::Strong, format!("{head}:"))));
            blocks.push(Block::Lines(lines.into_iter().map(|line| Line::plain("  ").join(line)).collect()));
        }
    };
    section("Why", why(change, told));
    section("Leans on", change.leans_on.iter().map(|on| neighbour(on, changes)).collect());
    section("What leans on it", told.dependants.iter().map(|on| neighbour(on, changes)).collect());
    section("Gates", told.gates.iter().map(|gate| neighbour(gate, changes)).collect());
    section("Undo", if change.changes() { vec![undo(&change.undo)] } else { Vec::new() });
    section("Written by", writers(change, told));
    section("Rules", told.rules.iter().flat_map(rule).collect());
    for view in &told.roles {
        section(&format!("What {} may do, beside {}", view.role, view.old), beside(view));
    }
    section("Remarks", told.notes.iter().map(Line::plain).collect());
    Page { blocks, data: data(change, told).into() }
}

fn why(change: &Change, told: &Explained<'_>) -> Vec<Line> {
    let reason = match &change.reason {
        Reason::AsWanted => "it is as the plan file says".to_owned(),
        Reason::Missing => "it is not there".to_owned(),
        Reason::Differs(fields) => {
            format!("{} {}", fields.join(", "), if fields.len() == 1 { "differs" } else { "differ" })
        }
        Reason::LeansOn(address) => format!("{address} changes"),
        Reason::Unreadable(why) => format!("it cannot be read yet: {why}"),
        Reason::NotReadable(why) => format!("it is not readable: {why}"),
        Reason::Gate(why) => format!("it is held: {why}"),
    };
    let opens = change.open_refs();
    let opens: BTreeSet<String> = opens.iter().map(|open| format!("{} of {}", open.output, open.address)).collect();
    let opens = opens.into_iter().map(|open| Line::plain(format!("it waits for {open}, known after apply")));
    let place = told.place.iter().map(|place| Line::plain(format!("it stands at {place}")));
    [Line::plain(reason)].into_iter().chain(opens).chain(place).collect()
}

fn undo(undo: &Undo) -> Line {
    match undo {
        Undo::Faithful => Line::plain("faithful: rollback gives back exactly what was there"),
        Undo::Kept(why) => Line::plain(format!("kept: {why}; `rollback --remove-kept` removes it")),
        Undo::Lossy(what) => Line::of(Tone::Change, format!("lossy: {what}")),
        Undo::Never(why) => Line::of(Tone::Bad, format!("never: {why}")),
    }
}

/// Another resource, and what becomes of it.
fn neighbour(address: &Address, changes: &ChangeSet) -> Line {
    let line = Line::of(Tone::Strong, address.to_string());
    let Some(change) = changes.get(address) else { return line };
    let held = if let Reason::Gate(why) = &change.reason { format!(": {why}") } else { String::new() };
    line.and(format!(" {}{held}", word(change)))
}

fn word(change: &Change) -> &'static str {
    match change.action {
        Action::None => "is as wanted",
        Action::Create => "will be created",
        Action::Update => "will be updated in-place",
        Action::Delete => "will be destroyed",
        Action::Check => "will be checked",
        Action::Unknown if change.not_readable() => "is not readable",
        Action::Unknown => "cannot be read yet",
        Action::Held => "is held",
    }
}

fn writers(change: &Change, told: &Explained<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = told.steps.iter().flat_map(|step| written(step)).collect();
    if lines.is_empty() && change.changes() {
        lines.push(Line::plain("no step yet: it waits for what cannot be read, or for a gate"));
    }
    let serial = told.serial_key.iter().filter(|_| change.changes());
    lines.extend(serial.map(|key| Line::plain(format!("never while another step of {key} runs"))));
    lines
}

fn written(step: &Step) -> Vec<Line> {
    let via = step.via.as_ref().map_or_else(String::new, |via| format!(" through connection {via}"));
    let mut lines = vec![Line::plain(format!("step {}{via}", step.id))];
    if step.restarts > 0 {
        lines
            .push(Line::of(Tone::Change, format!("  {}", plan::plural(step.restarts as usize, "restart", "restarts"))));
    }
    if !step.leans_on.is_empty() {
        let on: Vec<&str> = step.leans_on.iter().map(String::as_str).collect();
        lines.push(Line::plain(format!("  after {}", on.join(", "))));
    }
    lines
}

fn rule((place, role, leads_to): &(String, String, Vec<String>)) -> Vec<Line> {
    let head = Line::of(Tone::Strong, place).and(format!(" gives {role}"));
    let nothing = leads_to.is_empty().then(|| Line::plain("  nothing that is there now"));
    [head].into_iter().chain(leads_to.iter().map(|line| Line::plain(format!("  {line}")))).chain(nothing).collect()
}

fn beside(view: &RoleView) -> Vec<Line> {
    let of = |tone: Tone, word: &str, lines: &[String]| -> Vec<Line> {
        lines.iter().map(|line| Line::of(tone, word).and(format!(" {line}"))).collect()
    };
    let mut lines = of(Tone::Add, "gains", &view.gains);
    lines.extend(of(Tone::Remove, "lacks", &view.lacks));
    if lines.is_empty() {
        lines.push(Line::of(Tone::Good, "the same"));
    }
    lines
}

fn data(change: &Change, told: &Explained<'_>) -> Json {
    let step = |step: &&Step| {
        json!({
            "id": step.id, "via": step.via, "serial_key": step.serial_key, "restarts": step.restarts,
            "leans_on": step.leans_on,
        })
    };
    let rules = told.rules.iter();
    let rules = rules.map(|(place, role, leads_to)| json!({ "place": place, "role": role, "leads_to": leads_to }));
    let views = told.roles.iter();
    let views =
        views.map(|view| json!({ "role": view.role, "old": view.old, "gains": view.gains, "lacks": view.lacks }));
    json!({
        "format_version": plan_json::FORMAT_VERSION,
        "resource_change": plan_json::resource_change(change),
        "place": told.place,
        "leans_on": change.leans_on,
        "dependants": told.dependants,
        "serial_key": told.serial_key,
        "gates": told.gates,
        "steps": told.steps.iter().map(step).collect::<Vec<_>>(),
        "rules": rules.collect::<Vec<_>>(),
        "effective": views.collect::<Vec<_>>(),
        "notes": told.notes,
    })
}
