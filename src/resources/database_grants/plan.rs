//! The look before a change set: expands the rules against the catalog and keeps only what is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Live;
use super::rules::{Rule, rules, schemas_exist, wanted};
use super::ways::{Entry, route};
use crate::model::{Attributes, Failure, Letters, Look, Reading, Value};
use crate::postgres::{Defaults, Lease, Object, ObjectType, Snapshot};

/// Grantee -> the letters it lacks.
type Missing = BTreeMap<String, Letters>;

/// Compares the rules with the catalog. Both ends of the answer hold only entries, grantees and letters that differ.
pub(super) async fn read(live: &Live, mut lease: Lease, look: &Look<'_>) -> Result<Reading, Failure> {
    let rules = rules(look.attributes.get("grants"))?;
    let snapshot = Snapshot::read(&mut lease, &wanted(&rules)).await?;
    schemas_exist(&rules, &snapshot, &mut lease).await?;
    let mut entries = lacking_objects(&rules, &snapshot);
    entries.extend(lacking_defaults(&rules, &snapshot));
    let mut notes = absent_roles(&rules, &snapshot);
    let routes = route(live, lease, look, &snapshot, &mut entries, &mut notes).await?;
    let mut desired = Attributes::from([("privileges".to_owned(), Value::Map(Attributes::new()))]);
    for entry in entries {
        let field = if entry.defaults { "default_privileges" } else { "privileges" };
        let grantees = entry.missing.iter().map(|(role, letters)| (role.clone(), Value::Letters(letters.clone())));
        let grantees = Value::Map(grantees.collect());
        if let Value::Map(map) = desired.entry(field.to_owned()).or_insert_with(|| Value::Map(Attributes::new())) {
            map.insert(entry.text, grantees);
        }
    }
    let observed = desired.keys().map(|field| (field.clone(), Value::Map(Attributes::new()))).collect();
    let mut reading = Reading::present(observed, Attributes::new());
    reading.desired = Some(desired);
    reading.routes = routes;
    reading.notes = notes;
    Ok(reading)
}

fn absent_roles(rules: &[Rule], snapshot: &Snapshot) -> Vec<String> {
    let absent = rules.iter().map(|rule| &rule.role).filter(|role| *role != "PUBLIC" && !snapshot.roles.has(role));
    let absent: BTreeSet<&String> = absent.collect();
    absent.into_iter().map(|role| format!("role {role:?} is not there yet")).collect()
}

fn less(wanted: &BTreeSet<char>, held: &str) -> Letters {
    Letters::new(wanted.iter().copied().filter(|letter| !held.contains(*letter)))
}

/// Objects that lack something. Objects of one kind and schema with the same access control list lack the same, so the
/// comparison is made once per list and not once per object.
fn lacking_objects(rules: &[Rule], snapshot: &Snapshot) -> Vec<Entry> {
    let mut wants: HashMap<(ObjectType, &str), BTreeMap<&str, BTreeSet<char>>> = HashMap::new();
    let mut lacks: HashMap<(ObjectType, &str, usize, u32), Arc<Missing>> = HashMap::new();
    let mut entries = Vec::new();
    for object in &snapshot.objects {
        let kind = object.name.kind;
        let place = place(object);
        let wants = wants.entry((kind, place)).or_insert_with(|| wants_in(rules, kind, place, snapshot));
        if wants.is_empty() {
            continue;
        }
        let list = object.acl.as_ref().map_or(0, |acl| Arc::as_ptr(acl).addr());
        let missing = lacks.entry((kind, place, list, object.owner)).or_insert_with(|| {
            let lacks = |(role, letters): (&&str, &BTreeSet<char>)| {
                let missing = less(letters, snapshot.letters(object, role));
                (!missing.is_empty()).then(|| ((*role).to_owned(), missing))
            };
            Arc::new(wants.iter().filter_map(lacks).collect())
        });
        if !missing.is_empty() {
            entries.push(Entry::object(object, snapshot, Arc::clone(missing)));
        }
    }
    entries
}

/// The schema that a rule has to name for this object; the database is covered by all.
fn place(object: &Object) -> &str {
    if object.name.kind == ObjectType::Schema { &object.name.name } else { &object.name.schema }
}

fn wants_in<'a>(
    rules: &'a [Rule],
    kind: ObjectType,
    schema: &str,
    snapshot: &Snapshot,
) -> BTreeMap<&'a str, BTreeSet<char>> {
    let mut wants: BTreeMap<&str, BTreeSet<char>> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| kind == ObjectType::Database || rule.covers(schema)) {
        let letters = rule.letters(kind, snapshot);
        if !letters.is_empty() {
            wants.entry(rule.role.as_str()).or_default().extend(letters);
        }
    }
    wants
}

fn lacking_defaults(rules: &[Rule], snapshot: &Snapshot) -> Vec<Entry> {
    let mut entries = Vec::new();
    if !rules.iter().any(|rule| rule.future) {
        return entries;
    }
    let future: Vec<Rule> = rules.iter().filter(|rule| rule.future).cloned().collect();
    for (schema, creators) in snapshot.creators() {
        for kind in ObjectType::ALL.into_iter().filter(|kind| kind.plural().is_some()) {
            let wants = wants_in(&future, kind, schema, snapshot);
            for creator in &creators {
                let acl = snapshot.default_acl(creator, schema, kind);
                let held = |role: &str| acl.map_or("", |acl| acl.letters(if role == "PUBLIC" { "" } else { role }));
                let missing: Missing = wants
                    .iter()
                    .filter(|(role, _)| *role != creator)
                    .map(|(role, letters)| ((*role).to_owned(), less(letters, held(role))))
                    .filter(|(_, missing)| !missing.is_empty())
                    .collect();
                if !missing.is_empty() {
                    let defaults = Defaults { creator: creator.clone(), schema: schema.to_owned(), kind };
                    entries.push(Entry::defaults(&defaults, Arc::new(missing)));
                }
            }
        }
    }
    entries
}
