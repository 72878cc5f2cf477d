//! The body of a resource: attribute rows with Terraform's symbols, aligned, what stays the same folded away.

use std::collections::BTreeSet;

use similar::{ChangeTag, TextDiff};

use super::clean::SENSITIVE;
use super::json::hides;
use super::page::{Row, Symbol};
use super::text::{Line, Tone};
use crate::model::{Attributes, Value, agrees};

/// The rows that lead from one set of attributes to the other. `full` shows what stays the same too.
pub(super) fn rows(before: &Attributes, after: &Attributes, full: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    Body { full, rows: &mut rows }.map(
        before,
        after,
        0,
        &Words { one: "attribute", many: "attributes", quoted: false },
    );
    rows
}

struct Words {
    one: &'static str,
    many: &'static str,
    quoted: bool,
}

const ELEMENTS: Words = Words { one: "element", many: "elements", quoted: true };

struct Body<'a> {
    full: bool,
    rows: &'a mut Vec<Row>,
}

impl Body<'_> {
    fn push(&mut self, symbol: Symbol, depth: usize, line: Line) {
        self.rows.push(Row { symbol, depth, line });
    }

    fn map(&mut self, before: &Attributes, after: &Attributes, depth: usize, words: &Words) {
        let null = Value::Null;
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let (mut shown, mut hidden) = (Vec::new(), 0);
        for name in names {
            let (old, new) = (before.get(name).unwrap_or(&null), after.get(name).unwrap_or(&null));
            let same = agrees(old, new);
            if !same || (self.full && new != &null) {
                shown.push((name, old, new, same));
            } else if old != &null {
                hidden += 1;
            }
        }
        let title = |name: &str| if words.quoted { quoted(name) } else { name.to_owned() };
        let width = shown.iter().map(|(name, ..)| Line::plain(title(name)).width()).max().unwrap_or_default();
        for (name, old, new, same) in shown {
            let title = Line::plain(title(name));
            let fill = " ".repeat(width - title.width());
            let head = title.and(format!("{fill} = "));
            self.entry(head, (name, old, new), same, depth);
        }
        if hidden > 0 {
            let noun = if hidden == 1 { words.one } else { words.many };
            self.push(Symbol::Same, depth, Line::of(Tone::Faint, format!("# ({hidden} unchanged {noun} hidden)")));
        }
    }

    fn entry(&mut self, head: Line, (name, old, new): (&str, &Value, &Value), same: bool, depth: usize) {
        let symbol = match (old, new) {
            _ if same => Symbol::Same,
            (Value::Null, _) => Symbol::Create,
            (_, Value::Null) => Symbol::Delete,
            _ => Symbol::Update,
        };
        if let (Some(old), Some(new)) = (map_or_empty(old), map_or_empty(new)) {
            self.push(symbol, depth, head.and("{"));
            self.map(old, new, depth + 1, &ELEMENTS);
            self.push(Symbol::Same, depth, Line::plain("}"));
        } else if let (Some(old), Some(new)) = (list_or_empty(old), list_or_empty(new)) {
            self.push(symbol, depth, head.and("["));
            self.list(name, old, new, depth + 1);
            self.push(Symbol::Same, depth, Line::plain("]"));
        } else if let (Value::Text(old), Value::Text(new)) = (old, new)
            && !same
            && (old.contains('\n') || new.contains('\n'))
            && ![old, new].into_iter().any(|text| hides(name, &Value::text(text)))
        {
            self.push(symbol, depth, head.and("<<-EOT"));
            self.lines(old, new, depth + 1);
            self.push(Symbol::Same, depth, Line::plain("EOT"));
        } else {
            self.push(symbol, depth, head.join(values(name, old, new, symbol)));
        }
    }

    fn list(&mut self, name: &str, old: &[Value], new: &[Value], depth: usize) {
        let render = |list: &[Value]| -> Vec<String> { list.iter().map(|value| inline(name, value)).collect() };
        let (old, new) = (render(old), render(new));
        let old: Vec<&str> = old.iter().map(String::as_str).collect();
        let new: Vec<&str> = new.iter().map(String::as_str).collect();
        let mut hidden = 0;
        for change in TextDiff::from_slices(&old, &new).iter_all_changes() {
            let symbol = symbol_of(change.tag());
            if symbol == Symbol::Same && !self.full {
                hidden += 1;
            } else {
                self.push(symbol, depth, Line::plain(change.value()).and(","));
            }
        }
        if hidden > 0 {
            let noun = if hidden == 1 { ELEMENTS.one } else { ELEMENTS.many };
            self.push(Symbol::Same, depth, Line::of(Tone::Faint, format!("# ({hidden} unchanged {noun} hidden)")));
        }
    }

    /// A long text line by line, with three lines of context.
    fn lines(&mut self, old: &str, new: &str, depth: usize) {
        let diff = TextDiff::from_lines(old, new);
        for (index, group) in diff.grouped_ops(3).iter().enumerate() {
            if index > 0 {
                self.push(Symbol::Same, depth, Line::of(Tone::Faint, "..."));
            }
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                self.push(symbol_of(change.tag()), depth, Line::plain(change.value().trim_end_matches(['\n', '\r'])));
            }
        }
    }
}

fn symbol_of(tag: ChangeTag) -> Symbol {
    match tag {
        ChangeTag::Equal => Symbol::Same,
        ChangeTag::Delete => Symbol::Delete,
        ChangeTag::Insert => Symbol::Create,
    }
}

/// The map in a value, an empty one where there is no value; `None` when the value is something else.
fn map_or_empty(value: &Value) -> Option<&Attributes> {
    static EMPTY: Attributes = Attributes::new();
    if value == &Value::Null { Some(&EMPTY) } else { value.as_map() }
}

/// The list in a value, an empty one where there is no value; `None` when the value is something else.
fn list_or_empty(value: &Value) -> Option<&[Value]> {
    if value == &Value::Null { Some(&[]) } else { value.as_list() }
}

fn values(name: &str, old: &Value, new: &Value, symbol: Symbol) -> Line {
    let one = |value: &Value| Line::plain(inline(name, value));
    let arrow = Line::of(Tone::Change, " -> ");
    match symbol {
        Symbol::Create | Symbol::Same | Symbol::Read => one(new),
        // A secret that changes looks the same on both sides; the symbol says that it changes.
        Symbol::Update if hides(name, old) && hides(name, new) => one(new),
        Symbol::Update => one(old).join(arrow).join(one(new)),
        Symbol::Delete => one(old).join(arrow).with(Tone::Faint, "null"),
    }
}

/// A value on one line.
pub(super) fn inline(name: &str, value: &Value) -> String {
    match value {
        value if hides(name, value) => SENSITIVE.to_owned(),
        Value::Null | Value::Secret(_) => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Text(text) => quoted(text),
        Value::Letters(letters) => quoted(letters.as_str()),
        Value::List(list) => {
            let items: Vec<String> = list.iter().map(|value| inline(name, value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let items: Vec<String> =
                map.iter().map(|(name, value)| format!("{name} = {}", inline(name, value))).collect();
            format!("{{ {} }}", items.join(", "))
        }
        Value::Open(reference) => format!("(known after apply: {reference})"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
