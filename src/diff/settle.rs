//! The engine's one rule: look right before a write, and write only where nobody else has been.

use std::collections::BTreeSet;
use std::fmt;

use crate::model::{Attributes, Letters, Schema, Step, Value, agrees};

/// One value that stands neither at its before nor at its after end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The path to it: `settings.USE_MANAGED_IDENTITY`.
    pub path: String,
    /// What the step started from.
    pub before: Value,
    /// What the step leads to.
    pub after: Value,
    /// What is there now.
    pub now: Value,
}

/// What has to be done with a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is already at its after end.
    AlreadyThere,
    /// It may be written.
    Write,
    /// Somebody else changed it.
    Conflict,
}

/// The answer of [`settle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What to do.
    pub verdict: Verdict,
    /// What stands elsewhere. With [`Verdict::Write`] these are entries that are left out of the write.
    pub clashes: Vec<Clash>,
    /// Entries whose object is gone: left out of the write, and no fault.
    pub gone: BTreeSet<String>,
    /// With [`Verdict::Write`] of what nobody has begun: entries (by field) that have moved already, as they stand now. They
    /// were there before us, see [`Step::as_found`].
    pub found: Attributes,
}

/// Where a value is, told only when it clashes: almost none does, and there may be many thousands.
#[derive(Clone, Copy)]
struct Path<'a>(Option<&'a Path<'a>>, &'a str);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(above) => write!(f, "{above}.{}", self.1),
            None => f.write_str(self.1),
        }
    }
}

/// Where one value stands between the two ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// Both ends are the same there, and it is as they are.
    Unmoved,
    After,
    Before,
    Between,
    Elsewhere,
}

fn join(a: Stand, b: Stand) -> Stand {
    match (a, b) {
        (Stand::Elsewhere, _) | (_, Stand::Elsewhere) => Stand::Elsewhere,
        (Stand::Unmoved, other) | (other, Stand::Unmoved) => other,
        (a, b) if a == b => a,
        _ => Stand::Between,
    }
}

/// Settles a step against what is there now (`None`: nothing). `began` says that our journal has a start of it.
/// `gone` and `replaced` are entries of entrywise fields whose object vanished or was replaced under its name.
pub fn settle(
    step: &Step,
    schema: &Schema,
    actual: Option<&Attributes>,
    began: bool,
    gone: &BTreeSet<String>,
    replaced: &BTreeSet<String>,
) -> Settled {
    let mut clashes = Vec::new();
    let stand = match (&step.before, &step.after, actual) {
        (_, None, None) => Stand::After,
        (None, Some(_), None) => Stand::Before,
        (Some(_), Some(_), None) => {
            clashes.push(whole(step, Value::Null));
            Stand::Elsewhere
        }
        (before, after, Some(actual)) => {
            let none = Attributes::new();
            let (from, to) = (before.as_ref().unwrap_or(&none), after.as_ref().unwrap_or(&none));
            let stand = fields(schema, from, to, actual, gone, replaced, &mut clashes);
            absent_end(schema, step, stand, actual, &mut clashes)
        }
    };
    let verdict = match stand {
        Stand::After | Stand::Unmoved => Verdict::AlreadyThere,
        Stand::Before => Verdict::Write,
        Stand::Between if began => Verdict::Write,
        Stand::Between | Stand::Elsewhere => Verdict::Conflict,
    };
    if verdict == Verdict::Conflict && clashes.is_empty() {
        clashes.push(whole(step, actual.map_or(Value::Null, |actual| Value::Map(actual.clone()))));
    }
    let found = match (&step.before, &step.after, actual) {
        (Some(from), Some(to), Some(actual)) if verdict == Verdict::Write && !began => {
            found(schema, from, to, actual, &|entry| gone.contains(entry) || replaced.contains(entry))
        }
        _ => Attributes::new(),
    };
    let gone = gone.iter().filter(|entry| in_step(step, entry)).cloned().collect();
    Settled { verdict, clashes, gone, found }
}

/// The entries of entrywise fields of which something has moved, as they stand.
fn found(
    schema: &Schema,
    from: &Attributes,
    to: &Attributes,
    actual: &Attributes,
    left_out: &dyn Fn(&String) -> bool,
) -> Attributes {
    let empty = Attributes::new();
    let entrywise = |name: &&String| schema.field(name).is_some_and(|field| field.entrywise);
    let field = |name: &String| {
        let [from, to, now] = [from, to, actual].map(|end| get(end, name).as_map().unwrap_or(&empty));
        let moved = |entry: &&String| {
            let stand = value(Path(None, entry), get(from, entry), get(to, entry), get(now, entry), &mut Vec::new());
            !left_out(entry) && matches!(stand, Stand::After | Stand::Between)
        };
        let entries = names(from, to).into_iter().filter(moved);
        let entries = entries.map(|entry| (entry.clone(), standing(get(from, entry), get(to, entry), get(now, entry))));
        let entries: Attributes = entries.collect();
        (!entries.is_empty()).then(|| (name.clone(), Value::Map(entries)))
    };
    names(from, to).into_iter().filter(entrywise).filter_map(field).collect()
}

