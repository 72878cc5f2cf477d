//! What is gone from the plan file: what our runs made of it is removed, what was there before is left alone.

use std::collections::BTreeMap;

use super::Applied;
use super::resume::runs_after;
use crate::diff::{Action, Change, Readings, Reason};
use crate::engine::Stay;
use crate::journal::{OWNED_FORMAT, Owned, OwnedResource};
use crate::model::{
    Address, Attributes, Class, Desired, Failure, Graph, Look, Observed, Purpose, Reading, Schema, State, Value, agrees,
};
use crate::resources::World;
use crate::store::{Held, Store};

/// What the runs of a plan have made: the store's list, and the journals that it does not count yet.
///
/// # Errors
/// Those of the store; a corrupt journal.
pub async fn owned(world: &dyn World, store: &dyn Store, plan: &str) -> Result<Owned, Failure> {
    let mut list = lists(store).await?.remove(plan).unwrap_or_default();
    for dated in runs_after(world, store, list.through.as_deref(), None)
        .await?
        .runs()
        .iter()
        .filter(|dated| dated.run.plan == plan)
    {
        list.add(&dated.run);
    }
    Ok(list)
}

/// Brings the store's list up to the last run; one that has not come to its end may still be taken up. The journal of the
/// run that was just `applied` is not read back.
///
/// # Errors
/// Those of the store; a corrupt journal.
pub(super) async fn keep_owned(
    world: &dyn World,
    store: &dyn Store,
    plan: &str,
    applied: Option<&Applied>,
    held: &mut dyn Held,
) -> Result<(), Failure> {
    let mut lists = lists(store).await?;
    let list = lists.entry(plan.to_owned()).or_default();
    let history = runs_after(world, store, list.through.as_deref(), applied).await?;
    let history = history.of_plan(plan);
    // A run that can be taken up again makes more, and what later runs did is counted after it.
    for dated in history.runs().iter().take_while(|dated| !history.goes_on(dated)) {
        list.add(&dated.run);
        list.through = Some(dated.id.clone());
    }
    let text = serde_json::to_string_pretty(&lists);
    let text = text.map_err(|error| super::saved::unwritable(&error))?;
    held.put_owned(&text).await
}

/// The lists of all plans of this store. One that cannot be read is made anew from the journals.
async fn lists(store: &dyn Store) -> Result<BTreeMap<String, Owned>, Failure> {
    let text = store.owned().await?.unwrap_or_default();
    let lists: BTreeMap<String, Owned> = serde_json::from_str(&text).unwrap_or_default();
    Ok(lists.into_iter().filter(|(_, list)| list.format == OWNED_FORMAT).collect())
}

/// What a plan file releases: it holds the wanted resources with the entries that are to go.
pub(super) struct Released<'a> {
    owned: &'a Owned,
    desired: Vec<Desired>,
    /// Entries that are to go, as they were made: address, field, entry.
    entries: Vec<(Address, String, String, Value)>,
    schemas: &'a dyn Fn(&str) -> Option<&'static Schema>,
    /// What is left as it is, and why.
    pub(super) stays: Vec<(String, Stay)>,
}

impl<'a> Released<'a> {
    pub(super) fn new(
        owned: &'a Owned,
        desired: &[Desired],
        schemas: &'a dyn Fn(&str) -> Option<&'static Schema>,
    ) -> Self {
        let mut all = Self { owned, desired: desired.to_vec(), entries: Vec::new(), schemas, stays: Vec::new() };
        for want in &mut all.desired {
            let Some(made) = owned.find(&want.address.kind, &want.key) else { continue };
            for (field, entries) in entrywise(made, schemas) {
                want.attributes.insert(field.clone(), entries.clone());
            }
            for (field, entry, value) in released_entries(made, want, schemas) {
                if let (Value::Secret(_), true) = (&value, schema_has(schemas, &want.address.kind, "sensitive")) {
                    add_name(&mut want.attributes, "sensitive", &entry);
                }
                let map = want.attributes.entry(field.clone()).or_insert_with(|| Value::Map(Attributes::new()));
                if let Value::Map(map) = map {
                    map.insert(entry.clone(), Value::Null);
                    all.entries.push((want.address.clone(), field, entry, value));
                }
            }
        }
        all
    }

    /// The wanted resources.
    pub(super) fn desired(&self) -> &[Desired] {
        &self.desired
    }

