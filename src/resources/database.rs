//! Kind `database`: a database is there, with its character set, collation and owner.

use std::time::Duration;

use async_trait::async_trait;

use super::held::refuse_full;
use super::live::{optional_text, server_id, spelled, text};
use super::reach::reach;
use super::route::{Act, route};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::azure::DatabaseProperties;
use crate::model::{
    Attributes, Class, Failure, Field, Look, Nature, Output, Purpose, Reading, Schema, Step, Type, Undo, Value, agrees,
};
use crate::postgres::{database_contents, database_owner, own_database};

/// Owners are asked for and changed here: this database is always there.
const DATABASE: &str = "postgres";
/// Databases of the server itself.
const SYSTEM: [&str; 5] = ["postgres", "template0", "template1", "azure_maintenance", "azure_sys"];

/// To whom Azure gives a database that it makes.
const AZURE: &str = "azure_pg_admin";

/// The kind `database`.
pub struct Database;

static SCHEMA: Schema = Schema {
    kind: "database",
    doc: "A database of a flexible server. It is made and dropped through Azure, and handed to its owner in PostgreSQL. \
          One that was there before is never dropped, nor is one that holds anything.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the server.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the server.").key(),
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new("name", Type::Text, "The database's name, at most 63 bytes.").key().checked(name),
        Field::new("charset", Type::Text, "Character set; fixed once the database is made. Default: the server's."),
        Field::new("collation", Type::Text, "Collation; fixed once the database is made. Default: the server's."),
        Field::new("owner", Type::Text, "The role that owns it. Default: whoever Azure gives it to.")
            .or_reference()
            .fresh(AZURE),
    ],
    outputs: &[Output { name: "name", doc: "The database's name.", same_as: Some("name") }],
    undo: |_, _| Undo::Faithful,
    serial_key: |key| optional_text(key, "server").map(|server| format!("server:{server}")),
    restarts: |_, _| 0,
    consistent_within: Duration::from_mins(1),
};

fn name(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if SYSTEM.contains(&text) {
        return Err(format!("{text:?} is a database of the server itself; choose another name"));
    }
    if !text.is_empty() && text.len() <= 63 && text.chars().all(plain) {
        return Ok(());
    }
    Err(format!("{text:?} cannot be the name of a database in Azure; use at most 63 letters, digits, - _ and ."))
}

#[async_trait]
impl Kind for Database {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::DATABASE
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let (id, name) = (server_id(look.key)?, text(look.key, "name")?);
        let found = match live.arm.database(&id, name).await {
            Ok(found) => found,
            Err(refusal) if refusal.is_not_found() => {
                // A server that is not there has no databases either, which is no answer.
                live.arm.server(&id).await?;
                return Ok(Reading::absent());
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let mut attributes = Attributes::new();
        for (field, live) in [("charset", &found.charset), ("collation", &found.collation)] {
            let Some(wanted) = look.attributes.get(field) else { continue };
            let there = spelled(Some(wanted), live.as_deref());
            if look.purpose == Purpose::Plan && !agrees(wanted, &there) {
                return Err(fixed(name, field, live.as_deref()));
            }
            attributes.insert(field.to_owned(), there);
        }
        let mut routed = None;
        if look.attributes.contains_key("owner") {
            let mut lease = match reach(live, &look, DATABASE).await? {
                Ok(lease) => lease,
                Err(reading) => return Ok(reading),
            };
            let owner = database_owner(&mut lease, name).await?;
            attributes.insert("owner".to_owned(), owner.map_or(Value::Null, Value::Text));
            if let Some(owner) = optional_text(look.attributes, "owner").filter(|_| look.purpose == Purpose::Plan) {
                routed = Some(route(live, &id.server, lease, &[Act::Database(name, owner)], None).await?);
            }
        }
        let outputs = Attributes::from([("name".to_owned(), Value::text(name))]);
        let mut reading = Reading::present(attributes, outputs);
        if let Some(way) = routed {
            way.mark(live, &id.server, &mut reading)?;
            if !way.may {
                reading
                    .notes
                    .push(format!("{:?} may not hand database {name:?} over, as far as PostgreSQL says", way.user));
            }
        }
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let (id, name) = (server_id(&step.key)?, text(&step.key, "name")?);
        let note = |text: &str| watch.note(text);
        let there = match live.arm.database(&id, name).await {
            Ok(_) => true,
            Err(refusal) if refusal.is_not_found() => false,
            Err(refusal) => return Err(refusal.into()),
        };
        let Some(after) = &step.after else {
            if there {
                refuse_full(&format!("database {name:?}"), &contents(live, step, name).await?)?;
                live.arm.ready_server(&id, &note).await?;
                live.arm.delete_database(&id, name, &note).await?;
                live.arm.ready_server(&id, &note).await?;
            }
            return Ok(Written::Done);
        };
        if !there {
            let part = |field: &str| optional_text(after, field).map(str::to_owned);
            let wanted = DatabaseProperties { charset: part("charset"), collation: part("collation") };
            live.arm.ready_server(&id, &note).await?;
            live.arm.put_database(&id, name, &wanted, &note).await?;
            live.arm.ready_server(&id, &note).await?;
        }
        if let Some(owner) = optional_text(after, "owner") {
            let mut lease = live.databases.lease(text(&step.key, "server")?, DATABASE, step.via.as_deref()).await?;
            if database_owner(&mut lease, name).await?.as_deref() != Some(owner) {
                lease.run(&own_database(name, owner), &format!("hand database {name:?} to {owner:?}")).await?;
            }
        }
        Ok(Written::Done)
    }

    async fn statements(&self, _live: &Live, step: &Step) -> Result<Vec<String>, Failure> {
        let name = text(&step.key, "name")?;
        let owner = |end: Option<&Attributes>| end.and_then(|end| optional_text(end, "owner")).map(str::to_owned);
        let (before, after) = (owner(step.before.as_ref()), owner(step.after.as_ref()));
        Ok(match after.filter(|after| before.as_ref() != Some(after)) {
            Some(owner) => own_database(name, &owner).statements(),
            None => Vec::new(),
        })
    }
}

async fn contents(live: &Live, step: &Step, name: &str) -> Result<Vec<String>, Failure> {
    let mut lease = live.databases.lease(text(&step.key, "server")?, name, step.via.as_deref()).await?;
    database_contents(&mut lease).await
}

fn fixed(name: &str, field: &str, live: Option<&str>) -> Failure {
    let live = live.unwrap_or("unknown");
    Failure::new(Class::Input, "this cannot be changed once a database is made")
        .detail(format!("the {field} of database {name:?} is {live}"))
        .remedy(format!("write {field} = {live:?}, leave it out, or make a database of another name"))
}

#[cfg(test)]
mod tests {
    use super::name;
    use crate::azure::double::{Seen, error, reply};
    use crate::model::{Attributes, Class, Purpose};
    use crate::resources::arm_testing::{attributes, live, look, read, write};
    use serde_json::{Value as Json, json};

