//! How `database_role` behaves, and the laws of roles.

use super::{Behaviour, DEPLOYERS, Law, PLAIN, TOKENS, Trial, shut, text};
use crate::model::{Attributes, Class, Reading, Step, Value};
use crate::resources::database_role::plan::restate;
use crate::resources::memory::{State, shown};

/// `database_role`: there once it was made, and seen by whoever is let in.
pub(in crate::resources) const ROLE: Behaviour = Behaviour {
    hidden: shut,
    plan: |state, look| {
        let desired = restate(look.attributes);
        let mut reading = match state.get("database_role", look.key) {
            None => Reading::absent(),
            Some(live) => {
                let of = |(name, asked): (&String, &Value)| (name.clone(), shown(asked, live.get(name)));
                Reading::present(desired.iter().map(of).collect(), outputs(look.key, live))
            }
        };
        reading.desired = Some(desired);
        Ok(Some(reading))
    },
    laws: &[SIGNED_IN, ROLE_IN_USE],
    ..PLAIN
};

fn outputs(key: &Attributes, live: &Attributes) -> Attributes {
    let of = |name: &str, from: &Attributes| Some((name.to_owned(), from.get(name)?.clone()));
    [of("name", key), of("object_id", live)].into_iter().flatten().collect()
}

const ROLE_TEXT: &str = r#"
[resource.database_role.reporting]
server = "rmhpgflex"
name = "reporting-identity"
object_id = "44444444-4444-4444-8444-444444444444"
"#;

const GRANTS_TEXT: &str = r#"
[resource.database_grants.geopgflex]
server = "rmhpgflex"
database = "geopgflex"
grants = [{ role = "reporting-identity", schemas = ["geo"], schema = ["USAGE"], tables = ["SELECT"] }]
"#;

/// Nobody writes in a database who is not let in.
pub(super) const SIGNED_IN: Law = Law {
    says: "whoever changes a database has to be let in",
    class: Class::NotSignedIn,
    broken: |state, step| shut(state, &step.key),
    trial: Trial::Refused { given: &[], refused: ROLE_TEXT, removal: false },
};

const ROLE_IN_USE: Law = Law {
    says: "a role that may still do something is not dropped",
    class: Class::Conflict,
    broken: |state, step| {
        let name = text(&step.key, "name")?;
        let granted = state.like("database_grants", &step.key, &["server"]).find_map(|(id, grants)| {
            let maps = grants.values().filter_map(Value::as_map);
            let entries = maps.flat_map(|entries| entries.iter());
            let entry = entries
                .into_iter()
                .find(|(_, grantees)| grantees.as_map().is_some_and(|map| map.contains_key(name)))?;
            Some(format!("{name} has privileges on {} in {}", entry.0, text(&id.key, "database")?))
        });
        granted.filter(|_| step.after.is_none() && is_there(state, step))
    },
    trial: Trial::Refused { given: &[TOKENS, DEPLOYERS, ROLE_TEXT, GRANTS_TEXT], refused: ROLE_TEXT, removal: true },
};

fn is_there(state: &State, step: &Step) -> bool {
    state.get("database_role", &step.key).is_some()
}
