//! Import: looks at an app, its server and its role as they are, for a plan file that says the same. Changes nothing.

#[cfg(test)]
mod messages_tests;
mod sections;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::azure::{Administrator, FirewallRule, Identity, STICKY_LISTS, Server, ServerId, Site, SiteId};
use crate::model::{Attributes, Auth, Class, Cloud, ConnectionTarget, Failure, ServerTarget, Target, Tls};
use crate::postgres::{
    Access, Databases, Lease, Mapping, ObjectType, RoleState, Snapshot, Wanted as Look, databases_of, mapped_roles,
    role_state,
};
use crate::resources::{Folded, Live, Said, SignIn, environment, fold, said, sign_in};
pub use sections::sections;

/// What is to be imported.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The cloud that the plan file is to name.
    pub cloud: Cloud,
    /// The app or slot.
    pub site: SiteId,
    /// The server, by its Azure name; otherwise the one that the app's settings name.
    pub server: Option<String>,
    /// The databases; otherwise those that the settings name and those in which the role has anything.
    pub databases: Vec<String>,
    /// The role; otherwise the one that stands for the app's identity.
    pub role: Option<String>,
    /// An Entra administrator to propose where the server has none.
    pub admin: Option<Administrator>,
    /// How to sign in to the server; otherwise by token as each of its administrators.
    pub connection: Option<ConnectionTarget>,
}

/// The old role's share in one database, from which the new role's grants are proposed.
#[derive(Clone, Debug, Default)]
pub struct Proposed {
    /// Schemas in which it owns something, with what a schema holds of each field's objects.
    pub owned: BTreeMap<String, BTreeSet<&'static str>>,
    /// What was granted to it.
    pub held: Folded,
}

/// What one database says.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The database.
    pub database: String,
    /// What the role holds.
    pub held: Folded,
    /// How many objects the role owns, in words.
    pub owned: Vec<String>,
    /// What a role that is still to be made would need.
    pub proposed: Option<Proposed>,
}

/// Everything that was seen. Of settings it keeps names, and values that are the role's name, an id, or a switch.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What was asked for.
    pub wanted: Wanted,
    /// The Entra tenant.
    pub tenant: Option<String>,
    /// Whether it is a Function App.
    pub function: bool,
    /// Its identities.
    pub identity: Identity,
    /// Its settings.
    pub settings: Map<String, Json>,
    /// Names of settings that stay with the slot.
    pub sticky: BTreeSet<String>,
    /// How it signs in.
    pub sign_in: SignIn,
    /// What its settings say of the database.
    pub said: Said,
    /// Where the server is.
    pub server_id: ServerId,
    /// The server.
    pub server: Server,
    /// Its Entra administrators; the one that let pgentra in first.
    pub admins: Vec<Administrator>,
    /// The server's firewall rules, by name; or why they may not be seen.
    pub firewall: Result<BTreeMap<String, FirewallRule>, String>,
    /// Why no look into the databases was possible.
    pub shut: Option<String>,
    /// The role's name.
    pub role: String,
    /// The role, where it is there.
    pub state: Option<RoleState>,
    /// The databases.
    pub databases: Vec<Imported>,
}

/// Looks at everything that a plan file about the app says. Reads only.
///
/// # Errors
/// What cannot be read; a server that cannot be found; an app that uses its identity and a server that lets nobody look.
pub async fn import(live: &Live, access: Arc<dyn Access>, wanted: &Wanted) -> Result<Seen, Failure> {
    let arm = &live.arm;
    let site: Site = arm.site(&wanted.site).await?;
    let settings = arm.settings(&wanted.site).await?;
    let environment = environment(live, &wanted.site, &settings).await?;
    let sticky = arm.sticky_names(&wanted.site).await?;
    let sticky = sticky.get(STICKY_LISTS[0]).and_then(Json::as_array).cloned().unwrap_or_default();
    let said = said(&environment);
    let (server_id, server) = find_server(live, wanted, &said).await?;
    let mut admins = if server.auth().entra() { arm.administrators(&server_id).await? } else { Vec::new() };
    admins.sort_by(|a, b| a.principal_name.cmp(&b.principal_name));
    let firewall = match arm.firewall_rules(&server_id).await.map_err(Failure::from) {
        Ok(rules) => Ok(rules),
        Err(failure) if failure.class == Class::Forbidden => Err(failure.first_cause().to_owned()),
        Err(failure) => return Err(failure),
    };
    let identity = site.identity.clone().unwrap_or_default();
    let mut seen = Seen {
        tenant: tenant(live, &server, &identity).await?,
        function: site.kind.as_deref().is_none_or(|kind| kind.to_ascii_lowercase().contains("functionapp")),
        identity,
        sticky: sticky.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        sign_in: sign_in(&environment, &Attributes::new()),
        role: default_role(wanted, &settings),
        wanted: wanted.clone(),
        state: None,
        databases: Vec::new(),
        shut: None,
        settings,
        said,
        server_id,
        server,
        admins,
        firewall,
    };
    look_inside(&mut seen, access).await?;
    Ok(seen)
}

