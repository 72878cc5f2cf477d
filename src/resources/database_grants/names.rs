//! Names of a plan file that the live system does not know: schemas, roles, objects, columns, languages, privileges.

use std::collections::BTreeSet;

use super::reach::{OutOfReach, out_of_reach};
use super::rules::{Future, Rule};
use super::wants::Wishes;
use crate::model::{Address, Attributes, Flaw, Look, Value, closest};
use crate::postgres::{Object, ObjectType, Snapshot, show_ident};

/// The first version with MAINTAIN.
const MAINTAIN_SINCE: u32 = 170_000;

struct Finder<'a> {
    address: &'a Address,
    attributes: &'a Attributes,
    snapshot: &'a Snapshot,
    schemas: BTreeSet<&'a str>,
    found: Vec<Flaw>,
}

/// Everything that the rules name and that is not there.
pub(super) fn flaws(look: &Look<'_>, wishes: &Wishes, snapshot: &Snapshot, version: u32) -> Vec<Flaw> {
    let schemas = snapshot.objects.iter().filter(|object| object.name.kind == ObjectType::Schema);
    let mut finder = Finder {
        address: look.address,
        attributes: look.attributes,
        snapshot,
        schemas: schemas.map(|object| object.name.name.as_str()).collect(),
        found: Vec::new(),
    };
    for rule in wishes.rules() {
        finder.roles(rule);
        finder.schemas(rule);
        finder.selectors(rule);
        finder.columns(rule);
        finder.languages(rule);
        if version < MAINTAIN_SINCE {
            finder.maintain(rule);
        }
    }
    finder.exclusive();
    for revoke in &wishes.revokes {
        for grant in wishes.grants.iter().filter(|grant| grant.role == revoke.role) {
            finder.contradiction(grant, revoke);
        }
    }
    finder.out_of_reach(wishes);
    finder.found
}

impl<'a> Finder<'a> {
    fn say(&mut self, path: String, rule: &'static str, title: String, remedy: Option<String>) {
        self.found.push(Flaw { address: self.address.clone(), path, rule, title, remedy, role: None });
    }

