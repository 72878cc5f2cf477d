//! How `firewall_rule`, `database` and `schema` behave, and the laws by which what holds something stays.

use super::database::SIGNED_IN;
use super::server::{SERVER_IS_THERE, no_server};
use super::{Behaviour, DEPLOYERS, Law, PLAIN, TOKENS, Trial, shut, text};
use crate::model::{Attributes, Class};

/// `firewall_rule`: there once it was made.
pub(in crate::resources) const FIREWALL_RULE: Behaviour =
    Behaviour { missing: no_server, laws: &[SERVER_IS_THERE], ..PLAIN };

/// `database`: there once it was made.
pub(in crate::resources) const DATABASE: Behaviour =
    Behaviour { missing: no_server, laws: &[SERVER_IS_THERE, FULL_DATABASE], ..PLAIN };

/// `schema`: there once it was made, and seen by whoever is let in.
pub(in crate::resources) const SCHEMA: Behaviour = Behaviour { hidden: shut, laws: &[SIGNED_IN, FULL_SCHEMA], ..PLAIN };

const DATABASE_TEXT: &str = r#"
[resource.database.tried]
server = "rmhpgflex"
name = "tried"
"#;

const SCHEMA_TEXT: &str = r#"
[resource.schema.tried]
server = "rmhpgflex"
database = "tried"
name = "tried"
"#;

/// The schema of the sandbox's data.
const GEO_TEXT: &str = r#"
[resource.schema.geo]
server = "rmhpgflex"
database = "geopgflex"
name = "geo"
"#;

const FULL_DATABASE: Law = Law {
    says: "a database that holds anything is not dropped",
    class: Class::Conflict,
    broken: |state, step| {
        let name = text(&step.key, "name")?;
        let (schema, _) = state
            .like("schema", &step.key, &["server"])
            .find(|(id, _)| step.after.is_none() && text(&id.key, "database") == Some(name))?;
        Some(format!("{name} has schema {}", text(&schema.key, "name").unwrap_or_default()))
    },
    trial: Trial::Refused {
        given: &[TOKENS, DEPLOYERS, DATABASE_TEXT, SCHEMA_TEXT],
        refused: DATABASE_TEXT,
        removal: true,
    },
};

const FULL_SCHEMA: Law = Law {
    says: "a schema that holds anything is not dropped",
    class: Class::Conflict,
    broken: |state, step| {
        let name = text(&step.key, "name")?;
        let mut databases = state.like("database", &step.key, &["server", "database"]);
        let objects = databases.find_map(|(_, held)| held.get("objects")?.as_map())?;
        let inside = format!(" {name}.");
        let held = Attributes::keys(objects).find(|object| step.after.is_none() && object.contains(&inside))?;
        Some(format!("{name} holds {held}"))
    },
    trial: Trial::Refused { given: &[TOKENS, DEPLOYERS], refused: GEO_TEXT, removal: true },
};

#[cfg(test)]
mod tests {
    use super::FULL_SCHEMA;
    use crate::model::{Address, Attributes, Step, Undo, Value};
    use crate::resources::memory::State;

    fn map<const N: usize>(pairs: [(&str, &str); N]) -> Attributes {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), Value::text(value))).collect()
    }

    #[test]
    fn only_objects_of_the_schema_itself_keep_it() {
        let mut state = State::default();
        let objects = map([("table geo.features #101", "owner"), ("schema geo_old #200", "owner")]);
        let held = Attributes::from([("objects".to_owned(), Value::Map(objects))]);
        state.put("database", &map([("server", "pg"), ("database", "db")]), held);
        let step = |name: &str| Step {
            id: "x".into(),
            address: Address::new("schema", "x"),
            key: map([("server", "pg"), ("database", "db"), ("name", name)]),
            before: Some(Attributes::new()),
            after: None,
            via: None,
            undo: Undo::Faithful,
            leans_on: std::collections::BTreeSet::new(),
            serial_key: None,
            restarts: 0,
        };
        assert!((FULL_SCHEMA.broken)(&state, &step("geo")).is_some());
        assert!((FULL_SCHEMA.broken)(&state, &step("geo_old")).is_none());
        let kept = Step { after: Some(Attributes::new()), ..step("geo") };
        assert!((FULL_SCHEMA.broken)(&state, &kept).is_none());
    }
}
