//! Change set -> steps: what leans on the unread waits for the next look; a change is split by connection.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Change, ChangeSet};
use crate::model::{Address, Attributes, Graph, Nature, Schema, Step, Value, WHOLE, agrees};

/// The steps that can be run now, each after everything it leans on. A gate that is open is a step before what it lets
/// through: it is asked once more when its turn comes, however long after the plan was made that is.
pub fn steps(set: &ChangeSet, schemas: &dyn Fn(&str) -> Option<&'static Schema>) -> Vec<Step> {
    let leans: BTreeMap<Address, BTreeSet<Address>> =
        set.changes.iter().map(|change| (change.address.clone(), change.leans_on.clone())).collect();
    let graph = Graph::new(&leans);
    let waits = |change: &Change| {
        let blocks =
            |change: &Change| matches!(change.action, Action::Unknown | Action::Held) || change.failure.is_some();
        blocks(change) || graph.leans_on_all(&change.address).iter().any(|on| set.get(on).is_some_and(blocks))
    };
    let runs = |change: &Change| change.acts() && !waits(change);
    let needed: BTreeSet<Address> = set
        .changes
        .iter()
        .filter(|change| runs(change))
        .flat_map(|change| graph.leans_on_all(&change.address))
        .collect();
    let gate = |address: &Address| schemas(&address.kind).is_some_and(|schema| schema.nature == Nature::Gate);
    let asked =
        |change: &Change| change.action == Action::None && needed.contains(&change.address) && gate(&change.address);
    let mut ids: BTreeMap<Address, Vec<String>> = BTreeMap::new();
    let mut steps = Vec::new();
    for change in set.changes.iter().filter(|change| runs(change) || asked(change)) {
        let Some(schema) = schemas(&change.address.kind) else { continue };
        let leans_on: BTreeSet<String> =
            graph.leans_on_all(&change.address).iter().filter_map(|on| ids.get(on)).flatten().cloned().collect();
        let parts = parts(change, schema, &leans_on);
        ids.insert(change.address.clone(), parts.iter().map(|step| step.id.clone()).collect());
        steps.extend(parts);
    }
    steps
}

/// The same step the other way round.
#[must_use]
pub fn swapped(step: &Step) -> Step {
    Step { before: step.after.clone(), after: step.before.clone(), ..step.clone() }
}

/// One step, or one per connection that has to write it.
fn parts(change: &Change, schema: &Schema, leans_on: &BTreeSet<String>) -> Vec<Step> {
    let step = |via: Option<&String>, before, after| Step {
        id: via.map_or_else(|| change.address.to_string(), |via| format!("{}@{via}", change.address)),
        address: change.address.clone(),
        key: change.key.clone(),
        before,
        after,
        via: via.cloned(),
        undo: change.undo.clone(),
        leans_on: leans_on.clone(),
        serial_key: (schema.serial_key)(&change.key),
        restarts: change.restarts,
    };
    let (before, after) = if schema.nature == Nature::Resource {
        narrowed(change, schema)
    } else {
        (change.before.clone(), change.after.clone())
    };
    if let Some(via) = change.routes.get(WHOLE) {
        return vec![Step { via: Some(via.clone()), ..step(None, before, after) }];
    }
    let routes: BTreeSet<Option<&String>> =
        entries(before.as_ref(), after.as_ref()).map(|entry| change.routes.get(entry)).collect();
    if routes.iter().all(Option::is_none) {
        return vec![step(None, before, after)];
    }
    let part = |via: Option<&String>| {
        let keep = |entry: &String| change.routes.get(entry) == via;
        step(via, only(before.as_ref(), schema, &keep), only(after.as_ref(), schema, &keep))
    };
    routes.into_iter().map(part).collect()
}

fn entries<'a>(before: Option<&'a Attributes>, after: Option<&'a Attributes>) -> impl Iterator<Item = &'a String> {
    before.into_iter().chain(after).flat_map(Attributes::values).filter_map(Value::as_map).flat_map(Attributes::keys)
}

/// Both ends without the entries (of entrywise fields) that do not change.
fn narrowed(change: &Change, schema: &Schema) -> (Option<Attributes>, Option<Attributes>) {
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return (change.before.clone(), change.after.clone());
    };
    let narrow = |end: &Attributes, other: &Attributes| {
        kept(end, schema, &|field, entry, value| {
            let there = other.get(field).and_then(Value::as_map).and_then(|map| map.get(entry));
            !agrees(value, there.unwrap_or(&Value::Null))
        })
    };
    (Some(narrow(before, after)), Some(narrow(after, before)))
}

fn only(end: Option<&Attributes>, schema: &Schema, keep: &dyn Fn(&String) -> bool) -> Option<Attributes> {
    end.map(|end| kept(end, schema, &|_, entry, _| keep(entry)))
}

/// An end with those entries of its entrywise fields that `keep` (field, entry, value) wants. Fields that keep all of
/// theirs are shared.
fn kept(end: &Attributes, schema: &Schema, keep: &dyn Fn(&str, &String, &Value) -> bool) -> Attributes {
    let one = |(name, value): (&String, &Value)| match value {
        Value::Map(map)
            if schema.field(name).is_some_and(|field| field.entrywise)
                && !map.iter().all(|(entry, value)| keep(name, entry, value)) =>
        {
            let kept = map.iter().filter(|(entry, value)| keep(name, entry, value));
            (name.clone(), Value::Map(kept.map(|(entry, value)| (entry.clone(), value.clone())).collect()))
        }
        _ => (name.clone(), value.clone()),
    };
    end.iter().map(one).collect()
}
