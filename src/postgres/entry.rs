//! Entries: how one object or one set of default privileges is called in steps, journals and reports.

use std::fmt;

use crate::model::{Class, Failure};

use super::privilege::ObjectType;
use super::quote::{is_signature, quote_ident, show_ident, take_ident};

/// A text that is no entry; only a plan of another version has one.
pub fn not_an_entry(entry: &str) -> Failure {
    Failure::new(Class::Input, "this is not an entry of a grants step")
        .detail(format!("{entry:?}"))
        .remedy("plan again")
}

/// How one object is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Which kind of object.
    pub kind: ObjectType,
    /// Its schema; empty for kinds that live in none.
    pub schema: String,
    /// Its name; of a column the table's, of a large object its oid in digits.
    pub name: String,
    /// The argument types of a routine as the catalog writes them, or the name of a column; empty for all other kinds.
    pub inner: String,
}

impl ObjectName {
    /// The entry of the object with this oid, for what its owner grants.
    pub fn entry(&self, oid: u32) -> String {
        format!("{self} #{oid}")
    }

    /// How SQL calls it; of a column the table.
    pub fn sql(&self) -> String {
        let name = quote_ident(&self.name);
        match self.kind {
            ObjectType::LargeObject => self.name.clone(),
            kind if !kind.in_schema() => name,
            ObjectType::Function | ObjectType::Procedure => {
                format!("{}.{name}({})", quote_ident(&self.schema), self.inner)
            }
            _ => format!("{}.{name}", quote_ident(&self.schema)),
        }
    }

    /// How people call it, without its kind: `geo."My table"`, `geo.area(geometry)`.
    pub fn plain(&self) -> String {
        if self.kind == ObjectType::LargeObject {
            return self.name.clone();
        }
        let name = show_ident(&self.name);
        let name = if self.kind.in_schema() { format!("{}.{name}", show_ident(&self.schema)) } else { name };
        match self.kind {
            ObjectType::Column => format!("{name}.{}", show_ident(&self.inner)),
            ObjectType::Function | ObjectType::Procedure => format!("{name}({})", self.inner),
            _ => name,
        }
    }

    /// Reads a name from the start of a text as it is displayed; answers it with the rest.
    fn take(text: &str) -> Option<(Self, &str)> {
        let kind = ObjectType::ALL
            .into_iter()
            .filter(|kind| text.strip_prefix(kind.word()).is_some_and(|rest| rest.starts_with(' ')));
        let kind = kind.max_by_key(|kind| kind.word().len())?;
        let text = &text[kind.word().len() + 1..];
        let mut found = Self { kind, schema: String::new(), name: String::new(), inner: String::new() };
        if kind == ObjectType::LargeObject {
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text.get(..end)?.clone_into(&mut found.name);
            return (end > 0).then_some((found, &text[end..]));
        }
        let (first, mut rest) = take_ident(text)?;
        if kind.in_schema() {
            found.schema = first;
            (found.name, rest) = take_ident(rest.strip_prefix('.')?)?;
        } else {
            found.name = first;
        }
        match kind {
            ObjectType::Column => (found.inner, rest) = take_ident(rest.strip_prefix('.')?)?,
            ObjectType::Function | ObjectType::Procedure => {
                let inside = rest.strip_prefix('(')?;
                let end = closing(inside)?;
                Some(&inside[..end]).filter(|text| is_signature(text))?.clone_into(&mut found.inner);
                rest = &inside[end + 1..];
            }
            _ => {}
        }
        Some((found, rest))
    }
}

/// Where the bracket closes: the first one outside quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (c == ')' && !quoted).then_some(at)
    })
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.plain())
    }
}

/// One object as an entry names it: `table geo.features #16412`, or `table geo.features #16412 by bob` for what another
/// role than the owner grants on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectEntry {
    /// How the object is called.
    pub object: ObjectName,
    /// Its oid, unique within its kind; of a column the table's.
    pub oid: u32,
    /// Who grants; `None` is the owner.
    pub grantor: Option<String>,
}

