//! What was seen, as the tables of a plan file. Pure: the same seen, the same text.

use serde_json::Value as Json;

use super::{Seen, principals, tables};
use crate::azure::FirewallRule;
use crate::model::{Address, Attributes, Auth, Cloud, Ref, SecretSource, Value, looks_secret, secret_name};
use crate::plan::{Section, wide_open};
use crate::postgres::{Membership, RoleState};
use crate::resources::SignIn;

/// The tables of the plan file.
pub fn sections(seen: &Seen) -> Vec<Section> {
    let mut sections = vec![top(seen), azure(seen), server(seen)];
    sections.extend(firewall(seen));
    sections.push(app(seen));
    sections.extend(settings(seen));
    sections.push(role(seen));
    sections.extend(tables::grants(seen));
    sections
}

/// Whether the role is there and stands for something, so that the file says what is; else it proposes.
fn settled(seen: &Seen) -> bool {
    seen.state.as_ref().is_some_and(|state| state.mapped) && seen.sign_in != SignIn::Password
}

fn texts<T: Into<String>>(list: impl IntoIterator<Item = T>) -> Value {
    Value::List(list.into_iter().map(|text| Value::Text(text.into())).collect())
}

fn label(seen: &Seen) -> String {
    let site = &seen.wanted.site;
    site.slot.as_ref().map_or_else(|| site.app.clone(), |slot| format!("{}-{slot}", site.app))
}

fn reference(kind: &str, label: &str, output: &str) -> Value {
    Value::Open(Ref { address: Address::new(kind, label), output: output.to_owned() })
}

fn top(seen: &Seen) -> Section {
    let what = if settled(seen) {
        format!("{} as it is: `pgentra import` wrote down what was there.", seen.wanted.site)
    } else {
        format!(
            "The migration of {} from its password to its managed identity, as `pgentra import` proposes it.",
            seen.wanted.site
        )
    };
    let signs_in =
        format!("It signed in with: {}. `pgentra plan` says what differs from this file by now.", seen.sign_in);
    Section::new(&[]).about(what).about(signs_in).with("version", Value::Int(1)).with("name", label(seen))
}

fn azure(seen: &Seen) -> Section {
    let mut section = Section::new(&["azure"]).with("subscription", seen.wanted.site.subscription.clone());
    if let Some(tenant) = &seen.tenant {
        section = section.with("tenant", tenant.clone());
    }
    section = section.with("resource_group", seen.wanted.site.resource_group.clone());
    match &seen.wanted.cloud {
        Cloud::Public => section,
        Cloud::UsGov => section.with("cloud", "usgov"),
        Cloud::China => section.with("cloud", "china"),
        Cloud::Custom(url) => section.with("cloud", url.clone()),
    }
}

fn server(seen: &Seen) -> Section {
    let auth = seen.server.auth();
    let mut section = Section::new(&["server", &seen.server_id.server]);
    if let Err(why) = &seen.firewall {
        section = section.about(format!("Its firewall rules are not readable: {why}."));
    }
    for (name, rule) in seen.firewall.iter().flatten().filter(|(_, rule)| open_wide(rule)) {
        let text =
            format!("Its firewall rule {name} lets in {} to {}, which this file leaves alone.", rule.start, rule.end);
        section = section.about(text);
    }
    section =
        section.about("Databases and schemas that are there are taken as they are; `[database.NAME]` would own one.");
    if seen.server_id.resource_group != seen.wanted.site.resource_group {
        section = section.with("resource_group", seen.server_id.resource_group.clone());
    }
    section = if auth.entra() {
        section.with("entra_auth", true)
    } else {
        section.because("entra_auth", true, ["It takes no Entra tokens yet. Turning that on restarts the server."])
    };
    section = section.with("password_auth", auth.password());
    let admin = |admin: &crate::azure::Administrator| {
        let kind = match admin.principal_type.as_deref().unwrap_or_default().to_ascii_lowercase().as_str() {
            "group" => "group",
            "serviceprincipal" => "service_principal",
            _ => "user",
        };
        Some(Value::Map(Attributes::from([
            ("name".to_owned(), Value::Text(admin.principal_name.clone()?)),
            ("object_id".to_owned(), Value::Text(admin.object_id.clone()?)),
            ("type".to_owned(), Value::text(kind)),
        ])))
    };
    let admins: Vec<Value> = seen.admins.iter().filter_map(admin).collect();
    section = match (admins.as_slice(), seen.wanted.admin.as_ref().and_then(admin)) {
        ([], Some(proposed)) => {
            section.because("admin", proposed, ["Nobody administers it by Entra yet. This is who was named for it."])
        }
        ([], None) => section,
        ([one], _) => section.with("admin", one.clone()),
        (several, _) => section.because(
            "admins",
            Value::List(several.to_vec()),
            ["The first one is who signs in; the import got in as it."],
        ),
    };
    connections(seen, section)
}

