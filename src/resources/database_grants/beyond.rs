//! Privileges beyond the plan file: found on the way, told in few words, and left alone.

use std::collections::BTreeMap;

use super::plan::Verdict;
use super::wants::{Pair, Wishes};
use crate::postgres::{Defaults, LetterSet, Object, ObjectType, show_ident};

/// How many objects one remark names.
const NAMED: usize = 3;
/// How many remarks are made about roles that the plan file does not name.
const OTHERS: usize = 20;

/// What one remark is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Topic {
    role: String,
    kind: ObjectType,
    /// The schema of objects; `None` outside schemas and for default privileges.
    schema: Option<String>,
    defaults: bool,
    letters: LetterSet,
    options: LetterSet,
}

/// All that was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Beyond {
    topics: BTreeMap<Topic, (usize, Vec<String>)>,
}

impl Beyond {
    /// Takes down what roles hold on one object and keep.
    pub(super) fn object(&mut self, object: &Object, verdict: &Verdict) {
        let (kind, schema) = (object.name.kind, kind_schema(object));
        for (role, pair) in &verdict.beyond {
            self.add(topic(role, kind, schema.clone(), false, *pair), || {
                if schema.is_some() { short(object) } else { show_ident(&object.name.name) }
            });
        }
    }

    /// Takes down what roles will get by default privileges and keep.
    pub(super) fn defaults(&mut self, defaults: &Defaults, verdict: &Verdict) {
        for (role, pair) in &verdict.beyond {
            self.add(topic(role, defaults.kind, None, true, *pair), || {
                let place = defaults.schema.as_ref().map(|schema| format!(" in schema {}", show_ident(schema)));
                format!("{}{}", show_ident(&defaults.creator), place.unwrap_or_default())
            });
        }
    }

    fn add(&mut self, topic: Topic, name: impl FnOnce() -> String) {
        let (count, names) = self.topics.entry(topic).or_default();
        *count += 1;
        if names.len() < NAMED {
            names.push(name());
        }
    }

    /// The remarks; those about roles of the plan file first.
    pub(super) fn notes(self, wishes: &Wishes) -> Vec<String> {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for (topic, (count, names)) in self.topics {
            let known = wishes.names(&topic.role);
            let list = if known { &mut own } else { &mut others };
            let start = if known { "beyond the plan file" } else { "not in the plan file" };
            list.extend(sentences(&topic, count, &names).into_iter().map(|text| format!("{start}: {text}")));
        }
        let more = others.len().saturating_sub(OTHERS);
        others.truncate(OTHERS);
        if more > 0 {
            others.push(format!("not in the plan file: {more} more privileges of roles that it does not name"));
        }
        own.extend(others);
        own
    }
}

fn kind_schema(object: &Object) -> Option<String> {
    object.name.kind.in_schema().then(|| object.name.schema.clone())
}

/// The name without kind and schema.
fn short(object: &Object) -> String {
    let name = show_ident(&object.name.name);
    match object.name.kind {
        ObjectType::Column => format!("{name}.{}", show_ident(&object.name.inner)),
        ObjectType::Function | ObjectType::Procedure => format!("{name}({})", object.name.inner),
        _ => name,
    }
}

fn topic(role: &str, kind: ObjectType, schema: Option<String>, defaults: bool, pair: Pair) -> Topic {
    Topic { role: role.to_owned(), kind, schema, defaults, letters: pair.letters, options: pair.options }
}

fn sentences(topic: &Topic, count: usize, names: &[String]) -> Vec<String> {
    let mut list = names.join(", ");
    if count > names.len() {
        list = format!("{list}, {} more", count - names.len());
    }
    let object = match (&topic.schema, count) {
        _ if topic.defaults => format!("future {} created by {list}", topic.kind.plural().unwrap_or("objects")),
        (Some(schema), 1) => format!("{} {}.{list}", topic.kind, show_ident(schema)),
        (Some(schema), _) => format!("{count} {}s in {} ({list})", topic.kind, show_ident(schema)),
        (None, 1) => format!("{} {list}", topic.kind),
        (None, _) => format!("{count} {}s ({list})", topic.kind),
    };
    let words = |letters: LetterSet| topic.kind.words(letters).join(", ");
    let role = &topic.role;
    let mut said = Vec::new();
    if !topic.letters.is_empty() {
        said.push(format!("{role} holds {} on {object}", words(topic.letters)));
    }
    if !topic.options.is_empty() {
        said.push(format!("{role} may grant {} on {object} to others", words(topic.options)));
    }
    said
}
