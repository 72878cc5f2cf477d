//! Entra administrators of a flexible server.

use serde_json::{Value, json};

use crate::sandbox::call::{Call, Reply};
use crate::sandbox::database::PrincipalType;
use crate::sandbox::state::Server;

use super::{Answer, Arm, Job, errors, operations};

/// Answers below `administrators` of a server.
pub fn answer(arm: &mut Arm<'_>, call: &Call, server: &Server, tail: &[&str]) -> Answer {
    let id = arm.world.server_id(server);
    let object_id = call.lower.get(9).cloned().unwrap_or_default();
    let path = format!("{id}/administrators/{object_id}");
    match (call.method.as_str(), tail) {
        // The list is without names, as Azure's is.
        ("GET", []) => {
            let all =
                server.administrators.iter().map(|(object_id, properties)| show(&id, object_id, properties, false));
            Reply::ok(json!({"value": all.collect::<Vec<_>>()})).into()
        }
        ("GET", [_]) => {
            let Some(properties) = server.administrators.get(&object_id) else {
                let name =
                    format!("Microsoft.DBforPostgreSQL/flexibleServers/{}/administrators/{object_id}", server.name);
                return errors::not_found(&name, &server.resource_group).into();
            };
            Reply::ok(show(&id, &object_id, properties, true)).into()
        }
        ("PUT" | "DELETE", [_]) if server.state != "Ready" => errors::not_accessible(&server.name).into(),
        ("PUT" | "DELETE", [_]) if !server.entra => errors::entra_off(&server.name).into(),
        ("PUT", [_]) => put(arm, call, server, &object_id, &path),
        ("DELETE", [_]) if !server.administrators.contains_key(&object_id) => Reply::empty(204).into(),
        ("DELETE", [_]) => {
            operations::begin(arm, call, server, Job::RemoveAdmin { object_id }, &path, "DropAadAdministratorOperation")
        }
        _ => errors::no_route(&call.path).into(),
    }
}

fn put(arm: &mut Arm<'_>, call: &Call, server: &Server, object_id: &str, path: &str) -> Answer {
    let body = call.json();
    let given = &body["properties"];
    let wrong = |parameter: &str| {
        let message = format!("Invalid value given for parameter {parameter}. Specify a valid parameter value.");
        Answer::from(errors::error(400, "InvalidParameterValue", message))
    };
    let principal = match given["principalType"].as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
        "user" => PrincipalType::User,
        "group" => PrincipalType::Group,
        "serviceprincipal" => PrincipalType::Service,
        _ => return wrong("principalType"),
    };
    let Some(name) = given["principalName"].as_str().filter(|name| !name.is_empty()) else {
        return wrong("principalName");
    };
    if uuid::Uuid::parse_str(object_id).is_err() {
        return wrong("objectId");
    }
    let word = match principal {
        PrincipalType::User => "User",
        PrincipalType::Group => "Group",
        PrincipalType::Service => "ServicePrincipal",
    };
    let tenant = given["tenantId"].as_str().filter(|tenant| !tenant.is_empty()).unwrap_or(&arm.world.tenant);
    let properties = json!({"principalType": word, "principalName": name, "objectId": object_id, "tenantId": tenant});
    let job = Job::AddAdmin { object_id: object_id.to_owned(), principal, properties };
    operations::begin(arm, call, server, job, path, "UpsertAadAdministratorOperation")
}

fn show(server: &str, object_id: &str, properties: &Value, named: bool) -> Value {
    let mut shown = json!({"id": format!("{server}/administrators/{object_id}"), "properties": properties,
        "type": "Microsoft.DBforPostgreSQL/flexibleServers/administrators"});
    if let Some(shown) = shown.as_object_mut().filter(|_| named) {
        shown.insert("name".into(), properties["principalName"].clone());
    }
    shown
}
