//! `doctor --local`: tries a developer's own sign-in, and says which of the ways to develop locally works.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

use super::args::Global;
use super::exit::Exit;
use super::live;
use super::output::Output;
use crate::azure::Credential;
use crate::model::{Class, Desired, Failure};
use crate::plan::PlanFile;
use crate::postgres::mapped_roles;
use crate::report::{Check, ways};
use crate::resources::Live;

/// Where the Functions tools keep the settings of a local run.
const SETTINGS: &str = "local.settings.json";

/// Runs `doctor --local`.
pub async fn run(world: &Live, file: &PlanFile, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let audience = world.arm.endpoints().postgres_audience.clone();
    let mut checks = Vec::new();
    for (credential, label) in [
        (Credential::AzureCli, "Option 1: the Azure CLI (`az login`) gives a token for PostgreSQL"),
        (Credential::Environment, "Option 3: a service principal in the environment gives a token for PostgreSQL"),
    ] {
        let named = Global { credential: Some(credential.name().to_owned()), ..global.clone() };
        let (_, tokens) = live::tokens(&file.target, &named).await?;
        checks.push(check(label, tokens.claims(&audience).await.map(|claims| claims.who())));
    }
    checks.insert(1, password(Path::new(SETTINGS)));
    let token = world.arm.tokens().claims(&audience).await;
    let chosen = world.arm.tokens().credential().unwrap_or_default();
    let own = token.as_ref().ok().and_then(|claims| claims.object_id.clone()).map(|id| id.to_ascii_lowercase());
    let user = token.as_ref().ok().and_then(|claims| claims.user.clone());
    let label = "What pgentra and DefaultAzureCredential find first gives a token";
    let found = check(label, token.map(|claims| format!("{} by {chosen}", claims.who())));
    let signed_in = found.holds;
    checks.push(found);
    let mut databases = Vec::new();
    if signed_in {
        for (server, database) in named(&file.desired) {
            let label = format!("Database {database} on {server} lets you in as yourself");
            databases.push(check(&label, enter(world, (server, database), own.as_deref(), user.as_deref()).await));
        }
    }
    let works = signed_in && !databases.is_empty() && databases.iter().all(|one| one.holds);
    checks.extend(databases);
    output.page(&ways("Local development", works, &checks))?;
    Ok(if works { Exit::Done } else { Exit::CheckFailed })
}

fn check(label: &str, answer: Result<String, Failure>) -> Check {
    match answer {
        Ok(detail) => Check { label: label.to_owned(), holds: true, detail },
        Err(failure) => Check { label: label.to_owned(), holds: false, detail: failure.in_a_line() },
    }
}

/// Whether the settings of a local run hold a password to fall back to. Only names are told.
fn password(path: &Path) -> Check {
    let label = format!("Option 2: {SETTINGS} holds a password to fall back to");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let values = serde_json::from_str::<Json>(&text).map(|json| json["Values"].clone()).unwrap_or_default();
    let set = |name: &str| values[name].as_str().is_some_and(|value| !value.is_empty());
    let off = values["USE_MANAGED_IDENTITY"].as_str().is_some_and(|value| value.eq_ignore_ascii_case("false"));
    let detail = match (text.is_empty(), set("POSTGIS_PASSWORD"), off) {
        (true, ..) => format!("there is no {SETTINGS} here"),
        (false, false, _) => "POSTGIS_PASSWORD is not set in it".to_owned(),
        (false, true, false) => "POSTGIS_PASSWORD is set, but USE_MANAGED_IDENTITY is not false".to_owned(),
        (false, true, true) => "POSTGIS_PASSWORD is set, and USE_MANAGED_IDENTITY is false".to_owned(),
    };
    Check { label, holds: set("POSTGIS_PASSWORD") && off, detail }
}

/// Every database that the plan file grants in.
fn named(desired: &[Desired]) -> BTreeSet<(&str, &str)> {
    let grants = desired.iter().filter(|want| want.address.kind == "database_grants");
    grants.filter_map(|want| Some((want.key.get("server")?.as_text()?, want.key.get("database")?.as_text()?))).collect()
}

/// Signs in by token: as the role that stands for this principal, as its user name, or as an administrator's group.
async fn enter(
    world: &Live,
    (server, database): (&str, &str),
    own: Option<&str>,
    user: Option<&str>,
) -> Result<String, Failure> {
    let mut names: Vec<String> = Vec::new();
    if let Ok(mut lease) = world.databases.lease_any(server, "postgres").await {
        let mapped = mapped_roles(&mut lease).await.unwrap_or_default();
        names.extend(
            mapped.into_iter().filter(|(_, to)| own.is_some() && to.object_id.as_deref() == own).map(|(role, _)| role),
        );
    }
    names.extend(user.map(str::to_owned));
    let ways = &world.databases.server(server)?.connections;
    names.extend(ways.iter().filter(|way| way.auth == crate::model::Auth::Token).map(|way| way.user.clone()));
    let mut first = None;
    for name in names {
        match world.databases.sign_in(server, database, &name).await {
            Ok(()) => return Ok(format!("as {name}")),
            Err(failure) => first = first.or(Some(failure)),
        }
    }
    Err(first.unwrap_or_else(|| no_role(server)))
}

/// Nobody is known on the server that whoever is signed in could be.
pub(super) fn no_role(server: &str) -> Failure {
    Failure::new(Class::NotFound, "no role stands for you")
        .detail(format!("server {server}"))
        .remedy("have an Entra administrator of the server make one, with [role.NAME] in a plan file")
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn a_password_is_told_by_name_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("local.settings.json");
        assert!(!password(&file).holds);
        let text = r#"{"Values": {"USE_MANAGED_IDENTITY": "false", "POSTGIS_PASSWORD": "hunter2"}}"#;
        std::fs::write(&file, text).unwrap();
        let found = password(&file);
        assert!(found.holds && !found.detail.contains("hunter2"));
        std::fs::write(&file, text.replace("false", "true")).unwrap();
        assert!(!password(&file).holds);
    }
}
