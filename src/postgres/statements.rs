//! Statements: every SQL text that changes something is built here, and only texts built here are run.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::AssertSqlSafe;

use super::entry::{Defaults, ObjectName};
use super::privilege::ObjectType;
use super::quote::{quote_ident, quote_literal};
use super::role_state::RoleState;
use crate::model::{Attributes, Class, Failure, Letters, Value};

/// One GRANT names at most this many objects: enough to touch each catalog row once for all grantees, and a statement
/// that still fits a log line's patience.
const OBJECTS_PER_STATEMENT: usize = 1_000;
/// Statements are sent together up to about this many bytes.
const MESSAGE_BYTES: usize = 1 << 20;

/// Statements that belong into one transaction, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(Vec<String>);

impl Script {
    /// The statements as a person reads them, the transaction around them included; empty when there is nothing to do.
    pub fn statements(&self) -> Vec<String> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let ends = |text: &str| vec![text.to_owned()];
        [ends("BEGIN READ WRITE"), self.0.clone(), ends("COMMIT")].concat()
    }

    /// The statements joined into few messages; each ends with a statement's end.
    pub(super) fn messages(&self) -> Vec<String> {
        let mut messages: Vec<String> = Vec::new();
        for statement in self.statements() {
            match messages.last_mut() {
                Some(last) if last.len() + statement.len() < MESSAGE_BYTES => last.push_str(&statement),
                _ => messages.push(statement),
            }
            if let Some(last) = messages.last_mut() {
                last.push_str(";\n");
            }
        }
        messages
    }

    /// Vouches for a message of a script: names in it went through `quote_ident`, texts through `quote_literal`.
    pub(super) fn trusted(message: &str) -> AssertSqlSafe<&str> {
        AssertSqlSafe(message)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Which role has to act for an entry (`SET ROLE`), where the one that is signed in may not itself.
pub type Acting = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Revoke,
    RevokeOption,
    Grant,
    GrantOption,
}

/// What is the same for many objects, so that one statement can name them all. Ordered as the statements are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    acting: Option<String>,
    verb: Verb,
    creator: Option<String>,
    kind: ObjectType,
    letters: Letters,
    grantees: BTreeSet<String>,
}

/// The statements that lead from one end of a `database_grants` step to the other. The inverse is the same with the
/// ends swapped. Entries that are no entries and letters that an object does not know are [`Class::Input`] failures.
pub fn grants(before: Option<&Attributes>, after: Option<&Attributes>, acting: &Acting) -> Result<Script, Failure> {
    let mut groups: BTreeMap<Group, Vec<String>> = BTreeMap::new();
    for field in ["privileges", "grant_options", "default_privileges"] {
        let (before, after) = (map(before, field), map(after, field));
        for entry in names(before, after) {
            let target = Target::parse(entry, field == "default_privileges")?;
            let option = field == "grant_options";
            for (verb, letters, grantees) in moves(sub(before, entry), sub(after, entry), option) {
                if letters
                    .as_str()
                    .chars()
                    .any(|letter| target.kind.privileges().iter().all(|(known, _)| *known != letter))
                {
                    let what = format!("{entry:?} cannot have the privileges {:?}", letters.as_str());
                    return Err(Failure::new(Class::Input, what));
                }
                let acting = acting.get(entry).cloned();
                let group =
                    Group { acting, verb, creator: target.creator.clone(), kind: target.kind, letters, grantees };
                groups.entry(group).or_default().push(target.sql.clone());
            }
        }
    }
    Ok(Script(render(groups)))
}

struct Target {
    kind: ObjectType,
    creator: Option<String>,
    sql: String,
}

impl Target {
    fn parse(entry: &str, defaults: bool) -> Result<Self, Failure> {
        let found = if defaults {
            Defaults::parse(entry).map(|defaults| Self {
                kind: defaults.kind,
                creator: Some(defaults.creator),
                sql: quote_ident(&defaults.schema),
            })
        } else {
            ObjectName::parse(entry).map(|(object, _)| Self { kind: object.kind, creator: None, sql: object.sql() })
        };
        found.ok_or_else(|| Failure::new(Class::Input, format!("{entry:?} is not an entry of a grants step")))
    }
}

fn map<'a>(end: Option<&'a Attributes>, field: &str) -> Option<&'a Attributes> {
    end.and_then(|end| end.get(field)).and_then(Value::as_map)
}

fn sub<'a>(map: Option<&'a Attributes>, entry: &str) -> Option<&'a Attributes> {
    map.and_then(|map| map.get(entry)).and_then(Value::as_map)
}

fn names<'a>(a: Option<&'a Attributes>, b: Option<&'a Attributes>) -> BTreeSet<&'a String> {
    a.into_iter().chain(b).flat_map(|map| map.keys()).collect()
}

/// What one entry needs: per verb and set of letters the grantees that need exactly it.
fn moves(
    before: Option<&Attributes>,
    after: Option<&Attributes>,
    option: bool,
) -> Vec<(Verb, Letters, BTreeSet<String>)> {
    let mut found: BTreeMap<(Verb, Letters), BTreeSet<String>> = BTreeMap::new();
    let letters = |end: Option<&Attributes>, grantee: &str| match end.and_then(|end| end.get(grantee)) {
        Some(Value::Letters(letters)) => letters.clone(),
        _ => Letters::default(),
    };
    for grantee in names(before, after) {
        let (old, new) = (letters(before, grantee), letters(after, grantee));
        let only = |a: &Letters, b: &Letters| Letters::new(a.as_str().chars().filter(|letter| !b.contains(*letter)));
        let (take, give) = if option { (Verb::RevokeOption, Verb::GrantOption) } else { (Verb::Revoke, Verb::Grant) };
        for (verb, letters) in [(take, only(&old, &new)), (give, only(&new, &old))] {
            if !letters.is_empty() {
                found.entry((verb, letters)).or_default().insert(grantee.clone());
            }
        }
    }
    found.into_iter().map(|((verb, letters), grantees)| (verb, letters, grantees)).collect()
}

