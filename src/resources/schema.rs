//! Kind `schema`: a schema is there in a database, with its owner.

use std::time::Duration;

use async_trait::async_trait;

use super::held::refuse_full;
use super::live::optional_text;
use super::reach::{reach, text};
use super::route::{Act, route};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::model::{
    Attributes, Failure, Field, Look, Nature, Output, Purpose, Reading, Schema as KindSchema, Step, Type, Undo, Value,
};
use crate::postgres::{Script, create_schema, drop_schema, own_schema, schema_contents, schema_owner};

/// The kind `schema`.
pub struct Schema;

static SCHEMA: KindSchema = KindSchema {
    kind: "schema",
    doc: "A schema of a database. One that was there before is never dropped, nor is one that holds anything.",
    nature: Nature::Resource,
    fields: &[
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new("database", Type::Text, "The database.").key(),
        Field::new("name", Type::Text, "The schema's name, at most 63 bytes.").key().checked(name),
        Field::new("owner", Type::Text, "The role that owns it. Default: whoever makes it.").or_reference(),
    ],
    outputs: &[Output { name: "name", doc: "The schema's name.", same_as: Some("name") }],
    undo: |_, _| Undo::Faithful,
    serial_key: |key| {
        let (server, database) = (optional_text(key, "server")?, optional_text(key, "database")?);
        Some(format!("database:{server}/{database}"))
    },
    restarts: |_, _| 0,
    consistent_within: Duration::ZERO,
};

/// PostgreSQL cuts longer names silently (NAMEDATALEN - 1) and keeps `pg_` for itself.
fn name(text: &str) -> Result<(), String> {
    match text {
        "" => Err("a schema needs a name".to_owned()),
        text if text.len() > 63 => Err(format!("{} bytes long, PostgreSQL takes 63", text.len())),
        text if text.starts_with("pg_") => Err("names that begin with pg_ are PostgreSQL's own".to_owned()),
        "information_schema" => Err("this schema is PostgreSQL's own".to_owned()),
        text if text.contains('\0') => Err("a name cannot hold a NUL byte".to_owned()),
        _ => Ok(()),
    }
}

#[async_trait]
impl Kind for Schema {
    fn schema(&self) -> &'static KindSchema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::SCHEMA
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let name = text(look.key, "name")?;
        let mut lease = match reach(live, &look, text(look.key, "database")?).await? {
            Ok(lease) => lease,
            Err(reading) => return Ok(reading),
        };
        let mut reading = match schema_owner(&mut lease, name).await? {
            None => Reading::absent(),
            Some(owner) => {
                let owner = look.attributes.contains_key("owner").then(|| ("owner".to_owned(), Value::Text(owner)));
                let outputs = Attributes::from([("name".to_owned(), Value::text(name))]);
                Reading::present(owner.into_iter().collect(), outputs)
            }
        };
        if look.purpose == Purpose::Plan {
            let act = Act::Schema(name, optional_text(look.attributes, "owner"));
            let server = text(look.key, "server")?;
            let way = route(live, server, lease, &[act], None).await?;
            way.mark(live, server, &mut reading)?;
            if !way.may {
                reading.notes.push(format!(
                    "{:?} may not make or hand over schema {name:?}, as far as PostgreSQL says",
                    way.user
                ));
            }
        }
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, _watch: &dyn Watch) -> Result<Written, Failure> {
        let (server, database) = (text(&step.key, "server")?, text(&step.key, "database")?);
        let name = text(&step.key, "name")?;
        let mut lease = live.databases.lease(server, database, step.via.as_deref()).await?;
        let there = schema_owner(&mut lease, name).await?;
        if there.is_some() && step.after.is_none() {
            refuse_full(&format!("schema {name:?}"), &schema_contents(&mut lease, name).await?)?;
        }
        let script = script(name, there.as_deref(), step.after.as_ref());
        if !script.is_empty() {
            lease.run(&script, &format!("change schema {name:?}")).await?;
        }
        Ok(Written::Done)
    }

    async fn statements(&self, _live: &Live, step: &Step) -> Result<Vec<String>, Failure> {
        let owner = |end: &Attributes| optional_text(end, "owner").unwrap_or_default().to_owned();
        let there = step.before.as_ref().map(owner);
        Ok(script(text(&step.key, "name")?, there.as_deref(), step.after.as_ref()).statements())
    }
}

