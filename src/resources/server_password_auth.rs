//! Kind `server_password_auth`: a flexible server takes no passwords any more, once nobody needs one.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::live::{no_span, optional_text, server_id, text};
use super::sensors::{logins, tables};
use super::server_auth::{refuse_lock_out, refuse_replica, unremovable};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour, fetch};
use crate::azure::AuthConfig;
use crate::evidence::{Standpoint, Verdict};
use crate::model::{
    Attributes, Auth, Class, ConnectionTarget, Failure, Field, Look, Nature, Purpose, Reading, Schema, SecretSource,
    Step, Type, Undo, Value, duration,
};
use crate::postgres::password_roles;

/// Roles are the whole server's; this database is always there.
const DATABASE: &str = "postgres";
/// How far back logs are asked where nothing is said.
const SEEN_WITHIN: &str = "7d";

/// The kind `server_password_auth`.
pub struct ServerPasswordAuth;

const ENV: &[Field] = &[Field::new("env", Type::Text, "The environment variable that holds it.").required()];

const SENSOR: &[Field] = &[
    Field::new("name", Type::Text, "What it is called in reports.").required(),
    Field::new("kind", Type::Word(&["server_logs"]), "What it measures by.").required(),
    Field::new("workspace", Type::Guid, "The Log Analytics workspace to ask."),
    Field::new("app_insights", Type::Guid, "The Application Insights application to ask."),
    Field::new("subscription", Type::Guid, "The Azure subscription that the log is in."),
    Field::new("query", Type::Text, "The query, in KQL."),
    Field::new("control", Type::Text, "A query, in KQL, that has to give rows: it shows that the sensor can see."),
    Field::new("lag", Type::Duration, "How long entries may take to arrive; 15m by default."),
];

static SCHEMA: Schema = Schema {
    kind: "server_password_auth",
    doc: "A flexible server takes no passwords any more, for all its databases and roles; that restarts it. Last one out: \
          it is refused while a role that may have a password, and is mapped to no Entra principal, is connected or was seen \
          in the logs. Only a superuser, whom Azure keeps for itself, sees who has a password, so everybody may.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the server.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the server.").key(),
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new("enabled", Type::Bool, "Whether the server takes passwords.").required(),
        Field::new("seen_within", Type::Duration, "How far back logs are asked for others; 7d by default."),
        Field::new(
            "sensors",
            Type::List(&Type::Table(SENSOR)),
            "Logs to ask. Without one only who is connected is seen.",
        ),
        Field::new(
            "admin_password",
            Type::Table(ENV),
            "The administrator's password: Azure wants it with the change that takes passwords again, and sets it.",
        ),
    ],
    outputs: &[],
    undo: |before, after| {
        let on = |end: Option<&Attributes>| end.is_none_or(takes_passwords);
        if !on(before) || on(after) || admin_password(before).is_some() {
            return Undo::Faithful;
        }
        Undo::Never("Azure wants the administrator's password to take passwords again; add `admin_password`".to_owned())
    },
    serial_key: |key| optional_text(key, "server").map(|server| format!("server:{server}")),
    restarts: |before, after| {
        let on = |end: Option<&Attributes>| end.is_none_or(takes_passwords);
        u32::from(on(before) != on(after))
    },
    consistent_within: Duration::from_mins(2),
};

#[async_trait]
impl Kind for ServerPasswordAuth {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::SERVER_PASSWORD_AUTH
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let server = live.arm.server(&server_id(look.key)?).await?;
        // All else is a matter of the write alone: there is nothing to compare it with.
        let mut attributes = look.attributes.clone();
        attributes.insert("enabled".to_owned(), Value::Bool(server.auth().password()));
        let mut reading = Reading::present(attributes, Attributes::new());
        if look.purpose == Purpose::Plan && server.auth().password() && !takes_passwords(look.attributes) {
            reading.notes = notes(live, &look).await?;
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
        let (auth, password) = (server.auth(), takes_passwords(after));
        if auth.password() == password {
            return Ok(Written::Done);
        }
        refuse_replica(&id, &server)?;
        let mut body = AuthConfig::body(auth.entra(), password, auth.tenant());
        if password {
            let source = admin_password(Some(after)).ok_or_else(|| {
                Failure::new(Class::Input, "the server cannot take passwords again")
                    .detail(format!("server {}: Azure wants the administrator's password for that", id.server))
                    .remedy("turn passwords on in the portal, where the administrator's password can be given")
            })?;
            body["properties"]["administratorLoginPassword"] = fetch(&source)?.expose().into();
        } else {
            refuse_lock_out(live, &id, auth.entra()).await?;
            refuse_own_lock_out(live, &id.server)?;
            watch.note("asking who else signs in by password");
            last_one_out(live, &id.server, after).await?;
        }
        watch.note(&format!("changing how server {} lets clients in; it restarts", id.server));
        live.arm.patch_auth(&id, &body, &note).await.map_err(|refusal| refusal.failure)?;
        live.arm.ready_server(&id, &note).await?;
        Ok(Written::Done)
    }
}

