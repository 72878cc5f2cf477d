//! PostgreSQL flexible servers: state, authentication, Entra administrators.

use std::time::Instant;

use azure_core::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::azure::arm::{Arm, Note, segment};
use crate::azure::pace::seconds;
use crate::azure::refusal::{Refusal, answer_unclear};
use crate::model::{Class, Failure};

/// The API version of Microsoft.DBforPostgreSQL. Paths, verbs and bodies used here are the same from 2022-12-01 on.
pub const POSTGRES_VERSION: &str = "2025-08-01";

/// Where a flexible server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerId {
    /// Azure subscription id.
    pub subscription: String,
    /// Azure resource group.
    pub resource_group: String,
    /// The server's Azure name.
    pub server: String,
}

impl ServerId {
    /// Reads an ARM id as Azure answers it; `None` when it is not a server's.
    fn parse(id: &str) -> Option<Self> {
        let parts: Vec<&str> = id.trim_start_matches('/').split('/').collect();
        match parts.as_slice() {
            ["subscriptions", subscription, group, resource_group, "providers", _, kind, server]
                if group.eq_ignore_ascii_case("resourceGroups") && kind.eq_ignore_ascii_case("flexibleServers") =>
            {
                let [subscription, resource_group, server] =
                    [subscription, resource_group, server].map(|part| (*part).to_owned());
                Some(Self { subscription, resource_group, server })
            }
            _ => None,
        }
    }

    /// Its ARM id.
    pub fn arm_id(&self) -> String {
        self.path("")
    }

    pub(super) fn path(&self, rest: &str) -> String {
        let (subscription, group) = (segment(&self.subscription), segment(&self.resource_group));
        let server = segment(&self.server);
        let provider = "Microsoft.DBforPostgreSQL/flexibleServers";
        format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{provider}/{server}{rest}")
    }
}

/// A server as far as pgentra reads it. What it does not know is kept in `rest`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Server {
    /// Its properties.
    pub properties: ServerProperties,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The properties of a server.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerProperties {
    /// `Ready`, `Updating`, `Stopped`, ...; an open list.
    pub state: Option<String>,
    /// The host to connect to.
    pub fully_qualified_domain_name: Option<String>,
    /// Major version.
    pub version: Option<String>,
    /// The password administrator.
    pub administrator_login: Option<String>,
    /// `Primary`, `AsyncReplica`, ...
    pub replication_role: Option<String>,
    /// How it lets clients in.
    pub auth_config: Option<AuthConfig>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// How a server lets clients in. Sent whole: whether Azure keeps a member that a PATCH leaves out is not documented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthConfig {
    /// `Enabled` or `Disabled`: Entra tokens.
    pub active_directory_auth: Option<String>,
    /// `Enabled` or `Disabled`: passwords.
    pub password_auth: Option<String>,
    /// The Entra tenant.
    pub tenant_id: Option<String>,
}

impl AuthConfig {
    /// Whether Entra tokens are taken. A server without the member takes none.
    pub fn entra(&self) -> bool {
        self.active_directory_auth.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("Enabled"))
    }

    /// Whether passwords are taken. A server without the member takes them.
    pub fn password(&self) -> bool {
        !self.password_auth.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("Disabled"))
    }

    /// The tenant, if there is one.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant_id.as_deref().filter(|tenant| !tenant.is_empty())
    }

    /// The body that sets all three members; without a tenant the service fills in its own.
    pub fn body(entra: bool, password: bool, tenant: Option<&str>) -> Value {
        let word = |on| if on { "Enabled" } else { "Disabled" };
        let mut config = json!({ "activeDirectoryAuth": word(entra), "passwordAuth": word(password) });
        if let Some(tenant) = tenant {
            config["tenantId"] = json!(tenant);
        }
        json!({ "properties": { "authConfig": config } })
    }
}

/// An Entra administrator of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Administrator {
    /// Object id of the principal.
    pub object_id: Option<String>,
    /// Its name in Entra, and the name of its role in PostgreSQL.
    pub principal_name: Option<String>,
    /// `User`, `Group`, `ServicePrincipal` or `Unknown`.
    pub principal_type: Option<String>,
    /// Its tenant.
    pub tenant_id: Option<String>,
}

impl Administrator {
    /// The body that makes this administrator; the object id stands in the path.
    pub fn body(&self) -> Value {
        let mut properties = json!({ "principalType": self.principal_type, "principalName": self.principal_name });
        if let Some(tenant) = &self.tenant_id {
            properties["tenantId"] = json!(tenant);
        }
        json!({ "properties": properties })
    }
}

impl Server {
    /// Its state; `Ready` when Azure does not say.
    pub fn state(&self) -> &str {
        self.properties.state.as_deref().unwrap_or("Ready")
    }

    /// How it lets clients in.
    pub fn auth(&self) -> AuthConfig {
        self.properties.auth_config.clone().unwrap_or_default()
    }

