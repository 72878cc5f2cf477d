//! Looks at roles through the connection that may write them: of several, one writes each role whole.

use std::collections::BTreeMap;

use super::DATABASE;
use super::plan::{Sight, compare};
use crate::model::{Attributes, Class, Failure, Look, Observed, Reading, WHOLE};
use crate::postgres::{Lease, may_alter, may_map, role_states};
use crate::resources::Live;
use crate::resources::reach::{reach_for, text};

/// The answers of one connection, with whether it may write each of them as far as PostgreSQL says.
type Answers = Vec<(Result<Reading, Failure>, bool)>;

/// Answers looks at roles of one server. What the first connection may not write is looked at through the others; where
/// none may, the first one's answer stands: Azure may allow more than PostgreSQL says.
pub(super) async fn read_together(live: &Live, looks: &[Look<'_>]) -> Vec<Result<Reading, Failure>> {
    let Some(Ok(server)) = looks.first().map(|look| text(look.key, "server")) else { return Vec::new() };
    let mut lease = match reach_for(live, looks, (server, DATABASE)).await {
        Ok(lease) => lease,
        Err(answers) => return answers,
    };
    let used = lease.connection().to_owned();
    let mut answers: BTreeMap<usize, (Result<Reading, Failure>, String)> = BTreeMap::new();
    let mut open: Vec<usize> = Vec::new();
    match through(&mut lease, looks).await {
        Ok(found) => {
            for (at, (answer, may)) in found.into_iter().enumerate() {
                open.extend((!may).then_some(at));
                answers.insert(at, (answer, used.clone()));
            }
        }
        Err(failure) => return looks.iter().map(|_| Err(failure.clone())).collect(),
    }
    drop(lease);
    let connections = live.databases.server(server).map(|server| server.connections.as_slice()).unwrap_or_default();
    for other in connections.iter().filter(|other| other.name != used) {
        if open.is_empty() {
            break;
        }
        // A connection that cannot sign in writes nothing either.
        let Ok(mut lease) = live.databases.lease(server, DATABASE, Some(&other.name)).await else { continue };
        let asked: Vec<Look<'_>> = open.iter().map(|at| looks[*at]).collect();
        let Ok(found) = through(&mut lease, &asked).await else { continue };
        let mut still = Vec::new();
        for (at, (answer, may)) in open.into_iter().zip(found) {
            if may {
                answers.insert(at, (answer, other.name.clone()));
            } else {
                still.push(at);
            }
        }
        open = still;
    }
    let first = connections.first().map(|first| first.name.as_str());
    let routed = |(answer, connection): (Result<Reading, Failure>, String)| {
        let mut reading = answer?;
        if Some(connection.as_str()) != first {
            reading.routes.insert(WHOLE.to_owned(), connection);
        }
        Ok(reading)
    };
    answers.into_values().map(routed).collect()
}

/// The answers that one connection gives.
async fn through(lease: &mut Lease, looks: &[Look<'_>]) -> Result<Answers, Failure> {
    let names: Vec<&str> = looks.iter().filter_map(|look| text(look.key, "name").ok()).collect();
    let found = role_states(lease, &names).await?;
    let (user, version) = (lease.user().to_owned(), lease.version());
    let mut maps: Option<bool> = None;
    let mut answers = Vec::new();
    for look in looks {
        let answer = text(look.key, "name").and_then(|name| {
            let sight = Sight { roles: &found.roles, user: &user, version, name };
            compare(&sight, look, found.states.get(name).map(|(_, state)| state))
        });
        let may = match &answer {
            Err(failure) => failure.class != Class::Forbidden,
            Ok(reading) => match act(reading) {
                Act::Nothing => true,
                Act::Map => match maps {
                    Some(may) => may,
                    None => *maps.insert(may_map(lease).await?),
                },
                Act::Alter => may_alter(lease, text(look.key, "name")?).await?,
            },
        };
        answers.push((answer, may));
    }
    Ok(answers)
}

/// What has to be allowed for what is to change, besides memberships.
enum Act {
    Nothing,
    Map,
    Alter,
}

fn act(reading: &Reading) -> Act {
    let none = Attributes::new();
    let wanted = reading.desired.as_ref().unwrap_or(&none);
    let Observed::Present(live) = &reading.observed else { return Act::Map };
    let changes = |name: &str| wanted.contains_key(name) && wanted.get(name) != live.attributes.get(name);
    if changes("object_id") || changes("principal_type") {
        Act::Map
    } else if wanted.keys().any(|name| name != "member_of" && changes(name)) {
        Act::Alter
    } else {
        Act::Nothing
    }
}
