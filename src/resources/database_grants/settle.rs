//! The look around a write: answers exactly the entries, grantees and letters of a step, each found by its oid.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::{Attributes, Failure, Letters, Reading, Value};
use crate::postgres::{
    Defaults, Lease, LetterSet, Object, ObjectEntry, ObjectName, ObjectType, Snapshot, Wanted, not_an_entry,
};

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
    /// The role that grants, where it is not the owner.
    pub(super) grantor: Option<String>,
    /// What it is about.
    name: Name,
}

/// What an entry names.
enum Name {
    Object(ObjectEntry),
    Defaults(Defaults),
}

impl Standing {
    /// Whether an entry still means what it says.
    pub(super) fn stands(&self, entry: &str) -> bool {
        !self.gone.contains(entry) && !self.replaced.contains(entry)
    }

    /// Columns of tables among the entries, with their lists.
    pub(super) fn columns(&self) -> impl Iterator<Item = &Object> {
        self.snapshot.objects.iter().filter(|object| object.name.kind == ObjectType::Column && object.acl.is_some())
    }
}

/// Looks at everything that the ends of a step name.
pub(super) async fn standing<'a>(
    lease: &mut Lease,
    ends: impl IntoIterator<Item = Option<&'a Attributes>>,
) -> Result<Standing, Failure> {
    let named = named(ends)?;
    let wanted = wanted(&named);
    let snapshot = Snapshot::read(lease, &wanted).await?;
    let mut standing = Standing { snapshot, entries: Vec::new(), gone: BTreeSet::new(), replaced: BTreeSet::new() };
    let mut lost: Vec<(ObjectName, String)> = Vec::new();
    for (text, name) in named {
        standing.place(text, name, &mut lost);
    }
    if !lost.is_empty() {
        let now = Snapshot::read(lease, &Wanted { oids: None, ..wanted }).await?;
        // What takes the name of another kind of table takes it all the same.
        let slot = |name: &ObjectName| ObjectName { kind: name.kind.base(), ..name.clone() };
        let taken: BTreeSet<ObjectName> = now.objects.iter().map(|object| slot(&object.name)).collect();
        for (name, text) in lost {
            let fate = if taken.contains(&slot(&name)) { &mut standing.replaced } else { &mut standing.gone };
            fate.insert(text);
        }
    }
    Ok(standing)
}

/// What has to be read for these entries. Columns that the entries name are found by their table's oid.
fn wanted(named: &BTreeMap<String, Name>) -> Wanted {
    let mut wanted = Wanted { oids: Some(Vec::new()), ..Wanted::default() };
    let mut schemas: BTreeSet<String> = BTreeSet::new();
    for name in named.values() {
        match name {
            Name::Object(ObjectEntry { object, oid, .. }) => {
                if ObjectType::RELATIONS.contains(&object.kind) {
                    wanted.kinds.extend(ObjectType::RELATIONS);
                }
                wanted.kinds.insert(object.kind);
                wanted.oids.get_or_insert_default().push(*oid);
                schemas.insert(if object.kind == ObjectType::Schema { &object.name } else { &object.schema }.clone());
                if object.kind == ObjectType::Column {
                    wanted.columns.insert((object.schema.clone(), object.name.clone(), object.inner.clone()));
                }
            }
            Name::Defaults(defaults) => schemas.extend(defaults.schema.clone()),
        }
    }
    wanted.schemas = Some(schemas.into_iter().collect());
    wanted
}

