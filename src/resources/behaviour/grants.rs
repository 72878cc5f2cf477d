//! How `database_grants` behaves: rules expanded against the objects that a world in memory lists, and the laws of grants.

use std::collections::{BTreeMap, BTreeSet};

use super::database::SIGNED_IN;
use super::{Behaviour, DEPLOYERS, Law, Lost, PLAIN, TOKENS, Trial, shut};
use crate::model::{Attributes, Class, Failure, Letters, Look, Reading, Step, Value};
use crate::postgres::{Defaults, ObjectEntry, ObjectName, ObjectType};
use crate::resources::database_grants::{Future, Rule, rules};
use crate::resources::memory::State;

/// `database_grants`: a part of its database.
pub(in crate::resources) const GRANTS: Behaviour =
    Behaviour { part: Some(Attributes::new), hidden: shut, plan, lost, laws: &[SIGNED_IN, GRANTEE_IS_THERE], ..PLAIN };

const GRANTEE_IS_THERE: Law = Law {
    says: "a role has to be there before anything is granted to it",
    class: Class::NotFound,
    broken: |state, step| {
        let missing = |role: &String| {
            let key = Attributes::from([("name".to_owned(), Value::text(role.clone())), server(&step.key)]);
            role != "PUBLIC" && state.get("database_role", &key).is_none()
        };
        let granted = grantees(step);
        granted.into_iter().find(missing).map(|role| format!("there is no role {role}"))
    },
    trial: Trial::Refused {
        given: &[TOKENS, DEPLOYERS],
        // A role that the plan file makes may be granted to before it is there; it is the step that has to be refused.
        refused: r#"
[role.nobody-by-this-name]
server = "rmhpgflex"
object_id = "44444444-4444-4444-8444-444444444444"
grants = [{ database = "geopgflex", schemas = ["geo"], schema = ["USAGE"] }]
"#,
        removal: false,
    },
};

fn server(key: &Attributes) -> (String, Value) {
    ("server".to_owned(), key.get("server").cloned().unwrap_or(Value::Null))
}

/// Whom a step gives something.
fn grantees(step: &Step) -> BTreeSet<String> {
    let fields = step.after.iter().flat_map(Attributes::values).filter_map(Value::as_map);
    let entries = fields.flat_map(Attributes::values).filter_map(Value::as_map);
    entries
        .flat_map(|entry| entry.iter())
        .filter(|(_, letters)| **letters != Value::Null)
        .map(|(role, _)| role.clone())
        .collect()
}

/// The objects of a database: entry -> owner.
fn objects<'a>(state: &'a State, key: &Attributes) -> impl Iterator<Item = (&'a String, &'a str)> {
    let objects = state.get("database", key).and_then(|database| database.get("objects")).and_then(Value::as_map);
    objects.into_iter().flatten().filter_map(|(entry, owner)| Some((entry, owner.as_text()?)))
}

/// Both ends of the answer hold only entries, grantees and letters that differ, as those of the live kind.
fn plan(state: &State, look: &Look<'_>) -> Result<Option<Reading>, Failure> {
    let Some(listed) = look.attributes.get("grants") else { return Ok(None) };
    if state.get("database", look.key).is_none() {
        return Ok(Some(Reading::not_yet("there is no such database yet")));
    }
    let empty = Attributes::new();
    let live = state.get("database_grants", look.key).unwrap_or(&empty);
    let mut wanted = Attributes::from([("privileges".to_owned(), Value::Map(Attributes::new()))]);
    let mut named: BTreeMap<(&str, String, String), BTreeSet<char>> = BTreeMap::new();
    for (field, entry, role, letters) in wants(state, look, &rules("grants", Some(listed))?) {
        let held = held(live, field, &entry, &role);
        named.entry((field, entry.clone(), role.clone())).or_default().extend(letters.iter());
        let lacks = Letters::new(letters.into_iter().filter(|letter| !held.contains(*letter)));
        if !lacks.is_empty() {
            let entries = child(&mut wanted, field);
            if let Some(grantees) = entries.map(|entries| child(entries, &entry)).and_then(|grantees| grantees) {
                grantees.insert(role, Value::Letters(lacks));
            }
        }
    }
    let mut released = released(live, look, &named);
    let fields: BTreeSet<String> = released.keys().chain(wanted.keys()).cloned().collect();
    for field in fields {
        child(&mut released, &field);
        child(&mut wanted, &field);
    }
    let mut reading = Reading::present(released, Attributes::new());
    reading.desired = Some(wanted);
    Ok(Some(reading))
}

fn held(live: &Attributes, field: &str, entry: &str, role: &str) -> Letters {
    let held = live.get(field).and_then(|field| field.as_map()?.get(entry)?.as_map()?.get(role));
    if let Some(Value::Letters(held)) = held { held.clone() } else { Letters::default() }
}

