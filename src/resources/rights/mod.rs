//! What plan and apply of a plan file need to be allowed to do: one table of actions per kind, and the database rights.

mod database;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::azure::{Permission, ServerId};
use crate::model::{Attributes, Desired, Failure, Value};
use crate::resources::Live;
use crate::resources::live::{optional_text, server_id, site_id};
pub use database::{DatabaseRight, database_rights};
pub use table::{BLOB_STORE, Phase, Right, Rights, TABLE};
use table::{On, When};

/// An Azure action that is needed at a scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// The ARM id that the action is about.
    pub scope: String,
    /// `Microsoft.Web/sites/read` and the like.
    pub action: String,
    /// Whether it is an action on data.
    pub data: bool,
}

/// Why an action is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// Whether a plan needs it already.
    pub plan: bool,
    /// The kinds that need it.
    pub kinds: BTreeSet<String>,
}

/// Every action that these resources need, with its scope and why.
pub fn needs(desired: &[Desired], live: &Live) -> BTreeMap<Need, Why> {
    let mut all: BTreeMap<Need, Why> = BTreeMap::new();
    for want in desired {
        let kind = want.address.kind.as_str();
        for right in table::of(kind) {
            for (scope, slots) in scopes(want, right.on, right.when, live) {
                let action = right.action.replace("{slots}", if slots { "/slots" } else { "" });
                let why = all.entry(Need { scope, action, data: right.data }).or_default();
                why.plan |= right.phase == Phase::Plan;
                why.kinds.insert(kind.to_owned());
            }
        }
    }
    all
}

/// The scopes of a right, each with whether it is that of a slot; none where the resource does not need it.
fn scopes(want: &Desired, on: On, when: When, live: &Live) -> Vec<(String, bool)> {
    if !applies(want, when) {
        return Vec::new();
    }
    let place = place(want);
    let group = |subscription: &str, group: &str| format!("/subscriptions/{subscription}/resourceGroups/{group}");
    match on {
        On::Site => {
            let site = site_id(place).ok();
            site.map(|site| (site.arm_id(), site.slot.is_some())).into_iter().collect()
        }
        On::App => site_id(place).ok().map(|site| (site.whole_app().arm_id(), false)).into_iter().collect(),
        On::Server => servers(want, live).into_iter().map(|id| (id.arm_id(), false)).collect(),
        On::ServerGroup => {
            servers(want, live).into_iter().map(|id| (group(&id.subscription, &id.resource_group), false)).collect()
        }
        On::Vault => {
            let (Some(subscription), Some(name)) =
                (optional_text(place, "subscription"), optional_text(place, "resource_group"))
            else {
                return Vec::new();
            };
            let id =
                |vault: &String| format!("{}/providers/Microsoft.KeyVault/vaults/{vault}", group(subscription, name));
            texts(&want.key, "key_vault")
                .iter()
                .chain(&texts(&want.attributes, "key_vault"))
                .map(|vault| (id(vault), false))
                .collect()
        }
        On::Identity => {
            let assigned = want.attributes.get("user_assigned").and_then(Value::as_map).into_iter().flatten();
            assigned.filter(|(_, on)| **on == Value::Bool(true)).map(|(id, _)| (id.clone(), false)).collect()
        }
        On::Subscription => {
            let mut found = texts(&want.attributes, "subscription");
            found.extend(optional_text(place, "subscription").map(str::to_owned));
            found.into_iter().map(|id| (format!("/subscriptions/{id}"), false)).collect()
        }
    }
}

/// Where a resource is: its key, or the app that it is about.
fn place(want: &Desired) -> &Attributes {
    let about = |name: &str| want.attributes.get(name).and_then(Value::as_map);
    match want.address.kind.as_str() {
        "check" => about("http").unwrap_or(&want.key),
        "validation" | "soak" => about("app").unwrap_or(&want.key),
        _ => &want.key,
    }
}

/// The servers that a resource is on.
fn servers(want: &Desired, live: &Live) -> Vec<ServerId> {
    if let Ok(id) = server_id(&want.key) {
        return vec![id];
    }
    let mut names = texts(&want.attributes, "server");
    names.extend(optional_text(&want.key, "server").map(str::to_owned));
    let known = names.iter().filter_map(|name| live.databases.server(name).ok());
    known
        .map(|target| ServerId {
            subscription: target.subscription.clone(),
            resource_group: target.resource_group.clone(),
            server: target.name.clone(),
        })
        .collect()
}

fn applies(want: &Desired, when: When) -> bool {
    let has = |name: &str| !texts(&want.attributes, name).is_empty();
    match when {
        When::Always => true,
        When::Component => has("app_insights"),
        When::Workspace => has("workspace"),
        When::Deployed => want.attributes.get("deployment").and_then(Value::as_bool) == Some(true),
    }
}

/// The texts under a name, at any depth of the attributes.
fn texts(attributes: &Attributes, name: &str) -> BTreeSet<String> {
    fn below(value: &Value, name: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Map(map) => map.iter().for_each(|(key, value)| match value {
                Value::Text(text) if key == name => drop(found.insert(text.clone())),
                _ => below(value, name, found),
            }),
            Value::List(list) => list.iter().for_each(|one| below(one, name, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    below(&Value::Map(attributes.clone()), name, &mut found);
    found
}

/// Whether the caller has each of these rights; `Err` where Azure does not tell. Each scope is asked once.
pub async fn held(live: &Live, needs: &BTreeMap<Need, Why>) -> BTreeMap<Need, Result<bool, Failure>> {
    let scopes: BTreeSet<&str> = needs.keys().map(|need| need.scope.as_str()).collect();
    let ask = |scope: &'_ str| {
        let scope = scope.to_owned();
        async move { (scope.clone(), live.arm.permissions(&scope).await.map_err(Failure::from)) }
    };
    let answers: BTreeMap<String, Result<Vec<Permission>, Failure>> =
        futures::future::join_all(scopes.into_iter().map(ask)).await.into_iter().collect();
    let judge = |need: &Need| match answers.get(&need.scope) {
        Some(Ok(all)) => Ok(all.iter().any(|one| one.gives(&need.action, need.data))),
        Some(Err(why)) => Err(why.clone()),
        None => Ok(false),
    };
    needs.keys().map(|need| (need.clone(), judge(need))).collect()
}
