//! The database rights that plan and apply need, asked of the server through the plan file's own connections.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Desired, Failure, ServerTarget, Value};
use crate::postgres::{Lease, Power, Roles, Snapshot, may_map, quote_ident};
use crate::resources::Live;
use crate::resources::database_grants::{Asked, Wishes, wanted};
use crate::resources::live::optional_text;
use crate::resources::route::{Act, route};

/// One right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseRight {
    /// What is needed.
    pub right: String,
    /// Where: a server, or a database of it.
    pub place: String,
    /// Whether it is needed to look already.
    pub plan: bool,
    /// The kinds that need it.
    pub kind: &'static str,
    /// Which connection has it; `None` where none has.
    pub held_by: Option<String>,
    /// What would help where none has it, or why it could not be asked.
    pub help: Option<String>,
    /// Whether the plan itself makes what would have to be asked, so that nobody can tell yet.
    pub later: bool,
}

/// One connection that got in, with what it may do in others' names.
struct Way {
    name: String,
    user: String,
    creates_principals: bool,
    roles: Roles,
}

/// Every right that the roles and grants of the plan file need, in the order of the plan file.
pub async fn database_rights(live: &Live, desired: &[Desired]) -> Vec<DatabaseRight> {
    let mut found = Vec::new();
    let names: BTreeSet<&str> = desired.iter().filter_map(|want| optional_text(&want.key, "server")).collect();
    for name in names {
        let speaks = |want: &&Desired| {
            let kind = want.address.kind.as_str();
            optional_text(&want.key, "server") == Some(name)
                && matches!(kind, "database_role" | "database_grants" | "schema" | "password_login" | "role_password")
        };
        let ours: Vec<&Desired> = desired.iter().filter(speaks).collect();
        let Some(target) = live.databases.server(name).ok().filter(|_| !ours.is_empty()) else { continue };
        let (ways, failure) = ways(live, target).await;
        found.push(DatabaseRight {
            right: "sign in".to_owned(),
            place: format!("server {name}"),
            plan: true,
            kind: "database_role",
            held_by: (!ways.is_empty())
                .then(|| ways.iter().map(|way| way.name.as_str()).collect::<Vec<_>>().join(", ")),
            help: failure.map(|failure| failure.in_a_line()),
            later: ways.is_empty() && makes(desired, "server_admin", name, None),
        });
        if ways.is_empty() {
            continue;
        }
        for want in ours {
            let database = optional_text(&want.key, "database").unwrap_or_default();
            let later = makes(desired, "database", name, Some(database));
            match want.address.kind.as_str() {
                "database_role" => found.extend(of_role(name, want, &ways)),
                "database_grants" => found.extend(of_grants(live, name, want, (&ways, later)).await),
                "schema" => found.push(of_schema(live, name, want, later).await),
                _ => found.extend(of_login(name, want, &ways)),
            }
        }
    }
    found
}

/// Whether the plan file makes this database, or an administrator, of a server.
fn makes(desired: &[Desired], kind: &str, server: &str, name: Option<&str>) -> bool {
    desired.iter().any(|want| {
        want.address.kind == kind
            && optional_text(&want.key, "server") == Some(server)
            && (name.is_none() || optional_text(&want.key, "name") == name)
    })
}

/// The connections that get in, and why the first one that does not was refused.
async fn ways(live: &Live, target: &ServerTarget) -> (Vec<Way>, Option<Failure>) {
    let (mut ways, mut failure) = (Vec::new(), None);
    for connection in &target.connections {
        let opened = live.databases.lease(&target.name, "postgres", Some(&connection.name)).await;
        let way = match opened {
            Ok(lease) => way(lease).await,
            Err(why) => Err(why),
        };
        match way {
            Ok(way) => ways.push(way),
            Err(why) => failure = failure.or(Some(why)),
        }
    }
    (ways, failure)
}

async fn way(mut lease: Lease) -> Result<Way, Failure> {
    let creates_principals = may_map(&mut lease).await?;
    let roles = Roles::read(&mut lease).await?;
    Ok(Way { name: lease.connection().to_owned(), user: lease.user().to_owned(), creates_principals, roles })
}

fn right(
    server: &str,
    kind: &'static str,
    right: String,
    by: Option<&Way>,
    help: impl FnOnce() -> String,
) -> DatabaseRight {
    DatabaseRight {
        right,
        place: format!("server {server}"),
        plan: false,
        kind,
        held_by: by.map(|way| way.name.clone()),
        help: by.is_none().then(help),
        later: false,
    }
}

