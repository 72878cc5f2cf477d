//! The opposite of the rules: what one role holds in a database, folded into few rules that want exactly that.
//!
//! Exactly: planning with them gives nothing, and leaves nothing of the role unmentioned but what it owns.

mod draft;
mod tomorrow;

use std::collections::{BTreeMap, BTreeSet};

use super::rules::Future;
use crate::postgres::{LetterSet, Object, ObjectType, Snapshot};
use draft::{Draft, Drafts, selector};
pub use draft::{Folded, FoldedRule};

/// Kinds that one field of a rule speaks for, by the kind whose field that is.
const FAMILIES: [(ObjectType, &[ObjectType]); 4] = [
    (ObjectType::Table, &ObjectType::RELATIONS),
    (ObjectType::Sequence, &[ObjectType::Sequence]),
    (ObjectType::Function, &[ObjectType::Function, ObjectType::Procedure]),
    (ObjectType::Type, &[ObjectType::Type, ObjectType::Domain]),
];

/// A rule with exceptions is shorter than a list only where it has few of them.
const EXCEPTIONS_MAX: usize = 3;
const WHY_EXCEPT: &str = "on all but the exceptions, which is shorter than the list of those that it holds them on";

/// One object, with what a rule has to want on it and what it may want without a change.
struct Held<'a> {
    object: &'a Object,
    must: LetterSet,
    may: LetterSet,
}

/// What a role holds, counted one way: what it may not grant on, or what it may.
struct Holdings<'a> {
    snapshot: &'a Snapshot,
    role: &'a str,
    option: bool,
    objects: Vec<Held<'a>>,
}

/// Letters of a family's base kind, for whose objects of tomorrow, and the letters of its other kinds.
type Part = (Future, LetterSet, Vec<(ObjectType, LetterSet)>);

/// Folds everything that was granted to `role` itself. The snapshot has to hold all kinds of objects whole.
pub fn fold(snapshot: &Snapshot, role: &str) -> Folded {
    let mut drafts = Drafts::default();
    for option in [false, true] {
        let holdings = Holdings::new(snapshot, role, option);
        let mut covered = BTreeMap::new();
        for schema in holdings.schemas() {
            holdings.whole(schema, &mut drafts, &mut covered);
        }
        for schema in holdings.schemas() {
            holdings.single(schema, &mut drafts);
        }
        holdings.columns(&mut drafts);
        tomorrow::fold(&holdings, &covered, &mut drafts);
        holdings.outside(&mut drafts);
    }
    drafts.folded()
}

