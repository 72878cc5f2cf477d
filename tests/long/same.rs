//! When two worlds are the same: the whole state of the sandbox as text, without what nobody could tell apart. Every
//! exclusion stands here.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Row as _;

use super::sandbox::Sandbox;

/// Parts of Azure's state that differ between two equal worlds: counters, histories and settings of the sandbox itself.
const NOT_STATE: [&str; 7] =
    ["operations", "restarts", "knobs", "identity_header", "master_key", "host_name", "scm_host"];

/// Who grants the memberships by which the platform lets administrators manage roles: it does so when one signs in.
const PLATFORM: &str = " by azuresu admin=";

/// The role of an administrator who was removed stays in PostgreSQL, without its mapping: nobody can sign in as it. Its
/// mapping, memberships and privileges are compared.
const EMPTY_ROLE: &str = ": role \"pg-deployers\" super=f ";

/// What a rollback keeps unless it is asked to remove it: Entra authentication, administrators, created identities.
const KEPT: [&str; 6] = ["entra", "auth_tenant", "administrators", "system_identity", "principals", "deployments"];
/// The roles that administrators have in PostgreSQL are kept with them.
const KEPT_ROLE: &str = "pg-deployers";

/// A whole world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    azure: Value,
    postgres: Vec<String>,
}

impl World {
    /// Looks at all of it: Azure's state, and every role, membership, label, privilege and default privilege.
    pub async fn of(sandbox: &Sandbox) -> Self {
        let mut azure = at_rest(sandbox).await;
        let mut names = names(&azure);
        names.push((sandbox.env()["PGENTRA_SANDBOX_POSTGRES_HOST"].clone(), "<address>".to_owned()));
        strip(&mut azure, &NOT_STATE);
        // Of all deployments it counts which code runs.
        for site in azure["sites"].as_object_mut().into_iter().flat_map(|sites| sites.values_mut()) {
            let running = site["deployments"].as_array().and_then(|all| all.iter().rfind(|one| one["status"] == 4));
            site["deployments"] = running.map_or(Value::Null, |one| one["deployer"].clone());
        }
        // No sticky names, and lists of none, are the same.
        let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
        if let Some(sticky) = azure["sticky"].as_object_mut() {
            sticky.retain(|_, lists| !lists.as_object().is_some_and(|lists| lists.values().all(none)));
        }
        for vault in azure["vaults"].as_object_mut().into_iter().flat_map(|vaults| vaults.values_mut()) {
            let Some(secrets) = vault["secrets"].as_object_mut() else { continue };
            // A deleted secret is none, whoever could recover it; of the others the newest version counts.
            secrets.retain(|_, secret| secret["deleted"].is_null());
            for secret in secrets.values_mut() {
                let newest = secret["versions"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
                *secret = json!({ "name": secret["name"], "value": newest["value"], "tags": newest["tags"] });
            }
        }
        let mut postgres = Vec::new();
        for database in ["postgres", "geopgflex"] {
            let mut session = sandbox.superuser(database).await;
            let rows = sqlx::query(include_str!("catalog.sql")).fetch_all(&mut session).await.unwrap();
            postgres.extend(rows.iter().map(|row| format!("{database}: {}", named(row.get(0), &names))));
        }
        postgres.retain(|line| !line.contains(PLATFORM) && !line.contains(EMPTY_ROLE));
        // A default access list and the same list spelled out grant the same; the query spells all of them out.
        postgres.sort();
        let azure = serde_json::from_str(&named(azure.to_string(), &names)).unwrap();
        Self { azure, postgres }
    }

    /// The same world without what a rollback keeps.
    pub fn without_kept(&self) -> Self {
        let mut azure = self.azure.clone();
        strip(&mut azure, &KEPT);
        let postgres = self.postgres.iter().filter(|line| !line.contains(KEPT_ROLE)).cloned().collect();
        Self { azure, postgres }
    }

    /// What differs, for a person.
    pub fn difference(&self, other: &Self) -> String {
        let lines = |world: &Self| {
            let azure = serde_json::to_string_pretty(&world.azure).unwrap();
            azure.lines().map(str::to_owned).chain(world.postgres.iter().cloned()).collect::<Vec<_>>().join("\n")
        };
        similar::TextDiff::from_lines(lines(self).as_str(), lines(other).as_str())
            .unified_diff()
            .context_radius(2)
            .to_string()
    }
}

/// Azure's state once nothing is under way: what a command left running comes to its end by itself.
async fn at_rest(sandbox: &Sandbox) -> Value {
    for _ in 0..600 {
        let azure = sandbox.control("GET", "state", &json!(null)).await;
        let running = |operations: &Value| {
            operations.as_object().is_some_and(|all| all.values().any(|one| one["status"] == "InProgress"))
        };
        let deploying =
            |site: &Value| site["deployments"].as_array().is_some_and(|all| all.iter().any(|one| one["status"] == 1));
        let sites = azure["sites"].as_object().is_some_and(|sites| sites.values().any(deploying));
        if !running(&azure["operations"]) && !sites {
            return azure;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("something in Azure does not come to its end");
}

/// Identities get random ids; what counts is whose they are. So with the address that a sandbox finds free.
fn names(azure: &Value) -> Vec<(String, String)> {
    let principals = azure["directory"]["principals"].as_object().into_iter().flatten();
    let managed = principals.filter(|(_, principal)| principal["kind"] == "managed_identity");
    let both = |(id, principal): (&String, &Value)| {
        let name =
            principal["resource_id"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
        let client = principal["client_id"].as_str().unwrap_or_default().to_owned();
        [(id.clone(), format!("<principal {name}>")), (client, format!("<client {name}>"))]
    };
    managed.flat_map(both).collect()
}

fn named(text: String, names: &[(String, String)]) -> String {
    names.iter().fold(text, |text, (id, name)| text.replace(id, name))
}

/// Takes members of these names away, wherever they are.
fn strip(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|name, _| !names.contains(&name.as_str()));
            map.values_mut().for_each(|value| strip(value, names));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| strip(value, names)),
        _ => {}
    }
}
