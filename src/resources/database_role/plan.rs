//! The look before a change set: what a role is to be, restated in the words of what is there, and what it has besides.

use std::collections::BTreeSet;

use super::{MIGHTY, answer, outputs, state_of};
use crate::model::{Attributes, Class, Failure, Flaw, Look, Reading, Value, closest};
use crate::postgres::{Power, RoleState, Roles, quote_ident};

/// The first version in which memberships have the options INHERIT and SET.
const OPTIONS_SINCE: u32 = 160_000;

/// A server as whoever is signed in sees it.
pub(super) struct Sight<'a> {
    /// All its roles.
    pub(super) roles: &'a Roles,
    /// Who is signed in.
    pub(super) user: &'a str,
    /// Its version, as PostgreSQL counts it.
    pub(super) version: u32,
    /// The role that is looked at.
    pub(super) name: &'a str,
}

/// Compares what is wanted with a role as it is; `None` is a role that is to be made.
pub(super) fn compare(sight: &Sight<'_>, look: &Look<'_>, state: Option<&RoleState>) -> Result<Reading, Failure> {
    let on = |field: &str| look.attributes.get(field).and_then(Value::as_bool) == Some(true);
    let mut wanted = restate(look.attributes);
    let flaws = flaws(look, &wanted, sight.roles, sight.version);
    if !flaws.is_empty() {
        return Err(Failure::flawed(flaws));
    }
    let mut asked = wanted.clone();
    let mut reading = match state {
        None => Reading::absent(),
        Some(state) => {
            if !on("adopt") && !state.mapped && look.attributes.contains_key("object_id") {
                return Err(unmapped(sight.name));
            }
            let mut notes = Vec::new();
            besides(state, on("exclusive"), &mut wanted, &mut asked, &mut notes);
            let mut reading = Reading::present(answer(state, &asked), outputs(sight.name, state));
            reading.notes = notes;
            reading
        }
    };
    let nothing = RoleState::default();
    may_hand_out(&state_of(&wanted), &state_of(&asked), state.unwrap_or(&nothing), sight)?;
    reading.desired = Some(wanted);
    Ok(reading)
}

fn unmapped(name: &str) -> Failure {
    Failure::new(Class::Conflict, "the role is there already and has no Entra mapping")
        .detail(format!(
            "role {name:?} may be somebody's password role; mapping it would let the identity act with all its rights"
        ))
        .remedy("set `adopt = true` to take it over with its grants, or choose another name")
}

/// What is wanted, in the words that a look answers in: the object id in lower case, no policy, the defaults.
pub(in crate::resources) fn restate(attributes: &Attributes) -> Attributes {
    let mut wanted = attributes.clone();
    wanted.remove("adopt");
    wanted.remove("exclusive");
    if let Some(Value::Text(id)) = wanted.get_mut("object_id") {
        id.make_ascii_lowercase();
    }
    if wanted.contains_key("object_id") {
        wanted.entry("principal_type".into()).or_insert_with(|| Value::text("service"));
        wanted.entry("login".into()).or_insert(Value::Bool(true));
    }
    if let Some(Value::Map(roles)) = wanted.get_mut("member_of") {
        roles.retain(|_, value| value != &Value::Bool(false));
    }
    wanted
}

/// What the role has and nobody asked for: to be taken from an exclusive one, else told.
fn besides(
    state: &RoleState,
    exclusive: bool,
    wanted: &mut Attributes,
    asked: &mut Attributes,
    notes: &mut Vec<String>,
) {
    let live = [state.superuser, state.replication, state.bypass_rls, state.create_db, state.create_role];
    for ((field, word), live) in MIGHTY.into_iter().zip(live) {
        if live == Some(true) && !wanted.contains_key(field) {
            if exclusive {
                wanted.insert(field.to_owned(), Value::Bool(false));
                asked.insert(field.to_owned(), Value::Bool(false));
            } else {
                notes.push(format!("beyond the plan file: the role has {word}"));
            }
        }
    }
    let named = wanted.get("member_of").and_then(Value::as_map).cloned().unwrap_or_default();
    let others: Vec<&String> = state.member_of.keys().filter(|role| !named.contains_key(*role)).collect();
    if others.is_empty() {
        return;
    }
    if exclusive {
        let mut all = named.clone();
        all.extend(others.into_iter().map(|role| (role.clone(), Value::Bool(true))));
        wanted.entry("member_of".to_owned()).or_insert_with(|| Value::Map(named));
        asked.insert("member_of".to_owned(), Value::Map(all));
    } else {
        let list = others.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
        notes.push(format!("beyond the plan file: the role is a member of {list}"));
    }
}

