//! Who may grant: finds for each entry a role to act as and a connection to act through, or says what would help.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::plan::{Moves, Verdict};
use super::settle::Standing;
use super::{Live, text};
use crate::model::{Class, Failure, Look};
use crate::postgres::{
    Acl, Acting, Databases, Defaults, Lease, LetterSet, Object, ObjectEntry, ObjectName, Power, Roles, Snapshot,
    quote_ident,
};

/// Something to grant or revoke, and whose rights it takes.
#[derive(Clone)]
pub(super) struct Entry {
    /// The object, unless it is about default privileges.
    pub(super) object: Option<(ObjectName, u32)>,
    /// The default privileges, unless it is about an object.
    pub(super) defaults: Option<Defaults>,
    /// The role that grants, where it is not the owner.
    grantor: Option<String>,
    /// To be granted.
    pub(super) give: Arc<Moves>,
    /// To be revoked.
    pub(super) take: Arc<Moves>,
    /// The owner of the object, or the creator.
    owner: String,
    /// Who holds grant options.
    acl: Option<Arc<Acl>>,
    /// Whether nobody has to care when nobody can grant it.
    spare: bool,
}

impl Entry {
    /// What one object needs, by grantor.
    pub(super) fn of_object<'a>(
        object: &'a Object,
        snapshot: &'a Snapshot,
        verdict: &'a Verdict,
    ) -> impl Iterator<Item = Self> + use<'a> {
        let owners = verdict.take.get(&None).cloned().unwrap_or_default();
        let own = (!verdict.give.is_empty() || !owners.is_empty()).then(|| (None, verdict.give.clone(), owners));
        let others = verdict
            .take
            .iter()
            .filter_map(|(grantor, take)| Some((Some(grantor.clone()?), Arc::default(), take.clone())));
        own.into_iter().chain(others).map(|(grantor, give, take)| Self {
            object: Some((object.name.clone(), object.oid)),
            defaults: None,
            grantor,
            owner: snapshot.roles.name(object.owner),
            acl: object.acl.clone(),
            spare: object.extension || letters(&give).less(snapshot.letters(object, "PUBLIC")).is_empty(),
            give,
            take,
        })
    }

    /// What default privileges need. A creator that a rule names is meant; one that was found, and made nothing there
    /// itself, nobody has to care for.
    pub(super) fn of_defaults(
        defaults: &Defaults,
        snapshot: &Snapshot,
        verdict: &Verdict,
        named: bool,
    ) -> Option<Self> {
        let take = verdict.take.get(&None).cloned().unwrap_or_default();
        let made = |object: &Object| {
            !object.extension
                && defaults.schema.as_ref().is_none_or(|schema| object.name.schema == *schema)
                && snapshot.roles.known(object.owner) == Some(&defaults.creator)
        };
        (!verdict.give.is_empty() || !take.is_empty()).then(|| Self {
            object: None,
            defaults: Some(defaults.clone()),
            grantor: None,
            give: verdict.give.clone(),
            take,
            owner: defaults.creator.clone(),
            acl: None,
            spare: !named && !snapshot.objects.iter().any(made),
        })
    }

    /// The text of the entry.
    pub(super) fn text(&self) -> String {
        match (&self.object, &self.defaults) {
            (Some((object, oid)), _) => {
                ObjectEntry { object: object.clone(), oid: *oid, grantor: self.grantor.clone() }.to_string()
            }
            (None, Some(defaults)) => defaults.to_string(),
            (None, None) => String::new(),
        }
    }

    /// Whose rights it takes.
    fn needs(&self) -> &str {
        self.grantor.as_deref().unwrap_or(&self.owner)
    }

    /// A role that may grant all of it by its grant options, and that the session is or may become.
    fn holder(&self, roles: &Roles) -> Option<String> {
        let wanted = letters(&self.give);
        let grants = &self.acl.as_ref()?.0;
        let holders: BTreeSet<&String> = grants.iter().map(|grant| &grant.grantee).collect();
        let able = |role: &&&String| {
            roles.power(role) != Power::None
                && self.acl.as_ref().is_some_and(|acl| wanted.less(acl.options(role)).is_empty())
        };
        holders.iter().find(able).map(|role| (**role).clone())
    }
}

fn letters(moves: &Moves) -> LetterSet {
    moves.values().fold(LetterSet::default(), |set, pair| set.or(pair.letters).or(pair.options))
}

/// Finds the connection for each entry: entry -> connection where it is not the first one of the plan file. Entries
/// that nobody can carry out and nobody needs (parts of extensions, creators that only own such parts, what others
/// granted) are taken out with a note; any other is a failure that names the hand-over grant.
pub(super) async fn route(
    live: &Live,
    lease: Lease,
    look: &Look<'_>,
    snapshot: &Snapshot,
    entries: &mut Vec<Entry>,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let server = live.databases.server(text(look.key, "server")?)?;
    let (used, signed_in) = (lease.connection().to_owned(), lease.user().to_owned());
    let database = lease.database().to_owned();
    drop(lease);
    let mut done: Vec<(Entry, String)> = Vec::new();
    let mut open = able(std::mem::take(entries), &snapshot.roles, &used, &mut done);
    for other in server.connections.iter().filter(|other| other.name != used) {
        if open.is_empty() {
            break;
        }
        let Some(roles) = roles(&live.databases, &server.name, &database, &other.name).await else { continue };
        open = able(open, &roles, &other.name, &mut done);
    }
    let (spare, helpless): (Vec<Entry>, Vec<Entry>) =
        open.into_iter().partition(|entry| entry.spare || entry.give.is_empty());
    if !helpless.is_empty() {
        let lines: Vec<(String, &str)> = helpless.iter().map(|entry| (entry.text(), entry.needs())).collect();
        return Err(nobody(&lines, &signed_in));
    }
    notes.extend(spared(&spare));
    let first = server.connections.first().map(|connection| connection.name.as_str());
    let mut routes = BTreeMap::new();
    for (entry, connection) in done {
        if Some(connection.as_str()) != first {
            routes.insert(entry.text(), connection);
        }
        entries.push(entry);
    }
    Ok(routes)
}

