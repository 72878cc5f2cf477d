//! The look before a change set: what the rules want against what the catalog holds; only what differs is kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Live;
use super::beyond::Beyond;
use super::held::hold_back;
use super::made::{Made, Ours};
use super::names::flaws;
use super::rules::{CREATED, wanted};
use super::wants::{Asked, Pair, Spot, Wants, Wishes, tomorrow};
use super::ways::{Entry, route};
use crate::model::{Attributes, Failure, Letters, Look, Reading, Value};
use crate::postgres::{Defaults, Lease, LetterSet, Object, ObjectType, Snapshot};

/// Grantee -> letters and grant options.
pub(super) type Moves = BTreeMap<String, Pair>;

/// What one object needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    /// To be granted.
    pub(super) give: Arc<Moves>,
    /// To be revoked, by grantor; `None` is the owner.
    pub(super) take: BTreeMap<Option<String>, Arc<Moves>>,
    /// What roles hold beyond what is wanted, and keep.
    pub(super) beyond: Moves,
}

/// Compares the rules with the catalog. Both ends of the answer hold only entries, grantees and letters that differ.
pub(super) async fn read(live: &Live, mut lease: Lease, look: &Look<'_>) -> Result<Reading, Failure> {
    let wishes = Wishes::read(look.attributes)?;
    let mut wanted = wanted(wishes.rules());
    if !wishes.exclusive.is_empty() {
        wanted.kinds.insert(ObjectType::LargeObject);
    }
    if wishes.exclusive.contains("PUBLIC") {
        wanted.kinds.extend(CREATED);
    }
    let snapshot = Snapshot::read(&mut lease, &wanted).await?;
    let flaws = flaws(look, &wishes, &snapshot, lease.version());
    if !flaws.is_empty() {
        return Err(Failure::flawed(flaws));
    }
    let mut beyond = Beyond::default();
    let made = Made::read(look.attributes);
    let mut entries = on_objects(&wishes, &snapshot, &made, &mut beyond);
    entries.extend(on_defaults(&wishes, &snapshot, &made, &mut beyond));
    let mut notes = absent_roles(&wishes, &snapshot);
    let routes = route(live, lease, look, &snapshot, &mut entries, &mut notes).await?;
    notes.extend(beyond.notes(&wishes));
    let (observed, desired) = ends(&entries);
    let mut reading = Reading::present(observed, Attributes::new());
    reading.desired = Some(desired);
    reading.routes = routes;
    reading.notes = notes;
    Ok(reading)
}

/// What is there and what is wanted, as a step has them: of revoked letters the first, of granted ones the second.
fn ends(entries: &[Entry]) -> (Attributes, Attributes) {
    let (mut observed, mut desired) = (Attributes::new(), Attributes::new());
    let mut known = HashMap::new();
    for end in [&mut observed, &mut desired] {
        end.insert("privileges".to_owned(), Value::Map(Attributes::new()));
    }
    for entry in entries {
        let fields = if entry.defaults.is_some() {
            ["default_privileges", "default_options"]
        } else {
            ["privileges", "grant_options"]
        };
        let text = entry.text();
        put(&mut observed, fields, &text, &entry.take, &mut known);
        put(&mut desired, fields, &text, &entry.give, &mut known);
    }
    let both: BTreeSet<String> = observed.keys().chain(desired.keys()).cloned().collect();
    for field in both {
        for end in [&mut observed, &mut desired] {
            end.entry(field.clone()).or_insert_with(|| Value::Map(Attributes::new()));
        }
    }
    (observed, desired)
}

/// Moves that were written as attributes already (letters, options), by their address: most objects move alike, and
/// share one map.
type Known = HashMap<*const Moves, [Attributes; 2]>;

