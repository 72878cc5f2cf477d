//! What `verify` proves besides the plan file's own checks: how apps sign in, what roles can use, whether a token gets in.

use std::collections::{BTreeMap, BTreeSet};

use super::live::{site_id, text};
use super::sign_in::{SignIn, environment, sign_in};
use super::{Live, database_grants};
use crate::model::{Attributes, Class, Desired, Failure, Value};
use crate::postgres::{ObjectType, counts};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What has to hold.
    pub label: String,
    /// Whether it does.
    pub holds: bool,
    /// What was seen.
    pub detail: String,
}

impl Proof {
    pub(super) fn failed(label: String, failure: &Failure) -> Self {
        Self { label, holds: false, detail: failure.in_a_line() }
    }
}

/// Looks at everything, in the order of the plan file. What cannot be looked at does not hold. With `try_future` objects
/// are made and rolled back, where a connection may act as those who make them.
pub async fn proofs(live: &Live, desired: &[Desired], try_future: bool) -> Vec<Proof> {
    let mut found = Vec::new();
    let of = |kind: &'static str| desired.iter().filter(move |want| want.address.kind == kind);
    for settings in of("app_settings") {
        found.push(app_signs_in(live, settings).await);
    }
    let databases = databases(desired);
    for ((server, database, role), kinds) in &databases {
        found.extend(usable(live, (server, database, role), kinds).await);
    }
    for grants in of("database_grants") {
        found.extend(super::verify_tomorrow::proofs(live, grants, try_future).await);
    }
    let own = live.arm.tokens().claims(&live.arm.endpoints().postgres_audience).await.ok();
    let own = own.and_then(|claims| claims.object_id);
    for role in of("database_role") {
        let theirs = role.attributes.get("object_id").and_then(Value::as_text);
        if own.as_deref().is_some_and(|own| theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(own))) {
            found.extend(token_gets_in(live, role, &databases).await);
        }
    }
    found
}

type Databases = BTreeMap<(String, String, String), BTreeSet<ObjectType>>;

/// Server, database and role of every grant, with the kinds of objects that it is about.
fn databases(desired: &[Desired]) -> Databases {
    let mut found = Databases::new();
    for grants in desired.iter().filter(|want| want.address.kind == "database_grants") {
        let (Ok(server), Ok(database)) = (text(&grants.key, "server"), text(&grants.key, "database")) else { continue };
        for rule in database_grants::rules("grants", grants.attributes.get("grants")).unwrap_or_default() {
            let place = (server.to_owned(), database.to_owned(), rule.role.clone());
            found.entry(place).or_default().extend(rule.kinds().map(ObjectType::base));
        }
    }
    found
}

async fn app_signs_in(live: &Live, want: &Desired) -> Proof {
    let none = Attributes::new();
    let name = want.key.get("app").and_then(Value::as_text).unwrap_or_default();
    let slot = want.key.get("slot").and_then(Value::as_text).map(|slot| format!(" (slot {slot})")).unwrap_or_default();
    let label = format!("App {name}{slot} is set to sign in with its managed identity");
    let found = async {
        let id = site_id(&want.key)?;
        environment(live, &id, &live.arm.settings(&id).await?).await
    };
    match found.await {
        Ok(settings) => {
            let way = sign_in(&settings, &none);
            Proof { label, holds: way != SignIn::Password, detail: way.to_string() }
        }
        Err(failure) => Proof::failed(label, &failure),
    }
}

/// The guide's counts: how many tables, sequences, functions and schemas a role can use.
async fn usable(live: &Live, (server, database, role): (&str, &str, &str), kinds: &BTreeSet<ObjectType>) -> Vec<Proof> {
    if role == "PUBLIC" {
        return Vec::new();
    }
    let counted = async {
        let mut lease = live.databases.lease_any(server, database).await.map_err(|rejection| rejection.failure)?;
        counts(&mut lease, role).await
    };
    let label = |what: &str| format!("Role {role} can use {what} in {database}");
    let asked = |what: &str| {
        let kind = match what {
            "schemas" => ObjectType::Schema,
            "tables" => ObjectType::Table,
            "sequences" => ObjectType::Sequence,
            _ => ObjectType::Function,
        };
        kinds.contains(&kind)
    };
    match counted.await {
        Ok(counts) => {
            let asked = counts.iter().filter(|count| asked(&count.what));
            let proof = |count: &crate::postgres::Count| Proof {
                label: label(&count.what),
                holds: count.usable > 0 || count.total == 0,
                detail: format!("{} of {} in the whole database", count.usable, count.total),
            };
            asked.map(proof).collect()
        }
        Err(failure) => vec![Proof::failed(label("anything"), &failure)],
    }
}

async fn token_gets_in(live: &Live, role: &Desired, databases: &Databases) -> Vec<Proof> {
    let (Ok(server), Ok(name)) = (text(&role.key, "server"), text(&role.key, "name")) else { return Vec::new() };
    let mut found = Vec::new();
    for (_, database, _) in databases.keys().filter(|(at, _, grantee)| at == server && grantee == name) {
        let label = format!("A token gets in as {name} to {database}");
        found.push(match live.databases.sign_in(server, database, name).await {
            Ok(()) => Proof { label, holds: true, detail: "signed in".to_owned() },
            Err(failure) if failure.class == Class::Input => continue,
            Err(failure) => Proof::failed(label, &failure),
        });
    }
    found
}
