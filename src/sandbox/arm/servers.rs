//! Microsoft.DBforPostgreSQL/flexibleServers: the server, what stands below it, and what it refuses while busy.

use serde_json::{Map, Value, json};

use crate::model::Secret;
use crate::sandbox::call::{Call, Reply};
use crate::sandbox::state::{Server, World};

use super::{Answer, Arm, Job, admins, errors, metadata, operations};

/// Servers of one resource group, or of all.
pub fn list(world: &World, group: Option<&str>) -> Reply {
    let here = |server: &&Server| group.is_none_or(|group| server.resource_group == group);
    let value: Vec<Value> = world.servers.values().filter(here).map(|server| show(world, server)).collect();
    Reply::ok(json!({"value": value}))
}

/// Answers below `Microsoft.DBforPostgreSQL/flexibleServers`.
pub fn answer(arm: &mut Arm<'_>, call: &Call, group: &str, rest: &[&str]) -> Answer {
    let [key, tail @ ..] = rest else { return list(arm.world, Some(group)).into() };
    let Some(server) = arm.world.servers.get(*key).filter(|server| server.resource_group == group).cloned() else {
        let name = format!("Microsoft.DBforPostgreSQL/flexibleServers/{}", call.segments[7]);
        return errors::not_found(&name, group).into();
    };
    match (call.method.as_str(), tail) {
        ("GET", []) => Reply::ok(show(arm.world, &server)).into(),
        ("PATCH", []) => patch(arm, call, &server),
        ("GET", ["capabilities"]) => Reply::ok(json!({"value": [metadata::capabilities(arm.world)]})).into(),
        (_, ["administrators", tail @ ..]) => admins::answer(arm, call, &server, tail),
        (_, ["databases", tail @ ..]) => databases(arm, call, &server, tail),
        (_, ["firewallrules", tail @ ..]) => firewall_rules(arm, call, &server, tail),
        (_, ["configurations", tail @ ..]) => configurations(arm, call, &server, tail),
        ("POST", [verb @ ("restart" | "stop" | "start")]) => power(arm, call, &server, verb),
        _ => errors::no_route(&call.path).into(),
    }
}

/// The server as JSON.
pub fn show(world: &World, server: &Server) -> Value {
    let mut properties = server.properties.clone();
    let on = |is: bool| if is { "Enabled" } else { "Disabled" };
    let mut auth = json!({"activeDirectoryAuth": on(server.entra), "passwordAuth": on(server.password)});
    if let (Some(tenant), Some(auth)) = (&server.auth_tenant, auth.as_object_mut()) {
        auth.insert("tenantId".into(), json!(tenant));
    }
    properties.insert("authConfig".into(), auth);
    properties.insert("state".into(), json!(server.state));
    json!({"id": world.server_id(server), "name": server.name, "location": "East US", "sku": server.sku,
        "type": "Microsoft.DBforPostgreSQL/flexibleServers", "tags": {}, "properties": properties,
        "systemData": {"createdAt": "2025-01-01T00:00:00.0000000Z"}})
}

fn patch(arm: &mut Arm<'_>, call: &Call, server: &Server) -> Answer {
    if server.state == "Stopped" {
        let code = "UpsertServerManagementOperationComputeOnlySupportForStoppedServer";
        let message = format!("The server '{}' is stopped; only its compute size can be changed.", server.name);
        return errors::error(409, code, message).into();
    }
    if server.state != "Ready" {
        return errors::busy(&server.name).into();
    }
    let Value::Object(mut body) = call.json() else {
        return errors::error(400, "InvalidRequestContent", "The request content was invalid.").into();
    };
    let mut properties = match body.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    let auth = properties.remove("authConfig").unwrap_or(Value::Null);
    let switch = |name: &str, old: bool| match auth[name].as_str() {
        None => Ok(old),
        Some(word) if word.eq_ignore_ascii_case("enabled") => Ok(true),
        Some(word) if word.eq_ignore_ascii_case("disabled") => Ok(false),
        Some(word) => Err(errors::error(
            400,
            "InvalidParameterValue",
            format!("Invalid value given for parameter {name}: '{word}'. Specify a valid parameter value."),
        )),
    };
    let (entra, password) = match (switch("activeDirectoryAuth", server.entra), switch("passwordAuth", server.password))
    {
        (Ok(entra), Ok(password)) => (entra, password),
        (Err(refusal), _) | (_, Err(refusal)) => return refusal.into(),
    };
    if !entra && !password {
        let message = "At least one of Microsoft Entra authentication and password authentication must be enabled.";
        return errors::error(400, "InvalidParameterValue", message).into();
    }
    let given = auth["tenantId"].as_str().filter(|tenant| !tenant.is_empty()).map(str::to_owned);
    let tenant = entra.then(|| given.or(server.auth_tenant.clone()).unwrap_or_else(|| arm.world.tenant.clone()));
    let admin_password = properties.get("administratorLoginPassword").and_then(Value::as_str).map(Secret::new);
    if password && !server.password && admin_password.is_none() {
        let message = "The admin credentials are required for creating admin role while enabling Password Authentication \
                       and must be provided.";
        return errors::error(400, "EngineCredentialsNotProvided", message).into();
    }
    for fixed in ["state", "fullyQualifiedDomainName", "administratorLogin", "administratorLoginPassword", "createMode"]
    {
        properties.remove(fixed);
    }
    let sku = body.remove("sku").filter(|sku| !sku.is_null());
    let job = Job::Update { entra, password, admin_password, tenant, properties: Value::Object(properties), sku };
    operations::begin(arm, call, server, job, &arm.world.server_id(server), "UpsertServerManagementOperationV2")
}

