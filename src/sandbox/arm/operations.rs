//! Long-running operations of flexible servers: how one begins, is polled, and takes effect.

use serde_json::{Value, json};

use crate::sandbox::call::{Call, Reply};
use crate::sandbox::directory::{new_guid, new_secret};
use crate::sandbox::state::{Operation, Server, World};

use super::{Answer, Arm, Job, Work, access, errors, metadata};

/// Begins an operation: the server is busy from now on, and the rest happens after the 202.
pub fn begin(arm: &mut Arm<'_>, call: &Call, server: &Server, job: Job, resource: &str, name: &str) -> Answer {
    let id = new_guid();
    let key = server.name.to_ascii_lowercase();
    if let Some(server) = arm.world.servers.get_mut(&key) {
        "Updating".clone_into(&mut server.state);
    }
    let operation = Operation {
        status: "InProgress".into(),
        start: arm.now.clone(),
        end: None,
        error: None,
        resource: resource.to_owned(),
        deletes: matches!(
            job,
            Job::RemoveAdmin { .. } | Job::Firewall { properties: None, .. } | Job::Database { there: false, .. }
        ),
    };
    arm.world.operations.insert(id.clone(), operation);
    let version = call.parameter("api-version").unwrap_or_default();
    let reply = Reply::json(202, json!({"operation": name, "startTime": arm.now}))
        .with("azure-asyncoperation", url(arm, "azureAsyncOperation", &id, version))
        .with("location", url(arm, "operationResults", &id, version))
        .with("retry-after", arm.world.knobs.retry_after.to_string());
    Answer { reply, work: Some(Work { operation: id, server: key, job }) }
}

/// A polling address with a signature in the query, as Azure's have; it is to be followed as it is.
fn url(arm: &Arm<'_>, kind: &str, id: &str, version: &str) -> String {
    let (signature, digest) = (new_secret(), new_secret());
    format!(
        "{}/subscriptions/{}/providers/Microsoft.DBforPostgreSQL/locations/{}/{kind}/{id}?api-version={version}&t=638990000000000000&c={signature}&s={signature}&h={digest}",
        arm.base, arm.world.subscription, arm.world.location
    )
}

/// Answers below `Microsoft.DBforPostgreSQL/locations/{location}`.
pub fn location(arm: &mut Arm<'_>, call: &Call, caller: &access::Caller, rest: &[&str]) -> Answer {
    match rest {
        ["capabilities"] => Reply::ok(json!({"value": [metadata::capabilities(arm.world)]})).into(),
        ["azureasyncoperation", id] => match arm.world.operations.get(*id) {
            Some(operation) => status(call, id, operation, arm.world.knobs.retry_after).into(),
            None => unknown(id).into(),
        },
        ["operationresults", id] => match arm.world.operations.get(*id).cloned() {
            Some(operation) => result(arm, call, caller, &operation),
            None => unknown(id).into(),
        },
        _ => errors::no_route(&call.path).into(),
    }
}

fn unknown(id: &str) -> Reply {
    errors::error(404, "OperationNotFound", format!("The operation '{id}' was not found."))
}

fn status(call: &Call, id: &str, operation: &Operation, retry_after: u64) -> Reply {
    let mut body = json!({"name": id, "status": operation.status, "startTime": operation.start});
    if let Some(body) = body.as_object_mut() {
        body.insert("id".into(), json!(call.path));
        if let Some(end) = &operation.end {
            body.insert("endTime".into(), json!(end));
            body.insert("percentComplete".into(), json!(100.0));
        }
        if let Some((code, message)) = &operation.error {
            body.insert("error".into(), json!({"code": code, "message": message}));
        }
    }
    // A failed operation is told with HTTP 200, too.
    let reply = Reply::ok(body);
    if operation.status == "InProgress" { reply.with("retry-after", retry_after.to_string()) } else { reply }
}

fn result(arm: &mut Arm<'_>, call: &Call, caller: &access::Caller, operation: &Operation) -> Answer {
    match (operation.status.as_str(), &operation.error) {
        ("InProgress", _) => {
            let query = call.query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
            Reply::empty(202)
                .with("location", format!("{}{}?{query}", arm.base, call.path))
                .with("retry-after", arm.world.knobs.retry_after.to_string())
                .into()
        }
        (_, Some((code, message))) => errors::error(500, code, message.clone()).into(),
        _ if operation.deletes => Reply::empty(204).into(),
        _ => {
            let uri = format!("{}?api-version={}", operation.resource, call.parameter("api-version").unwrap_or("1"));
            super::answer(arm, &Call::new("GET", &uri, call.headers.clone(), Vec::new()), caller)
        }
    }
}

/// Lets a finished operation take effect, or notes why it failed.
pub fn finish(world: &mut World, work: &Work, now: &str, failed: Option<(String, String)>) {
    if let Some(server) = world.servers.get_mut(&work.server) {
        "Ready".clone_into(&mut server.state);
        if failed.is_none() {
            apply(server, &work.job);
        }
    }
    if let Some(operation) = world.operations.get_mut(&work.operation) {
        (if failed.is_none() { "Succeeded" } else { "Failed" }).clone_into(&mut operation.status);
        operation.end = Some(now.to_owned());
        operation.error = failed;
    }
}

/// Lets an operation end well without effect.
pub fn pretend(world: &mut World, id: &str, now: &str) {
    if let Some(operation) = world.operations.get_mut(id) {
        "Succeeded".clone_into(&mut operation.status);
        operation.end = Some(now.to_owned());
    }
}

fn apply(server: &mut Server, job: &Job) {
    match job.clone() {
        Job::Update { entra, password, tenant, properties, sku, .. } => {
            server.restarts += u64::from(entra && !server.entra || password != server.password);
            if !entra {
                server.administrators.clear();
            }
            (server.entra, server.password, server.auth_tenant) = (entra, password, tenant);
            if let Value::Object(properties) = properties {
                for (name, value) in properties {
                    merge(server.properties.entry(name).or_insert(Value::Null), value);
                }
            }
            if let Some(sku) = sku {
                merge(&mut server.sku, sku);
            }
        }
        Job::AddAdmin { object_id, properties, .. } => {
            server.administrators.insert(object_id, properties);
        }
        Job::RemoveAdmin { object_id } => {
            server.administrators.remove(&object_id);
        }
        Job::Firewall { name, properties: Some(properties) } => {
            server.firewall_rules.insert(name, properties);
        }
        Job::Firewall { name, properties: None } => {
            server.firewall_rules.remove(&name);
        }
        Job::Configuration { name, value } => {
            server.configurations.insert(name, value);
        }
        // It is the server itself that knows its databases.
        Job::Database { .. } => {}
        Job::Power { state } => {
            state.clone_into(&mut server.state);
            server.restarts += 1;
        }
    }
}

/// Merges members of objects; a null changes nothing.
fn merge(old: &mut Value, new: Value) {
    match (old, new) {
        (_, Value::Null) => {}
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                merge(old.entry(name).or_insert(Value::Null), value);
            }
        }
        (old, new) => *old = new,
    }
}
