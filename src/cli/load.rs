//! The way of every command to its plan file: find it, gather the variables, check it, show what is wrong with it.

use std::path::Path;

use super::args::{Global, PlanFileArg};
use super::exit::Exit;
use super::findings;
use super::locate::{self, Source};
use super::output::Output;
use super::variables;
use crate::model::{Failure, Finding, Schema};
use crate::plan::{self, PlanFile};

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
    let (plan, findings) = plan::load(&source.text, &given, schemas);
    Ok(Loaded { source, plan, findings })
}

impl Loaded {
    /// The plan file, for commands that cannot do without: findings are shown, and an error among them ends the command.
    ///
    /// # Errors
    /// How the process ends when there is no usable plan file.
    pub fn usable(self, output: &Output) -> Result<(Source, PlanFile), Exit> {
        let exit = findings::report(output, &self.source, &self.findings);
        match self.plan {
            Some(plan) if exit == Exit::Done => Ok((self.source, plan)),
            _ => Err(Exit::Findings),
        }
    }
}
