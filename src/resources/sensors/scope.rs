//! What an observation is about (a change starts the window again), and what is only noted.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::tables;
use crate::evidence::Scope;
use crate::model::{Attributes, Failure, Value};
use crate::postgres::{Login, login, role_state};
use crate::resources::Live;
use crate::resources::deployment::deployed;
use crate::resources::live::{site_id, text};

/// The database in which roles and sessions are looked at: both are the same in every one.
const ANY_DATABASE: &str = "postgres";

/// What a `validation` is about now: the app's identities, the role binding, which role must no longer be needed, the
/// declared grants (not expanded), the settings that decide how the app signs in, as keyed digests, and where that is asked
/// for what is deployed.
///
/// # Errors
/// Those of the looks.
pub async fn scope(live: &Live, validation: &Attributes) -> Result<Scope, Failure> {
    let mut facts = BTreeMap::new();
    if let Some(app) = validation.get("app").and_then(Value::as_map) {
        let id = site_id(app)?;
        facts.insert(format!("identity of {id}"), identities(live, validation).await?.join(" "));
        let names = validation.get("settings").and_then(Value::as_list).unwrap_or_default();
        let names: Vec<&str> = names.iter().filter_map(Value::as_text).collect();
        if !names.is_empty() {
            let settings = live.arm.settings(&id).await?;
            for name in names {
                let value = settings.get(name).and_then(Json::as_str);
                let digest = value.map_or_else(|| "absent".to_owned(), |value| live.digester.digest(value));
                facts.insert(format!("setting {name}"), digest);
            }
        }
        if validation.get("deployment").and_then(Value::as_bool) == Some(true) {
            let (content, _) = deployed(live, app).await?;
            facts.insert(format!("deployment of {id}"), content.as_text().unwrap_or("none").to_owned());
        }
    }
    for (server, role) in role_tables(validation)? {
        let id = mapped(live, server, role).await?;
        facts.insert(format!("principal of role {role} on {server}"), id.unwrap_or_else(|| "absent".to_owned()));
    }
    if let Some((server, role)) = old_role(validation) {
        facts.insert("old role".to_owned(), format!("{role} on {server}"));
    }
    if let Some(declared) = validation.get("privileges") {
        facts.insert("declared grants".to_owned(), Json::from(declared).to_string());
    }
    Ok(Scope(facts))
}

/// What is noted besides, as far as it can be seen: whether the old role may log in, and the server's version. Nothing is
/// noted of a role that is not there: nobody knows whether it is the one that is meant.
pub async fn noted(live: &Live, validation: &Attributes) -> BTreeMap<String, String> {
    let mut noted = BTreeMap::from([("pgentra".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    let Some(server) = server_of(validation) else { return noted };
    let Ok(mut lease) = live.databases.lease_any(server, ANY_DATABASE).await else { return noted };
    noted.insert(format!("version of {server}"), lease.version().to_string());
    if let Some((name, role)) = login_note(validation)
        && let Ok(Login::Present { may_login, .. }) = login(&mut lease, role).await
    {
        noted.insert(name, if may_login { "allowed" } else { "not allowed" }.to_owned());
    }
    noted
}

/// The name of the note on whether the old role may log in (`allowed`, `not allowed`), and the role.
pub fn login_note(validation: &Attributes) -> Option<(String, &str)> {
    let (server, role) = old_role(validation)?;
    Some((format!("login of {role} on {server}"), role))
}

/// Server and name of the old role.
fn old_role(validation: &Attributes) -> Option<(&str, &str)> {
    let old = validation.get("old_role").and_then(Value::as_map)?;
    Some((old.get("server")?.as_text()?, old.get("name")?.as_text()?))
}

/// The server whose clock counts: that of the old role, of the first new role, or of the first database.
pub fn server_of(validation: &Attributes) -> Option<&str> {
    let old = validation.get("old_role").and_then(Value::as_map);
    let roles = tables(validation, "roles").into_iter().chain(tables(validation, "privileges"));
    old.into_iter().chain(roles).find_map(|table| table.get("server")?.as_text())
}

/// Server and name of each role that stands for an identity of the app.
pub(super) fn role_tables(validation: &Attributes) -> Result<Vec<(&str, &str)>, Failure> {
    tables(validation, "roles").into_iter().map(|role| Ok((text(role, "server")?, text(role, "name")?))).collect()
}

/// Object ids of all identities of the app, in lower case and in order.
pub(super) async fn identities(live: &Live, validation: &Attributes) -> Result<Vec<String>, Failure> {
    let none = Attributes::new();
    let app = validation.get("app").and_then(Value::as_map).unwrap_or(&none);
    let identity = live.arm.site(&site_id(app)?).await?.identity.unwrap_or_default();
    let own = identity.principal_id.into_iter();
    let assigned = identity.user_assigned_identities.into_values().filter_map(|one| one.principal_id);
    let mut ids: Vec<String> = own.chain(assigned).map(|id| id.to_ascii_lowercase()).collect();
    ids.sort();
    ids.dedup();
    Ok(ids)
}

/// Object id of the principal that a role stands for; `None` where there is no role or no label.
pub(super) async fn mapped(live: &Live, server: &str, role: &str) -> Result<Option<String>, Failure> {
    let mut lease = live.databases.lease_any(server, ANY_DATABASE).await.map_err(|rejection| rejection.failure)?;
    Ok(role_state(&mut lease, role).await?.and_then(|(_, state)| state.object_id).map(|id| id.to_ascii_lowercase()))
}
