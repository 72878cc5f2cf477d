//! The emulator: takes one call, lets faults have their way, answers, writes the state down, ends operations.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::arm::{self, Answer, Arm, Job, Work, access, errors, metadata};
use super::call::{Call, Reply};
use super::claims::{TokenCheck, TokenFault};
use super::database::Database;
use super::directory::Role;
use super::faults::{Action, Faults, Hit};
use super::log::Log;
use super::state::World;
use super::telemetry::{self, Telemetry};
use super::token::Issuer;
use super::{clock, control, entra, files, identity, insights, names, vault};
use crate::model::Failure;

/// Audiences of Resource Manager that real clients ask tokens for.
const ARM_AUDIENCES: [&str; 2] = ["https://management.azure.com", "https://management.core.windows.net"];

/// The Azure emulator, free of any listener.
pub struct Emulator {
    /// Its address, `https://…` without slash at the end.
    pub base: String,
    /// Signs and checks tokens.
    pub issuer: Arc<Issuer>,
    /// Faults that are planted.
    pub faults: Mutex<Faults>,
    /// Requests seen.
    pub log: Mutex<Log>,
    /// Attempts to sign in to PostgreSQL, as JSON.
    pub logins: Mutex<Vec<serde_json::Value>>,
    /// What apps and PostgreSQL said and did.
    pub telemetry: Mutex<Telemetry>,
    /// Host names whose app answers just now, with the ports of their processes.
    pub serving: Mutex<BTreeMap<String, u16>>,
    /// Seconds by which the clock is ahead of the real one.
    pub(super) ahead: AtomicI64,
    /// Held while the clock is moved.
    pub(super) moving: tokio::sync::Mutex<()>,
    world: Mutex<World>,
    pub(super) database: Arc<dyn Database>,
    file: PathBuf,
    changed: watch::Sender<u64>,
}

