//! `verify`: looks whether everything is as the plan file says and works, and shows it as a checklist.

use std::path::PathBuf;

use clap::Args;

use super::args::{Global, LiveArgs, PlanFileArg};
use super::exit::{Ended, Exit};
use super::load::{narrowed, usable};
use super::output::{self, Output};
use super::{live, place};
use crate::diff::{Action, Change, Reason};
use crate::pipeline::{self, Verified};
use crate::plan::PlanFile;
use crate::report::{Check, checklist, junit};
use crate::resources::{Live, Proof, proofs, try_in_database};

/// Look whether everything is as the plan file says and works; changes nothing
///
/// Each resource and each check of the plan file is a line; so is how each app is set to sign in, and what each role can
/// use of the schemas, tables, sequences and functions of its databases, by PostgreSQL's own has_*_privilege functions.
/// Where pgentra itself is signed in as the identity of a role, the token is tried. Exits with 10 when a line says NO.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// How the live system is looked at.
    #[command(flatten)]
    pub live: LiveArgs,
    /// Writes the checklist as JUnit XML into a file as well
    #[arg(long, value_name = "FILE")]
    pub junit_into: Option<PathBuf>,
    /// Try what is made tomorrow for real: make objects as those who make them, in a transaction that is rolled back
    #[arg(long)]
    pub try_future: bool,
    /// Try the statements of the plan for real, in transactions that are rolled back, so that a missing right shows
    #[arg(long)]
    pub try_in_database: bool,
}

/// Runs `verify`.
pub async fn run(args: &VerifyArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let (source, mut file) = usable(&args.file, global, output)?;
    file.desired = narrowed(file.desired, &args.live.only)?;
    let store = place::store(&source, &file, global).await?;
    let world = live::world_of(&file, global, store.as_ref(), store.digest_key().await?).await?;
    let verified = pipeline::verify(&world, &file.desired, args.live.parallelism).await;
    // A gate that still holds says nothing about how things are.
    let own = verified.iter().filter(|verified| verified.change.action != Action::Held).map(line);
    let besides = proofs(&world, &file.desired, args.try_future).await;
    let besides = besides.into_iter().map(|Proof { label, holds, detail }| Check { label, holds, detail });
    let tried = if args.try_in_database { tried(&world, &file, args.live.parallelism).await } else { Vec::new() };
    let checks: Vec<Check> = own.chain(besides).chain(tried).collect();
    if let Some(path) = &args.junit_into {
        output::write(path, &junit(&format!("verify {}", file.name), &checks))?;
    }
    output.page(&checklist("Verification", &checks))?;
    Ok(if checks.iter().all(|check| check.holds) { Exit::Done } else { Exit::CheckFailed })
}

/// The database part of the plan, tried for real; what cannot be planned cannot be tried.
async fn tried(world: &Live, file: &PlanFile, parallelism: usize) -> Vec<Check> {
    let check = |label: String, holds: bool, detail: String| Check { label, holds, detail };
    let planned = match pipeline::plan(world, &file.desired, parallelism).await {
        Ok(planned) => planned,
        Err(failure) => return vec![check("The plan can be tried in the database".into(), false, failure.in_a_line())],
    };
    let proofs = try_in_database(world, &planned.steps).await.into_iter();
    let mut checks: Vec<Check> = proofs.map(|Proof { label, holds, detail }| check(label, holds, detail)).collect();
    let unread = planned.changes.changes.iter().filter(|change| change.action == Action::Unknown);
    checks.extend(unread.map(|change| {
        let why =
            if let Reason::Unreadable(why) | Reason::NotReadable(why) = &change.reason { why.as_str() } else { "" };
        check(format!("The database takes {}", change.address), true, format!("not tried: {why}"))
    }));
    checks
}

fn line(verified: &Verified) -> Check {
    Check { label: verified.change.address.to_string(), holds: verified.holds, detail: detail(verified) }
}

fn detail(Verified { change, holds }: &Verified) -> String {
    let Change { failure, notes, reason, action, .. } = change;
    match (failure, action, reason) {
        (Some(failure), ..) => failure.in_a_line(),
        (None, Action::Check, _) if !notes.is_empty() => notes.join("; "),
        _ if *holds => notes.join("; "),
        (None, _, Reason::Missing) => "not there".to_owned(),
        (None, _, Reason::Differs(fields)) => format!("differs: {}", fields.join(", ")),
        (None, _, Reason::Unreadable(why) | Reason::NotReadable(why) | Reason::Gate(why)) => why.clone(),
        (None, _, Reason::LeansOn(address)) => format!("{address} comes first"),
        (None, _, Reason::AsWanted) => String::new(),
    }
}
