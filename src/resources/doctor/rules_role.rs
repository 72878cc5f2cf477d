//! Symptoms of a role: whether it is there, whom it stands for, and what it may do.

use super::commands::{apply, az_site, pgentra, psql, word};
use super::facts::{Facts, Gap, GapKind, RoleFacts, Seen, SiteFacts};
use super::rules::{Found, Rule};
use crate::postgres::{RoleState, quote_ident};

pub(super) const MISSING: Rule = Rule {
    id: "role-missing",
    title: "The role does not exist",
    seen_as: "\"password authentication failed for user\" from PostgreSQL, which says the same of a wrong password",
    looks_at: "the server's roles",
    remedy: "`pgentra apply --only database_role.NAME`, then its grants",
    find: missing,
};

pub(super) const NOT_MAPPED: Rule = Rule {
    id: "role-not-mapped",
    title: "The role stands for no identity",
    seen_as: "\"password authentication failed for user\": the server takes the token for a password",
    looks_at: "the role's security labels",
    remedy: "`adopt = true` for the role in the plan file, then `pgentra apply --only database_role.NAME`",
    find: not_mapped,
};

pub(super) const OLD_OBJECT_ID: Rule = Rule {
    id: "role-old-object-id",
    title: "The role stands for an old object id",
    seen_as: "\"Service principal oid mismatch for role\" after an identity was deleted and made anew, or an app re-created",
    looks_at: "the object id in the role's label, against the identity that the app has now",
    remedy: "`pgentra apply --only database_role.NAME` binds it anew and keeps its grants, then `az functionapp restart`",
    find: old_object_id,
};

pub(super) const NO_LOGIN: Rule = Rule {
    id: "role-no-login",
    title: "The role may not log in",
    seen_as: "\"role is not permitted to log in\"",
    looks_at: "the role's attributes",
    remedy: "`ALTER ROLE ... LOGIN`",
    find: no_login,
};

pub(super) const NO_GRANT: Rule = Rule {
    id: "no-grant",
    title: "The role lacks privileges",
    seen_as: "\"permission denied for schema\", table, sequence or function",
    looks_at: "effective privileges by PostgreSQL's has_*_privilege functions, against the grants in the plan file",
    remedy: "`pgentra apply --only database_grants.NAME`",
    find: no_grant,
};

pub(super) const NO_DEFAULT_PRIVILEGES: Rule = Rule {
    id: "no-default-privileges",
    title: "The role will lack privileges on new objects",
    seen_as: "\"permission denied for table\" right after a migration of the schema, for the new table alone",
    looks_at: "default privileges of every role that creates objects there",
    remedy: "`pgentra apply --only database_grants.NAME`",
    find: no_default_privileges,
};

fn subject(role: &RoleFacts) -> String {
    format!("role {} on {}", role.name, role.server)
}

/// The app that a role stands for.
fn site<'a>(facts: &'a Facts, role: &RoleFacts) -> Option<&'a SiteFacts> {
    facts.sites.iter().find(|site| role.app.as_ref() == Some(&site.id))
}

/// Each role that is there.
fn there(facts: &Facts) -> impl Iterator<Item = (&RoleFacts, &RoleState)> {
    facts.roles.iter().filter_map(|role| match &role.live {
        Seen::There(state) => Some((role, state)),
        _ => None,
    })
}

fn missing(facts: &Facts) -> Vec<Found> {
    let gone = facts.roles.iter().filter(|role| role.live == Seen::Absent);
    gone.map(|role| {
        Found::symptom(subject(role), "nobody made it, or somebody dropped it")
            .seen([format!("pg_roles of {} has no {}", role.server, role.name)])
            .fix([apply(facts, &role.address), pgentra(facts, "apply", &[])])
    })
    .collect()
}

fn not_mapped(facts: &Facts) -> Vec<Found> {
    let plain = there(facts).filter(|(_, state)| !state.mapped);
    plain
        .map(|(role, _)| {
            Found::symptom(subject(role), "it is an ordinary role without a label of Entra")
                .seen([format!("pg_shseclabel of {} has no pgaadauth label for {}", role.server, role.name)])
                .fix([
                    "# set adopt = true for the role in the plan file, then:".to_owned(),
                    apply(facts, &role.address),
                ])
        })
        .collect()
}

fn old_object_id(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for (role, state) in there(facts) {
        let (Some(label), Some(wanted)) = (&state.object_id, &role.wanted) else { continue };
        if label.eq_ignore_ascii_case(wanted) {
            continue;
        }
        let site = site(facts, role);
        let whose = site.map_or_else(|| "the plan file names".to_owned(), |site| format!("{} has now", site.id));
        let said = site.into_iter().flat_map(|site| site.complaints(&["oid mismatch"])).map(|said| said.text.clone());
        found.push(
            Found::symptom(subject(role), "it is bound to an identity that was deleted or belongs to somebody else")
                .seen([format!("its label names object id {label}; {whose} {wanted}")])
                .seen(said)
                .fix([apply(facts, &role.address)])
                .fix(site.map(|site| az_site(site, "restart", ""))),
        );
    }
    found
}

fn no_login(facts: &Facts) -> Vec<Found> {
    let barred = there(facts).filter(|(_, state)| state.login == Some(false));
    barred
        .map(|(role, _)| {
            let statement = format!("ALTER ROLE {} LOGIN", quote_ident(&role.name));
            Found::symptom(subject(role), "it has NOLOGIN").seen(["rolcanlogin is false".to_owned()]).fix([psql(
                facts,
                &role.server,
                "postgres",
                &statement,
            )])
        })
        .collect()
}

/// Gaps of some kinds, one finding per grants resource.
fn gaps(facts: &Facts, kinds: &[GapKind], cause: &str) -> Vec<Found> {
    let mut addresses: Vec<&Gap> = facts.gaps.iter().filter(|gap| kinds.contains(&gap.kind)).collect();
    addresses.dedup_by_key(|gap| gap.address.clone());
    let found = |first: &Gap| {
        let all = facts.gaps.iter().filter(|gap| gap.address == first.address && kinds.contains(&gap.kind));
        Found::symptom(format!("database {} on {}", first.database, first.server), cause)
            .seen(all.map(|gap| gap.text.clone()))
            .fix([apply(facts, &first.address)])
    };
    addresses.into_iter().map(found).collect()
}

fn no_grant(facts: &Facts) -> Vec<Found> {
    gaps(facts, &[GapKind::Now, GapKind::Missing], "what the plan file grants is not there, or no longer")
}

fn no_default_privileges(facts: &Facts) -> Vec<Found> {
    let cause = "GRANT ... ON ALL TABLES covers what is there; default privileges count per role that creates";
    gaps(facts, &[GapKind::Tomorrow], cause)
}

/// The role of an administrator in a command.
pub(super) fn administrator_words(name: &str, object_id: &str, kind: &str) -> String {
    format!(" --display-name {} --object-id {} --type {}", word(name), word(object_id), word(kind))
}
