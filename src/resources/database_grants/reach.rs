//! Default privileges that a revoke in single schemas cannot take: they come from what holds in all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::{Future, Rule};
use super::wants::{Wishes, tomorrow};
use crate::postgres::{LetterSet, ObjectType, Snapshot};

/// What a rule of `revoke` asks for in vain.
pub(super) struct OutOfReach<'a> {
    /// The rule.
    pub(super) rule: &'a Rule,
    /// The kind of objects.
    pub(super) kind: ObjectType,
    /// What the role will get all the same.
    pub(super) letters: LetterSet,
    /// Who makes the objects.
    pub(super) creators: BTreeSet<String>,
}

/// Everything that the rules of `revoke` ask for in vain. Default privileges of a schema only add to those of the creator
/// anywhere (its own row, or what PostgreSQL has built in): what those give, a revoke `IN SCHEMA` leaves.
pub(super) fn out_of_reach<'a>(wishes: &'a Wishes, snapshot: &Snapshot) -> Vec<OutOfReach<'a>> {
    let wants = tomorrow(wishes, snapshot);
    let mut found: BTreeMap<(&str, ObjectType), OutOfReach<'a>> = BTreeMap::new();
    for ((creator, schema, kind), want) in &wants {
        let Some(schema) = schema else { continue };
        let anywhere = wants.get(&(creator.clone(), None, *kind));
        for (role, lack) in &want.lack {
            let gone = anywhere.and_then(|want| want.lack.get(role)).copied().unwrap_or_default();
            let gone = if wishes.exclusive.contains(role) { *lack } else { gone };
            let stays = snapshot.default_given(creator, None, *kind, role).0.and(*lack).less(gone);
            let asks = |rule: &&Rule| {
                let meant = match &rule.future {
                    Future::No => false,
                    Future::Found => true,
                    Future::By(names) => names.contains(creator),
                };
                meant && rule.role == *role && rule.schemas.is_some() && rule.covers(schema)
            };
            for rule in wishes.revokes.iter().filter(asks) {
                let letters = rule.letters(*kind, snapshot).and(stays);
                if !letters.is_empty() {
                    let creators = BTreeSet::new();
                    let one = OutOfReach { rule, kind: *kind, letters, creators };
                    let one = found.entry((&rule.path, *kind)).or_insert(one);
                    one.letters = one.letters.or(letters);
                    one.creators.insert(creator.clone());
                }
            }
        }
    }
    found.into_values().collect()
}
