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

/// One statement per set of options, naming all roles that it is the same for. What several roles granted is revoked
/// from each of them: since PostgreSQL 16 a REVOKE ends one grantor's membership only.
fn memberships(name: &str, before: &RoleState, after: &RoleState) -> Vec<String> {
    let name = quote_ident(name);
    let mut taken: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for (role, membership) in before.member_of.iter().filter(|(role, _)| !after.member_of.contains_key(*role)) {
        let grantors = membership.grantors.iter().map(|grantor| Some(grantor.as_str()));
        let unknown = membership.grantors.is_empty().then_some(None);
        for grantor in grantors.chain(unknown) {
            taken.entry(grantor).or_default().push(quote_ident(role));
        }
    }
    let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (role, membership) in &after.member_of {
        if let Some(options) = options(before.member_of.get(role), membership) {
            given.entry(options).or_default().push(quote_ident(role));
        }
    }
    let taken = taken.into_iter().map(|(grantor, roles)| {
        let by = grantor.map(|grantor| format!(" GRANTED BY {}", quote_ident(grantor))).unwrap_or_default();
        format!("REVOKE {} FROM {name}{by}", roles.join(", "))
    });
    let given = given.into_iter().map(|(options, roles)| format!("GRANT {} TO {name}{options}", roles.join(", ")));
    taken.chain(given).collect()
}

/// The options that a GRANT has to name; `None` when there is nothing to change. ADMIN alone is older than version 16.
fn options(before: Option<&Membership>, after: &Membership) -> Option<String> {
    let changes = [
        ("ADMIN", before.and_then(|b| b.admin), after.admin),
        ("INHERIT", before.and_then(|b| b.inherit), after.inherit),
        ("SET", before.and_then(|b| b.set), after.set),
    ];
    let asked: Vec<(&str, bool)> = changes
        .into_iter()
        .filter(|(_, old, new)| new.is_some() && old != new)
        .filter_map(|(word, _, new)| Some((word, new?)))
        .collect();
    match asked.as_slice() {
        [] if before.is_some() => None,
        [] | [("ADMIN", false)] if before.is_none() => Some(String::new()),
        [("ADMIN", true)] => Some(" WITH ADMIN OPTION".to_owned()),
        several => {
            let words: Vec<String> =
                several.iter().map(|(word, on)| format!("{word} {}", if *on { "TRUE" } else { "FALSE" })).collect();
            Some(format!(" WITH {}", words.join(", ")))
        }
    }
}