fn of_role(server: &str, want: &Desired, ways: &[Way]) -> Vec<DatabaseRight> {
    let maps = ways.iter().find(|way| way.creates_principals);
    let help = || "sign in by token as an Entra administrator of the server".to_owned();
    let text = "EXECUTE on pgaadauth_create_principal_with_oid".to_owned();
    let mut found = vec![right(server, "database_role", text, maps, help)];
    for role in want.attributes.get("member_of").and_then(Value::as_map).into_iter().flat_map(|roles| roles.keys()) {
        // One connection writes a role whole.
        let hands = ways.iter().filter(|way| maps.is_none() || way.creates_principals);
        let hands = hands.into_iter().find(|way| way.roles.may_hand_out(role));
        let user = ways.first().map_or("", |way| way.user.as_str());
        let help = || format!("GRANT {} TO {} WITH ADMIN OPTION", quote_ident(role), quote_ident(user));
        found.push(right(server, "database_role", format!("ADMIN OPTION on role {role}"), hands, help));
    }
    found
}

fn of_login(server: &str, want: &Desired, ways: &[Way]) -> Option<DatabaseRight> {
    let role = optional_text(&want.key, "name")?;
    let kind = if want.address.kind == "role_password" { "role_password" } else { "password_login" };
    let alters = ways.iter().find(|way| way.creates_principals || way.roles.may_hand_out(role));
    let help = || "sign in by token as an Entra administrator of the server, or as who created the role".to_owned();
    Some(right(server, kind, format!("ALTER ROLE {role}"), alters, help))
}

/// Whoever makes a schema needs CREATE on its database, and to be a member of its owner.
async fn of_schema(live: &Live, server: &str, want: &Desired, later: bool) -> DatabaseRight {
    let database = optional_text(&want.key, "database").unwrap_or_default();
    let asked = async {
        let lease = live.databases.lease_any(server, database).await.map_err(|rejection| rejection.failure)?;
        let (name, owner) =
            (optional_text(&want.key, "name").unwrap_or_default(), optional_text(&want.attributes, "owner"));
        Ok::<_, Failure>((route(live, server, lease, &[Act::Schema(name, owner)], None).await?, owner))
    };
    let (held_by, help, later) = match asked.await {
        Ok((way, _)) if way.may => (Some(way.connection), None, false),
        Ok((way, owner)) => {
            let user = quote_ident(&way.user);
            let grant = format!("GRANT CREATE ON DATABASE {} TO {user}", quote_ident(database));
            let become_owner = owner.map(|owner| format!("; GRANT {} TO {user}", quote_ident(owner)));
            (None, Some(grant + &become_owner.unwrap_or_default()), false)
        }
        Err(why) => (None, Some(why.in_a_line()), later),
    };
    let place = format!("database {database} on {server}");
    DatabaseRight {
        right: "CREATE on the database".to_owned(),
        place,
        plan: false,
        kind: "schema",
        held_by,
        help,
        later,
    }
}

/// Who owns what the rules are about, and may therefore grant on it: one right per owner and kind of object.
async fn of_grants(live: &Live, server: &str, want: &Desired, (ways, later): (&[Way], bool)) -> Vec<DatabaseRight> {
    let database = optional_text(&want.key, "database").unwrap_or_default();
    let owners = async {
        let wishes = Wishes::read(&want.attributes)?;
        let mut lease = live.databases.lease_any(server, database).await.map_err(|rejection| rejection.failure)?;
        let snapshot = Snapshot::read(&mut lease, &wanted(wishes.rules())).await?;
        let mut asked = Asked::new(&wishes, &snapshot);
        let mut owners: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for object in snapshot.objects.iter().filter(|object| !object.extension) {
            if asked.on(object).have.values().all(|pair| pair.letters.is_empty()) {
                continue;
            }
            let kinds = owners.entry(snapshot.roles.name(object.owner)).or_default();
            *kinds.entry(object.name.kind.to_string()).or_default() += 1;
        }
        Ok::<_, Failure>(owners)
    };
    let place = format!("database {database} on {server}");
    let looks = |help: Option<String>| DatabaseRight {
        right: "CONNECT, and a look at the catalog".to_owned(),
        place: place.clone(),
        plan: true,
        kind: "database_grants",
        held_by: help.is_none().then(|| ways.first().map(|way| way.name.clone()).unwrap_or_default()),
        later: later && help.is_some(),
        help,
    };
    let owners = match owners.await {
        Ok(owners) => owners,
        Err(why) => return vec![looks(Some(why.in_a_line()))],
    };
    let mut found = vec![looks(None)];
    for (owner, kinds) in owners {
        let acts = ways.iter().find(|way| way.roles.power(&owner) != Power::None);
        let user = ways.first().map_or("", |way| way.user.as_str());
        let counts = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ");
        found.push(DatabaseRight {
            right: format!("act as {owner}, who owns {counts}"),
            place: place.clone(),
            plan: false,
            kind: "database_grants",
            held_by: acts.map(|way| way.name.clone()),
            help: acts.is_none().then(|| {
                format!(
                    "GRANT {} TO {}, or a connection that signs in as the owner",
                    quote_ident(&owner),
                    quote_ident(user)
                )
            }),
            later: false,
        });
    }
    found
}