impl ObjectEntry {
    /// Reads an entry; `None` when it is not one.
    pub fn parse(entry: &str) -> Option<Self> {
        let (object, rest) = ObjectName::take(entry)?;
        let rest = rest.strip_prefix(" #")?;
        let end = rest.find(' ').unwrap_or(rest.len());
        let oid = rest[..end].parse().ok()?;
        let grantor = match &rest[end..] {
            "" => None,
            by => {
                let (name, rest) = take_ident(by.strip_prefix(" by ")?)?;
                Some(name).filter(|_| rest.is_empty()).map(Some)?
            }
        };
        Some(Self { object, oid, grantor })
    }
}

impl fmt::Display for ObjectEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{}", self.object, self.oid)?;
        self.grantor.as_ref().map_or(Ok(()), |grantor| write!(f, " by {}", show_ident(grantor)))
    }
}

/// The default privileges of what one role creates in one schema, or anywhere: `owner in schema geo on tables`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Defaults {
    /// The role that creates objects.
    pub creator: String,
    /// The schema it creates them in; `None` is any.
    pub schema: Option<String>,
    /// Which kind of objects.
    pub kind: ObjectType,
}

impl Defaults {
    /// Reads an entry; `None` when it is not one.
    pub fn parse(entry: &str) -> Option<Self> {
        let (creator, rest) = take_ident(entry)?;
        let (schema, rest) = match rest.strip_prefix(" in schema ") {
            Some(rest) => take_ident(rest).map(|(schema, rest)| (Some(schema), rest))?,
            None => (None, rest),
        };
        let plural = rest.strip_prefix(" on ")?;
        let kind = ObjectType::ALL.into_iter().find(|kind| kind.plural() == Some(plural))?;
        (schema.is_none() || kind != ObjectType::Schema).then_some(Self { creator, schema, kind })
    }
}

impl fmt::Display for Defaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_ident(&self.creator))?;
        if let Some(schema) = &self.schema {
            write!(f, " in schema {}", show_ident(schema))?;
        }
        write!(f, " on {}", self.kind.plural().unwrap_or("objects"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Defaults, ObjectEntry, ObjectName};
    use crate::postgres::privilege::ObjectType;
    use proptest::prelude::*;

    #[test]
    fn entries_read_well() {
        let named = |kind, name: &str, inner: &str| ObjectName {
            kind,
            schema: "geo".into(),
            name: name.into(),
            inner: inner.into(),
        };
        assert_eq!(named(ObjectType::MaterializedView, "v", "").entry(16412), "materialized view geo.v #16412");
        assert_eq!(named(ObjectType::Column, "t", "a b").entry(1), "column geo.t.\"a b\" #1");
        let area = named(ObjectType::Function, "a b", "public.geometry");
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
            "table a.b #1 by c; --",
            "function a.b(integer) TO x; -- ) #1",
            "large object 1; -- #1",
            "column a.b #1",
            "nonsense a.b #1",
        ] {
            assert_eq!(ObjectEntry::parse(entry), None, "{entry}");
        }
        assert_eq!(Defaults::parse("a in schema b on databases"), None);
        assert_eq!(Defaults::parse("a in schema b on schemas"), None);
    }

    proptest! {
        #[test]
        fn entries_are_read_back(
            schema in "[^\0]{1,20}",
            name in "[^\0]{1,20}",
            grantor in proptest::option::of("[^\0]{1,20}"),
            which in 0..ObjectType::ALL.len(),
            oid: u32,
        ) {
            let kind = ObjectType::ALL[which];
            let inner = match kind {
                ObjectType::Function | ObjectType::Procedure => "integer, \"a\"\" )\"[]".into(),
                ObjectType::Column => name.clone(),
                _ => String::new(),
            };
            let schema = if kind.in_schema() { schema } else { String::new() };
            let name = if kind == ObjectType::LargeObject { oid.to_string() } else { name };
            let entry = ObjectEntry { object: ObjectName { kind, schema, name, inner }, oid, grantor };
            prop_assert_eq!(ObjectEntry::parse(&entry.to_string()), Some(entry));
        }

        #[test]
        fn default_entries_are_read_back(creator in "[^\0]{1,20}", schema in proptest::option::of("[^\0]{1,20}"), which in 0_usize..4) {
            let kinds = [ObjectType::Table, ObjectType::Sequence, ObjectType::Function, ObjectType::Type];
            let defaults = Defaults { creator, schema, kind: kinds[which] };
            prop_assert_eq!(Defaults::parse(&defaults.to_string()), Some(defaults));
        }
    }
}
