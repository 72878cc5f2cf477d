//! Attributes: values by field name, shared between copies until one of them is changed.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Value;

/// The attributes of one resource by field name, or any values by name. A missing field and `Null` mean the same.
///
/// A map that copies share: a change set, its steps, the journal and every look hold the privileges of thousands of
/// objects, most of them equal. A clone costs nothing; the first change to one makes it a map of its own.
#[derive(Clone, Default)]
pub struct Attributes(Option<Arc<BTreeMap<String, Value>>>);

static NONE: BTreeMap<String, Value> = BTreeMap::new();

impl Attributes {
    /// No attributes.
    pub const fn new() -> Self {
        Self(None)
    }

    fn map(&self) -> &BTreeMap<String, Value> {
        self.0.as_deref().unwrap_or(&NONE)
    }

    /// The values in the order of their names.
    pub fn values(&self) -> btree_map::Values<'_, String, Value> {
        self.map().values()
    }

    /// The names in order.
    pub fn keys(&self) -> btree_map::Keys<'_, String, Value> {
        self.map().keys()
    }

    /// Where the map is in memory. Two that live at the same time and are at one place are one and the same map: a cheap
    /// sign of equality, and a key to what was computed from one already.
    pub fn place(&self) -> usize {
        self.0.as_ref().map_or(0, |map| Arc::as_ptr(map).addr())
    }
}

impl Deref for Attributes {
    type Target = BTreeMap<String, Value>;

    fn deref(&self) -> &Self::Target {
        self.map()
    }
}

impl DerefMut for Attributes {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place() || self.map() == other.map()
    }
}

impl Eq for Attributes {}

impl PartialOrd for Attributes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Attributes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.map().cmp(other.map())
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.map().fmt(f)
    }
}

impl FromIterator<(String, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(entries: I) -> Self {
        BTreeMap::from_iter(entries).into()
    }
}

impl From<BTreeMap<String, Value>> for Attributes {
    fn from(map: BTreeMap<String, Value>) -> Self {
        Self((!map.is_empty()).then(|| Arc::new(map)))
    }
}

impl<const N: usize> From<[(String, Value); N]> for Attributes {
    fn from(entries: [(String, Value); N]) -> Self {
        BTreeMap::from(entries).into()
    }
}

impl Extend<(String, Value)> for Attributes {
    fn extend<I: IntoIterator<Item = (String, Value)>>(&mut self, entries: I) {
        let mut entries = entries.into_iter().peekable();
        if entries.peek().is_some() {
            BTreeMap::extend(self, entries);
        }
    }
}

impl IntoIterator for Attributes {
    type Item = (String, Value);
    type IntoIter = btree_map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(Arc::unwrap_or_clone).unwrap_or_default().into_iter()
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = (&'a String, &'a Value);
    type IntoIter = btree_map::Iter<'a, String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Attributes {
    type Item = (&'a String, &'a mut Value);
    type IntoIter = btree_map::IterMut<'a, String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::Attributes;
    use crate::model::Value;

    #[test]
    fn copies_are_shared_until_one_is_changed() {
        let one = Attributes::from([("a".to_owned(), Value::Bool(true))]);
        let mut other = one.clone();
        assert_eq!(one.place(), other.place());
        other.insert("b".to_owned(), Value::Null);
        assert_ne!(one.place(), other.place());
        assert_eq!((one.len(), other.len()), (1, 2));
    }

    #[test]
    fn an_emptied_map_equals_an_empty_one() {
        let mut map = Attributes::from([("a".to_owned(), Value::Bool(true))]);
        map.clear();
        assert_eq!(map, Attributes::new());
        assert_eq!(map.cmp(&Attributes::new()), Ordering::Equal);
    }
}
