//! The statements that make, change and drop roles, with their memberships.

use std::collections::BTreeMap;

use crate::postgres::quote::{quote_ident, quote_literal};
use crate::postgres::role_state::{Membership, RoleState};

use super::Script;

/// Makes a role for a principal. `pgaadauth_create_principal_with_oid` exists only in database `postgres`.
pub fn create_role(name: &str, wanted: &RoleState) -> Script {
    let mut statements = Vec::new();
    match &wanted.object_id {
        Some(object_id) => statements.push(principal("create", name, object_id, wanted)),
        None => statements.push(format!("CREATE ROLE {} LOGIN", quote_ident(name))),
    }
    statements.extend(attributes(name, &RoleState::default(), wanted));
    statements.extend(memberships(name, &RoleState::default(), wanted, &|_| false));
    Script(statements)
}

/// Leads a role from one state to the other: rebinds it, sets attributes and memberships. `may` answers whether the session
/// may grant in another role's name.
pub fn update_role(name: &str, before: &RoleState, after: &RoleState, may: &dyn Fn(&str) -> bool) -> Script {
    let mut statements = Vec::new();
    if (&before.object_id, &before.principal_type) != (&after.object_id, &after.principal_type) {
        statements.push(match &after.object_id {
            Some(object_id) => principal("update", name, object_id, after),
            None => format!("SECURITY LABEL FOR \"pgaadauth\" ON ROLE {} IS NULL", quote_ident(name)),
        });
    }
    statements.extend(attributes(name, before, after));
    statements.extend(memberships(name, before, after, may));
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
    let flag = |old: Option<bool>, new: Option<bool>, word: &str| {
        new.filter(|_| new != old).map(|on| format!("{}{word}", if on { "" } else { "NO" }))
    };
    let limit = after.connection_limit.filter(|_| after.connection_limit != before.connection_limit);
    let words: Vec<String> = [
        flag(before.login, after.login, "LOGIN"),
        flag(before.superuser, after.superuser, "SUPERUSER"),
        flag(before.replication, after.replication, "REPLICATION"),
        flag(before.bypass_rls, after.bypass_rls, "BYPASSRLS"),
        flag(before.create_db, after.create_db, "CREATEDB"),
        flag(before.create_role, after.create_role, "CREATEROLE"),
        flag(before.inherit, after.inherit, "INHERIT"),
        limit.map(|limit| format!("CONNECTION LIMIT {limit}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!words.is_empty()).then(|| format!("ALTER ROLE {} {}", quote_ident(name), words.join(" ")))
}

/// The statements that lead memberships from one state to the other, each naming all roles that it is the same for.
///
/// Since PostgreSQL 16 several may have granted one membership, and each REVOKE ends or lessens what one of them gave; so
/// it is done for each of them. A grant goes to what somebody granted already in whose name the session `may` grant, for
/// else it would be one more, which nobody asked for.
fn memberships(name: &str, before: &RoleState, after: &RoleState, may: &dyn Fn(&str) -> bool) -> Vec<String> {
    let name = quote_ident(name);
    let mut taken: BTreeMap<(Option<&str>, Option<&str>), Vec<String>> = BTreeMap::new();
    let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (role, held) in &before.member_of {
        let changes = after.member_of.get(role).map(|wanted| held.changes(wanted));
        let lessened: Vec<Option<&str>> = match &changes {
            None => vec![None],
            Some(changes) => changes.iter().filter(|(_, on)| !on).map(|(word, _)| Some(*word)).collect(),
        };
        for option in lessened {
            let mut grantors: Vec<Option<&str>> = held.grantors(option).map(Some).collect();
            if grantors.is_empty() {
                grantors.push(None);
            }
            for grantor in grantors {
                taken.entry((option, grantor)).or_default().push(quote_ident(role));
            }
        }
        let added: Vec<&str> = changes.into_iter().flatten().filter(|(_, on)| *on).map(|(word, _)| word).collect();
        if !added.is_empty() {
            given.entry(more(held, &added, may)).or_default().push(quote_ident(role));
        }
    }
    for (role, wanted) in after.member_of.iter().filter(|(role, _)| !before.member_of.contains_key(*role)) {
        given.entry(anew(wanted)).or_default().push(quote_ident(role));
    }
    let taken = taken.into_iter().map(|((option, grantor), roles)| {
        let option = option.map(|option| format!("{option} OPTION FOR ")).unwrap_or_default();
        format!("REVOKE {option}{} FROM {name}{}", roles.join(", "), by(grantor))
    });
    let given = given.into_iter().map(|(options, roles)| format!("GRANT {} TO {name}{options}", roles.join(", ")));
    taken.chain(given).collect()
}

fn by(grantor: Option<&str>) -> String {
    grantor.map(|grantor| format!(" GRANTED BY {}", quote_ident(grantor))).unwrap_or_default()
}

/// The end of a GRANT that gives a membership these options besides. One that cannot change what is there names the other
/// options as well, where the version has them: PostgreSQL's defaults would give them too.
fn more(held: &Membership, gives: &[&str], may: &dyn Fn(&str) -> bool) -> String {
    let grantor = held.grantors(None).find(|grantor| may(grantor));
    let named = |(word, here): (&'static str, Option<bool>)| {
        let other = || here.filter(|_| grantor.is_none() && held.set.is_some()).map(|_| (word, false));
        if gives.contains(&word) { Some((word, true)) } else { other() }
    };
    with(&held.options().filter_map(named).collect::<Vec<_>>()) + &by(grantor)
}

/// The end of a GRANT that makes a membership.
fn anew(wanted: &Membership) -> String {
    let asked: Vec<(&str, bool)> = wanted.options().filter_map(|(word, on)| Some((word, on?))).collect();
    // Nobody has it unasked, and version 15 has no word for "without".
    if asked == [("ADMIN", false)] { String::new() } else { with(&asked) }
}

fn with(options: &[(&str, bool)]) -> String {
    match options {
        [] => String::new(),
        [("ADMIN", true)] => " WITH ADMIN OPTION".to_owned(),
        several => {
            let words: Vec<String> =
                several.iter().map(|(word, on)| format!("{word} {}", if *on { "TRUE" } else { "FALSE" })).collect();
            format!(" WITH {}", words.join(", "))
        }
    }
}
