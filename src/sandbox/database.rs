//! What the emulator asks of the PostgreSQL behind a flexible server.

use async_trait::async_trait;
use jiff::SignedDuration;

use crate::model::{Failure, Secret};

/// What kind of principal a role stands for, as in pgaadauth labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalType {
    /// A person.
    User,
    /// A group.
    Group,
    /// An application or managed identity.
    Service,
}

impl PrincipalType {
    /// The word in a pgaadauth label.
    pub fn label(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Service => "service",
        }
    }
}

/// The data plane of one flexible server, as the control plane drives it.
#[async_trait]
pub trait Database: Send + Sync {
    /// Sets which ways of signing in the server takes, and ends all sessions when `restart` is set: when Entra
    /// authentication is turned on, or passwords are turned on or off.
    async fn set_auth(&self, entra: bool, password: bool, restart: bool) -> Result<(), Failure>;

    /// Sets the password of the server's administrator.
    async fn set_admin_password(&self, password: &Secret) -> Result<(), Failure>;

    /// Makes the login role of an Entra administrator: member of azure_pg_admin, CREATEROLE, CREATEDB, labelled.
    async fn add_admin(&self, name: &str, object_id: &str, principal: PrincipalType) -> Result<(), Failure>;

    /// Takes the Entra mapping of an administrator away; the role stays.
    async fn remove_admin(&self, object_id: &str) -> Result<(), Failure>;

    /// Puts the server's clock ahead of the real one by this much, while it runs, and waits until it has followed.
    async fn set_clock(&self, ahead: SignedDuration) -> Result<(), Failure>;

    /// Makes the server write a checkpoint.
    async fn checkpoint(&self) -> Result<(), Failure>;

    /// Names of the databases, for the control plane's list.
    async fn databases(&self) -> Result<Vec<String>, Failure>;

    /// Makes a database unless it is there. Its owner is azure_pg_admin, as on Azure.
    async fn create_database(&self, name: &str) -> Result<(), Failure>;

    /// Drops a database and ends the sessions in it.
    async fn drop_database(&self, name: &str) -> Result<(), Failure>;
}