/// Of what our runs made, what is still there and no rule wants any more.
fn released(
    live: &Attributes,
    look: &Look<'_>,
    named: &BTreeMap<(&str, String, String), BTreeSet<char>>,
) -> Attributes {
    let mut released = Attributes::new();
    for field in FIELDS {
        let entries = look.attributes.get(field).and_then(Value::as_map).into_iter().flatten();
        for (entry, grantees) in entries.filter_map(|(entry, grantees)| Some((entry, grantees.as_map()?))) {
            for (role, made) in grantees {
                let Value::Letters(made) = made else { continue };
                let wanted = named.get(&(field, entry.clone(), role.clone()));
                let held = held(live, field, entry, role);
                let over = made
                    .as_str()
                    .chars()
                    .filter(|letter| held.contains(*letter) && !wanted.is_some_and(|wanted| wanted.contains(letter)));
                let over = Letters::new(over);
                if over.is_empty() {
                    continue;
                }
                let entries = child(&mut released, field);
                if let Some(grantees) = entries.and_then(|entries| child(entries, entry)) {
                    grantees.insert(role.clone(), Value::Letters(over));
                }
            }
        }
    }
    released
}

/// The fields that are computed.
const FIELDS: [&str; 4] = ["privileges", "grant_options", "default_privileges", "default_options"];

/// The map under a name, made where it is missing.
fn child<'a>(map: &'a mut Attributes, name: &str) -> Option<&'a mut Attributes> {
    match map.entry(name.to_owned()).or_insert_with(|| Value::Map(Attributes::new())) {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

/// Field, entry, role and letters of everything that the rules want.
fn wants(state: &State, look: &Look<'_>, rules: &[Rule]) -> Vec<(&'static str, String, String, BTreeSet<char>)> {
    let mut wants = Vec::new();
    let mut creators: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (entry, owner) in objects(state, look.key) {
        let Some(ObjectEntry { object: name, .. }) = ObjectEntry::parse(entry) else { continue };
        let schema = if name.kind == ObjectType::Schema { &name.name } else { &name.schema };
        if name.kind.plural().is_some() {
            creators.entry(schema.clone()).or_default().insert(owner);
        }
        for rule in rules.iter().filter(|rule| name.kind == ObjectType::Database || rule.covers(schema)) {
            wants.push(("privileges", entry.clone(), rule.role.clone(), letters(rule, name.kind)));
        }
    }
    for rule in rules.iter().filter(|rule| rule.future != Future::No) {
        for (schema, creators) in creators.iter().filter(|(schema, _)| rule.covers(schema)) {
            for kind in ObjectType::ALL.into_iter().filter(|kind| kind.plural().is_some()) {
                for creator in creators {
                    let schema = rule.schemas.is_some().then(|| schema.clone());
                    let defaults = Defaults { creator: (*creator).to_owned(), schema, kind };
                    wants.push(("default_privileges", defaults.to_string(), rule.role.clone(), letters(rule, kind)));
                }
            }
        }
    }
    wants
}

fn letters(rule: &Rule, kind: ObjectType) -> BTreeSet<char> {
    let all = || kind.privileges().iter().map(|(letter, _)| *letter).collect();
    let words = rule.words(kind).into_iter().flatten();
    words.flat_map(|word| kind.privilege(word).map_or_else(all, |letter| BTreeSet::from([letter]))).collect()
}

/// Whether a role has what a list of rules wants of it, or what it lacks.
pub(super) fn lacking(state: &State, look: &Look<'_>) -> Result<Vec<String>, Failure> {
    let Some(reading) = plan(state, look)? else { return Ok(Vec::new()) };
    let entries =
        reading.desired.iter().flat_map(Attributes::values).filter_map(Value::as_map).flat_map(Attributes::keys);
    Ok(entries.map(|entry| format!("something is lacking on {entry}")).collect())
}

/// The entries of a step whose object is gone, and those whose name belongs to another object now.
fn lost(state: &State, key: &Attributes, asked: &Attributes) -> Lost {
    let there: BTreeSet<&String> = objects(state, key).map(|(entry, _)| entry).collect();
    let names: BTreeSet<ObjectName> =
        there.iter().filter_map(|entry| Some(ObjectEntry::parse(entry)?.object)).collect();
    let entries = ["privileges", "grant_options"].iter().filter_map(|field| asked.get(*field)?.as_map());
    let missing = entries.flat_map(Attributes::keys).filter(|entry| !there.contains(entry));
    let (gone, replaced) = missing
        .cloned()
        .partition(|entry| ObjectEntry::parse(entry).is_none_or(|entry| !names.contains(&entry.object)));
    Lost { gone, replaced }
}
