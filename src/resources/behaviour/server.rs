//! How `server_auth` and `server_admin` behave, and the laws of a flexible server.

use super::{Behaviour, DEPLOYERS, Law, PLACE, PLAIN, TOKENS, Trial, says, text};
use crate::model::{Attributes, Class, Step, Value};
use crate::resources::memory::State;

/// `server_auth`: a part of its server.
pub(in crate::resources) const AUTH: Behaviour = Behaviour {
    part: Some(|| {
        let field = |name: &str, value: bool| (name.to_owned(), Value::Bool(value));
        Attributes::from([field("entra_auth", false), field("password_auth", true)])
    }),
    missing: no_server,
    laws: &[SERVER_IS_THERE, SOMEBODY_GETS_IN],
    ..PLAIN
};

/// `server_admin`: there once it was made.
pub(in crate::resources) const ADMIN: Behaviour =
    Behaviour { laws: &[SERVER_IS_THERE, ADMIN_NEEDS_ENTRA, LAST_WAY_IN], ..PLAIN };

/// `server_password_auth`: a part of its server.
pub(in crate::resources) const SERVER_PASSWORD_AUTH: Behaviour = Behaviour {
    part: Some(|| Attributes::from([("enabled".to_owned(), Value::Bool(true))])),
    told: &["seen_within", "sensors", "admin_password"],
    missing: no_server,
    laws: &[LAST_ONE_OUT_GETS_IN],
    ..PLAIN
};

const NO_MORE: &str = r#"
[resource.server_password_auth.rmhpgflex]
server = "rmhpgflex"
enabled = false
"#;

const LAST_ONE_OUT_GETS_IN: Law = Law {
    says: "a server stops taking passwords only once an Entra administrator can sign in",
    class: Class::Input,
    broken: |state, step| {
        let off = step.after.as_ref().is_some_and(|end| end.get("enabled") == Some(&Value::Bool(false)));
        let entra = state.get("server_auth", &step.key).is_some_and(|auth| says(auth, "entra_auth"));
        let admin = state.like("server_admin", &step.key, &["server"]).next().is_some();
        (off && !(entra && admin)).then(|| "nobody could sign in any more".to_owned())
    },
    trial: Trial::Refused { given: &[TOKENS], refused: NO_MORE, removal: false },
};

const NOWHERE: &str = r#"
[resource.server_auth.nowhere]
server = "nowhere"
entra_auth = true
"#;

const NO_PASSWORDS: &str = r#"
[resource.server_auth.no_passwords]
server = "rmhpgflex"
password_auth = false
"#;

pub(super) const SERVER_IS_THERE: Law = Law {
    says: "a server has to be there before anything of it changes",
    class: Class::NotFound,
    broken: |state, step| no_server(state, &step.address.kind, &step.key),
    trial: Trial::Refused { given: &[], refused: NOWHERE, removal: false },
};

pub(super) fn no_server(state: &State, _kind: &str, key: &Attributes) -> Option<String> {
    let there = state.like("server", key, &["server", PLACE[0], PLACE[1]]).next().is_some();
    (!there).then(|| format!("there is no server {}", text(key, "server").unwrap_or_default()))
}

/// How the server lets clients in, once the step is done.
fn auth(state: &State, step: &Step) -> (bool, bool) {
    let now = state.get("server_auth", &step.key);
    let flag = |name: &str, unasked: bool| {
        let wanted = step.after.as_ref().filter(|_| step.address.kind == "server_auth").and_then(|end| end.get(name));
        let live = now.and_then(|now| now.get(name));
        wanted.or(live).and_then(Value::as_bool).unwrap_or(unasked)
    };
    (flag("entra_auth", false), flag("password_auth", true))
}

const SOMEBODY_GETS_IN: Law = Law {
    says: "a server that takes no passwords has to have an Entra administrator",
    class: Class::Input,
    broken: |state, step| match auth(state, step) {
        (_, true) => None,
        (false, false) => Some("neither passwords nor tokens would be taken".to_owned()),
        (true, false) => {
            let admin = state.like("server_admin", &step.key, &["server"]).next();
            admin.is_none().then(|| "no administrator is there".to_owned())
        }
    },
    trial: Trial::Refused { given: &[TOKENS], refused: NO_PASSWORDS, removal: false },
};

const ADMIN_NEEDS_ENTRA: Law = Law {
    says: "an Entra administrator needs a server that takes tokens",
    class: Class::Input,
    broken: |state, step| {
        let entra = state.get("server_auth", &step.key_of_server()).is_some_and(|auth| says(auth, "entra_auth"));
        (step.after.is_some() && !entra).then(|| "tokens are not taken yet".to_owned())
    },
    trial: Trial::Refused { given: &[], refused: DEPLOYERS, removal: false },
};

const LAST_WAY_IN: Law = Law {
    says: "the last administrator of a server without passwords stays",
    class: Class::Input,
    broken: |state, step| {
        let passwords = auth(state, &Step { key: step.key_of_server(), ..step.clone() }).1;
        let others = state.like("server_admin", &step.key, &["server"]).count() > 1;
        (step.after.is_none() && !passwords && !others).then(|| "nobody could sign in any more".to_owned())
    },
    trial: Trial::Refused { given: &[TOKENS, DEPLOYERS, NO_PASSWORDS], refused: DEPLOYERS, removal: true },
};

/// The key of the server that a step is about.
trait OfServer {
    fn key_of_server(&self) -> Attributes;
}

impl OfServer for Step {
    fn key_of_server(&self) -> Attributes {
        let part = |name: &&str| Some(((*name).to_owned(), self.key.get(*name)?.clone()));
        ["server", PLACE[0], PLACE[1]].iter().filter_map(part).collect()
    }
}