impl<'a> Holdings<'a> {
    fn new(snapshot: &'a Snapshot, role: &'a str, option: bool) -> Self {
        let held = |object: &'a Object| {
            let (letters, options) = (snapshot.letters(object, role), snapshot.options(object, role));
            // What an owner has by owning is no grant, and it needs no grant option.
            let owner = snapshot.roles.known(object.owner) == Some(role);
            let (must, may) = match (owner, option) {
                (true, _) => (LetterSet::default(), letters),
                (false, false) => (letters.less(options), letters),
                (false, true) => (options, options),
            };
            Held { object, must, may }
        };
        Self { snapshot, role, option, objects: snapshot.objects.iter().map(held).collect() }
    }

    fn schemas(&self) -> impl Iterator<Item = &'a str> {
        let objects = self.snapshot.objects.iter().filter(|object| object.name.kind == ObjectType::Schema);
        objects.map(|object| object.name.name.as_str()).collect::<BTreeSet<_>>().into_iter()
    }

    fn inside(&self, schema: &str, kinds: &[ObjectType]) -> Vec<&Held<'a>> {
        let is = |held: &&Held<'_>| kinds.contains(&held.object.name.kind) && held.object.name.schema == schema;
        self.objects.iter().filter(is).collect()
    }

    /// What the role holds on all objects of a kind in a schema; `None` where there are none.
    fn common(&self, schema: &str, kind: ObjectType) -> Option<LetterSet> {
        common(&self.inside(schema, &[kind]))
    }

    /// The rules about whole schemas, one for each set of creators whose objects of tomorrow they hold for too.
    fn whole(&self, schema: &str, drafts: &mut Drafts, covered: &mut tomorrow::Covered) {
        let mut groups: Vec<Draft> = Vec::new();
        for (base, kinds) in FAMILIES {
            // Without objects of the base kind its field says something about tomorrow's only.
            let letters = self.common(schema, base).unwrap_or_else(|| tomorrow::shared(self, schema, base));
            for (future, letters, own) in self.by_future(schema, base, kinds, letters) {
                let mut draft = Draft { option: self.option, future, ..Draft::default() };
                draft.words(base, letters);
                for (kind, own) in own.into_iter().filter(|(_, own)| *own != letters) {
                    draft.words_of_its_own(kind, own, !letters.is_empty());
                }
                if draft.fields.is_empty() {
                    continue;
                }
                for creator in tomorrow::creators(self, schema, &draft.future) {
                    let done = covered.entry((creator, schema.to_owned(), base)).or_default();
                    *done = done.or(letters);
                }
                match groups.iter_mut().find(|group| group.future == draft.future) {
                    Some(group) => group.fields.extend(draft.fields),
                    None => groups.push(draft),
                }
            }
        }
        let is = |held: &&Held<'_>| held.object.name.kind == ObjectType::Schema && held.object.name.name == schema;
        if let Some(held) = self.objects.iter().find(is).filter(|held| !held.must.is_empty()) {
            if groups.is_empty() {
                groups.push(Draft { option: self.option, ..Draft::default() });
            }
            // The fullest one reads as the rule of the schema.
            if let Some(group) = groups.iter_mut().max_by_key(|group| group.fields.len()) {
                group.words(ObjectType::Schema, held.must);
            }
        }
        for draft in groups {
            drafts.add(draft, schema);
        }
    }

    /// The letters of a family, told apart by whose objects of tomorrow they hold for: those of its base kind, and those of
    /// each other kind that is there. What only another kind has goes with the first.
    fn by_future(&self, schema: &str, base: ObjectType, kinds: &[ObjectType], letters: LetterSet) -> Vec<Part> {
        let mut parts: Vec<(Future, LetterSet)> = Vec::new();
        for letter in letters.chars() {
            let one: LetterSet = [letter].into_iter().collect();
            let future = tomorrow::future(self, schema, base, one);
            match parts.iter_mut().find(|(other, _)| *other == future) {
                Some((_, set)) => set.insert(letter),
                None => parts.push((future, one)),
            }
        }
        if parts.is_empty() {
            parts.push((Future::No, letters));
        }
        let others: Vec<(ObjectType, LetterSet)> = kinds
            .iter()
            .filter(|kind| **kind != base)
            .filter_map(|kind| Some((*kind, self.common(schema, *kind)?)))
            .collect();
        let part = |(at, (future, set)): (usize, (Future, LetterSet))| {
            let alone = |own: LetterSet| if at == 0 { own.less(letters) } else { LetterSet::default() };
            let own = others.iter().map(|(kind, own)| (*kind, own.and(set).or(alone(*own)))).collect();
            (future, set, own)
        };
        parts.into_iter().enumerate().map(part).collect()
    }

    /// What the whole-schema rules leave: all but a few objects, or some by name.
    fn single(&self, schema: &str, drafts: &mut Drafts) {
        for (base, kinds) in FAMILIES {
            let family = self.inside(schema, kinds);
            let mut rests: Vec<(&Held<'_>, LetterSet)> = Vec::new();
            for held in &family {
                let whole = self.common(schema, held.object.name.kind).unwrap_or_default();
                rests.push((held, held.must.less(whole)));
            }
            let mut all_but: BTreeMap<Vec<String>, LetterSet> = BTreeMap::new();
            for (letter, _) in base.privileges() {
                let lacking: Vec<String> = family
                    .iter()
                    .filter(|held| !held.may.has(*letter))
                    .map(|held| selector(&held.object.name))
                    .collect();
                let holding = rests.iter().filter(|(_, rest)| rest.has(*letter)).count();
                if lacking.len() <= EXCEPTIONS_MAX && holding > 2 * lacking.len() {
                    all_but.entry(lacking).or_default().insert(*letter);
                }
            }
            let excepted = all_but.values().fold(LetterSet::default(), |set, letters| set.or(*letters));
            let mut some: BTreeMap<LetterSet, Vec<String>> = BTreeMap::new();
            for (held, rest) in rests {
                some.entry(rest.less(excepted)).or_default().push(selector(&held.object.name));
            }
            some.remove(&LetterSet::default());
            for (except, letters) in all_but {
                let mut draft = Draft { option: self.option, except, why: Some(WHY_EXCEPT), ..Draft::default() };
                draft.words(base, letters);
                drafts.add(draft, schema);
            }
            for (letters, only) in some {
                let mut draft = Draft { option: self.option, only, ..Draft::default() };
                draft.words(base, letters);
                drafts.add(draft, schema);
            }
        }
    }

    fn columns(&self, drafts: &mut Drafts) {
        let mut columns = draft::Columns::new();
        let granted = |held: &&Held<'_>| held.object.name.kind == ObjectType::Column && !held.must.is_empty();
        for held in self.objects.iter().filter(granted) {
            let name = &held.object.name;
            let table =
                columns.entry(format!("{}.{}", draft::part(&name.schema), draft::part(&name.name))).or_default();
            for word in ObjectType::Column.words(held.must) {
                table.entry(word).or_default().insert(name.inner.clone());
            }
        }
        if !columns.is_empty() {
            drafts.add_outside(Draft { option: self.option, columns, ..Draft::default() });
        }
    }

    /// The database itself, languages, large objects.
    fn outside(&self, drafts: &mut Drafts) {
        let mut draft = Draft { option: self.option, ..Draft::default() };
        for held in self.objects.iter().filter(|held| !held.must.is_empty()) {
            match held.object.name.kind {
                ObjectType::Database => draft.words(ObjectType::Database, held.must),
                ObjectType::Language => _ = draft.languages.insert(held.object.name.name.clone()),
                _ => {}
            }
        }
        let large: Vec<&Held<'_>> =
            self.objects.iter().filter(|held| held.object.name.kind == ObjectType::LargeObject).collect();
        let letters = common(&large).unwrap_or_default();
        draft.words(ObjectType::LargeObject, letters);
        let single = large.iter().filter(|held| !held.must.less(letters).is_empty()).count();
        if single > 0 {
            drafts.remark(format!(
                "It holds privileges on {single} single large objects of {}; a rule is about all of them, so none says that.",
                large.len()
            ));
        }
        if !(draft.fields.is_empty() && draft.languages.is_empty()) {
            drafts.join_first(draft);
        }
    }
}

/// The letters that may be wanted on all of these, and that at least one has to have; `None` where there are none.
fn common(objects: &[&Held<'_>]) -> Option<LetterSet> {
    let may = objects.iter().map(|held| held.may).reduce(LetterSet::and)?;
    Some(may.and(objects.iter().fold(LetterSet::default(), |set, held| set.or(held.must))))
}

#[cfg(test)]
mod tests;
