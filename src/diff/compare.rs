//! Compares what is wanted with what was read, in dependency order, so that a reference is known once its giver stands.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Change, ChangeSet, Reason};
use crate::model::{
    Address, Attributes, Class, Desired, Failure, Graph, Nature, Observed, Reading, Ref, Schema, State, Undo,
    Unreadable, Value, agrees, agrees_all,
};

/// What one look at the live system found, by address.
pub type Readings = BTreeMap<Address, Result<Reading, Failure>>;

/// Computes the change set. `schemas` answers the schema of each kind in `desired`; a desired resource without a
/// reading counts as one that nobody looked at because it leans on something that changes.
pub fn diff(desired: &[Desired], readings: &Readings, schemas: &dyn Fn(&str) -> Option<&'static Schema>) -> ChangeSet {
    let by_address: BTreeMap<&Address, &Desired> = desired.iter().map(|want| (&want.address, want)).collect();
    let graph = Graph::new(&desired.iter().map(|want| (want.address.clone(), want.after.clone())).collect());
    let gates = gates(desired, &graph, schemas);
    let mut set = ChangeSet::default();
    for address in graph.order() {
        let (Some(want), Some(schema)) = (by_address.get(&address), schemas(&address.kind)) else { continue };
        let gate = gates.iter().find(|gate| {
            gate.behind.contains(&address) && set.get(gate.address).is_some_and(|gate| gate.action == Action::Held)
        });
        let change = compare(want, schema, readings.get(&address), &set);
        set.changes.push(match gate {
            // What stands already behind a gate is not held by it.
            Some(gate) if change.acts() || change.failure.is_some() => {
                let notes = change.notes;
                held(Change { notes, ..blank(want) }, want, format!("{} holds it", gate.address))
            }
            _ => change,
        });
    }
    put_off(readings, &graph, &mut set, schemas);
    open_idle(&gates, &mut set);
    ask_again(&gates, &mut set);
    set
}

/// A gate, and everything that leans on it.
struct Gate<'a> {
    address: &'a Address,
    behind: BTreeSet<Address>,
}

fn gates<'a>(
    desired: &'a [Desired],
    graph: &Graph<Address>,
    schemas: &dyn Fn(&str) -> Option<&'static Schema>,
) -> Vec<Gate<'a>> {
    let addresses = desired.iter().map(|want| &want.address);
    let gates = addresses.filter(|address| schemas(&address.kind).is_some_and(|schema| schema.nature == Nature::Gate));
    gates.map(|address| Gate { address, behind: graph.dependants(address) }).collect()
}

/// What takes away what others need waits until they are done; a gate needs nothing.
fn put_off(
    readings: &Readings,
    graph: &Graph<Address>,
    set: &mut ChangeSet,
    schemas: &dyn Fn(&str) -> Option<&'static Schema>,
) {
    let needs = |address: &Address| schemas(&address.kind).is_some_and(|schema| schema.nature == Nature::Resource);
    let off = readings.iter().filter(|(_, reading)| reading.as_ref().is_ok_and(|reading| reading.put_off));
    for (address, _) in off {
        let pending = |on: &Address| set.get(on).is_some_and(|change| change.acts() || change.failure.is_some());
        let Some(first) = graph.dependants(address).into_iter().find(|on| needs(on) && pending(on)) else { continue };
        let Some(change) = set.changes.iter_mut().find(|change| change.address == *address) else { continue };
        (change.action, change.reason, change.undo) = (Action::None, Reason::AsWanted, Undo::Faithful);
        change.after.clone_from(&change.before);
        change.notes.push(format!("it waits for {first}, which leans on it"));
    }
}