    /// The value at a path of the attributes.
    fn at(&self, path: &str) -> Option<&'a Value> {
        let mut parts = path.split('.');
        let first = self.attributes.get(parts.next()?)?;
        parts.try_fold(first, |value, part| match value {
            Value::Map(map) => map.get(part),
            Value::List(list) => list.get(part.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The path of a text: that of its element when it stands in a list.
    fn place(&self, path: &str, text: &str) -> String {
        let list = self.at(path).and_then(Value::as_list).unwrap_or_default();
        match list.iter().position(|item| item.as_text().is_some_and(|item| item.eq_ignore_ascii_case(text))) {
            Some(at) => format!("{path}.{at}"),
            None => path.to_owned(),
        }
    }

    fn out_of_reach(&mut self, wishes: &Wishes) {
        for OutOfReach { rule, kind, letters, creators } in out_of_reach(wishes, self.snapshot) {
            let creators = creators.iter().map(|creator| show_ident(creator)).collect::<Vec<_>>().join(", ");
            let title = format!(
                "{} will get {} on {} that {creators} makes all the same: by what holds in every schema",
                rule.role,
                kind.words(letters).join(", "),
                kind.plural().unwrap_or("objects"),
            );
            let remedy = "write schemas = \"*\" in this rule, or take `future` away".to_owned();
            self.say(format!("{}.future", rule.path), "revoke-out-of-reach", title, Some(remedy));
        }
    }

    fn roles(&mut self, rule: &Rule) {
        if rule.role != "PUBLIC" && !rule.managed && !self.snapshot.roles.has(&rule.role) {
            self.role(format!("{}.role", rule.path), &rule.role);
        }
        if let Future::By(creators) = &rule.future {
            for creator in creators.iter().filter(|creator| !self.snapshot.roles.has(creator)) {
                self.role(self.place(&format!("{}.future", rule.path), creator), creator);
            }
        }
    }

    fn exclusive(&mut self) {
        let listed = self.attributes.get("exclusive").and_then(Value::as_list).unwrap_or_default();
        let managed: BTreeSet<&str> = ["grants", "revoke"]
            .into_iter()
            .flat_map(|field| self.attributes.get(field).and_then(Value::as_list).unwrap_or_default())
            .filter_map(Value::as_map)
            .filter(|rule| rule.get("managed").and_then(Value::as_bool) == Some(true))
            .filter_map(|rule| rule.get("role")?.as_text())
            .collect();
        for (at, role) in listed.iter().enumerate().filter_map(|(at, role)| Some((at, role.as_text()?))) {
            if role != "PUBLIC" && !managed.contains(role) && !self.snapshot.roles.has(role) {
                self.role(format!("exclusive.{at}"), role);
            }
        }
    }

    fn role(&mut self, path: String, role: &str) {
        let remedy = suggest(role, self.snapshot.roles.names().filter(|name| !name.starts_with("pg_")));
        let remedy = remedy.unwrap_or_else(|| "make it with [role.<label>], or name one that is there".to_owned());
        self.found.push(Flaw {
            address: self.address.clone(),
            path,
            rule: "unknown-role",
            title: format!("there is no role {role:?} and this plan file makes none"),
            remedy: Some(remedy),
            role: Some(role.to_owned()),
        });
    }

    fn schemas(&mut self, rule: &Rule) {
        let absent = |name: &&String| !self.schemas.contains(name.as_str());
        for name in rule.schemas.iter().flatten().filter(absent).collect::<Vec<_>>() {
            let path = self.place(&format!("{}.schemas", rule.path), name);
            let remedy = suggest(name, self.schemas.iter().copied())
                .unwrap_or_else(|| format!("it has: {}", self.schemas.iter().copied().collect::<Vec<_>>().join(", ")));
            self.say(path, "unknown-schema", format!("the database has no schema {name:?}"), Some(remedy));
        }
    }

    fn selectors(&mut self, rule: &Rule) {
        if rule.schemas.iter().flatten().any(|name| !self.schemas.contains(name.as_str())) {
            return;
        }
        let kinds: BTreeSet<ObjectType> = rule.kinds().filter(|kind| kind.in_schema()).collect();
        let meant = |object: &&Object| kinds.contains(&object.name.kind) && rule.covers(&object.name.schema);
        let named = [("only", rule.only.as_deref().unwrap_or_default()), ("except", rule.except.as_slice())];
        for (field, selectors) in named {
            for selector in selectors.iter().filter(|selector| selector.is_exact()) {
                let mut objects = self.snapshot.objects.iter().filter(meant);
                if objects.any(|object| selector.matches(&object.name)) {
                    continue;
                }
                let text = selector.to_string();
                let there: BTreeSet<String> = self
                    .snapshot
                    .objects
                    .iter()
                    .filter(meant)
                    .flat_map(|object| {
                        [object.name.name.clone(), format!("{}.{}", object.name.schema, object.name.name)]
                    })
                    .collect();
                let remedy = suggest(&text, there.iter().map(String::as_str)).or_else(|| {
                    Some("name an object of a kind that the rule grants on, in one of its schemas".to_owned())
                });
                let path = self.place(&format!("{}.{field}", rule.path), &text);
                self.say(path, "unknown-object", format!("the rule is about no object {text:?}"), remedy);
            }
        }
    }

    fn columns(&mut self, rule: &Rule) {
        for (text, ((schema, table), columns)) in &rule.columns {
            let path = format!("{}.columns.{text}", rule.path);
            let relation = |object: &&Object| ObjectType::RELATIONS.contains(&object.name.kind);
            let is = |object: &Object| object.name.schema == *schema && object.name.name == *table;
            let Some(found) = self.snapshot.objects.iter().filter(relation).find(|object| is(object)) else {
                let inside = self.snapshot.objects.iter().filter(relation);
                let names: Vec<String> =
                    inside.map(|object| format!("{}.{}", object.name.schema, object.name.name)).collect();
                let remedy = suggest(&format!("{schema}.{table}"), names.iter().map(String::as_str))
                    .or_else(|| Some("write schema.name of a table or view that is there".to_owned()));
                self.say(path, "unknown-object", format!("the database has no table {text:?}"), remedy);
                continue;
            };
            for (word, list) in columns {
                for name in
                    list.iter().filter(|name| self.snapshot.object(ObjectType::Column, found.oid, name).is_none())
                {
                    let place = self.column_place(&rule.path, text, word, name);
                    let remedy = "name a column that the table has, or take it out".to_owned();
                    let title = format!("{text:?} has no column {name:?}");
                    self.say(place, "unknown-column", title, Some(remedy));
                }
            }
        }
    }

    /// The path of a column. The text of its table may hold dots, so it is not looked up by parts.
    fn column_place(&self, rule: &str, table: &str, word: &str, column: &str) -> String {
        let list = || self.at(rule)?.as_map()?.get("columns")?.as_map()?.get(table)?.as_map()?.get(word)?.as_list();
        let at = list().and_then(|list| list.iter().position(|item| item.as_text() == Some(column)));
        format!("{rule}.columns.{table}.{word}.{}", at.unwrap_or_default())
    }

    fn languages(&mut self, rule: &Rule) {
        let there: BTreeSet<&str> = self
            .snapshot
            .objects
            .iter()
            .filter(|object| object.name.kind == ObjectType::Language)
            .map(|object| object.name.name.as_str())
            .collect();
        for name in rule.languages.iter().filter(|name| !there.contains(name.as_str())) {
            let path = self.place(&format!("{}.languages", rule.path), name);
            let list = there.iter().copied().collect::<Vec<_>>().join(", ");
            let title = format!("the database has no trusted language {name:?}");
            self.say(path, "unknown-language", title, Some(format!("it has: {list}")));
        }
    }

    fn contradiction(&mut self, grant: &Rule, revoke: &Rule) {
        let both = |object: &&Object| {
            let (have, lack) = (grant.letters_on(object, self.snapshot), revoke.letters_on(object, self.snapshot));
            !have.and(lack).is_empty()
        };
        if let Some(object) = self.snapshot.objects.iter().find(both) {
            let title = format!("{} revokes what {} grants: {}", revoke.path, grant.path, object.name);
            let remedy = "take it out of one of the two, or leave the object out with `except`".to_owned();
            self.say(revoke.path.clone(), "contradiction", title, Some(remedy));
        }
    }

    fn maintain(&mut self, rule: &Rule) {
        for field in ["tables", "partitioned_tables", "foreign_tables", "views", "materialized_views"] {
            let path = format!("{}.{field}", rule.path);
            let place = self.place(&path, "MAINTAIN");
            if place != path {
                let title = "the server has no privilege MAINTAIN; it came with PostgreSQL 17".to_owned();
                self.say(place, "unknown-privilege", title, Some("leave it out, or upgrade the server".to_owned()));
            }
        }
    }
}

/// `did you mean ...?`, when a name is close to one that is there.
fn suggest<'n>(name: &str, there: impl Iterator<Item = &'n str>) -> Option<String> {
    closest(name, there).map(|other| format!("did you mean {other:?}?"))
}
