//! The state of a world in memory: a map of attributes per kind and key, in one canonical form so that two states compare.

use std::collections::BTreeMap;

use crate::model::{Attributes, Letters, SecretValue, Value};

/// Which thing: its kind and the literal attributes by which it is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// A kind of the register, or a word of the world's own (`site`, `server`).
    pub kind: String,
    /// Its key, without missing parts.
    pub key: Attributes,
}

impl Id {
    /// The thing of a kind with this key.
    pub fn new(kind: impl Into<String>, key: &Attributes) -> Self {
        let there = |(name, value): (&String, &Value)| (value != &Value::Null).then(|| (name.clone(), value.clone()));
        Self { kind: kind.into(), key: key.iter().filter_map(there).collect() }
    }
}

/// Everything that is there. Two states are equal when nobody could tell them apart: absent entries, `Null`, empty sets
/// of letters and empty maps are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    things: BTreeMap<Id, Attributes>,
}

impl State {
    /// The attributes of a thing, if it is there.
    pub fn get(&self, kind: &str, key: &Attributes) -> Option<&Attributes> {
        self.things.get(&Id::new(kind, key))
    }

    /// Everything that is there, in a stable order.
    pub fn all(&self) -> impl Iterator<Item = (&Id, &Attributes)> {
        self.things.iter()
    }

    /// The things of a kind whose key says of `part` what `key` says of it; several parts have to agree all.
    pub fn like<'a>(
        &'a self,
        kind: &'a str,
        key: &'a Attributes,
        parts: &'a [&str],
    ) -> impl Iterator<Item = (&'a Id, &'a Attributes)> {
        self.things
            .iter()
            .filter(move |(id, _)| id.kind == kind && parts.iter().all(|part| id.key.get(*part) == key.get(*part)))
    }

    /// Puts a thing there, whatever was there before.
    pub fn put(&mut self, kind: &str, key: &Attributes, attributes: Attributes) {
        self.things.insert(Id::new(kind, key), canonical(attributes));
    }

    /// Takes a thing away.
    pub fn remove(&mut self, kind: &str, key: &Attributes) {
        self.things.remove(&Id::new(kind, key));
    }

    /// The things on which two states differ, each with what either has.
    pub fn differences<'a>(&'a self, other: &'a Self) -> Vec<Difference<'a>> {
        let mut ids: Vec<&Id> = self.things.keys().chain(other.things.keys()).collect();
        ids.sort();
        ids.dedup();
        ids.into_iter()
            .map(|id| Difference { id, here: self.things.get(id), there: other.things.get(id) })
            .filter(|difference| difference.here != difference.there)
            .collect()
    }
}

/// One thing on which two states differ.
#[derive(Clone, Copy, Debug)]
pub struct Difference<'a> {
    /// Which thing.
    pub id: &'a Id,
    /// What the first state has.
    pub here: Option<&'a Attributes>,
    /// What the other state has.
    pub there: Option<&'a Attributes>,
}

/// Attributes without what means "not there". Where a secret comes from is known to its owner alone.
pub(super) fn canonical(attributes: Attributes) -> Attributes {
    let entry = |(name, value): (String, Value)| match one(value)? {
        Value::Map(map) if map.is_empty() => None,
        value => Some((name, value)),
    };
    attributes.into_iter().filter_map(entry).collect()
}

fn one(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Letters(letters) if letters.is_empty() => None,
        Value::Map(map) => Some(Value::Map(canonical(map))),
        Value::Secret(secret) => Some(Value::Secret(SecretValue { source: None, ..secret })),
        other => Some(other),
    }
}

/// What a look at `live` shows to somebody who asks for `asked`: of maps the entries asked for, of letters those asked
/// for, all else as it is.
pub(in crate::resources) fn shown(asked: &Value, live: Option<&Value>) -> Value {
    match (asked, live) {
        (Value::Map(asked), live) => {
            let of = |name: &String| live.and_then(Value::as_map).and_then(|live| live.get(name));
            let shown = asked.iter().map(|(name, asked)| (name.clone(), shown(asked, of(name))));
            Value::Map(shown.filter(|(_, value)| !means_nothing(value)).collect())
        }
        (Value::Letters(asked), Some(Value::Letters(live))) => {
            Value::Letters(Letters::new(live.as_str().chars().filter(|letter| asked.contains(*letter))))
        }
        (_, live) => live.cloned().unwrap_or(Value::Null),
    }
}

fn means_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Map(map) => map.is_empty(),
        Value::Letters(letters) => letters.is_empty(),
        _ => false,
    }
}

/// What becomes of `live` when a step leads from `before` to `after`: maps entry by entry, letters one by one, so that
/// what neither end names stays.
pub(super) fn changed(live: Option<&Value>, before: &Value, after: &Value) -> Value {
    match (before, after) {
        (Value::Map(_), Value::Map(_) | Value::Null) | (Value::Null, Value::Map(_)) => {
            let none = Attributes::new();
            let map = |value: &Value| value.as_map().cloned().unwrap_or_default();
            let (before, after) = (map(before), map(after));
            let mut all = live.and_then(Value::as_map).unwrap_or(&none).clone();
            for name in before.keys().chain(after.keys()) {
                let end = |map: &Attributes| map.get(name).cloned().unwrap_or(Value::Null);
                let value =
                    changed(live.and_then(Value::as_map).and_then(|live| live.get(name)), &end(&before), &end(&after));
                all.insert(name.clone(), value);
            }
            Value::Map(all)
        }
        (Value::Letters(_), Value::Letters(_) | Value::Null) | (Value::Null, Value::Letters(_)) => {
            let of = |value: Option<&Value>| match value {
                Some(Value::Letters(letters)) => letters.clone(),
                _ => Letters::default(),
            };
            let (live, before, after) = (of(live), of(Some(before)), of(Some(after)));
            let stays = live.as_str().chars().filter(|letter| !before.contains(*letter));
            Value::Letters(Letters::new(stays.chain(after.as_str().chars())))
        }
        _ => after.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{State, changed, shown};
    use crate::model::{Attributes, Letters, Value};

    fn letters(text: &str) -> Value {
        Value::Letters(Letters::new(text.chars()))
    }

    fn map<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn what_means_nothing_is_not_there() {
        let key = map([("name", "a".into())]);
        let (mut one, mut other) = (State::default(), State::default());
        one.put("role", &key, map([("x", Value::Null), ("grants", Value::Map(map([("t", letters(""))])))]));
        other.put("role", &map([("name", "a".into()), ("slot", Value::Null)]), map([("grants", Value::Map(map([])))]));
        assert_eq!(one, other);
        other.put("role", &key, map([("x", true.into())]));
        assert_eq!(one.differences(&other).len(), 1);
    }

    #[test]
    fn a_look_shows_what_is_asked_for() {
        let live = Value::Map(map([("a", letters("rw")), ("b", letters("r"))]));
        let asked = Value::Map(map([("a", letters("ra")), ("c", letters("r"))]));
        assert_eq!(shown(&asked, Some(&live)), Value::Map(map([("a", letters("r"))])));
        assert_eq!(shown(&Value::Bool(true), None), Value::Null);
    }

    #[test]
    fn a_change_leaves_what_neither_end_names() {
        let live = Value::Map(map([("a", letters("rd")), ("b", "theirs".into())]));
        let (before, after) = (Value::Map(map([])), Value::Map(map([("a", letters("w"))])));
        let there = changed(Some(&live), &before, &after);
        assert_eq!(there, Value::Map(map([("a", letters("drw")), ("b", "theirs".into())])));
        let back = changed(Some(&there), &after, &before);
        assert_eq!(back, live);
    }
}
