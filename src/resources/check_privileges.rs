//! The privileges part of a check: what roles may really do, asked of PostgreSQL itself, now and with tomorrow's objects.

use std::collections::{BTreeMap, BTreeSet};

use super::Live;
use super::database_grants::{Asked, Rule, Wishes, rules, tomorrow, wanted};
use super::reach::text;
use crate::model::{Attributes, Failure, Value};
use crate::postgres::{Demand, LetterSet, ObjectType, Rejection, Snapshot, lacking, rights_of};

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
    in_sentences(gaps(live, table).await)
}

/// The same for several checks of one database, asked in one go.
pub(super) async fn complaints_of(live: &Live, tables: &[&Attributes]) -> Vec<Result<Vec<String>, Failure>> {
    gaps_of(live, tables).await.into_iter().map(in_sentences).collect()
}

fn in_sentences(gaps: Result<Vec<Complaint>, Rejection>) -> Result<Vec<String>, Failure> {
    match gaps {
        Ok(gaps) => Ok(gaps.into_iter().map(|gap| gap.text).collect()),
        Err(rejection) if rejection.refused => Ok(vec![rejection.failure.in_a_line()]),
        Err(rejection) => Err(rejection.failure),
    }
}

/// The same, told apart. A server that lets nobody in is an error.
pub(super) async fn gaps(live: &Live, table: &Attributes) -> Result<Vec<Complaint>, Rejection> {
    gaps_of(live, &[table]).await.into_iter().next().unwrap_or_else(|| Ok(Vec::new()))
}

/// One role of one check, and what the check says of it.
struct Asker {
    check: usize,
    role: String,
    wishes: Wishes,
}

impl Asker {
    /// PostgreSQL's functions call everybody `public`.
    fn who(&self) -> &str {
        if self.role == "PUBLIC" { "public" } else { &self.role }
    }
}

async fn gaps_of(live: &Live, tables: &[&Attributes]) -> Vec<Result<Vec<Complaint>, Rejection>> {
    let rules_of = |table: &&Attributes| rules_for(table.get("role").and_then(Value::as_text), table.get("grants"));
    let read: Vec<Result<Vec<Rule>, Failure>> = tables.iter().map(rules_of).collect();
    let askers: Vec<Asker> = read
        .iter()
        .enumerate()
        .flat_map(|(check, rules)| askers(check, rules.as_deref().unwrap_or_default()))
        .collect();
    let found = match tables.first() {
        Some(table) => of_database(live, table, &askers).await,
        None => Ok(BTreeMap::new()),
    };
    let answer = |(check, rules): (usize, Result<Vec<Rule>, Failure>)| {
        rules?;
        found.clone().map(|mut found| found.remove(&check).unwrap_or_default())
    };
    read.into_iter().enumerate().map(answer).collect()
}

fn askers(check: usize, rules: &[Rule]) -> Vec<Asker> {
    let names: BTreeSet<&String> = rules.iter().map(|rule| &rule.role).collect();
    let asker = |role: &String| {
        let grants = rules.iter().filter(|rule| rule.role == *role).cloned().collect();
        Asker { check, role: role.clone(), wishes: Wishes { grants, revokes: Vec::new(), exclusive: BTreeSet::new() } }
    };
    names.into_iter().map(asker).collect()
}

/// What each check complains of, by its number: three questions to the database, however many checks there are.
async fn of_database(
    live: &Live,
    table: &Attributes,
    askers: &[Asker],
) -> Result<BTreeMap<usize, Vec<Complaint>>, Rejection> {
    let mut lease = live.databases.lease_any(text(table, "server")?, text(table, "database")?).await?;
    let snapshot = Snapshot::read(&mut lease, &wanted(askers.iter().flat_map(|asker| asker.wishes.rules()))).await?;
    let mut found: BTreeMap<usize, Vec<Complaint>> = BTreeMap::new();
    let (there, absent_ones): (Vec<&Asker>, Vec<&Asker>) =
        askers.iter().partition(|asker| asker.who() == "public" || snapshot.roles.has(asker.who()));
    for asker in absent_ones {
        asker.tell(&mut found, GapKind::Missing, [format!("there is no role {:?}", asker.who())]);
    }
    let demands: Vec<Vec<Demand<'_>>> = there.iter().map(|asker| asker.demands(&snapshot)).collect();
    let mut lacks = lacking(&mut lease, &demands.concat()).await?.into_iter();
    let held = rights_of(&mut lease, there.iter().map(|asker| asker.who())).await?;
    drop(lease);
    for (asker, demands) in there.into_iter().zip(demands) {
        asker.tell(&mut found, GapKind::Missing, absent(&snapshot, &asker.wishes.grants));
        asker.tell(&mut found, GapKind::Now, asker.now(&demands, lacks.by_ref().take(demands.len())));
        let rights = held.get(asker.who()).cloned().unwrap_or_default();
        asker.tell(&mut found, GapKind::Tomorrow, asker.future(&snapshot, &rights));
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

impl Asker {
    fn tell(
        &self,
        found: &mut BTreeMap<usize, Vec<Complaint>>,
        kind: GapKind,
        texts: impl IntoIterator<Item = String>,
    ) {
        let complaints = texts.into_iter().map(|text| Complaint { role: self.role.clone(), kind, text });
        found.entry(self.check).or_default().extend(complaints);
    }

    /// What it should have on each object that is there.
    fn demands<'a>(&'a self, snapshot: &'a Snapshot) -> Vec<Demand<'a>> {
        let mut asked = Asked::new(&self.wishes, snapshot);
        let demand = |object| {
            let letters = asked.on(object).have.get(&self.role)?.letters;
            (!letters.is_empty()).then_some(Demand { role: self.who(), object, letters })
        };
        snapshot.objects.iter().filter_map(demand).collect()
    }

    /// What it lacks of them.
    fn now(&self, demands: &[Demand<'_>], answers: impl Iterator<Item = LetterSet>) -> Vec<String> {
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
        let who = self.who();
        let line = |((kind, letter), (all, names)): ((ObjectType, char), (usize, BTreeSet<String>))| {
            let privilege = kind.words([letter].into_iter().collect()).join(", ");
            let (few, more) = (names.len(), if names.len() > NAMED { ", ..." } else { "" });
            let names = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
            format!("role {who:?} lacks {privilege} on {few} of {all} objects of kind {kind}: {names}{more}")
        };
        totals.into_iter().filter(|(_, (_, names))| !names.is_empty()).map(line).collect()
    }

    /// What the default privileges will not give. Whoever has the creator's rights has everything anyway.
    fn future(&self, snapshot: &Snapshot, held: &BTreeSet<String>) -> Vec<String> {
        let who = self.who();
        let lacks = tomorrow(&self.wishes, snapshot).into_iter().filter_map(|((creator, schema, kind), wants)| {
            let wanted = wants.have.get(&self.role).map(|pair| pair.letters).unwrap_or_default();
            let lacks: LetterSet = wanted.less(snapshot.tomorrow(&creator, schema.as_deref(), kind, held));
            let place = schema.map_or("any schema".to_owned(), |schema| format!("schema {schema:?}"));
            let (words, plural) = (kind.words(lacks).join(", "), kind.plural().unwrap_or("objects"));
            (!lacks.is_empty())
                .then(|| format!("role {who:?} will lack {words} on {plural} that role {creator:?} makes in {place}"))
        });
        lacks.collect()
    }
}