async fn tenant(live: &Live, server: &Server, identity: &Identity) -> Result<Option<String>, Failure> {
    match server.auth().tenant().map(str::to_owned).or_else(|| identity.tenant_id.clone()) {
        Some(tenant) => Ok(Some(tenant)),
        None => live.arm.tenant().await,
    }
}

/// The role as it is called or would be: what was asked for, what the settings say, a name made of the app's.
fn default_role(wanted: &Wanted, settings: &Map<String, Json>) -> String {
    let setting = settings.get("MANAGED_IDENTITY_NAME").and_then(Json::as_str).filter(|name| !name.is_empty());
    let site = &wanted.site;
    let made = || match &site.slot {
        Some(slot) => format!("{}-{slot}-identity", site.app),
        None => format!("{}-identity", site.app),
    };
    wanted.role.clone().or_else(|| setting.map(str::to_owned)).unwrap_or_else(made)
}

async fn find_server(live: &Live, wanted: &Wanted, said: &Said) -> Result<(ServerId, Server), Failure> {
    let SiteId { subscription, resource_group, .. } = &wanted.site;
    let all = live.arm.servers(subscription).await?;
    let fits = |id: &ServerId, server: &Server| {
        if let Some(name) = &wanted.server {
            return id.server.eq_ignore_ascii_case(name);
        }
        let host = server.properties.fully_qualified_domain_name.as_deref().unwrap_or_default();
        said.hosts.contains(&host.to_ascii_lowercase())
    };
    let mut found: Vec<(ServerId, Server)> = all.into_iter().filter(|(id, server)| fits(id, server)).collect();
    // Azure's lists spell resource groups as they please.
    for (id, _) in &mut found {
        if id.resource_group.eq_ignore_ascii_case(resource_group) {
            id.resource_group.clone_from(resource_group);
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::new(Class::NotFound, "no flexible server is found")
            .detail(format!(
                "{}\nhosts that the settings name: {}",
                match &wanted.server {
                    Some(name) => format!("subscription {subscription} has no flexible server {name:?}"),
                    None =>
                        format!("no setting of {} names a flexible server of subscription {subscription}", wanted.site),
                },
                list(&said.hosts)
            ))
            .remedy("name the server by its Azure name: --server NAME")),
        _ => {
            let names: BTreeSet<String> = found.into_iter().map(|(id, _)| id.server).collect();
            Err(Failure::new(Class::Input, "the settings name several servers")
                .detail(wanted.site.to_string())
                .remedy(format!("choose one with --server: {}", list(&names))))
        }
    }
}

fn list(names: &BTreeSet<String>) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().cloned().collect::<Vec<_>>().join(", ") }
}

/// The ways to sign in: the one that was given, then by token as each administrator.
fn connections(seen: &Seen) -> Vec<ConnectionTarget> {
    let admins = seen.admins.iter().filter_map(|admin| admin.principal_name.clone());
    let tokens = admins.map(|user| ConnectionTarget { name: user.clone(), user, auth: Auth::Token });
    seen.wanted.connection.iter().cloned().chain(tokens).collect()
}