/// What stands now of a value that is at one of two ends, part by part.
fn standing(from: &Value, to: &Value, now: &Value) -> Value {
    match (from, to) {
        (Value::Map(_), Value::Map(_) | Value::Null) | (Value::Null, Value::Map(_)) => {
            let empty = Attributes::new();
            let [from, to, now] = [from, to, now].map(|value| value.as_map().unwrap_or(&empty));
            let part = |name: &String| (name.clone(), standing(get(from, name), get(to, name), get(now, name)));
            Value::Map(names(from, to).into_iter().map(part).collect())
        }
        (Value::Letters(_), Value::Letters(_) | Value::Null) | (Value::Null, Value::Letters(_)) => {
            let has = |value: &Value, letter| matches!(value, Value::Letters(letters) if letters.contains(letter));
            let Value::Letters(now) = now else { return Value::Letters(Letters::default()) };
            let ours = now.as_str().chars().filter(|letter| has(from, *letter) || has(to, *letter));
            Value::Letters(Letters::new(ours))
        }
        _ if agrees(from, now) => from.clone(),
        _ => to.clone(),
    }
}

/// Something is there. If one end is "not there", only the other end can be met.
fn absent_end(schema: &Schema, step: &Step, stand: Stand, actual: &Attributes, clashes: &mut Vec<Clash>) -> Stand {
    let present = |map: &Option<Attributes>| map.as_ref().is_some_and(|end| agrees_present(end, actual));
    let half = |map: &Option<Attributes>| map.as_ref().is_some_and(|end| half_made(schema, end, actual));
    // Value by value, what the service begins with is neither end.
    let between = |clashes: &mut Vec<Clash>| {
        clashes.clear();
        Stand::Between
    };
    let elsewhere = |clashes: &mut Vec<Clash>| {
        if clashes.is_empty() {
            clashes.push(whole(step, Value::Map(actual.clone())));
        }
        Stand::Elsewhere
    };
    match (step.before.is_none(), step.after.is_none()) {
        (true, true) => Stand::After,
        // It was to be made and is there: as wanted, half-made (ours if the journal says we began), or made by others.
        (true, false) if present(&step.after) => Stand::After,
        (true, false) if half(&step.after) => between(clashes),
        // It was to be removed and is there.
        (false, true) if present(&step.before) => Stand::Before,
        (false, true) if half(&step.before) => between(clashes),
        (true, false) | (false, true) => elsewhere(clashes),
        (false, false) => stand,
    }
}

fn agrees_present(end: &Attributes, actual: &Attributes) -> bool {
    end.iter().all(|(name, value)| agrees(value, actual.get(name).unwrap_or(&Value::Null)))
}

/// Every attribute is as it should be, not there yet, or what the service begins with.
fn half_made(schema: &Schema, end: &Attributes, actual: &Attributes) -> bool {
    let fresh = |name: &str, now: &Value| {
        let text = schema.field(name).and_then(|field| field.fresh);
        text.is_some() && text == now.as_text()
    };
    end.iter().all(|(name, value)| fresh(name, get(actual, name)) || half_set(value, get(actual, name)))
}

fn half_set(value: &Value, now: &Value) -> bool {
    let unset = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Map(map) => map.is_empty(),
        _ => false,
    };
    let all = |end: &Attributes, now: &Attributes| end.iter().all(|(name, value)| half_set(value, get(now, name)));
    agrees(value, now) || unset(now) || matches!((value, now), (Value::Map(end), Value::Map(now)) if all(end, now))
}

fn whole(step: &Step, now: Value) -> Clash {
    let end = |end: &Option<Attributes>| end.as_ref().map_or(Value::Null, |end| Value::Map(end.clone()));
    Clash { path: String::new(), before: end(&step.before), after: end(&step.after), now }
}

fn in_step(step: &Step, entry: &str) -> bool {
    let holds = |end: &Option<Attributes>| {
        end.iter().flat_map(Attributes::values).any(|value| value.as_map().is_some_and(|map| map.contains_key(entry)))
    };
    holds(&step.before) || holds(&step.after)
}

fn names<'a>(a: &'a Attributes, b: &'a Attributes) -> BTreeSet<&'a String> {
    a.keys().chain(b.keys()).collect()
}

fn get<'a>(map: &'a Attributes, name: &str) -> &'a Value {
    map.get(name).unwrap_or(&Value::Null)
}

