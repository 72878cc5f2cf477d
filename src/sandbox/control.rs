//! The control endpoint under `/_sandbox/`: what tests and the `sandbox` command see and turn.
//!
//! Every call needs the header `x-sandbox: 1`; bodies are JSON. A site is `app`, or `app/slots/slot`.
//!
//! To look:
//! - `GET requests[?since=N]`: every request served, oldest first, bodies with secrets masked. `DELETE requests` forgets
//!   them.
//! - `GET logins`: every attempt to sign in to PostgreSQL.
//! - `GET state`: the control plane without its secrets.
//! - `GET faults`: the planted faults, with how many requests each has seen.
//!
//! To plant faults, `POST faults` with `{method?, path, nth?, times?, action, ...}`: the request with this method and a
//! path that fits (`*` is anything, case does not count), from the `nth` on (1), `times` times (1; 0 is for good), meets
//! - `latency` with `ms`: the answer comes late;
//! - `status` with `status`, `body?`, `retry_after?`, `after_effect?`: this answer instead of the real one;
//! - `lost_reply`: the request takes effect, the connection is cut;
//! - `stale_read`: reads see the world as it was when the fault was planted;
//! - `second_writer` with `site`, `key`, `value?`: right after the request somebody else writes an app setting;
//! - `lie`: a write is said to have succeeded but has no effect;
//! - `lro_fails_late` with `code`, `message`: the long-running operation begins well and fails in the end.
//!
//! `DELETE faults` takes all of them away.
//!
//! To turn knobs, `POST knobs` with any of `token_lifetime` (seconds), `clock_shift` (seconds by which the clock of
//! tokens is ahead of the sandbox's), `read_only`, `operation_ms`, `retry_after`, `patch_keeps_identities`,
//! `azure_diagnostics` (whether the server's log is in the legacy table); `GET knobs` shows them.
//! `POST read_only {on?}` refuses each write, or no longer.
//!
//! `GET clock` tells the time, `POST clock {advance}` moves it on, for PostgreSQL and the apps too.
//!
//! To act as somebody else:
//! - `POST settings {site, key, value?}`: writes or removes an app setting;
//! - `POST identity/recreate {site}` or `{identity}`: the system-assigned identity of a site, or a user-assigned one, is
//!   deleted and made anew under its name, with other ids;
//! - `POST identity/lose {site}`: the system-assigned identity of a site is switched off;
//! - `POST app {site?, fail?, fall_back?, leak?}`: what the site's app does wrong from now on;
//! - `POST server {server, state}`: the server is Ready, Updating, Stopped, ...;
//! - `POST principals {name, kind?, secret?, role?, object_id?, client_id?}`, `POST groups {name, members, object_id?}`,
//!   `POST federated {client_id, issuer, subject, audience}`: adds to the directory;
//! - `POST token {object_id, audience?, lifetime?}`: a token of any principal;
//! - `POST assertion {issuer, subject, audience, lifetime?}`: what a CI system's identity provider would sign.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::directory::{Federated, Group, Kind, Principal, new_guid};
use super::emulator::{Emulator, lock};
use super::faults::Rule;
use super::names;
use super::state::{World, site_key};
use super::trouble::Trouble;
use crate::model::{Class, Failure};

/// Answers; the header `x-sandbox` is required, so that no page in a browser gets here by accident.
pub async fn answer(emulator: &Arc<Emulator>, call: &Call) -> Reply {
    if call.header("x-sandbox").is_none() {
        return refuse(403, "the header x-sandbox: 1 is required");
    }
    let parts = call.parts();
    let body = call.json();
    match (call.method.as_str(), &parts[1..]) {
        ("GET", ["requests"]) => {
            let since = call.parameter("since").and_then(|since| since.parse().ok()).unwrap_or(0);
            Reply::ok(json!({"value": lock(&emulator.log).since(since)}))
        }
        ("DELETE", ["requests"]) => {
            lock(&emulator.log).clear();
            Reply::empty(204)
        }
        ("GET", ["logins"]) => Reply::ok(json!({"value": *lock(&emulator.logins)})),
        ("GET", ["faults"]) => Reply::ok(json!({"value": lock(&emulator.faults).list()})),
        ("POST", ["faults"]) => match serde_json::from_value::<Rule>(body) {
            Ok(rule) => {
                let world = emulator.world();
                lock(&emulator.faults).plant(rule, &world);
                Reply::empty(204)
            }
            Err(error) => refuse(400, &error.to_string()),
        },
        ("DELETE", ["faults"]) => {
            lock(&emulator.faults).clear();
            Reply::empty(204)
        }
        ("GET", ["state"]) => Reply::ok(state(emulator)),
        ("GET", ["knobs" | "tokens"]) => Reply::ok(json!(emulator.world().knobs)),
        ("POST", ["knobs" | "tokens"]) => turn(emulator, &body),
        ("POST", ["read_only"]) => turn(emulator, &json!({"read_only": body["on"].as_bool().unwrap_or(true)})),
        ("GET", ["clock"]) => Reply::ok(emulator.shown_clock()),
        ("POST", ["clock"]) => match emulator.advance(body["advance"].as_str().unwrap_or_default()).await {
            Ok(()) => Reply::ok(emulator.shown_clock()),
            Err(failure) => refuse_failure(&failure),
        },
        ("POST", ["app"]) => trouble(emulator, &body).await,
        ("POST", ["token"]) => token(emulator, &body),
        ("POST", ["assertion"]) => assertion(emulator, &body),
        ("POST", rest) => {
            let rest: Vec<String> = rest.iter().map(|&part| part.to_owned()).collect();
            emulator.change(|world| write(world, &rest, &body))
        }
        _ => refuse(404, "no such control"),
    }
}

