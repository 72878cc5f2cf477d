//! Entries: how one object or one set of default privileges is called in steps, journals and reports.

use std::fmt;

use super::privilege::ObjectType;
use super::quote::{is_signature, quote_ident, show_ident, take_ident};

/// One object as an entry names it: `table geo.features #16412`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// Which kind of object.
    pub kind: ObjectType,
    /// Its schema; empty for databases and schemas.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The types of a function's arguments as the catalog writes them; empty for all other kinds.
    pub arguments: String,
}

impl ObjectName {
    /// The entry of the object with this oid.
    pub fn entry(&self, oid: u32) -> String {
        format!("{self} #{oid}")
    }

    /// Reads an entry; `None` when it is not one.
    pub fn parse(entry: &str) -> Option<(Self, u32)> {
        let (text, oid) = entry.rsplit_once(" #")?;
        let (kind, text) = text.split_once(' ')?;
        let kind = ObjectType::from_word(kind)?;
        let (first, rest) = take_ident(text)?;
        let (schema, name, rest) = match rest.strip_prefix('.') {
            Some(rest) => take_ident(rest).map(|(name, rest)| (first, name, rest))?,
            None => (String::new(), first, rest),
        };
        let arguments = if kind == ObjectType::Function {
            rest.strip_prefix('(')?.strip_suffix(')').filter(|text| is_signature(text))?
        } else if rest.is_empty() {
            ""
        } else {
            return None;
        };
        let qualified = !matches!(kind, ObjectType::Database | ObjectType::Schema);
        let name = Self { kind, schema, name, arguments: arguments.to_owned() };
        (qualified != name.schema.is_empty()).then_some((name, oid.parse().ok()?))
    }

    /// How SQL calls it.
    pub fn sql(&self) -> String {
        let name = quote_ident(&self.name);
        match self.kind {
            ObjectType::Database | ObjectType::Schema => name,
            ObjectType::Function => format!("{}.{name}({})", quote_ident(&self.schema), self.arguments),
            _ => format!("{}.{name}", quote_ident(&self.schema)),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.schema.is_empty() {
            write!(f, "{}.", show_ident(&self.schema))?;
        }
        f.write_str(&show_ident(&self.name))?;
        if self.kind == ObjectType::Function { write!(f, "({})", self.arguments) } else { Ok(()) }
    }
}

/// The default privileges of what one role creates in one schema: `owner in schema geo on tables`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Defaults {
    /// The role that creates objects.
    pub creator: String,
    /// The schema it creates them in.
    pub schema: String,
    /// Which kind of objects.
    pub kind: ObjectType,
}

impl Defaults {
    /// Reads an entry; `None` when it is not one.
    pub fn parse(entry: &str) -> Option<Self> {
        let (creator, rest) = take_ident(entry)?;
        let (schema, rest) = take_ident(rest.strip_prefix(" in schema ")?)?;
        let plural = rest.strip_prefix(" on ")?;
        let kind = ObjectType::ALL.into_iter().find(|kind| kind.plural() == Some(plural))?;
        Some(Self { creator, schema, kind })
    }
}

impl fmt::Display for Defaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (creator, schema) = (show_ident(&self.creator), show_ident(&self.schema));
        write!(f, "{creator} in schema {schema} on {}", self.kind.plural().unwrap_or("objects"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Defaults, ObjectName};
    use crate::postgres::privilege::ObjectType;
    use proptest::prelude::*;

    #[test]
    fn entries_read_well() {
        let table = ObjectName {
            kind: ObjectType::Table,
            schema: "geo".into(),
            name: "features".into(),
            arguments: String::new(),
        };
        assert_eq!(table.entry(16412), "table geo.features #16412");
        let area =
            ObjectName { kind: ObjectType::Function, name: "a b".into(), arguments: "public.geometry".into(), ..table };
        assert_eq!(area.entry(7), "function geo.\"a b\"(public.geometry) #7");
        assert_eq!(area.sql(), "\"geo\".\"a b\"(public.geometry)");
    }

    #[test]
    fn a_tampered_entry_is_refused() {
        for entry in [
            "table geo.features",
            "table features #1",
            "schema a.b #1",
            "table a.b; DROP TABLE x #1",
            "function a.b(integer) TO x; -- ) #1",
            "nonsense a.b #1",
        ] {
            assert_eq!(ObjectName::parse(entry), None, "{entry}");
        }
        assert_eq!(Defaults::parse("a in schema b on databases"), None);
    }

    proptest! {
        #[test]
        fn entries_are_read_back(schema in "[^\0]{1,20}", name in "[^\0]{1,20}", which in 0_usize..6, oid: u32) {
            let kind = ObjectType::ALL[which];
            let schema = if which < 2 { String::new() } else { schema };
            let arguments = if kind == ObjectType::Function { "integer, \"a\"\" )\"[]".into() } else { String::new() };
            let object = ObjectName { kind, schema, name, arguments };
            prop_assert_eq!(ObjectName::parse(&object.entry(oid)), Some((object, oid)));
        }

        #[test]
        fn default_entries_are_read_back(creator in "[^\0]{1,20}", schema in "[^\0]{1,20}", which in 2_usize..6) {
            let defaults = Defaults { creator, schema, kind: ObjectType::ALL[which] };
            prop_assert_eq!(Defaults::parse(&defaults.to_string()), Some(defaults));
        }
    }
}
