//! The target of a plan file: which cloud, and how each server is reached.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SecretSource;

/// Which Azure. A custom one is found by its Resource Manager endpoint, which serves `/metadata/endpoints`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// Azure public cloud.
    #[default]
    Public,
    /// Azure US Government.
    UsGov,
    /// Azure operated by 21Vianet in China.
    China,
    /// Any other, by the URL of its Resource Manager.
    Custom(String),
}

/// The addresses and token audiences of one cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Entra's token authority, without a trailing slash: `https://login.microsoftonline.com`.
    pub authority: String,
    /// The Resource Manager, without a trailing slash.
    pub resource_manager: String,
    /// The audience of tokens for the Resource Manager, without `/.default`.
    pub resource_manager_audience: String,
    /// The audience of tokens that PostgreSQL takes as a password.
    pub postgres_audience: String,
}

/// How strictly TLS is checked, in libpq's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// Certificate and host name.
    #[default]
    VerifyFull,
    /// Certificate only.
    VerifyCa,
    /// Encrypted, unchecked.
    Require,
    /// In clear. For a server on the same machine.
    Disable,
}

/// How a connection signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// With an Entra token as the password.
    Token,
    /// With a password from elsewhere.
    Password(SecretSource),
}

/// One way to sign in to a server. The first is used unless a step needs another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionTarget {
    /// How the plan file calls it.
    pub name: String,
    /// The role it signs in as. For a group of Entra administrators this is the group's role.
    pub user: String,
    /// How it signs in.
    pub auth: Auth,
}

/// One PostgreSQL flexible server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerTarget {
    /// Azure subscription id.
    pub subscription: String,
    /// Azure resource group.
    pub resource_group: String,
    /// Azure name; unique in a cloud.
    pub name: String,
    /// Host to connect to; `None` asks Azure for the fully qualified domain name.
    pub host: Option<String>,
    /// TCP port, 5432 unless the plan says otherwise.
    pub port: u16,
    /// How strictly TLS is checked.
    pub tls: Tls,
    /// Ways to sign in, at least one.
    pub connections: Vec<ConnectionTarget>,
}

/// Where the resources of a plan file live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Which Azure.
    pub cloud: Cloud,
    /// Entra tenant id, when the plan file names it.
    pub tenant: Option<String>,
    /// Servers by Azure name.
    pub servers: BTreeMap<String, ServerTarget>,
    /// The directory of the plan file: files that it names are beside it. `None`: the current directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
}
