//! Faults that a world in memory can be made to have: which write or look they hit, and what they do to it.

use std::collections::BTreeMap;

use crate::model::{Attributes, Letters, Value};

/// What goes wrong with one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It is refused before anything happens.
    ErrorBefore,
    /// It takes effect, and an error is answered nevertheless.
    ErrorAfter,
    /// A part of it takes effect, then it fails.
    HalfWay,
    /// It takes effect, and the answer is lost on the way.
    LostReply,
    /// It is said to be done, and nothing has happened.
    Lie,
    /// It takes effect, and so many looks after it still show the state before it. Kinds whose reads are consistent at
    /// once never do that.
    StaleRead(u32),
    /// It takes effect, the answer is lost, and so many looks after it still show the state before it.
    LostAndStale(u32),
    /// It is refused because there were too many calls.
    Throttled,
    /// It is taken as a long-running operation, which fails in the end; nothing has happened.
    FailsLate,
    /// It is taken as a long-running operation, which goes on even if nobody waits for it: it takes effect when it is
    /// waited for, or after so many looks. Kinds whose reads are consistent at once have no such operations.
    GoesOn(u32),
}

impl Fault {
    /// One of each that fails or lags; [`Fault::GoesOn`] matters only to a caller that dies.
    pub const ALL: [Self; 9] = [
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::HalfWay,
        Self::LostReply,
        Self::Lie,
        Self::StaleRead(2),
        Self::LostAndStale(2),
        Self::Throttled,
        Self::FailsLate,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::ErrorBefore => "error before",
            Self::ErrorAfter => "error after",
            Self::HalfWay => "half-way",
            Self::LostReply => "lost reply",
            Self::Lie => "lie",
            Self::StaleRead(_) => "stale read",
            Self::LostAndStale(_) => "lost and stale",
            Self::Throttled => "throttled",
            Self::FailsLate => "fails late",
            Self::GoesOn(_) => "goes on",
        }
    }

    /// Whether it can hit only services that lag behind.
    pub fn lags(self) -> bool {
        matches!(self, Self::StaleRead(_) | Self::LostAndStale(_) | Self::GoesOn(_))
    }
}

/// The end that a write reaches when it fails half-way: of everything that it changes, the first half (rounded up) is as
/// wanted, the rest as it was. A single value cannot be half-way: it is written whole.
pub(super) fn half(before: Option<&Attributes>, after: &Attributes) -> Attributes {
    let none = Attributes::new();
    let before = before.unwrap_or(&none);
    let total = leaves(before, after);
    let mut left = total.div_ceil(2);
    part(before, after, &mut left)
}

/// How many single values differ between two ends.
fn leaves(before: &Attributes, after: &Attributes) -> usize {
    each(before, after).into_iter().map(|(_, (before, after))| weight(before, after)).sum()
}

fn weight(before: &Value, after: &Value) -> usize {
    let none = Attributes::new();
    match (before, after) {
        (Value::Map(before), Value::Map(after)) => leaves(before, after),
        (Value::Null, Value::Map(after)) => leaves(&none, after),
        (Value::Map(before), Value::Null) => leaves(before, &none),
        (Value::Letters(_), Value::Letters(_) | Value::Null) | (Value::Null, Value::Letters(_)) => {
            let (before, after) = (letters(before), letters(after));
            before.as_str().chars().filter(|letter| !after.contains(*letter)).count()
                + after.as_str().chars().filter(|letter| !before.contains(*letter)).count()
        }
        (before, after) => usize::from(before != after),
    }
}

fn letters(value: &Value) -> Letters {
    if let Value::Letters(letters) = value { letters.clone() } else { Letters::default() }
}

/// Every name of either end with both of its values.
fn each<'a>(before: &'a Attributes, after: &'a Attributes) -> BTreeMap<&'a String, (&'a Value, &'a Value)> {
    let end = |map: &'a Attributes, name: &String| map.get(name).unwrap_or(&Value::Null);
    before.keys().chain(after.keys()).map(|name| (name, (end(before, name), end(after, name)))).collect()
}

fn part(before: &Attributes, after: &Attributes, left: &mut usize) -> Attributes {
    each(before, after).into_iter().map(|(name, (before, after))| (name.clone(), one(before, after, left))).collect()
}

fn one(before: &Value, after: &Value, left: &mut usize) -> Value {
    let none = Attributes::new();
    match (before, after) {
        (Value::Map(before), Value::Map(after)) => Value::Map(part(before, after, left)),
        (Value::Null, Value::Map(after)) => Value::Map(part(&none, after, left)),
        (Value::Map(before), Value::Null) => Value::Map(part(before, &none, left)),
        (Value::Letters(_), Value::Letters(_) | Value::Null) | (Value::Null, Value::Letters(_)) => {
            let (before, after) = (letters(before), letters(after));
            let mut take = |letter: char| {
                let moves = before.contains(letter) != after.contains(letter);
                let reached = moves && *left > 0;
                *left -= usize::from(reached);
                if reached || !moves { after.contains(letter) } else { before.contains(letter) }
            };
            let all = Letters::new(before.as_str().chars().chain(after.as_str().chars()));
            Value::Letters(Letters::new(all.as_str().chars().filter(|letter| take(*letter))))
        }
        (before, after) if before == after => after.clone(),
        (_, after) if *left > 0 => {
            *left -= 1;
            after.clone()
        }
        (before, _) => before.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::half;
    use crate::model::{Attributes, Letters, Value};

    fn map<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn half_of_what_changes_is_reached() {
        let before = map([("a", 1.to_string().into()), ("b", "1".into()), ("same", "s".into())]);
        let after = map([("a", "2".into()), ("b", "2".into()), ("same", "s".into())]);
        assert_eq!(half(Some(&before), &after), map([("a", "2".into()), ("b", "1".into()), ("same", "s".into())]));
        let letters = |text: &str| Value::Letters(Letters::new(text.chars()));
        let grants = map([("t", Value::Map(map([("role", letters("adrw"))])))]);
        assert_eq!(half(None, &grants), map([("t", Value::Map(map([("role", letters("ad"))])))]));
    }
}
