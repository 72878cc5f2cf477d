//! Kind `role_password`: no password of a role is taken any more.

use std::time::Duration;

use async_trait::async_trait;

use super::kept_password::{Kept, password_in};
use super::password_login::{keep_a_way, may_not, no_role, own_lock_out};
use super::reach::{reach, text};
use super::route::{Act, route};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::model::{
    Attributes, Auth, Class, Failure, Field, Look, Nature, Purpose, Reading, Schema, SecretValue, Step, Type, Undo,
    Value,
};
use crate::postgres::{NEVER, Validity, clear_password, set_password, validity, verifier};

/// Roles are the whole server's; this database is always there.
const DATABASE: &str = "postgres";
/// What a look shows of a password that nobody keeps.
const UNSEEN: &str = "cannot be seen";

/// The kind `role_password`.
pub struct RolePassword;

/// Where the password is kept.
const PLACE: &[Field] = &[
    Field::new("key_vault", Type::Text, "The vault, by its Azure name.").required(),
    Field::new("secret", Type::Text, "The name of the secret in it.").required(),
    Field::new("subscription", Type::Guid, "Azure subscription id of the vault.").required(),
    Field::new("resource_group", Type::Text, "Azure resource group of the vault.").required(),
];

static SCHEMA: Schema = Schema {
    kind: "role_password",
    doc: "A role has no password, and for all to see none is taken (VALID UNTIL '-infinity'). Only a superuser, whom Azure \
          keeps for itself, sees whether a role has a password; so right before a kept one is cleared, it is tried, and \
          one that is not the role's clears nothing. The undo computes a SCRAM-SHA-256 verifier of the kept password, so \
          that the server never hears the password itself.",
    nature: Nature::Resource,
    fields: &[
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new("name", Type::Text, "The role.").key(),
        Field::new("password", Type::Bool, "Whether it has a password: always false, as pgentra only takes one away.")
            .required(),
        Field::new("escrow", Type::Table(PLACE), "Where the password, or the setting that holds it, is kept."),
        Field::new("irreversible", Type::Bool, "Whether a password that is kept nowhere is given up for good."),
        Field::new("value", Type::Text, "Restated by a plan: a digest of what is kept."),
        Field::new("valid_until", Type::Text, "Restated by a plan: until when the password is taken."),
    ],
    outputs: &[],
    undo: |before, _| match before.and_then(|before| before.get("value")) {
        None | Some(Value::Null | Value::Secret(SecretValue { source: Some(_), .. })) => Undo::Faithful,
        Some(_) => Undo::Never("nobody knows the old password, so nobody can set it again".to_owned()),
    },
    serial_key: |key| Some(format!("role:{}/{}", key.get("server")?.as_text()?, key.get("name")?.as_text()?)),
    restarts: |_, _| 0,
    consistent_within: Duration::ZERO,
};

#[async_trait]
impl Kind for RolePassword {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::ROLE_PASSWORD
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let name = text(look.key, "name")?;
        let escrow = Kept::of(look.attributes)?;
        if look.purpose == Purpose::Plan {
            refuse_careless(name, look.attributes, escrow.as_ref())?;
        }
        let mut lease = match reach(live, &look, DATABASE).await? {
            Ok(lease) => lease,
            Err(reading) => return Ok(reading),
        };
        let end = |value, until: Option<&str>| end(look.attributes, value, until);
        let cleared = end(Value::Null, Some(NEVER));
        let Some(Validity { until, over }) = validity(&mut lease, name).await? else {
            if look.purpose == Purpose::Settle {
                return Err(no_role(name));
            }
            return Ok(restated(cleared.clone(), cleared));
        };
        let until = until.as_deref();
        let mut reading = match (&escrow, look.purpose) {
            // Whatever it is, it is not taken.
            _ if over => restated(end(Value::Null, until), end(Value::Null, until)),
            (None, _) => restated(end(Value::text(UNSEEN), until), cleared),
            (Some(kept), Purpose::Plan) => match kept.digest(live).await? {
                // A try would be a login by password in the server's log, which observations must not find.
                Some(value) => restated(end(value, until), cleared),
                None => return Ok(Reading::not_yet(format!("{kept} is not there yet"))),
            },
            (Some(kept), Purpose::Settle) => {
                drop(lease);
                return Ok(Reading::present(end(tried(live, look.key, kept).await?, until), Attributes::new()));
            }
        };
        if look.purpose == Purpose::Plan {
            match until.filter(|until| over && *until != NEVER) {
                Some(until) => reading.notes.push(format!("a password of {name:?} is not taken since {until}")),
                None if !over && escrow.is_some() => {
                    reading.notes.push("the kept password is tried right before it is cleared".to_owned());
                }
                None => {}
            }
        }
        if look.purpose == Purpose::Plan && !over {
            let server = text(look.key, "server")?;
            reading.notes.extend(keep_a_way(live, server, name, &|way| matches!(way.auth, Auth::Password(_)))?);
            let way = route(live, server, lease, &[Act::Alter(name), Act::Map], Some(name)).await?;
            way.mark(live, server, &mut reading)?;
            reading.notes.extend((!way.may).then(|| may_not(&way, name)));
        }
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let (server, name) = (text(&step.key, "server")?, text(&step.key, "name")?);
        let doing = format!("change the password of {name:?}");
        let script = if takes_away(step)? {
            if let Some(kept) = Kept::of(ends(step).1)?.or(Kept::of(ends(step).0)?) {
                kept.demand(live, ends(step).0).await?;
            }
            clear_password(name)
        } else {
            let after = ends(step).1;
            let Some(kept) = Kept::of(after)? else {
                return Err(Failure::new(Class::Input, "nobody can give back the old password")
                    .detail(format!("role {name:?}"))
                    .remedy("set a new password by hand, where somebody needs one"));
            };
            watch.note(&format!("computing a verifier of {kept}"));
            let password = kept.demand(live, after).await?;
            set_password(name, &verifier(&password_in(&password))?, valid_until(after))
        };
        let mut lease = live.databases.lease(server, DATABASE, step.via.as_deref()).await?;
        if lease.user() == name {
            return Err(own_lock_out(name));
        }
        lease.run(&script, &doing).await?;
        Ok(Written::Done)
    }

    async fn statements(&self, _live: &Live, step: &Step) -> Result<Vec<String>, Failure> {
        let name = text(&step.key, "name")?;
        if takes_away(step)? {
            return Ok(clear_password(name).statements());
        }
        let told = crate::model::Secret::new("(a SCRAM-SHA-256 verifier of the kept password)");
        Ok(set_password(name, &told, valid_until(ends(step).1)).statements())
    }
}

