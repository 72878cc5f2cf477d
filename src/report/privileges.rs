//! PostgreSQL privileges folded into sentences by role: `app: SELECT, INSERT on 12 tables in geo (a, b, c, 9 more)`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::page::{Row, Symbol};
use super::text::Line;
use crate::model::{Attributes, Letters, Value, privilege_words};

/// How many objects a sentence names before it counts the rest.
const NAMED: usize = 3;

/// The fields that hold `entry -> grantee -> letters`.
pub(super) const FIELDS: [&str; 4] = ["privileges", "grant_options", "default_privileges", "default_options"];

/// The kinds of objects whose words have a space.
const LONG_KINDS: [&str; 4] = ["partitioned table", "foreign table", "materialized view", "large object"];

/// What is said about several objects at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sentence<'a> {
    grantee: &'a str,
    symbol: Symbol,
    kind: &'a str,
    container: Option<&'a str>,
    letters: Letters,
    field: &'static str,
    /// Who grants, where it is not the owner.
    grantor: Option<&'a str>,
}

/// One sentence per role, privileges and group of objects. `full` names all objects.
pub(super) fn rows(before: &Attributes, after: &Attributes, full: bool) -> Vec<Row> {
    let mut sentences: BTreeMap<Sentence<'_>, BTreeSet<&str>> = BTreeMap::new();
    let null = Value::Null;
    for field in FIELDS {
        let [old, new] = [before, after].map(|end| map(end.get(field).unwrap_or(&null)));
        for entry in keys(old, new) {
            let Parts { kind, container, name, grantor } = parts(entry, field);
            let [old, new] = [old, new].map(|end| map(end.get(entry).unwrap_or(&null)));
            for grantee in keys(old, new) {
                let [old, new] = [old, new].map(|end| end.get(grantee));
                for (symbol, letters) in [(Symbol::Create, minus(new, old)), (Symbol::Delete, minus(old, new))] {
                    if !letters.is_empty() {
                        let sentence = Sentence { grantee, symbol, kind, container, letters, field, grantor };
                        sentences.entry(sentence).or_default().insert(name);
                    }
                }
            }
        }
    }
    sentences.iter().map(|(sentence, objects)| sentence.row(objects, full)).collect()
}

/// The map in a value; an empty one when it is something else.
fn map(value: &Value) -> &Attributes {
    static EMPTY: Attributes = Attributes::new();
    value.as_map().unwrap_or(&EMPTY)
}

fn keys<'a>(old: &'a Attributes, new: &'a Attributes) -> BTreeSet<&'a String> {
    old.keys().chain(new.keys()).collect()
}

fn minus(a: Option<&Value>, b: Option<&Value>) -> Letters {
    match (a, b) {
        (Some(Value::Letters(a)), Some(Value::Letters(b))) => {
            Letters::new(a.as_str().chars().filter(|letter| !b.contains(*letter)))
        }
        (Some(Value::Letters(a)), _) => a.clone(),
        _ => Letters::default(),
    }
}

/// What an entry names: which kind of object, what it is in, its name, and who grants when it is not the owner.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    kind: &'a str,
    container: Option<&'a str>,
    name: &'a str,
    grantor: Option<&'a str>,
}

/// Reads an entry. Default privileges are grouped by creator.
fn parts<'a>(entry: &'a str, field: &str) -> Parts<'a> {
    if field.starts_with("default_") {
        let (name, rest) = entry.split_at(bare(entry, " ").unwrap_or(entry.len()));
        let (container, kind) = match rest.strip_prefix(" in schema ") {
            Some(rest) => {
                let (schema, rest) = rest.split_at(bare(rest, " ").unwrap_or(rest.len()));
                (Some(schema), rest)
            }
            None => (None, rest),
        };
        let kind = kind.strip_prefix(" on ").unwrap_or(kind);
        return Parts { kind, container, name, grantor: None };
    }
    let (identity, rest) = entry.split_at(bare(entry, " #").unwrap_or(entry.len()));
    let grantor = rest.split_once(" by ").map(|(_, grantor)| grantor);
    let long = LONG_KINDS.iter().find_map(|kind| Some((*kind, identity.strip_prefix(kind)?.strip_prefix(' ')?)));
    let (kind, name) = long.or_else(|| identity.split_once(' ')).unwrap_or(("object", identity));
    match dot(name) {
        Some(at) if !["database", "schema", "language"].contains(&kind) => {
            Parts { kind, container: Some(&name[..at]), name: &name[at + 1..], grantor }
        }
        _ => Parts { kind, container: None, name, grantor },
    }
}

/// Where a text stands first outside double quotes.
fn bare(text: &str, what: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (!quoted && text[at..].starts_with(what)).then_some(at)
    })
}

/// Where the dot after the schema stands: the first one outside quotes.
fn dot(name: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, c) in name.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => return Some(at),
            '(' if !quoted => return None,
            _ => {}
        }
    }
    None
}

impl Sentence<'_> {
    fn row(&self, objects: &BTreeSet<&str>, full: bool) -> Row {
        let names = names(objects, full);
        let words = privilege_words(&self.letters);
        let option = if self.field.ends_with("_options") { " (with grant option)" } else { "" };
        let by = self.grantor.map(|grantor| format!(" (granted by {grantor})")).unwrap_or_default();
        let objects = match (&self.container, objects.len()) {
            _ if self.field.starts_with("default_") => {
                let place = self.container.map(|schema| format!(" in schema {schema}")).unwrap_or_default();
                format!("future {}{place} created by {names}", self.kind)
            }
            (Some(schema), 1) => format!("{} {schema}.{names}", self.kind),
            (Some(schema), count) => format!("{count} {} in {schema} ({names})", plural(self.kind)),
            (None, 1) => format!("{} {names}", self.kind),
            (None, count) => format!("{count} {} ({names})", plural(self.kind)),
        };
        let line = Line::plain(format!("{}: {words} on {objects}{option}{by}", role(self.grantee)));
        Row { symbol: self.symbol, depth: 0, line }
    }
}

