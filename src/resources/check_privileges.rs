//! The privileges part of a check: what roles may really do, asked of PostgreSQL itself, now and with tomorrow's objects.

use std::collections::{BTreeMap, BTreeSet};

use super::Live;
use super::database_grants::{Asked, Rule, Wishes, rules, tomorrow, wanted};
use super::reach::text;
use crate::model::{Attributes, Failure, Value};
use crate::postgres::{Demand, Lease, LetterSet, ObjectType, Rejection, Snapshot, lacking, rights_of};

/// How many objects a complaint names.
const NAMED: usize = 5;

/// What a complaint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// Something that is there, and lacks a privilege.
    Now,
    /// Something that will be created.
    Tomorrow,
    /// A role, schema or table that is not there.
    Missing,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The role that lacks something.
    pub role: String,
    /// What it is about.
    pub kind: GapKind,
    /// In a sentence.
    pub text: String,
}

/// What is wrong, in sentences; nothing when the roles have all that the rules say.
pub(super) async fn complaints(live: &Live, table: &Attributes) -> Result<Vec<String>, Failure> {
    match gaps(live, table).await {
        Ok(gaps) => Ok(gaps.into_iter().map(|gap| gap.text).collect()),
        Err(rejection) if rejection.refused => Ok(vec![rejection.failure.in_a_line()]),
        Err(rejection) => Err(rejection.failure),
    }
}

/// The same, told apart. A server that lets nobody in is an error.
pub(super) async fn gaps(live: &Live, table: &Attributes) -> Result<Vec<Complaint>, Rejection> {
    let (server, database) = (text(table, "server")?, text(table, "database")?);
    let role = table.get("role").and_then(Value::as_text);
    let rules = rules_for(role, table.get("grants"))?;
    let mut lease = live.databases.lease_any(server, database).await?;
    let snapshot = Snapshot::read(&mut lease, &wanted(&rules)).await?;
    let mut by_role: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    for rule in rules {
        by_role.entry(rule.role.clone()).or_default().push(rule);
    }
    let mut found = Vec::new();
    for (role, rules) in by_role {
        found.extend(of_role(&mut lease, &snapshot, &role, rules).await?);
    }
    Ok(found)
}

/// The rules of a check; where it names one role for all of them, a rule need not.
fn rules_for(role: Option<&str>, list: Option<&Value>) -> Result<Vec<Rule>, Failure> {
    let Some(role) = role else { return rules("grants", list) };
    let filled = list.and_then(Value::as_list).unwrap_or_default().iter().map(|given| {
        let mut given = given.as_map().cloned().unwrap_or_default();
        given.entry("role".to_owned()).or_insert_with(|| Value::text(role));
        Value::Map(given)
    });
    rules("grants", Some(&Value::List(filled.collect())))
}

async fn of_role(
    lease: &mut Lease,
    snapshot: &Snapshot,
    role: &str,
    rules: Vec<Rule>,
) -> Result<Vec<Complaint>, Failure> {
    let complaint = |kind: GapKind| move |text: String| Complaint { role: role.to_owned(), kind, text };
    // PostgreSQL's functions call everybody `public`.
    let who = if role == "PUBLIC" { "public" } else { role };
    if who != "public" && !snapshot.roles.has(who) {
        return Ok(vec![complaint(GapKind::Missing)(format!("there is no role {who:?}"))]);
    }
    let mut found: Vec<Complaint> = absent(snapshot, &rules).into_iter().map(complaint(GapKind::Missing)).collect();
    let wishes = Wishes { grants: rules, revokes: Vec::new(), exclusive: BTreeSet::new() };
    found.extend(now(lease, snapshot, &wishes, role, who).await?.into_iter().map(complaint(GapKind::Now)));
    let held = rights_of(lease, who).await?;
    found.extend(future(snapshot, &wishes, role, who, &held).into_iter().map(complaint(GapKind::Tomorrow)));
    Ok(found)
}

/// Schemas and tables that the rules name and that are not there.
fn absent(snapshot: &Snapshot, rules: &[Rule]) -> Vec<String> {
    let there = |name: &&String| {
        snapshot.objects.iter().any(|object| object.name.kind == ObjectType::Schema && object.name.name == **name)
    };
    let schemas: BTreeSet<&String> = rules.iter().flat_map(|rule| rule.schemas.iter().flatten()).collect();
    let schemas = schemas.into_iter().filter(|name| !there(name)).map(|name| format!("there is no schema {name:?}"));
    let columns = rules.iter().flat_map(|rule| rule.columns.values()).filter(|((schema, table), _)| {
        !snapshot.objects.iter().any(|object| {
            ObjectType::RELATIONS.contains(&object.name.kind)
                && object.name.schema == *schema
                && object.name.name == *table
        })
    });
    schemas.chain(columns.map(|((schema, table), _)| format!("there is no table {schema:?}.{table:?}"))).collect()
}

async fn now(
    lease: &mut Lease,
    snapshot: &Snapshot,
    wishes: &Wishes,
    role: &str,
    who: &str,
) -> Result<Vec<String>, Failure> {
    let mut asked = Asked::new(wishes, snapshot);
    let demands: Vec<Demand<'_>> = snapshot
        .objects
        .iter()
        .filter_map(|object| {
            let letters = asked.on(object).have.get(role)?.letters;
            (!letters.is_empty()).then_some(Demand { object, letters })
        })
        .collect();
    let answers = lacking(lease, who, &demands).await?;
    let mut totals: BTreeMap<(ObjectType, char), (usize, BTreeSet<String>)> = BTreeMap::new();
    for (demand, lacks) in demands.iter().zip(answers) {
        for letter in demand.letters.chars() {
            let (total, names) = totals.entry((demand.object.name.kind, letter)).or_default();
            *total += 1;
            if lacks.has(letter) {
                names.insert(demand.object.name.plain());
            }
        }
    }
    let totals = totals.into_iter().filter(|(_, (_, names))| !names.is_empty());
    Ok(totals
        .map(|((kind, letter), (all, names))| {
            let privilege = kind.words([letter].into_iter().collect()).join(", ");
            let (few, more) = (names.len(), if names.len() > NAMED { ", ..." } else { "" });
            let names = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
            format!("role {who:?} lacks {privilege} on {few} of {all} objects of kind {kind}: {names}{more}")
        })
        .collect())
}

/// What the default privileges will not give. Whoever owns the creator's rights has everything anyway.
fn future(snapshot: &Snapshot, wishes: &Wishes, role: &str, who: &str, held: &BTreeSet<String>) -> Vec<String> {
    let lacks = tomorrow(wishes, snapshot).into_iter().filter_map(|((creator, schema, kind), wants)| {
        let wanted = wants.have.get(role).map(|pair| pair.letters).unwrap_or_default();
        let lacks: LetterSet = wanted.less(snapshot.tomorrow(&creator, schema.as_deref(), kind, held));
        let place = schema.map_or("any schema".to_owned(), |schema| format!("schema {schema:?}"));
        let (words, plural) = (kind.words(lacks).join(", "), kind.plural().unwrap_or("objects"));
        (!lacks.is_empty())
            .then(|| format!("role {who:?} will lack {words} on {plural} that role {creator:?} makes in {place}"))
    });
    lacks.collect()
}
