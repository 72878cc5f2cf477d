//! Privileges: the letters of PostgreSQL's ACLs, their words, and which kinds of object know them.

use std::fmt;

use crate::model::Letters;

/// A kind of object that privileges are granted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectType {
    /// The database itself.
    Database,
    /// A schema.
    Schema,
    /// A table, view, materialized view, partitioned or foreign table.
    Table,
    /// A sequence.
    Sequence,
    /// A function, procedure, aggregate or window function.
    Function,
    /// A type or domain.
    Type,
}

impl ObjectType {
    /// All of them, in the order in which privileges are granted.
    pub const ALL: [Self; 6] = [Self::Database, Self::Schema, Self::Table, Self::Sequence, Self::Function, Self::Type];

    /// The word in entries and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::Sequence => "sequence",
            Self::Function => "function",
            Self::Type => "type",
        }
    }

    /// The kind that a word of an entry names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The letter that the catalog queries in `sql/` and `acldefault` use (and `pg_default_acl`, where it has it).
    pub fn letter(self) -> char {
        match self {
            Self::Database => 'd',
            Self::Schema => 'n',
            Self::Table => 'r',
            Self::Sequence => 'S',
            Self::Function => 'f',
            Self::Type => 'T',
        }
    }

    /// The kind that a letter of a catalog query stands for.
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| letter.chars().eq([kind.letter()]))
    }

    /// The keyword in `GRANT ... ON <keyword>`; ROUTINE covers functions, procedures and aggregates.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Database => "DATABASE",
            Self::Schema => "SCHEMA",
            Self::Table => "TABLE",
            Self::Sequence => "SEQUENCE",
            Self::Function => "ROUTINE",
            Self::Type => "TYPE",
        }
    }

    /// The words of `ALTER DEFAULT PRIVILEGES`, where a kind has default privileges inside a schema.
    pub fn plural(self) -> Option<&'static str> {
        match self {
            Self::Table => Some("tables"),
            Self::Sequence => Some("sequences"),
            Self::Function => Some("functions"),
            Self::Type => Some("types"),
            Self::Database | Self::Schema => None,
        }
    }

    /// The letters and words of the privileges it knows (PostgreSQL manual, table "ACL Privilege Abbreviations").
    pub fn privileges(self) -> &'static [(char, &'static str)] {
        match self {
            Self::Database => &[('C', "CREATE"), ('c', "CONNECT"), ('T', "TEMPORARY")],
            Self::Schema => &[('U', "USAGE"), ('C', "CREATE")],
            Self::Table => &[
                ('r', "SELECT"),
                ('a', "INSERT"),
                ('w', "UPDATE"),
                ('d', "DELETE"),
                ('D', "TRUNCATE"),
                ('x', "REFERENCES"),
                ('t', "TRIGGER"),
                ('m', "MAINTAIN"),
            ],
            Self::Sequence => &[('U', "USAGE"), ('r', "SELECT"), ('w', "UPDATE")],
            Self::Function => &[('X', "EXECUTE")],
            Self::Type => &[('U', "USAGE")],
        }
    }

    /// The letter of a privilege, by its word in any case. `TEMP` is TEMPORARY.
    pub fn privilege(self, word: &str) -> Option<char> {
        let word = if word.eq_ignore_ascii_case("TEMP") { "TEMPORARY" } else { word };
        self.privileges().iter().find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(letter, _)| *letter)
    }

    /// The words of these letters, in the manual's order. Letters that the kind does not know are left out.
    pub fn words(self, letters: &Letters) -> Vec<&'static str> {
        self.privileges().iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, word)| *word).collect()
    }
}

impl fmt::Display for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
