//! Credentials: how this process signs in to Azure, automatically or by one named way, and why each way failed.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, HttpClient, RetryOptions, Transport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential, AzureDeveloperCliCredentialOptions,
    ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use jiff::Timestamp;
use tokio::sync::{Mutex, OnceCell};

use crate::azure::federation::GitHub;
use crate::azure::metadata::{Led, metadata};
use crate::azure::tokens::{AccessToken, TokenSource, Tokens};
use crate::azure::transport::{explain, is_certificate_error};
use crate::model::{Class, Endpoints, Failure, Secret};

/// How long one try of one credential may take.
const TRY: Duration = Duration::from_secs(15);
/// How long the instance metadata service may take to answer a connection.
const PROBE: Duration = Duration::from_secs(1);

/// One way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Credential {
    /// A service principal from `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`.
    Environment,
    /// A federated token: from the file in `AZURE_FEDERATED_TOKEN_FILE`, or of a GitHub Actions job.
    WorkloadIdentity,
    /// The identity of the App Service app or virtual machine that this runs on.
    ManagedIdentity,
    /// Whoever is signed in to `az`.
    AzureCli,
    /// Whoever is signed in to `azd`.
    AzureDeveloperCli,
}

impl Credential {
    /// All, in the order in which they are tried.
    pub const ALL: [Self; 5] =
        [Self::Environment, Self::WorkloadIdentity, Self::ManagedIdentity, Self::AzureCli, Self::AzureDeveloperCli];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::WorkloadIdentity => "workload-identity",
            Self::ManagedIdentity => "managed-identity",
            Self::AzureCli => "azure-cli",
            Self::AzureDeveloperCli => "azure-developer-cli",
        }
    }
}

/// Which credentials to try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Each in order. One that the environment names and Entra refuses ends the search: whoever set it up meant it.
    #[default]
    Automatic,
    /// This one alone.
    Only(Credential),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Credential::ALL.into_iter().find(|credential| credential.name() == text);
        found.map(Self::Only).ok_or_else(|| {
            let names: Vec<&str> = Credential::ALL.into_iter().map(Credential::name).collect();
            format!("{text:?} is no credential; known are {}", names.join(", "))
        })
    }
}

/// One credential of the chain.
struct Link {
    credential: Credential,
    /// Ready, or why it cannot be tried here.
    source: Result<Arc<dyn TokenCredential>, String>,
    /// The variable by which the environment asks for this one on purpose.
    meant: Option<&'static str>,
    /// An address (`host:port`) that has to answer first.
    probe: Option<String>,
}

/// The credentials to try, and the one that gave a token.
struct Chain {
    links: Vec<Link>,
    chosen: OnceCell<usize>,
    /// Held by whoever searches; then why nothing was found, so that each of many callers does not search again.
    search: Mutex<Option<Failure>>,
}

/// Tokens from the chosen credentials. Nothing is called before the first token is asked for. `tenant` is the plan
/// file's, for `az` and `azd`; `variables` is the environment, see [`crate::azure::environment`].
pub fn sign_in(
    choice: Choice,
    endpoints: &Endpoints,
    tenant: Option<&str>,
    variables: &BTreeMap<String, String>,
    http: &reqwest::Client,
) -> Result<Tokens, Failure> {
    let authority = variables.get("AZURE_AUTHORITY_HOST").filter(|host| !host.is_empty());
    let authority = authority.unwrap_or(&endpoints.authority);
    let setting = Setting { authority, tenant, variables, http };
    let wanted = |credential: &Credential| match choice {
        Choice::Automatic => true,
        Choice::Only(one) => *credential == one,
    };
    let links: Vec<Link> =
        Credential::ALL.into_iter().filter(wanted).map(|credential| setting.link(credential)).collect();
    if !authority.starts_with("https://") {
        return Err(Failure::new(Class::Input, "this cannot be an authority for tokens")
            .detail(format!("{authority}: secrets are sent over https only"))
            .remedy("give AZURE_AUTHORITY_HOST as https://..., or unset it"));
    }
    Ok(Tokens::new(Arc::new(Chain { links, chosen: OnceCell::new(), search: Mutex::default() })))
}

/// What credentials are made from.
struct Setting<'a> {
    authority: &'a str,
    tenant: Option<&'a str>,
    variables: &'a BTreeMap<String, String>,
    http: &'a reqwest::Client,
}