    /// Whether it is a read replica, which takes its administrators and authentication from the primary.
    pub fn is_replica(&self) -> bool {
        self.properties.replication_role.as_deref().is_some_and(|role| role.to_ascii_lowercase().contains("replica"))
    }
}

fn decode<T: serde::de::DeserializeOwned>(what: &str, body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(|error| Refusal::ours(answer_unclear(format!("{what}: {error}"))))
}

impl Arm {
    /// Reads a server.
    pub async fn server(&self, id: &ServerId) -> Result<Server, Refusal> {
        decode("a server", self.get(&id.path(""), POSTGRES_VERSION).await?)
    }

    /// Reads all servers of a subscription, whatever their resource group.
    pub async fn servers(&self, subscription: &str) -> Result<Vec<(ServerId, Server)>, Refusal> {
        let provider = "providers/Microsoft.DBforPostgreSQL/flexibleServers";
        let path = format!("/subscriptions/{}/{provider}", segment(subscription));
        let mut found = Vec::new();
        for body in self.list(&path, POSTGRES_VERSION).await? {
            let id = body["id"].as_str().and_then(ServerId::parse);
            let server: Server = decode("a server", body)?;
            found.extend(id.map(|id| (id, server)));
        }
        Ok(found)
    }

    /// Waits until a server is ready for the next operation: it takes one at a time. A server that is stopped or going
    /// away is a failure at once.
    pub async fn ready_server(&self, id: &ServerId, note: Note<'_>) -> Result<Server, Failure> {
        let start = Instant::now();
        let mut tries = 0;
        loop {
            let server = self.server(id).await?;
            let state = server.state().to_owned();
            if state.eq_ignore_ascii_case("Ready") {
                return Ok(server);
            }
            let told = format!("server {}: its state is {state}", id.server);
            if ["Stopped", "Stopping", "Disabled", "Dropping", "Inaccessible"]
                .iter()
                .any(|word| state.eq_ignore_ascii_case(word))
            {
                let (name, group) = (&id.server, &id.resource_group);
                return Err(Failure::new(Class::Busy, "the server cannot be changed while it does not run")
                    .detail(told)
                    .remedy(format!("start it with `az postgres flexible-server start -g {group} -n {name}`")));
            }
            let wait = self.pace().wait(tries);
            if start.elapsed() + wait > self.pace().busy {
                return Err(Failure::new(Class::Busy, "the server does not become ready")
                    .detail(told)
                    .remedy("wait until its operation is over, then run the same command again"));
            }
            note(&format!("waiting for server {} ({state}, {})", id.server, seconds(start.elapsed())));
            self.rest(wait).await?;
            tries += 1;
        }
    }

    /// Sets how a server lets clients in; see [`AuthConfig::body`]. Turning Entra on restarts it.
    pub async fn patch_auth(&self, id: &ServerId, body: &Value, note: Note<'_>) -> Result<(), Refusal> {
        self.change(Method::Patch, &id.path(""), POSTGRES_VERSION, Some(body), note).await.map(drop)
    }

    /// Reads one administrator by object id.
    pub async fn administrator(&self, id: &ServerId, object_id: &str) -> Result<Administrator, Refusal> {
        let path = id.path(&format!("/administrators/{}", segment(object_id)));
        let mut body = self.get(&path, POSTGRES_VERSION).await?;
        decode("an administrator", body["properties"].take())
    }

    /// Reads all administrators.
    pub async fn administrators(&self, id: &ServerId) -> Result<Vec<Administrator>, Refusal> {
        let all = self.list(&id.path("/administrators"), POSTGRES_VERSION).await?;
        all.into_iter().map(|mut one| decode("an administrator", one["properties"].take())).collect()
    }

    /// Reads a server parameter; `None` when Azure does not say.
    pub async fn parameter(&self, id: &ServerId, name: &str) -> Result<Option<String>, Refusal> {
        let path = id.path(&format!("/configurations/{}", segment(name)));
        let body = self.get(&path, POSTGRES_VERSION).await?;
        Ok(body["properties"]["value"].as_str().map(str::to_owned))
    }

    /// Makes a principal an administrator.
    pub async fn put_administrator(
        &self,
        id: &ServerId,
        object_id: &str,
        administrator: &Administrator,
        note: Note<'_>,
    ) -> Result<(), Refusal> {
        let path = id.path(&format!("/administrators/{}", segment(object_id)));
        self.change(Method::Put, &path, POSTGRES_VERSION, Some(&administrator.body()), note).await.map(drop)
    }

    /// Takes an administrator away; one that is not there is as good.
    pub async fn delete_administrator(&self, id: &ServerId, object_id: &str, note: Note<'_>) -> Result<(), Refusal> {
        let path = id.path(&format!("/administrators/{}", segment(object_id)));
        match self.change(Method::Delete, &path, POSTGRES_VERSION, None, note).await {
            Err(refusal) if refusal.is_not_found() => Ok(()),
            other => other.map(drop),
        }
    }
}
