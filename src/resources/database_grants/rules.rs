//! The rules of a plan file: which role gets which privileges on what, before any look at the catalog.

use std::collections::{BTreeMap, BTreeSet};

use super::select::Selector;
use crate::model::{Attributes, Class, Failure, Field, Type, Value};
use crate::postgres::{LetterSet, Object, ObjectName, ObjectType, Snapshot, Wanted};

const TEXTS: Type = Type::List(&Type::Text);
const TABLE: Type = Type::List(&Type::Word(&[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
    "ALL",
]));
const COLUMN: Type = Type::Map(&Type::Map(&TEXTS));

/// The fields of one rule.
pub(crate) const RULE_FIELDS: &[Field] = &[
    Field::new("role", Type::Text, "The role, managed by this plan file or not; `PUBLIC` is everybody.").or_reference(),
    Field::new(
        "schemas",
        Type::Any(&[TEXTS, Type::Text]),
        "The schemas the rule is about; `\"*\"` is every schema but the system's, also those made tomorrow.",
    ),
    Field::new(
        "database_privileges",
        Type::List(&Type::Word(&["CONNECT", "CREATE", "TEMPORARY", "ALL"])),
        "On the database itself.",
    ),
    Field::new("schema", Type::List(&Type::Word(&["USAGE", "CREATE", "ALL"])), "On the schemas themselves."),
    Field::new(
        "tables",
        TABLE,
        "On every table, and on views, materialized views, partitioned and foreign tables too, unless the rule has a list \
         of their own for them. `MAINTAIN` needs PostgreSQL 17.",
    ),
    Field::new("partitioned_tables", TABLE, "On partitioned tables, instead of what `tables` says."),
    Field::new("foreign_tables", TABLE, "On foreign tables, instead of what `tables` says."),
    Field::new("views", TABLE, "On views, instead of what `tables` says; `[]` leaves them out."),
    Field::new("materialized_views", TABLE, "On materialized views, instead of what `tables` says."),
    Field::new(
        "columns",
        COLUMN,
        "On single columns: table -> privilege (SELECT, INSERT, UPDATE, REFERENCES) -> columns, as in \
         `{ \"geo.collections\" = { SELECT = [\"id\", \"title\"] } }`.",
    ),
    Field::new("sequences", Type::List(&Type::Word(&["USAGE", "SELECT", "UPDATE", "ALL"])), "On every sequence."),
    Field::new(
        "functions",
        Type::List(&Type::Word(&["EXECUTE", "ALL"])),
        "On every function and aggregate, all overloads, and on procedures unless they have a list of their own.",
    ),
    Field::new(
        "procedures",
        Type::List(&Type::Word(&["EXECUTE", "ALL"])),
        "On procedures, instead of what `functions` says.",
    ),
    Field::new(
        "types",
        Type::List(&Type::Word(&["USAGE", "ALL"])),
        "On every type, and on domains unless they have a list of their own.",
    ),
    Field::new("domains", Type::List(&Type::Word(&["USAGE", "ALL"])), "On domains, instead of what `types` says."),
    Field::new("languages", TEXTS, "Procedural languages that the role may write functions in (USAGE)."),
    Field::new(
        "large_objects",
        Type::List(&Type::Word(&["SELECT", "UPDATE", "ALL"])),
        "On every large object that is there now.",
    ),
    Field::new(
        "only",
        TEXTS,
        "The objects in the schemas that the rule is about, instead of all: `name`, `schema.name`, a routine also as \
         `schema.name(types)`; `*` stands for any characters. A name with a dot or star of its own goes in double quotes.",
    ),
    Field::new("except", TEXTS, "Objects in the schemas that the rule is not about, named like those of `only`."),
    Field::new("grant_option", Type::Bool, "Whether the role may grant them to others. Default: false."),
    Field::new(
        "future",
        Type::Any(&[Type::Bool, TEXTS]),
        "Also grant them on objects made tomorrow, by default privileges: `true` for every role that has made something \
         in the schemas, or the names of the roles that make objects. With schemas `\"*\"` they hold in every schema.",
    ),
];

/// The field of a rule that holds the privileges on a kind of object.
pub(super) fn field(kind: ObjectType) -> Option<&'static str> {
    Some(match kind {
        ObjectType::Database => "database_privileges",
        ObjectType::Schema => "schema",
        ObjectType::Table => "tables",
        ObjectType::PartitionedTable => "partitioned_tables",
        ObjectType::ForeignTable => "foreign_tables",
        ObjectType::View => "views",
        ObjectType::MaterializedView => "materialized_views",
        ObjectType::Sequence => "sequences",
        ObjectType::Function => "functions",
        ObjectType::Procedure => "procedures",
        ObjectType::Type => "types",
        ObjectType::Domain => "domains",
        ObjectType::LargeObject => "large_objects",
        ObjectType::Column | ObjectType::Language => return None,
    })
}