/// A gate is no longer asked once all that it held is done.
fn open_idle(gates: &[Gate<'_>], set: &mut ChangeSet) {
    let is_gate = |address: &Address| gates.iter().any(|gate| gate.address == address);
    let idle: Vec<&Address> = gates
        .iter()
        .filter(|gate| {
            let mut behind = gate.behind.iter().filter(|address| !is_gate(address)).peekable();
            behind.peek().is_some() && behind.all(|address| set.get(address).is_some_and(|change| !change.acts()))
        })
        .map(|gate| gate.address)
        .collect();
    for change in set.changes.iter_mut().filter(|change| idle.contains(&&change.address)) {
        (change.action, change.reason) = (Action::None, Reason::AsWanted);
        change.notes.clear();
    }
}

/// The note of a gate that is open and that a run asks once more.
pub const ASKED_AGAIN: &str = "it is open, and asked again right before what it lets through";

/// What is open now may be shut once it counts: a gate is asked again right before what it lets through.
fn ask_again(gates: &[Gate<'_>], set: &mut ChangeSet) {
    for gate in gates {
        let through = gate.behind.iter().any(|address| set.get(address).is_some_and(Change::changes));
        let change = set.changes.iter_mut().find(|change| change.address == *gate.address);
        if let Some(change) = change.filter(|change| through && change.action == Action::None) {
            change.notes.push(ASKED_AGAIN.to_owned());
        }
    }
}

fn compare(want: &Desired, schema: &Schema, reading: Option<&Result<Reading, Failure>>, so_far: &ChangeSet) -> Change {
    let mut change = blank(want);
    let changing = |on: &&Address| so_far.get(on).is_some_and(|change| change.changes() && !change.not_readable());
    let makers = want.after.iter().filter(|on| MAKERS.contains(&on.kind.as_str()));
    let moving = makers.chain(&want.after).find(changing);
    let reading = match reading {
        Some(Ok(reading)) => reading,
        Some(Err(failure)) => match made_before(failure, want, so_far).filter(|_| schema.nature == Nature::Resource) {
            Some(role) => return not_yet(change, want, Some(role), failure),
            None => return failed(change, moving, schema, want, failure.clone()),
        },
        None => return unread(change, want, moving, "nobody looked at it"),
    };
    change.notes.clone_from(&reading.notes);
    change.routes.clone_from(&reading.routes);
    let wanted = reading.desired.as_ref().unwrap_or(&want.attributes);
    let after = match fill(wanted, so_far) {
        Ok(after) => after,
        Err(failure) => return Change { failure: Some(failure), ..change },
    };
    if let Some(reference) = hidden(&after, so_far) {
        let why = format!("it needs {} of {}, which is not readable", reference.output, reference.address);
        return not_readable(change, want, why, None);
    }
    match (&reading.observed, schema.nature) {
        (Observed::Unreadable(unreadable), _) => match unseen(want, so_far) {
            Some(on) if moving.is_none() && unreadable.not_yet && !unreadable.refused => {
                not_readable(change, want, format!("it waits for {on}, which is not readable"), None)
            }
            _ => cannot_read(change, want, moving, unreadable),
        },
        (observed, Nature::Resource) => resource(change, schema, observed, after),
        (observed, Nature::Check) => check(change, want, observed, &after, moving, so_far),
        (observed, Nature::Gate) => gate(change, want, observed, &after),
    }
}

fn blank(want: &Desired) -> Change {
    Change {
        address: want.address.clone(),
        key: want.key.clone(),
        before: None,
        after: None,
        action: Action::None,
        reason: Reason::AsWanted,
        undo: Undo::Faithful,
        outputs: Attributes::new(),
        restarts: 0,
        leans_on: want.after.clone(),
        routes: BTreeMap::new(),
        notes: Vec::new(),
        failure: None,
        place: want.place.clone(),
    }
}

/// A check whose look failed is still to be run when something it leans on changes: it may well pass then.
fn failed(change: Change, moving: Option<&Address>, schema: &Schema, want: &Desired, failure: Failure) -> Change {
    match moving {
        Some(giver) if schema.nature == Nature::Check => Change {
            action: Action::Check,
            after: Some(want.attributes.clone()),
            reason: Reason::LeansOn(giver.clone()),
            ..change
        },
        _ if failure.class == Class::Forbidden => {
            not_readable(change, want, failure.first_cause().to_owned(), Some(failure))
        }
        // What is missing may be what an earlier step makes.
        Some(giver) if failure.class == Class::Flawed && MAKERS.contains(&giver.kind.as_str()) => {
            not_yet(change, want, moving, &failure)
        }
        _ => Change { failure: Some(failure), ..change },
    }
}

/// A look that failed as something is not there that `giver` makes.
fn not_yet(change: Change, want: &Desired, giver: Option<&Address>, failure: &Failure) -> Change {
    let reason = failure.detail.as_deref().unwrap_or(failure.summary).to_owned();
    cannot_read(change, want, giver, &Unreadable { reason, not_yet: true, refused: false })
}

/// The step before this one that makes the last of the roles that a look found missing, if that is all that is wrong.
fn made_before<'w>(failure: &Failure, want: &'w Desired, so_far: &ChangeSet) -> Option<&'w Address> {
    let made_there = |role: &str, on: &&Address| {
        let made = so_far.get(on).filter(|change| change.address.kind == ROLE && change.changes());
        made.is_some_and(|change| change.key.get("name").and_then(Value::as_text) == Some(role))
    };
    let makers = failure.flaws().iter().map(|flaw| {
        let role = flaw.role.as_deref()?;
        want.after.iter().find(|on| made_there(role, on))
    });
    makers.collect::<Option<Vec<_>>>()?.pop()
}

