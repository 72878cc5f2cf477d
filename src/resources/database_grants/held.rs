//! What a role granted on to others keeps its own grant option alive.
//!
//! PostgreSQL refuses to revoke that one alone, and it would be wrong to take from the others what nobody asked to take.

use std::collections::BTreeMap;

use super::plan::Moves;
use super::wants::Pair;
use crate::postgres::{Grant, LetterSet, Object, Snapshot};

/// Grantor (`None`: the owner) -> what is to be taken of what it granted.
type Take = BTreeMap<Option<String>, Moves>;

/// Leaves out of `take` what others than those who lose something hang on, along whole chains, and tells of it in `beyond`.
pub(super) fn hold_back(snapshot: &Snapshot, object: &Object, take: &mut Take, beyond: &mut Moves) {
    if take.is_empty() {
        return;
    }
    let grants = snapshot.grants(object);
    let owner = snapshot.roles.name(object.owner);
    loop {
        let mut kept: Vec<(Option<String>, String, Pair)> = Vec::new();
        for (grantor, moves) in &*take {
            for (role, taken) in moves {
                let stays = hanging(&grants, take, grantor.as_deref().unwrap_or(&owner), role, &owner);
                let held = Pair { letters: taken.letters.and(stays), options: taken.options.and(stays) };
                if !held.is_empty() {
                    kept.push((grantor.clone(), role.clone(), held));
                }
            }
        }
        if kept.is_empty() {
            break;
        }
        // What stays here keeps alive what it hangs on itself.
        for (grantor, role, held) in kept {
            if let Some(taken) = take.get_mut(&grantor).and_then(|moves| moves.get_mut(&role)) {
                *taken = Pair { letters: taken.letters.less(held.letters), options: taken.options.less(held.options) };
            }
            let beyond = beyond.entry(role).or_default();
            *beyond = Pair { letters: beyond.letters.or(held.letters), options: beyond.options.or(held.options) };
        }
    }
    for moves in take.values_mut() {
        moves.retain(|_, pair| !pair.is_empty());
    }
}

/// The letters that `role` granted on, and keeps granting, by the grant option it has from `grantor` and from nobody else.
fn hanging(grants: &[Grant], take: &Take, grantor: &str, role: &str, owner: &str) -> LetterSet {
    let taken = |from: &str, to: &str| {
        let from = (from != owner).then(|| from.to_owned());
        let to = if to.is_empty() { "PUBLIC" } else { to };
        take.get(&from).and_then(|moves| moves.get(to)).copied().unwrap_or_default()
    };
    let (mut lent, mut others, mut onward) = (LetterSet::default(), LetterSet::default(), LetterSet::default());
    for grant in grants {
        if grant.grantor == role {
            onward = onward.or(grant.letters.less(taken(role, &grant.grantee).letters));
        } else if grant.grantee == role && grant.grantor == grantor {
            lent = lent.or(grant.options);
        } else if grant.grantee == role {
            others = others.or(grant.options.less(taken(&grant.grantor, role).options));
        }
    }
    onward.and(lent).less(others)
}