/// Looks into the server: the role, and what it holds in each database.
async fn look_inside(seen: &mut Seen, access: Arc<dyn Access>) -> Result<(), Failure> {
    let name = seen.server_id.server.clone();
    let connections = connections(seen);
    if connections.is_empty() {
        let shut = "nobody administers the server by Entra yet, and no other way to sign in was given".to_owned();
        return shut_out(seen, shut, None);
    }
    let server = ServerTarget {
        subscription: seen.server_id.subscription.clone(),
        resource_group: seen.server_id.resource_group.clone(),
        name: name.clone(),
        host: None,
        port: 5432,
        tls: Tls::VerifyFull,
        connections,
    };
    let target = Target {
        cloud: seen.wanted.cloud.clone(),
        tenant: seen.tenant.clone(),
        servers: [(name.clone(), server)].into(),
        directory: None,
    };
    let databases = Databases::new(Arc::new(target), access);
    let mut lease = match databases.lease_any(&name, "postgres").await {
        Ok(lease) => lease,
        Err(rejection) => return shut_out(seen, rejection.failure.in_a_line(), Some(rejection.failure)),
    };
    // A plan file signs in as its first administrator.
    let user = lease.user().to_owned();
    seen.admins.sort_by_key(|admin| admin.principal_name.as_deref() != Some(user.as_str()));
    let mapped = mapped_roles(&mut lease).await?;
    if seen.wanted.role.is_none()
        && let Some(role) = role_of(&mapped, &seen.identity, &seen.role)
    {
        seen.role = role;
    }
    seen.state = role_state(&mut lease, &seen.role).await?.map(|(_, state)| state);
    let old = old_role(&mut lease, seen).await?;
    let mut names: BTreeSet<String> = seen.wanted.databases.iter().cloned().collect();
    if names.is_empty() {
        names.clone_from(&seen.said.databases);
        names.extend(databases_of(&mut lease, old.as_ref().unwrap_or(&seen.role)).await?);
    }
    drop(lease);
    for database in names {
        let mut lease = databases.lease_any(&name, &database).await.map_err(|rejection| rejection.failure)?;
        seen.databases.push(in_database(&mut lease, &seen.role, old.as_deref()).await?);
    }
    Ok(())
}

/// An app that still uses its password gets a proposal without a look; any other import would only guess.
fn shut_out(seen: &mut Seen, why: String, failure: Option<Failure>) -> Result<(), Failure> {
    if seen.sign_in != SignIn::Password {
        let failure = failure.unwrap_or_else(|| {
            Failure::new(Class::NotSignedIn, "cannot look into the server")
                .detail(format!("{}: {why}", seen.server_id.server))
        });
        return Err(Failure { remedy: None, ..failure }.remedy(
            "name a role that may look: --connect-as ROLE, with --password-env VARIABLE where it takes no token",
        ));
    }
    seen.shut = Some(why);
    Ok(())
}

/// The role that stands for one of the app's identities; the expected name where several do.
fn role_of(mapped: &BTreeMap<String, Mapping>, identity: &Identity, expected: &str) -> Option<String> {
    let ids: BTreeSet<String> = principals(identity).map(str::to_ascii_lowercase).collect();
    let stands = |mapping: &Mapping| mapping.object_id.as_ref().is_some_and(|id| ids.contains(id));
    let roles: Vec<&String> = mapped.iter().filter(|(_, mapping)| stands(mapping)).map(|(role, _)| role).collect();
    roles.iter().find(|role| ***role == expected).or_else(|| roles.first()).map(|role| (*role).clone())
}

/// The object ids of an app's identities.
fn principals(identity: &Identity) -> impl Iterator<Item = &str> {
    let users = identity.user_assigned_identities.values().filter_map(|one| one.principal_id.as_deref());
    identity.principal_id.as_deref().into_iter().chain(users)
}

/// The password role that the app uses, where a new one is to take its place.
async fn old_role(lease: &mut Lease, seen: &Seen) -> Result<Option<String>, Failure> {
    if seen.state.is_some() {
        return Ok(None);
    }
    for user in seen.said.users.iter().filter(|user| **user != seen.role) {
        if role_state(lease, user).await?.is_some() {
            return Ok(Some(user.clone()));
        }
    }
    Ok(None)
}

async fn in_database(lease: &mut Lease, role: &str, old: Option<&str>) -> Result<Imported, Failure> {
    let look = Look { kinds: ObjectType::ALL.into(), ..Look::default() };
    let snapshot = Snapshot::read(lease, &look).await?;
    Ok(Imported {
        database: lease.database().to_owned(),
        held: fold(&snapshot, role),
        owned: owned(&snapshot, role).into_iter().map(|(schema, fields)| tables::owned(&schema, &fields)).collect(),
        proposed: old.map(|old| Proposed { owned: owned(&snapshot, old), held: fold(&snapshot, old) }),
    })
}

/// The schemas in which a role owns something, with the fields of a rule that are about such objects.
fn owned(snapshot: &Snapshot, role: &str) -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut owned: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    let own = |object: &&crate::postgres::Object| snapshot.roles.known(object.owner) == Some(role) && !object.extension;
    for object in snapshot.objects.iter().filter(own) {
        let field = match object.name.kind.base() {
            ObjectType::Table => "tables",
            ObjectType::Sequence => "sequences",
            ObjectType::Function => "functions",
            _ => continue,
        };
        owned.entry(object.name.schema.clone()).or_default().insert(field);
    }
    owned
}