/// The kind that makes roles. Unlike what [`MAKERS`] make, each is looked for by its name: grants lean on some role nearly
/// always, and a mistake in them is not to wait for it.
const ROLE: &str = "database_role";

/// Kinds that make what other resources name: while one of them changes, an unknown name is no fault yet.
const MAKERS: [&str; 2] = ["database", "schema"];

fn held(change: Change, want: &Desired, reason: String) -> Change {
    Change { action: Action::Held, after: Some(want.attributes.clone()), reason: Reason::Gate(reason), ..change }
}

fn unread(change: Change, want: &Desired, moving: Option<&Address>, reason: &str) -> Change {
    cannot_read(change, want, moving, &Unreadable { reason: reason.to_owned(), not_yet: true, refused: false })
}

/// What cannot be read is open as long as something before it changes; otherwise nothing in this plan will mend it.
fn cannot_read(change: Change, want: &Desired, moving: Option<&Address>, unreadable: &Unreadable) -> Change {
    let reason = unreadable.reason.clone();
    match moving {
        Some(_) if unreadable.not_yet => Change {
            action: Action::Unknown,
            after: Some(want.attributes.clone()),
            reason: Reason::Unreadable(reason),
            ..change
        },
        _ if unreadable.refused => {
            let failure = Failure::new(Class::NotSignedIn, "the database refuses who is signed in").detail(&reason);
            let failure = failure.remedy("sign in as somebody whom a connection of the plan file lets in");
            let why = failure.first_cause().to_owned();
            not_readable(change, want, why, Some(failure))
        }
        _ => {
            let failure = Failure::new(Class::Other, "the resource cannot be read")
                .detail(reason)
                .remedy("mend what is named here, and plan again");
            Change { failure: Some(failure), ..change }
        }
    }
}

/// What whoever is signed in may not look at stays unknown; the rest of the plan goes on without it.
fn not_readable(change: Change, want: &Desired, why: String, failure: Option<Failure>) -> Change {
    let after = Some(want.attributes.clone());
    Change { action: Action::Unknown, after, reason: Reason::NotReadable(why), failure, ..change }
}

/// What a resource leans on and nobody may look at.
fn unseen<'a>(want: &'a Desired, so_far: &ChangeSet) -> Option<&'a Address> {
    want.after.iter().find(|on| so_far.get(on).is_some_and(Change::not_readable))
}

