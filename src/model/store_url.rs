//! Where a store is, as a plan file says it: a directory, a blob container or a PostgreSQL schema.

use std::fmt;
use std::str::FromStr;

use super::{Auth, SecretSource, Tls};

/// The schema of a PostgreSQL store that names none.
pub const STORE_SCHEMA: &str = "pgentra";

/// The place of a store. One place is one store, with one lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A directory: any text without `://`.
    Directory(String),
    /// `azblob://ACCOUNT/CONTAINER[/PREFIX]`, or `azblob+https://HOST[:PORT]/[ACCOUNT/]CONTAINER[/PREFIX]`.
    Blobs(BlobPlace),
    /// `postgres://USER@HOST[:PORT]/DATABASE[?schema=NAME&sslmode=MODE&password_env=NAME]`.
    Postgres(PostgresPlace),
}

/// A place in Azure Blob Storage. Signed in to with an Entra token, never with an account key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobPlace {
    /// Who serves it.
    pub service: BlobService,
    /// The container.
    pub container: String,
    /// What the names of all blobs begin with, without slashes at its ends; may be empty.
    pub prefix: String,
}

/// Who serves blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobService {
    /// A storage account of the plan file's cloud.
    Account(String),
    /// Another `https` endpoint, such as a private one or Azurite, without a trailing slash. As in Azure's own tools, the
    /// account is part of the path where the host is an IP address or `localhost`.
    Endpoint(String),
}

/// A schema in a PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresPlace {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// The role to sign in as.
    pub user: String,
    /// With a token, unless `password_env` names an environment variable.
    pub auth: Auth,
    /// How strictly TLS is checked.
    pub tls: Tls,
    /// The schema, which holds nothing but the store.
    pub schema: String,
}

impl FromStr for StoreUrl {
    type Err = String;

    /// What is wrong, then `; `, then what would help.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("the store has no place; name a directory or a URL".to_owned());
        }
        if super::looks_secret(text) {
            return Err(
                "a secret stands in this URL; leave it out: a store signs in with an Entra token, or PostgreSQL \
                        with a password from `?password_env=NAME`"
                    .to_owned(),
            );
        }
        match text.split_once("://") {
            None => Ok(Self::Directory(text.to_owned())),
            Some(("azblob", rest)) => account(text, rest).map(Self::Blobs),
            Some(("azblob+https", rest)) => endpoint(text, rest).map(Self::Blobs),
            Some(("postgres" | "postgresql", rest)) => postgres(text, rest).map(Self::Postgres),
            Some((scheme, _)) => Err(format!(
                "{scheme:?} is no kind of store; use a directory, azblob://account/container/prefix or \
                 postgres://user@host/database"
            )),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => f.write_str(path),
            Self::Blobs(place) => place.fmt(f),
            Self::Postgres(place) => place.fmt(f),
        }
    }
}

impl fmt::Display for BlobPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            BlobService::Account(account) => write!(f, "azblob://{account}/{}", self.container)?,
            BlobService::Endpoint(url) => write!(f, "azblob+{url}/{}", self.container)?,
        }
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

impl fmt::Display for PostgresPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, database, user, schema, .. } = self;
        write!(f, "postgres://{user}@{host}:{port}/{database}?schema={schema}")
    }
}

fn account(text: &str, rest: &str) -> Result<BlobPlace, String> {
    let mut parts = rest.splitn(3, '/');
    let (account, container) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let plain = account.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !plain || !(3..=24).contains(&account.len()) {
        return Err(format!(
            "{account:?} cannot be the name of a storage account; use its name alone, 3 to 24 lower-case letters and \
             digits, as in azblob://account/container/prefix"
        ));
    }
    blobs(text, BlobService::Account(account.to_owned()), container, parts.next().unwrap_or_default())
}

