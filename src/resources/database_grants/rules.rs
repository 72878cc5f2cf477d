//! The rules of a plan file: which role gets which privileges on what, before any look at the catalog.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Attributes, Class, Failure, Field, Type, Value};
use crate::postgres::{Lease, ObjectType, Snapshot, Wanted};

const ON_DATABASE: Type = Type::List(&Type::Word(&["CONNECT", "CREATE", "TEMPORARY", "ALL"]));
const ON_SCHEMAS: Type = Type::List(&Type::Word(&["USAGE", "CREATE", "ALL"]));
const ON_TABLES: Type = Type::List(&Type::Word(&[
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
const ON_SEQUENCES: Type = Type::List(&Type::Word(&["USAGE", "SELECT", "UPDATE", "ALL"]));
const ON_FUNCTIONS: Type = Type::List(&Type::Word(&["EXECUTE", "ALL"]));
const ON_TYPES: Type = Type::List(&Type::Word(&["USAGE", "ALL"]));

/// The fields of one rule.
pub(crate) const RULE_FIELDS: &[Field] = &[
    Field::new("role", Type::Text, "The role, managed by this plan file or not; `PUBLIC` is everybody.").or_reference(),
    Field::new(
        "schemas",
        Type::Any(&[Type::List(&Type::Text), Type::Text]),
        "The schemas the rule is about; `\"*\"` is every schema but the system's.",
    ),
    Field::new("database_privileges", ON_DATABASE, "On the database."),
    Field::new("schema", ON_SCHEMAS, "On the schemas."),
    Field::new("tables", ON_TABLES, "On every table and view in them."),
    Field::new("sequences", ON_SEQUENCES, "On every sequence."),
    Field::new("functions", ON_FUNCTIONS, "On every function, procedure and aggregate."),
    Field::new("types", ON_TYPES, "On every type and domain."),
    Field::new("future", Type::Bool, "Also for objects made tomorrow, by every role that has made some there."),
];

/// The field of a rule that holds an object type's privileges.
fn field(kind: ObjectType) -> &'static str {
    match kind {
        ObjectType::Database => "database_privileges",
        ObjectType::Schema => "schema",
        ObjectType::Table => "tables",
        ObjectType::Sequence => "sequences",
        ObjectType::Function => "functions",
        ObjectType::Type => "types",
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The role; `PUBLIC` is everybody.
    pub(crate) role: String,
    /// The schemas; `None` is all.
    pub(crate) schemas: Option<BTreeSet<String>>,
    /// Privileges by kind of object, as words in upper case; `ALL` among them.
    pub(crate) words: BTreeMap<ObjectType, BTreeSet<String>>,
    /// Also for tomorrow's objects.
    pub(crate) future: bool,
}

impl Rule {
    /// Whether it is about this schema.
    pub(crate) fn covers(&self, schema: &str) -> bool {
        self.schemas.as_ref().is_none_or(|schemas| schemas.contains(schema))
    }

    /// The letters it wants on a kind of object, by this server's version.
    pub(crate) fn letters(&self, kind: ObjectType, snapshot: &Snapshot) -> BTreeSet<char> {
        let words = self.words.get(&kind).into_iter().flatten();
        words
            .flat_map(|word| match kind.privilege(word) {
                Some(letter) => vec![letter],
                None => snapshot.all(kind).chars().collect(),
            })
            .collect()
    }
}

/// Reads a list of rules; what is not one is a [`Class::Input`] failure.
pub(crate) fn rules(list: Option<&Value>) -> Result<Vec<Rule>, Failure> {
    let list = list.and_then(Value::as_list).unwrap_or_default();
    list.iter().map(|rule| rule.as_map().ok_or_else(|| wrong("a rule is a table")).and_then(rule_of)).collect()
}

fn wrong(what: impl Into<String>) -> Failure {
    Failure::new(Class::Input, what)
}

fn rule_of(table: &Attributes) -> Result<Rule, Failure> {
    let role = table.get("role").and_then(Value::as_text).ok_or_else(|| wrong("a rule needs a role"))?.to_owned();
    let schemas = match table.get("schemas") {
        Some(Value::Text(star)) if star == "*" => None,
        Some(Value::Text(one)) => Some(BTreeSet::from([one.clone()])),
        other => Some(texts(other)?),
    };
    let mut words = BTreeMap::new();
    for kind in ObjectType::ALL {
        let named: BTreeSet<String> = texts(table.get(field(kind)))?.iter().map(|word| word.to_uppercase()).collect();
        for word in &named {
            if kind.privilege(word).is_none() && !["ALL", "ALL PRIVILEGES"].contains(&word.as_str()) {
                let known: Vec<&str> = kind.privileges().iter().map(|(_, word)| *word).collect();
                return Err(wrong(format!("{word} is no privilege on a {kind}"))
                    .remedy(format!("a {kind} knows {} and ALL", known.join(", "))));
            }
        }
        if !named.is_empty() {
            words.insert(kind, named);
        }
    }
    let future = table.get("future").and_then(Value::as_bool).unwrap_or(false);
    Ok(Rule { role, schemas, words, future })
}

fn texts(value: Option<&Value>) -> Result<BTreeSet<String>, Failure> {
    match value {
        None | Some(Value::Null) => Ok(BTreeSet::new()),
        Some(Value::List(list)) => list
            .iter()
            .map(|item| item.as_text().map(str::to_owned).ok_or_else(|| wrong("a list of names holds something else")))
            .collect(),
        Some(_) => Err(wrong("expected a list of names")),
    }
}

/// What has to be read for these rules.
pub(crate) fn wanted(rules: &[Rule]) -> Wanted {
    let mut kinds: BTreeSet<ObjectType> = rules.iter().flat_map(|rule| rule.words.keys().copied()).collect();
    if rules.iter().any(|rule| rule.future) {
        kinds.extend([ObjectType::Table, ObjectType::Sequence, ObjectType::Function]);
    }
    let all = rules.iter().any(|rule| rule.schemas.is_none());
    let named = rules.iter().filter_map(|rule| rule.schemas.as_ref()).flatten().cloned().collect::<BTreeSet<_>>();
    Wanted { schemas: (!all).then(|| named.into_iter().collect()), kinds, oids: None }
}

/// Refuses schemas that a rule names and the database does not have.
pub(crate) async fn schemas_exist(rules: &[Rule], snapshot: &Snapshot, lease: &mut Lease) -> Result<(), Failure> {
    let there = schemas(snapshot);
    let named = rules.iter().filter_map(|rule| rule.schemas.as_ref()).flatten();
    let Some(name) = named.into_iter().find(|name| !there.contains(name.as_str())) else { return Ok(()) };
    let failure = wrong(format!("database {} has no schema {name:?}", lease.database()));
    let all = Snapshot::read(lease, &Wanted::default()).await?;
    let all = schemas(&all);
    let close = |other: &&&str| other.eq_ignore_ascii_case(name) || other.trim() == name.trim();
    Err(match all.iter().find(close) {
        Some(other) => failure.remedy(format!("did you mean {other:?}?")),
        None => failure.remedy(format!("it has: {}", all.into_iter().collect::<Vec<_>>().join(", "))),
    })
}

fn schemas(snapshot: &Snapshot) -> BTreeSet<&str> {
    let schemas = snapshot.objects.iter().filter(|object| object.name.kind == ObjectType::Schema);
    schemas.map(|object| object.name.name.as_str()).collect()
}