/// A reference whose giver is not readable: whether its own resource differs is unknown too.
fn hidden<'a>(after: &'a Attributes, so_far: &ChangeSet) -> Option<&'a Ref> {
    let hides = |reference: &&Ref| so_far.get(&reference.address).is_some_and(Change::not_readable);
    after.values().flat_map(Value::open_refs).find(hides)
}

fn resource(mut change: Change, schema: &Schema, observed: &Observed, after: Attributes) -> Change {
    let before = match observed {
        Observed::Present(State { attributes, outputs }) => {
            change.outputs.clone_from(outputs);
            Some(attributes.clone())
        }
        _ => None,
    };
    (change.action, change.reason) = match &before {
        None => (Action::Create, Reason::Missing),
        Some(before) if agrees_all(before, &after) => (Action::None, Reason::AsWanted),
        Some(before) => (Action::Update, Reason::Differs(differing(before, &after))),
    };
    if change.acts() {
        change.undo = (schema.undo)(before.as_ref(), Some(&after));
        change.restarts = (schema.restarts)(before.as_ref(), Some(&after));
    }
    Change { before, after: Some(after), ..change }
}

/// The names of the fields on which two ends differ.
fn differing(before: &Attributes, after: &Attributes) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |map: &Attributes, name: &String| map.get(name).cloned().unwrap_or(Value::Null);
    names.into_iter().filter(|name| !agrees(&value(before, name), &value(after, name))).cloned().collect()
}

/// A check runs when something it leans on changes, or when it does not pass as things stand.
fn check(
    change: Change,
    want: &Desired,
    observed: &Observed,
    passing: &Attributes,
    moving: Option<&Address>,
    so_far: &ChangeSet,
) -> Change {
    let acting = |on: &&Address| so_far.get(on).is_some_and(|change| change.acts() && !change.not_readable());
    let moving = moving.or_else(|| want.after.iter().find(acting));
    let passes = matches!(observed, Observed::Present(state) if agrees_all(&state.attributes, passing));
    let reason = match moving {
        Some(giver) => Reason::LeansOn(giver.clone()),
        None if passes => {
            return Change { before: Some(want.attributes.clone()), after: Some(want.attributes.clone()), ..change };
        }
        None => Reason::Differs(vec!["passed".to_owned()]),
    };
    let after = fill(&want.attributes, so_far).unwrap_or_else(|_| want.attributes.clone());
    let before = if let Observed::Present(state) = observed { Some(state.attributes.clone()) } else { None };
    Change { action: Action::Check, before, after: Some(after), reason, ..change }
}

fn gate(change: Change, want: &Desired, observed: &Observed, open: &Attributes) -> Change {
    match observed {
        Observed::Present(state) if agrees_all(&state.attributes, open) => {
            Change { before: Some(want.attributes.clone()), after: Some(want.attributes.clone()), ..change }
        }
        _ => {
            let reason = change.notes.first().cloned().unwrap_or_else(|| "the gate is not open".to_owned());
            held(change, want, reason)
        }
    }
}

/// Fills the references whose givers stand still; those of changing givers stay open.
fn fill(wanted: &Attributes, so_far: &ChangeSet) -> Result<Attributes, Failure> {
    let lookup = |reference: &Ref| {
        let giver = so_far.get(&reference.address)?;
        if giver.acts() { None } else { giver.outputs.get(&reference.output).cloned() }
    };
    let filled: Attributes = wanted.iter().map(|(name, value)| (name.clone(), value.filled(&lookup))).collect();
    for reference in filled.values().flat_map(Value::open_refs) {
        if so_far.get(&reference.address).is_some_and(|giver| !giver.acts() && giver.failure.is_none()) {
            return Err(Failure::new(Class::Input, "nothing gives what is referred to").detail(format!("{} gives no {}", reference.address, reference.output)).remedy(
                "declare what gives it (for a principal_id: switch the system identity on, or name one user-assigned identity)",
            ));
        }
    }
    Ok(filled)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "gate_tests.rs"]
mod gate_tests;