fn endpoint(text: &str, rest: &str) -> Result<BlobPlace, String> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.is_empty() || authority.contains(['@', '?', '#']) || authority.chars().any(char::is_whitespace) {
        return Err(format!("{text:?} has no host; write azblob+https://host:port/container/prefix"));
    }
    let name = authority.split(':').next().unwrap_or_default();
    let by_path = name == "localhost" || name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok();
    let (service, path) = match path.split_once('/') {
        Some((account, path)) if by_path => (format!("https://{authority}/{account}"), path),
        _ => (format!("https://{authority}"), path),
    };
    let (container, prefix) = path.split_once('/').unwrap_or((path, ""));
    blobs(text, BlobService::Endpoint(service), container, prefix)
}

/// Container names: 3 to 63 lower-case letters, digits and single inner hyphens (Azure's naming rules).
fn blobs(text: &str, service: BlobService, container: &str, prefix: &str) -> Result<BlobPlace, String> {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !(3..=63).contains(&container.len()) || !container.split('-').all(part) {
        return Err(format!(
            "{container:?} cannot be the name of a container; use 3 to 63 lower-case letters, digits and single hyphens, \
             as in azblob://account/container/prefix"
        ));
    }
    let prefix = prefix.trim_matches('/');
    let plain = |c: char| c.is_alphanumeric() || "-_.~ ".contains(c);
    if prefix.len() > 512 || prefix.split('/').any(|part| [".", ".."].contains(&part)) {
        return Err(format!(
            "{text:?} has no usable prefix; use at most 512 bytes and no part that is a full stop alone"
        ));
    }
    if prefix.split('/').any(|part| part.is_empty() && !prefix.is_empty())
        || !prefix.replace('/', "").chars().all(plain)
    {
        return Err(format!(
            "the prefix {prefix:?} cannot be used; use parts of letters, digits and -_.~ with single slashes between"
        ));
    }
    Ok(BlobPlace { service, container: container.to_owned(), prefix: prefix.to_owned() })
}

fn postgres(text: &str, rest: &str) -> Result<PostgresPlace, String> {
    let form = "write postgres://user@host:5432/database?schema=pgentra";
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) =
        authority.rsplit_once('@').ok_or_else(|| format!("{text:?} names no role to sign in as; {form}"))?;
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, port.parse().map_err(|_| format!("{port:?} is no TCP port; {form}"))?)
        }
        _ => (host, 5432),
    };
    let decoded = |part: &str| {
        decode(part).filter(|text| !text.is_empty() && text.len() <= 63 && !text.contains('\0')).ok_or_else(|| {
            format!(
                "{part:?} cannot be a PostgreSQL name; use 1 to 63 bytes, with other signs than letters, digits \
                     and -._~ percent-encoded (@ is %40); {form}"
            )
        })
    };
    let odd = |c: char| c.is_whitespace() || "'\"\\/=,%#".contains(c);
    if host.is_empty() || host.contains(odd) {
        return Err(format!("{text:?} has no host; {form}"));
    }
    let mut place = PostgresPlace {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port,
        database: decoded(database)?,
        user: decoded(user)?,
        auth: Auth::Token,
        tls: Tls::VerifyFull,
        schema: STORE_SCHEMA.to_owned(),
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        option(&mut place, pair)?;
    }
    Ok(place)
}

fn option(place: &mut PostgresPlace, pair: &str) -> Result<(), String> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    match name {
        "schema" => {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let first = value.starts_with(|c: char| c.is_ascii_lowercase());
            if !first || !value.chars().all(plain) || value.len() > 63 || value.starts_with("pg_") {
                return Err(format!(
                    "{value:?} cannot be the schema of a store; use 1 to 63 lower-case letters, digits and _, beginning \
                     with a letter and not with pg_"
                ));
            }
            value.clone_into(&mut place.schema);
        }
        "sslmode" => {
            place.tls = match value {
                "verify-full" => Tls::VerifyFull,
                "verify-ca" => Tls::VerifyCa,
                "require" => Tls::Require,
                "disable" => Tls::Disable,
                _ => return Err(format!("{value:?} is no sslmode; use verify-full, verify-ca, require or disable")),
            };
        }
        "password_env" => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if value.is_empty() || !value.chars().all(plain) || value.starts_with(|c: char| c.is_ascii_digit()) {
                return Err("password_env cannot be this; give the name of an environment variable, not the password"
                    .to_owned());
            }
            place.auth = Auth::Password(SecretSource::Env(value.to_owned()));
        }
        _ => return Err(format!("a store has no option {name:?}; use schema, sslmode and password_env")),
    }
    Ok(())
}

