//! Who may grant: finds for each entry a role to act as and a connection to act through, or says what would help.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::settle::{Found, Standing};
use super::{Live, text};
use crate::model::{Class, Failure, Letters, Look};
use crate::postgres::{Acting, Defaults, Lease, Object, ObjectType, Power, Roles, Snapshot, grantable, quote_ident};

/// Something to grant, and whose rights it takes.
pub(super) struct Entry {
    /// The entry's text.
    pub(super) text: String,
    /// Whether it is about default privileges.
    pub(super) defaults: bool,
    /// Grantee -> letters to grant.
    pub(super) missing: Arc<BTreeMap<String, Letters>>,
    /// The owner of the object, or the creator.
    owner: String,
    /// The schema, for default privileges.
    schema: String,
    /// The object, unless it is about default privileges.
    object: Option<(ObjectType, u32)>,
    /// The letters that PUBLIC has.
    public: String,
}

impl Entry {
    /// Privileges on an object.
    pub(super) fn object(object: &Object, snapshot: &Snapshot, missing: Arc<BTreeMap<String, Letters>>) -> Self {
        Self {
            text: object.name.entry(object.oid),
            defaults: false,
            missing,
            owner: snapshot.roles.name(object.owner),
            schema: String::new(),
            object: Some((object.name.kind, object.oid)),
            public: snapshot.letters(object, "PUBLIC").to_owned(),
        }
    }

    /// Privileges on what a role will make.
    pub(super) fn defaults(defaults: &Defaults, missing: Arc<BTreeMap<String, Letters>>) -> Self {
        Self {
            text: defaults.to_string(),
            defaults: true,
            missing,
            owner: defaults.creator.clone(),
            schema: defaults.schema.clone(),
            object: None,
            public: String::new(),
        }
    }

    fn letters(&self) -> String {
        let all: BTreeSet<char> = self.missing.values().flat_map(|letters| letters.as_str().chars()).collect();
        all.into_iter().collect()
    }
}

/// Finds the connection for each entry: entry -> connection where it is not the first one of the plan file. Entries
/// that nobody can grant and nobody needs (parts of extensions, creators that only own such parts) are taken out with
/// a note; any other that nobody can grant is a failure that names the hand-over grant.
pub(super) async fn route(
    live: &Live,
    mut lease: Lease,
    look: &Look<'_>,
    snapshot: &Snapshot,
    entries: &mut Vec<Entry>,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let server = live.databases.server(text(look.key, "server")?)?;
    let first = server.connections.first().map(|connection| connection.name.clone()).unwrap_or_default();
    let (used, signed_in) = (lease.connection().to_owned(), lease.user().to_owned());
    let database = lease.database().to_owned();
    let mut routes = BTreeMap::new();
    let mut open: BTreeSet<usize> = (0..entries.len()).collect();
    open.retain(|at| snapshot.roles.power(&entries[*at].owner) == Power::None);
    if used != first {
        routes.extend(
            (0..entries.len()).filter(|at| !open.contains(at)).map(|at| (entries[at].text.clone(), used.clone())),
        );
    }
    let may = may_grant(&mut lease, entries, &open).await?;
    drop(lease);
    for at in open.clone() {
        if entries[at].object.is_some_and(|object| may.contains(&object)) {
            open.remove(&at);
            if used != first {
                routes.insert(entries[at].text.clone(), used.clone());
            }
        }
    }
    for other in server.connections.iter().filter(|other| other.name != used) {
        if open.is_empty() {
            break;
        }
        let Ok(mut lease) = live.databases.lease(&server.name, &database, Some(&other.name)).await else { continue };
        let roles = Roles::read(&mut lease).await?;
        for at in open.clone() {
            if roles.power(&entries[at].owner) != Power::None {
                open.remove(&at);
                if other.name != first {
                    routes.insert(entries[at].text.clone(), other.name.clone());
                }
            }
        }
    }
    let helpless: Vec<&Entry> = open.iter().map(|at| &entries[*at]).filter(|entry| !spare(entry, snapshot)).collect();
    if !helpless.is_empty() {
        return Err(nobody(
            &helpless.iter().map(|entry| (&*entry.text, &*entry.owner)).collect::<Vec<_>>(),
            &signed_in,
        ));
    }
    notes.extend(spared(entries, &open));
    let mut at = 0;
    entries.retain(|_| {
        at += 1;
        !open.contains(&(at - 1))
    });
    Ok(routes)
}

