//! What an app's settings and connection strings say of the database that it uses: host, database, user, schemas.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use crate::model::{looks_secret, percent_decode, secret_name};

/// What the settings say. Holds no password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Hosts, in lower case, without port.
    pub hosts: BTreeSet<String>,
    /// Databases.
    pub databases: BTreeSet<String>,
    /// Roles that the app signs in as.
    pub users: BTreeSet<String>,
    /// Schemas.
    pub schemas: BTreeSet<String>,
    /// Names of the settings that say so and hold no secret.
    pub names: BTreeSet<String>,
}

/// The part that a setting or a word of a connection string is about, in capitals without marks.
fn part(word: &str) -> Option<Part> {
    let word: String = word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| word.ends_with(end));
    Some(match () {
        () if ends(&["HOST", "HOSTNAME", "SERVER", "DATASOURCE", "FQDN"]) => Part::Host,
        () if ends(&["DATABASE", "DBNAME", "DATABASENAME", "INITIALCATALOG"]) => Part::Database,
        () if ends(&["USER", "USERNAME", "USERID", "UID"]) => Part::User,
        () if ends(&["SCHEMA", "SCHEMAS"]) => Part::Schema,
        () if ends(&["PORT", "SSLMODE"]) => Part::Other,
        () => return None,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Host,
    Database,
    User,
    Schema,
    Other,
}

/// Reads an app's environment, as [`super::environment`] gives it.
pub fn said(environment: &Map<String, Json>) -> Said {
    let mut said = Said::default();
    for (name, value) in environment {
        let Some(value) = value.as_str().map(str::trim).filter(|value| !value.is_empty()) else { continue };
        let known = said.value(name, value);
        if known && !secret_name(name) && !looks_secret(value) {
            said.names.insert(name.clone());
        }
    }
    said
}

impl Said {
    /// Takes what one setting says; whether it says anything.
    fn value(&mut self, name: &str, value: &str) -> bool {
        if let Some(rest) = value.split_once("postgresql://").or_else(|| value.split_once("postgres://")) {
            return self.url(rest.1);
        }
        let words: Vec<(&str, &str)> = value
            .split(|c: char| c == ';' || (c == ' ' && !value.contains(';')))
            .filter_map(|word| word.split_once('='))
            .filter(|(word, _)| part(word).is_some())
            .collect();
        if words.len() > 1 {
            return words
                .into_iter()
                .fold(false, |any, (word, value)| part(word).is_some_and(|part| self.take(part, value.trim())) || any);
        }
        if value.to_ascii_lowercase().ends_with(".postgres.database.azure.com") {
            return self.take(Part::Host, value);
        }
        let upper = name.to_ascii_uppercase();
        let about = ["POSTGIS", "POSTGRES", "PG", "DATABASE", "DB"].iter().any(|mark| upper.contains(mark));
        match part(name) {
            Some(Part::Schema) => self.take(Part::Schema, value),
            Some(part) if about => self.take(part, value),
            _ => false,
        }
    }

    /// `user:password@host:port/database?...`.
    fn url(&mut self, rest: &str) -> bool {
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (authority, database) = rest[..end].split_once('/').unwrap_or((&rest[..end], ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let user = user.split(':').next().unwrap_or_default();
        self.take(Part::User, &decoded(user));
        self.take(Part::Database, &decoded(database));
        self.take(Part::Host, host)
    }

    fn take(&mut self, part: Part, value: &str) -> bool {
        if value.is_empty() || value.starts_with("@Microsoft.KeyVault(") {
            return false;
        }
        match part {
            Part::Host => {
                let host = value.strip_prefix("tcp:").unwrap_or(value).split([':', ',']).next().unwrap_or_default();
                self.hosts.insert(host.to_ascii_lowercase())
            }
            Part::Database => self.databases.insert(value.to_owned()),
            Part::User => self.users.insert(value.to_owned()),
            Part::Schema => {
                self.schemas
                    .extend(value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()));
                true
            }
            Part::Other => true,
        };
        true
    }
}

fn decoded(text: &str) -> String {
    percent_decode(text).unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::said;
    use serde_json::{Value as Json, json};

    fn shown(environment: &Json) -> String {
        let said = said(environment.as_object().unwrap());
        format!("{:?} {:?} {:?} {:?} {:?}", said.hosts, said.databases, said.users, said.schemas, said.names)
    }

    #[test]
    fn every_way_of_naming_a_database_is_read() {
        let names = json!({ "POSTGIS_HOST": "s.postgres.database.azure.com", "POSTGIS_PORT": "5432", "PGDATABASE": "d",
            "POSTGIS_USER": "u", "POSTGIS_PASSWORD": "x", "APP_SCHEMA": "app, geo", "MAIL_HOST": "mail", "X": "" });
        assert_eq!(
            shown(&names),
            r#"{"s.postgres.database.azure.com"} {"d"} {"u"} {"app", "geo"} {"APP_SCHEMA", "PGDATABASE", "POSTGIS_HOST", "POSTGIS_PORT", "POSTGIS_USER"}"#
        );
        for text in [
            "postgresql://u:p%40@S:5432/d?sslmode=require",
            "jdbc:postgresql://u:p@s/d",
            "Server=s;Database=d;User Id=u;Password=p",
            "host=s dbname=d user=u password=p",
            "Server=tcp:s,5432;Initial Catalog=d;Uid=u;Pwd=p",
        ] {
            assert_eq!(shown(&json!({ "MAIN": text })), r#"{"s"} {"d"} {"u"} {} {}"#, "{text}");
        }
        let other =
            json!({ "AzureWebJobsStorage": "AccountName=a;AccountKey=k", "POSTGIS_HOST": "@Microsoft.KeyVault(x)" });
        assert_eq!(shown(&other), "{} {} {} {} {}");
    }
}