/// Undoes percent-encoding; `None` where it is none.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            other => other,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{BlobService, StoreUrl};
    use crate::model::{Auth, SecretSource, Tls};

    fn refused(text: &str) -> String {
        text.parse::<StoreUrl>().expect_err(text)
    }

    #[test]
    fn blob_urls() {
        let Ok(StoreUrl::Blobs(place)) = "azblob://acct1/state-1/team/app/".parse() else { panic!("not blobs") };
        assert_eq!(place.service, BlobService::Account("acct1".to_owned()));
        assert_eq!((place.container.as_str(), place.prefix.as_str()), ("state-1", "team/app"));
        assert_eq!(place.to_string(), "azblob://acct1/state-1/team/app");
        for (url, service, container, prefix) in [
            (
                "azblob+https://127.0.0.1:10000/devstoreaccount1/state/p",
                "https://127.0.0.1:10000/devstoreaccount1",
                "state",
                "p",
            ),
            ("azblob+https://localhost/acct/state", "https://localhost/acct", "state", ""),
            ("azblob+https://acct.blob.example.net/state/p/q", "https://acct.blob.example.net", "state", "p/q"),
        ] {
            let Ok(StoreUrl::Blobs(place)) = url.parse() else { panic!("{url}") };
            assert_eq!(place.service, BlobService::Endpoint(service.to_owned()), "{url}");
            assert_eq!((place.container.as_str(), place.prefix.as_str()), (container, prefix), "{url}");
            assert_eq!(place.to_string(), url);
        }
        for url in [
            "azblob://",
            "azblob://acct1",
            "azblob://acct1/",
            "azblob://Acct/state",
            "azblob://a.b/state",
            "azblob://acct1/State",
            "azblob://acct1/a--b",
            "azblob://acct1/state/../x",
            "azblob://acct1/state/a//b",
            "azblob://acct1/state/a?sv=1",
            "azblob+https:///state",
            "azblob+http://127.0.0.1:1/a/state",
            "azblob://acct1/state?sig=abc",
            "s3://bucket",
        ] {
            assert!(refused(url).contains("; "), "{url}");
        }
    }

    #[test]
    fn postgres_urls() {
        let url = "postgres://me%40x.com@db.example.net/ops?schema=s1&sslmode=require&password_env=PW";
        let Ok(StoreUrl::Postgres(place)) = url.parse() else { panic!("not postgres") };
        assert_eq!((place.user.as_str(), place.host.as_str(), place.port), ("me@x.com", "db.example.net", 5432));
        assert_eq!((place.database.as_str(), place.schema.as_str(), place.tls), ("ops", "s1", Tls::Require));
        assert_eq!(place.auth, Auth::Password(SecretSource::Env("PW".to_owned())));
        let Ok(StoreUrl::Postgres(place)) = "postgresql://u@[::1]:6000/d".parse() else { panic!("not postgres") };
        assert_eq!(
            (place.host.as_str(), place.port, place.tls, place.auth),
            ("::1", 6000, Tls::VerifyFull, Auth::Token)
        );
        for url in [
            "postgres://host/db",
            "postgres://u@/db",
            "postgres://u@h",
            "postgres://u@h:x/db",
            "postgres://u:p@h/db",
            "postgres://u@h/db?schema=Big",
            "postgres://u@h/db?schema=pg_x",
            "postgres://u@h/db?schema=",
            "postgres://u@h/db?sslmode=prefer",
            "postgres://u@h/db?password_env=a-b",
            "postgres://u@h/db?x=1",
            "postgres://u%zz@h/db",
            "postgres://u@h/db?password=x",
        ] {
            assert!(refused(url).contains("; ") || refused(url).contains(": "), "{url}");
        }
    }

    #[test]
    fn anything_else_is_a_directory() {
        assert_eq!("a/b c".parse(), Ok(StoreUrl::Directory("a/b c".to_owned())));
        assert!(refused("  ").contains("no place"));
    }
}