async fn roles(databases: &Databases, server: &str, database: &str, connection: &str) -> Option<Roles> {
    let mut lease = databases.lease(server, database, Some(connection)).await.ok()?;
    Roles::read(&mut lease).await.ok()
}

/// Sorts out the entries that a session with these roles can carry out; answers the others. What only a holder of grant
/// options can grant is granted by it and no longer by the owner.
fn able(entries: Vec<Entry>, roles: &Roles, connection: &str, done: &mut Vec<(Entry, String)>) -> Vec<Entry> {
    let mut open = Vec::new();
    for entry in entries {
        if roles.power(entry.needs()) != Power::None {
            done.push((entry, connection.to_owned()));
        } else if let Some(holder) = entry.holder(roles).filter(|_| !entry.give.is_empty() && entry.grantor.is_none()) {
            let rest = Entry { give: Arc::default(), ..entry.clone() };
            open.extend((!rest.take.is_empty()).then_some(rest));
            let grantor = (holder != entry.owner).then_some(holder);
            done.push((Entry { take: Arc::default(), grantor, ..entry }, connection.to_owned()));
        } else {
            open.push(entry);
        }
    }
    open
}

/// Remarks about entries that are left out.
fn spared(entries: &[Entry]) -> Vec<String> {
    let shown = |entries: &[&Entry]| {
        let names = entries.iter().take(3).map(|entry| entry.text()).collect::<Vec<_>>().join(", ");
        if entries.len() > 3 { format!("{names} and {} more", entries.len() - 3) } else { names }
    };
    let (grants, revokes): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| !entry.give.is_empty());
    let (defaults, grants): (Vec<&Entry>, Vec<&Entry>) = grants.into_iter().partition(|entry| entry.defaults.is_some());
    let mut said = Vec::new();
    if !grants.is_empty() {
        let why = "nobody here may grant on them and an extension or PUBLIC takes care of them";
        said.push(format!("left as they are, {why}: {}", shown(&grants)));
    }
    if !defaults.is_empty() {
        let why = "nobody here may act for the creator, who owns the schema and has made nothing in it";
        said.push(format!("left as they are, {why}: {}", shown(&defaults)));
    }
    if !revokes.is_empty() {
        said.push(format!("not revoked, no connection may act for who granted it: {}", shown(&revokes)));
    }
    said
}

/// An entry as people call it: without the object's oid.
fn nameable(entry: &str) -> &str {
    let oid = |after: &str| after.starts_with(|c: char| c.is_ascii_digit());
    entry.rsplit_once(" #").filter(|(_, after)| oid(after)).map_or(entry, |(name, _)| name)
}

/// The failure when no connection may grant on some entries, given with the roles whose rights it takes.
fn nobody(entries: &[(String, &str)], user: &str) -> Failure {
    let mut by_owner: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (text, owner) in entries {
        by_owner.entry(*owner).or_default().push(text);
    }
    let lines = by_owner.iter().map(|(owner, texts)| {
        let shown = texts.iter().take(5).map(|text| nameable(text)).collect::<Vec<_>>().join(", ");
        let more = if texts.len() > 5 { format!(" and {} more", texts.len() - 5) } else { String::new() };
        format!("of role {owner}: {shown}{more}")
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    let help: Vec<String> =
        by_owner.keys().map(|owner| format!("GRANT {} TO {};", quote_ident(owner), quote_ident(user))).collect();
    Failure::new(Class::Forbidden, "no connection of the plan file may grant this").detail(lines).remedy(format!(
        "add a connection that signs in as the owner, or let the owner's administrator run: {}",
        help.join(" ")
    ))
}

/// Which role has to act for each entry of a write, through the connection that is open. What another role than the
/// owner grants is always granted as that role, so that it is known who did.
pub(super) fn acting(standing: &Standing, user: &str) -> Result<Acting, Failure> {
    let mut acting = Acting::new();
    let mut open: Vec<(String, &str)> = Vec::new();
    for entry in &standing.entries {
        let needs = entry.grantor.as_ref().unwrap_or(&entry.owner);
        match standing.snapshot.roles.power(needs) {
            Power::Direct if entry.grantor.is_none() || needs == user => {}
            Power::None => open.push((entry.text.clone(), needs)),
            _ => {
                acting.insert(entry.text.clone(), needs.clone());
            }
        }
    }
    if open.is_empty() { Ok(acting) } else { Err(nobody(&open, user)) }
}