/// Both ends; an end that is not there has nothing.
fn ends(step: &Step) -> (&Attributes, &Attributes) {
    static NONE: Attributes = Attributes::new();
    (step.before.as_ref().unwrap_or(&NONE), step.after.as_ref().unwrap_or(&NONE))
}

/// Whether a step takes the password away.
fn takes_away(step: &Step) -> Result<bool, Failure> {
    if step.after.is_none() {
        return Err(Failure::new(Class::Input, "the password of a role cannot be removed as a resource, only cleared")
            .detail(step.address.to_string())
            .remedy("write password = false, or leave the resource as it is"));
    }
    Ok(matches!(ends(step).1.get("value"), None | Some(Value::Null)))
}

fn valid_until(end: &Attributes) -> Option<&str> {
    end.get("valid_until").and_then(Value::as_text)
}

/// One end of a step: what is there, and where the password is kept.
fn end(asked: &Attributes, value: Value, until: Option<&str>) -> Attributes {
    let place = asked.get_key_value("escrow").map(|(name, place)| (name.clone(), place.clone()));
    let until = until.map_or(Value::Null, Value::text);
    place.into_iter().chain([("value".to_owned(), value), ("valid_until".to_owned(), until)]).collect()
}

fn restated(before: Attributes, after: Attributes) -> Reading {
    let mut reading = Reading::present(before, Attributes::new());
    reading.desired = Some(after);
    reading
}

/// Refuses a password that would be lost without anybody having said so, and one that is to be set.
fn refuse_careless(name: &str, asked: &Attributes, escrow: Option<&Kept>) -> Result<(), Failure> {
    let flag = |name: &str| asked.get(name).and_then(Value::as_bool) == Some(true);
    if flag("password") {
        return Err(Failure::new(Class::Input, "pgentra gives nobody a password")
            .detail(format!("role {name:?}: password = true"))
            .remedy("write password = false, or take the resource away"));
    }
    if escrow.is_none() && !flag("irreversible") {
        return Err(Failure::new(Class::Input, "the password would be lost")
            .detail(format!("role {name:?}"))
            .remedy("say where it is kept with `escrow`, or set `irreversible = true`"));
    }
    Ok(())
}

/// The kept password, if it is the role's; an unknown one, if the server refuses it.
async fn tried(live: &Live, key: &Attributes, kept: &Kept) -> Result<Value, Failure> {
    let (server, name) = (text(key, "server")?, text(key, "name")?);
    let Some(secret) = kept.fetch(live).await? else { return Ok(Value::text(UNSEEN)) };
    if live.databases.takes(server, name, &password_in(&secret)).await? {
        return Ok(kept.value(live, &secret));
    }
    let target = live.databases.server(server)?;
    let id = crate::azure::ServerId {
        subscription: target.subscription.clone(),
        resource_group: target.resource_group.clone(),
        server: target.name.clone(),
    };
    if live.arm.server(&id).await?.auth().password() {
        return Ok(Value::Secret(SecretValue { source: None, digest: None }));
    }
    Err(untried(kept, server, name))
}

/// The server takes no passwords, so that none can be tried.
pub(super) fn untried(kept: &Kept, server: &str, name: &str) -> Failure {
    Failure::new(Class::Other, "whether the kept password is the role's cannot be seen")
        .detail(format!("{kept}, role {name:?}: server {server} takes no passwords"))
        .remedy("turn password authentication of the server on first")
}

#[cfg(test)]
mod tests;
