//! Facts about one app or slot: its identity, its settings without secrets, its slots, and what its health checks say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::facts::{Said, SiteFacts, SlotFacts, Source};
use super::gather::{Gathered, WantedSite};
use crate::azure::{Identity, Site};
use crate::model::{Address, Attributes, Value, looks_secret, secret_name};
use crate::resources::live::{entries, optional_text};
use crate::resources::sign_in::environment;
use crate::resources::{Live, check_http, sign_in};

/// How much of an app's words is kept.
const LONGEST: usize = 400;

/// Looks at a site. Without the site itself there are no facts.
pub(super) async fn site(
    live: &Live,
    wanted: &WantedSite<'_>,
    roles: &BTreeMap<Address, String>,
) -> Gathered<Option<SiteFacts>> {
    let mut gathered = Gathered::default();
    let what = wanted.id.to_string();
    let Some(site) = gathered.keep(&what, live.arm.site(&wanted.id).await) else { return gathered };
    let mut facts = bare(wanted, site, roles);
    if let Some(settings) = gathered.keep(&format!("settings of {what}"), live.arm.settings(&wanted.id).await) {
        facts.settings = Some(harmless(&settings));
        let strings = environment(live, &wanted.id, &settings).await;
        let strings = gathered.keep(&format!("connection strings of {what}"), strings);
        facts.sign_in = Some(sign_in(&strings.unwrap_or(settings), &Attributes::new()));
    }
    slots(live, wanted, &mut facts, &mut gathered).await;
    for check in wanted.checks.iter().copied().filter(|check| harmless_request(check)) {
        let path = optional_text(check, "path").unwrap_or("/");
        if let Some((_, page)) = gathered.keep(&format!("{path} of {what}"), check_http::page(live, check).await) {
            listen(&mut facts, path, page.status, &page.body);
        }
    }
    gathered.facts = Some(facts);
    gathered
}

/// What the site itself says.
fn bare(wanted: &WantedSite<'_>, site: Site, roles: &BTreeMap<Address, String>) -> SiteFacts {
    let identity = wanted.identity.map(|want| {
        let system = want.attributes.get("system").and_then(Value::as_bool) == Some(true);
        (want.address.to_string(), system)
    });
    let assigned = entries(wanted.identity.map(|want| &want.attributes), "user_assigned");
    let owned = entries(wanted.settings.map(|want| &want.attributes), "settings");
    let role_settings = owned.filter_map(|(name, value)| {
        let role = match value {
            Value::Text(text) => roles.values().find(|role| *role == text)?,
            Value::Open(reference) if reference.output == "name" => roles.get(&reference.address)?,
            _ => return None,
        };
        Some((name.clone(), role.clone()))
    });
    let outbound = site.properties.rest.get("outboundIpAddresses").and_then(Json::as_str).unwrap_or_default();
    SiteFacts {
        id: wanted.id.clone(),
        function: site.kind.as_deref().is_none_or(|kind| kind.contains("functionapp")),
        state: site.properties.state.clone().unwrap_or_default(),
        wants_identity: identity,
        wants_assigned: assigned
            .filter(|(_, wanted)| **wanted == Value::Bool(true))
            .map(|(id, _)| id.clone())
            .collect(),
        settings: None,
        sign_in: None,
        settings_address: wanted.settings.map(|want| want.address.to_string()),
        role_settings: role_settings.collect(),
        sticky: None,
        slots: Vec::new(),
        busy: site.busy(),
        outbound: outbound.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect(),
        auth_method: None,
        said: Vec::new(),
        identity: site.identity.unwrap_or_default(),
    }
}

/// The settings that are no secrets. What looks like one is left out, whatever its name; the scope of a token is none, even
/// where the name of the setting has the word in it.
fn harmless(settings: &Map<String, Json>) -> BTreeMap<String, String> {
    let plain = |(name, value): (&String, &Json)| {
        let value = value.as_str()?;
        let scope = value.starts_with("https://ossrdbms-aad.");
        ((scope || !secret_name(name)) && !looks_secret(value)).then(|| (name.clone(), value.to_owned()))
    };
    settings.iter().filter_map(plain).collect()
}

/// The other slots and the slot-sticky names. Plans without slots (Flex Consumption) refuse both questions.
async fn slots(
    live: &Live,
    wanted: &WantedSite<'_>,
    facts: &mut SiteFacts,
    gathered: &mut Gathered<Option<SiteFacts>>,
) {
    let what = format!("slots of {}", wanted.id);
    let Some(mut all) = gathered.keep(&what, live.arm.slots(&wanted.id).await) else { return };
    if let Some(own) = &wanted.id.slot {
        all.remove(own);
        if let Some(site) = gathered.keep(&what, live.arm.site(&wanted.id.whole_app()).await) {
            all.insert("production".to_owned(), site);
        }
    }
    let slot =
        |(name, site): (String, Site)| SlotFacts { name, principals: principals(&site.identity.unwrap_or_default()) };
    facts.slots = all.into_iter().map(slot).collect();
    if facts.slots.is_empty() {
        return;
    }
    if let Some(names) = gathered.keep(&what, live.arm.sticky_names(&wanted.id).await) {
        let sticky = names.get("appSettingNames").and_then(Json::as_array).into_iter().flatten();
        facts.sticky = Some(sticky.filter_map(Json::as_str).map(str::to_owned).collect());
    }
}

fn principals(identity: &Identity) -> BTreeSet<String> {
    let assigned = identity.user_assigned_identities.values().filter_map(|one| one.principal_id.as_ref());
    identity.principal_id.iter().chain(assigned).map(|id| id.to_ascii_lowercase()).collect()
}

/// Whether asking changes nothing: no job is submitted by looking.
fn harmless_request(http: &Attributes) -> bool {
    let get =
        optional_text(http, "method").is_none_or(|method| method.is_empty() || method.eq_ignore_ascii_case("get"));
    get && !http.contains_key("body")
}

/// Keeps how an answer says that the app signed in, and what it says went wrong.
fn listen(facts: &mut SiteFacts, path: &str, status: u16, body: &[u8]) {
    let body: Json = serde_json::from_slice(body).unwrap_or_default();
    if let Some(method) = texts(&body, &["auth_method"]).into_iter().next()
        && facts.auth_method.is_none()
    {
        facts.auth_method = Some((path.to_owned(), method));
    }
    if status < 400 {
        return;
    }
    for text in texts(&body, &["error", "message", "detail", "exception"]) {
        let said = Said { source: Source::Probe(path.to_owned()), text, times: 1 };
        if !facts.said.iter().any(|one| one.text == said.text) {
            facts.said.push(said);
        }
    }
}

/// The texts under these names, at any depth.
fn texts(json: &Json, names: &[&str]) -> Vec<String> {
    let below = |value: &Json| texts(value, names);
    match json {
        Json::Object(map) => map
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(text) if names.contains(&name.as_str()) => vec![text.chars().take(LONGEST).collect()],
                _ => below(value),
            })
            .collect(),
        Json::Array(list) => list.iter().flat_map(below).collect(),
        _ => Vec::new(),
    }
}