fn fields(
    schema: &Schema,
    from: &Attributes,
    to: &Attributes,
    actual: &Attributes,
    gone: &BTreeSet<String>,
    replaced: &BTreeSet<String>,
    clashes: &mut Vec<Clash>,
) -> Stand {
    let (mut stand, mut mix) = (Stand::Unmoved, Mix::default());
    for name in names(from, to) {
        let (from, to, now) = (get(from, name), get(to, name), get(actual, name));
        if schema.field(name).is_some_and(|field| field.entrywise) {
            mix.add(&entries(name, from, to, now, gone, replaced, clashes));
        } else {
            stand = join(stand, value(Path(None, name), from, to, now, clashes));
        }
    }
    join(stand, mix.stand())
}

/// What the entries of entrywise fields come to, those of all fields together: any mix of moved and unmoved entries may be
/// written.
#[derive(Default)]
struct Mix {
    open: bool,
    moved: bool,
    clashed: bool,
}

impl Mix {
    const fn add(&mut self, other: &Self) {
        self.open |= other.open;
        self.moved |= other.moved;
        self.clashed |= other.clashed;
    }

    const fn stand(&self) -> Stand {
        match (self.open, self.moved, self.clashed) {
            (true, _, _) => Stand::Before,
            (false, true, _) => Stand::After,
            (false, false, true) => Stand::Elsewhere,
            (false, false, false) => Stand::Unmoved,
        }
    }
}

/// Each entry alone: one that somebody else replaced clashes without stopping the others.
fn entries(
    field: &str,
    from: &Value,
    to: &Value,
    now: &Value,
    gone: &BTreeSet<String>,
    replaced: &BTreeSet<String>,
    clashes: &mut Vec<Clash>,
) -> Mix {
    let empty = Attributes::new();
    let [from, to, now] = [from, to, now].map(|value| value.as_map().unwrap_or(&empty));
    let mut mix = Mix::default();
    let field = Path(None, field);
    for entry in names(from, to).into_iter().filter(|entry| !gone.contains(*entry)) {
        let (from, to, now) = (get(from, entry), get(to, entry), get(now, entry));
        let path = Path(Some(&field), entry);
        let stand = if replaced.contains(entry) {
            note(Stand::Elsewhere, path, (from, to, now), clashes)
        } else {
            value(path, from, to, now, clashes)
        };
        match stand {
            Stand::Before | Stand::Between => mix.open = true,
            Stand::After | Stand::Unmoved => mix.moved = true,
            Stand::Elsewhere => mix.clashed = true,
        }
    }
    mix
}

fn value(path: Path<'_>, from: &Value, to: &Value, now: &Value, clashes: &mut Vec<Clash>) -> Stand {
    match (from, to) {
        (Value::Map(_), Value::Map(_) | Value::Null) | (Value::Null, Value::Map(_)) => {
            let empty = Attributes::new();
            let [from, to, now] = [from, to, now].map(|value| value.as_map().unwrap_or(&empty));
            names(from, to).into_iter().fold(Stand::Unmoved, |stand, name| {
                let path = Path(Some(&path), name);
                join(stand, value(path, get(from, name), get(to, name), get(now, name), clashes))
            })
        }
        (Value::Letters(_), Value::Letters(_) | Value::Null) | (Value::Null, Value::Letters(_)) => {
            letters(path, from, to, now, clashes)
        }
        _ => {
            let stand = match (agrees(from, now), agrees(to, now)) {
                (true, true) => Stand::Unmoved,
                (false, true) => Stand::After,
                (true, false) => Stand::Before,
                (false, false) => Stand::Elsewhere,
            };
            note(stand, path, (from, to, now), clashes)
        }
    }
}

fn letters(path: Path<'_>, from: &Value, to: &Value, now: &Value, clashes: &mut Vec<Clash>) -> Stand {
    let empty = Letters::default();
    let [a, b, is] = [from, to, now].map(|value| if let Value::Letters(letters) = value { letters } else { &empty });
    let stand = a.as_str().chars().chain(b.as_str().chars()).fold(Stand::Unmoved, |stand, letter| {
        let part = match (a.contains(letter), b.contains(letter), is.contains(letter)) {
            (true, true, true) => Stand::Unmoved,
            (true, true, false) => Stand::Elsewhere,
            (_, after, now) if after == now => Stand::After,
            _ => Stand::Before,
        };
        join(stand, part)
    });
    note(stand, path, (from, to, now), clashes)
}

fn note(
    stand: Stand,
    path: Path<'_>,
    (before, after, now): (&Value, &Value, &Value),
    clashes: &mut Vec<Clash>,
) -> Stand {
    if stand == Stand::Elsewhere {
        clashes.push(Clash { path: path.to_string(), before: before.clone(), after: after.clone(), now: now.clone() });
    }
    stand
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
