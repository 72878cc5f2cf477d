//! Gathers the facts: one look at everything that the plan file names, each thing looked at once.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use super::facts::{Facts, OwnFacts, RoleFacts, Seen, SiteFacts, Unseen};
use super::{gather_database, gather_logs, gather_site};
use crate::azure::SiteId;
use crate::model::{Address, Attributes, Desired, Failure, Value};
use crate::resources::Live;
use crate::resources::live::{optional_text, site_id};

/// The facts, and what could not be looked at.
#[derive(Default)]
pub(super) struct Gathered<T> {
    pub facts: T,
    pub unseen: Vec<Unseen>,
}

impl<T> Gathered<T> {
    /// Keeps a value, or why there is none.
    pub(super) fn keep<V>(&mut self, what: &str, answer: Result<V, impl Into<Failure>>) -> Option<V> {
        answer.map_err(|why| self.unseen.push(Unseen { what: what.to_owned(), why: why.into() })).ok()
    }
}

/// One site of the plan file, with what is wanted of it.
pub(super) struct WantedSite<'a> {
    pub id: SiteId,
    pub identity: Option<&'a Desired>,
    pub settings: Option<&'a Desired>,
    /// The `http` tables of its checks.
    pub checks: Vec<&'a Attributes>,
    /// Validations that are about it.
    pub validations: Vec<&'a Attributes>,
}

/// Looks at everything that the plan file names. Changes nothing, and goes on where something cannot be seen. `plan` is
/// how a command line names the plan file.
///
/// # Errors
/// Nobody is signed in, so that nothing at all can be seen.
pub async fn facts(live: &Live, desired: &[Desired], plan: &str) -> Result<Facts, Failure> {
    let audience = live.arm.endpoints().postgres_audience.clone();
    let mut all = Facts { plan: plan.to_owned(), audience, ..Facts::default() };
    let claims = live.arm.tokens().claims(&all.audience).await?;
    all.own = OwnFacts {
        who: Some(claims.who()),
        object_id: claims.object_id.map(|id| id.to_ascii_lowercase()),
        audience: claims.audience,
    };
    let wanted = wanted_sites(desired);
    let roles = role_names(desired);
    let sites = join_all(wanted.iter().map(|site| gather_site::site(live, site, &roles))).await;
    for Gathered { facts, unseen } in sites {
        all.sites.extend(facts);
        all.unseen.extend(unseen);
    }
    let logs = join_all(wanted.iter().map(|site| gather_logs::said(live, site))).await;
    for (site, Gathered { facts, unseen }) in wanted.iter().zip(logs) {
        all.unseen.extend(unseen);
        if let Some(found) = all.sites.iter_mut().find(|found| found.id == site.id) {
            found.said.extend(facts);
        }
    }
    all.roles = desired.iter().filter_map(|want| role(want, desired, &all.sites)).collect();
    let servers = join_all(server_names(desired).into_iter().map(|name| gather_database::server(live, name, desired)));
    for Gathered { facts, unseen } in servers.await {
        all.servers.extend(facts);
        all.unseen.extend(unseen);
    }
    gather_database::look_inside(live, desired, &mut all).await;
    Ok(all)
}

/// Every site that the plan file names, once.
fn wanted_sites(desired: &[Desired]) -> Vec<WantedSite<'_>> {
    let mut all: Vec<WantedSite<'_>> = Vec::new();
    for want in desired {
        let kind = want.address.kind.as_str();
        let table = |name: &str| want.attributes.get(name).and_then(Value::as_map);
        let place = match kind {
            "app_identity" | "app_settings" => Some(&want.key),
            "check" => table("http"),
            "validation" => table("app"),
            _ => None,
        };
        let Some((place, Ok(id))) = place.map(|place| (place, site_id(place))) else { continue };
        let at = all.iter().position(|site| site.id == id).unwrap_or_else(|| {
            let (checks, validations) = (Vec::new(), Vec::new());
            all.push(WantedSite { id, identity: None, settings: None, checks, validations });
            all.len() - 1
        });
        let site = &mut all[at];
        match kind {
            "app_identity" => site.identity = Some(want),
            "app_settings" => site.settings = Some(want),
            "check" => site.checks.push(place),
            _ => site.validations.push(&want.attributes),
        }
    }
    all
}

fn role_names(desired: &[Desired]) -> BTreeMap<Address, String> {
    let roles = desired.iter().filter(|want| want.address.kind == "database_role");
    roles.filter_map(|want| Some((want.address.clone(), optional_text(&want.key, "name")?.to_owned()))).collect()
}

fn server_names(desired: &[Desired]) -> BTreeSet<&str> {
    desired.iter().filter_map(|want| optional_text(&want.key, "server")).collect()
}

/// What is wanted of a role; whom it has to stand for is known as soon as the app has its identity.
fn role(want: &Desired, desired: &[Desired], sites: &[SiteFacts]) -> Option<RoleFacts> {
    if want.address.kind != "database_role" {
        return None;
    }
    let (mut wanted, mut app) = (None, None);
    match want.attributes.get("object_id") {
        Some(Value::Text(id)) => {
            app = sites
                .iter()
                .find(|site| site.principals().contains(&id.to_ascii_lowercase()))
                .map(|site| site.id.clone());
            wanted = Some(id.clone());
        }
        Some(Value::Open(reference)) => {
            let giver = desired.iter().find(|giver| giver.address == reference.address)?;
            app = site_id(&giver.key).ok();
            let site = sites.iter().find(|site| app.as_ref() == Some(&site.id));
            wanted = site.and_then(principal);
        }
        _ => {}
    }
    Some(RoleFacts {
        address: want.address.to_string(),
        server: optional_text(&want.key, "server")?.to_owned(),
        name: optional_text(&want.key, "name")?.to_owned(),
        wanted: wanted.map(|id| id.to_ascii_lowercase()),
        app,
        live: Seen::Unseen,
        others: Vec::new(),
    })
}

/// The principal that an `app_identity` gives.
fn principal(site: &SiteFacts) -> Option<String> {
    let system = site.wants_identity.as_ref().is_some_and(|(_, system)| *system);
    match site.wants_assigned.as_slice() {
        [only] if !system => site.identity.user_assigned(only)?.principal_id.clone(),
        _ => site.identity.principal_id.clone(),
    }
}
