//! PostgreSQL privileges folded into sentences by role: `app: SELECT, INSERT on 12 tables in geo (a, b, c, 9 more)`.

use std::collections::{BTreeMap, BTreeSet};

use super::page::{Row, Symbol};
use super::text::Line;
use crate::model::{Attributes, Letters, Value};

/// How many objects a sentence names before it counts the rest.
const NAMED: usize = 3;

/// The fields that hold `entry -> grantee -> letters`.
pub(super) const FIELDS: [&str; 3] = ["privileges", "grant_options", "default_privileges"];

/// The letters of PostgreSQL's ACL items and their words, in the order of PostgreSQL's manual.
const WORDS: [(char, &str); 13] = [
    ('r', "SELECT"),
    ('a', "INSERT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('m', "MAINTAIN"),
    ('C', "CREATE"),
    ('c', "CONNECT"),
    ('T', "TEMPORARY"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
];

/// The words for letters, in the order of PostgreSQL's manual: `SELECT, INSERT`. Unknown letters stay letters.
pub fn privilege_words(letters: &Letters) -> String {
    let known = WORDS.iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, word)| (*word).to_owned());
    let unknown = letters.as_str().chars().filter(|c| WORDS.iter().all(|(letter, _)| letter != c)).map(String::from);
    known.chain(unknown).collect::<Vec<_>>().join(", ")
}

/// What is said about several objects at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sentence<'a> {
    grantee: &'a str,
    symbol: Symbol,
    kind: &'a str,
    container: Option<&'a str>,
    letters: Letters,
    field: &'static str,
}

/// One sentence per role, privileges and group of objects. `full` names all objects.
pub(super) fn rows(before: &Attributes, after: &Attributes, full: bool) -> Vec<Row> {
    let mut sentences: BTreeMap<Sentence<'_>, BTreeSet<&str>> = BTreeMap::new();
    let null = Value::Null;
    for field in FIELDS {
        let [old, new] = [before, after].map(|end| map(end.get(field).unwrap_or(&null)));
        for entry in names(old, new) {
            let (kind, container, object) = parts(entry, field);
            let [old, new] = [old, new].map(|end| map(end.get(entry).unwrap_or(&null)));
            for grantee in names(old, new) {
                let [old, new] = [old, new].map(|end| end.get(grantee));
                for (symbol, letters) in [(Symbol::Create, minus(new, old)), (Symbol::Delete, minus(old, new))] {
                    if !letters.is_empty() {
                        let sentence = Sentence { grantee, symbol, kind, container, letters, field };
                        sentences.entry(sentence).or_default().insert(object);
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

fn names<'a>(old: &'a Attributes, new: &'a Attributes) -> BTreeSet<&'a String> {
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

/// What kind of object an entry names, what it is in, and its name. Default privileges are grouped by creator.
fn parts<'a>(entry: &'a str, field: &str) -> (&'a str, Option<&'a str>, &'a str) {
    if field == "default_privileges"
        && let Some((creator, kind)) = entry.rsplit_once(" on ")
    {
        let (creator, schema) = creator.rsplit_once(" in schema ").map_or((creator, None), |(c, s)| (c, Some(s)));
        return (kind, schema, creator);
    }
    let identity = entry.rsplit_once(" #").map_or(entry, |(identity, _)| identity);
    let (kind, name) = identity.split_once(' ').unwrap_or(("object", identity));
    match (kind, dot(name)) {
        ("database" | "schema", _) | (_, None) => (kind, None, name),
        (_, Some(at)) => (kind, Some(&name[..at]), &name[at + 1..]),
    }
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
        let names = listed(objects, full);
        let words = privilege_words(&self.letters);
        let option = if self.field == "grant_options" { " (with grant option)" } else { "" };
        let objects = match (&self.container, objects.len()) {
            _ if self.field == "default_privileges" => {
                let place = self.container.map(|schema| format!(" in schema {schema}")).unwrap_or_default();
                format!("future {}{place} created by {names}", self.kind)
            }
            (Some(schema), 1) => format!("{} {schema}.{names}", self.kind),
            (Some(schema), count) => format!("{count} {} in {schema} ({names})", plural(self.kind)),
            (None, 1) => format!("{} {names}", self.kind),
            (None, count) => format!("{count} {} ({names})", plural(self.kind)),
        };
        let line = Line::plain(format!("{}: {words} on {objects}{option}", self.grantee));
        Row { symbol: self.symbol, depth: 0, line }
    }
}

fn plural(kind: &str) -> String {
    format!("{kind}s")
}

fn listed(objects: &BTreeSet<&str>, full: bool) -> String {
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
    use super::{dot, parts, privilege_words, rows};
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
        let future = grants("default_privileges", &[("pg admin in schema geo on tables".to_owned(), "app", "r")]);
        assert_eq!(
            lines(&Attributes::new(), &future, false),
            ["+ app: SELECT on future tables in schema geo created by pg admin"]
        );
        let option = grants("grant_options", &[("function geo.area(geometry) #77".to_owned(), "app", "X")]);
        assert_eq!(
            lines(&Attributes::new(), &option, false),
            ["+ app: EXECUTE on function geo.area(geometry) (with grant option)"]
        );
    }

    #[test]
    fn quoted_names_are_kept_whole() {
        assert_eq!(dot("\"a.b\".c"), Some(5));
        assert_eq!(dot("f(a.b)"), None);
        let (kind, schema, name) = parts("table \"My #1.x\".\"t #2\" #9", "privileges");
        assert_eq!((kind, schema, name), ("table", Some("\"My #1.x\""), "\"t #2\""));
        assert_eq!(privilege_words(&Letters::new("Zmr".chars())), "SELECT, MAINTAIN, Z");
    }
}
