//! Facts about one server, from Resource Manager and from inside: roles, privileges, sessions.

use std::collections::BTreeSet;

use super::facts::{Facts, FirewallRule, Gap, OldRole, Seen, ServerFacts, Unseen};
use super::gather::Gathered;
use crate::azure::{Server, ServerId};
use crate::model::{Attributes, Desired, Value};
use crate::postgres::{Login, Rejection, login, mapped_roles, role_state};
use crate::resources::live::optional_text;
use crate::resources::{Live, check_privileges};

/// The database in which roles are looked at: they are the same in every one, and Azure's functions are here alone.
const DATABASE: &str = "postgres";

/// Looks at a server from outside, and tries to get in.
pub(super) async fn server(live: &Live, name: &str, desired: &[Desired]) -> Gathered<Option<ServerFacts>> {
    let mut gathered = Gathered::default();
    let what = format!("server {name}");
    let Some(target) = gathered.keep(&what, live.databases.server(name)) else { return gathered };
    let id = ServerId {
        subscription: target.subscription.clone(),
        resource_group: target.resource_group.clone(),
        server: target.name.clone(),
    };
    let seen = gathered.keep(&what, live.arm.server(&id).await);
    let auth = desired
        .iter()
        .find(|want| want.address.kind == "server_auth" && optional_text(&want.key, "server") == Some(name));
    let mut facts = bare(id, seen.as_ref());
    facts.auth_address = auth.map(|want| want.address.to_string());
    facts.tls = target.tls;
    if seen.is_some() {
        let rules = live.arm.firewall_rules(&facts.id).await;
        let rules = gathered.keep(&format!("firewall rules of {what}"), rules);
        facts.firewall =
            rules.map(|all| all.into_values().map(|rule| FirewallRule { from: rule.start, to: rule.end }).collect());
        let administrators = live.arm.administrators(&facts.id).await;
        facts.administrators = gathered.keep(&format!("administrators of {what}"), administrators);
        let parameter = live.arm.parameter(&facts.id, "require_secure_transport").await;
        facts.secure_transport = gathered.keep(&format!("parameters of {what}"), parameter).flatten();
    }
    match live.databases.lease_any(name, DATABASE).await {
        Ok(lease) => drop(lease),
        Err(rejection) => facts.refused = Some(rejection.failure),
    }
    facts.times = Some(live.clock.times(live, facts.refused.is_none().then_some(name)).await);
    gathered.facts = Some(facts);
    gathered
}

fn bare(id: ServerId, server: Option<&Server>) -> ServerFacts {
    let network = server.and_then(|server| server.properties.rest.get("network"));
    let delegated = network.is_some_and(|network| network["delegatedSubnetResourceId"].is_string());
    let public = network.and_then(|network| network["publicNetworkAccess"].as_str());
    ServerFacts {
        id,
        auth_address: None,
        tls: crate::model::Tls::default(),
        seen: server.is_some(),
        state: server.map(|server| server.state().to_owned()).unwrap_or_default(),
        auth: server.map(Server::auth).unwrap_or_default(),
        administrators: None,
        public: if delegated { Some(false) } else { public.map(|word| word.eq_ignore_ascii_case("Enabled")) },
        firewall: None,
        secure_transport: None,
        refused: None,
        times: None,
    }
}

/// Looks into the servers that let pgentra in.
pub(super) async fn look_inside(live: &Live, desired: &[Desired], all: &mut Facts) {
    let open =
        |facts: &Facts, server: &str| facts.servers.iter().any(|one| one.id.server == server && one.refused.is_none());
    for at in 0..all.roles.len() {
        let (server, name) = (all.roles[at].server.clone(), all.roles[at].name.clone());
        if open(all, &server) {
            match role(live, &server, &name, all.roles[at].wanted.as_deref()).await {
                Ok((state, others)) => (all.roles[at].live, all.roles[at].others) = (state, others),
                Err(why) => all.unseen.push(Unseen { what: format!("role {name} on {server}"), why: why.failure }),
            }
        }
    }
    for want in desired.iter().filter(|want| want.address.kind == "database_grants") {
        let (Some(server), Some(database)) = (optional_text(&want.key, "server"), optional_text(&want.key, "database"))
        else {
            continue;
        };
        if open(all, server) {
            grants(live, want, (server, database), all).await;
        }
    }
    for (server, name) in old_roles(desired) {
        if open(all, server) {
            let seen = async {
                login(&mut live.databases.lease_any(server, DATABASE).await?, name).await.map_err(Rejection::from)
            };
            match seen.await {
                Ok(Login::Present { sessions, .. }) => {
                    all.old_roles.push(OldRole { server: server.to_owned(), name: name.to_owned(), sessions });
                }
                Ok(Login::Absent) => {}
                Err(why) => all.unseen.push(Unseen { what: format!("role {name} on {server}"), why: why.failure }),
            }
        }
    }
}

type Found = (Seen<crate::postgres::RoleState>, Vec<String>);

async fn role(live: &Live, server: &str, name: &str, wanted: Option<&str>) -> Result<Found, Rejection> {
    let mut lease = live.databases.lease_any(server, DATABASE).await?;
    let state = role_state(&mut lease, name).await?;
    let mapped = mapped_roles(&mut lease).await?;
    let same = mapped
        .into_iter()
        .filter(|(other, mapping)| other != name && wanted.is_some() && mapping.object_id.as_deref() == wanted);
    let others = same.map(|(other, _)| other).collect();
    Ok((state.map_or(Seen::Absent, |(_, state)| Seen::There(state)), others))
}

/// What the roles of a grants resource lack. What a role lacks that is not there is that it is not there.
async fn grants(live: &Live, want: &Desired, (server, database): (&str, &str), all: &mut Facts) {
    let mut table = want.key.clone();
    if let Some(rules) = want.attributes.get("grants") {
        table.insert("grants".to_owned(), rules.clone());
    }
    match check_privileges::gaps(live, &table).await {
        Ok(gaps) => {
            let absent: Vec<&str> = all
                .roles
                .iter()
                .filter(|role| role.live == Seen::Absent && role.server == server)
                .map(|role| role.name.as_str())
                .collect();
            let gap = |one: check_privileges::Complaint| Gap {
                address: want.address.to_string(),
                server: server.to_owned(),
                database: database.to_owned(),
                kind: one.kind,
                text: one.text,
            };
            let gaps: Vec<Gap> = gaps.into_iter().filter(|one| !absent.contains(&one.role.as_str())).map(gap).collect();
            all.gaps.extend(gaps);
        }
        Err(why) => all.unseen.push(Unseen { what: format!("database {database} on {server}"), why: why.failure }),
    }
}

/// Server and name of each role that is to be needed no more.
fn old_roles(desired: &[Desired]) -> BTreeSet<(&str, &str)> {
    let tables = desired.iter().filter_map(old_role);
    tables.filter_map(|table| Some((optional_text(table, "server")?, optional_text(table, "name")?))).collect()
}

fn old_role(want: &Desired) -> Option<&Attributes> {
    match want.address.kind.as_str() {
        "validation" => want.attributes.get("old_role").and_then(Value::as_map),
        "password_login" => Some(&want.key),
        _ => None,
    }
}
