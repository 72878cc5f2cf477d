//! The token services that managed identities use: of App Service (per site) and of virtual machines (IMDS).

use serde_json::json;

use super::call::{Call, Reply};
use super::directory::Kind;
use super::entra;
use super::names;
use super::state::{Site, World};
use super::token::Issuer;

/// Seconds a managed identity's token lasts when nothing else is set.
const LIFETIME: i64 = 86_399;

/// Answers the plain-HTTP port: `/msi/token` with a site's header, `/metadata/identity/oauth2/token` for a machine.
pub fn answer(world: &World, issuer: &Issuer, base: &str, call: &Call) -> Reply {
    match (call.method.as_str(), call.parts().as_slice()) {
        ("GET", ["msi", "token"]) => app_service(world, issuer, base, call),
        ("GET", ["metadata", "identity", "oauth2", "token"]) => machine(world, issuer, base, call),
        _ => refuse(404, "No such endpoint."),
    }
}

fn refuse(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({"statusCode": status, "message": message}))
}

/// App Service protocol 2019-08-01.
fn app_service(world: &World, issuer: &Issuer, base: &str, call: &Call) -> Reply {
    let header = call.header("x-identity-header").unwrap_or_default();
    let Some(site) = world.sites.values().find(|site| !header.is_empty() && site.identity_header == header) else {
        return refuse(401, "The X-IDENTITY-HEADER is missing or does not belong to a running app.");
    };
    if site.settings.get("WEBSITE_DISABLE_MSI").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return refuse(400, "The managed identity of this app is switched off by WEBSITE_DISABLE_MSI.");
    }
    if call.parameter("api-version") != Some("2019-08-01") {
        return refuse(400, "The api-version is not supported; use 2019-08-01.");
    }
    let Some(resource) = call.parameter("resource").filter(|resource| !resource.is_empty()) else {
        return refuse(400, "The parameter resource is missing.");
    };
    if !entra::known_audience(base, resource) {
        return refuse(500, "An unexpected error occured while fetching the AAD Token.");
    }
    match pick(world, site, call) {
        Ok(object_id) => {
            let reply = issue(world, issuer, &object_id, resource);
            reply.unwrap_or_else(|| refuse(500, "An unexpected error occured while fetching the AAD Token."))
        }
        Err(message) => refuse(400, &message),
    }
}

/// The identity a call means: the system-assigned one unless an id says which.
fn pick(world: &World, site: &Site, call: &Call) -> Result<String, String> {
    let ids = ["client_id", "principal_id", "object_id", "mi_res_id"];
    let given: Vec<(&str, &str)> = ids.iter().filter_map(|name| Some((*name, call.parameter(name)?))).collect();
    let (name, value) = match given.as_slice() {
        [] => {
            return site.system_identity.clone().ok_or_else(|| {
                "No managed identity was found for this app; with user-assigned identities only, say which one."
                    .to_owned()
            });
        }
        [one] => *one,
        _ => return Err("Give at most one of client_id, principal_id, object_id and mi_res_id.".to_owned()),
    };
    let mut own: Vec<String> = site.system_identity.iter().cloned().collect();
    for id in site.user_identities.values() {
        own.extend(world.identity_by_id(id).map(|identity| identity.principal_id.clone()));
    }
    let same = |object_id: &String| {
        let Some(principal) = world.directory.principals.get(object_id) else { return false };
        match (name, &principal.kind) {
            ("client_id", _) => principal.client_id().is_some_and(|id| id.eq_ignore_ascii_case(value)),
            ("mi_res_id", Kind::ManagedIdentity { resource_id, .. }) => resource_id.eq_ignore_ascii_case(value),
            ("mi_res_id", _) => false,
            _ => object_id.eq_ignore_ascii_case(value),
        }
    };
    own.into_iter().find(same).ok_or_else(|| format!("No managed identity found for specified {name}: {value}"))
}

fn issue(world: &World, issuer: &Issuer, object_id: &str, resource: &str) -> Option<Reply> {
    let subject = world.directory.subject(object_id)?;
    let lifetime = world.knobs.token_lifetime.unwrap_or(LIFETIME);
    let token = issuer.issue(&subject, resource, lifetime).ok()?;
    Some(Reply::ok(json!({"access_token": token, "expires_on": (issuer.now() + lifetime).to_string(),
        "resource": resource, "token_type": "Bearer", "client_id": subject.app_id})))
}

/// IMDS 2018-02-01: the virtual machine has the starting user-assigned identity.
fn machine(world: &World, issuer: &Issuer, base: &str, call: &Call) -> Reply {
    let wrong = |code: &str, text: &str| Reply::json(400, json!({"error": code, "error_description": text}));
    if !call.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return wrong("bad_request_102", "Required metadata header not specified");
    }
    let Some(resource) = call.parameter("resource").filter(|resource| entra::known_audience(base, resource)) else {
        return wrong("invalid_resource", "AADSTS500011: The resource principal was not found in the tenant.");
    };
    let identity = world.identities.get(names::IDENTITY);
    let given = ["client_id", "object_id", "msi_res_id"].iter().find_map(|name| call.parameter(name));
    let fits = |object_id: &str| {
        let Some(wanted) = given else { return true };
        let client = world.directory.principals.get(object_id).and_then(|principal| principal.client_id());
        let id = identity.map(|identity| world.identity_id(identity));
        [client, Some(object_id), id.as_deref()].into_iter().flatten().any(|id| id.eq_ignore_ascii_case(wanted))
    };
    let found = identity.map(|identity| identity.principal_id.clone()).filter(|object_id| fits(object_id));
    let lifetime = world.knobs.token_lifetime.unwrap_or(LIFETIME);
    let Some(mut reply) = found.and_then(|object_id| issue(world, issuer, &object_id, resource)) else {
        return wrong("invalid_request", "Identity not found");
    };
    if let super::call::Content::Json(body) = &mut reply.body {
        body["expires_in"] = json!(lifetime.to_string());
    }
    reply
}