/// The statements that lead a schema, `there` with this owner or not there, to an end.
fn script(name: &str, there: Option<&str>, after: Option<&Attributes>) -> Script {
    let owner = after.and_then(|after| optional_text(after, "owner"));
    match (there, after) {
        (None, None) => Script::default(),
        (Some(_), None) => drop_schema(name),
        (None, Some(_)) => create_schema(name, owner),
        (Some(there), Some(_)) => {
            owner.filter(|owner| *owner != there).map_or_else(Script::default, |owner| own_schema(name, owner))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schema;
    use crate::model::{Attributes, Class, Value};
    use crate::postgres::testing::{HOSTILE, SUPERUSER, Server, server};
    use crate::resources::testing::{Bench, attributes, before, undo};

    async fn bench(server: &Server, database: &str, name: &str) -> Bench<'static> {
        server.database(database).await;
        let mut bench = Bench::new(&Schema, server.databases(&[SUPERUSER]), ("name", name));
        bench.key.insert("database".to_owned(), Value::text(database));
        bench
    }

    fn owned_by(owner: &str) -> Attributes {
        attributes([("owner", Value::text(owner))])
    }

    #[tokio::test]
    async fn it_is_made_handed_over_and_dropped() {
        let Some(server) = server() else { return };
        server.run("postgres", "CREATE ROLE first_owner; CREATE ROLE \"second \"\"owner\"\"; --\"").await;
        for (number, name) in HOSTILE.into_iter().enumerate() {
            let bench = bench(server, &format!("schemas_{number}"), name).await;
            let (first, second) = (owned_by("first_owner"), owned_by("second \"owner\"; --"));
            let made = bench.step(&first).await;
            assert_eq!(made.before, None);
            bench.write(&made).await.unwrap();
            bench.write(&made).await.unwrap();
            let moved = bench.step(&second).await;
            assert_eq!(moved.before, Some(first.clone()));
            bench.write(&moved).await.unwrap();
            assert_eq!(before(&bench.plan(&second).await).unwrap(), second);
            bench.write(&undo(&moved)).await.unwrap();
            assert_eq!(before(&bench.plan(&first).await).unwrap(), first);
            bench.write(&undo(&made)).await.unwrap();
            assert_eq!(before(&bench.plan(&first).await), None);
            bench.write(&undo(&made)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn one_that_holds_something_is_not_dropped() {
        let Some(server) = server() else { return };
        let bench = bench(server, "full_schemas", "full").await;
        let made = bench.step(&Attributes::new()).await;
        bench.write(&made).await.unwrap();
        for (make, named, drop) in [
            ("CREATE TABLE \"full\".t (id int)", "table \"full\".t", "DROP TABLE \"full\".t"),
            (
                "CREATE FUNCTION \"full\".f() RETURNS int LANGUAGE sql RETURN 1",
                "function \"full\".f()",
                "DROP FUNCTION \"full\".f()",
            ),
            ("CREATE TYPE \"full\".e AS ENUM ('a')", "type \"full\".e", "DROP TYPE \"full\".e"),
        ] {
            server.run("full_schemas", make).await;
            let failure = bench.write(&undo(&made)).await.unwrap_err();
            assert_eq!(failure.class, Class::Conflict);
            assert!(failure.detail.as_ref().is_some_and(|detail| detail.contains(named)), "{failure:?}");
            server.run("full_schemas", drop).await;
        }
        server
            .run("full_schemas", "ALTER DEFAULT PRIVILEGES IN SCHEMA \"full\" GRANT SELECT ON TABLES TO PUBLIC")
            .await;
        bench.write(&undo(&made)).await.unwrap();
        assert_eq!(before(&bench.plan(&Attributes::new()).await), None);
    }

    #[tokio::test]
    async fn statements_are_those_that_a_write_runs() {
        let Some(server) = server() else { return };
        let bench = bench(server, "told_schemas", "told").await;
        let step = bench.between(None, Some(owned_by("somebody")));
        assert_eq!(bench.statements(&step).await[1], "CREATE SCHEMA \"told\" AUTHORIZATION \"somebody\"");
        assert_eq!(bench.statements(&undo(&step)).await[1], "DROP SCHEMA \"told\" RESTRICT");
    }
}