/// The firewall rules as they are, but for those that let in everybody, which no file should ask for.
fn firewall(seen: &Seen) -> Vec<Section> {
    let server = seen.server_id.server.as_str();
    let rules = seen.firewall.iter().flatten().filter(|(_, rule)| !open_wide(rule)).enumerate();
    let rules = rules.map(|(at, (name, rule))| {
        let mut section = Section::new(&["server", server, "firewall", name]);
        if at == 0 {
            section = section.about(
                "Whom the server lets in by its firewall. Take out the rules that are not this file's business.",
            );
        }
        section.with("start", rule.start.clone()).with("end", rule.end.clone())
    });
    rules.collect()
}

fn open_wide(rule: &FirewallRule) -> bool {
    matches!((rule.start.parse(), rule.end.parse()), (Ok(first), Ok(last)) if wide_open(first, last))
}

/// A way in that was given by hand is written down, behind the administrator's.
fn connections(seen: &Seen, section: Section) -> Section {
    let Some(given) = &seen.wanted.connection else { return section };
    let way = |name: &str, user: &str, auth: &Auth| {
        let mut way =
            Attributes::from([("name".to_owned(), Value::text(name)), ("user".to_owned(), Value::text(user))]);
        if let Auth::Password(SecretSource::Env(variable)) = auth {
            let source = Attributes::from([("env".to_owned(), Value::text(variable))]);
            way.insert("password".to_owned(), Value::Map(source));
        }
        Value::Map(way)
    };
    let admin = seen.admins.first().or(seen.wanted.admin.as_ref()).and_then(|admin| admin.principal_name.as_deref());
    let mut ways: Vec<Value> =
        admin.filter(|admin| *admin != given.user).map(|admin| way("admin", admin, &Auth::Token)).into_iter().collect();
    ways.push(way("import", &given.user, &given.auth));
    let why = "Ways to sign in, the first one first. `import` is the one that this file was made with.";
    section.because("connections", Value::List(ways), [why])
}

/// Which of the app's identities the role stands for.
enum Stands {
    System,
    User(String),
    Other(String),
}

fn stands(seen: &Seen) -> Stands {
    let Some(id) = seen.state.as_ref().and_then(|state| state.object_id.as_deref()) else { return Stands::System };
    let is = |other: &Option<String>| other.as_deref().is_some_and(|other| other.eq_ignore_ascii_case(id));
    if is(&seen.identity.principal_id) {
        return Stands::System;
    }
    let user = seen.identity.user_assigned_identities.iter().find(|(_, one)| is(&one.principal_id));
    user.map_or_else(|| Stands::Other(id.to_owned()), |(arm, _)| Stands::User(arm.clone()))
}

fn app(seen: &Seen) -> Section {
    let site = &seen.wanted.site;
    let label = label(seen);
    let mut section = Section::new(&["app", &label])
        .about("What code is deployed cannot be told from outside; a `deployment` table here would deploy a zip.");
    if let Some(slot) = &site.slot {
        section = section.with("name", site.app.clone()).with("slot", slot.clone());
    }
    section = section.with("kind", if seen.function { "function" } else { "web" });
    section = match stands(seen) {
        Stands::System => section.because("identity", "system", others(seen, 1)),
        Stands::User(arm) => section.because("identity", texts([arm]), others(seen, 1)),
        Stands::Other(_) => section,
    };
    let owned = owned_settings(seen);
    let required: Vec<&String> = seen
        .said
        .names
        .iter()
        .filter(|name| seen.settings.contains_key(*name) && !owned.iter().any(|(own, _)| own == *name))
        .collect();
    let required: Vec<&String> = required.into_iter().filter(|name| !names_user(seen, name)).collect();
    let about_us: Vec<&String> = seen
        .sticky
        .iter()
        .filter(|name| owned.iter().any(|(own, _)| own == *name) || required.contains(name))
        .collect();
    if !required.is_empty() {
        let why = "These say where the database is. They have to be there; their values are not this file's business.";
        section = section.because("require_settings", texts(required.iter().map(|name| name.as_str())), [why]);
    }
    if !about_us.is_empty() {
        section = section.because(
            "slot_settings",
            texts(about_us.into_iter().map(String::as_str)),
            ["These stay with their slot in a swap."],
        );
    }
    section
}

/// Whether a setting holds the user of the password: it may go with the password.
fn names_user(seen: &Seen, name: &str) -> bool {
    seen.settings.get(name).and_then(Json::as_str).is_some_and(|value| seen.said.users.contains(value))
}

