//! Kind `password_login`: a role may log in or not, which takes its password away without touching it.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::live::no_span;
use super::reach::{reach, text};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour, pause};
use crate::model::{
    Attributes, Class, Failure, Field, Look, Nature, Purpose, Reading, Schema, Step, Type, Undo, Value, duration,
    moment,
};
use crate::postgres::{Lease, Login, Session, end_sessions, login, may_alter, set_login};

/// Roles are the whole server's; this database is always there.
const DATABASE: &str = "postgres";
/// How often one looks whether sessions have ended by themselves.
const GLANCE: Duration = Duration::from_secs(5);

/// The kind `password_login`.
pub struct PasswordLogin;

static SCHEMA: Schema = Schema {
    kind: "password_login",
    doc: "A role may log in, or (NOLOGIN) no longer. Its password stays, so that one statement gives the login back. \
          Sessions that are open stay open, unless they are to be ended.",
    nature: Nature::Resource,
    fields: &[
        Field::new("server", Type::Text, "The flexible server, by its Azure name.").key(),
        Field::new("name", Type::Text, "The role.").key(),
        Field::new("login", Type::Bool, "Whether it may log in.").required(),
        Field::new(
            "end_sessions_after",
            Type::Duration,
            "How long sessions that are still open may go on before they are ended. Default: they are left alone.",
        ),
    ],
    outputs: &[],
    undo: |_, _| Undo::Faithful,
    serial_key: |key| Some(format!("role:{}/{}", key.get("server")?.as_text()?, key.get("name")?.as_text()?)),
    restarts: |_, _| 0,
    consistent_within: Duration::ZERO,
};

#[async_trait]
impl Kind for PasswordLogin {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::LOGIN
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        let name = text(look.key, "name")?;
        let mut lease = match reach(live, &look, DATABASE).await? {
            Ok(lease) => lease,
            Err(reading) => return Ok(reading),
        };
        let mut there = true;
        let (may_login, sessions) = match login(&mut lease, name).await? {
            Login::Present { may_login, sessions } => (may_login, sessions),
            Login::Absent if wanted(look.attributes) || look.purpose == Purpose::Settle => return Err(no_role(name)),
            Login::Absent => {
                there = false;
                (false, Vec::new())
            }
        };
        // How long sessions may go on is a matter of the write alone: there is nothing to compare it with.
        let mut attributes = look.attributes.clone();
        attributes.insert("login".to_owned(), Value::Bool(may_login));
        let mut reading = Reading::present(attributes, Attributes::new());
        if look.purpose == Purpose::Plan && !wanted(look.attributes) {
            reading.notes = sessions.iter().map(|session| told(name, session)).collect();
            if !there {
                reading.notes.push(format!("there is no role {name:?}: it was dropped, or its name is another"));
            }
            if may_login && !may_alter(&mut lease, name).await? {
                reading.notes.push(format!("{:?} may not change {name:?}, as far as PostgreSQL says", lease.user()));
            }
        }
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let (server, name) = (text(&step.key, "server")?, text(&step.key, "name")?);
        let on = wanted(after(step)?);
        let mut lease = live.databases.lease(server, DATABASE, step.via.as_deref()).await?;
        if !on && lease.user() == name {
            return Err(own_lock_out(name));
        }
        live.moves.note(server, name);
        lease.run(&set_login(name, on), &format!("change whether {name:?} may log in")).await?;
        if let Some(grace) = grace(after(step)?)? {
            end(&mut lease, name, grace, watch).await?;
        }
        Ok(Written::Done)
    }

    async fn statements(&self, _live: &Live, step: &Step) -> Result<Vec<String>, Failure> {
        let (name, after) = (text(&step.key, "name")?, after(step)?);
        let mut statements = set_login(name, wanted(after)).statements();
        if grace(after)?.is_some() {
            statements.extend(end_sessions(name).statements());
        }
        Ok(statements)
    }
}

fn after(step: &Step) -> Result<&Attributes, Failure> {
    let never = || {
        Failure::new(Class::Input, "the login of a role cannot be removed, only turned on or off")
            .remedy("set login = true or login = false instead")
    };
    step.after.as_ref().ok_or_else(never)
}

fn wanted(end: &Attributes) -> bool {
    end.get("login").and_then(Value::as_bool) != Some(false)
}

/// How long open sessions may go on, if they are to be ended at all.
fn grace(end: &Attributes) -> Result<Option<Duration>, Failure> {
    let text = end.get("end_sessions_after").and_then(Value::as_text).filter(|_| !wanted(end));
    let span = |text| Duration::try_from(duration(text)?).ok();
    text.map(|text| span(text).ok_or_else(|| no_span("end_sessions_after", text, "1h"))).transpose()
}

/// The role is not there.
pub(super) fn no_role(name: &str) -> Failure {
    Failure::new(Class::NotFound, "there is no such role")
        .detail(format!("{name:?}"))
        .remedy("check its name in the plan file; it may have been dropped meanwhile")
}

