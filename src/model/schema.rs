//! Schemas: what the attributes of a kind are, and the pure facts about it that planning needs.

use std::time::Duration;

use super::{Attributes, Undo};

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A span of time such as `5m`, `24h`, `7d`.
    Duration,
    /// A GUID (object id, tenant id, subscription id).
    Guid,
    /// Values of one type in order.
    List(&'static Type),
    /// Values of one type by name.
    Map(&'static Type),
    /// A table with fields of its own.
    Table(&'static [Field]),
    /// Any of these types.
    Any(&'static [Type]),
}

/// Answers what is wrong with a text.
pub type Check = fn(&str) -> Result<(), String>;

/// One field of a kind, or of a table inside it.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent marks of a table column, set by name")]
pub struct Field {
    /// Its name in the plan file.
    pub name: &'static str,
    /// One or two sentences for the reference page and for editors.
    pub doc: &'static str,
    /// What it holds.
    pub ty: Type,
    /// Whether it has to be given.
    pub required: bool,
    /// Whether the thing is found by it; such a field is always literal.
    pub key: bool,
    /// Whether `{ ref = "..." }` may stand in its place (or, for lists and maps, in place of an element).
    pub reference: bool,
    /// Whether each entry of the map is settled alone: gone entries are skipped, replaced ones conflict alone.
    pub entrywise: bool,
    /// What the text has to satisfy besides its type.
    pub check: Option<Check>,
    /// The text that a thing which was only just made has there, until it gets what was asked for.
    pub fresh: Option<&'static str>,
}

impl Field {
    /// An optional literal field.
    pub const fn new(name: &'static str, ty: Type, doc: &'static str) -> Self {
        let (required, key, reference, entrywise) = (false, false, false, false);
        Self { name, doc, ty, required, key, reference, entrywise, check: None, fresh: None }
    }

    /// The same field, required.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same field as (part of) the key: literal and required.
    #[must_use]
    pub const fn key(self) -> Self {
        Self { key: true, required: true, ..self }
    }

    /// The same field as an optional part of the key.
    #[must_use]
    pub const fn optional_key(self) -> Self {
        Self { key: true, ..self }
    }

    /// The same field, where a reference may stand.
    #[must_use]
    pub const fn or_reference(self) -> Self {
        Self { reference: true, ..self }
    }

    /// The same map, settled entry by entry.
    #[must_use]
    pub const fn entrywise(self) -> Self {
        Self { entrywise: true, ..self }
    }

    /// The same field with a check of its text.
    #[must_use]
    pub const fn checked(self, check: Check) -> Self {
        Self { check: Some(check), ..self }
    }

    /// The same field, where a thing that was only just made has this text.
    #[must_use]
    pub const fn fresh(self, text: &'static str) -> Self {
        Self { fresh: Some(text), ..self }
    }
}

/// Something a resource gives once it is there, for others to refer to.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Its name in a reference.
    pub name: &'static str,
    /// One sentence for the reference page.
    pub doc: &'static str,
    /// The key field that it equals, when it is known before apply.
    pub same_as: Option<&'static str>,
}

/// What a kind is for; reports and the engine treat the three differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Makes something true. Counted as add, change or destroy.
    Resource,
    /// Looks whether something is true now; changes nothing; polled until it passes.
    Check,
    /// Holds what leans on it until a condition is met.
    Gate,
}

/// Everything pure about a kind.
#[derive(Debug)]
pub struct Schema {
    /// The kind's name, as in `[resource.<kind>.<name>]`.
    pub kind: &'static str,
    /// What it makes true, for the reference page.
    pub doc: &'static str,
    /// What it is for.
    pub nature: Nature,
    /// Its fields, in the order of the reference page.
    pub fields: &'static [Field],
    /// What it gives.
    pub outputs: &'static [Output],
    /// Whether and how a change from the first to the second end can be undone. `None` is "not there".
    pub undo: fn(Option<&Attributes>, Option<&Attributes>) -> Undo,
    /// Writes with equal keys never overlap; computed from the key fields.
    pub serial_key: fn(&Attributes) -> Option<String>,
    /// How many restarts (of an app or a server) the change causes.
    pub restarts: fn(Option<&Attributes>, Option<&Attributes>) -> u32,
    /// How long after a write reads may still show the old state.
    pub consistent_within: Duration,
}

impl Schema {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The output of this name.
    pub fn output(&self, name: &str) -> Option<&'static Output> {
        self.outputs.iter().find(|output| output.name == name)
    }
}
