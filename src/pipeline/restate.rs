//! Restates steps as a change set, for reports of what was not just planned from a plan file.

use std::collections::{BTreeMap, BTreeSet};

use crate::diff::{ASKED_AGAIN, Action, Change, ChangeSet, Reason};
use crate::model::{Address, Attributes, Nature, Schema, Step, Value};

/// The change set that steps make up: one change per address, however many connections write it.
pub(super) fn changes_of<'a>(
    steps: impl IntoIterator<Item = &'a Step>,
    schemas: &dyn Fn(&str) -> Option<&'static Schema>,
) -> ChangeSet {
    let steps: Vec<&Step> = steps.into_iter().collect();
    let addresses: BTreeMap<&str, &Address> = steps.iter().map(|step| (step.id.as_str(), &step.address)).collect();
    let mut set = ChangeSet::default();
    for step in steps {
        let nature = schemas(&step.address.kind).map(|schema| schema.nature);
        match set.changes.iter_mut().find(|change| change.address == step.address) {
            Some(change) => {
                join(&mut change.before, step.before.as_ref());
                join(&mut change.after, step.after.as_ref());
            }
            None => set.changes.push(change(step, nature, &addresses)),
        }
    }
    set
}

fn change(step: &Step, nature: Option<Nature>, addresses: &BTreeMap<&str, &Address>) -> Change {
    let action = match (nature, &step.before, &step.after) {
        (Some(Nature::Check), ..) => Action::Check,
        (Some(Nature::Gate), ..) => Action::None,
        (_, None, _) => Action::Create,
        (_, _, None) => Action::Delete,
        _ => Action::Update,
    };
    let reason = match action {
        Action::Create => Reason::Missing,
        Action::None => Reason::AsWanted,
        _ => Reason::Differs(step.after.iter().flat_map(Attributes::keys).cloned().collect()),
    };
    let leans_on: BTreeSet<Address> =
        step.leans_on.iter().filter_map(|id| addresses.get(id.as_str())).map(|address| (*address).clone()).collect();
    Change {
        address: step.address.clone(),
        key: step.key.clone(),
        before: step.before.clone(),
        after: step.after.clone(),
        action,
        reason,
        undo: step.undo.clone(),
        outputs: Attributes::new(),
        restarts: step.restarts,
        leans_on,
        routes: BTreeMap::new(),
        notes: if action == Action::None { vec![ASKED_AGAIN.to_owned()] } else { Vec::new() },
        failure: None,
        place: None,
    }
}

/// Adds the entries of one more step of the same resource.
fn join(end: &mut Option<Attributes>, more: Option<&Attributes>) {
    let Some(more) = more else { return };
    let end = end.get_or_insert_default();
    for (name, value) in more {
        match (end.get_mut(name), value) {
            (Some(Value::Map(into)), Value::Map(from)) => {
                into.extend(from.iter().map(|(entry, value)| (entry.clone(), value.clone())));
            }
            _ => _ = end.insert(name.clone(), value.clone()),
        }
    }
}
