//! `show`: one run, event by event, or a saved plan.

use std::path::Path;

use clap::Args;

use super::args::{Global, PlanFileArg};
use super::exit::{Ended, Exit};
use super::history::runs_of;
use super::load::usable;
use super::output::Output;
use super::{apply, place};
use crate::model::{Class, Failure};
use crate::pipeline;
use crate::report::{self, PlanView, Run};
use crate::resources::schemas;

/// Show one run, event by event, or a saved plan
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The run's id as `history` shows it, the beginning of one, or `last`; or a plan saved by `plan --out`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The plan file, which says where the store is.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// Of a saved plan, show unchanged attributes and every object of a grant
    #[arg(long)]
    pub full: bool,
}

/// Runs `show`.
pub async fn run(args: &ShowArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    if let Some(saved) = apply::saved(Path::new(&args.run))? {
        let page = report::plan(&saved.changes(&schemas()), PlanView { full: args.full });
        output.page(&report::reviewed(page, &[], Some(&pipeline::steps_digest(&saved.steps)?)))?;
        if saved.frontier {
            let note = "It ends where the system could not be read; what is left is planned after it.";
            output.aside(&[report::Line::plain(note)].into_iter().collect::<report::Text>());
        }
        return Ok(Exit::Done);
    }
    let (source, file) = usable(&args.file, global, output)?;
    let store = place::store(&source, &file, global).await?;
    // An id is meant whoever's run it is; the last run is that of this plan file.
    let runs = match args.run.as_str() {
        LAST => runs_of(store.as_ref(), &file.name).await?.into_iter().map(|(id, _)| id).collect(),
        _ => store.runs().await?,
    };
    let id = chosen(&runs, &args.run)?;
    let records = store.journal(&id).await?;
    output.page(&report::run(Run { id: &id, records: &records }))?;
    Ok(Exit::Done)
}

/// The word for the newest run.
const LAST: &str = "last";

/// The run that a person means.
pub(super) fn chosen(runs: &[String], meant: &str) -> Result<String, Failure> {
    if meant == LAST {
        return runs.last().cloned().ok_or_else(|| {
            Failure::new(Class::NotFound, "there are no runs yet").remedy("the first `pgentra apply` makes one")
        });
    }
    let fits: Vec<&String> = runs.iter().filter(|run| !meant.is_empty() && run.starts_with(meant)).collect();
    match fits.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Failure::new(Class::NotFound, "there is no such run")
            .detail(meant)
            .remedy("`pgentra history` lists the runs")),
        several => Err(Failure::new(Class::Input, "several runs begin like this")
            .detail(format!("{meant}: {} runs", several.len()))
            .remedy("give more of the id; `pgentra history` lists the runs")),
    }
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn a_run_is_meant_by_its_beginning() {
        let runs = ["0199-aa", "0199-ab"].map(str::to_owned);
        assert_eq!(chosen(&runs, "0199-ab").as_deref(), Ok("0199-ab"));
        assert_eq!(chosen(&runs, "last").as_deref(), Ok("0199-ab"));
        assert!(chosen(&runs, "0199").is_err() && chosen(&runs, "x").is_err() && chosen(&runs, "").is_err());
        assert!(chosen(&[], "last").is_err());
    }
}