/// Roles that the memberships name and that are not there, and options that the server does not have.
fn flaws(look: &Look<'_>, wanted: &Attributes, roles: &Roles, version: u32) -> Vec<Flaw> {
    let mut found = Vec::new();
    let flaw = |path, rule, title, remedy, role| {
        let (address, remedy) = (look.address.clone(), Some(remedy));
        Flaw { address, path, rule, title, remedy, role }
    };
    for (role, options) in wanted.get("member_of").and_then(Value::as_map).into_iter().flatten() {
        let path = format!("member_of.{role}");
        if !roles.has(role) {
            let remedy = match closest(role, roles.names()) {
                Some(other) => format!("did you mean {other:?}?"),
                None => "make it first, or name one that is there".to_owned(),
            };
            found.push(flaw(path, "unknown-role", format!("there is no role {role:?}"), remedy, Some(role.clone())));
        } else if version < OPTIONS_SINCE
            && options.as_map().is_some_and(|map| map.contains_key("inherit") || map.contains_key("set"))
        {
            let title = "the options INHERIT and SET of a membership came with PostgreSQL 16".to_owned();
            found.push(flaw(path, "unknown-option", title, "leave them out, or upgrade the server".to_owned(), None));
        }
    }
    found
}

/// Refuses memberships that are to change and that the session may not hand out, and those that somebody else granted
/// and whose grant it may not change.
fn may_hand_out(wanted: &RoleState, asked: &RoleState, state: &RoleState, sight: &Sight<'_>) -> Result<(), Failure> {
    let (mut helpless, mut others) = (BTreeSet::new(), BTreeSet::new());
    let named = asked.member_of.keys().chain(wanted.member_of.keys());
    for role in named {
        let takes: Vec<Option<&str>> = match (state.member_of.get(role), wanted.member_of.get(role)) {
            (None, None) => continue,
            (None, Some(_)) => Vec::new(),
            (Some(_), None) => vec![None],
            (Some(held), Some(wanted)) => {
                let changes = held.changes(wanted);
                if changes.is_empty() {
                    continue;
                }
                changes.into_iter().filter(|(_, on)| !on).map(|(word, _)| Some(word)).collect()
            }
        };
        if !sight.roles.may_hand_out(role) {
            helpless.insert(role.as_str());
        }
        for option in takes {
            let grantors = state.member_of.get(role).into_iter().flat_map(|held| held.grantors(option));
            let theirs = grantors.filter(|grantor| sight.roles.power(grantor) != Power::Direct);
            others.extend(theirs.map(|grantor| (role.as_str(), option, grantor)));
        }
    }
    match (helpless.is_empty(), others.is_empty()) {
        (false, _) => Err(no_admin(&helpless, sight.user)),
        (true, false) => Err(theirs(&others, sight.name, sight.user)),
        (true, true) => Ok(()),
    }
}

/// Who is signed in as `user` may not make anybody a member of these roles.
pub(in crate::resources) fn no_admin(roles: &BTreeSet<&str>, user: &str) -> Failure {
    let list = roles.iter().copied().collect::<Vec<_>>().join(", ");
    let grants =
        roles.iter().map(|role| format!("GRANT {} TO {} WITH ADMIN OPTION;", quote_ident(role), quote_ident(user)));
    Failure::new(Class::Forbidden, "not allowed to change who is a member")
        .detail(format!("{user} may not change who is a member of {list}\nsince PostgreSQL 16 that takes the ADMIN option on each of these roles"))
        .remedy(format!("let an administrator of these roles run: {}", grants.collect::<Vec<_>>().join(" ")))
}

/// What others granted is revoked in their names, which takes their rights.
pub(in crate::resources) fn theirs(found: &BTreeSet<(&str, Option<&str>, &str)>, name: &str, user: &str) -> Failure {
    let line = |(role, option, grantor): &(&str, Option<&str>, &str)| {
        let what = option.map(|option| format!("{option} of ")).unwrap_or_default();
        format!("{what}the membership in {role} was granted by {grantor}")
    };
    let revoke = |(role, option, grantor): &(&str, Option<&str>, &str)| {
        let option = option.map(|option| format!("{option} OPTION FOR ")).unwrap_or_default();
        let [role, name, grantor] = [role, name, grantor].map(quote_ident);
        format!("REVOKE {option}{role} FROM {name} GRANTED BY {grantor};")
    };
    let lines: Vec<String> = found.iter().map(line).collect();
    let revokes: Vec<String> = found.iter().map(revoke).collect();
    Failure::new(Class::Forbidden, "not allowed to change what others granted")
        .detail(format!(
            "{}\nsince PostgreSQL 16 that takes the rights of who granted it, which {} does not have",
            lines.join("\n"),
            user
        ))
        .remedy(format!("let who granted it, or an administrator who has their rights, run: {}", revokes.join(" ")))
}
