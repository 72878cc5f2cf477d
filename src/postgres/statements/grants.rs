//! The statements that lead from one end of a `database_grants` step to the other, each naming as much as it can.

use std::collections::{BTreeMap, BTreeSet};

use super::Script;
use crate::model::{Attributes, Class, Failure, Value};
use crate::postgres::entry::{Defaults, ObjectEntry, ObjectName, not_an_entry};
use crate::postgres::letters::LetterSet;
use crate::postgres::privilege::ObjectType;
use crate::postgres::quote::quote_ident;

/// One GRANT names at most this many objects: enough to touch each catalog row once for all grantees, and a statement
/// that still fits a log line's patience.
const OBJECTS_PER_STATEMENT: usize = 1_000;

/// Which role has to act for an entry (`SET ROLE`), where the one that is signed in may not itself.
pub type Acting = BTreeMap<String, String>;

/// The pairs of fields that hold letters and their grant options.
const FIELDS: [(&str, &str); 2] = [("privileges", "grant_options"), ("default_privileges", "default_options")];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Revoke,
    RevokeOption,
    Grant,
    GrantOption,
}

/// What others than the owner granted hangs on grant options of theirs: it is revoked before those are, and granted
/// after. Among them a chain of grant options is revoked from its end, and granted from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    RevokeByOthers,
    Revoke,
    Grant,
    GrantByOthers,
}

/// What is the same for many objects, so that one statement can name them all. Ordered as the statements are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    phase: Phase,
    rank: isize,
    acting: Option<String>,
    verb: Verb,
    creator: Option<String>,
    /// Of kinds with one keyword the first.
    kind: ObjectType,
    columns: BTreeSet<String>,
    letters: LetterSet,
    grantees: BTreeSet<String>,
}

/// The statements that lead from one end of a `database_grants` step to the other. The inverse is the same with the
/// ends swapped. Entries that are no entries and letters that an object does not know are [`Class::Input`] failures.
pub fn grants(before: Option<&Attributes>, after: Option<&Attributes>, acting: &Acting) -> Result<Script, Failure> {
    let mut groups: BTreeMap<Group, BTreeSet<String>> = BTreeMap::new();
    let mut columns: BTreeMap<(Group, String), BTreeSet<String>> = BTreeMap::new();
    let depths = depths([before, after]);
    for (field, options) in FIELDS {
        let ends = [map(before, field), map(after, field), map(before, options), map(after, options)];
        for entry in names(&ends) {
            let target = Target::parse(entry, field == "default_privileges")?;
            let acting = acting.get(entry).cloned();
            for ((verb, letters), grantees) in moves(ends.map(|end| sub(end, entry))) {
                target.knows(entry, letters)?;
                let group = target.group(verb, letters, grantees, acting.clone(), &depths);
                match &target.column {
                    Some(column) => {
                        columns.entry((group, target.sql.clone())).or_default().insert(column.clone());
                    }
                    None => {
                        groups.entry(group).or_default().insert(target.sql.clone());
                    }
                }
            }
        }
    }
    for ((group, table), columns) in columns {
        groups.entry(Group { columns, ..group }).or_default().insert(table);
    }
    Ok(Script(render(groups)))
}

struct Target {
    kind: ObjectType,
    creator: Option<String>,
    column: Option<String>,
    /// Who grants it, where that is not the owner.
    other: Option<Holder>,
    /// The object as SQL calls it; of default privileges the schema, nothing for those of all schemas.
    sql: String,
}

impl Target {
    fn parse(entry: &str, defaults: bool) -> Result<Self, Failure> {
        let found = if defaults {
            Defaults::parse(entry).map(|defaults| Self {
                kind: defaults.kind,
                creator: Some(defaults.creator),
                column: None,
                other: None,
                sql: defaults.schema.as_deref().map(quote_ident).unwrap_or_default(),
            })
        } else {
            ObjectEntry::parse(entry).map(|ObjectEntry { object, oid, grantor }| Self {
                kind: object.kind,
                creator: None,
                sql: object.sql(),
                other: grantor.map(|grantor| (object.clone(), oid, grantor)),
                column: (object.kind == ObjectType::Column).then_some(object.inner),
            })
        };
        found.ok_or_else(|| not_an_entry(entry))
    }

    fn knows(&self, entry: &str, letters: LetterSet) -> Result<(), Failure> {
        let known: LetterSet = self.kind.privileges().iter().map(|(letter, _)| *letter).collect();
        let foreign = letters.less(known);
        if foreign.is_empty() {
            return Ok(());
        }
        let foreign: String = foreign.chars().collect();
        Err(Failure::new(Class::Input, "a grant has privileges that its object cannot have")
            .detail(format!("{entry:?}: {foreign:?}"))
            .remedy("plan again"))
    }

    fn group(
        &self,
        verb: Verb,
        letters: LetterSet,
        grantees: BTreeSet<String>,
        acting: Option<String>,
        depths: &BTreeMap<Holder, isize>,
    ) -> Group {
        let taking = matches!(verb, Verb::Revoke | Verb::RevokeOption);
        let phase = match (taking, self.other.is_some()) {
            (true, true) => Phase::RevokeByOthers,
            (true, false) => Phase::Revoke,
            (false, false) => Phase::Grant,
            (false, true) => Phase::GrantByOthers,
        };
        let kind = if self.kind == ObjectType::Column { self.kind } else { self.kind.base() };
        let depth = self.other.as_ref().and_then(|other| depths.get(other)).copied().unwrap_or_default();
        let (rank, creator) = (if taking { -depth } else { depth }, self.creator.clone());
        Group { phase, rank, acting, verb, creator, kind, columns: BTreeSet::new(), letters, grantees }
    }
}

