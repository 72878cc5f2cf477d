//! Entra's sign-in endpoints: discovery, keys, and tokens for applications by secret or by assertion.

use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::directory::{Federated, Kind, Principal};
use super::names;
use super::state::World;
use super::token::Issuer;

/// Seconds an application's token lasts when nothing else is set.
const LIFETIME: i64 = 3599;

/// Hosts of the audiences that Entra knows besides the emulator itself.
const AUDIENCES: [&str; 12] = [
    "ossrdbms-aad.database.windows.net",
    "management.azure.com",
    "management.core.windows.net",
    "vault.azure.net",
    "storage.azure.com",
    "api.applicationinsights.io",
    "api.loganalytics.io",
    "api.loganalytics.azure.com",
    "appservice.azure.com",
    "graph.microsoft.com",
    "graph.windows.net",
    "dev.azuresynapse.net",
];

/// Whether a path is one of Entra's.
pub fn is_entra(parts: &[&str]) -> bool {
    matches!(
        parts,
        [_, "v2.0", ".well-known", "openid-configuration"]
            | [_, ".well-known", "openid-configuration"]
            | [_, "discovery", "v2.0", "keys"]
            | [_, "oauth2", "v2.0", "token"]
            | ["common", "discovery", "instance"]
    )
}

/// Answers Entra's paths.
pub fn answer(world: &World, issuer: &Issuer, base: &str, call: &Call) -> Reply {
    let parts = call.parts();
    let tenant = parts.first().copied().unwrap_or_default();
    if ![world.tenant.as_str(), "organizations", "common"].contains(&tenant) {
        let text = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
        return refuse(issuer, 400, "invalid_tenant", 90_002, &text);
    }
    match (call.method.as_str(), &parts[1..]) {
        ("GET", ["discovery", "instance"]) => Reply::ok(json!({
            "tenant_discovery_endpoint": format!("{base}/{}/v2.0/.well-known/openid-configuration", world.tenant),
            "api-version": "1.1", "metadata": []})),
        ("GET", [.., "openid-configuration"]) => configuration(base, tenant, &world.tenant),
        ("GET", ["discovery", "v2.0", "keys"]) => Reply::ok(issuer.key_set()),
        ("POST", ["oauth2", "v2.0", "token"]) => token(world, issuer, base, call),
        _ => refuse(issuer, 405, "invalid_request", 900_561, "The endpoint does not accept this method."),
    }
}

fn configuration(base: &str, segment: &str, tenant: &str) -> Reply {
    let at = format!("{base}/{segment}");
    Reply::ok(json!({
        "token_endpoint": format!("{at}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{at}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{base}/{tenant}/v2.0"),
        "authorization_endpoint": format!("{at}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{at}/oauth2/v2.0/devicecode"),
        "end_session_endpoint": format!("{at}/oauth2/v2.0/logout"),
        "tenant_region_scope": "NA", "cloud_instance_name": "pgentra.sandbox",
    }))
}

fn token(world: &World, issuer: &Issuer, base: &str, call: &Call) -> Reply {
    let form = call.form();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if field("grant_type") != "client_credentials" {
        let text = "The app requested an unsupported grant type; the sandbox has 'client_credentials' only.";
        return refuse(issuer, 400, "unsupported_grant_type", 70_003, text);
    }
    let client_id = field("client_id");
    let Some((object_id, principal)) = world.directory.by_client_id(client_id) else {
        let text = format!(
            "Application with identifier '{client_id}' was not found in the directory 'pgentra sandbox'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
        );
        return refuse(issuer, 400, "unauthorized_client", 700_016, &text);
    };
    let allowed = match (field("client_secret"), field("client_assertion")) {
        ("", "") => Err(refuse(
            issuer,
            401,
            "invalid_client",
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )),
        ("", assertion) => check_assertion(issuer, principal, assertion),
        (secret, _) => check_secret(issuer, principal, client_id, secret),
    };
    if let Err(refusal) = allowed {
        return refusal;
    }
    let Some(audience) = field("scope").split(' ').find_map(|scope| scope.strip_suffix("/.default")) else {
        let text = format!(
            "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
            field("scope")
        );
        return refuse(issuer, 400, "invalid_scope", 1_002_012, &text);
    };
    if !known_audience(base, audience) {
        let text = format!(
            "The resource principal named {audience} was not found in the tenant named pgentra sandbox. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant."
        );
        return refuse(issuer, 400, "invalid_resource", 500_011, &text);
    }
    let lifetime = world.knobs.token_lifetime.unwrap_or(LIFETIME);
    let Some(subject) = world.directory.subject(object_id) else {
        return refuse(issuer, 500, "server_error", 90_033, "The directory lost the principal.");
    };
    match issuer.issue(&subject, audience, lifetime) {
        Ok(token) => Reply::ok(json!({"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime,
            "access_token": token}))
        .with("cache-control", "no-store, no-cache"),
        Err(failure) => refuse(issuer, 500, "server_error", 90_033, &failure.to_string()),
    }
}

/// Whether a token may be asked for this audience.
pub fn known_audience(base: &str, audience: &str) -> bool {
    let asked = audience.trim_end_matches('/').to_ascii_lowercase();
    let host = asked.strip_prefix("https://").unwrap_or_default();
    asked == base || asked == names::POSTGRES_AUDIENCE || AUDIENCES.contains(&host)
}

fn check_secret(issuer: &Issuer, principal: &Principal, client_id: &str, given: &str) -> Result<(), Reply> {
    match &principal.kind {
        Kind::Application { secret: Some(secret), .. } if secret == given => Ok(()),
        _ => {
            let text = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client_id}'."
            );
            Err(refuse(issuer, 401, "invalid_client", 7_000_215, &text))
        }
    }
}

/// An assertion counts when we signed it (the sandbox is its own identity provider) and a credential has its claims.
fn check_assertion(issuer: &Issuer, principal: &Principal, assertion: &str) -> Result<(), Reply> {
    let Some(claims) = issuer.verified(assertion) else {
        let text = "Client assertion failed signature validation.";
        return Err(refuse(issuer, 401, "invalid_client", 700_027, text));
    };
    let claim = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    let given = Federated { issuer: claim("iss"), subject: claim("sub"), audience: claim("aud") };
    let registered = match &principal.kind {
        Kind::Application { federated, .. } => federated.contains(&given),
        _ => false,
    };
    if !registered {
        let text = format!(
            "No matching federated identity record found for presented assertion subject '{}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.",
            given.subject
        );
        return Err(refuse(issuer, 401, "invalid_client", 700_213, &text));
    }
    if claims["exp"].as_i64().is_none_or(|expires| expires <= issuer.now()) {
        let text = "Client assertion is not within its valid time range.";
        return Err(refuse(issuer, 401, "invalid_client", 700_024, text));
    }
    Ok(())
}

fn refuse(issuer: &Issuer, status: u16, error: &str, code: u32, text: &str) -> Reply {
    let now = jiff::Timestamp::from_second(issuer.now()).unwrap_or_default();
    let now = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let trace = super::directory::new_guid();
    let description = format!("AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {trace} Timestamp: {now}");
    let body: Value = json!({"error": error, "error_description": description, "error_codes": [code],
        "timestamp": now, "trace_id": trace, "correlation_id": trace,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}")});
    Reply::json(status, body)
}
