//! What the runs of a plan file have made: told by their journals, kept as a list so that old journals need not be read
//! again. Holds no secret. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Run, Status, StepRun};
use crate::model::{Address, Attributes, Letters, Ref, Value, WHOLE, agrees};

/// The format of the list.
pub const OWNED_FORMAT: u32 = 1;

/// One resource that a run changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedResource {
    /// How the plan file called it last; the label may change, the thing stays the same.
    pub address: Address,
    /// Where it is found.
    pub key: Attributes,
    /// Whether it was not there before: gone from the plan file it is destroyed. Otherwise it is forgotten.
    pub created: bool,
    /// What in it was not there before: gone from the plan file, that is removed again.
    pub made: Attributes,
    /// The connection that wrote an entry, where it was not the first one.
    #[serde(default)]
    pub routes: BTreeMap<String, String>,
    /// What it leans on, directly or through others: it has to go before that goes.
    pub leans_on: BTreeSet<Address>,
}

/// Everything that the runs of a plan file have made and not removed since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// [`OWNED_FORMAT`].
    pub format: u32,
    /// The last run that the list counts; those after it are to be added.
    pub through: Option<String>,
    /// The resources.
    pub resources: Vec<OwnedResource>,
}

impl Owned {
    /// The resource of this kind and key.
    pub fn find(&self, kind: &str, key: &Attributes) -> Option<&OwnedResource> {
        self.resources.iter().find(|owned| owned.address.kind == kind && owned.key == *key)
    }

    /// Adds what one more run did.
    pub fn add(&mut self, run: &Run) {
        self.format = OWNED_FORMAT;
        let mut given: BTreeMap<&Address, Attributes> = BTreeMap::new();
        for step in &run.steps {
            given.entry(&step.step.address).or_default().extend(step.outputs.clone());
        }
        let lookup = |reference: &Ref| given.get(&reference.address)?.get(&reference.output).cloned();
        for step in run.steps.iter().filter(|step| step.stands() || step.status == Status::Kept) {
            self.take(step, run.leans.get(&step.step.address), &lookup);
        }
    }

    fn take(&mut self, run: &StepRun, leans: Option<&BTreeSet<Address>>, lookup: &dyn Fn(&Ref) -> Option<Value>) {
        let step = &run.step;
        let fill = |end: &Option<Attributes>| -> Option<Attributes> {
            Some(end.as_ref()?.iter().map(|(name, value)| (name.clone(), value.filled(lookup))).collect())
        };
        let (before, after) = (fill(&step.before), fill(&step.after));
        let at =
            self.resources.iter().position(|owned| owned.address.kind == step.address.kind && owned.key == step.key);
        let Some(after) = after else {
            // One that failed may still be there, and is asked for again.
            if let (Some(at), Status::Done) = (at, run.status) {
                self.resources.remove(at);
            }
            return;
        };
        let at = at.unwrap_or_else(|| {
            self.resources.push(OwnedResource {
                address: step.address.clone(),
                key: step.key.clone(),
                created: before.is_none(),
                made: Attributes::new(),
                routes: BTreeMap::new(),
                leans_on: BTreeSet::new(),
            });
            self.resources.len() - 1
        });
        let owned = &mut self.resources[at];
        owned.address = step.address.clone();
        if let Some(leans) = leans {
            owned.leans_on.clone_from(leans);
        }
        if let Some(via) = &step.via {
            let entries = after.values().filter_map(Value::as_map).flat_map(Attributes::keys);
            if step.id == step.address.to_string() {
                owned.routes.insert(WHOLE.to_owned(), via.clone());
            } else {
                owned.routes.extend(entries.map(|entry| (entry.clone(), via.clone())));
            }
        }
        let earlier = owned.made.clone();
        make(&mut owned.made, &before.unwrap_or_default(), &after);
        if run.status != Status::Done {
            keep(&mut owned.made, &earlier);
        }
        if !owned.created && owned.made.is_empty() {
            self.resources.remove(at);
        }
    }
}

/// Whether a value says that nothing is there.
fn absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Map(map) => map.values().all(absent),
        Value::List(list) => list.is_empty(),
        Value::Letters(letters) => letters.is_empty(),
        _ => false,
    }
}

/// Counts a change from `before` to `after`: what was absent is made now, what is absent now is no longer made, and what
/// was made before stays so with its new value.
fn make(made: &mut Attributes, before: &Attributes, after: &Attributes) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let [was, is] = [before, after].map(|end| end.get(name).unwrap_or(&Value::Null));
        match (was, is) {
            (Value::Map(_) | Value::Null, Value::Map(_)) | (Value::Map(_), Value::Null) => {
                let empty = Attributes::new();
                let mut inner = made.get(name).and_then(Value::as_map).cloned().unwrap_or_default();
                make(&mut inner, was.as_map().unwrap_or(&empty), is.as_map().unwrap_or(&empty));
                put(made, name, Value::Map(inner));
            }
            (Value::Letters(_) | Value::Null, Value::Letters(_)) | (Value::Letters(_), Value::Null) => {
                put(made, name, letters(made.get(name), was, is));
            }
            _ if absent(is) => _ = made.remove(name),
            _ if absent(was) || made.contains_key(name) && !agrees(was, is) => put(made, name, is.clone()),
            _ => {}
        }
    }
}

/// Brings back what `make` took away: a step that failed may not have removed it.
fn keep(made: &mut Attributes, earlier: &Attributes) {
    for (name, value) in earlier {
        match (made.get_mut(name), value) {
            (None, value) => _ = made.insert(name.clone(), value.clone()),
            (Some(Value::Map(made)), Value::Map(earlier)) => keep(made, earlier),
            (Some(Value::Letters(made)), Value::Letters(earlier)) => {
                *made = Letters::new(made.as_str().chars().chain(earlier.as_str().chars()));
            }
            _ => {}
        }
    }
}

fn put(made: &mut Attributes, name: &str, value: Value) {
    if absent(&value) {
        made.remove(name);
    } else {
        made.insert(name.to_owned(), value);
    }
}

/// The letters made so far, with those that came and without those that went.
fn letters(made: Option<&Value>, was: &Value, is: &Value) -> Value {
    let of = |value: Option<&Value>| {
        if let Some(Value::Letters(letters)) = value { letters.clone() } else { Letters::default() }
    };
    let (made, was, is) = (of(made), of(Some(was)), of(Some(is)));
    let stay = made.as_str().chars().filter(|letter| !was.contains(*letter) || is.contains(*letter));
    let come = is.as_str().chars().filter(|letter| !was.contains(*letter));
    Value::Letters(Letters::new(stay.chain(come)))
}

#[cfg(test)]
#[path = "owned_tests.rs"]
mod tests;