fn render(groups: BTreeMap<Group, Vec<String>>) -> Vec<String> {
    let mut statements = Vec::new();
    let mut acting: Option<String> = None;
    for (group, mut objects) in groups {
        if group.acting != acting {
            statements.push(match &group.acting {
                Some(role) => format!("SET LOCAL ROLE {}", quote_ident(role)),
                None => "RESET ROLE".to_owned(),
            });
            acting.clone_from(&group.acting);
        }
        objects.sort();
        objects.dedup();
        for chunk in objects.chunks(OBJECTS_PER_STATEMENT) {
            statements.push(statement(&group, &chunk.join(", ")));
        }
    }
    if acting.is_some() {
        statements.push("RESET ROLE".to_owned());
    }
    statements
}

fn statement(group: &Group, objects: &str) -> String {
    let words = group.kind.words(&group.letters).join(", ");
    let grantee = |name: &String| if name == "PUBLIC" { name.clone() } else { quote_ident(name) };
    let grantees = group.grantees.iter().map(grantee).collect::<Vec<_>>().join(", ");
    let (start, to, end) = match group.verb {
        Verb::Grant => ("GRANT", "TO", ""),
        Verb::GrantOption => ("GRANT", "TO", " WITH GRANT OPTION"),
        Verb::Revoke => ("REVOKE", "FROM", ""),
        Verb::RevokeOption => ("REVOKE GRANT OPTION FOR", "FROM", ""),
    };
    match &group.creator {
        Some(creator) => format!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {objects} {start} {words} ON {} {to} {grantees}{end}",
            quote_ident(creator),
            group.kind.plural().unwrap_or_default().to_uppercase(),
        ),
        None => format!("{start} {words} ON {} {objects} {to} {grantees}{end}", group.kind.keyword()),
    }
}

/// Makes a role for a principal. `pgaadauth_create_principal_with_oid` exists only in database `postgres`.
pub fn create_role(name: &str, wanted: &RoleState) -> Script {
    let mut statements = Vec::new();
    match &wanted.object_id {
        Some(object_id) => statements.push(principal("create", name, object_id, wanted)),
        None => statements.push(format!("CREATE ROLE {} LOGIN", quote_ident(name))),
    }
    statements.extend(attributes(name, &RoleState::default(), wanted));
    statements.extend(memberships(name, &RoleState::default(), wanted));
    Script(statements)
}

/// Leads a role from one state to the other: rebinds it, sets attributes and memberships.
pub fn update_role(name: &str, before: &RoleState, after: &RoleState) -> Script {
    let mut statements = Vec::new();
    if (&before.object_id, &before.principal_type) != (&after.object_id, &after.principal_type) {
        statements.push(match &after.object_id {
            Some(object_id) => principal("update", name, object_id, after),
            None => format!("SECURITY LABEL FOR \"pgaadauth\" ON ROLE {} IS NULL", quote_ident(name)),
        });
    }
    statements.extend(attributes(name, before, after));
    statements.extend(memberships(name, before, after));
    Script(statements)
}

/// Removes a role. PostgreSQL refuses while anything depends on it.
pub fn drop_role(name: &str) -> Script {
    Script(vec![format!("DROP ROLE {}", quote_ident(name))])
}

/// A call of one of Azure's functions: not an administrator of the server, no multi-factor claim asked for.
fn principal(verb: &str, name: &str, object_id: &str, wanted: &RoleState) -> String {
    let kind = wanted.principal_type.as_deref().unwrap_or("service");
    let [name, object_id, kind] = [name, object_id, kind].map(quote_literal);
    format!("SELECT pg_catalog.pgaadauth_{verb}_principal_with_oid({name}, {object_id}, {kind}, false, false)")
}

fn attributes(name: &str, before: &RoleState, after: &RoleState) -> Option<String> {
    let flag = |old: Option<bool>, new: Option<bool>, on: &str, off: &str| {
        new.filter(|_| new != old).map(|new| if new { on.to_owned() } else { off.to_owned() })
    };
    let limit = after.connection_limit.filter(|_| after.connection_limit != before.connection_limit);
    let words: Vec<String> = [
        flag(before.create_db, after.create_db, "CREATEDB", "NOCREATEDB"),
        flag(before.create_role, after.create_role, "CREATEROLE", "NOCREATEROLE"),
        flag(before.inherit, after.inherit, "INHERIT", "NOINHERIT"),
        limit.map(|limit| format!("CONNECTION LIMIT {limit}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!words.is_empty()).then(|| format!("ALTER ROLE {} {}", quote_ident(name), words.join(" ")))
}

fn memberships(name: &str, before: &RoleState, after: &RoleState) -> Vec<String> {
    let list = |from: &RoleState, without: &RoleState| {
        let roles: Vec<String> = from.member_of.difference(&without.member_of).map(|role| quote_ident(role)).collect();
        roles.join(", ")
    };
    let (given, taken) = (list(after, before), list(before, after));
    let name = quote_ident(name);
    let given = (!given.is_empty()).then(|| format!("GRANT {given} TO {name}"));
    let taken = (!taken.is_empty()).then(|| format!("REVOKE {taken} FROM {name}"));
    taken.into_iter().chain(given).collect()
}

#[cfg(test)]
mod tests;
