//! Builds the clients of the live system: which cloud, signed in as whom, with which key for secrets.

use std::sync::Arc;

use async_trait::async_trait;

use super::args::Global;
use super::evidence_keys;
use crate::azure::{
    Arm, Choice, Pace, ServerId, Tokens, endpoints, environment, extra_certificates, http_client, sign_in,
};
use crate::model::{Address, Attributes, Class, Cloud, Digester, Endpoints, Failure, Secret, ServerTarget, Target};
use crate::pipeline::{self, SavedPlan};
use crate::plan::PlanFile;
use crate::postgres::{Access, Databases};
use crate::probe::Web;
use crate::report::GATES;
use crate::resources::{Live, RealClock};
use crate::store::Store;

/// The environment variable that names another cloud than the plan file does.
pub const CLOUD: &str = "PGENTRA_CLOUD";

/// Tokens of a cloud, for commands that need nothing else.
pub async fn tokens(target: &Target, global: &Global) -> Result<(Endpoints, Tokens), Failure> {
    let vars = environment();
    let http = http_client(&vars)?;
    let endpoints = endpoints(&cloud(target, vars.get(CLOUD)), &http).await?;
    let choice = global.credential.as_deref().map_or(Ok(Choice::Automatic), str::parse);
    let choice = choice.map_err(|why| {
        Failure::new(Class::Input, "there is no such way to sign in")
            .detail(why)
            .remedy("write one of the words that `--help` lists for --credential")
    })?;
    let tokens = sign_in(choice, &endpoints, target.tenant.as_deref(), &vars, &http)?;
    Ok((endpoints, tokens))
}

/// The live world of a target. `key` is that of the store; without one, secrets are compared in memory only.
pub async fn world(target: &Target, global: &Global, key: Option<[u8; 32]>) -> Result<Live, Failure> {
    let vars = environment();
    let access = access(target, global).await?;
    Ok(Live {
        arm: access.arm.clone(),
        databases: Databases::new(Arc::new(target.clone()), Arc::new(access)),
        web: Web::new(extra_certificates(&vars)?)?,
        digester: Digester::new(key.map_or_else(random_key, Ok)?),
        evidence: Arc::default(),
        moves: Arc::default(),
        clock: Arc::new(RealClock),
        directory: target.directory.clone(),
    })
}

/// The live world of a plan file, with the evidence that its store holds.
///
/// # Errors
/// As [`world`]; `Input` when a signing key cannot be used.
pub async fn world_of(
    file: &PlanFile,
    global: &Global,
    store: &dyn Store,
    key: Option<[u8; 32]>,
) -> Result<Live, Failure> {
    let desired = file.desired.iter().map(|want| (&want.address, &want.attributes));
    gated(&file.target, desired.collect(), global, store, key).await
}

/// The live world of a saved plan, with the evidence that its store holds: its gates are asked again.
///
/// # Errors
/// As [`world_of`].
pub async fn world_of_saved(
    saved: &SavedPlan,
    global: &Global,
    store: &dyn Store,
    key: Option<[u8; 32]>,
) -> Result<Live, Failure> {
    let steps = saved.steps.iter().filter_map(|step| Some((&step.address, step.after.as_ref()?)));
    gated(&saved.target, steps.collect(), global, store, key).await
}

/// The live world of a target, with what its gates ask for: the ledger, and which logins our runs changed.
async fn gated(
    target: &Target,
    resources: Vec<(&Address, &Attributes)>,
    global: &Global,
    store: &dyn Store,
    key: Option<[u8; 32]>,
) -> Result<Live, Failure> {
    let world = world(target, global, key).await?;
    if !resources.iter().any(|(address, _)| GATES.contains(&address.kind.as_str())) {
        return Ok(world);
    }
    let keys: Vec<_> = evidence_keys::keys_of(target, &resources, global, false).await?.into_values().collect();
    let evidence = Arc::new(pipeline::ledger(store, &keys).await?);
    Ok(Live { evidence, moves: Arc::new(pipeline::moves(store).await?), ..world })
}

/// What signing in to the databases of a target needs of Azure.
pub async fn access(target: &Target, global: &Global) -> Result<AzureAccess, Failure> {
    let (endpoints, tokens) = tokens(target, global).await?;
    let audience = endpoints.postgres_audience.clone();
    let http = Arc::new(http_client(&environment())?);
    let arm = Arm::new(endpoints, tokens.clone(), http, Pace::default())?;
    Ok(AzureAccess { arm, tokens, audience })
}

/// The Resource Manager of a target.
pub async fn arm(target: &Target, global: &Global) -> Result<Arm, Failure> {
    Ok(access(target, global).await?.arm)
}

fn random_key() -> Result<[u8; 32], Failure> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| {
        Failure::new(Class::Other, "the system gives no random numbers")
            .remedy("make the system's random numbers available (getrandom)")
            .detail(error.to_string())
    })?;
    Ok(key)
}

/// The cloud that a target is in, unless the environment names another.
pub fn cloud_of(target: &Target) -> Cloud {
    cloud(target, environment().get(CLOUD))
}

/// The environment wins, so that the same plan file runs in a sandbox.
fn cloud(target: &Target, named: Option<&String>) -> Cloud {
    match named.map(String::as_str) {
        None | Some("") => target.cloud.clone(),
        Some("public") => Cloud::Public,
        Some("usgov") => Cloud::UsGov,
        Some("china") => Cloud::China,
        Some(url) => Cloud::Custom(url.trim_end_matches('/').to_owned()),
    }
}

/// Gives the database room what it needs of Azure.
pub struct AzureAccess {
    pub(super) arm: Arm,
    pub(super) tokens: Tokens,
    pub(super) audience: String,
}

#[async_trait]
impl Access for AzureAccess {
    async fn token(&self) -> Result<Secret, Failure> {
        Ok(self.tokens.token(&self.audience).await?.secret)
    }

    async fn host(&self, server: &ServerTarget) -> Result<String, Failure> {
        let id = ServerId {
            subscription: server.subscription.clone(),
            resource_group: server.resource_group.clone(),
            server: server.name.clone(),
        };
        self.arm.server(&id).await?.properties.fully_qualified_domain_name.ok_or_else(|| {
            Failure::new(Class::NotFound, "Azure does not say where the server is reached")
                .detail(format!("server {}", server.name))
                .remedy("name its host in the plan file: host = \"...\" under [server.<label>]")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::cloud;
    use crate::model::{Cloud, Target};

    #[test]
    fn the_environment_names_the_cloud() {
        let target = Target { cloud: Cloud::China, ..Target::default() };
        let named = |text: &str| cloud(&target, Some(&text.to_owned()));
        assert_eq!(cloud(&target, None), Cloud::China);
        assert_eq!((named(""), named("public"), named("usgov")), (Cloud::China, Cloud::Public, Cloud::UsGov));
        assert_eq!(named("https://127.0.0.1:8443/"), Cloud::Custom("https://127.0.0.1:8443".into()));
    }
}
