//! How the demo app signs in to PostgreSQL: the guide's decision between token and password, with its fallback.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::Mutex;

use super::app_version::{self, Version};
use super::clock;
use super::names::POSTGRES_AUDIENCE;
use super::trouble::Trouble;

/// Seconds before its end at which a token is asked for anew.
const EARLY: i64 = 300;

/// The app's settings, as its environment holds them.
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Takes the environment.
    pub fn new(environment: BTreeMap<String, String>) -> Self {
        Self(environment)
    }

    /// Now, by the sandbox's clock.
    pub fn now(&self) -> Timestamp {
        clock::shifted(self.get(clock::VARIABLE).map(|file| clock::read(Path::new(file))).unwrap_or_default())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.get(name).unwrap_or(default)
    }

    /// Name of the app.
    pub fn app(&self) -> &str {
        self.or("WEBSITE_SITE_NAME", "local")
    }

    /// Database.
    pub fn database(&self) -> &str {
        self.or("POSTGIS_DATABASE", "postgres")
    }

    /// Schema of the geographic tables.
    pub fn schema(&self) -> &str {
        self.or("POSTGIS_SCHEMA", "geo")
    }

    /// Schema of the app's own tables.
    pub fn app_schema(&self) -> &str {
        self.or("APP_SCHEMA", "app")
    }

    /// Whether to sign in by token: when told so, or when in Azure and there is no password. A version of the app that
    /// knows passwords alone does not understand what it is told.
    pub fn uses_identity(&self) -> bool {
        if self.get(app_version::VARIABLE).and_then(Version::named) == Some(Version::PasswordOnly) {
            return false;
        }
        let told = self.get("USE_MANAGED_IDENTITY").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        told || (self.get("WEBSITE_SITE_NAME").is_some() && self.get("POSTGIS_PASSWORD").is_none())
    }

    fn options(&self, user: &str, password: &str) -> PgConnectOptions {
        let port = self.get("POSTGIS_PORT").and_then(|port| port.parse().ok()).unwrap_or(5432);
        let options = PgConnectOptions::new_without_pgpass()
            .host(self.or("POSTGIS_HOST", "localhost"))
            .port(port)
            .database(self.database())
            .username(user)
            .password(password)
            .application_name(self.app())
            .ssl_mode(PgSslMode::VerifyFull)
            .disable_statement_logging();
        match self.get("PGSSLROOTCERT") {
            Some(path) => options.ssl_root_cert(path),
            None => options,
        }
    }
}

/// Why the app did not get to its data.
#[derive(Debug)]
pub struct LoginError {
    /// `managed_identity` or `password`.
    pub method: &'static str,
    /// What was said; never a secret.
    pub text: String,
}

impl LoginError {
    /// A refusal of the database.
    pub fn query(error: &sqlx::Error, method: &'static str) -> Self {
        let text = match error.as_database_error() {
            Some(error) => match error.code() {
                Some(code) => format!("{} ({code})", error.message()),
                None => error.message().to_owned(),
            },
            None => error.to_string(),
        };
        Self { method, text }
    }
}

/// A quoted identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Signs in, keeping the token while it lasts.
pub struct Login {
    settings: Settings,
    token: Mutex<Option<(String, i64)>>,
    trouble: RwLock<Trouble>,
    /// A session that was opened by password and stays open, when the app is told to leak one.
    pooled: Mutex<Option<PgConnection>>,
}

