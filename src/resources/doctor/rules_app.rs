//! Symptoms of an app: its identity, its tokens, the role it asks for, and the password it still holds.

use super::commands::{apply, az_site, pgentra, word};
use super::facts::{Facts, RoleFacts, Said, Seen, SiteFacts, SlotFacts, Source};
use super::rules::{Found, Rule};
use crate::model::moment;
use crate::resources::SignIn;

/// Words of an app that got no token.
const NO_TOKEN: [&str; 2] = ["failed to acquire managed identity token", "no managed identity endpoint"];

pub(super) const IDENTITY_OFF: Rule = Rule {
    id: "identity-off",
    title: "Managed identity is off",
    seen_as: "\"Failed to acquire managed identity token\" in the app's log; a fall back to the password",
    looks_at: "the site's `identity` in Resource Manager, against the identities in the plan file",
    remedy: "`pgentra apply --only app_identity.NAME`, which keeps identities that it does not own",
    find: identity_off,
};

pub(super) const TOKEN_SERVICE_OFF: Rule = Rule {
    id: "token-service-off",
    title: "The app's token service is off",
    seen_as: "\"Failed to acquire managed identity token\" although the portal shows the identity",
    looks_at: "the app setting `WEBSITE_DISABLE_MSI`",
    remedy: "`az functionapp config appsettings delete --setting-names WEBSITE_DISABLE_MSI`",
    find: token_service_off,
};

pub(super) const WRONG_IDENTITY: Rule = Rule {
    id: "wrong-identity",
    title: "The app asks for an identity that it does not have",
    seen_as: "HTTP 400 or 500 of the token service; a login refused with an object id that nobody expects",
    looks_at: "the app setting `AZURE_CLIENT_ID`, against the client ids of the app's user-assigned identities",
    remedy: "set `AZURE_CLIENT_ID` to the client id of the identity, or remove it for the system-assigned one",
    find: wrong_identity,
};

pub(super) const WRONG_AUDIENCE: Rule = Rule {
    id: "wrong-audience",
    title: "Tokens are for the wrong audience",
    seen_as: "\"The access token does not have a valid audience claim\" from PostgreSQL",
    looks_at: "app settings that name a database audience, answers to health checks, log traces, and pgentra's own token",
    remedy: "ask for tokens of the audience that the cloud's PostgreSQL takes (scope: that audience and `/.default`)",
    find: wrong_audience,
};

pub(super) const STALE_TOKEN: Rule = Rule {
    id: "stale-token",
    title: "The app uses an old token",
    seen_as: "\"The access token has expired\", or an oid mismatch although role and identity agree; often an hour or a day after a start",
    looks_at: "answers to health checks and log traces, against the role's label and the app's identity",
    remedy: "`az functionapp restart`; in code, ask for the token anew for each connection",
    find: stale_token,
};

pub(super) const WRONG_ROLE_NAME: Rule = Rule {
    id: "wrong-role-name",
    title: "The app asks for another role",
    seen_as: "\"password authentication failed for user\" from PostgreSQL although the token is good",
    looks_at: "the setting that names the role (such as `MANAGED_IDENTITY_NAME`), the plan file, and the roles' labels",
    remedy: "`pgentra apply --only app_settings.NAME`",
    find: wrong_role_name,
};

pub(super) const SLOT_SWAP: Rule = Rule {
    id: "slot-swap",
    title: "A slot swap mixed identities and settings, or would",
    seen_as: "an oid mismatch right after a swap: settings move with it, identities do not",
    looks_at: "the slots' identities, the slot-sticky names, a swap that is under way",
    remedy: "make the settings slot-sticky (`slot_settings` in the plan file), or give both slots one user-assigned identity",
    find: slot_swap,
};

pub(super) const PASSWORD_SIGN_IN: Rule = Rule {
    id: "password-sign-in",
    title: "The app is set to sign in by password",
    seen_as: "`auth_method` says `password`; nothing in the log about tokens",
    looks_at: "the app's settings and connection strings, by the guide's decision rule",
    remedy: "`pgentra apply --only app_settings.NAME`",
    find: password_sign_in,
};