    fn key() -> Attributes {
        attributes(json!({ "subscription": "s", "resource_group": "rg", "server": "pg", "name": "orders" }))
    }

    fn there(_: &Seen) -> crate::azure::double::Reply {
        let properties = json!({ "charset": "UTF8", "collation": "en_US.utf8", "state": "Ready" });
        reply(200, json!({ "properties": properties }))
    }

    fn absent(seen: &Seen) -> crate::azure::double::Reply {
        if seen.method == "GET" && seen.path.ends_with("/databases/orders") {
            error(404, "ResourceNotFound")
        } else {
            there(seen)
        }
    }

    #[tokio::test]
    async fn it_is_read_through_azure() {
        let asked = attributes(json!({ "charset": "utf8" }));
        let (state, outputs) = read("database", &key(), &asked, there).await;
        assert_eq!(state.unwrap(), asked, "in the plan's spelling");
        assert_eq!(outputs, attributes(json!({ "name": "orders" })));
        assert_eq!(read("database", &key(), &asked, absent).await.0, None);
    }

    #[tokio::test]
    async fn what_cannot_be_changed_is_refused_when_planning() {
        let (live, _) = live(there);
        let asked = attributes(json!({ "collation": "C" }));
        let failure = look(&live, "database", &key(), &asked, Purpose::Plan).await.unwrap_err();
        assert_eq!(failure.class, Class::Input);
        assert!(failure.first_cause().contains("en_US.utf8"), "{failure}");
    }

    #[tokio::test]
    async fn it_is_made_with_what_is_asked_for_and_no_more() {
        for (asked, sent) in [(json!({}), json!({})), (json!({ "charset": "UTF8" }), json!({ "charset": "UTF8" }))] {
            let (done, double) = write("database", &key(), None, Some(attributes(asked)), absent).await;
            done.unwrap();
            let put = double.seen().into_iter().find(|seen| seen.method == "PUT").unwrap();
            assert_eq!(put.body, json!({ "properties": sent }));
        }
        let (done, double) = write("database", &key(), None, Some(attributes(json!({}))), there).await;
        done.unwrap();
        assert!(double.seen().iter().all(|seen| seen.method == "GET"), "it is there already");
    }

    #[tokio::test]
    async fn it_is_not_dropped_unseen() {
        let (done, double) = write("database", &key(), Some(attributes(json!({}))), None, there).await;
        assert!(done.is_err(), "nobody can look into it");
        assert!(double.seen().iter().all(|seen| seen.method != "DELETE"));
        let (done, double) =
            write("database", &key(), Some(attributes(Json::Object(serde_json::Map::new()))), None, absent).await;
        done.unwrap();
        assert!(double.seen().iter().all(|seen| seen.method == "GET"), "it is gone already");
    }

    #[test]
    fn the_servers_own_are_left_alone() {
        assert!(name("orders-2_a.b").is_ok());
        for refused in ["", "postgres", "azure_sys", "a b", &"x".repeat(64)] {
            assert!(name(refused).is_err(), "{refused}");
        }
    }
}