/// For whose objects of tomorrow a rule holds too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Future {
    /// Nobody's.
    #[default]
    No,
    /// Those of every role that has made something.
    Found,
    /// Those of these roles.
    By(BTreeSet<String>),
}

/// Columns of one table by privilege.
type Columns = BTreeMap<String, BTreeSet<String>>;
/// Schema and name of a table, and its columns.
type Table = ((String, String), Columns);

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Where it stands: `grants.0`.
    pub(crate) path: String,
    /// The role; `PUBLIC` is everybody.
    pub(crate) role: String,
    /// Whether the plan file itself makes the role.
    pub(crate) managed: bool,
    /// The schemas; `None` is all.
    pub(crate) schemas: Option<BTreeSet<String>>,
    /// Privileges by kind of object, as words in upper case; `ALL` among them.
    words: BTreeMap<ObjectType, BTreeSet<String>>,
    /// Columns by table, as the plan file names it, with its schema and name.
    pub(crate) columns: BTreeMap<String, Table>,
    /// Procedural languages.
    pub(crate) languages: BTreeSet<String>,
    /// The objects that are meant; `None` is all.
    pub(crate) only: Option<Vec<Selector>>,
    /// The objects that are not.
    pub(crate) except: Vec<Selector>,
    /// Also the right to grant them.
    pub(crate) option: bool,
    /// Also for tomorrow's objects.
    pub(crate) future: Future,
}

impl Rule {
    /// Whether it is about this schema.
    pub(crate) fn covers(&self, schema: &str) -> bool {
        self.schemas.as_ref().is_none_or(|schemas| schemas.contains(schema))
    }

    /// Whether it names single objects, so that it may differ within a schema.
    pub(crate) fn selects(&self) -> bool {
        self.only.is_some() || !self.except.is_empty()
    }

    /// Whether it is about an object of a schema that it covers.
    pub(crate) fn means(&self, object: &ObjectName) -> bool {
        let named = |selectors: &[Selector]| selectors.iter().any(|selector| selector.matches(object));
        self.only.as_ref().is_none_or(|only| named(only)) && !named(&self.except)
    }

    /// The kinds that it grants something on.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = ObjectType> {
        ObjectType::ALL.into_iter().filter(|kind| self.words(*kind).is_some_and(|words| !words.is_empty()))
    }

    /// The privileges it names for a kind of object, as words in upper case.
    pub(crate) fn words(&self, kind: ObjectType) -> Option<&BTreeSet<String>> {
        self.words.get(&kind).or_else(|| self.words.get(&kind.base()))
    }

    /// The letters it wants on a kind of object, by this server's version.
    pub(crate) fn letters(&self, kind: ObjectType, snapshot: &Snapshot) -> LetterSet {
        letters(kind, self.words(kind).into_iter().flatten(), snapshot)
    }

    /// The letters it wants on one object.
    pub(crate) fn letters_on(&self, object: &Object, snapshot: &Snapshot) -> LetterSet {
        let name = &object.name;
        let about = match name.kind {
            ObjectType::Column => return self.column_letters(name, snapshot),
            ObjectType::Language => {
                return if self.languages.contains(&name.name) {
                    snapshot.all(name.kind)
                } else {
                    LetterSet::default()
                };
            }
            ObjectType::Database | ObjectType::LargeObject => true,
            ObjectType::Schema => self.covers(&name.name),
            _ => self.covers(&name.schema) && self.means(name),
        };
        if about { self.letters(name.kind, snapshot) } else { LetterSet::default() }
    }

    /// The letters it wants on one column.
    pub(crate) fn column_letters(&self, column: &ObjectName, snapshot: &Snapshot) -> LetterSet {
        let of = |((schema, table), _): &&Table| *schema == column.schema && *table == column.name;
        let columns = self.columns.values().filter(of).flat_map(|(_, columns)| columns);
        let words = columns.filter(|(_, columns)| columns.contains(&column.inner)).map(|(word, _)| word);
        letters(ObjectType::Column, words, snapshot)
    }
}

fn letters<'a>(kind: ObjectType, words: impl Iterator<Item = &'a String>, snapshot: &Snapshot) -> LetterSet {
    let all = snapshot.all(if kind == ObjectType::Column { ObjectType::Table } else { kind });
    words.fold(LetterSet::default(), |set, word| match kind.privilege(word) {
        Some(letter) => set.or([letter].into_iter().collect()),
        None => set.or(kind.privileges().iter().map(|(letter, _)| *letter).collect::<LetterSet>().and(all)),
    })
}

/// Reads a list of rules at `path`; what is not one is a [`Class::Input`] failure.
pub(crate) fn rules(path: &str, list: Option<&Value>) -> Result<Vec<Rule>, Failure> {
    let list = list.and_then(Value::as_list).unwrap_or_default().iter().enumerate();
    list.map(|(at, rule)| {
        let table = rule.as_map().ok_or_else(|| wrong("a rule is a table"))?;
        rule_of(format!("{path}.{at}"), table)
    })
    .collect()
}

