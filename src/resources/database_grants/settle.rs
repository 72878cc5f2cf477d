//! The look around a write: answers exactly the entries, grantees and letters of a step, each found by its oid.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Attributes, Class, Failure, Letters, Reading, Value};
use crate::postgres::{Defaults, Lease, ObjectName, ObjectType, Snapshot, Wanted};

use super::MAPS;

/// The entries of a step that still stand, and the snapshot that says so.
pub(super) struct Standing {
    /// The catalog, as far as the entries reach.
    pub(super) snapshot: Snapshot,
    /// The entries that still mean what they say.
    pub(super) entries: Vec<Found>,
    /// Entries whose object is gone.
    gone: BTreeSet<String>,
    /// Entries whose name now belongs to another object, or whose object has another name.
    replaced: BTreeSet<String>,
}

/// An entry that stands.
pub(super) struct Found {
    /// The entry's text.
    pub(super) text: String,
    /// The owner of the object, or the creator.
    pub(super) owner: String,
    /// The object, unless it is about default privileges.
    pub(super) object: Option<(ObjectType, u32)>,
    /// All letters that the step names for it.
    pub(super) letters: String,
}

impl Standing {
    /// Whether an entry still means what it says.
    pub(super) fn stands(&self, entry: &str) -> bool {
        !self.gone.contains(entry) && !self.replaced.contains(entry)
    }
}

/// What an entry names.
enum Name {
    Object(ObjectName, u32),
    Defaults(Defaults),
}

/// Looks at everything that the ends of a step name.
pub(super) async fn standing<'a>(
    lease: &mut Lease,
    ends: impl IntoIterator<Item = Option<&'a Attributes>>,
) -> Result<Standing, Failure> {
    let named = named(ends)?;
    let mut wanted = Wanted { schemas: Some(Vec::new()), kinds: BTreeSet::new(), oids: Some(Vec::new()) };
    let mut schemas: BTreeSet<String> = BTreeSet::new();
    for (name, _) in named.values() {
        match name {
            Name::Object(object, oid) => {
                wanted.kinds.insert(object.kind);
                wanted.oids.get_or_insert_default().push(*oid);
                schemas.insert(if object.kind == ObjectType::Schema { &object.name } else { &object.schema }.clone());
            }
            Name::Defaults(defaults) => {
                schemas.insert(defaults.schema.clone());
            }
        }
    }
    wanted.schemas = Some(schemas.into_iter().collect());
    let snapshot = Snapshot::read(lease, &wanted).await?;
    let mut standing = Standing { snapshot, entries: Vec::new(), gone: BTreeSet::new(), replaced: BTreeSet::new() };
    let mut lost: BTreeMap<ObjectName, String> = BTreeMap::new();
    for (text, (name, letters)) in named {
        standing.place(text, name, letters, &mut lost);
    }
    if !lost.is_empty() {
        let now = Snapshot::read(lease, &Wanted { oids: None, ..wanted }).await?;
        for object in &now.objects {
            standing.replaced.extend(lost.remove(&object.name));
        }
        standing.gone.extend(lost.into_values());
    }
    Ok(standing)
}

impl Standing {
    /// Sorts an entry in by what the snapshot says of it; what it does not know goes to `lost`.
    fn place(&mut self, text: String, name: Name, letters: String, lost: &mut BTreeMap<ObjectName, String>) {
        match name {
            Name::Object(name, oid) => match self.snapshot.object(name.kind, oid) {
                Some(object) if object.name == name => {
                    let owner = self.snapshot.roles.name(object.owner);
                    self.entries.push(Found { text, owner, object: Some((name.kind, oid)), letters });
                }
                Some(_) => {
                    self.replaced.insert(text);
                }
                None => {
                    lost.insert(name, text);
                }
            },
            Name::Defaults(defaults) => {
                let is = |object: &crate::postgres::Object| {
                    object.name.kind == ObjectType::Schema && object.name.name == defaults.schema
                };
                if self.snapshot.roles.has(&defaults.creator) && self.snapshot.objects.iter().any(is) {
                    self.entries.push(Found { text, owner: defaults.creator, object: None, letters });
                } else {
                    self.gone.insert(text);
                }
            }
        }
    }
}

/// Every entry of the ends with what it names and all letters it is about.
fn named<'a>(
    ends: impl IntoIterator<Item = Option<&'a Attributes>>,
) -> Result<BTreeMap<String, (Name, String)>, Failure> {
    let mut named: BTreeMap<String, (Name, String)> = BTreeMap::new();
    for end in ends.into_iter().flatten() {
        for (field, entries) in MAPS.into_iter().filter_map(|field| Some((field, end.get(field)?.as_map()?))) {
            for (entry, grantees) in entries {
                let name = if field == "default_privileges" {
                    Defaults::parse(entry).map(Name::Defaults)
                } else {
                    ObjectName::parse(entry).map(|(name, oid)| Name::Object(name, oid))
                };
                let name = name
                    .ok_or_else(|| Failure::new(Class::Input, format!("{entry:?} is not an entry of a grants step")))?;
                let (_, letters) = named.entry(entry.clone()).or_insert((name, String::new()));
                for value in grantees.as_map().into_iter().flat_map(Attributes::values) {
                    if let Value::Letters(more) = value {
                        letters.push_str(more.as_str());
                    }
                }
            }
        }
    }
    Ok(named)
}

/// Answers a look: of the letters asked for, those that are held. Grantees and entries without any are left out.
pub(super) async fn read(mut lease: Lease, asked: &Attributes) -> Result<Reading, Failure> {
    let standing = standing(&mut lease, [Some(asked)]).await?;
    let found: BTreeMap<&str, &Found> = standing.entries.iter().map(|found| (found.text.as_str(), found)).collect();
    let mut answer = Attributes::new();
    for (field, entries) in MAPS.into_iter().filter_map(|field| Some((field, asked.get(field)?.as_map()?))) {
        let mut held = Attributes::new();
        for (entry, grantees) in entries {
            let (Some(found), Some(grantees)) = (found.get(entry.as_str()), grantees.as_map()) else { continue };
            let live: Attributes = grantees
                .iter()
                .filter_map(|(grantee, letters)| {
                    let Value::Letters(letters) = letters else { return None };
                    let has = standing.held(field, found, grantee);
                    let both = Letters::new(letters.as_str().chars().filter(|letter| has.contains(*letter)));
                    (!both.is_empty()).then(|| (grantee.clone(), Value::Letters(both)))
                })
                .collect();
            if !live.is_empty() {
                held.insert(entry.clone(), Value::Map(live));
            }
        }
        answer.insert(field.to_owned(), Value::Map(held));
    }
    let mut reading = Reading::present(answer, Attributes::new());
    reading.gone = standing.gone;
    reading.replaced = standing.replaced;
    Ok(reading)
}

impl Standing {
    fn held(&self, field: &str, found: &Found, grantee: &str) -> &str {
        let role = if grantee == "PUBLIC" { "" } else { grantee };
        match found.object {
            Some((kind, oid)) => self.snapshot.object(kind, oid).map_or("", |object| {
                if field == "grant_options" {
                    self.snapshot.options(object, role)
                } else {
                    self.snapshot.letters(object, grantee)
                }
            }),
            None => Defaults::parse(&found.text)
                .and_then(|name| self.snapshot.default_acl(&name.creator, &name.schema, name.kind))
                .map_or("", |acl| acl.letters(role)),
        }
    }
}
