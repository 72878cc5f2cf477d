//! The migration checklist as tables with the evidence beside each line, and the gates with what is missing.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::page::Block;
use super::plan::plural;
use super::tally::moment;
use super::text::{Line, Tone};

/// Where a line of the checklist stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was seen to be so.
    Done,
    /// It is not so yet.
    NotYet,
    /// A gate holds it.
    Held,
    /// A person vouches for it.
    Attested,
    /// Nothing shows it.
    Unseen,
}

impl Mark {
    fn shown(self) -> Line {
        match self {
            Self::Done => Line::of(Tone::Good, "done"),
            Self::NotYet => Line::of(Tone::Bad, "not yet"),
            Self::Held => Line::of(Tone::Change, "held"),
            Self::Attested => Line::of(Tone::Good, "attested"),
            Self::Unseen => Line::of(Tone::Faint, "cannot be seen"),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotYet => "not_yet",
            Self::Held => "held",
            Self::Attested => "attested",
            Self::Unseen => "cannot_be_seen",
        }
    }

    /// Whether nothing is left to do about it.
    pub fn settled(self) -> bool {
        matches!(self, Self::Done | Self::Attested)
    }
}

/// One line of the checklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListLine {
    /// The part of the checklist.
    pub section: String,
    /// What has to be so.
    pub line: String,
    /// Whether the migration is complete without it.
    pub optional: bool,
    /// Where it stands.
    pub mark: Mark,
    /// What was seen.
    pub seen: String,
    /// When.
    pub at: Option<Timestamp>,
}

/// One gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateLine {
    /// Its validation.
    pub name: String,
    /// Whether it opens.
    pub open: bool,
    /// Whether a person opened it.
    pub overridden: bool,
    /// What is missing.
    pub missing: Vec<String>,
    /// The earliest time at which it can open.
    pub earliest: Option<Timestamp>,
    /// When its window began.
    pub began: Option<Timestamp>,
    /// How many observations are in the window.
    pub observations: usize,
}

/// The tables: one per section, then the gates.
pub(super) fn blocks(lines: &[ListLine], gates: &[GateLine]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut sections: Vec<&str> = lines.iter().map(|line| line.section.as_str()).collect();
    sections.dedup();
    for section in sections {
        let row = |line: &ListLine| {
            let optional = if line.optional { " (optional)" } else { "" };
            let when = line.at.map(moment).unwrap_or_default();
            let what = Line::plain(&line.line).with(Tone::Faint, optional);
            // What was seen may be long, so that nothing stands behind it.
            vec![line.mark.shown(), what, Line::of(Tone::Faint, when), Line::plain(&line.seen)]
        };
        blocks.push(Block::Heading(Line::of(Tone::Strong, section)));
        let rows = lines.iter().filter(|line| line.section == section).map(row).collect();
        blocks.push(Block::Table { head: vec!["STATE", "LINE", "WHEN", "SEEN"], rows });
    }
    let told: Vec<Line> = gates.iter().flat_map(gate).collect();
    if !told.is_empty() {
        blocks.push(Block::Heading(Line::of(Tone::Strong, "Gates")));
        blocks.push(Block::Lines(told));
    }
    blocks
}

fn gate(gate: &GateLine) -> Vec<Line> {
    let (tone, word) = match (gate.open, gate.overridden) {
        (true, true) => (Tone::Bad, "open, overridden"),
        (true, false) => (Tone::Good, "open"),
        (false, _) => (Tone::Change, "held"),
    };
    let since = match gate.began {
        Some(began) => {
            format!("; {} since {}", plural(gate.observations, "observation", "observations"), moment(began))
        }
        None => "; no observation counts yet".to_owned(),
    };
    let mut lines = vec![Line::plain("  ").with(Tone::Strong, &gate.name).and(" ").with(tone, word).and(since)];
    lines.extend(gate.missing.iter().map(|why| Line::plain(format!("    missing: {why}"))));
    lines.extend(gate.earliest.map(|at| Line::plain(format!("    not before {}", moment(at)))));
    lines
}

/// How many lines are settled, in one line.
pub(super) fn verdict(lines: &[ListLine]) -> Line {
    let needed: Vec<&ListLine> = lines.iter().filter(|line| !line.optional).collect();
    let settled = needed.iter().filter(|line| line.mark.settled()).count();
    let tone = if settled == needed.len() { Tone::Good } else { Tone::Strong };
    let word = if settled == needed.len() { "Migration complete" } else { "Migration under way" };
    Line::of(tone, word).and(format!(": {settled} of {} lines are done or attested.", needed.len()))
}

/// Whether every line that is needed is settled.
pub fn complete(lines: &[ListLine]) -> bool {
    lines.iter().all(|line| line.optional || line.mark.settled())
}

pub(super) fn data(lines: &[ListLine]) -> Json {
    let one = |line: &ListLine| {
        json!({
            "section": line.section, "line": line.line, "optional": line.optional, "state": line.mark.word(),
            "seen": line.seen, "at": line.at.map(moment),
        })
    };
    lines.iter().map(one).collect()
}

pub(super) fn gate_data(gates: &[GateLine]) -> Json {
    let one = |gate: &GateLine| {
        json!({
            "validation": gate.name, "open": gate.open, "overridden": gate.overridden, "missing": gate.missing,
            "earliest": gate.earliest.map(moment), "window_began": gate.began.map(moment),
            "observations": gate.observations,
        })
    };
    gates.iter().map(one).collect()
}
