//! Kind `server_auth`: a flexible server takes Entra tokens, and perhaps no passwords.

use std::time::Duration;

use async_trait::async_trait;

use super::live::{optional_text, server_id, spelled};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::azure::{AuthConfig, Server, ServerId};
use crate::model::{Attributes, Class, Failure, Field, Look, Nature, Reading, Schema, Step, Type, Undo, Value};

/// The kind `server_auth`.
pub struct ServerAuth;

static SCHEMA: Schema = Schema {
    kind: "server_auth",
    doc: "A flexible server takes Entra tokens as passwords. Turning that on restarts the server. What the plan file \
          does not name (such as `password_auth`) stays as it is.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the server.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the server.").key(),
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new("entra_auth", Type::Bool, "Whether the server takes Entra tokens."),
        Field::new("password_auth", Type::Bool, "Whether the server takes passwords, for all its databases and roles."),
        Field::new("tenant", Type::Guid, "The Entra tenant whose tokens it takes."),
    ],
    outputs: &[],
    undo: |_, _| Undo::Kept("turning Entra authentication off would restart the server and lock others out".to_owned()),
    serial_key: |key| optional_text(key, "server").map(|server| format!("server:{server}")),
    restarts: |before, after| {
        let flag = |end: Option<&Attributes>, name: &str, unsaid: bool| {
            end.and_then(|end| end.get(name)).and_then(Value::as_bool).unwrap_or(unsaid)
        };
        let turns = |name, unsaid| flag(before, name, unsaid) != flag(after, name, unsaid);
        u32::from(turns("entra_auth", false) || turns("password_auth", true))
    },
    consistent_within: Duration::from_mins(2),
};

#[async_trait]
impl Kind for ServerAuth {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::AUTH
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let server = live.arm.server(&server_id(look.key)?).await?;
        let auth = server.auth();
        let value = |(name, wanted): (&String, &Value)| {
            let value = match name.as_str() {
                "entra_auth" => Value::Bool(auth.entra()),
                "password_auth" => Value::Bool(auth.password()),
                "tenant" => spelled(Some(wanted), auth.tenant()),
                _ => return None,
            };
            Some((name.clone(), value))
        };
        let mut reading = Reading::present(look.attributes.iter().filter_map(value).collect(), Attributes::new());
        if !server.state().eq_ignore_ascii_case("Ready") {
            reading.notes.push(format!("the server's state is {}", server.state()));
        }
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let Some(after) = &step.after else {
            return Err(unremovable(step));
        };
        let id = server_id(&step.key)?;
        let note = |text: &str| watch.note(text);
        let server = live.arm.ready_server(&id, &note).await?;
        let auth = server.auth();
        let wanted = |name: &str, now: bool| after.get(name).and_then(Value::as_bool).unwrap_or(now);
        let entra = wanted("entra_auth", auth.entra());
        let password = wanted("password_auth", auth.password());
        let tenant = optional_text(after, "tenant").or_else(|| auth.tenant());
        let same_tenant = match (tenant, auth.tenant()) {
            (Some(wanted), Some(live)) => wanted.eq_ignore_ascii_case(live),
            (wanted, live) => wanted == live,
        };
        if entra == auth.entra() && password == auth.password() && same_tenant {
            return Ok(Written::Done);
        }
        refuse_replica(&id, &server)?;
        if auth.password() && !password {
            refuse_lock_out(live, &id, entra).await?;
        }
        let body = AuthConfig::body(entra, password, tenant);
        watch.note(&format!("changing how server {} lets clients in", id.server));
        live.arm.patch_auth(&id, &body, &note).await.map_err(|refusal| {
            if refusal.code == "EngineCredentialsNotProvided" {
                refusal.failure.remedy(
                    "turn passwords on once by hand, with `az postgres flexible-server update --password-auth Enabled \
                     --admin-user ... --admin-password ...`",
                )
            } else {
                refusal.failure
            }
        })?;
        live.arm.ready_server(&id, &note).await?;
        Ok(Written::Done)
    }
}

/// A server always lets clients in some way.
pub(super) fn unremovable(step: &Step) -> Failure {
    Failure::new(Class::Input, "the authentication of a server cannot be removed, only changed")
        .detail(step.address.to_string())
        .remedy("write which ways are to be on: entra_auth, password_auth")
}

/// A read replica is changed through its primary.
pub(super) fn refuse_replica(id: &ServerId, server: &Server) -> Result<(), Failure> {
    if !server.is_replica() {
        return Ok(());
    }
    Err(replica(id, "authentication"))
}

/// A read replica does not decide `what` itself.
pub(super) fn replica(id: &ServerId, what: &str) -> Failure {
    Failure::new(Class::Input, "the server is a read replica")
        .detail(format!("server {} follows its primary's {what}", id.server))
        .remedy("name the primary server in the plan file")
}