fn put(end: &mut Attributes, fields: [&str; 2], text: &str, moves: &Arc<Moves>, known: &mut Known) {
    if moves.is_empty() {
        return;
    }
    let attributes = known.entry(Arc::as_ptr(moves)).or_insert_with(|| {
        [|pair: &Pair| pair.letters, |pair: &Pair| pair.options].map(|part| {
            let some = moves.iter().map(|(role, pair)| (role, part(pair))).filter(|(_, letters)| !letters.is_empty());
            some.map(|(role, letters)| (role.clone(), Value::Letters(Letters::from(letters)))).collect::<Attributes>()
        })
    });
    for (field, grantees) in fields.into_iter().zip(attributes.clone()) {
        if grantees.is_empty() {
            continue;
        }
        if let Value::Map(map) = end.entry(field.to_owned()).or_insert_with(|| Value::Map(Attributes::new())) {
            map.insert(text.to_owned(), Value::Map(grantees));
        }
    }
}

fn absent_roles(wishes: &Wishes, snapshot: &Snapshot) -> Vec<String> {
    let absent: BTreeSet<&String> =
        wishes.rules().map(|rule| &rule.role).filter(|role| *role != "PUBLIC" && !snapshot.roles.has(role)).collect();
    absent.into_iter().map(|role| format!("role {role:?} is not there yet")).collect()
}

/// What each object needs. Objects with the same access control list, owner, wants and earlier grants need the same,
/// so the comparison is made once per list and not once per object.
pub(super) fn on_objects(wishes: &Wishes, snapshot: &Snapshot, made: &Made<'_>, beyond: &mut Beyond) -> Vec<Entry> {
    type Alike = (ObjectType, usize, usize, u32, bool, usize);
    let mut asked = Asked::new(wishes, snapshot);
    let mut verdicts: HashMap<Alike, (Arc<Wants>, Arc<Verdict>)> = HashMap::new();
    let mut made_alike: BTreeMap<[Option<&Attributes>; 2], usize> = BTreeMap::new();
    let mut entries = Vec::new();
    for object in &snapshot.objects {
        let wants = asked.on(object);
        let list = object.acl.as_ref().map_or(0, |acl| Arc::as_ptr(acl).addr());
        let ours = made.on(object);
        let next = made_alike.len();
        let made_here = *made_alike.entry(ours.owners()).or_insert(next);
        let alike = (object.name.kind, Arc::as_ptr(&wants).addr(), list, object.owner, object.extension, made_here);
        let verdict = if object.name.kind == ObjectType::Column {
            Arc::new(column(wishes, snapshot, &mut asked, (object, &wants), made))
        } else if ours.by_others() {
            Arc::new(compare(wishes, snapshot, (object, &wants), &ours, &|_| LetterSet::default()))
        } else {
            // The wants are kept with the verdict, so that their address stays theirs.
            let (_, verdict) = verdicts.entry(alike).or_insert_with(|| {
                let verdict = compare(wishes, snapshot, (object, &wants), &ours, &|_| LetterSet::default());
                (wants, Arc::new(verdict))
            });
            Arc::clone(verdict)
        };
        beyond.object(object, &verdict);
        entries.extend(Entry::of_object(object, snapshot, &verdict));
    }
    entries
}

/// A column's privileges count as held where the role has them on the whole table and keeps them.
fn column<'a>(
    wishes: &Wishes,
    snapshot: &'a Snapshot,
    asked: &mut Asked<'a>,
    (object, wants): (&'a Object, &Wants),
    made: &Made<'_>,
) -> Verdict {
    let (ours, alone) = (made.on(object), |_: &str| LetterSet::default());
    let table = ObjectType::RELATIONS.into_iter().find_map(|kind| snapshot.object(kind, object.oid, ""));
    let Some(table) = table else { return compare(wishes, snapshot, (object, wants), &ours, &alone) };
    let on_table = asked.on(table);
    let verdict = compare(wishes, snapshot, (table, &on_table), &made.on(table), &alone);
    let stays = |role: &str| {
        let taken = verdict.take.values().filter_map(|moves| moves.get(role));
        let taken = taken.fold(LetterSet::default(), |set, pair| set.or(pair.letters));
        let given = verdict.give.get(role).map(|pair| pair.letters).unwrap_or_default();
        snapshot.letters(table, role).less(taken).or(given)
    };
    compare(wishes, snapshot, (object, wants), &ours, &stays)
}