impl Setting<'_> {
    fn variable(&self, name: &str) -> Result<&str, String> {
        let value = self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        value.ok_or_else(|| format!("{name} is not set"))
    }

    fn options(&self) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        self.authority.clone_into(&mut cloud.authority_host);
        ClientOptions {
            // The chain tries again itself: the default would go on for a minute at a closed port.
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::new(self.http.clone()))),
            cloud: Some(Arc::new(cloud.into())),
            ..ClientOptions::default()
        }
    }

    fn link(&self, credential: Credential) -> Link {
        let plain = |source| Link { credential, source, meant: None, probe: None };
        let meant = |name: &'static str| self.variable(name).is_ok().then_some(name);
        match credential {
            Credential::Environment => Link { meant: meant("AZURE_CLIENT_SECRET"), ..plain(self.service_principal()) },
            Credential::WorkloadIdentity => {
                Link { meant: meant("AZURE_FEDERATED_TOKEN_FILE"), ..plain(self.workload_identity()) }
            }
            Credential::ManagedIdentity if self.variable("IDENTITY_ENDPOINT").is_ok() => {
                plain(self.managed_identity(Arc::new(self.http.clone())))
            }
            Credential::ManagedIdentity => match metadata(self.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST").ok()) {
                Ok((probe, to)) => {
                    let http: Arc<dyn HttpClient> = match to {
                        Some(to) => Arc::new(Led { http: self.http.clone(), to }),
                        None => Arc::new(self.http.clone()),
                    };
                    Link { probe: Some(probe), ..plain(self.managed_identity(http)) }
                }
                Err(why) => plain(Err(why)),
            },
            Credential::AzureCli => {
                let tenant_id = self.tenant.map(str::to_owned);
                let options = AzureCliCredentialOptions { tenant_id, ..AzureCliCredentialOptions::default() };
                plain(ready(AzureCliCredential::new(Some(options))))
            }
            Credential::AzureDeveloperCli => {
                let tenant_id = self.tenant.map(str::to_owned);
                let options =
                    AzureDeveloperCliCredentialOptions { tenant_id, ..AzureDeveloperCliCredentialOptions::default() };
                plain(ready(AzureDeveloperCliCredential::new(Some(options))))
            }
        }
    }

    fn service_principal(&self) -> Result<Arc<dyn TokenCredential>, String> {
        if self.variable("AZURE_CLIENT_SECRET").is_err() && self.variable("AZURE_CLIENT_CERTIFICATE_PATH").is_ok() {
            return Err("client certificates are not supported: use a federated credential or a client secret".into());
        }
        let secret = self.variable("AZURE_CLIENT_SECRET")?.to_owned();
        let (tenant, client) = (self.variable("AZURE_TENANT_ID")?, self.variable("AZURE_CLIENT_ID")?);
        let options = ClientSecretCredentialOptions { client_options: self.options() };
        ready(ClientSecretCredential::new(tenant, client.to_owned(), secret.into(), Some(options)))
    }

    fn workload_identity(&self) -> Result<Arc<dyn TokenCredential>, String> {
        let ids = || Ok::<_, String>((self.variable("AZURE_TENANT_ID")?, self.variable("AZURE_CLIENT_ID")?));
        let credential_options = ClientAssertionCredentialOptions { client_options: self.options() };
        if let Ok(file) = self.variable("AZURE_FEDERATED_TOKEN_FILE") {
            let (tenant, client) = ids()?;
            return ready(WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                credential_options,
                client_id: Some(client.to_owned()),
                tenant_id: Some(tenant.to_owned()),
                token_file_path: Some(file.into()),
            })));
        }
        let (Ok(url), Ok(bearer)) =
            (self.variable("ACTIONS_ID_TOKEN_REQUEST_URL"), self.variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
        else {
            let job = self.variable("GITHUB_ACTIONS").is_ok();
            return Err(if job {
                "the job may not ask for a token: add `permissions: id-token: write`".to_owned()
            } else {
                "AZURE_FEDERATED_TOKEN_FILE is not set, and this is no GitHub Actions job".to_owned()
            });
        };
        let (tenant, client) = ids()?;
        let job = GitHub::new(self.http.clone(), url, bearer, self.authority);
        let options = Some(credential_options);
        ready(ClientAssertionCredential::new(tenant.to_owned(), client.to_owned(), job, options))
    }

    fn managed_identity(&self, http: Arc<dyn HttpClient>) -> Result<Arc<dyn TokenCredential>, String> {
        let client = self.variable("AZURE_CLIENT_ID").ok();
        ready(ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: client.map(|id| UserAssignedId::ClientId(id.to_owned())),
            client_options: ClientOptions { transport: Some(Transport::new(http)), ..self.options() },
        })))
    }
}