/// Locks; a panic elsewhere does not spread.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Emulator {
    /// An emulator of `world`, which it keeps in `file` from now on.
    pub fn new(base: String, world: World, issuer: Arc<Issuer>, database: Arc<dyn Database>, file: PathBuf) -> Self {
        issuer.set_shift(world.token_shift());
        Self {
            base,
            issuer,
            faults: Mutex::default(),
            log: Mutex::default(),
            logins: Mutex::default(),
            telemetry: Mutex::new(Telemetry::open(file.with_file_name("telemetry.jsonl"))),
            serving: Mutex::default(),
            ahead: AtomicI64::new(world.ahead),
            moving: tokio::sync::Mutex::default(),
            world: Mutex::new(world),
            database,
            file,
            changed: watch::channel(0).0,
        }
    }

    /// A copy of the state.
    pub fn world(&self) -> World {
        lock(&self.world).clone()
    }

    /// Tells of each change of the state.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Changes the state, writes it down, and tells.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = lock(&self.world);
        let result = change(&mut world);
        self.keep(&world);
        drop(world);
        self.changed.send_modify(|number| *number += 1);
        result
    }

    fn keep(&self, world: &World) {
        let kept = serde_json::to_vec_pretty(world)
            .map_err(|error| error.to_string())
            .and_then(|text| files::write_secret(&self.file, &text).map_err(|failure| failure.to_string()));
        if let Err(error) = kept {
            tracing::warn!("the sandbox's state is not kept: {error}");
        }
    }

    /// Answers a call of the HTTPS port. `cut` is set when the connection is to be cut instead of answered.
    pub async fn handle(self: &Arc<Self>, call: Call, cut: &AtomicBool) -> Reply {
        if call.lower.first().is_some_and(|first| first == "_sandbox") {
            let now = clock::http_date(self.clock());
            return control::answer(self, &call).await.with("date", now);
        }
        let hit = lock(&self.faults).hit(&call);
        let fault = hit.is_some();
        let (mut reply, caller) = self.with_fault(&call, hit.as_ref()).await;
        let lost = matches!(hit, Some(Hit { action: Action::LostReply, .. }));
        if lost {
            cut.store(true, Ordering::Relaxed);
            reply = Reply::empty(500);
        }
        let status = if lost { 0 } else { reply.status };
        lock(&self.log).add(&call, self.now(), caller, status, fault);
        let id = super::directory::new_guid();
        let date = clock::http_date(self.clock());
        reply.with("date", date).with("x-ms-request-id", id.clone()).with("x-ms-correlation-request-id", id)
    }

    /// Answers a call of the plain-HTTP port, where managed identities get their tokens.
    pub async fn handle_identity(self: &Arc<Self>, call: Call, cut: &AtomicBool) -> Reply {
        let hit = lock(&self.faults).hit(&call);
        let real = || identity::answer(&lock(&self.world), &self.issuer, &self.base, &call);
        let reply = match hit.as_ref().map(|hit| &hit.action) {
            Some(Action::Status { status, body, retry_after, .. }) => planted(*status, body, *retry_after),
            Some(Action::Latency { ms }) => {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                real()
            }
            Some(Action::LostReply) => {
                cut.store(true, Ordering::Relaxed);
                Reply::empty(500)
            }
            _ => real(),
        };
        lock(&self.log).add(&call, self.now(), None, reply.status, hit.is_some());
        reply.with("date", clock::http_date(self.clock()))
    }

    async fn with_fault(self: &Arc<Self>, call: &Call, hit: Option<&Hit>) -> (Reply, Option<String>) {
        match hit.map(|hit| &hit.action) {
            Some(Action::Status { status, body, retry_after, after_effect }) => {
                let caller = if *after_effect { self.respond(call, hit).await.1 } else { None };
                (planted(*status, body, *retry_after), caller)
            }
            Some(Action::Latency { ms }) => {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                self.respond(call, None).await
            }
            Some(Action::SecondWriter { site, key, value }) => {
                let answered = self.respond(call, None).await;
                self.change(|world| world.set_setting(site, key, value.clone()));
                answered
            }
            _ => self.respond(call, hit).await,
        }
    }

    /// The real answer, and the object id of the caller.
    async fn respond(self: &Arc<Self>, call: &Call, hit: Option<&Hit>) -> (Reply, Option<String>) {
        let parts = call.parts();
        match parts.as_slice() {
            ["metadata", "endpoints"] => return (metadata::endpoints(&self.base), None),
            ["images.json"] => return (Reply::ok(serde_json::json!({"outputs": {"aliases": {"value": {}}}})), None),
            parts if entra::is_entra(parts) => {
                let world = self.world();
                return (entra::answer(&world, &self.issuer, &self.base, call), None);
            }
            ["vaults", ..] => return self.vault(call),
            ["scm", ..] => return self.scm(call, hit),
            ["v1", ..] if insights::direct(&parts).is_some() => return self.insights(call),
            ["subscriptions" | "providers" | "tenants", ..] => {}
            _ => return (errors::no_route(&call.path), None),
        }
        let caller = match self.caller(call) {
            Ok(caller) => caller,
            Err(refusal) => return (refusal, None),
        };
        let databases =
            if parts.contains(&"databases") { self.database.databases().await.unwrap_or_default() } else { Vec::new() };
        let monitored = match parts.as_slice() {
            ["subscriptions", _, "resourcegroups", group, "providers", rest @ ..] => Some((*group, rest)),
            // Lists of the whole subscription.
            ["subscriptions", _, "providers", rest @ ..] if rest.len() == 2 => Some((names::RESOURCE_GROUP, rest)),
            _ => None,
        };
        if let Some((group, rest)) = monitored
            && matches!(rest, ["microsoft.insights" | "microsoft.operationalinsights", ..])
        {
            if let Err(refusal) = access::permit(&lock(&self.world), call, &caller) {
                return (refusal, Some(caller.object_id));
            }
            let world = self.world();
            let reply = insights::resource(&world, group, rest, |source| self.query(source, call, &caller.role));
            return (reply, Some(caller.object_id));
        }
        let answer = self.arm(call, &caller, &databases, hit);
        if let Some(work) = answer.work {
            let late = match hit.map(|hit| &hit.action) {
                Some(Action::LroFailsLate { code, message }) => Some((code.clone(), message.clone())),
                _ => None,
            };
            let emulator = Arc::clone(self);
            tokio::spawn(async move { emulator.work(work, late).await });
        }
        (answer.reply, Some(caller.object_id))
    }

    /// The query APIs at addresses of their own: tokens of audiences of their own.
    fn insights(&self, call: &Call) -> (Reply, Option<String>) {
        let source = match insights::direct(&call.parts()) {
            Some(Ok(source)) => source,
            Some(Err(refusal)) => return (refusal, None),
            None => return (errors::no_route(&call.path), None),
        };
        let token = call.header("authorization").and_then(|header| header.split_once(' ')).map(|(_, token)| token);
        let Some(token) = token else {
            return (
                insights::fault(401, "AuthorizationRequiredError", "Valid authentication was not provided", None),
                None,
            );
        };
        match self.issuer.check(token.trim(), &insights::AUDIENCES) {
            Ok(claims) => {
                let role = lock(&self.world)
                    .directory
                    .principals
                    .get(&claims.object_id)
                    .map_or(Role::None, |who| who.role.clone());
                (self.query(source, call, &role), Some(claims.object_id))
            }
            Err(TokenFault::Audience) => {
                let text = "The access token has been obtained for wrong audience or resource.";
                (insights::fault(403, "InvalidAuthenticationTokenAudience", text, None), None)
            }
            Err(_) => (insights::fault(403, "InvalidAuthenticationToken", "The access token is invalid.", None), None),
        }
    }

    fn query(&self, source: insights::Source, call: &Call, role: &Role) -> Reply {
        let now = self.clock();
        insights::query(&lock(&self.world), &lock(&self.telemetry), source, call, role, now)
    }

    /// Key Vault's data plane: tokens of an audience of its own, asked for by a challenge.
    fn vault(&self, call: &Call) -> (Reply, Option<String>) {
        let token = call.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        let claims = token.and_then(|token| self.issuer.check(token.trim(), &[vault::AUDIENCE]).ok());
        let Some(claims) = claims else {
            return (vault::challenge(&self.base, &lock(&self.world).tenant), None);
        };
        let now = vault::Moment {
            seconds: self.issuer.now(),
            millis: self.clock().as_millisecond() + lock(&self.world).knobs.clock_shift * 1_000,
        };
        let answer = |world: &mut World| {
            let principal = world.directory.principals.get(&claims.object_id);
            let role = principal.map_or(Role::None, |principal| principal.role.clone());
            vault::answer(world, &self.base, call, &role, now)
        };
        let reply = if call.method == "GET" { answer(&mut lock(&self.world)) } else { self.change(answer) };
        (reply, Some(claims.object_id))
    }

    fn arm(&self, call: &Call, caller: &access::Caller, databases: &[String], hit: Option<&Hit>) -> Answer {
        let run = |world: &mut World| {
            let mut arm = Arm { world, base: &self.base, now: self.now(), databases: databases.to_vec() };
            arm::answer(&mut arm, call, caller)
        };
        if let Some(mut past) = hit.and_then(|hit| hit.then.clone()).filter(|_| access::is_read(call)) {
            return run(&mut past);
        }
        if matches!(hit, Some(Hit { action: Action::Lie, .. })) {
            let mut other = self.world();
            let answer = run(&mut other);
            // The operation is there and ends well, only that nothing came of it.
            if let Some(work) = answer.work {
                self.change(|world| {
                    if let Some(operation) = other.operations.remove(&work.operation) {
                        world.operations.insert(work.operation.clone(), operation);
                    }
                    arm::operations::pretend(world, &work.operation, &self.now());
                });
            }
            return answer.reply.into();
        }
        if access::is_read(call) { run(&mut lock(&self.world)) } else { self.change(run) }
    }

    fn caller(&self, call: &Call) -> Result<access::Caller, Reply> {
        let world = lock(&self.world);
        let refuse = |code: &str, text: &str| errors::unauthorized(&self.base, &world.tenant, code, text);
        let Some((kind, token)) = call.header("authorization").and_then(|header| header.split_once(' ')) else {
            return Err(refuse(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
            ));
        };
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(refuse(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is not 'Bearer'.",
            ));
        }
        let mut audiences = vec![self.base.as_str()];
        audiences.extend(ARM_AUDIENCES);
        let claims = self.issuer.check(token.trim(), &audiences).map_err(|fault| match fault {
            TokenFault::Format => refuse("InvalidAuthenticationToken", "The access token is invalid."),
            TokenFault::Expired => refuse("ExpiredAuthenticationToken", "The access token expiry is in the past."),
            TokenFault::Audience => refuse(
                "InvalidAuthenticationTokenAudience",
                "The access token has been obtained for wrong audience or resource. It should be 'https://management.azure.com/'.",
            ),
        })?;
        let role = world.directory.principals.get(&claims.object_id).map_or(Role::None, |one| one.role.clone());
        let client_id = claims.app_id.unwrap_or_else(|| claims.object_id.clone());
        Ok(access::Caller { object_id: claims.object_id, client_id, role })
    }

    /// The rest of a long-running operation.
    async fn work(&self, work: Work, late: Option<(String, String)>) {
        let duration = lock(&self.world).knobs.operation_ms;
        tokio::time::sleep(Duration::from_millis(duration)).await;
        let failed = match late {
            Some(error) => Some(error),
            None => self.carry_out(&work).await.err().map(|failure| {
                tracing::warn!("an operation failed: {failure}");
                let text = "An unexpected error occured while processing the request. Tracking ID: '{}'";
                ("InternalServerError".to_owned(), text.replace("{}", &work.operation))
            }),
        };
        self.change(|world| arm::operations::finish(world, &work, &self.now(), failed));
    }

    async fn carry_out(&self, work: &Work) -> Result<(), Failure> {
        let before = lock(&self.world).servers.get(&work.server).cloned();
        let Some(before) = before else { return Ok(()) };
        match &work.job {
            Job::Update { entra, password, admin_password, .. } => {
                if let Some(password) = admin_password {
                    self.database.set_admin_password(password).await?;
                }
                if (before.entra, before.password) != (*entra, *password) {
                    let restart = *entra && !before.entra || *password != before.password;
                    self.database.set_auth(*entra, *password, restart).await?;
                }
                if before.entra && !entra {
                    for object_id in before.administrators.keys() {
                        self.database.remove_admin(object_id).await?;
                    }
                }
                Ok(())
            }
            Job::AddAdmin { object_id, principal, properties } => {
                let name = properties["principalName"].as_str().unwrap_or_default();
                self.database.add_admin(name, object_id, *principal).await
            }
            Job::RemoveAdmin { object_id } => self.database.remove_admin(object_id).await,
            Job::Database { name, there: true } => self.database.create_database(name).await,
            Job::Database { name, there: false } => self.database.drop_database(name).await,
            Job::Power { state: "Ready" } => self.database.set_auth(before.entra, before.password, true).await,
            Job::Configuration { name, value } => {
                self.tell(telemetry::SERVER_LOGS, telemetry::parameter(&work.server, name, value));
                Ok(())
            }
            Job::Firewall { .. } | Job::Power { .. } => Ok(()),
        }
    }
}

fn planted(status: u16, body: &serde_json::Value, retry_after: Option<u64>) -> Reply {
    let reply = if body.is_null() { Reply::empty(status) } else { Reply::json(status, body.clone()) };
    match retry_after {
        Some(seconds) => reply.with("retry-after", seconds.to_string()),
        None => reply,
    }
}