/// An object, and a role that grants on it by a grant option.
type Holder = (ObjectName, u32, String);

/// How far each role is from the owner that has its grant option from another than the owner, as far as the ends say.
fn depths(ends: [Option<&Attributes>; 2]) -> BTreeMap<Holder, isize> {
    let mut lent: BTreeSet<(Holder, Holder)> = BTreeSet::new();
    for (entry, grantees) in ends.into_iter().filter_map(|end| map(end, "grant_options")).flatten() {
        let Some(ObjectEntry { object, oid, grantor: Some(grantor) }) = ObjectEntry::parse(entry) else { continue };
        let holder = |role: &String| (object.clone(), oid, role.clone());
        let grantees = grantees.as_map().into_iter().flat_map(Attributes::keys);
        lent.extend(grantees.map(|grantee| (holder(&grantor), holder(grantee))));
    }
    let mut depths: BTreeMap<Holder, isize> = BTreeMap::new();
    // A chain is no longer than there are links.
    for _ in 0..lent.len() {
        for (from, to) in &lent {
            let depth = depths.get(from).copied().unwrap_or_default() + 1;
            let known = depths.entry(to.clone()).or_default();
            *known = depth.max(*known);
        }
    }
    depths
}

fn map<'a>(end: Option<&'a Attributes>, field: &str) -> Option<&'a Attributes> {
    end.and_then(|end| end.get(field)).and_then(Value::as_map)
}

fn sub<'a>(map: Option<&'a Attributes>, entry: &str) -> Option<&'a Attributes> {
    map.and_then(|map| map.get(entry)).and_then(Value::as_map)
}

fn names<'a>(ends: &[Option<&'a Attributes>]) -> BTreeSet<&'a String> {
    ends.iter().flatten().flat_map(|map| map.keys()).collect()
}

/// What one entry needs, from its four ends (letters before and after, options before and after): per verb and set of
/// letters the grantees that need exactly it. A grant option brings its privilege, and goes with it.
fn moves(ends: [Option<&Attributes>; 4]) -> BTreeMap<(Verb, LetterSet), BTreeSet<String>> {
    let mut found: BTreeMap<(Verb, LetterSet), BTreeSet<String>> = BTreeMap::new();
    for grantee in names(&ends) {
        let [old, new, old_options, new_options] = ends.map(|end| match end.and_then(|end| end.get(grantee)) {
            Some(Value::Letters(letters)) => LetterSet::from(letters),
            _ => LetterSet::default(),
        });
        let (take, give, give_options) = (old.less(new), new.less(old), new_options.less(old_options));
        // One that goes on to more letters is granted whole, together with those of others.
        let plain = if give.less(give_options).is_empty() { LetterSet::default() } else { give };
        for (verb, letters) in [
            (Verb::Revoke, take),
            (Verb::RevokeOption, old_options.less(new_options).less(take)),
            (Verb::Grant, plain),
            (Verb::GrantOption, give_options),
        ] {
            if !letters.is_empty() {
                found.entry((verb, letters)).or_default().insert(grantee.clone());
            }
        }
    }
    found
}

fn render(groups: BTreeMap<Group, BTreeSet<String>>) -> Vec<String> {
    let mut statements = Vec::new();
    let mut acting: Option<String> = None;
    for (group, objects) in groups {
        if group.acting != acting {
            statements.push(match &group.acting {
                Some(role) => format!("SET LOCAL ROLE {}", quote_ident(role)),
                None => "RESET ROLE".to_owned(),
            });
            acting.clone_from(&group.acting);
        }
        let objects: Vec<String> = objects.into_iter().collect();
        for chunk in objects.chunks(OBJECTS_PER_STATEMENT) {
            // An empty one stands for all schemas and is no member of a list.
            let all = chunk.iter().position(String::is_empty);
            statements.extend(all.map(|_| statement(&group, "")));
            let named: Vec<&str> = chunk.iter().map(String::as_str).filter(|sql| !sql.is_empty()).collect();
            if !named.is_empty() {
                statements.push(statement(&group, &named.join(", ")));
            }
        }
    }
    if acting.is_some() {
        statements.push("RESET ROLE".to_owned());
    }
    statements
}

fn statement(group: &Group, objects: &str) -> String {
    let columns = group.columns.iter().map(|column| quote_ident(column)).collect::<Vec<_>>().join(", ");
    let word = |word: &&str| if columns.is_empty() { (*word).to_owned() } else { format!("{word} ({columns})") };
    let words = group.kind.words(group.letters).iter().map(word).collect::<Vec<_>>().join(", ");
    let grantee = |name: &String| if name == "PUBLIC" { name.clone() } else { quote_ident(name) };
    let grantees = group.grantees.iter().map(grantee).collect::<Vec<_>>().join(", ");
    let (start, to, end) = match group.verb {
        Verb::Grant => ("GRANT", "TO", ""),
        Verb::GrantOption => ("GRANT", "TO", " WITH GRANT OPTION"),
        Verb::Revoke => ("REVOKE", "FROM", ""),
        Verb::RevokeOption => ("REVOKE GRANT OPTION FOR", "FROM", ""),
    };
    match &group.creator {
        Some(creator) => format!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {}{} {start} {words} ON {} {to} {grantees}{end}",
            quote_ident(creator),
            if objects.is_empty() { String::new() } else { format!(" IN SCHEMA {objects}") },
            group.kind.plural().unwrap_or_default().to_uppercase(),
        ),
        None => format!("{start} {words} ON {} {objects} {to} {grantees}{end}", group.kind.keyword()),
    }
}
