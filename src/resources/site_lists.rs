//! The two lists of a site that may hold a password: app settings and connection strings.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::live::text;
use crate::azure::{Arm, Note, Refusal, SiteId};
use crate::model::{Attributes, Class, Digester, Failure, Secret, SecretValue, Value};

/// The words for the lists in a key.
pub(super) const LISTS: &[&str] = &["settings", "connection_strings"];

/// One of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Settings,
    ConnectionStrings,
}

impl List {
    /// The list that a key names.
    pub(super) fn of(key: &Attributes) -> Result<Self, Failure> {
        match text(key, "list")? {
            "settings" => Ok(Self::Settings),
            "connection_strings" => Ok(Self::ConnectionStrings),
            other => Err(Failure::new(Class::Input, "a site has no such list")
                .detail(format!("{other:?}"))
                .remedy(format!("write one of {}", LISTS.join(", ")))),
        }
    }

    /// All its entries as Azure answers them.
    pub(super) async fn all(self, arm: &Arm, id: &SiteId) -> Result<Map<String, Json>, Refusal> {
        match self {
            Self::Settings => arm.settings(id).await,
            Self::ConnectionStrings => arm.connection_strings(id).await,
        }
    }

    /// Replaces all its entries.
    pub(super) async fn put(
        self,
        arm: &Arm,
        id: &SiteId,
        all: Map<String, Json>,
        note: Note<'_>,
    ) -> Result<(), Refusal> {
        match self {
            Self::Settings => arm.put_settings(id, all, note).await,
            Self::ConnectionStrings => arm.put_connection_strings(id, all, note).await,
        }
    }

    /// An entry as one text that [`List::entry`] takes back; of a connection string with its type.
    pub(super) fn kept(entry: &Json) -> Secret {
        match entry {
            Json::String(text) => Secret::new(text.clone()),
            Json::Object(members) => {
                let members: BTreeMap<&String, &Json> = members.iter().collect();
                Secret::new(serde_json::to_string(&members).unwrap_or_default())
            }
            other => Secret::new(other.to_string()),
        }
    }

    /// The entry called `name` that a kept text stands for.
    pub(super) fn entry(self, name: &str, kept: &Secret) -> Result<Json, Failure> {
        match self {
            Self::Settings => Ok(Json::String(kept.expose().to_owned())),
            // What the parser complains of may quote the text.
            Self::ConnectionStrings => serde_json::from_str(kept.expose()).map_err(|_| {
                Failure::new(Class::Input, "what was kept is no connection string with its type")
                    .detail(name)
                    .remedy("keep it as {\"type\": ..., \"value\": ...}")
            }),
        }
    }
}

/// How an entry is shown: by its digest, as nobody knows which of them hold passwords.
pub(super) fn digested(digester: &Digester, entry: Option<&Json>) -> Value {
    match entry {
        None | Some(Json::Null) => Value::Null,
        Some(entry) => {
            let digest = Some(digester.digest(List::kept(entry).expose()));
            Value::Secret(SecretValue { source: None, digest })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::List;
    use serde_json::json;

    #[test]
    fn an_entry_comes_back_as_it_was() {
        let one = json!({ "value": "Host=h;Password=x", "type": "PostgreSQL" });
        assert_eq!(List::ConnectionStrings.entry("main", &List::kept(&one)).unwrap(), one);
        assert_eq!(List::Settings.entry("main", &List::kept(&json!("x"))).unwrap(), json!("x"));
        let other = json!({ "type": "PostgreSQL", "value": "Host=h;Password=x" });
        assert_eq!(List::kept(&one).expose(), List::kept(&other).expose(), "whatever order Azure answers in");
        let failure = List::ConnectionStrings.entry("main", &List::kept(&json!("hunter2"))).unwrap_err();
        assert!(!format!("{failure:?}").contains("hunter2"));
    }
}
