//! Key Vault secrets through Azure's own client: set, read by version, delete, recover, purge.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, HttpClient, RetryOptions, StatusCode, Transport};
use azure_security_keyvault_secrets::models::{SecretClientGetSecretOptions, SetSecretParameters};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use jiff::Timestamp;
use serde_json::Value;

use crate::azure::arm::Arm;
use crate::azure::refusal::{Refusal, answer_unclear};
use crate::azure::tokens::Tokens;
use crate::model::{Class, Failure, Secret};

/// The API version of Microsoft.KeyVault by which a vault's address is asked for.
const RESOURCE_VERSION: &str = "2023-07-01";
/// A delete or recover is in effect after some seconds; longer than this it never took in practice.
const SETTLES_WITHIN: Duration = Duration::from_mins(2);
/// The pause between two looks whether it is.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A vault, ready to be asked.
pub struct Vault {
    client: SecretClient,
    url: String,
}

/// One version of a secret.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its id.
    pub id: String,
    /// When it was made, to the second, as far as the vault says.
    pub made: Option<Timestamp>,
    /// Its text.
    pub value: Secret,
}

/// Whether a secret is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be read.
    There,
    /// It was deleted and can be recovered.
    Deleted,
    /// It was never there, or was purged.
    Absent,
}

/// Our tokens, as the SDK wants them.
struct Bridge(Tokens);

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bridge")
    }
}

#[async_trait]
impl TokenCredential for Bridge {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let audience = scopes.first().copied().unwrap_or_default().trim_end_matches("/.default");
        let failed = |failure: Failure| azure_core::Error::with_message(ErrorKind::Credential, failure.to_string());
        let token = self.0.token(audience).await.map_err(failed)?;
        let expires = azure_core::time::OffsetDateTime::from_unix_timestamp(token.expires_on.as_second())
            .map_err(|error| azure_core::Error::with_message(ErrorKind::Credential, error.to_string()))?;
        Ok(AccessToken::new(token.secret.expose().to_owned(), expires))
    }
}