fn refuse(status: u16, text: &str) -> Reply {
    Reply::json(status, json!({"error": {"code": "Sandbox", "message": text}}))
}

/// A failure as an answer: what, why and what to do.
fn refuse_failure(failure: &Failure) -> Reply {
    let status = if failure.class == Class::Input { 400 } else { 409 };
    let mut reply = json!({"code": "Sandbox", "message": failure.summary});
    reply["detail"] = json!(failure.detail);
    reply["remedy"] = json!(failure.remedy);
    Reply::json(status, json!({"error": reply}))
}

/// What the app of a site does wrong from now on: `{site?, fail?, fall_back?, leak?}`; what is not named stays.
async fn trouble(emulator: &Emulator, body: &Value) -> Reply {
    let mut body = body.clone();
    let Some(members) = body.as_object_mut() else { return refuse(400, "not an object") };
    let site = members.remove("site").unwrap_or_else(|| json!(names::APP));
    let key = site.as_str().unwrap_or_default().to_ascii_lowercase();
    let Some(before) = emulator.world().sites.get(&key).cloned() else { return refuse(404, "no such site") };
    let mut wanted = json!(before.trouble);
    for (name, value) in members.iter() {
        wanted[name] = value.clone();
    }
    let wanted: Trouble = match serde_json::from_value(wanted) {
        Ok(wanted) => wanted,
        Err(error) => return refuse(400, &error.to_string()),
    };
    let port = lock(&emulator.serving).get(&before.host_name).copied();
    // A process that is about to start finds it in its environment.
    if let Some(port) = port
        && let Err(failure) = wanted.tell(port).await
    {
        return refuse_failure(&failure);
    }
    emulator.change(|world| {
        if let Some(site) = world.sites.get_mut(&key) {
            site.trouble = wanted;
        }
    });
    Reply::ok(json!(wanted))
}

/// The state, without passwords and secrets.
fn state(emulator: &Emulator) -> Value {
    let mut state = json!(emulator.world());
    if let Some(principals) = state["directory"]["principals"].as_object_mut() {
        for principal in principals.values_mut().filter_map(Value::as_object_mut) {
            principal.remove("secret");
        }
    }
    let vaults = state["vaults"].as_object_mut().into_iter().flat_map(|vaults| vaults.values_mut());
    for secret in vaults.filter_map(|vault| vault["secrets"].as_object_mut()).flat_map(|all| all.values_mut()) {
        for version in secret["versions"].as_array_mut().into_iter().flatten() {
            version["value"] = json!("(masked)");
        }
    }
    for site in state["sites"].as_object_mut().into_iter().flat_map(|sites| sites.values_mut()) {
        site["identity_header"] = Value::Null;
        site["master_key"] = Value::Null;
        for (name, value) in site["settings"].as_object_mut().into_iter().flatten() {
            if crate::model::secret_name(name) || value.as_str().is_some_and(crate::model::looks_secret) {
                *value = json!("(masked)");
            }
        }
        for value in site["connection_strings"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
            value["value"] = json!("(masked)");
        }
    }
    state
}

/// Merges the given members into the knobs.
fn turn(emulator: &Emulator, body: &Value) -> Reply {
    let turned = emulator.change(|world| {
        let mut knobs = json!(world.knobs);
        for (name, value) in body.as_object().into_iter().flatten() {
            if knobs.get(name).is_none() {
                return Err(format!("no knob {name}"));
            }
            knobs[name] = value.clone();
        }
        world.knobs = serde_json::from_value(knobs).map_err(|error| error.to_string())?;
        Ok(world.knobs.clone())
    });
    match turned {
        Ok(knobs) => {
            emulator.issuer.set_shift(emulator.world().token_shift());
            Reply::ok(json!(knobs))
        }
        Err(text) => refuse(400, &text),
    }
}

/// A token for any principal of the directory: `{object_id, audience, lifetime?}`.
fn token(emulator: &Emulator, body: &Value) -> Reply {
    let Some(subject) = emulator.world().directory.subject(body["object_id"].as_str().unwrap_or_default()) else {
        return refuse(404, "no such principal");
    };
    let audience = body["audience"].as_str().unwrap_or(super::names::POSTGRES_AUDIENCE);
    match emulator.issuer.issue(&subject, audience, body["lifetime"].as_i64().unwrap_or(3599)) {
        Ok(token) => Reply::ok(json!({"access_token": token})),
        Err(failure) => refuse(500, &failure.to_string()),
    }
}

