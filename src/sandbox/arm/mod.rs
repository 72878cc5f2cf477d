//! Resource Manager: who asks, whether it may, which resource answers.

pub mod access;
pub mod admins;
pub mod errors;
pub mod identities;
pub mod metadata;
pub mod operations;
pub mod servers;
pub mod settings;
pub mod site_identity;
pub mod sites;

use serde_json::{Value, json};

use crate::model::Secret;

use super::call::{Call, Reply};
use super::database::PrincipalType;
use super::directory::Role;
use super::state::World;

/// What a handler works with.
pub struct Arm<'a> {
    /// The state; a copy for reads of the past.
    pub world: &'a mut World,
    /// Address of the emulator, without slash at the end.
    pub base: &'a str,
    /// Now, as in JSON.
    pub now: String,
    /// Names of the server's databases, where the call asks for them.
    pub databases: Vec<String>,
}

/// A reply, and what is still to be done on PostgreSQL after it.
pub struct Answer {
    /// The reply.
    pub reply: Reply,
    /// The rest of a long-running operation.
    pub work: Option<Work>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { reply, work: None }
    }
}

/// The part of a long-running operation that happens after its 202.
#[derive(Clone, Debug)]
pub struct Work {
    /// Operation id.
    pub operation: String,
    /// Key of the server.
    pub server: String,
    /// What to do.
    pub job: Job,
}

/// What a long-running operation does.
#[derive(Clone, Debug)]
pub enum Job {
    /// A PATCH of the server.
    Update {
        /// Whether Entra tokens are taken afterwards.
        entra: bool,
        /// Whether passwords are.
        password: bool,
        /// What the administrator's password becomes, when it changes.
        admin_password: Option<Secret>,
        /// `authConfig.tenantId` afterwards.
        tenant: Option<String>,
        /// The other properties to merge in.
        properties: Value,
        /// The sku, when it changes.
        sku: Option<Value>,
    },
    /// PUT of an administrator.
    AddAdmin {
        /// Object id as in the path.
        object_id: String,
        /// What kind of principal.
        principal: PrincipalType,
        /// The resource's properties.
        properties: Value,
    },
    /// DELETE of an administrator.
    RemoveAdmin {
        /// Object id.
        object_id: String,
    },
    /// PUT (or DELETE, without properties) of a firewall rule.
    Firewall {
        /// Name.
        name: String,
        /// The resource's properties.
        properties: Option<Value>,
    },
    /// A server parameter.
    Configuration {
        /// Name.
        name: String,
        /// Value.
        value: String,
    },
    /// PUT (or DELETE) of a database.
    Database {
        /// Name.
        name: String,
        /// Whether it is there afterwards.
        there: bool,
    },
    /// Restart, start or stop.
    Power {
        /// The state afterwards.
        state: &'static str,
    },
}

/// Answers a call of a principal that was let in.
pub fn answer(arm: &mut Arm<'_>, call: &Call, caller: &access::Caller) -> Answer {
    if call.parameter("api-version").is_none_or(str::is_empty) {
        let message = format!(
            "The api-version query parameter (?api-version=) is required for all requests. Path: {}",
            call.path
        );
        return errors::error(400, "MissingApiVersionParameter", message).into();
    }
    if let Err(refusal) = access::permit(arm.world, call, caller) {
        return refusal.into();
    }
    match call.parts().as_slice() {
        [.., "providers", "microsoft.authorization", "permissions"] if call.method == "GET" => {
            access::permissions(caller).into()
        }
        ["subscriptions"] => subscriptions(arm.world, caller).into(),
        ["tenants"] => Reply::ok(json!({"value": [tenant(arm.world)]})).into(),
        ["subscriptions", id, ..] if *id != arm.world.subscription => {
            errors::error(404, "SubscriptionNotFound", format!("The subscription '{id}' could not be found.")).into()
        }
        ["subscriptions", _] if call.method == "GET" => Reply::ok(subscription(arm.world)).into(),
        ["subscriptions", _, "providers", "microsoft.dbforpostgresql", "locations", _, rest @ ..] => {
            operations::location(arm, call, caller, rest)
        }
        ["subscriptions", _, "providers", "microsoft.web", "sites"] => sites::list(arm.world, None).into(),
        ["subscriptions", _, "providers", "microsoft.web", "serverfarms"] => metadata::plans(arm.world).into(),
        ["subscriptions", _, "providers", "microsoft.keyvault", "vaults"] => {
            crate::sandbox::vault::resource(arm.world, arm.base, None, &[]).into()
        }
        ["subscriptions", _, "resources"] => metadata::resources(arm.world).into(),
        ["subscriptions", _, "providers", "microsoft.dbforpostgresql", "flexibleservers"] => {
            servers::list(arm.world, None).into()
        }
        ["providers", rest @ ..] | ["subscriptions", _, "providers", rest @ ..] => {
            metadata::providers(rest, call).into()
        }
        ["subscriptions", _, "locations"] => metadata::locations(arm.world).into(),
        ["subscriptions", _, "resourcegroups", rest @ ..] => in_groups(arm, call, rest),
        _ => errors::no_route(&call.path).into(),
    }
}