impl Vault {
    /// The vault at `url`, `https://<name>.vault.azure.net`. A vault elsewhere (one that Resource Manager named) may ask
    /// for tokens of another host, which is fine: the token is for Key Vault and nothing else.
    ///
    /// # Errors
    /// `Input`: `url` is none of a vault.
    pub fn new(url: &str, tokens: Tokens, http: Arc<dyn HttpClient>) -> Result<Self, Failure> {
        let wrong = |why: String| {
            Failure::new(Class::Input, "this is not the address of a key vault")
                .detail(format!("{url}: {why}"))
                .remedy("name the vault, or its address as https://<name>.vault.azure.net")
        };
        if !url.starts_with("https://") {
            return Err(wrong("secrets are sent over https only".to_owned()));
        }
        // The SDK's own patience is a minute of silence.
        let retry = ExponentialRetryOptions { max_retries: 3, ..ExponentialRetryOptions::default() };
        let options = SecretClientOptions {
            client_options: ClientOptions {
                transport: Some(Transport::new(http)),
                retry: RetryOptions::exponential(retry),
                ..ClientOptions::default()
            },
            verify_challenge_resource: Some(url.contains(".vault.")),
            ..SecretClientOptions::default()
        };
        let client = SecretClient::new(url, Arc::new(Bridge(tokens)), Some(options));
        Ok(Self {
            client: client.map_err(|error| wrong(error.to_string()))?,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a new version and answers its id. A name that was deleted is recovered first.
    ///
    /// # Errors
    /// Those of the vault, with what would help.
    pub async fn set(
        &self,
        name: &str,
        value: &Secret,
        content: &str,
        tags: &[(&str, &str)],
    ) -> Result<String, Failure> {
        if self.standing(name).await? == Standing::Deleted {
            self.recover(name).await?;
        }
        let tags: HashMap<String, String> =
            tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let parameters = SetSecretParameters {
            value: Some(value.expose().to_owned()),
            content_type: Some(content.to_owned()),
            tags: Some(tags),
            secret_attributes: None,
        };
        let doing = Doing { right: "setSecret/action", words: format!("keep secret {name} in {}", self.url) };
        let body = parameters.try_into().map_err(|error| refused(&doing, &error))?;
        let answer = self.client.set_secret(name, body, None).await.map_err(|error| refused(&doing, &error))?;
        let secret = answer.into_model().map_err(|error| refused(&doing, &error))?;
        let nameless = || answer_unclear(format!("{doing}: it names no version"));
        version(secret.id.as_deref(), name).ok_or_else(nameless)
    }

    /// The newest version.
    ///
    /// # Errors
    /// `NotFound`: there is none; otherwise those of the vault.
    pub async fn newest(&self, name: &str) -> Result<Version, Failure> {
        let doing = Doing { right: "getSecret/action", words: format!("read secret {name} of {}", self.url) };
        let answer = self.client.get_secret(name, None).await.map_err(|error| refused(&doing, &error))?;
        let secret = answer.into_model().map_err(|error| refused(&doing, &error))?;
        let none = || valueless(&doing);
        let id = version(secret.id.as_deref(), name).unwrap_or_default();
        let made = secret.attributes.and_then(|attributes| attributes.created);
        let made = made.and_then(|made| Timestamp::from_second(made.unix_timestamp()).ok());
        Ok(Version { id, made, value: secret.value.map(Secret::new).ok_or_else(none)? })
    }

    /// The text of a version, or of the newest one.
    ///
    /// # Errors
    /// `NotFound`: there is none; otherwise those of the vault.
    pub async fn get(&self, name: &str, version: Option<&str>) -> Result<Secret, Failure> {
        let doing = Doing { right: "getSecret/action", words: format!("read secret {name} of {}", self.url) };
        let options = SecretClientGetSecretOptions {
            secret_version: version.map(str::to_owned),
            ..SecretClientGetSecretOptions::default()
        };
        let answer = self.client.get_secret(name, Some(options)).await.map_err(|error| refused(&doing, &error))?;
        let secret = answer.into_model().map_err(|error| refused(&doing, &error))?;
        let none = || valueless(&doing);
        secret.value.map(Secret::new).ok_or_else(none)
    }

    /// Whether it is there, deleted, or neither.
    ///
    /// # Errors
    /// Those of the vault.
    pub async fn standing(&self, name: &str) -> Result<Standing, Failure> {
        match self.get(name, None).await {
            Ok(_) => return Ok(Standing::There),
            Err(failure) if failure.class == Class::NotFound => {}
            Err(failure) => return Err(failure),
        }
        let doing = Doing {
            right: "readMetadata/action",
            words: format!("see whether secret {name} of {} was deleted", self.url),
        };
        match self.client.get_deleted_secret(name, None).await {
            Ok(_) => Ok(Standing::Deleted),
            Err(error) if error.http_status() == Some(StatusCode::NotFound) => Ok(Standing::Absent),
            Err(error) => Err(refused(&doing, &error)),
        }
    }

    /// Deletes it with all its versions, recoverably, and waits until that is in effect. One that is not there is as good.
    ///
    /// # Errors
    /// Those of the vault.
    pub async fn delete(&self, name: &str) -> Result<(), Failure> {
        let doing = Doing { right: "delete", words: format!("delete secret {name} of {}", self.url) };
        match self.client.delete_secret(name, None).await {
            Ok(_) => self.settled(name, Standing::Deleted, &doing).await,
            Err(error) if error.http_status() == Some(StatusCode::NotFound) => Ok(()),
            Err(error) => Err(refused(&doing, &error)),
        }
    }

    /// Brings a deleted secret back and waits until it can be read.
    ///
    /// # Errors
    /// Those of the vault.
    pub async fn recover(&self, name: &str) -> Result<(), Failure> {
        let doing = Doing { right: "recover/action", words: format!("recover secret {name} of {}", self.url) };
        self.client.recover_deleted_secret(name, None).await.map_err(|error| refused(&doing, &error))?;
        self.settled(name, Standing::There, &doing).await
    }

    /// Purges a deleted secret for good. One that is not there is as good.
    ///
    /// # Errors
    /// Those of the vault.
    pub async fn purge(&self, name: &str) -> Result<(), Failure> {
        match self.client.purge_deleted_secret(name, None).await {
            Ok(_) => Ok(()),
            Err(error) if error.http_status() == Some(StatusCode::NotFound) => Ok(()),
            Err(error) => {
                let doing = Doing { right: "purge/action", words: format!("purge secret {name} of {}", self.url) };
                Err(refused(&doing, &error))
            }
        }
    }

    async fn settled(&self, name: &str, wanted: Standing, doing: &Doing) -> Result<(), Failure> {
        let start = Instant::now();
        while self.standing(name).await? != wanted {
            if start.elapsed() > SETTLES_WITHIN {
                return Err(unsettled(doing));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

/// The version in the id of a secret. The SDK's own parser takes only vaults at the root of a host, which an emulator's
/// need not be.
fn version(id: Option<&str>, name: &str) -> Option<String> {
    let id = id?.split(['?', '#']).next()?;
    id.rsplit_once(&format!("/secrets/{name}/")).map(|(_, version)| version.to_owned())
}

/// What is done with a secret, in words that follow "cannot", and the action on data that it needs.
pub(super) struct Doing {
    /// Without `Microsoft.KeyVault/vaults/secrets/`.
    pub(super) right: &'static str,
    pub(super) words: String,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// What a vault took on and has not done in time.
pub(super) fn unsettled(doing: &Doing) -> Failure {
    Failure::new(Class::Busy, "the key vault is not done yet")
        .detail(format!("cannot {doing}: the vault took the call, but it is not in effect"))
        .remedy("run the same command again in a few minutes")
}

/// A secret without a value: a deleted one, or one of another tool.
pub(super) fn valueless(doing: &Doing) -> Failure {
    Failure::new(Class::NotFound, "the secret has no value")
        .detail(format!("cannot {doing}"))
        .remedy("look at the secret's versions in the key vault")
}

pub(super) fn refused(doing: &Doing, error: &azure_core::Error) -> Failure {
    let status = error.http_status();
    let code = match error.kind() {
        ErrorKind::HttpResponse { error_code: Some(code), .. } => format!(" (code {code})"),
        _ => String::new(),
    };
    let detail = match status {
        Some(status) => format!("cannot {doing}: HTTP {}{code}", u16::from(status)),
        None => format!("cannot {doing}: {error}"),
    };
    let failure = meaning(status.map(u16::from), matches!(error.kind(), ErrorKind::Credential));
    // A vault does not say which right is missing. It stands in the first line, so that a report can show it alone.
    let detail = match failure.class {
        Class::Forbidden => format!("Microsoft.KeyVault/vaults/secrets/{}\n{detail}", doing.right),
        _ => detail,
    };
    failure.detail(detail)
}

/// What an answer of a vault means, and what would help.
fn meaning(status: Option<u16>, credential: bool) -> Failure {
    match status {
        Some(404) => Failure::new(Class::NotFound, "the key vault does not have it")
            .remedy("check the names of the vault and of the secret; a deleted secret can be recovered"),
        Some(401) => Failure::new(Class::NotSignedIn, "the key vault does not accept the token")
            .remedy("sign in again, and check the tenant"),
        Some(403) => Failure::new(Class::Forbidden, "not allowed")
            .remedy("give the role Key Vault Secrets Officer on the vault, and let its firewall admit this machine"),
        Some(409) => Failure::new(Class::Conflict, "the key vault sees a conflict")
            .remedy("look whether the secret was deleted or is being changed, then run the same command again"),
        Some(429 | 503) => Failure::new(Class::Busy, "the key vault is busy").remedy("try again in a few minutes"),
        Some(_) => Failure::new(Class::Other, "the key vault refused")
            .remedy("mend what it names, and run the same command again"),
        None if credential => Failure::new(Class::NotSignedIn, "there is no token for the key vault")
            .remedy("sign in, for example with `az login`"),
        None => Failure::new(Class::Unreachable, "the key vault cannot be reached")
            .remedy("check its name, its firewall and private endpoints, and the proxy (HTTPS_PROXY)"),
    }
}

impl Arm {
    /// A vault, found by its name.
    ///
    /// # Errors
    /// Those of [`Arm::vault_url`], and `Input` when what Resource Manager names is no address of a vault.
    pub async fn vault(&self, subscription: &str, resource_group: &str, name: &str) -> Result<Vault, Failure> {
        let url = self.vault_url(subscription, resource_group, name).await?;
        Vault::new(&url, self.tokens().clone(), self.http())
    }

    /// The address of a vault, as Resource Manager knows it: one in this resource group, else one elsewhere in the
    /// subscription (names of vaults are unique in all of Azure).
    ///
    /// # Errors
    /// The refusal, also when there is no such vault.
    pub async fn vault_url(&self, subscription: &str, resource_group: &str, name: &str) -> Result<String, Refusal> {
        use crate::azure::arm::segment;
        let (subscription, group, vault) = (segment(subscription), segment(resource_group), segment(name));
        let all = "providers/Microsoft.KeyVault/vaults";
        let path = format!("/subscriptions/{subscription}/resourceGroups/{group}/{all}/{vault}");
        let refused = match self.get(&path, RESOURCE_VERSION).await {
            Ok(body) => return address(&body, name),
            Err(refusal) if refusal.failure.class != Class::NotFound => return Err(refusal),
            Err(refusal) => refusal,
        };
        let vaults = self.list(&format!("/subscriptions/{subscription}/{all}"), RESOURCE_VERSION).await?;
        let called = |vault: &&Value| vault["name"].as_str().is_some_and(|one| one.eq_ignore_ascii_case(name));
        vaults.iter().find(called).map_or(Err(refused), |vault| address(vault, name))
    }
}

fn address(vault: &Value, name: &str) -> Result<String, Refusal> {
    let url = vault["properties"]["vaultUri"].as_str().map(|url| url.trim_end_matches('/').to_owned());
    url.ok_or_else(|| {
        let failure = Failure::new(Class::Other, "Azure does not say where the key vault is reached").detail(name);
        Refusal::ours(failure.remedy("name it by its address: https://<name>.vault.azure.net"))
    })
}
