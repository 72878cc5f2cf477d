//! Whether roles will be able to use what is made tomorrow: by the default privileges, or tried for real.

use std::collections::{BTreeMap, BTreeSet};

use super::Live;
use super::database_grants::{Spot, Wants, Wishes, tomorrow, wanted};
use super::live::text;
use super::verify::Proof;
use crate::model::{Desired, Failure};
use crate::postgres::{Lease, LetterSet, ObjectType, Power, Snapshot, rights_of, try_tomorrow};

/// How many gaps one line tells.
const TOLD: usize = 3;

/// What was found out for one role.
#[derive(Default)]
struct Found {
    gaps: Vec<String>,
    tried: BTreeSet<String>,
    read: BTreeSet<String>,
}

/// One line per role of a grants resource that has rules for tomorrow. With `try_it` objects are made as each creator
/// that a connection may become, in a transaction that is rolled back.
pub(super) async fn proofs(live: &Live, grants: &Desired, try_it: bool) -> Vec<Proof> {
    let database = text(&grants.key, "database").unwrap_or_default();
    match look(live, grants, try_it).await {
        Ok(found) => found.into_iter().map(|(role, found)| proof(&role, database, found)).collect(),
        Err(failure) => vec![Proof::failed(format!("Roles can use what is made tomorrow in {database}"), &failure)],
    }
}

fn proof(role: &str, database: &str, found: Found) -> Proof {
    let label = format!("Role {role} can use what is made tomorrow in {database}");
    let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    let mut detail: Vec<String> = found.gaps.iter().take(TOLD).cloned().collect();
    if found.gaps.len() > TOLD {
        detail.push(format!("and {} more", found.gaps.len() - TOLD));
    }
    if !found.tried.is_empty() {
        detail.push(format!("tried for real as {} and rolled back", list(found.tried)));
    }
    if !found.read.is_empty() {
        detail.push(format!("read from the default privileges of {}", list(found.read)));
    }
    Proof { label, holds: found.gaps.is_empty(), detail: detail.join("; ") }
}

async fn look(live: &Live, grants: &Desired, try_it: bool) -> Result<BTreeMap<String, Found>, Failure> {
    let (server, database) = (text(&grants.key, "server")?, text(&grants.key, "database")?);
    let wishes = Wishes::read(&grants.attributes)?;
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    let mut lease = live.databases.lease_any(server, database).await.map_err(|rejection| rejection.failure)?;
    let snapshot = Snapshot::read(&mut lease, &wanted(wishes.rules())).await?;
    let made = snapshot.creators();
    for (spot, wants) in tomorrow(&wishes, &snapshot) {
        let schema = spot.1.clone().or_else(|| {
            let of = |(_, creators): &(&&str, &BTreeSet<String>)| creators.contains(&spot.0);
            made.iter().find(of).map(|(schema, _)| (*schema).to_owned())
        });
        let tries = try_it && spot.2 != ObjectType::Schema && snapshot.roles.power(&spot.0) != Power::None;
        let lacks = match schema.filter(|_| tries) {
            Some(schema) => tried(&mut lease, &spot, &schema, &wants).await,
            None => None,
        };
        let (lacks, for_real) = match lacks {
            Some(lacks) => (lacks, true),
            None => (by_defaults(&mut lease, &snapshot, &spot, &wants).await?, false),
        };
        for role in wants.have.keys().filter(|role| *role != "PUBLIC") {
            let entry = found.entry(role.clone()).or_default();
            if for_real { &mut entry.tried } else { &mut entry.read }.insert(spot.0.clone());
            let lacks = lacks.get(role).copied().unwrap_or_default();
            entry.gaps.extend((!lacks.is_empty()).then(|| gap(&spot, lacks)));
        }
    }
    Ok(found)
}

fn gap((creator, schema, kind): &Spot, lacks: LetterSet) -> String {
    let place = schema.as_ref().map(|schema| format!(" in schema {schema}")).unwrap_or_default();
    let (words, plural) = (kind.words(lacks).join(", "), kind.plural().unwrap_or("objects"));
    format!("lacks {words} on {plural} that {creator} makes{place}")
}

/// `None` where it cannot be tried, for want of a right to create.
async fn tried(lease: &mut Lease, spot: &Spot, schema: &str, wants: &Wants) -> Option<BTreeMap<String, LetterSet>> {
    let there = wants.have.iter().filter(|(role, _)| *role != "PUBLIC");
    let wanted: Vec<(String, LetterSet)> = there.map(|(role, pair)| (role.clone(), pair.letters)).collect();
    try_tomorrow(lease, &spot.0, schema, spot.2, &wanted).await.ok().map(|lacks| lacks.into_iter().collect())
}

async fn by_defaults(
    lease: &mut Lease,
    snapshot: &Snapshot,
    (creator, schema, kind): &Spot,
    wants: &Wants,
) -> Result<BTreeMap<String, LetterSet>, Failure> {
    let wants: Vec<(&String, LetterSet)> =
        wants.have.iter().filter(|(role, _)| *role != "PUBLIC").map(|(role, pair)| (role, pair.letters)).collect();
    let there = wants.iter().map(|(role, _)| role.as_str()).filter(|role| snapshot.roles.has(role));
    let mut rights = rights_of(lease, there).await?;
    let lacks = |(role, letters): (&String, LetterSet)| {
        let held = rights.remove(role).unwrap_or_default();
        (role.clone(), letters.less(snapshot.tomorrow(creator, schema.as_deref(), *kind, &held)))
    };
    Ok(wants.into_iter().map(lacks).collect())
}
