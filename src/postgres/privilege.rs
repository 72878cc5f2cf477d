//! Privileges: the letters of PostgreSQL's ACLs, their words, and which kinds of object know them.

use std::fmt;

use super::letters::LetterSet;

/// A kind of object that privileges are granted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectType {
    /// The database itself.
    Database,
    /// A schema.
    Schema,
    /// An ordinary table.
    Table,
    /// A partitioned table.
    PartitionedTable,
    /// A foreign table.
    ForeignTable,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// One column of any of the five above.
    Column,
    /// A sequence.
    Sequence,
    /// A function, aggregate or window function.
    Function,
    /// A procedure.
    Procedure,
    /// A type.
    Type,
    /// A domain.
    Domain,
    /// A procedural language.
    Language,
    /// A large object.
    LargeObject,
}

/// What is fixed about a kind: word, catalog letter, keyword in GRANT, words of default privileges.
type Facts = (&'static str, char, &'static str, Option<&'static str>);

impl ObjectType {
    /// All of them, in the order in which privileges are granted.
    pub const ALL: [Self; 15] = [
        Self::Database,
        Self::Schema,
        Self::Table,
        Self::PartitionedTable,
        Self::ForeignTable,
        Self::View,
        Self::MaterializedView,
        Self::Column,
        Self::Sequence,
        Self::Function,
        Self::Procedure,
        Self::Type,
        Self::Domain,
        Self::Language,
        Self::LargeObject,
    ];

    /// The kinds that PostgreSQL's GRANT calls a table.
    pub const RELATIONS: [Self; 5] =
        [Self::Table, Self::PartitionedTable, Self::ForeignTable, Self::View, Self::MaterializedView];

    fn facts(self) -> Facts {
        match self {
            Self::Database => ("database", 'd', "DATABASE", None),
            Self::Schema => ("schema", 'n', "SCHEMA", Some("schemas")),
            Self::Table => ("table", 'r', "TABLE", Some("tables")),
            Self::PartitionedTable => ("partitioned table", 'p', "TABLE", None),
            Self::ForeignTable => ("foreign table", 'F', "TABLE", None),
            Self::View => ("view", 'v', "TABLE", None),
            Self::MaterializedView => ("materialized view", 'm', "TABLE", None),
            Self::Column => ("column", 'c', "TABLE", None),
            Self::Sequence => ("sequence", 'S', "SEQUENCE", Some("sequences")),
            Self::Function => ("function", 'f', "ROUTINE", Some("functions")),
            Self::Procedure => ("procedure", 'P', "ROUTINE", None),
            Self::Type => ("type", 'T', "TYPE", Some("types")),
            Self::Domain => ("domain", 'D', "TYPE", None),
            Self::Language => ("language", 'l', "LANGUAGE", None),
            Self::LargeObject => ("large object", 'L', "LARGE OBJECT", None),
        }
    }

    /// The words in entries and reports.
    pub fn word(self) -> &'static str {
        self.facts().0
    }

    /// The letter that the catalog queries in `sql/` use.
    pub fn letter(self) -> char {
        self.facts().1
    }

    /// The keyword in `GRANT ... ON <keyword>`; ROUTINE covers functions, procedures and aggregates.
    pub fn keyword(self) -> &'static str {
        self.facts().2
    }

    /// The words of `ALTER DEFAULT PRIVILEGES`, where there are default privileges of its own for a kind. Views follow
    /// tables, procedures functions, domains types.
    pub fn plural(self) -> Option<&'static str> {
        self.facts().3
    }

    /// The kind that a letter of a catalog query stands for.
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| letter.chars().eq([kind.letter()]))
    }

    /// The kind whose built-in and default privileges a kind shares.
    #[must_use]
    pub fn base(self) -> Self {
        match self {
            Self::PartitionedTable | Self::ForeignTable | Self::View | Self::MaterializedView => Self::Table,
            Self::Procedure => Self::Function,
            Self::Domain => Self::Type,
            other => other,
        }
    }

    /// Whether its objects live in schemas.
    pub fn in_schema(self) -> bool {
        !matches!(self, Self::Database | Self::Schema | Self::Language | Self::LargeObject)
    }

    /// The letters and words of the privileges it knows (PostgreSQL manual, table "ACL Privilege Abbreviations").
    pub fn privileges(self) -> &'static [(char, &'static str)] {
        match self.base() {
            Self::Database => &[('C', "CREATE"), ('c', "CONNECT"), ('T', "TEMPORARY")],
            Self::Schema => &[('U', "USAGE"), ('C', "CREATE")],
            Self::Column => &[('r', "SELECT"), ('a', "INSERT"), ('w', "UPDATE"), ('x', "REFERENCES")],
            Self::Sequence => &[('U', "USAGE"), ('r', "SELECT"), ('w', "UPDATE")],
            Self::Function => &[('X', "EXECUTE")],
            Self::Type | Self::Language => &[('U', "USAGE")],
            Self::LargeObject => &[('r', "SELECT"), ('w', "UPDATE")],
            _ => &[
                ('r', "SELECT"),
                ('a', "INSERT"),
                ('w', "UPDATE"),
                ('d', "DELETE"),
                ('D', "TRUNCATE"),
                ('x', "REFERENCES"),
                ('t', "TRIGGER"),
                ('m', "MAINTAIN"),
            ],
        }
    }

    /// The letter of a privilege, by its word in any case. `TEMP` is TEMPORARY.
    pub fn privilege(self, word: &str) -> Option<char> {
        let word = if word.eq_ignore_ascii_case("TEMP") { "TEMPORARY" } else { word };
        self.privileges().iter().find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(letter, _)| *letter)
    }

    /// The words of these letters, in the manual's order. Letters that the kind does not know are left out.
    pub fn words(self, letters: LetterSet) -> Vec<&'static str> {
        self.privileges().iter().filter(|(letter, _)| letters.has(*letter)).map(|(_, word)| *word).collect()
    }
}

impl fmt::Display for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
