//! The live world: what kinds read from and write to, and the dispatch to the kind of each address.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Clock, Kind, Moves, Watch, World, Written, each, in_order, register};
use crate::azure::{Arm, Operation, ServerId, SiteId, Vault, Waiting};
use crate::evidence::Ledger;
use crate::model::{
    Attributes, Class, Digester, Failure, Look, Reading, Schema, Secret, SecretSource, SecretValue, Step, Value,
};
use crate::postgres::Databases;
use crate::probe::Web;

/// What kinds read from and write to.
#[derive(Clone)]
pub struct Live {
    /// The Resource Manager.
    pub arm: Arm,
    /// All databases of the plan file's servers.
    pub databases: Databases,
    /// HTTP requests against apps.
    pub web: Web,
    /// Makes the digests by which secrets are compared.
    pub digester: Digester,
    /// The ledger of observations, as it was verified.
    pub evidence: Arc<Ledger>,
    /// When our runs changed last whether a role may log in.
    pub moves: Arc<Moves>,
    /// Tells the time that counts for evidence.
    pub clock: Arc<dyn Clock>,
    /// The directory of the plan file; `None` is the current one.
    pub directory: Option<PathBuf>,
}

fn kind(name: &str) -> Result<&'static dyn Kind, Failure> {
    register().iter().copied().find(|kind| kind.schema().kind == name).ok_or_else(|| {
        Failure::new(Class::Input, "this version does not know the kind")
            .detail(name)
            .remedy("use the version that made the plan, or plan again")
    })
}

impl Live {
    /// Exactly the SQL statements that a write of this step would run now; none for kinds that speak no SQL.
    ///
    /// # Errors
    /// Those of a look.
    pub async fn statements(&self, step: &Step) -> Result<Vec<String>, Failure> {
        kind(&step.address.kind)?.statements(self, step).await
    }

    /// Where files that the plan file names are: beside it, or in the current directory where a saved plan came from a
    /// machine on which the plan file was elsewhere.
    pub(super) fn directory(&self) -> PathBuf {
        self.directory.clone().filter(|directory| directory.is_dir()).unwrap_or_else(|| PathBuf::from("."))
    }

    /// Reads a file that the plan file names.
    pub(super) async fn file(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        let path = self.directory().join(path);
        tokio::fs::read(&path).await.map_err(|error| {
            Failure::new(Class::Input, "cannot read the file")
                .detail(format!("{}: {error}", path.display()))
                .remedy("put it beside the plan file, or name it by its path from there")
        })
    }

    /// A key vault in the resource group of a key.
    pub(super) async fn vault(&self, key: &Attributes, name: &str) -> Result<Vault, Failure> {
        self.arm.vault(text(key, "subscription")?, text(key, "resource_group")?, name).await
    }

    /// Fetches a secret from where it comes from; a key vault is one in the resource group of `key`.
    pub(super) async fn fetch(&self, key: &Attributes, source: &SecretSource) -> Result<Secret, Failure> {
        match source {
            SecretSource::Env(_) => fetch(source),
            SecretSource::KeyVault { vault, secret } => self.vault(key, vault).await?.get(secret, None).await,
        }
    }
}