fn wrong(what: impl Into<String>) -> Failure {
    let failure = Failure::new(Class::Input, "the grants cannot be read").detail(what);
    failure.remedy("write them as `pgentra schema` describes `database_grants`")
}

fn rule_of(path: String, table: &Attributes) -> Result<Rule, Failure> {
    let role = table.get("role").and_then(Value::as_text).ok_or_else(|| wrong("a rule needs a role"))?.to_owned();
    let schemas = match table.get("schemas") {
        Some(Value::Text(star)) if star == "*" => None,
        Some(Value::Text(one)) => Some(BTreeSet::from([one.clone()])),
        other => Some(texts(other)?.into_iter().collect()),
    };
    let mut words = BTreeMap::new();
    for (kind, field) in ObjectType::ALL.into_iter().filter_map(|kind| Some((kind, field(kind)?))) {
        if table.contains_key(field) {
            words.insert(kind, privileges(kind, &texts(table.get(field))?)?);
        }
    }
    let selectors = |field: &str| -> Result<Vec<Selector>, Failure> {
        texts(table.get(field))?.iter().map(|text| Selector::parse(text).map_err(wrong)).collect()
    };
    let future = match table.get("future") {
        Some(Value::Bool(true)) => Future::Found,
        Some(Value::List(_)) => Future::By(texts(table.get("future"))?.into_iter().collect()),
        _ => Future::No,
    };
    Ok(Rule {
        role,
        managed: table.get("managed").and_then(Value::as_bool) == Some(true),
        columns: columns(table.get("columns"), schemas.as_ref())?,
        languages: texts(table.get("languages"))?.into_iter().collect(),
        only: table.contains_key("only").then(|| selectors("only")).transpose()?,
        except: selectors("except")?,
        option: table.get("grant_option").and_then(Value::as_bool) == Some(true),
        path,
        schemas,
        words,
        future,
    })
}

fn privileges(kind: ObjectType, words: &[String]) -> Result<BTreeSet<String>, Failure> {
    let words: BTreeSet<String> = words.iter().map(|word| word.to_uppercase()).collect();
    let unknown = words.iter().find(|word| kind.privilege(word).is_none() && *word != "ALL");
    match unknown {
        None => Ok(words),
        Some(word) => {
            let known: Vec<&str> = kind.privileges().iter().map(|(_, word)| *word).collect();
            Err(wrong(format!("{word} is no privilege on a {kind}"))
                .remedy(format!("a {kind} knows {} and ALL", known.join(", "))))
        }
    }
}

fn columns(value: Option<&Value>, schemas: Option<&BTreeSet<String>>) -> Result<BTreeMap<String, Table>, Failure> {
    let only_schema = schemas.filter(|schemas| schemas.len() == 1).and_then(BTreeSet::first).map(String::as_str);
    let mut found = BTreeMap::new();
    for (text, by_word) in value.and_then(Value::as_map).into_iter().flatten() {
        let table = Selector::parse(text).map_err(wrong)?.exact(only_schema).ok_or_else(|| {
            wrong(format!("columns: {text:?} does not name one table")).remedy("write it as schema.table")
        })?;
        let mut columns = Columns::new();
        for (word, list) in by_word.as_map().into_iter().flatten() {
            for word in privileges(ObjectType::Column, std::slice::from_ref(word))? {
                columns.entry(word).or_default().extend(texts(Some(list))?);
            }
        }
        found.insert(text.clone(), (table, columns));
    }
    Ok(found)
}

fn texts(value: Option<&Value>) -> Result<Vec<String>, Failure> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::List(list)) => list
            .iter()
            .map(|item| item.as_text().map(str::to_owned).ok_or_else(|| wrong("a list of names holds something else")))
            .collect(),
        Some(_) => Err(wrong("expected a list of names")),
    }
}

/// The kinds of objects by whose owners one knows who makes objects.
pub(crate) const CREATED: [ObjectType; 8] = [
    ObjectType::Table,
    ObjectType::PartitionedTable,
    ObjectType::ForeignTable,
    ObjectType::View,
    ObjectType::MaterializedView,
    ObjectType::Sequence,
    ObjectType::Function,
    ObjectType::Procedure,
];

/// What has to be read for these rules: of every schema, since privileges elsewhere are reported too.
pub(crate) fn wanted<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Wanted {
    let mut wanted = Wanted::default();
    for rule in rules {
        wanted.kinds.extend(rule.kinds());
        if rule.future == Future::Found {
            wanted.kinds.extend(CREATED);
        }
        if !rule.languages.is_empty() {
            wanted.kinds.insert(ObjectType::Language);
        }
        for ((schema, table), columns) in rule.columns.values() {
            // Their tables too, to tell a missing table from a missing column.
            wanted.kinds.extend(ObjectType::RELATIONS);
            let names = columns.values().flatten();
            wanted.columns.extend(names.map(|column| (schema.clone(), table.clone(), column.clone())));
        }
    }
    wanted
}
