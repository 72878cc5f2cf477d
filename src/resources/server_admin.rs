//! Kind `server_admin`: a principal is an Entra administrator of a flexible server.

use std::time::Duration;

use async_trait::async_trait;

use super::live::{optional_text, server_id, spelled, text};
use super::server_auth::replica;
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::azure::{Administrator, ServerId};
use crate::model::{Attributes, Class, Failure, Field, Look, Nature, Reading, Schema, Step, Type, Undo, Value};

/// The kind `server_admin`.
pub struct ServerAdmin;

static SCHEMA: Schema = Schema {
    kind: "server_admin",
    doc: "A user, group or service principal is an Entra administrator of a flexible server. In PostgreSQL it becomes a \
          role of its name in azure_pg_admin. Do not make the app's own identity one.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the server.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the server.").key(),
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new(
            "object_id",
            Type::Guid,
            "Object id of the principal; of a service principal that of the enterprise application, not of the app \
             registration.",
        )
        .key(),
        Field::new("name", Type::Text, "Its name in Entra: user principal name or display name; at most 63 bytes.")
            .required()
            .checked(role_name),
        Field::new("principal_type", Type::Word(&["user", "group", "service_principal"]), "What it is.").required(),
        Field::new("tenant", Type::Guid, "Its tenant; the server's when left out."),
    ],
    outputs: &[],
    undo: |_, _| Undo::Kept("others may work through this administrator by now".to_owned()),
    serial_key: |key| optional_text(key, "server").map(|server| format!("server:{server}")),
    restarts: |_, _| 0,
    consistent_within: Duration::from_mins(2),
};

/// PostgreSQL cuts a role's name after 63 bytes; Azure then no longer finds its own administrator.
fn role_name(name: &str) -> Result<(), String> {
    match name.len() {
        0 => Err("the name is empty".to_owned()),
        1..=63 => Ok(()),
        bytes => Err(format!("the name has {bytes} bytes; PostgreSQL takes 63")),
    }
}

/// Azure's word for a principal type, and ours.
const TYPES: [(&str, &str); 3] = [("User", "user"), ("Group", "group"), ("ServicePrincipal", "service_principal")];

#[async_trait]
impl Kind for ServerAdmin {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::ADMIN
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let id = server_id(look.key)?;
        let administrator = match live.arm.administrator(&id, text(look.key, "object_id")?).await {
            Ok(administrator) => administrator,
            Err(refusal) if refusal.is_not_found() => return Ok(Reading::absent()),
            // A server that takes no tokens yet has no administrators, and says so in different ways.
            Err(refusal) if matches!(refusal.status, 400 | 409) && !live.arm.server(&id).await?.auth().entra() => {
                return Ok(Reading::absent());
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let kind = administrator.principal_type.as_deref().unwrap_or("Unknown");
        let word = TYPES.iter().find(|(azure, _)| azure.eq_ignore_ascii_case(kind)).map_or(kind, |(_, ours)| ours);
        let value = |(name, wanted): (&String, &Value)| {
            let value = match name.as_str() {
                "name" => administrator.principal_name.clone().map_or(Value::Null, Value::Text),
                "principal_type" => Value::text(word),
                "tenant" => spelled(Some(wanted), administrator.tenant_id.as_deref()),
                _ => return None,
            };
            Some((name.clone(), value))
        };
        Ok(Reading::present(look.attributes.iter().filter_map(value).collect(), Attributes::new()))
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let id = server_id(&step.key)?;
        let object_id = text(&step.key, "object_id")?;
        let note = |text: &str| watch.note(text);
        let server = live.arm.ready_server(&id, &note).await?;
        if server.is_replica() {
            return Err(replica(&id, "administrators"));
        }
        let auth = server.auth();
        let Some(after) = &step.after else {
            remove(live, &id, object_id, auth.password(), watch).await?;
            return Ok(Written::Done);
        };
        if !auth.entra() {
            return Err(Failure::new(
                Class::Input,
                "the server takes no Entra tokens, so it can have no Entra administrator",
            )
            .detail(format!("server {}", id.server))
            .remedy("write entra_auth = true under [server.<label>] first"));
        }
        let word = text(after, "principal_type")?;
        let kind = TYPES.iter().find(|(_, ours)| *ours == word).map_or(word, |(azure, _)| azure);
        let tenant = match optional_text(after, "tenant").or_else(|| auth.tenant()) {
            Some(tenant) => Some(tenant.to_owned()),
            None => live.arm.tenant().await?,
        };
        let administrator = Administrator {
            object_id: None,
            principal_name: Some(text(after, "name")?.to_owned()),
            principal_type: Some(kind.to_owned()),
            tenant_id: tenant,
        };
        live.arm.put_administrator(&id, object_id, &administrator, &note).await?;
        live.arm.ready_server(&id, &note).await?;
        Ok(Written::Done)
    }
}

async fn remove(
    live: &Live,
    id: &ServerId,
    object_id: &str,
    passwords: bool,
    watch: &dyn Watch,
) -> Result<(), Failure> {
    let note = |text: &str| watch.note(text);
    if !passwords {
        let own = |one: &Administrator| one.object_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(object_id));
        if live.arm.administrators(id).await?.iter().all(own) {
            return Err(Failure::new(Class::Input, "the server would let nobody in any more")
                .detail(format!("server {}: passwords are off, and this is the last Entra administrator", id.server))
                .remedy("name another administrator first, or turn passwords on"));
        }
    }
    live.arm.delete_administrator(id, object_id, &note).await?;
    live.arm.ready_server(id, &note).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::role_name;
    use crate::azure::double::{Reply, Seen, error, reply};
    use crate::model::Class;
    use crate::resources::arm_testing::{attributes, read, write};
    use serde_json::{Value as Json, json};

