//! The Entra tenant of the sandbox: principals, groups, applications, and what they may do in Resource Manager.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::token::Subject;

/// What a principal may do with the subscription's resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Owner,
    /// Reads, but no settings, which are read by POST.
    Reader,
    /// Reads, settings too.
    SettingsReader,
    /// What a custom role definition gives.
    Custom(Definition),
    /// Nothing.
    #[default]
    None,
}

/// The actions of a role definition; `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Definition {
    /// Given.
    #[serde(alias = "Actions")]
    pub actions: Vec<String>,
    /// Not given after all.
    #[serde(alias = "NotActions")]
    pub not_actions: Vec<String>,
    /// Given on data.
    #[serde(alias = "DataActions")]
    pub data_actions: Vec<String>,
    /// Not given on data after all.
    #[serde(alias = "NotDataActions")]
    pub not_data_actions: Vec<String>,
}

impl Role {
    /// Its definition, as Resource Manager tells it.
    pub fn definition(&self) -> Definition {
        let texts = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
        let (actions, data): (&[&str], &[&str]) = match self {
            Self::Custom(definition) => return definition.clone(),
            Self::Owner => (&["*"], &["*"]),
            Self::SettingsReader => {
                (&["*/read", "*/list/action", "*/listkeys/action", "*/publishxml/action", "*/slotsdiffs/action"], &[])
            }
            Self::Reader => (&["*/read"], &[]),
            Self::None => (&[], &[]),
        };
        Definition { actions: texts(actions), data_actions: texts(data), ..Definition::default() }
    }

    /// Whether it gives an action; `data` tells which plane it is of.
    pub fn gives(&self, action: &str, data: bool) -> bool {
        let all = self.definition();
        let (given, taken) =
            if data { (all.data_actions, all.not_data_actions) } else { (all.actions, all.not_actions) };
        given.iter().any(|one| fits(one, action)) && !taken.iter().any(|one| fits(one, action))
    }
}

/// Whether an action fits a pattern, segment by segment or, with a `*` at its beginning or end, any number of them.
fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut left = action.as_str();
    let parts: Vec<&str> = pattern.split('*').collect();
    for (at, part) in parts.iter().enumerate() {
        let rest = match at {
            0 => left.strip_prefix(part),
            _ if at + 1 == parts.len() => return left.ends_with(part),
            _ => left.split_once(part).map(|(_, rest)| rest),
        };
        let Some(rest) = rest else { return false };
        left = rest;
    }
    left.is_empty()
}

/// What a principal is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Kind {
    /// An application with its service principal.
    Application {
        /// Client id.
        client_id: String,
        /// Client secret, when it has one.
        #[serde(default)]
        secret: Option<String>,
        /// Identity providers whose assertions it accepts.
        #[serde(default)]
        federated: Vec<Federated>,
    },
    /// A managed identity.
    ManagedIdentity {
        /// Client id.
        client_id: String,
        /// ARM id: of the app for a system-assigned identity, else of the identity itself.
        resource_id: String,
    },
    /// A person.
    User,
}

/// A federated identity credential: an assertion with exactly these claims counts as a sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Federated {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`.
    pub audience: String,
}

/// Something that can sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Display name; user principal name for people.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
    /// What it may do in Resource Manager.
    #[serde(default)]
    pub role: Role,
}

impl Principal {
    /// Its client id, when it is no person.
    pub fn client_id(&self) -> Option<&str> {
        match &self.kind {
            Kind::Application { client_id, .. } | Kind::ManagedIdentity { client_id, .. } => Some(client_id),
            Kind::User => None,
        }
    }
}

/// A group of principals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Display name.
    pub name: String,
    /// Object ids of its members.
    #[serde(default)]
    pub members: BTreeSet<String>,
}

/// The tenant's directory, by object id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Applications, managed identities and people.
    pub principals: BTreeMap<String, Principal>,
    /// Groups.
    pub groups: BTreeMap<String, Group>,
}

impl Directory {
    /// The principal with this client id, and its object id.
    pub fn by_client_id(&self, client_id: &str) -> Option<(&str, &Principal)> {
        let same = |principal: &Principal| principal.client_id().is_some_and(|id| id.eq_ignore_ascii_case(client_id));
        self.principals.iter().find(|(_, principal)| same(principal)).map(|(id, principal)| (id.as_str(), principal))
    }

    /// What a token says about the principal of this object id.
    pub fn subject(&self, object_id: &str) -> Option<Subject> {
        let principal = self.principals.get(object_id)?;
        let groups = self.groups.iter().filter(|(_, group)| group.members.contains(object_id));
        Some(Subject {
            object_id: object_id.to_owned(),
            app_id: principal.client_id().map(str::to_owned),
            user_name: matches!(principal.kind, Kind::User).then(|| principal.name.clone()),
            groups: groups.map(|(id, _)| id.clone()).collect(),
            resource_id: match &principal.kind {
                Kind::ManagedIdentity { resource_id, .. } => Some(resource_id.clone()),
                _ => None,
            },
        })
    }

    /// Adds a managed identity under new ids; its object id.
    pub fn add_managed_identity(&mut self, name: &str, resource_id: &str) -> String {
        let object_id = new_guid();
        let kind = Kind::ManagedIdentity { client_id: new_guid(), resource_id: resource_id.to_owned() };
        self.principals.insert(object_id.clone(), Principal { name: name.to_owned(), kind, role: Role::None });
        object_id
    }

    /// Takes a principal out of the directory and out of its groups.
    pub fn remove(&mut self, object_id: &str) {
        self.principals.remove(object_id);
        for group in self.groups.values_mut() {
            group.members.remove(object_id);
        }
    }
}

/// A random GUID.
pub fn new_guid() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        return uuid::Uuid::now_v7().to_string();
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// A random secret of 40 letters and digits.
pub fn new_secret() -> String {
    format!("{}{}", new_guid().replace('-', ""), &new_guid()[..8])
}