fn databases(arm: &mut Arm<'_>, call: &Call, server: &Server, tail: &[&str]) -> Answer {
    let id = arm.world.server_id(server);
    let name = call.segments.get(9).cloned().unwrap_or_default();
    let path = format!("{id}/databases/{name}");
    let there = arm.databases.contains(&name);
    let one = |name: &String| {
        json!({"id": format!("{id}/databases/{name}"), "name": name,
            "type": "Microsoft.DBforPostgreSQL/flexibleServers/databases",
            "properties": {"charset": "UTF8", "collation": "en_US.utf8"}})
    };
    match (call.method.as_str(), tail) {
        ("GET", []) => Reply::ok(json!({"value": arm.databases.iter().map(one).collect::<Vec<_>>()})).into(),
        ("GET", [_]) if there => Reply::ok(one(&name)).into(),
        ("GET", [_]) => missing(server, "databases", &name).into(),
        ("PUT" | "DELETE", [_]) if server.state != "Ready" => errors::busy(&server.name).into(),
        ("DELETE", [_]) if !there => Reply::empty(204).into(),
        ("PUT" | "DELETE", [_]) => {
            let (there, operation) = match call.method.as_str() {
                "PUT" => (true, "UpsertDatabaseManagementOperation"),
                _ => (false, "DropDatabaseManagementOperation"),
            };
            operations::begin(arm, call, server, Job::Database { name, there }, &path, operation)
        }
        _ => errors::no_route(&call.path).into(),
    }
}

fn missing(server: &Server, kind: &str, name: &str) -> Reply {
    let name = format!("Microsoft.DBforPostgreSQL/flexibleServers/{}/{kind}/{name}", server.name);
    errors::not_found(&name, &server.resource_group)
}

fn firewall_rules(arm: &mut Arm<'_>, call: &Call, server: &Server, tail: &[&str]) -> Answer {
    let id = arm.world.server_id(server);
    let one = |name: &String, properties: &Value| {
        json!({"id": format!("{id}/firewallRules/{name}"), "name": name, "properties": properties,
            "type": "Microsoft.DBforPostgreSQL/flexibleServers/firewallRules"})
    };
    let name = call.segments.get(9).cloned().unwrap_or_default();
    let path = format!("{id}/firewallRules/{name}");
    match (call.method.as_str(), tail) {
        ("GET", []) => {
            let all: Vec<Value> = server.firewall_rules.iter().map(|(name, rule)| one(name, rule)).collect();
            Reply::ok(json!({"value": all})).into()
        }
        ("GET", [_]) => match server.firewall_rules.get(&name) {
            Some(rule) => Reply::ok(one(&name, rule)).into(),
            None => missing(server, "firewallRules", &name).into(),
        },
        ("PUT" | "DELETE", [_]) if server.state != "Ready" => errors::busy(&server.name).into(),
        ("PUT", [_]) => {
            let job = Job::Firewall { name, properties: Some(call.json()["properties"].clone()) };
            operations::begin(arm, call, server, job, &path, "UpsertFirewallRulesManagementOperation")
        }
        ("DELETE", [_]) if !server.firewall_rules.contains_key(&name) => Reply::empty(204).into(),
        ("DELETE", [_]) => {
            let job = Job::Firewall { name, properties: None };
            operations::begin(arm, call, server, job, &path, "DropFirewallRulesManagementOperation")
        }
        _ => errors::no_route(&call.path).into(),
    }
}

fn configurations(arm: &mut Arm<'_>, call: &Call, server: &Server, tail: &[&str]) -> Answer {
    let id = arm.world.server_id(server);
    let defaults =
        [("azure.extensions", ""), ("pgaadauth.enable_group_sync", "OFF"), ("require_secure_transport", "ON")];
    let value = |name: &str| {
        let default = defaults.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        server.configurations.get(name).cloned().or(default)
    };
    let one = |name: &str, value: &str| {
        json!({"id": format!("{id}/configurations/{name}"), "name": name,
            "type": "Microsoft.DBforPostgreSQL/flexibleServers/configurations",
            "properties": {"value": value, "source": "user-override", "isReadOnly": false}})
    };
    let name = call.segments.get(9).cloned().unwrap_or_default();
    match (call.method.as_str(), tail) {
        ("GET", []) => {
            let known = defaults.iter().map(|(name, _)| *name);
            let all: Vec<Value> = known.filter_map(|name| value(name).map(|value| one(name, &value))).collect();
            Reply::ok(json!({"value": all})).into()
        }
        ("GET", [_]) => match value(&name) {
            Some(value) => Reply::ok(one(&name, &value)).into(),
            None => missing(server, "configurations", &name).into(),
        },
        ("PUT" | "PATCH", [_]) if server.state != "Ready" => errors::busy(&server.name).into(),
        ("PUT" | "PATCH", [_]) => {
            let value = call.json()["properties"]["value"].as_str().unwrap_or_default().to_owned();
            let path = format!("{id}/configurations/{name}");
            operations::begin(arm, call, server, Job::Configuration { name, value }, &path, "UpsertServerConfiguration")
        }
        _ => errors::no_route(&call.path).into(),
    }
}

fn power(arm: &mut Arm<'_>, call: &Call, server: &Server, verb: &str) -> Answer {
    let needed = if verb == "start" { "Stopped" } else { "Ready" };
    if server.state != needed {
        let message = format!(
            "Restart or Stop Server can only be performed on Started servers. Sever Name = {}, Current Server State = {}",
            server.name, server.state
        );
        return errors::error(409, "ServerIsNotReady", message).into();
    }
    let job = Job::Power { state: if verb == "stop" { "Stopped" } else { "Ready" } };
    operations::begin(arm, call, server, job, &arm.world.server_id(server), "RestartServerManagementOperation")
}