impl Standing {
    /// Sorts an entry in by what the snapshot says of it; what it does not know goes to `lost`.
    fn place(&mut self, text: String, name: Name, lost: &mut Vec<(ObjectName, String)>) {
        let roles = &self.snapshot.roles;
        match &name {
            Name::Object(ObjectEntry { object, oid, grantor }) => {
                match self.snapshot.object(object.kind, *oid, &object.inner) {
                    Some(found) if found.name == *object => {
                        let (owner, grantor) = (roles.name(found.owner), grantor.clone());
                        self.entries.push(Found { text, owner, grantor, name });
                    }
                    Some(_) => {
                        self.replaced.insert(text);
                    }
                    None => lost.push((object.clone(), text)),
                }
            }
            Name::Defaults(defaults) => {
                let is = |object: &Object| {
                    object.name.kind == ObjectType::Schema && Some(&object.name.name) == defaults.schema.as_ref()
                };
                let there = defaults.schema.is_none() || self.snapshot.objects.iter().any(is);
                if roles.has(&defaults.creator) && there {
                    let owner = defaults.creator.clone();
                    self.entries.push(Found { text, owner, grantor: None, name });
                } else {
                    self.gone.insert(text);
                }
            }
        }
    }
}

/// Every entry of the ends with what it names.
fn named<'a>(ends: impl IntoIterator<Item = Option<&'a Attributes>>) -> Result<BTreeMap<String, Name>, Failure> {
    let mut named: BTreeMap<String, Name> = BTreeMap::new();
    for end in ends.into_iter().flatten() {
        for (field, entries) in MAPS.into_iter().filter_map(|field| Some((field, end.get(field)?.as_map()?))) {
            for entry in entries.keys().filter(|entry| !entry.is_empty()) {
                let name = if field.starts_with("default_") {
                    Defaults::parse(entry).map(Name::Defaults)
                } else {
                    ObjectEntry::parse(entry).map(Name::Object)
                };
                let name = name.ok_or_else(|| not_an_entry(entry))?;
                named.insert(entry.clone(), name);
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
    // Objects with one list, asked for the same, answer the same: worked out once, and shared.
    let mut known: HashMap<(&str, Alike), Attributes> = HashMap::new();
    for (field, entries) in MAPS.into_iter().filter_map(|field| Some((field, asked.get(field)?.as_map()?))) {
        let mut held = Attributes::new();
        for (entry, grantees) in entries {
            let (Some(found), Some(grantees)) = (found.get(entry.as_str()), grantees.as_map()) else { continue };
            let held_by = |(grantee, letters): (&String, &Value)| {
                let Value::Letters(letters) = letters else { return None };
                let both = standing.held(field, found, grantee).and(LetterSet::from(letters));
                (!both.is_empty()).then(|| (grantee.clone(), Value::Letters(Letters::from(both))))
            };
            let live = || grantees.iter().filter_map(held_by).collect();
            let live = match standing.alike(found, grantees) {
                Some(alike) => known.entry((field, alike)).or_insert_with(live).clone(),
                None => live(),
            };
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

/// What decides the answer for an object: what is asked, its kind, list, owner, and the grantor.
type Alike<'a> = (usize, ObjectType, usize, u32, Option<&'a str>);

impl Standing {
    fn alike<'a>(&self, found: &'a Found, grantees: &Attributes) -> Option<Alike<'a>> {
        let Name::Object(ObjectEntry { object, oid, grantor }) = &found.name else { return None };
        let object = self.snapshot.object(object.kind, *oid, &object.inner)?;
        let list = object.acl.as_ref().map_or(0, |acl| Arc::as_ptr(acl).addr());
        Some((grantees.place(), object.name.kind, list, object.owner, grantor.as_deref()))
    }

    /// What the grantor of an entry gave to a grantee: what others gave is not this entry's.
    fn held(&self, field: &str, found: &Found, grantee: &str) -> LetterSet {
        let (letters, options) = match &found.name {
            Name::Object(ObjectEntry { object, oid, grantor }) => self
                .snapshot
                .object(object.kind, *oid, &object.inner)
                .map(|object| self.snapshot.given(object, grantee, grantor.as_deref()))
                .unwrap_or_default(),
            Name::Defaults(Defaults { creator, schema, kind }) => {
                self.snapshot.default_given(creator, schema.as_deref(), *kind, grantee)
            }
        };
        if field.ends_with("_options") { options } else { letters }
    }
}