    const OID: &str = "9f6e0000-0000-0000-0000-00000000000A";

    fn key() -> crate::model::Attributes {
        attributes(json!({ "subscription": "s", "resource_group": "rg", "server": "pg", "object_id": OID }))
    }

    fn server(entra: &str, passwords: &str) -> Json {
        let auth = json!({ "activeDirectoryAuth": entra, "passwordAuth": passwords, "tenantId": "t" });
        json!({ "properties": { "state": "Ready", "authConfig": auth } })
    }

    fn wanted() -> crate::model::Attributes {
        attributes(json!({ "name": "pg-deployers", "principal_type": "service_principal" }))
    }

    #[tokio::test]
    async fn it_is_read_by_object_id() {
        let (state, _) = read("server_admin", &key(), &wanted(), |seen| {
            assert!(seen.path.ends_with(&format!("/flexibleServers/pg/administrators/{OID}")));
            let properties = json!({ "principalName": "pg-deployers", "principalType": "ServicePrincipal" });
            reply(200, json!({ "name": "misleading", "properties": properties }))
        })
        .await;
        assert_eq!(state.unwrap(), wanted());
    }

    #[tokio::test]
    async fn it_is_absent_when_not_there_or_when_entra_is_off() {
        let (state, _) = read("server_admin", &key(), &wanted(), |_| error(404, "ResourceNotFound")).await;
        assert_eq!(state, None);
        let off = |seen: &Seen| -> Reply {
            if seen.path.contains("/administrators/") {
                error(400, "X")
            } else {
                reply(200, server("Disabled", "Enabled"))
            }
        };
        let (state, _) = read("server_admin", &key(), &wanted(), off).await;
        assert_eq!(state, None);
    }

    #[tokio::test]
    async fn it_is_put_with_the_servers_tenant() {
        let handler = |seen: &Seen| match seen.method.as_str() {
            "PUT" => reply(200, json!({})),
            _ => reply(200, server("Enabled", "Enabled")),
        };
        let (done, double) = write("server_admin", &key(), None, Some(wanted()), handler).await;
        done.unwrap();
        assert_eq!(
            double.seen()[1].body,
            json!({ "properties": {
                "principalType": "ServicePrincipal", "principalName": "pg-deployers", "tenantId": "t",
            } })
        );
    }

    #[tokio::test]
    async fn without_entra_it_is_refused() {
        let handler = |_: &Seen| reply(200, server("Disabled", "Enabled"));
        let (done, double) = write("server_admin", &key(), None, Some(wanted()), handler).await;
        assert_eq!(done.unwrap_err().class, Class::Input);
        assert_eq!(double.calls().len(), 1);
    }

    #[tokio::test]
    async fn it_is_removed_unless_it_is_the_last_way_in() {
        for (passwords, fine) in [("Enabled", true), ("Disabled", false)] {
            let handler = move |seen: &Seen| match seen.method.as_str() {
                "DELETE" => error(404, "ResourceNotFound"),
                _ if seen.path.ends_with("/administrators") => {
                    reply(200, json!({ "value": [{ "properties": { "objectId": OID.to_lowercase() } }] }))
                }
                _ => reply(200, server("Enabled", passwords)),
            };
            let (done, double) = write("server_admin", &key(), Some(wanted()), None, handler).await;
            assert_eq!(done.is_ok(), fine);
            assert_eq!(double.seen().iter().any(|seen| seen.method == "DELETE"), fine);
        }
    }

    #[test]
    fn long_names_are_refused() {
        assert!(role_name(&"é".repeat(31)).is_ok());
        assert!(role_name(&"é".repeat(32)).is_err());
        assert!(role_name("").is_err());
    }
}