/// The role is the one that pgentra signs in as.
pub(super) fn own_lock_out(name: &str) -> Failure {
    Failure::new(Class::Input, "pgentra would lock itself out")
        .detail(format!("it signs in as {name:?} itself"))
        .remedy("name another connection of the server first")
}

/// A session in a line.
fn told(role: &str, session: &Session) -> String {
    let part = |word: &str, text: Option<&str>| text.map(|text| format!(" {word} {text:?}")).unwrap_or_default();
    format!(
        "{role:?} is connected, process {}{}{}{}{}: stays so until it is ended",
        session.pid,
        part("from", session.from.as_deref()),
        part("to", session.database.as_deref()),
        part("as", session.application.as_deref().filter(|name| !name.is_empty())),
        session.since.map(|since| format!(" since {}", moment(since))).unwrap_or_default(),
    )
}

/// Waits until a role has no session any more, and ends those that are left after `grace`.
async fn end(lease: &mut Lease, name: &str, grace: Duration, watch: &dyn Watch) -> Result<(), Failure> {
    let until = Instant::now() + grace;
    loop {
        let open = match login(lease, name).await? {
            Login::Present { sessions, .. } => sessions.len(),
            Login::Absent => 0,
        };
        let left = until.saturating_duration_since(Instant::now());
        match (open, left.is_zero()) {
            (0, _) => return Ok(()),
            (_, true) => return lease.run(&end_sessions(name), &format!("end the sessions of {name:?}")).await,
            _ => {}
        }
        watch.note(&format!("{open} sessions of {name:?} are open; they are ended in {} s", left.as_secs()));
        pause(watch, left.min(GLANCE)).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::PasswordLogin;
    use crate::model::{Attributes, Class, Purpose, Value};
    use crate::postgres::testing::{SUPERUSER, Server, server};
    use crate::resources::testing::{Bench, attributes, before, undo};

    fn bench(server: &Server, name: &str) -> Bench<'static> {
        Bench::new(&PasswordLogin, server.databases(&[SUPERUSER]), ("name", name))
    }

    fn off(more: &[(&str, &str)]) -> Attributes {
        let mut off = attributes([("login", Value::Bool(false))]);
        off.extend(more.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))));
        off
    }

    #[tokio::test]
    async fn the_login_goes_and_comes_back() {
        let Some(server) = server() else { return };
        let name = "brown \"out\"; --";
        server.run("postgres", "CREATE ROLE \"brown \"\"out\"\"; --\" LOGIN").await;
        let bench = bench(server, name);
        let step = bench.step(&off(&[])).await;
        assert_eq!(step.before.as_ref().unwrap()["login"], Value::Bool(true));
        let statements = bench.statements(&step).await;
        assert_eq!(statements[1], "ALTER ROLE \"brown \"\"out\"\"; --\" NOLOGIN");
        bench.write(&step).await.unwrap();
        let seen = bench.look(&off(&[]), Purpose::Settle, None).await.unwrap();
        assert_eq!(before(&seen).unwrap(), off(&[]));
        bench.write(&undo(&step)).await.unwrap();
        assert_eq!(before(&bench.plan(&off(&[])).await).unwrap()["login"], Value::Bool(true));
    }

    #[tokio::test]
    async fn open_sessions_are_told_and_ended_when_asked() {
        let Some(server) = server() else { return };
        server.run("postgres", "CREATE ROLE lingering LOGIN").await;
        let other = server.databases(&["lingering"]);
        let mut lease = other.lease(crate::postgres::testing::SERVER, "postgres", None).await.unwrap();
        let bench = bench(server, "lingering");
        let told = bench.plan(&off(&[])).await.notes;
        assert!(told.iter().any(|note| note.contains("\"lingering\" is connected")), "{told:?}");
        bench.write(&bench.step(&off(&[])).await).await.unwrap();
        lease.rows(sqlx::query("SELECT 1"), "go on").await.unwrap();
        let after = off(&[("end_sessions_after", "0s")]);
        bench.write(&bench.between(None, Some(after))).await.unwrap();
        lease.rows(sqlx::query("SELECT 1"), "go on").await.unwrap_err();
    }

    #[tokio::test]
    async fn nobody_locks_himself_out_and_a_missing_role_is_no_hindrance() {
        let Some(server) = server() else { return };
        let own = bench(server, SUPERUSER);
        let failure = own.write(&own.between(None, Some(off(&[])))).await.unwrap_err();
        assert_eq!(failure.class, Class::Input);
        let gone = bench(server, "never_made");
        let dropped = gone.plan(&off(&[])).await;
        assert_eq!(before(&dropped).unwrap(), off(&[]));
        assert!(dropped.notes[0].starts_with("there is no role"), "{:?}", dropped.notes);
        let on = attributes([("login", Value::Bool(true))]);
        assert_eq!(gone.look(&on, Purpose::Plan, None).await.unwrap_err().class, Class::NotFound);
    }
}
