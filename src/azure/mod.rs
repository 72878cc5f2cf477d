//! Azure: tokens from the credentials at hand, and a thin typed client of the Resource Manager.
//!
//! ```text
//! endpoints   which addresses and token audiences a cloud has
//! transport   the one HTTP client, and whom it trusts
//! credential  how this process can sign in (federation, metadata: two ways with calls of their own); tokens caches what that gives; claims says who it was
//! arm         one call with its retries; refusal reads both error envelopes; operation follows long ones
//! permissions what the caller may do at a scope
//! logs        queries of Application Insights and Log Analytics
//! vault       Key Vault secrets
//! scm         code deployment through the SCM site of an app
//! sites       Function Apps and Web Apps; servers: PostgreSQL flexible servers, and what stands below them
//! ```

mod arm;
mod claims;
mod credential;
#[cfg(test)]
pub(crate) mod double;
mod endpoints;
mod federation;
mod logs;
#[cfg(test)]
mod messages_tests;
mod metadata;
mod operation;
mod pace;
mod permissions;
pub(crate) mod refusal;
mod scm;
mod server_parts;
mod servers;
mod sites;
mod tokens;
mod transport;
mod trouble;
mod vault;
mod waiting;

pub use arm::{Arm, Note};
pub use azure_core::http::Method;
pub use claims::Claims;
pub use credential::{Choice, Credential, sign_in};
pub use endpoints::{discover, endpoints};
pub use logs::{Answer as LogAnswer, Component, Rows, literal};
pub use operation::{Operation, Style};
pub use pace::Pace;
pub use permissions::Permission;
pub use refusal::Refusal;
pub use scm::{Deployment, Progress, Scm};
pub use server_parts::{DatabaseProperties, FirewallRule};
pub use servers::{Administrator, AuthConfig, POSTGRES_VERSION, Server, ServerId, ServerProperties};
pub use sites::{Identity, STICKY_LISTS, Site, SiteId, SiteProperties, UserAssigned, WEB_VERSION};
pub use tokens::{AccessToken, TokenSource, Tokens};
pub use transport::{environment, extra_certificates, http_client};
pub(crate) use transport::{explain, is_certificate_error};
pub use vault::{Standing, Vault, Version};
pub use waiting::Waiting;
