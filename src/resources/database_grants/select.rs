//! Selectors: how a rule names single objects, as `geo.features`, `audit_*`, `"a.b".c` or `geo.area(geometry)`.

use std::fmt;

use crate::postgres::{ObjectName, take_ident};

/// A name or, unless in quotes, a pattern in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Exact(String),
    Pattern(String),
}

impl Part {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Pattern(pattern) => glob(pattern, name),
        }
    }
}

/// Whether a name fits a pattern, in time linear in both for each star.
fn glob(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// Which objects are meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Selector {
    text: String,
    schema: Option<Part>,
    name: Part,
    inner: Option<String>,
}

impl Selector {
    /// Reads one; answers what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} names no object; write schema.name, with a name that holds a dot in quotes");
        let (first, rest) = part(text).ok_or_else(wrong)?;
        let (schema, name, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (name, rest) = part(rest).ok_or_else(wrong)?;
                (Some(first), name, rest)
            }
            None => (None, first, rest),
        };
        let inner = match rest {
            "" => None,
            rest => Some(rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?.to_owned()),
        };
        Ok(Self { text: text.to_owned(), schema, name, inner })
    }

    /// Whether an object is meant.
    pub(crate) fn matches(&self, object: &ObjectName) -> bool {
        self.schema.as_ref().is_none_or(|schema| schema.matches(&object.schema))
            && self.name.matches(&object.name)
            && self.inner.as_ref().is_none_or(|inner| *inner == object.inner)
    }

    /// Whether it names one object and not a pattern.
    pub(crate) fn is_exact(&self) -> bool {
        let exact = |part: &Part| matches!(part, Part::Exact(_));
        exact(&self.name) && self.schema.as_ref().is_none_or(exact)
    }

    /// The schema and name, where both are exact; a missing schema is `default`.
    pub(crate) fn exact(&self, default: Option<&str>) -> Option<(String, String)> {
        let schema = match &self.schema {
            Some(Part::Exact(schema)) => schema.clone(),
            Some(Part::Pattern(_)) => return None,
            None => default?.to_owned(),
        };
        match &self.name {
            Part::Exact(name) if self.inner.is_none() => Some((schema, name.clone())),
            _ => None,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One name: in quotes, or all up to the next dot or bracket.
fn part(text: &str) -> Option<(Part, &str)> {
    if text.starts_with('"') {
        return take_ident(text).map(|(name, rest)| (Part::Exact(name), rest));
    }
    let end = text.find(['.', '(']).unwrap_or(text.len());
    let name = text[..end].to_owned();
    let part = if name.contains('*') { Part::Pattern(name) } else { Part::Exact(name) };
    (end > 0).then_some((part, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::{Selector, glob};
    use crate::postgres::{ObjectName, ObjectType};

    fn object(schema: &str, name: &str, inner: &str) -> ObjectName {
        ObjectName { kind: ObjectType::Function, schema: schema.into(), name: name.into(), inner: inner.into() }
    }

    #[test]
    fn selectors_mean_what_they_say() {
        let cases = [
            ("geo.features", object("geo", "features", ""), true),
            ("features", object("geo", "features", ""), true),
            ("app.features", object("geo", "features", ""), false),
            ("\"a.b\".\"c*\"", object("a.b", "c*", ""), true),
            ("\"a.b\".\"c*\"", object("a.b", "cd", ""), false),
            ("geo.audit_*", object("geo", "audit_2024", ""), true),
            ("*.x", object("geo", "x", ""), true),
            ("geo.area", object("geo", "area", "integer"), true),
            ("geo.area(integer)", object("geo", "area", "integer"), true),
            ("geo.area()", object("geo", "area", "integer"), false),
            ("O'Brien.DROP TABLE x; --", object("O'Brien", "DROP TABLE x; --", ""), true),
        ];
        for (text, object, meant) in cases {
            assert_eq!(Selector::parse(text).unwrap().matches(&object), meant, "{text}");
        }
        for text in ["", ".", "a.", "a.b.c", "a(b", "\"a", "\"a\"b"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, fits) in
            [("*", "", true), ("a*a", "a", false), ("a*b*c", "axbxbc", true), ("*a*", "bab", true), ("a*", "ba", false)]
        {
            assert_eq!(glob(pattern, name), fits, "{pattern} {name}");
        }
    }
}
