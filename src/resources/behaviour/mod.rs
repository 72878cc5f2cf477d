//! How a kind behaves, as far as its schema does not say: what is there unasked, what a look says of it, what it gives,
//! and the laws by which its service refuses a write. Pure; the world in memory lives by it.

mod check;
mod cleanup;
mod database;
mod deployment;
mod grants;
mod places;
mod role_password;
mod server;
mod site;

use std::collections::BTreeSet;

use super::memory::State;
use crate::model::{Attributes, Class, Failure, Look, Reading, Step, Value};

pub(super) use check::CHECK;
pub(super) use cleanup::{ESCROW, LOGIN, PASSWORD_SETTING, theirs};
pub(super) use database::ROLE;
pub(super) use deployment::DEPLOYMENT;
pub(super) use grants::GRANTS;
pub(super) use places::{DATABASE, FIREWALL_RULE, SCHEMA};
pub(super) use role_password::ROLE_PASSWORD;
pub(super) use server::{ADMIN, AUTH, SERVER_PASSWORD_AUTH};
pub(super) use site::{IDENTITY, SETTINGS, SLOT_SETTINGS};

/// How a kind behaves.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// Of a part of something bigger (the settings of a site): what it is like where nobody has written it. Such a part
    /// is never absent and cannot be removed, only given back. `None`: it is there once it was made.
    pub part: Option<fn() -> Attributes>,
    /// What only its writes are told: a look says it back as it was asked for.
    pub told: &'static [&'static str],
    /// Why there is nothing that it could be a part of, if so; such a look is an error.
    pub missing: fn(&State, &str, &Attributes) -> Option<String>,
    /// Why it cannot be looked at, if so. An earlier step may change that.
    pub hidden: fn(&State, &Attributes) -> Option<String>,
    /// The answer to a look before a change set, where it is not simply the live values of the wanted attributes.
    pub plan: fn(&State, &Look<'_>) -> Result<Option<Reading>, Failure>,
    /// What it gives to others, from its key, what is there, and what was asked for; beside the outputs that are a key
    /// field or an attribute of the same name.
    pub outputs: fn(&Attributes, &Attributes, &Attributes) -> Attributes,
    /// What the service adds by itself when it is written: from what was there, to what is wanted. The number is
    /// different for each write.
    pub made: fn(&Attributes, &mut Attributes, u64),
    /// Of the entries asked for, those whose object is gone and those whose object was replaced under its name.
    pub lost: fn(&State, &Attributes, &Attributes) -> Lost,
    /// What is wrong, for a check; empty when it passes.
    pub complaints: fn(&State, &Attributes) -> Vec<String>,
    /// By which laws a write is refused.
    pub laws: &'static [Law],
}

/// Entries that no longer mean what they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Their object is gone.
    pub gone: BTreeSet<String>,
    /// Their object was replaced under its name.
    pub replaced: BTreeSet<String>,
}

/// A kind that does what its schema says and refuses nothing.
pub(super) const PLAIN: Behaviour = Behaviour {
    part: None,
    told: &[],
    missing: |_, _, _| None,
    hidden: |_, _| None,
    plan: |_, _| Ok(None),
    outputs: |_, _, _| Attributes::new(),
    made: |_, _, _| {},
    lost: |_, _, _| Lost::default(),
    complaints: |_, _| Vec::new(),
    laws: &[],
};

/// A law by which a service refuses a write: checked by the world in memory, and tried on every world by its trial.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// What it says, as a sentence without a full stop.
    pub says: &'static str,
    /// The class of the refusal.
    pub class: Class,
    /// Why this step would break it in this world, if it would.
    pub broken: fn(&State, &Step) -> Option<String>,
    /// How to see that a world has this law.
    pub trial: Trial,
}

/// How to see that a world has a law. Each text is the resources of a plan file.
#[derive(Clone, Copy, Debug)]
pub enum Trial {
    /// Each of `given` is made true, one after the other; then `refused` (one resource) must be refused: making it, or with `removal` taking it
    /// away.
    Refused {
        /// Resources that are there.
        given: &'static [&'static str],
        /// The resource whose write must be refused.
        refused: &'static str,
        /// Whether the write takes it away.
        removal: bool,
    },
    /// The world in memory is stricter than the service, so that a wrong order of steps cannot pass unseen: why.
    Stricter(&'static str),
}

impl Law {
    /// The refusal, if this step would break the law.
    pub(super) fn refusal(&self, state: &State, step: &Step) -> Option<Failure> {
        (self.broken)(state, step).map(|why| Failure::new(self.class, self.says).detail(why))
    }
}

/// Why nobody is let into the databases of a server, if so: it takes no tokens, or has no administrator. A server of
/// which the world says `passwords` lets everybody in by other ways.
fn shut(state: &State, key: &Attributes) -> Option<String> {
    let server = key.get("server").and_then(Value::as_text).unwrap_or_default();
    if !state.like("server", key, &["server"]).any(|_| true) {
        return Some(format!("there is no server {server}"));
    }
    if state.like("server", key, &["server"]).any(|(_, server)| says(server, "passwords")) {
        return None;
    }
    if !state.like("server_auth", key, &["server"]).any(|(_, auth)| says(auth, "entra_auth")) {
        return Some(format!("server {server} takes no Entra tokens"));
    }
    if state.like("server_admin", key, &["server"]).next().is_none() {
        return Some(format!("server {server} has no Entra administrator"));
    }
    None
}

/// Whether a flag is set.
fn says(attributes: &Attributes, name: &str) -> bool {
    attributes.get(name).and_then(Value::as_bool) == Some(true)
}

fn text<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name).and_then(Value::as_text)
}

/// A text for trials: the sandbox's server takes tokens.
const TOKENS: &str = r#"
[resource.server_auth.tokens]
server = "rmhpgflex"
entra_auth = true
"#;

/// A text for trials: the group that whoever uses the sandbox is in administers its server.
const DEPLOYERS: &str = r#"
[resource.server_admin.deployers]
server = "rmhpgflex"
object_id = "33333333-3333-4333-8333-333333333333"
name = "pg-deployers"
principal_type = "group"
"#;

/// The place of sites and servers.
const PLACE: [&str; 2] = ["subscription", "resource_group"];
