//! The tables of a plan file that are about grants, with the privileges that PostgreSQL knows.

use super::describe::FOR_EACH;
use super::names;
use crate::model::{Field, Type};

const TEXTS: Type = Type::List(&Type::Text);

/// Privileges by the field of a grant that lists them (PostgreSQL 17, "Privileges"; MAINTAIN is new there).
pub(super) const PRIVILEGES: [(&str, &[&str]); 13] = [
    ("database_privileges", DATABASE),
    ("schema", SCHEMA),
    ("tables", TABLES),
    ("partitioned_tables", TABLES),
    ("foreign_tables", TABLES),
    ("views", TABLES),
    ("materialized_views", TABLES),
    ("sequences", SEQUENCES),
    ("functions", FUNCTIONS),
    ("procedures", FUNCTIONS),
    ("types", TYPES),
    ("domains", TYPES),
    ("large_objects", LARGE_OBJECTS),
];

/// The privileges that a column knows.
pub(super) const COLUMNS: &[&str] = &["SELECT", "INSERT", "UPDATE", "REFERENCES", "ALL"];

/// The fields of a grant that are about things in schemas, by which it says nothing without `schemas`.
pub(super) const IN_SCHEMAS: [&str; 11] = [
    "schema",
    "tables",
    "partitioned_tables",
    "foreign_tables",
    "views",
    "materialized_views",
    "sequences",
    "functions",
    "procedures",
    "types",
    "domains",
];

const DATABASE: &[&str] = &["CONNECT", "CREATE", "TEMPORARY", "ALL"];
const SCHEMA: &[&str] = &["USAGE", "CREATE", "ALL"];
const TABLES: &[&str] =
    &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN", "ALL"];
const SEQUENCES: &[&str] = &["USAGE", "SELECT", "UPDATE", "ALL"];
const FUNCTIONS: &[&str] = &["EXECUTE", "ALL"];
const TYPES: &[&str] = &["USAGE", "ALL"];
const LARGE_OBJECTS: &[&str] = &["SELECT", "UPDATE", "ALL"];

/// One rule of `[[role.x.grants]]`.
pub(super) const GRANT: &[Field] = &[
    Field::new("database", Type::Text, "The database.").required().checked(names::identifier),
    Field::new("database_privileges", Type::List(&Type::Word(DATABASE)), "Privileges on the database itself."),
    Field::new(
        "schemas",
        Type::Any(&[TEXTS, Type::Word(&["*"])]),
        "The schemas that the following privileges are about; `\"*\"` for all but the system's.",
    )
    .checked(names::identifier),
    Field::new("schema", Type::List(&Type::Word(SCHEMA)), "Privileges on the schemas themselves."),
    Field::new(
        "tables",
        Type::List(&Type::Word(TABLES)),
        "Privileges on all tables in the schemas, and on views, materialized views, partitioned and foreign tables too, \
         unless the rule has a list of their own for them. `MAINTAIN` needs PostgreSQL 17.",
    ),
    Field::new(
        "partitioned_tables",
        Type::List(&Type::Word(TABLES)),
        "Privileges on partitioned tables, instead of what `tables` says.",
    ),
    Field::new(
        "foreign_tables",
        Type::List(&Type::Word(TABLES)),
        "Privileges on foreign tables, instead of what `tables` says.",
    ),
    Field::new(
        "views",
        Type::List(&Type::Word(TABLES)),
        "Privileges on views, instead of what `tables` says; `[]` leaves views out.",
    ),
    Field::new(
        "materialized_views",
        Type::List(&Type::Word(TABLES)),
        "Privileges on materialized views, instead of what `tables` says.",
    ),
    Field::new(
        "columns",
        Type::Map(&Type::Map(&TEXTS)),
        "Privileges on single columns: table -> privilege -> columns, as in \
         `{ \"geo.collections\" = { SELECT = [\"id\", \"title\"] } }`.",
    ),
    Field::new("sequences", Type::List(&Type::Word(SEQUENCES)), "Privileges on all sequences in the schemas."),
    Field::new(
        "functions",
        Type::List(&Type::Word(FUNCTIONS)),
        "Privileges on all functions and aggregates in the schemas, every overload, and on procedures unless they have a \
         list of their own.",
    ),
    Field::new(
        "procedures",
        Type::List(&Type::Word(FUNCTIONS)),
        "Privileges on procedures, instead of what `functions` says.",
    ),
    Field::new(
        "types",
        Type::List(&Type::Word(TYPES)),
        "Privileges on all types in the schemas, and on domains unless they have a list of their own.",
    ),
    Field::new("domains", Type::List(&Type::Word(TYPES)), "Privileges on domains, instead of what `types` says."),
    Field::new("languages", TEXTS, "Procedural languages that it may write functions in (USAGE).")
        .checked(names::identifier),
    Field::new(
        "large_objects",
        Type::List(&Type::Word(LARGE_OBJECTS)),
        "Privileges on all large objects that are there now.",
    ),
    Field::new(
        "only",
        TEXTS,
        "The objects in the schemas that the rule is about, instead of all: `name`, `schema.name`, a routine also as \
         `schema.name(types)`; `*` stands for any characters. A name with a dot or star of its own goes in double quotes.",
    )
    .checked(names::object),
    Field::new("except", TEXTS, "Objects in the schemas that the rule is not about, named like those of `only`.")
        .checked(names::object),
    Field::new("grant_option", Type::Bool, "Whether the role may grant them to others. Default: false."),
    Field::new(
        "future",
        Type::Any(&[Type::Bool, TEXTS]),
        "Also grant them on what will be created there later, by default privileges: `true` for every role that creates \
         objects there, or the names of the roles that do. With schemas `\"*\"` they hold in every schema. Default: false.",
    )
    .checked(names::identifier),
    FOR_EACH,
];