/// The objects that the session may grant on by its grant options alone.
async fn may_grant(
    lease: &mut Lease,
    entries: &[Entry],
    open: &BTreeSet<usize>,
) -> Result<BTreeSet<(ObjectType, u32)>, Failure> {
    let asked = open.iter().filter_map(|at| Some((entries[*at].object?, entries[*at].letters())));
    let asked: BTreeMap<(ObjectType, u32), String> = asked.collect();
    if asked.is_empty() { Ok(BTreeSet::new()) } else { grantable(lease, &asked).await }
}

/// Whether an entry that nobody can grant may be left out: an extension owns the object, everybody has the privileges
/// anyway, or the creator owns the schema and has made nothing in it.
fn spare(entry: &Entry, snapshot: &Snapshot) -> bool {
    match entry.object {
        Some((kind, oid)) => {
            snapshot.object(kind, oid).is_some_and(|object| object.extension)
                || entry.letters().chars().all(|letter| entry.public.contains(letter))
        }
        None => !snapshot.objects.iter().any(|object| {
            !object.extension && object.name.schema == entry.schema && snapshot.roles.name(object.owner) == entry.owner
        }),
    }
}

fn spared(entries: &[Entry], open: &BTreeSet<usize>) -> Option<String> {
    let texts: Vec<&str> = open.iter().map(|at| entries[*at].text.as_str()).collect();
    let shown = texts.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let more = if texts.len() > 3 { format!(" and {} more", texts.len() - 3) } else { String::new() };
    (!texts.is_empty()).then(|| {
        format!("left as they are, nobody here may grant on them and an extension or PUBLIC takes care of them: {shown}{more}")
    })
}

/// The failure when no connection may grant on some entries, given with their owners.
fn nobody(entries: &[(&str, &str)], user: &str) -> Failure {
    let mut by_owner: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (text, owner) in entries {
        by_owner.entry(*owner).or_default().push(*text);
    }
    let lines = by_owner.iter().map(|(owner, texts)| {
        let shown = texts.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        let more = if texts.len() > 5 { format!(" and {} more", texts.len() - 5) } else { String::new() };
        format!("of role {owner}: {shown}{more}")
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    let help: Vec<String> =
        by_owner.keys().map(|owner| format!("GRANT {} TO {};", quote_ident(owner), quote_ident(user))).collect();
    let summary = format!("no connection of the plan file may grant on {} entries", entries.len());
    Failure::new(Class::Forbidden, summary).detail(lines).remedy(format!(
        "add a connection that signs in as the owner, or let the owner's administrator run: {}",
        help.join(" ")
    ))
}

/// Which role has to act for each entry of a write, through the connection that is open.
pub(super) async fn acting(lease: &mut Lease, standing: &Standing) -> Result<Acting, Failure> {
    let mut acting = Acting::new();
    let mut open: Vec<&Found> = Vec::new();
    let mut asked: BTreeMap<(ObjectType, u32), String> = BTreeMap::new();
    for entry in &standing.entries {
        match standing.snapshot.roles.power(&entry.owner) {
            Power::Direct => {}
            Power::Become => {
                acting.insert(entry.text.clone(), entry.owner.clone());
            }
            Power::None => {
                open.push(entry);
                asked.extend(entry.object.map(|object| (object, entry.letters.clone())));
            }
        }
    }
    if !open.is_empty() {
        let may = grantable(lease, &asked).await?;
        open.retain(|entry| !entry.object.is_some_and(|object| may.contains(&object)));
        if !open.is_empty() {
            let open: Vec<(&str, &str)> = open.iter().map(|entry| (&*entry.text, &*entry.owner)).collect();
            return Err(nobody(&open, lease.user()));
        }
    }
    Ok(acting)
}