pub(super) const PASSWORD_FALLBACK: Rule = Rule {
    id: "password-fallback",
    title: "The app falls back to the password",
    seen_as: "everything works, but `auth_method` says `password`; \"Falling back to password authentication\" in the log",
    looks_at: "answers to health checks, log traces, and who is connected as the old role",
    remedy: "fix what keeps the app from its token (the symptoms above), then `az functionapp restart`",
    find: password_fallback,
};

/// One line of evidence from what an app said.
fn quote(said: &Said) -> String {
    match &said.source {
        Source::Probe(path) => format!("the answer to {path}: {}", said.text),
        Source::Log(at) => format!("log, {} times, last at {}: {}", said.times, moment(*at), said.text),
    }
}

/// What an app says with one of these words.
fn quotes(site: &SiteFacts, words: &[&str]) -> Vec<String> {
    site.complaints(words).map(quote).collect()
}

fn restart(site: &SiteFacts) -> String {
    az_site(site, "restart", "")
}

fn identity_off(facts: &Facts) -> Vec<Found> {
    let find = |site: &SiteFacts| {
        let (address, system) = site.wants_identity.as_ref()?;
        let mut lacking: Vec<String> = Vec::new();
        lacking.extend((*system && !site.identity.has_system()).then(|| "the system-assigned identity".to_owned()));
        let missing = site.wants_assigned.iter().filter(|id| site.identity.user_assigned(id).is_none());
        lacking.extend(missing.map(|id| format!("user-assigned identity {id}")));
        let kind = site.identity.kind.as_deref().unwrap_or("None");
        (!lacking.is_empty()).then(|| {
            Found::symptom(site.id.to_string(), format!("it lacks {}", lacking.join(", ")))
                .seen([format!("Resource Manager says identity type {kind}")])
                .seen(quotes(site, &NO_TOKEN))
                .fix([apply(facts, address)])
        })
    };
    facts.sites.iter().filter_map(find).collect()
}

fn token_service_off(facts: &Facts) -> Vec<Found> {
    let off = |site: &&SiteFacts| {
        site.setting("WEBSITE_DISABLE_MSI").is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    };
    let found = |site: &SiteFacts| {
        Found::symptom(
            site.id.to_string(),
            "a setting turns its token service off, while Azure still shows the identity",
        )
        .seen(["app setting WEBSITE_DISABLE_MSI is set to true".to_owned()])
        .seen(quotes(site, &NO_TOKEN))
        .fix([az_site(site, "config appsettings delete", " --setting-names WEBSITE_DISABLE_MSI")])
    };
    facts.sites.iter().filter(off).map(found).collect()
}

fn wrong_identity(facts: &Facts) -> Vec<Found> {
    let find = |site: &SiteFacts| {
        let asked = site.setting("AZURE_CLIENT_ID").filter(|id| !id.is_empty())?;
        let has: Vec<&str> =
            site.identity.user_assigned_identities.values().filter_map(|one| one.client_id.as_deref()).collect();
        // The client id of a system-assigned identity is not told by Resource Manager.
        let known = site.identity.has_system() || has.iter().any(|id| id.eq_ignore_ascii_case(asked));
        (!known).then(|| {
            let right = has.first().map_or_else(String::new, |id| format!(" --settings AZURE_CLIENT_ID={}", word(id)));
            let fix = match right.as_str() {
                "" => az_site(site, "config appsettings delete", " --setting-names AZURE_CLIENT_ID"),
                right => az_site(site, "config appsettings set", right),
            };
            let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
            Found::symptom(site.id.to_string(), "AZURE_CLIENT_ID names an identity that it does not have")
                .seen([format!("AZURE_CLIENT_ID is {asked}; client ids of its user-assigned identities: {has}")])
                .seen(quotes(site, &NO_TOKEN))
                .fix([fix])
        })
    };
    facts.sites.iter().filter_map(find).collect()
}

