//! Runs plan files in a world in memory: apply, resume and roll back as the command line does.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use pgentra::engine::{Scope, Silent};
use pgentra::journal::{Event, Outcome, Record};
use pgentra::model::{Class, Failure, Step};
use pgentra::pipeline::{self, Applied, ApplyOptions, Approve, Context, Planned, RollbackOptions, SavedPlan};
use pgentra::plan::{PlanFile, load};
use pgentra::resources::{MemoryWorld, World, schemas};
use pgentra::store::{LockNote, Store};

/// Every plan file in `plans/`, by name.
pub fn plans() -> Vec<(String, PlanFile)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("plans");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let plans = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    plans
        .map(|path| {
            (path.file_stem().unwrap().to_string_lossy().into_owned(), parse(&std::fs::read_to_string(path).unwrap()))
        })
        .collect()
}

/// The guide's own migration.
pub fn migration() -> PlanFile {
    plans().into_iter().find(|(name, _)| name == "rmhazuregeoapi").unwrap().1
}

/// A plan file from its text.
pub fn parse(text: &str) -> PlanFile {
    let (plan, findings) = load(text, &std::collections::BTreeMap::new(), &schemas());
    plan.unwrap_or_else(|| panic!("{findings:?}"))
}

/// Says yes to everything.
pub struct Yes;

#[async_trait]
impl Approve for Yes {
    async fn approve(&self, _: &Planned, _: usize) -> Result<bool, Failure> {
        Ok(true)
    }

    fn nothing(&self, _: &Planned) -> Result<(), Failure> {
        Ok(())
    }
}

/// How a run behaves.
pub fn options(undo_on_failure: bool) -> ApplyOptions {
    ApplyOptions {
        parallelism: 4,
        undo_on_failure,
        scope: Scope::Run,
        whole: true,
        expect: None,
        who: "tester@here".to_owned(),
    }
}

fn note() -> LockNote {
    let (who, host, operation) = ("tester".to_owned(), "here".to_owned(), "test".to_owned());
    LockNote { who, host, pid: 1, operation, since: jiff::Timestamp::UNIX_EPOCH }
}

static GO_ON: AtomicBool = AtomicBool::new(false);

fn context<'a>(world: &'a dyn World, store: &'a dyn Store, options: &'a ApplyOptions) -> Context<'a> {
    Context { world, store, listener: &Silent, options, stop: &GO_ON }
}

/// One `apply`.
pub async fn apply(world: &dyn World, store: &dyn Store, file: &PlanFile, undo: bool) -> Result<Applied, Failure> {
    let mut held = store.lock(note(), std::time::Duration::ZERO).await?;
    let options = options(undo);
    pipeline::apply(&context(world, store, &options), file, held.as_mut(), &Yes).await
}

/// One `apply` of a saved plan.
pub async fn apply_saved(world: &dyn World, store: &dyn Store, saved: &SavedPlan) -> Result<Applied, Failure> {
    let mut held = store.lock(note(), std::time::Duration::ZERO).await?;
    let options = options(true);
    pipeline::apply_saved(&context(world, store, &options), saved, held.as_mut()).await
}

/// One `apply` after a run that did not end: the open run is resumed first, then what is left is applied.
pub async fn resume(world: &dyn World, store: &dyn Store, file: &PlanFile) -> Result<Applied, Failure> {
    let mut held = store.lock(note(), std::time::Duration::ZERO).await?;
    let options = options(false);
    let context = context(world, store, &options);
    let open = pipeline::history(world, store).await?.open().map(|open| open.id.clone());
    if let Some(open) = open {
        let resumed = pipeline::resume(&context, &open, held.as_mut()).await?;
        if resumed.outcome != Some(Outcome::Applied) {
            return Ok(resumed);
        }
    }
    let applied = pipeline::apply(&context, file, held.as_mut(), &Yes).await?;
    Ok(Applied { outcome: applied.outcome.or(Some(Outcome::Applied)), ..applied })
}

/// One `rollback` of the newest run. Nothing to undo is fine.
pub async fn rollback(world: &dyn World, store: &dyn Store, how: RollbackOptions<'_>) -> Result<Applied, Failure> {
    let mut held = store.lock(note(), std::time::Duration::ZERO).await?;
    let options = options(false);
    match pipeline::rollback(&context(world, store, &options), None, how, held.as_mut(), &Yes).await {
        Err(failure) if failure.class == Class::Input && failure.summary.contains("no run that can be undone") => {
            Ok(Applied { outcome: Some(Outcome::Applied), ..Applied::default() })
        }
        other => other.map(|applied| Applied { outcome: applied.outcome.or(Some(Outcome::Applied)), ..applied }),
    }
}

/// One `rollback` of the run with this id.
pub async fn rollback_of(
    world: &dyn World,
    store: &dyn Store,
    run: &str,
    how: RollbackOptions<'_>,
) -> Result<Applied, Failure> {
    let mut held = store.lock(note(), std::time::Duration::ZERO).await?;
    let options = options(false);
    pipeline::rollback(&context(world, store, &options), Some(run), how, held.as_mut(), &Yes).await
}

/// What `plan` shows.
pub async fn plan(world: &dyn World, file: &PlanFile) -> Result<Planned, Failure> {
    pipeline::plan(world, &file.desired, 4).await
}

/// The steps that a journal planned.
pub fn steps(records: &[Record]) -> Vec<Step> {
    let planned =
        |record: &Record| if let Event::Planned { steps } = &record.event { steps.clone() } else { Vec::new() };
    records.iter().flat_map(planned).collect()
}

/// The world of a plan file before anybody used pgentra.
pub fn around(file: &PlanFile) -> MemoryWorld {
    MemoryWorld::around(&file.desired)
}
