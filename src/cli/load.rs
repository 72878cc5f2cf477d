//! The way of every command to its plan file: find it, gather the variables, check it, show what is wrong with it.

use std::collections::BTreeSet;
use std::path::Path;

use super::args::{Global, PlanFileArg};
use super::exit::Ended;
use super::findings;
use super::locate::{self, Source};
use super::output::Output;
use super::variables;
use crate::model::{Address, Class, Desired, Failure, Finding, Graph, Schema};
use crate::plan::{self, PlanFile};
use crate::resources::schemas;

/// A plan file that was read, with what is wrong with it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file.
    pub source: Source,
    /// What it says; `None` when a finding is an error.
    pub plan: Option<PlanFile>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// Reads and checks a plan file.
///
/// # Errors
/// `Input`: it is not found, or a variable cannot be read.
pub fn load(file: &PlanFileArg, global: &Global, schemas: &[&'static Schema]) -> Result<Loaded, Failure> {
    let source = locate::find(file.file.as_deref(), Path::new(""))?;
    let given = variables::gather(global)?;
    let (mut plan, findings) = plan::load(&source.text, &given, schemas);
    if let Some(plan) = &mut plan {
        plan.target.directory = std::path::absolute(&source.path).ok().and_then(|path| Some(path.parent()?.to_owned()));
    }
    Ok(Loaded { source, plan, findings })
}

/// The plan file, for commands that cannot do without: findings are shown, and an error among them ends the command.
///
/// # Errors
/// Those of [`load`]; how the process ends when there is no usable plan file.
pub fn usable(file: &PlanFileArg, global: &Global, output: &Output) -> Result<(Source, PlanFile), Ended> {
    let loaded = load(file, global, &schemas())?;
    let Some(plan) = loaded.plan else { return Err(findings::ended(output, &loaded.source, &loaded.findings)) };
    findings::report(output, &loaded.source, &loaded.findings);
    output.about(&plan.name);
    Ok((loaded.source, plan))
}

/// The resources at these addresses and all that they lean on; everything when none is named.
///
/// # Errors
/// `Input`: an address that the plan file does not have.
pub fn narrowed(desired: Vec<Desired>, only: &[Address]) -> Result<Vec<Desired>, Failure> {
    if only.is_empty() {
        return Ok(desired);
    }
    let graph = Graph::new(&desired.iter().map(|want| (want.address.clone(), want.after.clone())).collect());
    let mut kept: BTreeSet<Address> = BTreeSet::new();
    for address in only {
        if !desired.iter().any(|want| want.address == *address) {
            return Err(Failure::new(Class::Input, "the plan file has no such resource")
                .detail(address.to_string())
                .remedy("`pgentra graph` lists the addresses"));
        }
        kept.insert(address.clone());
        kept.extend(graph.leans_on_all(address));
    }
    Ok(desired.into_iter().filter(|want| kept.contains(&want.address)).collect())
}
