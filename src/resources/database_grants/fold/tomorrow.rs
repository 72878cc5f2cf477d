//! Folds default privileges: as `future` of the rules about whole schemas where that is exact, else as rules of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, Drafts};
use super::{Future, Holdings};
use crate::postgres::{LetterSet, ObjectType};

/// Creator, schema and kind -> the letters that a rule about the whole schema wants for tomorrow.
pub(super) type Covered = BTreeMap<(String, String, ObjectType), LetterSet>;

const WHY_EXCEPT: &str =
    "on nothing that is there now, only on what will be created: that is what default privileges say";

/// A row's letters, counted as the holdings are: `must` alone, or all that may be wanted without a change.
fn row(holdings: &Holdings<'_>, creator: &str, schema: Option<&str>, kind: ObjectType) -> (LetterSet, LetterSet) {
    if holdings.snapshot.default_acl(creator, schema, kind).is_none() {
        return Default::default();
    }
    let (letters, options) = holdings.snapshot.default_given(creator, schema, kind, holdings.role);
    if holdings.option { (options, options) } else { (letters.less(options), letters) }
}

/// All that a creator's default privileges give in a schema, those that hold anywhere included.
fn given(holdings: &Holdings<'_>, creator: &str, schema: &str, kind: ObjectType) -> LetterSet {
    row(holdings, creator, Some(schema), kind).1.or(row(holdings, creator, None, kind).1)
}

/// The creators with a row of their own for a kind in a schema. A role needs no default privileges on what it creates.
fn rows<'a>(holdings: &'a Holdings<'_>, schema: Option<&'a str>, kind: ObjectType) -> impl Iterator<Item = &'a str> {
    let about = move |creator: &&str| *creator != holdings.role && !row(holdings, creator, schema, kind).0.is_empty();
    let all = holdings.snapshot.defaults.iter().map(|row| row.creator.as_str()).collect::<BTreeSet<_>>();
    all.into_iter().filter(about)
}

/// What all creators with default privileges for a kind in a schema give.
pub(super) fn shared(holdings: &Holdings<'_>, schema: &str, kind: ObjectType) -> LetterSet {
    let letters = rows(holdings, Some(schema), kind).map(|creator| given(holdings, creator, schema, kind));
    let all = letters.reduce(LetterSet::and).unwrap_or_default();
    let must = rows(holdings, Some(schema), kind).map(|creator| row(holdings, creator, Some(schema), kind).0);
    all.and(must.fold(LetterSet::default(), LetterSet::or))
}

/// For whose objects of tomorrow the letters of a kind hold in a schema.
pub(super) fn future(holdings: &Holdings<'_>, schema: &str, kind: ObjectType, letters: LetterSet) -> Future {
    if letters.is_empty() {
        return Future::No;
    }
    let full = |creator: &&str| letters.less(given(holdings, creator, schema, kind)).is_empty();
    let creators: BTreeSet<String> = rows(holdings, Some(schema), kind).filter(full).map(str::to_owned).collect();
    if creators.is_empty() {
        Future::No
    } else if creators == found(holdings, schema) {
        Future::Found
    } else {
        Future::By(creators)
    }
}

fn found(holdings: &Holdings<'_>, schema: &str) -> BTreeSet<String> {
    let mut found = holdings.snapshot.creators().remove(schema).unwrap_or_default();
    found.remove(holdings.role);
    found
}

/// The creators that a `future` means in a schema.
pub(super) fn creators(holdings: &Holdings<'_>, schema: &str, future: &Future) -> BTreeSet<String> {
    match future {
        Future::No => BTreeSet::new(),
        Future::Found => found(holdings, schema),
        Future::By(creators) => creators.clone(),
    }
}

/// Folds what the rules about whole schemas leave.
pub(super) fn fold(holdings: &Holdings<'_>, covered: &Covered, drafts: &mut Drafts) {
    let schemas: BTreeSet<Option<&str>> = holdings.snapshot.defaults.iter().map(|row| row.schema.as_deref()).collect();
    for schema in schemas {
        let mut wanted: BTreeMap<&str, BTreeMap<ObjectType, LetterSet>> = BTreeMap::new();
        for kind in ObjectType::ALL.into_iter().filter(|kind| kind.plural().is_some()) {
            for creator in rows(holdings, schema, kind) {
                let key = schema.map(|schema| (creator.to_owned(), schema.to_owned(), kind));
                let done = key.and_then(|key| covered.get(&key)).copied().unwrap_or_default();
                let rest = row(holdings, creator, schema, kind).0.less(done);
                if !rest.is_empty() {
                    wanted.entry(creator).or_default().insert(kind, rest);
                }
            }
        }
        let mut alike: BTreeMap<Vec<(ObjectType, LetterSet)>, BTreeSet<String>> = BTreeMap::new();
        for (creator, letters) in wanted {
            alike.entry(letters.into_iter().collect()).or_default().insert(creator.to_owned());
        }
        for (letters, creators) in alike {
            add(holdings, schema, letters, creators, drafts);
        }
    }
}

fn add(
    holdings: &Holdings<'_>,
    schema: Option<&str>,
    letters: Vec<(ObjectType, LetterSet)>,
    creators: BTreeSet<String>,
    drafts: &mut Drafts,
) {
    let names = creators.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut draft = Draft {
        option: holdings.option,
        future: Future::By(creators),
        except: vec!["*".to_owned()],
        why: Some(WHY_EXCEPT),
        ..Draft::default()
    };
    for (kind, letters) in letters {
        if kind == ObjectType::Schema && !on_all_schemas(holdings, letters) {
            drafts.remark(format!(
                "It will get {} on schemas that {names} create; a rule would want that on the schemas of today too.",
                kind.words(letters).join(", ")
            ));
            continue;
        }
        draft.words(kind, letters);
    }
    match schema {
        _ if draft.fields.is_empty() => {}
        Some(schema) => drafts.add(draft, schema),
        None => drafts.add_everywhere(draft),
    }
}

fn on_all_schemas(holdings: &Holdings<'_>, letters: LetterSet) -> bool {
    let mut schemas = holdings.objects.iter().filter(|held| held.object.name.kind == ObjectType::Schema);
    schemas.all(|held| letters.less(held.may).is_empty())
}
