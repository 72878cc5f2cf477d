//! Kind `password_login`: a role may log in or not, which takes its password away without touching it.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::live::no_span;
use super::reach::{reach, text};
use super::route::{Act, Way, route};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour, pause};
use crate::model::{
    Attributes, Class, ConnectionTarget, Failure, Field, Look, Nature, Purpose, Reading, Schema, Step, Type, Undo,
    Value, duration, moment,
};
use crate::postgres::{Lease, Login, Session, end_sessions, login, quote_ident, set_login};

/// Roles are the whole server's; this database is always there.
const DATABASE: &str = "postgres";
/// How often one looks whether sessions have ended by themselves.
const GLANCE: Duration = Duration::from_secs(5);
/// How long sessions may take to end once they are told to, and how often one looks.
const ENDING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_millis(200));
/// What becomes of open sessions: nobody ends them, or there are none any more.
pub(super) const SESSIONS: [&str; 2] = ["open", "ended"];

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
        Field::new("sessions", Type::Word(&SESSIONS), "Restated by a plan: whether sessions may still be open."),
    ],
    outputs: &[],
    undo: |before, after| {
        let login = |end: Option<&Attributes>| end.is_none_or(wanted);
        if !login(before) && !login(after) {
            return Undo::Kept("sessions that were ended do not open again by themselves".to_owned());
        }
        Undo::Faithful
    },
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
        // How long sessions may go on is a matter of the write alone: there is nothing to compare it with. That they are
        // to end is not done before the last one has: somebody may have stopped the write while it waited for that.
        let mut attributes = look.attributes.clone();
        attributes.insert("login".to_owned(), Value::Bool(may_login));
        let ends = look.purpose == Purpose::Plan && grace(look.attributes)?.is_some();
        let ended = !may_login && sessions.is_empty();
        if ends || look.attributes.contains_key("sessions") {
            attributes.insert("sessions".to_owned(), Value::text(SESSIONS[usize::from(ended)]));
        }
        let mut reading = Reading::present(attributes, Attributes::new());
        if ends {
            let mut desired = look.attributes.clone();
            desired.insert("sessions".to_owned(), Value::text(SESSIONS[1]));
            reading.desired = Some(desired);
        }
        if look.purpose == Purpose::Plan && !wanted(look.attributes) {
            reading.notes = sessions.iter().map(|session| told(name, session)).collect();
            if !there {
                reading.notes.push(format!("there is no role {name:?}: it was dropped, or its name is another"));
            }
        }
        let off = !wanted(look.attributes);
        if look.purpose == Purpose::Plan && (may_login == off || ends && !ended) {
            let server = text(look.key, "server")?;
            if off {
                reading.notes.extend(keep_a_way(live, server, name, &|_| true)?);
            }
            let way = route(live, server, lease, &[Act::Alter(name), Act::Map], off.then_some(name)).await?;
            way.mark(live, server, &mut reading)?;
            reading.notes.extend((!way.may).then(|| may_not(&way, name)));
        }
        Ok(reading)
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let name = text(&step.key, "name")?;
        let on = wanted(after(step)?);
        let mut lease = lease(live, step).await?;
        if !on && lease.user() == name {
            return Err(own_lock_out(name));
        }
        live.moves.note(text(&step.key, "server")?, name);
        lease.run(&set_login(name, on), &format!("change whether {name:?} may log in")).await?;
        drop(lease);
        if let Some(grace) = grace(after(step)?)? {
            end(live, step, grace, watch).await?;
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
            .detail(step.address.to_string())
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

/// What will be lost with the connections of the plan file that sign in as a role itself, by a way that `ends`; that none
/// is left is an error.
pub(super) fn keep_a_way(
    live: &Live,
    server: &str,
    name: &str,
    ends: &dyn Fn(&ConnectionTarget) -> bool,
) -> Result<Vec<String>, Failure> {
    let ways = &live.databases.server(server)?.connections;
    let (lost, kept): (Vec<_>, Vec<_>) = ways.iter().partition(|way| way.user == name && ends(way));
    let Some(other) = kept.first() else { return Err(own_lock_out(name)) };
    let told = |way: &&ConnectionTarget| {
        format!(
            "connection {:?} signs in as {name:?} and will not be let in any more: what only its role may do, also when an \
             earlier run is rolled back, takes GRANT {} TO {} first",
            way.name,
            quote_ident(name),
            quote_ident(&other.user)
        )
    };
    Ok(lost.iter().map(told).collect())
}

/// No connection may change a role.
pub(super) fn may_not(way: &Way, name: &str) -> String {
    format!("{:?} may not change {name:?}, as far as PostgreSQL says", way.user)
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

async fn lease(live: &Live, step: &Step) -> Result<Lease, Failure> {
    live.databases.lease(text(&step.key, "server")?, DATABASE, step.via.as_deref()).await
}

async fn open(lease: &mut Lease, name: &str) -> Result<usize, Failure> {
    Ok(match login(lease, name).await? {
        Login::Present { sessions, .. } => sessions.len(),
        Login::Absent => 0,
    })
}

/// Waits until the role has no session any more, and ends those that are left after `grace`. Others need the server's
/// connection meanwhile: it is taken for each glance anew.
async fn end(live: &Live, step: &Step, grace: Duration, watch: &dyn Watch) -> Result<(), Failure> {
    let name = text(&step.key, "name")?;
    let until = Instant::now() + grace;
    loop {
        let mut lease = lease(live, step).await?;
        let open = open(&mut lease, name).await?;
        if open == 0 {
            return Ok(());
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return end_now(&mut lease, name).await;
        }
        drop(lease);
        watch.note(&format!("{open} sessions of {name:?} are open; they are ended in {} s", left.as_secs()));
        pause(watch, left.min(GLANCE)).await?;
    }
}

/// The sessions of a role were told to end, and are still there.
pub(super) fn sessions_stay(name: &str) -> Failure {
    Failure::new(Class::Busy, "sessions do not end")
        .detail(format!("of {name:?}, though they were told to {} s ago", ENDING.0.as_secs()))
        .remedy("look in pg_stat_activity what they wait for, then run the same command again")
}

/// Ends the sessions of a role, and sees them end.
async fn end_now(lease: &mut Lease, name: &str) -> Result<(), Failure> {
    lease.run(&end_sessions(name), &format!("end the sessions of {name:?}")).await?;
    let until = Instant::now() + ENDING.0;
    while open(lease, name).await? > 0 {
        if Instant::now() > until {
            return Err(sessions_stay(name));
        }
        tokio::time::sleep(ENDING.1).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