/// A remark about identities that the file does not name.
fn others(seen: &Seen, named: usize) -> Option<String> {
    let more = principals(&seen.identity).count().saturating_sub(named);
    (more > 0).then(|| format!("It has {more} more; they are kept."))
}

/// The settings that the file owns: those that say to use the identity, and which one.
fn owned_settings(seen: &Seen) -> Vec<(String, Value)> {
    let name = reference("role", &seen.role, "name");
    if !settled(seen) {
        let owned = [("USE_MANAGED_IDENTITY", Value::text("true")), ("MANAGED_IDENTITY_NAME", name)];
        return owned.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    }
    let client = match stands(seen) {
        Stands::User(arm) => seen.identity.user_assigned(&arm).and_then(|one| one.client_id.clone()),
        _ => None,
    };
    let mut owned = Vec::new();
    for (setting, value) in &seen.settings {
        let Some(value) = value.as_str() else { continue };
        let public = !secret_name(setting) && !looks_secret(value);
        let switch = ["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word));
        if setting == "USE_MANAGED_IDENTITY" && switch {
            owned.push((setting.clone(), Value::text(value)));
        } else if public && value == seen.role {
            owned.push((setting.clone(), name.clone()));
        } else if public && client.as_deref() == Some(value) {
            owned.push((setting.clone(), reference("app", &label(seen), "client_id")));
        }
    }
    owned
}

fn settings(seen: &Seen) -> Option<Section> {
    let owned = owned_settings(seen);
    let mut section = Section::new(&["app", &label(seen), "settings"]);
    if !settled(seen) {
        section = section
            .about("These tell the app to use its identity. Writing them restarts it; no other setting is touched.");
    }
    for (name, value) in &owned {
        section = section.with(name, value.clone());
    }
    (!owned.is_empty()).then_some(section)
}

fn role(seen: &Seen) -> Section {
    let mut section = Section::new(&["role", &seen.role]);
    if seen.state.is_none() {
        section = section.about("The role that the identity will sign in as.");
    }
    section = section.with("server", seen.server_id.server.clone());
    section = match stands(seen) {
        Stands::Other(id) => {
            section.because("object_id", id, ["It stands for a principal that is none of the app's identities."])
        }
        _ => section.with("identity", reference("app", &label(seen), "principal_id")),
    };
    let Some(state) = &seen.state else { return section };
    if !state.mapped {
        let why = "A password role of this name is there. With this it is taken over, with all that it may do.";
        section = section.because("adopt", true, [why]);
    }
    if let Some(kind) = state.principal_type.as_deref().filter(|kind| *kind != "service") {
        section = section.with("type", kind);
    }
    let attributes = attributes(state);
    if !attributes.is_empty() {
        section = section.with("attributes", Value::Map(attributes));
    }
    if !state.member_of.is_empty() {
        section = section.with("member_of", memberships(state));
    }
    section
}

/// The attributes that differ from those of a new role.
fn attributes(state: &RoleState) -> Attributes {
    let flags = [
        ("superuser", state.superuser, false),
        ("replication", state.replication, false),
        ("bypass_rls", state.bypass_rls, false),
        ("create_db", state.create_db, false),
        ("create_role", state.create_role, false),
        ("inherit", state.inherit, true),
    ];
    let differs = flags.into_iter().filter_map(|(name, flag, new)| Some((name, flag.filter(|flag| *flag != new)?)));
    let mut attributes: Attributes = differs.map(|(name, flag)| (name.to_owned(), Value::Bool(flag))).collect();
    if let Some(limit) = state.connection_limit.filter(|limit| *limit != -1) {
        attributes.insert("connection_limit".to_owned(), Value::Int(limit));
    }
    attributes
}

/// A list of names, or a table where a membership has options that a new one would not.
fn memberships(state: &RoleState) -> Value {
    let inherit = state.inherit.unwrap_or(true);
    let usual = |one: &Membership| {
        one.admin != Some(true) && one.inherit.is_none_or(|on| on == inherit) && one.set.is_none_or(|on| on)
    };
    if state.member_of.values().all(usual) {
        return texts(state.member_of.keys().cloned());
    }
    let options = |one: &Membership| {
        let flags = [("admin", one.admin), ("inherit", one.inherit), ("set", one.set)];
        let known = flags.into_iter().filter_map(|(name, flag)| Some((name.to_owned(), Value::Bool(flag?))));
        Value::Map(known.collect())
    };
    Value::Map(state.member_of.iter().map(|(role, one)| (role.clone(), options(one))).collect())
}