    /// Leaves alone what somebody else has changed or removed since. What was made of entrywise fields has done its duty:
    /// the kind has compared it with its rules.
    pub(super) fn keep_theirs(&mut self, readings: &mut Readings) {
        for want in &mut self.desired {
            let Some(made) = self.owned.find(&want.address.kind, &want.key) else { continue };
            for (field, _) in entrywise(made, self.schemas) {
                want.attributes.remove(field);
            }
        }
        for (address, field, entry, made) in &self.entries {
            let Some(Ok(reading)) = readings.get_mut(address) else { continue };
            let Observed::Present(state) = &mut reading.observed else { continue };
            let now = entry_of(&state.attributes, field, entry).cloned().unwrap_or(Value::Null);
            if agrees(&now, made) {
                // As it was made: with the source of a secret, so that it can be given back.
                put_entry(&mut state.attributes, field, entry, made.clone());
                continue;
            }
            let want = self.desired.iter_mut().find(|want| want.address == *address);
            let ends = [Some(&mut state.attributes), reading.desired.as_mut(), want.map(|want| &mut want.attributes)];
            ends.into_iter().flatten().for_each(|end| drop_entry(end, field, entry));
            if now != Value::Null {
                let why = "it is gone from the plan file, but somebody else has changed it since";
                self.stays.push((format!("{address} {field}.{entry}"), Stay::Kept(why.to_owned())));
            }
        }
    }

    /// The changes of resources that the plan file no longer has at all.
    pub(super) async fn gone(&mut self, world: &dyn World) -> Vec<Change> {
        let mut changes = Vec::new();
        let wanted = |owned: &OwnedResource| {
            self.desired.iter().any(|want| want.address.kind == owned.address.kind && want.key == owned.key)
        };
        for owned in self.owned.resources.iter().filter(|owned| !wanted(owned)) {
            let Some(schema) = (self.schemas)(&owned.address.kind) else { continue };
            let part = part(owned, schema);
            if part.is_empty() && !owned.created {
                continue;
            }
            let stay = |why: String| (owned.address.to_string(), Stay::Kept(why));
            match look(world, &owned.address, &owned.key, &part).await {
                Ok(None) => {}
                Err(failure) => {
                    self.stays.push(stay(format!("it is gone from the plan file, but cannot be looked at: {failure}")));
                }
                Ok(Some(live))
                    if owned.created
                        && !part.iter().all(|(name, made)| live.get(name).is_some_and(|now| agrees(made, now))) =>
                {
                    self.stays
                        .push(stay("it is gone from the plan file, but somebody else has changed it since".into()));
                }
                Ok(Some(_)) if owned.created => changes.push(self.removal(owned, schema, part, None)),
                Ok(Some(live)) => {
                    let live = agreeing(&part, &live);
                    if !live.is_empty() {
                        let after = live.keys().map(|field| (field.clone(), Value::Map(Attributes::new()))).collect();
                        changes.push(self.removal(owned, schema, live, Some(after)));
                    }
                }
            }
        }
        in_order(changes)
    }

    fn removal(&self, owned: &OwnedResource, schema: &Schema, before: Attributes, after: Option<Attributes>) -> Change {
        let leans = self.owned.resources.iter().filter(|other| other.leans_on.contains(&owned.address));
        let note = if owned.created { "an earlier run made it" } else { "an earlier run made this of it" };
        Change {
            address: owned.address.clone(),
            key: owned.key.clone(),
            action: if after.is_some() { Action::Update } else { Action::Delete },
            reason: Reason::Differs(before.keys().cloned().collect()),
            undo: (schema.undo)(Some(&before), after.as_ref()),
            outputs: Attributes::new(),
            restarts: (schema.restarts)(Some(&before), after.as_ref()),
            leans_on: leans.map(|other| other.address.clone()).collect(),
            routes: owned.routes.clone(),
            notes: vec![format!("{note}, and the plan file no longer names it")],
            failure: None,
            place: None,
            before: Some(before),
            after,
        }
    }
}

/// Each change after those that it leans on.
fn in_order(mut changes: Vec<Change>) -> Vec<Change> {
    let graph = Graph::new(&changes.iter().map(|change| (change.address.clone(), change.leans_on.clone())).collect());
    let order = graph.order();
    changes.sort_by_key(|change| order.iter().position(|address| *address == change.address));
    changes
}

