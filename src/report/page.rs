//! The page model: what a report says, in blocks that every renderer knows, and the same as data for JSON.

use super::data::Data;
use super::text::{Line, Tone};

/// One report. Renderers read `blocks`; the JSON renderer reads `data`.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What is shown, in order.
    pub blocks: Vec<Block>,
    /// The same as data.
    pub data: Data,
}

/// A part of a page.
#[derive(Clone, Debug)]
pub enum Block {
    /// A heading above what follows.
    Heading(Line),
    /// Lines that belong together.
    Lines(Vec<Line>),
    /// One resource: its comment lines, then the rows of its body (none: no body is shown).
    Resource {
        /// Lines that begin with `# `.
        comments: Vec<Line>,
        /// What is done.
        symbol: Symbol,
        /// What opens the body: `resource "kind" "name"`.
        opening: Line,
        /// The body.
        rows: Vec<Row>,
    },
    /// Rows under a heading of columns.
    Table {
        /// The names of the columns.
        head: Vec<&'static str>,
        /// The cells, as many as there are columns.
        rows: Vec<Vec<Line>>,
    },
    /// What the symbols mean, for those who see no colours.
    Legend(Vec<Line>),
    /// Who leans on whom, for renderers that can draw.
    Graph(Vec<Node>),
    /// The one line that says what comes of it all.
    Verdict(Line),
    /// What else comes of it, right below the verdict: restarts, irreversible steps, checks.
    Consequences(Vec<Line>),
}

/// One resource in a drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its address.
    pub address: String,
    /// What is done with it.
    pub symbol: Symbol,
    /// The addresses it leans on.
    pub leans_on: Vec<String>,
}

/// One line in the body of a resource.
#[derive(Clone, Debug)]
pub struct Row {
    /// What happens to it; `Symbol::Same` for lines that only give context.
    pub symbol: Symbol,
    /// How deep it is nested, from 0.
    pub depth: usize,
    /// What it says.
    pub line: Line,
}

/// What happens, as one of Terraform's symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Symbol {
    /// `+`
    Create,
    /// `~`
    Update,
    /// `-`
    Delete,
    /// `<=`
    Read,
    /// None.
    Same,
}

impl Symbol {
    /// The symbol, right-aligned to two characters as Terraform does.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Create => " +",
            Self::Update => " ~",
            Self::Delete => " -",
            Self::Read => "<=",
            Self::Same => "  ",
        }
    }

    /// Its colour.
    pub fn tone(self) -> Tone {
        match self {
            Self::Create => Tone::Add,
            Self::Update => Tone::Change,
            Self::Delete => Tone::Remove,
            Self::Read => Tone::Read,
            Self::Same => Tone::Plain,
        }
    }

    /// Its meaning, for the legend.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update in-place",
            Self::Delete => "destroy",
            Self::Read => "check during apply",
            Self::Same => "",
        }
    }
}