fn in_groups(arm: &mut Arm<'_>, call: &Call, rest: &[&str]) -> Answer {
    let [name, rest @ ..] = rest else {
        let groups: Vec<Value> = arm.world.resource_groups.iter().map(|name| group(arm.world, name)).collect();
        return Reply::ok(json!({"value": groups})).into();
    };
    let Some(name) = arm.world.resource_groups.iter().find(|group| group.eq_ignore_ascii_case(name)).cloned() else {
        let message = format!("Resource group '{}' could not be found.", call.segments[3]);
        return errors::error(404, "ResourceGroupNotFound", message).into();
    };
    let Some(names) = call.segments.get(6..) else {
        return match rest {
            [] if call.method == "GET" => Reply::ok(group(arm.world, &name)).into(),
            [] if call.method == "HEAD" => Reply::empty(204).into(),
            ["resources"] => metadata::resources(arm.world).into(),
            _ => errors::no_route(&call.path).into(),
        };
    };
    match rest {
        ["providers", "microsoft.web", "sites", rest @ ..] => sites::answer(arm, call, &name, rest),
        ["providers", "microsoft.web", "serverfarms"] => metadata::plans(arm.world).into(),
        ["providers", "microsoft.web", "serverfarms", _] => {
            Reply::ok(metadata::plan(arm.world, &name, &names[1])).into()
        }
        ["providers", "microsoft.managedidentity", "userassignedidentities", rest @ ..] => {
            identities::answer(arm, call, &name, rest).into()
        }
        ["providers", "microsoft.dbforpostgresql", "flexibleservers", rest @ ..] => {
            servers::answer(arm, call, &name, rest)
        }
        ["providers", "microsoft.keyvault", "vaults", rest @ ..] => {
            crate::sandbox::vault::resource(arm.world, arm.base, Some(&name), rest).into()
        }
        ["providers", namespace, kind, ..] => {
            let known = ["microsoft.web", "microsoft.managedidentity", "microsoft.dbforpostgresql"];
            let code = if known.contains(namespace) { kind } else { namespace };
            errors::no_type(&format!("{namespace}/{code}")).into()
        }
        _ => errors::no_route(&call.path).into(),
    }
}

fn subscriptions(world: &World, caller: &access::Caller) -> Reply {
    let value = if caller.role == Role::None { Vec::new() } else { vec![subscription(world)] };
    Reply::ok(json!({"value": value, "count": {"type": "Total", "value": value.len()}}))
}

fn subscription(world: &World) -> Value {
    json!({
        "id": format!("/subscriptions/{}", world.subscription), "subscriptionId": world.subscription,
        "tenantId": world.tenant, "homeTenantId": world.tenant, "displayName": "pgentra sandbox", "state": "Enabled",
        "authorizationSource": "RoleBased", "managedByTenants": [],
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off"},
    })
}

fn tenant(world: &World) -> Value {
    json!({"id": format!("/tenants/{}", world.tenant), "tenantId": world.tenant, "displayName": "pgentra sandbox",
        "tenantCategory": "Home", "countryCode": "US", "domains": ["sandbox.test"]})
}

fn group(world: &World, name: &str) -> Value {
    json!({"id": format!("/subscriptions/{}/resourceGroups/{name}", world.subscription), "name": name,
        "type": "Microsoft.Resources/resourceGroups", "location": world.location,
        "properties": {"provisioningState": "Succeeded"}})
}