/// Compares one object with what is wanted on it; of what our runs made there, the rest goes. `elsewhere` answers the letters that a role has on it by another list.
fn compare(
    wishes: &Wishes,
    snapshot: &Snapshot,
    (object, wants): (&Object, &Wants),
    ours: &Ours<'_>,
    elsewhere: &dyn Fn(&str) -> LetterSet,
) -> Verdict {
    let mut verdict = Verdict::default();
    let mut give = Moves::new();
    for (role, want) in &wants.have {
        let held = snapshot.letters(object, role).or(elsewhere(role));
        let missing = Pair {
            letters: want.letters.less(held),
            options: if owns(snapshot, object, role) {
                LetterSet::default()
            } else {
                want.options.less(snapshot.options(object, role))
            },
        };
        if !missing.is_empty() {
            give.insert(role.clone(), missing);
        }
    }
    verdict.give = Arc::new(give);
    let owner = snapshot.roles.name(object.owner);
    let mut take: BTreeMap<Option<String>, Moves> = BTreeMap::new();
    for grant in snapshot.grants(object).into_iter().filter(|grant| grant.grantee != owner) {
        let role = if grant.grantee.is_empty() { "PUBLIC" } else { grant.grantee.as_str() };
        let want = wants.have.get(role).copied().unwrap_or_default();
        let lack = wants.lack.get(role).copied().unwrap_or_default();
        let exclusive = wishes.exclusive.contains(role) && !(role == "PUBLIC" && object.extension);
        let over = Pair { letters: grant.letters.less(want.letters), options: grant.options.less(want.options) };
        let grantor = (grant.grantor != owner).then_some(grant.grantor);
        let made = ours.to(grantor.as_deref(), role);
        let letters = if exclusive { over.letters } else { grant.letters.and(lack).or(over.letters.and(made.letters)) };
        let lent = grant.options.and(lack).or(over.options.and(made.options));
        let options = if exclusive { over.options } else { lent };
        let taken = Pair { letters, options };
        if !taken.is_empty() {
            take.entry(grantor).or_default().insert(role.to_owned(), taken);
        }
        let public = if role == "PUBLIC" { by_birth(snapshot, object) } else { LetterSet::default() };
        let kept = Pair { letters: over.letters.less(letters).less(public), options: over.options.less(options) };
        if !kept.is_empty() && !object.extension {
            let beyond = verdict.beyond.entry(role.to_owned()).or_default();
            *beyond = Pair { letters: beyond.letters.or(kept.letters), options: beyond.options.or(kept.options) };
        }
    }
    hold_back(snapshot, object, &mut take, &mut verdict.beyond);
    take.retain(|_, moves| !moves.is_empty());
    verdict.take = take.into_iter().map(|(grantor, moves)| (grantor, Arc::new(moves))).collect();
    verdict
}

/// What everybody may do with an object that nobody has granted anything on: nothing to tell of.
fn by_birth(snapshot: &Snapshot, object: &Object) -> LetterSet {
    let letters = snapshot.public(object.name.kind);
    // Every database is made with it (initdb).
    let usage = object.name.kind == ObjectType::Schema && object.name.name == "public";
    if usage { letters.or(['U'].into_iter().collect()) } else { letters }
}

fn owns(snapshot: &Snapshot, object: &Object, role: &str) -> bool {
    snapshot.roles.known(object.owner) == Some(role)
}