impl Login {
    /// With these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings, token: Mutex::default(), trouble: RwLock::default(), pooled: Mutex::default() }
    }

    /// What the app does wrong just now.
    pub fn trouble(&self) -> Trouble {
        *self.trouble.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does these things wrong from now on, and others no longer.
    pub async fn be_troubled(&self, trouble: Trouble) -> Result<(), LoginError> {
        let mut pooled = self.pooled.lock().await;
        if !trouble.leak {
            if let Some(session) = pooled.take() {
                drop(session.close().await);
            }
        } else if pooled.is_none() {
            *pooled = Some(self.leaked().await?);
        }
        // A token at hand would be used for as long as it lasts.
        *self.token.lock().await = None;
        *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = trouble;
        Ok(())
    }

    async fn leaked(&self) -> Result<PgConnection, LoginError> {
        let Some(password) = self.settings.get("POSTGIS_PASSWORD") else {
            return Err(LoginError {
                method: "password",
                text: "the app has no password to open a session with".into(),
            });
        };
        let options = self.settings.options(self.settings.or("POSTGIS_USER", "postgres"), password);
        let session = PgConnection::connect_with(&options).await;
        let session = session.map_err(|error| LoginError::query(&error, "password"))?;
        tracing::info!("A session of the connection pool is kept open");
        Ok(session)
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A new session and how it was signed in to.
    pub async fn connect(&self) -> Result<(PgConnection, &'static str), LoginError> {
        let password = self.settings.get("POSTGIS_PASSWORD");
        let (user, secret, method) = if self.settings.uses_identity() {
            let default = format!("{}-identity", self.settings.app());
            let user = self.settings.or("MANAGED_IDENTITY_NAME", &default).to_owned();
            tracing::info!("Using Azure Managed Identity for PostgreSQL authentication");
            match (self.token().await, password) {
                (Ok(token), _) => (user, token, "managed_identity"),
                (Err(text), Some(password)) => {
                    tracing::warn!("Falling back to password authentication: {text}");
                    (self.settings.or("POSTGIS_USER", "postgres").to_owned(), password.to_owned(), "password")
                }
                (Err(text), None) => return Err(LoginError { method: "managed_identity", text }),
            }
        } else {
            let user = self.settings.or("POSTGIS_USER", "postgres").to_owned();
            (user, password.unwrap_or_default().to_owned(), "password")
        };
        let options = self.settings.options(&user, &secret);
        let session = PgConnection::connect_with(&options).await.map_err(|error| LoginError::query(&error, method))?;
        tracing::info!("PostgreSQL connection established successfully ({method})");
        Ok((session, method))
    }

    /// A token of the app's managed identity, by App Service's protocol 2019-08-01.
    async fn token(&self) -> Result<String, String> {
        if self.trouble().fall_back {
            return Err("Failed to acquire managed identity token: the identity endpoint does not answer".to_owned());
        }
        let mut kept = self.token.lock().await;
        let now = self.settings.now().as_second();
        if let Some((token, ends)) = kept.as_ref()
            && ends - EARLY > now
        {
            return Ok(token.clone());
        }
        let (Some(endpoint), Some(header)) =
            (self.settings.get("IDENTITY_ENDPOINT"), self.settings.get("IDENTITY_HEADER"))
        else {
            return Err("Failed to acquire managed identity token: no managed identity endpoint found".to_owned());
        };
        let mut url = format!("{endpoint}?api-version=2019-08-01&resource={POSTGRES_AUDIENCE}");
        if let Some(client) = self.settings.get("AZURE_CLIENT_ID") {
            url.push_str("&client_id=");
            url.push_str(client);
        }
        let began = std::time::Instant::now();
        let asked = async {
            let client = reqwest::Client::builder().no_proxy().build()?;
            let answer = client.get(url).header("X-IDENTITY-HEADER", header).send().await?;
            Ok::<_, reqwest::Error>((answer.status().as_u16(), answer.bytes().await?))
        };
        let (status, body) = asked
            .await
            .map_err(|error| format!("Failed to acquire managed identity token: {}", error.without_url()))?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let Some(token) = body["access_token"].as_str().filter(|_| status == 200) else {
            let message = body["message"].as_str().unwrap_or("no message");
            return Err(format!("Failed to acquire managed identity token: {status} {message}"));
        };
        let ends = body["expires_on"].as_str().and_then(|ends| ends.parse().ok()).unwrap_or(now);
        // A field of its own becomes a custom dimension, which queries read without taking the text apart.
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(duration_ms, "Token acquired successfully (expires in ~{} s)", ends - now);
        *kept = Some((token.to_owned(), ends));
        Ok(token.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    fn uses_identity(settings: &[(&str, &str)]) -> bool {
        Settings::new(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
            .uses_identity()
    }

    #[test]
    fn the_guides_decision() {
        assert!(uses_identity(&[("USE_MANAGED_IDENTITY", "True"), ("POSTGIS_PASSWORD", "x")]));
        assert!(uses_identity(&[("WEBSITE_SITE_NAME", "a")]));
        assert!(!uses_identity(&[("WEBSITE_SITE_NAME", "a"), ("POSTGIS_PASSWORD", "x")]));
        assert!(!uses_identity(&[("USE_MANAGED_IDENTITY", "false")]));
    }
}
