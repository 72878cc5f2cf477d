//! Who may do what in Resource Manager: a small copy of Azure's role-based access control.

use serde_json::json;

use crate::sandbox::call::{Call, Reply};
use crate::sandbox::directory::Role;
use crate::sandbox::state::World;

use super::errors;

/// The principal behind a call's token.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Object id.
    pub object_id: String,
    /// Client id, or the object id of a person.
    pub client_id: String,
    /// What it may do.
    pub role: Role,
}

/// The operation in Azure's spelling, e.g. `Microsoft.Web/sites/config/list/action`.
pub fn action(call: &Call) -> String {
    if let Some(action) = query(call) {
        return action.to_owned();
    }
    let start = call.lower.iter().rposition(|segment| segment == "providers").map(|at| at + 1);
    let Some(path) = start.and_then(|start| call.segments.get(start..)).filter(|path| !path.is_empty()) else {
        let kind = if call.lower.iter().any(|segment| segment == "resourcegroups") {
            "Microsoft.Resources/subscriptions/resourceGroups"
        } else {
            "Microsoft.Resources/subscriptions"
        };
        return format!("{kind}/{}", verb(call));
    };
    let types: Vec<&str> = path.iter().skip(1).step_by(2).map(String::as_str).collect();
    format!("{}/{}/{}", path[0], types.join("/"), verb(call))
}

/// A query of a log, which is a POST and yet counts as a read of its own.
fn query(call: &Call) -> Option<&'static str> {
    let [.., kind, _, "providers", "microsoft.insights", "logs"] = call.parts()[..] else { return None };
    match kind {
        "components" => Some("Microsoft.Insights/logs/read"),
        "workspaces" => Some("Microsoft.OperationalInsights/workspaces/query/read"),
        _ => None,
    }
}

fn verb(call: &Call) -> &'static str {
    match call.method.as_str() {
        "GET" | "HEAD" => "read",
        "DELETE" => "delete",
        "POST" => "action",
        _ => "write",
    }
}

/// Whether a call changes nothing, whatever its method.
pub fn is_read(call: &Call) -> bool {
    let last = call.lower.last().map_or("", String::as_str);
    match call.method.as_str() {
        "GET" | "HEAD" => true,
        "POST" => matches!(
            last,
            "list" | "listkeys" | "publishxml" | "query" | "logs" | "slotsdiffs" | "checknameavailability"
        ),
        _ => false,
    }
}

/// Lets a call through, or says which action on which scope is missing.
pub fn permit(world: &World, call: &Call, caller: &Caller) -> Result<(), Reply> {
    let open = call.lower.first().is_some_and(|first| first == "providers" || first == "tenants");
    // Whoever may do anything here at all may ask what.
    let asks = matches!(call.parts()[..], [.., "providers", "microsoft.authorization", "permissions"]);
    let allowed = match &caller.role {
        Role::Owner => true,
        Role::Custom(_) => open || asks || call.lower == ["subscriptions"] || caller.role.gives(&action(call), false),
        Role::SettingsReader => is_read(call),
        Role::Reader => call.method == "GET" || call.method == "HEAD",
        Role::None => open || call.lower == ["subscriptions"],
    };
    if !allowed {
        let scope = match (call.method.as_str(), call.segments.split_last()) {
            ("POST", Some((_, rest))) => format!("/{}", rest.join("/")),
            _ => format!("/{}", call.segments.join("/")),
        };
        let message = format!(
            "The client '{}' with object id '{}' does not have authorization to perform action '{}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
            caller.client_id,
            caller.object_id,
            action(call),
        );
        return Err(errors::error(403, "AuthorizationFailed", message));
    }
    linked(call, caller)?;
    if world.knobs.read_only && !is_read(call) {
        let message = format!("The sandbox refuses every write, also '{}'.", action(call));
        return Err(errors::error(403, "ReadOnly", message));
    }
    Ok(())
}

/// Whoever attaches a user-assigned identity needs a right on that identity, too.
fn linked(call: &Call, caller: &Caller) -> Result<(), Reply> {
    const ASSIGN: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
    if !matches!(call.method.as_str(), "PATCH" | "PUT") || caller.role.gives(ASSIGN, false) {
        return Ok(());
    }
    let body = call.json();
    let named = body["identity"]["userAssignedIdentities"].as_object();
    let Some((id, _)) = named.into_iter().flatten().find(|(_, value)| !value.is_null()) else { return Ok(()) };
    let (client, object) = (&caller.client_id, &caller.object_id);
    let message = format!(
        "The client '{client}' with object id '{object}' has permission to perform action '{}' on scope '/{}'; however, it does not have permission to perform action(s) '{ASSIGN}' on the linked scope(s) '{id}' (respectively) or the linked scope(s) are invalid.",
        action(call),
        call.segments.join("/"),
    );
    Err(errors::error(403, "LinkedAuthorizationFailed", message))
}

/// What the caller may do, as `Microsoft.Authorization/permissions` lists it: one entry per role assignment.
pub fn permissions(caller: &Caller) -> Reply {
    let all = if caller.role == Role::None { Vec::new() } else { vec![json!(caller.role.definition())] };
    Reply::ok(json!({"value": all}))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{action, is_read};
    use crate::sandbox::call::Call;

    fn call(method: &str, path: &str) -> Call {
        Call::new(method, path, BTreeMap::new(), Vec::new())
    }

    #[test]
    fn actions_are_spelt_as_azure_does() {
        let site = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a";
        let spelt = |method: &str, tail: &str| action(&call(method, &format!("{site}{tail}")));
        assert_eq!(spelt("POST", "/config/appsettings/list"), "Microsoft.Web/sites/config/list/action");
        assert_eq!(spelt("PUT", "/slots/s/config/appsettings"), "Microsoft.Web/sites/slots/config/write");
        assert_eq!(spelt("POST", "/restart"), "Microsoft.Web/sites/restart/action");
        assert_eq!(spelt("GET", ""), "Microsoft.Web/sites/read");
        assert_eq!(
            action(&call("GET", "/subscriptions/s/resourceGroups/g")),
            "Microsoft.Resources/subscriptions/resourceGroups/read"
        );
        assert!(is_read(&call("POST", "/x/list")) && !is_read(&call("POST", "/x/restart")));
    }
}