fn takes_passwords(end: &Attributes) -> bool {
    end.get("enabled").and_then(Value::as_bool) != Some(false)
}

fn admin_password(end: Option<&Attributes>) -> Option<SecretSource> {
    let place = end?.get("admin_password")?.as_map()?;
    optional_text(place, "env").map(|name| SecretSource::Env(name.to_owned()))
}

/// What a plan has to say of a server that is to take no passwords any more.
async fn notes(live: &Live, look: &Look<'_>) -> Result<Vec<String>, Failure> {
    let server = text(look.key, "server")?;
    let mut notes = Vec::new();
    match live.databases.lease_any(server, DATABASE).await {
        Ok(mut lease) => {
            for (role, sessions) in password_roles(&mut lease).await? {
                notes.push(match sessions {
                    0 => format!("{role:?} may have a password, and could not sign in any more"),
                    _ => format!("{role:?} may have a password and is connected: that has to end first"),
                });
            }
        }
        Err(rejection) => {
            notes.push(format!("who else signs in by password cannot be seen yet: {}", rejection.failure.summary));
        }
    }
    let by_password = |way: &&ConnectionTarget| matches!(way.auth, Auth::Password(_));
    for way in live.databases.server(server)?.connections.iter().filter(by_password) {
        notes.push(format!(
            "connection {:?} signs in by password and will not be let in any more: what only {:?} may do then takes another \
             connection that may act for it",
            way.name, way.user
        ));
    }
    if tables(look.attributes, "sensors").is_empty() {
        notes.push("no sensor of server logs: who was connected before now cannot be seen".to_owned());
    }
    if let Some(source) = admin_password(Some(look.attributes))
        && fetch(&source).is_err()
    {
        notes.push(format!("{source} is not set; an undo will need it"));
    }
    Ok(notes)
}

/// pgentra itself has to get in afterwards.
pub(super) fn refuse_own_lock_out(live: &Live, server: &str) -> Result<(), Failure> {
    if live.databases.server(server)?.connections.iter().any(|way| way.auth == Auth::Token) {
        return Ok(());
    }
    Err(Failure::new(Class::Input, "pgentra would lock itself out")
        .detail(format!("it signs in to server {server} by password itself"))
        .remedy("add a connection by token to the server first"))
}

/// Refuses, with names, while somebody who may have a password is there or was seen.
async fn last_one_out(live: &Live, server: &str, asked: &Attributes) -> Result<(), Failure> {
    let mut lease = live.databases.lease_any(server, DATABASE).await.map_err(|rejection| rejection.failure)?;
    let others = password_roles(&mut lease).await?;
    drop(lease);
    let within = optional_text(asked, "seen_within").unwrap_or(SEEN_WITHIN);
    let span = duration(within).ok_or_else(|| no_span("seen_within", within, SEEN_WITHIN))?;
    let times = live.clock.times(live, Some(server)).await;
    let now = times.azure.or(times.server).unwrap_or(times.runner);
    let standpoint = Standpoint { now, watermark: now.checked_sub(span).ok().or(Some(Timestamp::MIN)) };
    let mut seen = Vec::new();
    for (role, sessions) in &others {
        if *sessions > 0 {
            seen.push(format!("{role:?} is connected, with {sessions} sessions"));
            continue;
        }
        for sensor in tables(asked, "sensors") {
            match logins(live, server, role, sensor, standpoint).await? {
                Verdict::Passed => {}
                Verdict::Failed(what) => seen.push(format!("{role:?}: {what}")),
                Verdict::Blind(why) => seen.push(format!("whether {role:?} signed in cannot be seen: {why}")),
            }
        }
    }
    if seen.is_empty() {
        return Ok(());
    }
    Err(not_last(server, &seen))
}

/// Others of this server were seen who may have a password.
pub(super) fn not_last(server: &str, seen: &[String]) -> Failure {
    Failure::new(Class::Conflict, "others may still need their passwords")
        .detail(format!("server {server}\n{}", seen.join("\n")))
        .remedy("move them to Entra sign-in, or take their login away, then run apply again")
}

#[cfg(test)]
mod tests;