/// What of a resource goes with it: all of it when it was created, otherwise the entries of its maps.
fn part(owned: &OwnedResource, schema: &Schema) -> Attributes {
    let goes = |(name, value): &(&String, &Value)| {
        schema.field(name).is_some() && (owned.created || matches!(value, Value::Map(_)))
    };
    owned.made.iter().filter(goes).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The entries of maps (of maps) that are still as they were made.
fn agreeing(made: &Attributes, live: &Attributes) -> Attributes {
    let same = |(name, made): (&String, &Value)| {
        let now = live.get(name)?;
        match (made, now) {
            (Value::Map(made), Value::Map(now)) => {
                let map = agreeing(made, now);
                (!map.is_empty()).then(|| (name.clone(), Value::Map(map)))
            }
            // Of letters those that are still there; others may have been taken back one by one.
            (Value::Letters(_), Value::Letters(now)) if !now.is_empty() => {
                Some((name.clone(), Value::Letters(now.clone())))
            }
            (made, now) => agrees(made, now).then(|| (name.clone(), made.clone())),
        }
    };
    made.iter().filter_map(same).collect()
}

/// The entries of maps that an earlier run made and the plan file no longer names: field, entry, value.
fn released_entries(
    owned: &OwnedResource,
    want: &Desired,
    schemas: &dyn Fn(&str) -> Option<&'static Schema>,
) -> Vec<(String, String, Value)> {
    let Some(schema) = schemas(&want.address.kind) else { return Vec::new() };
    let plain = |field: &String| schema.field(field).is_some_and(|field| !field.entrywise);
    let maps =
        owned.made.iter().filter(|(field, _)| plain(field)).filter_map(|(field, map)| Some((field, map.as_map()?)));
    let all = maps.flat_map(|(field, map)| map.iter().map(move |(entry, value)| (field, entry, value)));
    let gone = all.filter(|(field, entry, _)| entry_of(&want.attributes, field, entry).is_none());
    gone.map(|(field, entry, value)| (field.clone(), entry.clone(), value.clone())).collect()
}

fn schema_has(schemas: &dyn Fn(&str) -> Option<&'static Schema>, kind: &str, field: &str) -> bool {
    schemas(kind).is_some_and(|schema| schema.field(field).is_some())
}

fn add_name(attributes: &mut Attributes, field: &str, name: &str) {
    if let Value::List(list) = attributes.entry(field.to_owned()).or_insert_with(|| Value::List(Vec::new())) {
        list.push(Value::text(name));
    }
}

fn entry_of<'v>(attributes: &'v Attributes, field: &str, entry: &str) -> Option<&'v Value> {
    attributes.get(field)?.as_map()?.get(entry)
}

fn put_entry(attributes: &mut Attributes, field: &str, entry: &str, value: Value) {
    if let Some(Value::Map(map)) = attributes.get_mut(field) {
        map.insert(entry.to_owned(), value);
    }
}

fn drop_entry(attributes: &mut Attributes, field: &str, entry: &str) {
    if let Some(Value::Map(map)) = attributes.get_mut(field) {
        map.remove(entry);
    }
}

/// What our runs made of the entrywise fields of a resource.
fn entrywise<'o>(
    owned: &'o OwnedResource,
    schemas: &'o dyn Fn(&str) -> Option<&'static Schema>,
) -> impl Iterator<Item = (&'o String, &'o Value)> {
    let schema = schemas(&owned.address.kind);
    owned
        .made
        .iter()
        .filter(move |(field, _)| schema.and_then(|schema| schema.field(field)).is_some_and(|field| field.entrywise))
}

/// The live values of these attributes; `None` when the resource is not there.
async fn look(
    world: &dyn World,
    address: &Address,
    key: &Attributes,
    attributes: &Attributes,
) -> Result<Option<Attributes>, Failure> {
    let look = Look { address, key, attributes, purpose: Purpose::Settle, via: None };
    let Reading { observed, .. } = world.read(look).await?;
    match observed {
        Observed::Absent => Ok(None),
        Observed::Present(State { attributes, .. }) => Ok(Some(attributes)),
        Observed::Unreadable(why) => Err(Failure::new(Class::Other, "the resource cannot be read")
            .detail(why.reason)
            .remedy("mend what is named here, and plan again")),
    }
}
