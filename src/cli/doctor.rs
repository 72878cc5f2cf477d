//! `doctor`: finds out why an app does not get to its data, or will not for long, and says what would help.

use clap::Args;

use super::args::{Global, LiveArgs, PlanFileArg};
use super::exit::{Ended, Exit};
use super::load::{narrowed, usable};
use super::output::Output;
use super::{doctor_can_i, doctor_local, live, place};
use crate::model::{Class, Failure, StoreUrl};
use crate::report::{self, Doctor, Symptom};
use crate::resources::{Diagnosis, RULES, Severity, diagnose, facts};

/// Find out what is wrong with a migrated app, and what fixes it; changes nothing
///
/// Goes through the symptoms of docs/troubleshooting.md against the live system: the app and its identity, its settings and
/// health checks, its log where a validation names one, the server and its network, the role and its privileges. Each
/// symptom is shown with its cause, the evidence and the command that fixes it. Exits with 10 when there is one.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
    /// List each Azure action and database right that plan and apply need, and which are missing; exits with 11 then
    #[arg(long)]
    pub can_i: bool,
    /// Try your own sign-in, and say which way to develop locally works: `az login`, a password, a service principal
    #[arg(long, conflicts_with = "can_i")]
    pub local: bool,
}

/// Runs `doctor`.
pub async fn run(args: &DoctorArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let (source, mut file) = usable(&args.file, global, output)?;
    file.desired = narrowed(file.desired, &args.live.only)?;
    let key = place::store(&source, &file, global).await?.digest_key().await?;
    let world = live::world(&file.target, global, key).await?;
    if args.local {
        return Ok(doctor_local::run(&world, &file, global, output).await?);
    }
    if args.can_i {
        let blobs = match file.store.as_deref().map(str::parse) {
            Some(Ok(StoreUrl::Blobs(at))) => Some(place::blobs(&at, &file.target, global).await?),
            _ => None,
        };
        return Ok(doctor_can_i::run(&world, &file.desired, blobs.as_ref(), output).await?);
    }
    let plan = args.file.file.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    let facts = facts(&world, &file.desired, &plan).await?;
    let symptoms: Vec<Symptom> = diagnose(&facts).into_iter().map(symptom).collect();
    let unseen: Vec<(String, Failure)> = facts.unseen.into_iter().map(|one| (one.what, one.why)).collect();
    output.page(&report::doctor(&Doctor { symptoms: &symptoms, known: RULES.len(), unseen: &unseen }))?;
    Ok(exit(&symptoms, &unseen))
}

fn symptom(found: Diagnosis) -> Symptom {
    Symptom {
        rule: found.rule.to_owned(),
        title: found.title.to_owned(),
        risk: found.severity == Severity::Risk,
        subject: found.subject,
        cause: found.cause,
        evidence: found.evidence,
        fix: found.fix,
    }
}

/// Symptoms come first. Whoever was not let look has not been found healthy.
fn exit(symptoms: &[Symptom], unseen: &[(String, Failure)]) -> Exit {
    let barred = |(_, why): &(String, Failure)| matches!(why.class, Class::Forbidden | Class::NotSignedIn);
    if symptoms.iter().any(|one| !one.risk) {
        Exit::CheckFailed
    } else if unseen.iter().any(barred) {
        Exit::NotAllowed
    } else if unseen.is_empty() {
        Exit::Done
    } else {
        Exit::Error
    }
}
