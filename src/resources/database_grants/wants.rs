//! What the rules want: on each object that is there, and on what each creator will make.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::rules::{Future, Rule, rules};
use crate::model::{Attributes, Failure, Value};
use crate::postgres::{LetterSet, Object, ObjectType, Snapshot};

/// Everything that a plan file says about one database.
pub(in crate::resources) struct Wishes {
    /// What roles are to have.
    pub(in crate::resources) grants: Vec<Rule>,
    /// What roles are not to have.
    pub(in crate::resources) revokes: Vec<Rule>,
    /// Roles that are to have nothing else.
    pub(in crate::resources) exclusive: BTreeSet<String>,
}

impl Wishes {
    /// Reads them from the attributes of a resource.
    pub(in crate::resources) fn read(attributes: &Attributes) -> Result<Self, Failure> {
        let exclusive = attributes.get("exclusive").and_then(Value::as_list).unwrap_or_default();
        Ok(Self {
            grants: rules("grants", attributes.get("grants"))?,
            revokes: rules("revoke", attributes.get("revoke"))?,
            exclusive: exclusive.iter().filter_map(Value::as_text).map(str::to_owned).collect(),
        })
    }

    /// All rules.
    pub(in crate::resources) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.grants.iter().chain(&self.revokes)
    }

    /// Whether the plan file says something about a role.
    pub(in crate::resources) fn names(&self, role: &str) -> bool {
        self.exclusive.contains(role) || self.rules().any(|rule| rule.role == role)
    }

    /// Whether a rule about this schema (`None`: about all) names a creator, rather than finds one.
    pub(super) fn names_creator(&self, creator: &str, schema: Option<&str>) -> bool {
        let about = |rule: &Rule| match (schema, &rule.schemas) {
            (Some(schema), Some(schemas)) => schemas.contains(schema),
            (schema, schemas) => schema.is_none() && schemas.is_none(),
        };
        self.rules().any(|rule| matches!(&rule.future, Future::By(names) if names.contains(creator)) && about(rule))
    }
}

/// Letters and grant options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::resources) struct Pair {
    pub(in crate::resources) letters: LetterSet,
    pub(in crate::resources) options: LetterSet,
}

impl Pair {
    pub(in crate::resources) fn is_empty(self) -> bool {
        self.letters.is_empty() && self.options.is_empty()
    }

    fn add(&mut self, letters: LetterSet, option: bool) {
        self.letters = self.letters.or(letters);
        if option {
            self.options = self.options.or(letters);
        }
    }
}

/// What is wanted on something, by role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::resources) struct Wants {
    /// To have.
    pub(in crate::resources) have: BTreeMap<String, Pair>,
    /// Not to have.
    pub(in crate::resources) lack: BTreeMap<String, LetterSet>,
}

impl Wants {
    fn gather<'a>(rules: impl Iterator<Item = (&'a Rule, bool, LetterSet)>) -> Self {
        let mut wants = Self::default();
        for (rule, have, letters) in rules.filter(|(.., letters)| !letters.is_empty()) {
            if have {
                wants.have.entry(rule.role.clone()).or_default().add(letters, rule.option);
            } else {
                let lack = wants.lack.entry(rule.role.clone()).or_default();
                *lack = lack.or(letters);
            }
        }
        // A contradiction is refused before; where objects of tomorrow are told apart only then, what is granted stays.
        for (role, lack) in &mut wants.lack {
            *lack = lack.less(wants.have.get(role).map(|pair| pair.letters).unwrap_or_default());
        }
        wants
    }
}

/// A kind of objects in a schema.
type At<'a> = (ObjectType, &'a str);

/// Answers what is wanted on each object, and works it out once for all objects that the same rules are about.
pub(in crate::resources) struct Asked<'a> {
    snapshot: &'a Snapshot,
    rules: Vec<(&'a Rule, bool)>,
    /// The rules about each place, and whether any of them names single objects.
    places: HashMap<At<'a>, (Arc<[usize]>, bool)>,
    known: HashMap<(ObjectType, Vec<usize>), Arc<Wants>>,
    blanket: HashMap<At<'a>, Arc<Wants>>,
}

impl<'a> Asked<'a> {
    pub(in crate::resources) fn new(wishes: &'a Wishes, snapshot: &'a Snapshot) -> Self {
        let have = wishes.grants.iter().map(|rule| (rule, true));
        let rules = have.chain(wishes.revokes.iter().map(|rule| (rule, false))).collect();
        Self { snapshot, rules, places: HashMap::new(), known: HashMap::new(), blanket: HashMap::new() }
    }

