//! The look before a change set: what a role is to be, restated in the words of what is there, and what it has besides.

use super::{MIGHTY, answer, outputs};
use crate::model::{Attributes, Class, Failure, Flaw, Look, Reading, Value, closest};
use crate::postgres::{RoleState, Roles, quote_ident};

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
}

/// Compares what is wanted with a role as it is; `None` is a role that is to be made.
pub(super) fn compare(
    sight: &Sight<'_>,
    look: &Look<'_>,
    name: &str,
    state: Option<&RoleState>,
) -> Result<Reading, Failure> {
    let on = |field: &str| look.attributes.get(field).and_then(Value::as_bool) == Some(true);
    let mut wanted = restate(look.attributes);
    let flaws = flaws(look, &wanted, sight.roles, sight.version);
    if !flaws.is_empty() {
        return Err(Failure::flawed(flaws));
    }
    let mut reading = match state {
        None => Reading::absent(),
        Some(state) => {
            if !on("adopt") && !state.mapped && look.attributes.contains_key("object_id") {
                return Err(unmapped(name));
            }
            let mut asked = wanted.clone();
            let mut notes = Vec::new();
            besides(state, on("exclusive"), &mut wanted, &mut asked, &mut notes);
            let mut reading = Reading::present(answer(state, &asked), outputs(name, state));
            reading.notes = notes;
            reading
        }
    };
    may_hand_out(&reading, &wanted, sight.roles, sight.user)?;
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

/// Refuses memberships that are to change and that the session may not hand out.
fn may_hand_out(reading: &Reading, wanted: &Attributes, roles: &Roles, user: &str) -> Result<(), Failure> {
    let members = |end: Option<&Attributes>| {
        end.and_then(|end| end.get("member_of")).and_then(Value::as_map).cloned().unwrap_or_default()
    };
    let held = match &reading.observed {
        crate::model::Observed::Present(state) => members(Some(&state.attributes)),
        _ => Attributes::new(),
    };
    let wanted = members(Some(wanted));
    let changes = wanted.iter().filter(|(role, value)| held.get(*role) != Some(*value)).map(|(role, _)| role);
    let changes = changes.chain(held.keys().filter(|role| !wanted.contains_key(*role)));
    let helpless: Vec<&String> = changes.filter(|role| !roles.may_hand_out(role)).collect();
    if helpless.is_empty() {
        return Ok(());
    }
    Err(helpless_to_hand_out(&helpless, user))
}

/// Who is signed in as `user` may not make anybody a member of these roles.
pub(in crate::resources) fn helpless_to_hand_out(helpless: &[&String], user: &str) -> Failure {
    let list = helpless.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    let grants =
        helpless.iter().map(|role| format!("GRANT {} TO {} WITH ADMIN OPTION;", quote_ident(role), quote_ident(user)));
    Failure::new(Class::Forbidden, "not allowed to change who is a member")
        .detail(format!("{user} may not change who is a member of {list}\nsince PostgreSQL 16 that takes the ADMIN option on each of these roles"))
        .remedy(format!("let an administrator of these roles run: {}", grants.collect::<Vec<_>>().join(" ")))
}