/// The looks that are answered in one go, each by its place, in the order of the first of each group.
fn groups(looks: &[Look<'_>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<(&str, String), usize> = HashMap::new();
    for (at, look) in looks.iter().enumerate() {
        let shared = kind(&look.address.kind).ok().and_then(|kind| kind.together(look));
        let next = groups.len();
        let group = shared.map_or(next, |text| *known.entry((&look.address.kind, text)).or_insert(next));
        match groups.get_mut(group) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups
}

impl Live {
    /// Answers each of the looks at these places.
    async fn read_group(&self, looks: &[Look<'_>], places: &[usize]) -> Vec<Result<Reading, Failure>> {
        let looks: Vec<Look<'_>> = places.iter().map(|at| looks[*at]).collect();
        match &looks[..] {
            [look] => vec![self.read(*look).await],
            [first, ..] => match kind(&first.address.kind) {
                Ok(kind) => kind.read_together(self, &looks).await,
                Err(failure) => looks.iter().map(|_| Err(failure.clone())).collect(),
            },
            [] => Vec::new(),
        }
    }
}

#[async_trait]
impl World for Live {
    fn schema(&self, name: &str) -> Option<&'static Schema> {
        kind(name).ok().map(Kind::schema)
    }

    async fn read(&self, look: Look<'_>) -> Result<Reading, Failure> {
        kind(&look.address.kind)?.read(self, look).await
    }

    async fn read_all(&self, looks: &[Look<'_>], at_once: usize) -> Vec<Result<Reading, Failure>> {
        let groups = groups(looks);
        let calls = groups.iter().map(|group| self.read_group(looks, group)).collect();
        let answers = each(calls, at_once).await;
        in_order(groups, answers)
    }

    async fn write(&self, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let kind = kind(&step.address.kind)?;
        let (waiting, accepted) = Waiting::new();
        let live = Self { arm: self.arm.waiting(waiting.clone()), ..self.clone() };
        watched(kind.write(&live, step, watch), &waiting, accepted, watch).await
    }

    async fn lost(&self, step: &Step) -> Result<Option<String>, Failure> {
        let Some(after) = &step.after else { return Ok(None) };
        // A role's key does not say where the vault is.
        let elsewhere = after.get("escrow").and_then(Value::as_map).filter(|place| place.contains_key("subscription"));
        for source in after.values().flat_map(vaulted) {
            match self.fetch(elsewhere.unwrap_or(&step.key), source).await {
                Err(failure) if failure.class == Class::NotFound => {
                    return Ok(Some(format!("what {source} kept is there no more")));
                }
                Err(failure) => return Err(failure),
                Ok(_) => {}
            }
        }
        Ok(None)
    }

    async fn follow(&self, operation: &str, watch: &dyn Watch) -> Result<(), Failure> {
        let Ok(operation) = serde_json::from_str(operation) else { return Ok(()) };
        let (waiting, accepted) = Waiting::new();
        let arm = self.arm.waiting(waiting.clone());
        let note = |text: &str| watch.note(text);
        match watched(arm.finish(&operation, &note), &waiting, accepted, watch).await {
            Err(refusal) if refusal.failure.class == Class::Interrupted => Err(refusal.failure),
            _ => Ok(()),
        }
    }
}

/// The secrets of key vaults that a value, or an entry of it, is to be fetched from.
fn vaulted(value: &Value) -> Vec<&SecretSource> {
    match value {
        Value::Secret(SecretValue { source: Some(source @ SecretSource::KeyVault { .. }), .. }) => vec![source],
        Value::Map(map) => map.values().flat_map(vaulted).collect(),
        _ => Vec::new(),
    }
}

/// Lets a change run to its end while its watch hears of the operations that Azure takes on, and ends its waits when the
/// watch says so. A call in flight is never dropped.
async fn watched<T>(
    change: impl Future<Output = T>,
    waiting: &Waiting,
    mut accepted: UnboundedReceiver<Operation>,
    watch: &dyn Watch,
) -> T {
    const GLANCE: Duration = Duration::from_millis(100);
    let tell = |operation: &Operation| {
        if let Ok(text) = serde_json::to_string(operation) {
            watch.accepted(&text);
        }
    };
    let mut change = std::pin::pin!(change);
    loop {
        tokio::select! {
            biased;
            Some(operation) = accepted.recv() => tell(&operation),
            ended = &mut change => return ended,
            () = tokio::time::sleep(GLANCE) => if watch.stopped() { waiting.stop() },
        }
    }
}

/// The text of a field that has to be there.
pub(super) fn text<'a>(attributes: &'a Attributes, name: &str) -> Result<&'a str, Failure> {
    attributes.get(name).and_then(Value::as_text).ok_or_else(|| missing(name))
}

/// A field that has to be there and is not, or is no text.
pub(super) fn missing(name: &str) -> Failure {
    Failure::new(Class::Input, "a field is missing").detail(name).remedy("add it in the plan file, and plan again")
}

/// A field that is to hold a span of time and does not.
pub(super) fn no_span(name: &str, text: &str, example: &str) -> Failure {
    Failure::new(Class::Input, "this is no span of time")
        .detail(format!("{name} = {text:?}"))
        .remedy(format!("write it such as {name} = {example:?}"))
}

/// The text of a field, if it is there.
pub(super) fn optional_text<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name).and_then(Value::as_text)
}

/// The site of `subscription`, `resource_group`, `app` and perhaps `slot`.
pub(super) fn site_id(key: &Attributes) -> Result<SiteId, Failure> {
    Ok(SiteId {
        subscription: text(key, "subscription")?.to_owned(),
        resource_group: text(key, "resource_group")?.to_owned(),
        app: text(key, "app")?.to_owned(),
        slot: optional_text(key, "slot").map(str::to_owned),
    })
}

/// The server of `subscription`, `resource_group` and `server`.
pub(super) fn server_id(key: &Attributes) -> Result<ServerId, Failure> {
    Ok(ServerId {
        subscription: text(key, "subscription")?.to_owned(),
        resource_group: text(key, "resource_group")?.to_owned(),
        server: text(key, "server")?.to_owned(),
    })
}

/// The entries of a map field; none when the end or the field is missing.
pub(super) fn entries<'a>(end: Option<&'a Attributes>, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    end.and_then(|end| end.get(name)).and_then(Value::as_map).into_iter().flatten()
}

/// The entry of a map field; `Null` when it is missing.
pub(super) fn entry<'a>(end: Option<&'a Attributes>, field: &str, name: &str) -> &'a Value {
    let map = end.and_then(|end| end.get(field)).and_then(Value::as_map);
    map.and_then(|map| map.get(name)).unwrap_or(&Value::Null)
}

/// The text that a field should show for a live value: the plan's spelling where only the case differs.
pub(super) fn spelled(wanted: Option<&Value>, live: Option<&str>) -> Value {
    match (wanted.and_then(Value::as_text), live) {
        (_, None) => Value::Null,
        (Some(wanted), Some(live)) if wanted.eq_ignore_ascii_case(live) => Value::text(wanted),
        (_, Some(live)) => Value::text(live),
    }
}

/// Fetches a secret from pgentra's environment; `Live::fetch` knows the other places, too.
///
/// # Errors
/// `Input`: it is not there.
pub fn fetch(source: &SecretSource) -> Result<Secret, Failure> {
    source.variable().and_then(|name| std::env::var(name).ok()).map(Secret::new).ok_or_else(|| {
        Failure::new(Class::Input, "a secret is not set")
            .detail(source.to_string())
            .remedy(format!("set {source} for pgentra"))
    })
}