fn ready<T: TokenCredential + 'static>(made: azure_core::Result<Arc<T>>) -> Result<Arc<dyn TokenCredential>, String> {
    made.map(|credential| credential as Arc<dyn TokenCredential>).map_err(|error| reason(&error))
}

#[async_trait]
impl TokenSource for Chain {
    async fn fetch(&self, audience: &str) -> Result<AccessToken, Failure> {
        let mut search = None;
        if self.chosen.get().is_none() {
            search = Some(self.search.lock().await);
        }
        if let Some(link) = self.chosen.get().and_then(|index| self.links.get(*index)) {
            drop(search);
            return link.token(audience).await.map_err(|why| no_token(&[(link.credential, why)]));
        }
        if let Some(failure) = search.as_deref().and_then(Option::as_ref) {
            return Err(failure.clone());
        }
        let mut tried: Vec<(Credential, String)> = Vec::new();
        for (index, link) in self.links.iter().enumerate() {
            match link.token(audience).await {
                Ok(token) => {
                    let _ = self.chosen.set(index);
                    tracing::debug!(credential = link.credential.name(), "signed in");
                    return Ok(token);
                }
                Err(why) => tried.push((link.credential, why)),
            }
            if let Some(variable) = link.meant {
                let rest = self.links.iter().skip(index + 1);
                let why = format!("not tried, because {variable} is set");
                tried.extend(rest.map(|link| (link.credential, why.clone())));
                break;
            }
        }
        let failure = no_token(&tried);
        if let Some(mut search) = search {
            *search = Some(failure.clone());
        }
        Err(failure)
    }

    fn credential(&self) -> Option<String> {
        let link = self.chosen.get().and_then(|index| self.links.get(*index))?;
        Some(link.credential.name().to_owned())
    }
}

impl Link {
    async fn token(&self, audience: &str) -> Result<AccessToken, String> {
        let source = self.source.as_ref().map_err(Clone::clone)?;
        if let Some(address) = &self.probe {
            let connect = tokio::net::TcpStream::connect(address);
            if !matches!(tokio::time::timeout(PROBE, connect).await, Ok(Ok(_))) {
                return Err("this is no App Service app, and no virtual machine's metadata service answers".to_owned());
            }
        }
        let scope = format!("{audience}/.default");
        let mut tries = 0;
        loop {
            let why = match tokio::time::timeout(TRY, source.get_token(&[&scope], None)).await {
                Ok(Ok(token)) => return taken(&token),
                Ok(Err(error)) if tries > 0 || !is_passing(&error) => return Err(reason(&error)),
                Ok(Err(error)) => reason(&error),
                Err(_) => return Err(format!("no answer within {} s", TRY.as_secs())),
            };
            tracing::debug!(credential = self.credential.name(), why, "trying once more");
            tokio::time::sleep(Duration::from_millis(500)).await;
            tries += 1;
        }
    }
}

fn taken(token: &azure_core::credentials::AccessToken) -> Result<AccessToken, String> {
    let expires_on = Timestamp::from_second(token.expires_on.unix_timestamp()).map_err(|error| error.to_string())?;
    Ok(AccessToken { secret: Secret::new(token.token.secret()), expires_on })
}

/// Whether a second try may go better: the network or the service failed, not the credential or a certificate.
fn is_passing(error: &azure_core::Error) -> bool {
    if is_certificate_error(error) {
        return false;
    }
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<azure_core::Error>().map(azure_core::Error::kind) {
            Some(ErrorKind::HttpResponse { status, .. }) => {
                return matches!(u16::from(*status), 404 | 410 | 429 | 500..);
            }
            Some(ErrorKind::Connection | ErrorKind::Io) => return true,
            _ => next = error.source(),
        }
    }
    false
}

/// Why a credential gave no token, in one line without the pointer to a troubleshooting page.
fn reason(error: &azure_core::Error) -> String {
    let text = explain(error);
    let text = text.split_once("Credential authentication failed. ").map_or(text.as_str(), |(_, rest)| rest);
    let (before, after) = text.split_once(" To troubleshoot, visit ").unwrap_or((text, ""));
    let after = after.split_once(' ').map_or("", |(_, causes)| causes);
    let join = if after.is_empty() { "" } else { ": " };
    format!("{}{join}{after}", before.trim()).chars().take(600).collect()
}

fn no_token(tried: &[(Credential, String)]) -> Failure {
    let lines: Vec<String> = tried.iter().map(|(credential, why)| format!("{}: {why}", credential.name())).collect();
    Failure::new(Class::NotSignedIn, "no credential gave a token for Azure")
        .detail(lines.join("\n"))
        .remedy("sign in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret or federated token")
}

#[cfg(test)]
mod tests;

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tls_tests;