fn wrong_audience(facts: &Facts) -> Vec<Found> {
    let right = facts.audience.trim_end_matches('/');
    let mut found = Vec::new();
    for site in &facts.sites {
        let named = site.settings.iter().flatten().filter(|(name, value)| {
            let bare = value.trim_end_matches("/.default").trim_end_matches('/');
            let database = value.contains("ossrdbms-aad.") || value.contains("//database.windows.net");
            let key = ["AUDIENCE", "SCOPE", "RESOURCE"].iter().any(|part| name.to_ascii_uppercase().contains(part));
            database && (key || value.starts_with("https://")) && !bare.eq_ignore_ascii_case(right)
        });
        let named: Vec<(&String, &String)> = named.collect();
        let said = quotes(site, &["audience"]);
        if named.is_empty() && said.is_empty() {
            continue;
        }
        let values: Vec<String> =
            named.iter().map(|(name, _)| format!(" {}", word(&format!("{name}={right}/.default")))).collect();
        let fix = match values.as_slice() {
            [] => format!("# in the app's code, ask for tokens of the scope {right}/.default"),
            all => az_site(site, "config appsettings set", &format!(" --settings{}", all.concat())),
        };
        found.push(
            Found::symptom(site.id.to_string(), format!("PostgreSQL of this cloud takes tokens for {right} only"))
                .seen(named.iter().map(|(name, value)| format!("app setting {name} is {value}")))
                .seen(said)
                .fix([fix]),
        );
    }
    let own = facts.own.audience.as_deref().filter(|own| !own.trim_end_matches('/').eq_ignore_ascii_case(right));
    found.extend(own.map(|own| {
        Found::symptom("pgentra itself", format!("PostgreSQL of this cloud takes tokens for {right} only"))
            .seen([format!("the token that it got is for {own}")])
            .fix(["az account clear && az login".to_owned()])
    }));
    found
}

/// The role that stands for an app, where it stands for the identity that the app has now.
fn bound<'a>(facts: &'a Facts, site: &SiteFacts) -> Option<&'a RoleFacts> {
    let principals = site.principals();
    facts.roles.iter().find(|role| {
        let Seen::There(state) = &role.live else { return false };
        role.app.as_ref() == Some(&site.id) && state.object_id.as_ref().is_some_and(|id| principals.contains(id))
    })
}

fn stale_token(facts: &Facts) -> Vec<Found> {
    let find = |site: &SiteFacts| {
        let expired = quotes(site, &["token has expired"]);
        let other = quotes(site, &["oid mismatch"]);
        let role = bound(facts, site);
        let (cause, seen) = match (expired.is_empty(), role.filter(|_| !other.is_empty())) {
            (false, _) => ("it keeps a token beyond its end".to_owned(), expired),
            (true, Some(role)) => (
                format!("role {} and its identity agree, so that its token must be of an earlier identity", role.name),
                other,
            ),
            (true, None) => return None,
        };
        Some(Found::symptom(site.id.to_string(), cause).seen(seen).fix([restart(site)]))
    };
    facts.sites.iter().filter_map(find).collect()
}

fn wrong_role_name(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for site in &facts.sites {
        let wrong = site
            .role_settings
            .iter()
            .filter(|(name, wanted)| site.settings.is_some() && site.setting(name) != Some(wanted.as_str()));
        let wrong: Vec<String> = wrong
            .map(|(name, wanted)| match site.setting(name) {
                Some(live) => format!("app setting {name} is {live}, the plan file says {wanted}"),
                None => format!("app setting {name} is not there, the plan file says {wanted}"),
            })
            .collect();
        if wrong.is_empty() {
            continue;
        }
        let cause = "PostgreSQL looks for the role by the name that the app sends, byte for byte";
        found.push(
            Found::symptom(site.id.to_string(), cause)
                .seen(wrong)
                .seen(quotes(site, &["password authentication failed", "does not exist"]))
                .fix(site.settings_address.iter().map(|address| apply(facts, address))),
        );
    }
    for role in facts.roles.iter().filter(|role| !role.others.is_empty() && !matches!(role.live, Seen::There(_))) {
        let others = role.others.join(", ");
        let cause = format!("its identity has a role already, under another name: {others}");
        found.push(
            Found::symptom(format!("role {} on {}", role.name, role.server), cause)
                .seen([format!("the label of {others} names object id {}", role.wanted.as_deref().unwrap_or("?"))])
                .fix([
                    format!("# either use {others} in the plan file, or make the role that it names:"),
                    apply(facts, &role.address),
                ]),
        );
    }
    found
}

