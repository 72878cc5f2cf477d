//! Snapshots made up by tests, without a server.

use super::{Builtin, DefaultAcl, Object, Snapshot, key};
use crate::postgres::{LetterSet, ObjectType, Roles};

impl Snapshot {
    /// A catalog with these roles, whose oids are their places in the list, and the built-in lists of PostgreSQL 16.
    pub(crate) fn made(roles: &[&str], mut objects: Vec<Object>, defaults: Vec<DefaultAcl>) -> Self {
        objects.sort_by(|a, b| key(a).cmp(&key(b)));
        let letters = |kind: ObjectType| kind.privileges().iter().map(|(letter, _)| *letter);
        let builtin = ObjectType::ALL.into_iter().map(|kind| {
            let public = match kind.base() {
                ObjectType::Database => "cT",
                ObjectType::Function => "X",
                ObjectType::Type | ObjectType::Language => "U",
                _ => "",
            };
            let owner = letters(kind).filter(|letter| *letter != 'm').collect::<LetterSet>();
            (kind, Builtin { owner, public: public.chars().collect() })
        });
        Self { objects, defaults, roles: Roles::made(roles), builtin: builtin.collect() }
    }
}