/// A role as it is where it cannot be mistaken for more of the sentence, else in quotes.
fn role(name: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "_-.@$".contains(c);
    if name.chars().all(plain) { Cow::Borrowed(name) } else { Cow::Owned(format!("\"{}\"", name.replace('"', "\"\""))) }
}

fn plural(kind: &str) -> String {
    format!("{kind}s")
}

fn names(objects: &BTreeSet<&str>, full: bool) -> String {
    let rest = objects.len().saturating_sub(NAMED);
    if full || rest <= 1 {
        return objects.iter().copied().collect::<Vec<_>>().join(", ");
    }
    let mut names: Vec<&str> = objects.iter().take(NAMED).copied().collect();
    let more = format!("{rest} more");
    names.push(&more);
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Parts, dot, parts, rows};
    use crate::model::{Attributes, Letters, Value};

    fn grants(field: &str, entries: &[(String, &str, &str)]) -> Attributes {
        let mut map = Attributes::new();
        for (entry, grantee, letters) in entries {
            let value = Value::Letters(Letters::new(letters.chars()));
            let entry = map.entry(entry.clone()).or_insert_with(|| Value::Map(Attributes::new()));
            if let Value::Map(grantees) = entry {
                grantees.insert((*grantee).to_owned(), value);
            }
        }
        Attributes::from([(field.to_owned(), Value::Map(map))])
    }

    fn lines(before: &Attributes, after: &Attributes, full: bool) -> Vec<String> {
        rows(before, after, full)
            .iter()
            .map(|row| format!("{} {}", row.symbol.mark().trim(), row.line.text()))
            .collect()
    }

    #[test]
    fn many_tables_make_one_sentence() {
        let tables: Vec<(String, &str, &str)> =
            (10..22).map(|n| (format!("table geo.t{n} #{n}"), "app", "arwd")).collect();
        let after = grants("privileges", &tables);
        assert_eq!(
            lines(&Attributes::new(), &after, false),
            ["+ app: SELECT, INSERT, UPDATE, DELETE on 12 tables in geo (t10, t11, t12, 9 more)"]
        );
        assert!(lines(&Attributes::new(), &after, true)[0].ends_with("t19, t20, t21)"));
        assert_eq!(lines(&after, &after, false), Vec::<String>::new());
    }

    #[test]
    fn only_the_letters_that_change_are_told() {
        let entry = || "table geo.a #1".to_owned();
        let before = grants("privileges", &[(entry(), "app", "rD")]);
        let after = grants("privileges", &[(entry(), "app", "rw"), ("schema geo #2".to_owned(), "app", "U")]);
        assert_eq!(
            lines(&before, &after, false),
            ["+ app: USAGE on schema geo", "+ app: UPDATE on table geo.a", "- app: TRUNCATE on table geo.a"]
        );
    }

    #[test]
    fn future_objects_and_options_have_their_own_words() {
        let future = grants("default_privileges", &[("\"pg admin\" in schema geo on tables".to_owned(), "app", "r")]);
        assert_eq!(
            lines(&Attributes::new(), &future, false),
            ["+ app: SELECT on future tables in schema geo created by \"pg admin\""]
        );
        let option = grants("grant_options", &[("function geo.area(geometry) #77".to_owned(), "app", "X")]);
        assert_eq!(
            lines(&Attributes::new(), &option, false),
            ["+ app: EXECUTE on function geo.area(geometry) (with grant option)"]
        );
    }

    #[test]
    fn a_role_is_not_mistaken_for_a_sentence() {
        let after = grants("privileges", &[("schema geo #1".to_owned(), "a: SELECT on schema \"x\"", "U")]);
        assert_eq!(
            lines(&Attributes::new(), &after, false),
            ["+ \"a: SELECT on schema \"\"x\"\"\": USAGE on schema geo"]
        );
    }

    #[test]
    fn quoted_names_are_kept_whole() {
        assert_eq!(dot("\"a.b\".c"), Some(5));
        assert_eq!(dot("f(a.b)"), None);
        let told = |entry: &str, field: &str| {
            let Parts { kind, container, name, grantor } = parts(entry, field);
            format!("{kind}|{}|{name}|{}", container.unwrap_or_default(), grantor.unwrap_or_default())
        };
        for (entry, field, is) in [
            ("table \"My #1.x\".\"t #2\" #9", "privileges", "table|\"My #1.x\"|\"t #2\"|"),
            ("materialized view geo.v #9 by \"a #1 by b\"", "privileges", "materialized view|geo|v|\"a #1 by b\""),
            ("column geo.t.\"a.b\" #9", "privileges", "column|geo|t.\"a.b\"|"),
            ("large object 12 #12", "privileges", "large object||12|"),
            (
                "\"o in schema x\" in schema \"s on\" on tables",
                "default_privileges",
                "tables|\"s on\"|\"o in schema x\"|",
            ),
            ("owner on schemas", "default_options", "schemas||owner|"),
        ] {
            assert_eq!(told(entry, field), is);
        }
        assert_eq!(crate::model::privilege_words(&Letters::new("Zmr".chars())), "SELECT, MAINTAIN, Z");
    }
}