fn slot_swap(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for site in &facts.sites {
        found.extend(site.busy.as_ref().map(|busy| {
            Found::symptom(site.id.to_string(), "settings and identities may not belong together until it is over")
                .seen([busy.clone()])
                .fix([format!("# wait until it is over, then: {}", pgentra(facts, "doctor", &[]))])
        }));
        found.extend(swapped(facts, site));
        let Some(sticky) = &site.sticky else { continue };
        let own = site.principals();
        let others: Vec<&SlotFacts> = site.slots.iter().filter(|slot| slot.principals.is_disjoint(&own)).collect();
        let loose: Vec<(&String, &String)> =
            site.role_settings.iter().filter(|(name, _)| !sticky.contains(*name)).collect();
        if own.is_empty() || others.is_empty() || loose.is_empty() {
            continue;
        }
        let names = others.iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(", ");
        let pairs: Vec<String> = loose.iter().map(|(name, role)| word(&format!("{name}={role}"))).collect();
        let more = format!(" --slot-settings {}", pairs.join(" "));
        let loose = loose.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        found.push(
            Found::risk(site.id.to_string(), "a swap would move the role's name to a slot with another identity")
                .seen([format!("not slot-sticky: {loose}; slots with other identities: {names}")])
                .fix([az_site(site, "config appsettings set", &more)]),
        );
    }
    found
}

/// Settings that name a role which stands for the identity of another slot.
fn swapped(facts: &Facts, site: &SiteFacts) -> Option<Found> {
    let own = site.principals();
    let foreign = site.role_settings.keys().find_map(|name| {
        let live = site.setting(name)?;
        let role = facts.roles.iter().find(|role| role.name == live)?;
        let Seen::There(state) = &role.live else { return None };
        let id = state.object_id.as_ref().filter(|id| !own.contains(*id))?;
        let slot = site.slots.iter().find(|slot| slot.principals.contains(id))?;
        Some(format!("app setting {name} is {live}, whose role stands for the identity of slot {}", slot.name))
    })?;
    let cause = "a swap moved the settings, and identities stay where they are";
    let fix = site.settings_address.iter().map(|address| apply(facts, address));
    Some(Found::symptom(site.id.to_string(), cause).seen([foreign]).fix(fix))
}

fn password_sign_in(facts: &Facts) -> Vec<Found> {
    let by_password = |site: &&SiteFacts| site.sign_in == Some(SignIn::Password) && site.settings_address.is_some();
    let found = |site: &SiteFacts| {
        let switch =
            site.setting("USE_MANAGED_IDENTITY").map_or("is not there".to_owned(), |value| format!("is {value}"));
        Found::symptom(site.id.to_string(), "there is a password, and USE_MANAGED_IDENTITY is not true")
            .seen([format!(
                "app setting USE_MANAGED_IDENTITY {switch}; a password is in its settings or connection strings"
            )])
            .seen(site.auth_method.iter().map(|(path, method)| format!("{path} says auth_method {method}")))
            .fix(site.settings_address.iter().map(|address| apply(facts, address)))
    };
    facts.sites.iter().filter(by_password).map(found).collect()
}

fn password_fallback(facts: &Facts) -> Vec<Found> {
    let find = |site: &SiteFacts| {
        let Some(SignIn::ManagedIdentity { .. }) = site.sign_in else { return None };
        let method = site.auth_method.as_ref().filter(|(_, method)| method.eq_ignore_ascii_case("password"));
        let said = quotes(site, &["falling back to password"]);
        (method.is_some() || !said.is_empty()).then(|| {
            let sessions = facts.old_roles.iter().filter_map(sessions);
            Found::symptom(site.id.to_string(), "it is set to use its identity, gets no token, and has a password left")
                .seen(method.iter().map(|(path, method)| format!("{path} says auth_method {method}")))
                .seen(said)
                .seen(quotes(site, &NO_TOKEN))
                .seen(sessions)
                .fix([format!("{}  # once the app gets tokens again", restart(site))])
        })
    };
    facts.sites.iter().filter_map(find).collect()
}

fn sessions(old: &super::OldRole) -> Option<String> {
    let oldest = old.sessions.first()?;
    let from = oldest.from.as_deref().unwrap_or("an address that may not be seen");
    let (count, name, server) = (old.sessions.len(), &old.name, &old.server);
    Some(format!("connected as {name} on {server}: {count}, the oldest from {from}, process {}", oldest.pid))
}
