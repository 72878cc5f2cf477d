//! What our runs granted, as the pipeline hands it over: of that, what no rule wants any more is revoked.

use super::wants::Pair;
use crate::model::{Attributes, Value};
use crate::postgres::{Defaults, LetterSet, Object, ObjectEntry};

/// What our runs granted in one database: letters and grant options, each by entry and grantee.
pub(super) struct Made<'a> {
    objects: [Option<&'a Attributes>; 2],
    defaults: [Option<&'a Attributes>; 2],
    /// Whether any of it was granted by another role than the owner.
    by_others: bool,
}

impl<'a> Made<'a> {
    /// Reads it from the attributes of a look before a plan.
    pub(super) fn read(attributes: &'a Attributes) -> Self {
        let field = |name: &str| attributes.get(name).and_then(Value::as_map);
        let objects = [field("privileges"), field("grant_options")];
        let by_others = |entry: &String| ObjectEntry::parse(entry).is_some_and(|entry| entry.grantor.is_some());
        Self {
            objects,
            defaults: [field("default_privileges"), field("default_options")],
            by_others: objects.into_iter().flatten().flat_map(Attributes::keys).any(by_others),
        }
    }

    /// What was granted on an object.
    pub(super) fn on(&self, object: &'a Object) -> Ours<'a> {
        if self.objects == [None, None] {
            return Ours::default();
        }
        let by_others = self.by_others.then_some((self.objects, object));
        Ours { owners: at(self.objects, &object.name.entry(object.oid)), by_others }
    }

    /// What was granted on objects that a role makes tomorrow.
    pub(super) fn on_defaults(&self, defaults: &Defaults) -> Ours<'a> {
        Ours { owners: at(self.defaults, &defaults.to_string()), by_others: None }
    }
}

fn at<'a>(fields: [Option<&'a Attributes>; 2], entry: &str) -> [Option<&'a Attributes>; 2] {
    fields.map(|field| field?.get(entry)?.as_map())
}

/// What our runs granted on one object, by grantee.
#[derive(Default)]
pub(super) struct Ours<'a> {
    /// As the owner.
    owners: [Option<&'a Attributes>; 2],
    /// Everything, and the object, where other roles than owners granted something.
    by_others: Option<([Option<&'a Attributes>; 2], &'a Object)>,
}

impl<'a> Ours<'a> {
    /// What a role was granted by one grantor; `None` is the owner.
    pub(super) fn to(&self, grantor: Option<&str>, role: &str) -> Pair {
        let maps = match (grantor, self.by_others) {
            (None, _) => self.owners,
            (Some(_), None) => return Pair::default(),
            (Some(grantor), Some((fields, object))) => {
                let grantor = Some(grantor.to_owned());
                at(fields, &ObjectEntry { object: object.name.clone(), oid: object.oid, grantor }.to_string())
            }
        };
        let [letters, options] = maps.map(|map| match map.and_then(|map| map.get(role)) {
            Some(Value::Letters(letters)) => letters.into(),
            _ => LetterSet::default(),
        });
        Pair { letters, options }
    }

    /// Whether there may be more than what was granted as the owner.
    pub(super) fn by_others(&self) -> bool {
        self.by_others.is_some()
    }

    /// What was granted as the owner; where nothing else was, objects with equal ones are treated alike.
    pub(super) fn owners(&self) -> [Option<&'a Attributes>; 2] {
        self.owners
    }
}
