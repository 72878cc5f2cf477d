//! What the doctor knows: plain data, so that the rules can be tried on made-up facts. Holds no secret.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::azure::{Administrator, AuthConfig, Identity, ServerId, SiteId};
use crate::evidence::Times;
use crate::model::{Failure, Tls};
use crate::postgres::{RoleState, Session};
use crate::resources::SignIn;
pub use crate::resources::check_privileges::GapKind;

/// Everything that was looked at.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How a command line names the plan file: its path, or nothing.
    pub plan: String,
    /// The audience of tokens that PostgreSQL takes in this cloud.
    pub audience: String,
    /// Apps and slots of the plan file.
    pub sites: Vec<SiteFacts>,
    /// Servers of the plan file.
    pub servers: Vec<ServerFacts>,
    /// Roles that stand for an identity.
    pub roles: Vec<RoleFacts>,
    /// What roles lack of what the plan file grants.
    pub gaps: Vec<Gap>,
    /// Roles that sign in by password and are to be needed no more.
    pub old_roles: Vec<OldRole>,
    /// Who runs pgentra.
    pub own: OwnFacts,
    /// What could not be looked at.
    pub unseen: Vec<Unseen>,
}

/// Something that nobody could look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// What.
    pub what: String,
    /// Why not.
    pub why: Failure,
}

/// An answer of the live system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen<T> {
    /// It could not be looked at.
    #[default]
    Unseen,
    /// It is not there.
    Absent,
    /// It is there.
    There(T),
}

/// One app, or one slot of it.
#[derive(Clone, Debug)]
pub struct SiteFacts {
    /// Where it is.
    pub id: SiteId,
    /// Whether `az functionapp` is its command; else it is `az webapp`.
    pub function: bool,
    /// `Running`, `Stopped`, ...
    pub state: String,
    /// The plan file's address of its identity, and whether it wants the system-assigned one.
    pub wants_identity: Option<(String, bool)>,
    /// The user-assigned identities that the plan file wants, by ARM id.
    pub wants_assigned: Vec<String>,
    /// What it has.
    pub identity: Identity,
    /// Its settings that are no secrets, by name; `None` where they may not be listed.
    pub settings: Option<BTreeMap<String, String>>,
    /// How it is set to sign in; `None` where settings may not be listed.
    pub sign_in: Option<SignIn>,
    /// The plan file's address of its settings, where it has one.
    pub settings_address: Option<String>,
    /// Settings that have to hold a role's name, with that name.
    pub role_settings: BTreeMap<String, String>,
    /// Names of its settings that stay with the slot in a swap; `None` where they could not be read.
    pub sticky: Option<BTreeSet<String>>,
    /// The other slots of the app.
    pub slots: Vec<SlotFacts>,
    /// A change that is under way, such as a swap.
    pub busy: Option<String>,
    /// Addresses from which it reaches the outside.
    pub outbound: Vec<String>,
    /// How its health check says that it signed in.
    pub auth_method: Option<(String, String)>,
    /// What the app says goes wrong now: in answers to health checks, and in logs since it last went well.
    pub said: Vec<Said>,
}

impl SiteFacts {
    /// Object ids of its identities, in lower case.
    pub fn principals(&self) -> BTreeSet<String> {
        let assigned = self.identity.user_assigned_identities.values().filter_map(|one| one.principal_id.as_ref());
        self.identity.principal_id.iter().chain(assigned).map(|id| id.to_ascii_lowercase()).collect()
    }

    /// One of its settings that is no secret.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.as_ref()?.get(name).map(String::as_str)
    }

    /// What it says with one of these words, in lower case.
    pub fn complaints<'a>(&'a self, words: &'a [&'a str]) -> impl Iterator<Item = &'a Said> {
        self.said.iter().filter(move |said| {
            let text = said.text.to_lowercase();
            words.iter().any(|word| text.contains(word))
        })
    }
}

/// Another slot of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotFacts {
    /// Its name; `production` for the app itself.
    pub name: String,
    /// Object ids of its identities, in lower case.
    pub principals: BTreeSet<String>,
}

/// Where an app said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the answer to a health check of this path.
    Probe(String),
    /// In its log, most recently then.
    Log(Timestamp),
}

/// Something an app said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Where.
    pub source: Source,
    /// What.
    pub text: String,
    /// How often.
    pub times: usize,
}

/// A firewall rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallRule {
    /// Its first IPv4 address.
    pub from: String,
    /// Its last one.
    pub to: String,
}

/// One server.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// Where it is.
    pub id: ServerId,
    /// The plan file's address of its authentication, where it has one.
    pub auth_address: Option<String>,
    /// How strictly the plan file has TLS checked.
    pub tls: Tls,
    /// Whether Resource Manager could be asked about it.
    pub seen: bool,
    /// `Ready`, `Stopped`, ...
    pub state: String,
    /// How it lets clients in.
    pub auth: AuthConfig,
    /// Its Entra administrators; `None` where they could not be read.
    pub administrators: Option<Vec<Administrator>>,
    /// Whether it can be reached from the internet at all; `None` where Azure does not say.
    pub public: Option<bool>,
    /// Its firewall rules; `None` where they could not be read.
    pub firewall: Option<Vec<FirewallRule>>,
    /// The server parameter `require_secure_transport`.
    pub secure_transport: Option<String>,
    /// Why pgentra did not get in, where it did not.
    pub refused: Option<Failure>,
    /// Its clock, Azure's, and that of this machine.
    pub times: Option<Times>,
}

/// One role that stands for an identity.
#[derive(Clone, Debug)]
pub struct RoleFacts {
    /// The plan file's address of it.
    pub address: String,
    /// The server.
    pub server: String,
    /// The role.
    pub name: String,
    /// The object id that it has to stand for; `None` where that is not known yet.
    pub wanted: Option<String>,
    /// The app whose identity that is, where it is one.
    pub app: Option<SiteId>,
    /// What is there.
    pub live: Seen<RoleState>,
    /// Other roles that stand for the same object id.
    pub others: Vec<String>,
}

/// A gap in what a role may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The plan file's address of the grants.
    pub address: String,
    /// The server.
    pub server: String,
    /// The database.
    pub database: String,
    /// Which.
    pub kind: GapKind,
    /// In a sentence.
    pub text: String,
}

/// A role that signs in by password.
#[derive(Clone, Debug)]
pub struct OldRole {
    /// The server.
    pub server: String,
    /// The role.
    pub name: String,
    /// Its sessions, oldest first.
    pub sessions: Vec<Session>,
}

/// Who runs pgentra.
#[derive(Clone, Debug, Default)]
pub struct OwnFacts {
    /// In a few words.
    pub who: Option<String>,
    /// Object id, in lower case.
    pub object_id: Option<String>,
    /// The audience that its token for PostgreSQL names.
    pub audience: Option<String>,
}