/// An assertion as an identity provider of a CI system gives it: `{issuer, subject, audience, lifetime?}`.
fn assertion(emulator: &Emulator, body: &Value) -> Reply {
    let now = emulator.issuer.now();
    let claims = json!({"iss": body["issuer"], "sub": body["subject"], "aud": body["audience"], "iat": now,
        "nbf": now, "exp": now + body["lifetime"].as_i64().unwrap_or(300)});
    match emulator.issuer.sign(&claims) {
        Ok(token) => Reply::ok(json!({"value": token})),
        Err(failure) => refuse(500, &failure.to_string()),
    }
}

fn write(world: &mut World, parts: &[String], body: &Value) -> Reply {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let site = text("site");
    let (app, slot) = site.split_once("/slots/").map_or((site.as_str(), None), |(app, slot)| (app, Some(slot)));
    let key = site_key(app, slot);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["settings"] => {
            let known = world.set_setting(&site, &text("key"), body["value"].as_str().map(str::to_owned));
            if known { Reply::empty(204) } else { refuse(404, "no such site") }
        }
        ["identity", "lose"] => lose(world, &key),
        ["identity", "recreate"] if body["identity"].is_string() => recreate_identity(world, &text("identity")),
        ["identity", "recreate"] => recreate(world, &key),
        ["server"] => match world.servers.get_mut(&text("server").to_ascii_lowercase()) {
            Some(server) => {
                server.state = text("state");
                Reply::empty(204)
            }
            None => refuse(404, "no such server"),
        },
        ["principals"] => add_principal(world, body),
        ["groups"] => {
            let given = text("object_id");
            let object_id = if given.is_empty() { new_guid() } else { given };
            let members = body["members"].as_array().into_iter().flatten();
            let members: BTreeSet<String> = members.filter_map(|member| member.as_str().map(str::to_owned)).collect();
            world.directory.groups.insert(object_id.clone(), Group { name: text("name"), members });
            Reply::ok(json!({"object_id": object_id}))
        }
        ["federated"] => {
            let credential = Federated { issuer: text("issuer"), subject: text("subject"), audience: text("audience") };
            let client_id = text("client_id");
            for principal in world.directory.principals.values_mut() {
                if let Kind::Application { client_id: id, federated, .. } = &mut principal.kind
                    && *id == client_id
                {
                    federated.push(credential);
                    return Reply::empty(204);
                }
            }
            refuse(404, "no such application")
        }
        _ => refuse(404, "no such control"),
    }
}

/// Deletes and makes anew the system-assigned identity of a site: the same name, other ids.
fn recreate(world: &mut World, key: &str) -> Reply {
    let Some(site) = world.sites.get(key) else { return refuse(404, "no such site") };
    let Some(old) = site.system_identity.clone() else { return refuse(409, "the site has no identity") };
    let (name, id) = (site.identity_name(), world.site_id(site));
    world.directory.remove(&old);
    let new = world.directory.add_managed_identity(&name, &id);
    if let Some(site) = world.sites.get_mut(key) {
        site.system_identity = Some(new.clone());
        site.restart();
    }
    Reply::ok(json!({"principal_id": new}))
}

/// Takes the system-assigned identity of a site away, as somebody does who switches it off.
fn lose(world: &mut World, key: &str) -> Reply {
    let Some(site) = world.sites.get_mut(key) else { return refuse(404, "no such site") };
    let Some(old) = site.system_identity.take() else { return refuse(409, "the site has no identity") };
    site.restart();
    world.directory.remove(&old);
    Reply::ok(json!({"principal_id": old}))
}

/// Deletes and makes anew a user-assigned identity: the same name and resource id, other ids of its principal.
fn recreate_identity(world: &mut World, name: &str) -> Reply {
    let key = name.to_ascii_lowercase();
    let Some(identity) = world.identities.get(&key).cloned() else { return refuse(404, "no such identity") };
    let id = world.identity_id(&identity);
    world.directory.remove(&identity.principal_id);
    let new = world.directory.add_managed_identity(&identity.name, &id);
    if let Some(identity) = world.identities.get_mut(&key) {
        identity.principal_id.clone_from(&new);
    }
    Reply::ok(json!({"principal_id": new}))
}

/// Adds a principal: `{name, kind, client_id?, secret?, role?, object_id?}`.
fn add_principal(world: &mut World, body: &Value) -> Reply {
    let mut body = body.clone();
    let Some(members) = body.as_object_mut() else { return refuse(400, "not an object") };
    let object_id = match members.remove("object_id") {
        Some(Value::String(id)) => id,
        _ => new_guid(),
    };
    members.entry("client_id").or_insert_with(|| json!(new_guid()));
    members.entry("kind").or_insert_with(|| json!("application"));
    match serde_json::from_value::<Principal>(body) {
        Ok(principal) => {
            let shown = json!({"object_id": object_id, "client_id": principal.client_id()});
            world.directory.principals.insert(object_id, principal);
            Reply::ok(shown)
        }
        Err(error) => refuse(400, &error.to_string()),
    }
}