/// Without passwords somebody has to be left who can sign in: Entra is on and has an administrator.
pub(super) async fn refuse_lock_out(live: &Live, id: &ServerId, entra: bool) -> Result<(), Failure> {
    if !entra {
        return Err(Failure::new(Class::Input, "the server would let nobody in any more")
            .detail(format!("server {}: neither passwords nor Entra tokens would be taken", id.server))
            .remedy("write entra_auth = true under [server.<label>] first"));
    }
    if live.arm.administrators(id).await?.is_empty() {
        return Err(Failure::new(Class::Input, "the server would let nobody in any more")
            .detail(format!("server {}: passwords would be off, and no Entra administrator is there", id.server))
            .remedy("name an administrator first: admin = { ... } under [server.<label>]"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::SCHEMA;
    use crate::azure::double::{Reply, Seen, reply, reply_with};
    use crate::model::{Attributes, Class, Value};
    use crate::resources::arm_testing::{attributes, read, write};
    use serde_json::{Value as Json, json};

    fn key() -> Attributes {
        attributes(json!({ "subscription": "s", "resource_group": "rg", "server": "pg" }))
    }

    fn server(state: &str, auth: &Json) -> Json {
        json!({ "properties": { "state": state, "authConfig": auth, "brandNew": 1 } })
    }

    fn passwords_only() -> Json {
        json!({ "activeDirectoryAuth": "Disabled", "passwordAuth": "Enabled", "tenantId": "" })
    }

    #[tokio::test]
    async fn only_what_is_asked_for_is_answered() {
        let auth = json!({ "activeDirectoryAuth": "enabled", "passwordAuth": "Disabled", "tenantId": "ABC" });
        let asked = attributes(json!({ "entra_auth": true, "tenant": "abc" }));
        let (reading, _) = read("server_auth", &key(), &asked, move |_| reply(200, server("Ready", &auth))).await;
        assert_eq!(reading.unwrap(), asked);
    }

    #[tokio::test]
    async fn a_server_without_the_member_takes_passwords_only() {
        let asked = attributes(json!({ "entra_auth": true, "password_auth": true }));
        let (reading, _) = read("server_auth", &key(), &asked, |_| reply(200, json!({ "properties": {} }))).await;
        assert_eq!(reading.unwrap(), attributes(json!({ "entra_auth": false, "password_auth": true })));
    }

    #[tokio::test]
    async fn all_three_members_are_sent_and_the_server_is_waited_for() {
        let mut reads = 0;
        let handler = move |seen: &Seen| -> Reply {
            if seen.method == "PATCH" {
                return reply_with(202, &[("azure-asyncoperation", "https://arm.test/op?api-version=1")], Json::Null);
            }
            if seen.path == "/op" {
                return reply(200, json!({ "status": "Succeeded" }));
            }
            reads += 1;
            let state = if [1, 3].contains(&reads) { "Updating" } else { "Ready" };
            reply(200, server(state, &passwords_only()))
        };
        let after = attributes(json!({ "entra_auth": true, "tenant": "t" }));
        let before = attributes(json!({ "entra_auth": false, "tenant": null }));
        let (done, double) = write("server_auth", &key(), Some(before), Some(after), handler).await;
        done.unwrap();
        let verbs: Vec<String> = double.seen().iter().map(|seen| seen.method.clone()).collect();
        assert_eq!(verbs, ["GET", "GET", "PATCH", "GET", "GET", "GET"]);
        assert_eq!(
            double.seen()[2].body,
            json!({ "properties": { "authConfig": {
                "activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled", "tenantId": "t",
            } } })
        );
    }

    #[tokio::test]
    async fn what_is_already_so_is_not_written() {
        let after = attributes(json!({ "entra_auth": false }));
        let handler = |_: &Seen| reply(200, server("Ready", &passwords_only()));
        let (done, double) = write("server_auth", &key(), None, Some(after), handler).await;
        done.unwrap();
        assert_eq!(double.calls().len(), 1);
    }

    #[tokio::test]
    async fn nobody_is_locked_out() {
        let on = json!({ "activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled", "tenantId": "t" });
        for after in [json!({ "password_auth": false }), json!({ "password_auth": false, "entra_auth": false })] {
            let on = on.clone();
            let handler = move |seen: &Seen| {
                let admins = seen.path.ends_with("/administrators");
                reply(200, if admins { json!({ "value": [] }) } else { server("Ready", &on) })
            };
            let (done, double) = write("server_auth", &key(), None, Some(attributes(after)), handler).await;
            assert_eq!(done.unwrap_err().class, Class::Input);
            assert!(double.seen().iter().all(|seen| seen.method == "GET"));
        }
    }

    #[tokio::test]
    async fn a_stopped_server_is_said_at_once() {
        let after = attributes(json!({ "entra_auth": true }));
        let handler = |_: &Seen| reply(200, server("Stopped", &passwords_only()));
        let (done, double) = write("server_auth", &key(), None, Some(after), handler).await;
        let failure = done.unwrap_err();
        assert!(failure.remedy.unwrap().contains("flexible-server start"));
        assert_eq!(double.calls().len(), 1);
    }

    #[test]
    fn turning_entra_on_or_off_restarts() {
        let end = |on| Attributes::from([("entra_auth".to_owned(), Value::Bool(on))]);
        assert_eq!((SCHEMA.restarts)(Some(&end(false)), Some(&end(true))), 1);
        assert_eq!((SCHEMA.restarts)(Some(&end(true)), Some(&end(true))), 0);
    }
}