    /// What is wanted on an object. Equal answers for many objects are the same `Arc`.
    pub(in crate::resources) fn on(&mut self, object: &'a Object) -> Arc<Wants> {
        let kind = object.name.kind;
        if matches!(kind, ObjectType::Column | ObjectType::Language) {
            return Arc::new(self.single(object));
        }
        let place = place(object);
        if let Some(wants) = self.blanket.get(&(kind, place)) {
            return Arc::clone(wants);
        }
        let (about, selective) = self.about(kind, place);
        if !selective {
            let wants = self.of(kind, about.to_vec());
            self.blanket.insert((kind, place), Arc::clone(&wants));
            return wants;
        }
        let meant = about.iter().copied().filter(|at| self.rules[*at].0.means(&object.name)).collect();
        self.of(kind, meant)
    }

    /// Columns and languages are always named one by one.
    fn single(&self, object: &Object) -> Wants {
        let rules = self.rules.iter();
        Wants::gather(rules.map(|(rule, have)| (*rule, *have, rule.letters_on(object, self.snapshot))))
    }

    fn about(&mut self, kind: ObjectType, place: &'a str) -> (Arc<[usize]>, bool) {
        let about = self.places.entry((kind, place)).or_insert_with(|| {
            let covers =
                |rule: &Rule| matches!(kind, ObjectType::Database | ObjectType::LargeObject) || rule.covers(place);
            let about: Arc<[usize]> = (0..self.rules.len()).filter(|at| covers(self.rules[*at].0)).collect();
            let selective = kind.in_schema() && about.iter().any(|at| self.rules[*at].0.selects());
            (about, selective)
        });
        (Arc::clone(&about.0), about.1)
    }

    fn of(&mut self, kind: ObjectType, meant: Vec<usize>) -> Arc<Wants> {
        let (rules, snapshot) = (&self.rules, self.snapshot);
        let wants = self.known.entry((kind, meant)).or_insert_with_key(|(_, meant)| {
            let rules = meant.iter().map(|at| rules[*at]);
            Arc::new(Wants::gather(rules.map(|(rule, have)| (rule, have, rule.letters(kind, snapshot)))))
        });
        Arc::clone(wants)
    }
}

/// The schema that a rule has to name for this object; the database is covered by all.
fn place(object: &Object) -> &str {
    if object.name.kind == ObjectType::Schema { &object.name.name } else { &object.name.schema }
}

/// Where default privileges stand: creator, schema (`None`: any), kind.
pub(in crate::resources) type Spot = (String, Option<String>, ObjectType);

/// What is wanted of tomorrow's objects.
pub(in crate::resources) fn tomorrow(wishes: &Wishes, snapshot: &Snapshot) -> BTreeMap<Spot, Wants> {
    let found = snapshot.creators();
    let everybody: BTreeSet<String> = found.values().flatten().cloned().collect();
    let mut rules: BTreeMap<Spot, Vec<(&Rule, bool, LetterSet)>> = BTreeMap::new();
    let have = wishes.grants.iter().map(|rule| (rule, true));
    for (rule, have) in have.chain(wishes.revokes.iter().map(|rule| (rule, false))) {
        let schemas: Vec<Option<&String>> = match &rule.schemas {
            Some(schemas) => schemas.iter().map(Some).collect(),
            None => vec![None],
        };
        for schema in schemas {
            let creators = match (&rule.future, schema) {
                (Future::No, _) => continue,
                (Future::By(names), _) => Some(names),
                (Future::Found, Some(schema)) => found.get(schema.as_str()),
                (Future::Found, None) => Some(&everybody),
            };
            for creator in creators.into_iter().flatten().filter(|creator| **creator != rule.role) {
                for kind in ObjectType::ALL.into_iter().filter(|kind| kind.plural().is_some()) {
                    if kind != ObjectType::Schema || schema.is_none() {
                        let spot = (creator.clone(), schema.cloned(), kind);
                        rules.entry(spot).or_default().push((rule, have, rule.letters(kind, snapshot)));
                    }
                }
            }
        }
    }
    rules.into_iter().map(|(spot, rules)| (spot, Wants::gather(rules.into_iter()))).collect()
}
