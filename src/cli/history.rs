//! `history`: the runs in the store.

use clap::Args;

use super::args::{Global, PlanFileArg};
use super::exit::{Ended, Exit};
use super::load::usable;
use super::output::Output;
use super::place;
use crate::journal::{Event, Record};
use crate::model::Failure;
use crate::report::{self, Run};
use crate::store::Store;

/// List the runs of this plan file, newest first
#[derive(Args, Clone, Debug, Default)]
pub struct HistoryArgs {
    /// The plan file, which says where the store is.
    #[command(flatten)]
    pub file: PlanFileArg,
}

/// Runs `history`.
pub async fn run(args: &HistoryArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let (source, file) = usable(&args.file, global, output)?;
    let store = place::store(&source, &file, global).await?;
    let journals = runs_of(store.as_ref(), &file.name).await?;
    let newest_first: Vec<Run<'_>> = journals.iter().rev().map(|(id, records)| Run { id, records }).collect();
    output.page(&report::history(&newest_first))?;
    Ok(Exit::Done)
}

/// The runs of a plan file with their journals, oldest first, where several plan files share a store. One whose first
/// record was torn is nobody's, and is among everybody's.
pub(super) async fn runs_of(store: &dyn Store, plan: &str) -> Result<Vec<(String, Vec<Record>)>, Failure> {
    let mut journals = Vec::new();
    for run in store.runs().await? {
        let records = store.journal(&run).await?;
        let theirs = |record: &Record| matches!(&record.event, Event::Opened { plan: of, .. } if of != plan);
        if !records.iter().any(theirs) {
            journals.push((run, records));
        }
    }
    Ok(journals)
}