/// What default privileges need: those that are wanted, and those that are there.
pub(super) fn on_defaults(wishes: &Wishes, snapshot: &Snapshot, made: &Made<'_>, beyond: &mut Beyond) -> Vec<Entry> {
    let mut wants = tomorrow(wishes, snapshot);
    for row in &snapshot.defaults {
        wants.entry((row.creator.clone(), row.schema.clone(), row.kind)).or_default();
    }
    // What everybody has by birth needs no row.
    if wishes.exclusive.contains("PUBLIC") {
        let kinds = ObjectType::ALL.into_iter().filter(|kind| kind.plural().is_some());
        let kinds: Vec<ObjectType> = kinds.filter(|kind| !snapshot.public(*kind).is_empty()).collect();
        for creator in snapshot.creators().into_values().flatten().collect::<BTreeSet<String>>() {
            for kind in &kinds {
                wants.entry((creator.clone(), None, *kind)).or_default();
            }
        }
    }
    let mut entries = Vec::new();
    let none = Wants::default();
    for (spot, want) in &wants {
        let anywhere = (spot.0.clone(), None, spot.2);
        let anywhere = spot.1.as_ref().map(|_| wants.get(&anywhere).unwrap_or(&none));
        let (creator, schema, kind) = spot.clone();
        let defaults = Defaults { creator, schema, kind };
        let ours = made.on_defaults(&defaults);
        let verdict = compare_defaults(wishes, snapshot, spot, (want, anywhere), &ours);
        beyond.defaults(&defaults, &verdict);
        let named = wishes.names_creator(&defaults.creator, defaults.schema.as_deref());
        entries.extend(Entry::of_defaults(&defaults, snapshot, &verdict, named));
    }
    entries
}

/// Compares the default privileges of one spot. Those that hold anywhere count in a schema too, where they stay:
/// `anywhere` is what is wanted of them.
fn compare_defaults(
    wishes: &Wishes,
    snapshot: &Snapshot,
    (creator, schema, kind): &Spot,
    (wants, anywhere): (&Wants, Option<&Wants>),
    ours: &Ours<'_>,
) -> Verdict {
    let (mut give, mut take, mut beyond) = (Moves::new(), Moves::new(), Moves::new());
    let schema = schema.as_deref();
    for (role, want) in &wants.have {
        let (mut letters, mut options) = snapshot.default_given(creator, schema, *kind, role);
        if let Some(anywhere) = anywhere {
            let (all, all_options) = snapshot.default_given(creator, None, *kind, role);
            let asked = anywhere.have.get(role).copied().unwrap_or_default();
            let stays = |held: LetterSet, asked: LetterSet| {
                if wishes.exclusive.contains(role) { held.and(asked) } else { held }
            };
            letters = letters.or(stays(all, asked.letters));
            options = options.or(stays(all_options, asked.options));
        }
        let missing = Pair { letters: want.letters.less(letters), options: want.options.less(options) };
        if !missing.is_empty() {
            give.insert(role.clone(), missing);
        }
    }
    let acl = snapshot.default_acl(creator, schema, *kind);
    let mut held: BTreeSet<&str> = acl.into_iter().flat_map(|acl| &acl.0).map(|grant| grant.grantee.as_str()).collect();
    if acl.is_none() && schema.is_none() {
        held.insert("");
    }
    for role in held.into_iter().filter(|role| role != creator) {
        let role = if role.is_empty() { "PUBLIC" } else { role };
        let (letters, options) = snapshot.default_given(creator, schema, *kind, role);
        let want = wants.have.get(role).copied().unwrap_or_default();
        let lack = wants.lack.get(role).copied().unwrap_or_default();
        let over = Pair { letters: letters.less(want.letters), options: options.less(want.options) };
        let made = ours.to(None, role);
        let taken = if wishes.exclusive.contains(role) {
            over
        } else {
            Pair {
                letters: letters.and(lack).or(over.letters.and(made.letters)),
                options: options.and(lack).or(over.options.and(made.options)),
            }
        };
        if !taken.is_empty() {
            take.insert(role.to_owned(), taken);
        }
        let public = if role == "PUBLIC" { snapshot.public(*kind) } else { LetterSet::default() };
        let kept =
            Pair { letters: over.letters.less(taken.letters).less(public), options: over.options.less(taken.options) };
        if !kept.is_empty() {
            beyond.insert(role.to_owned(), kept);
        }
    }
    let take = (!take.is_empty()).then(|| (None, Arc::new(take)));
    Verdict { give: Arc::new(give), take: take.into_iter().collect(), beyond }
}
