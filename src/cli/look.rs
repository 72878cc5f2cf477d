//! The look of the commands that show what would be done: the plan file, the live system, and the plan between them.

use super::args::{Global, LiveArgs, PlanFileArg};
use super::exit::Ended;
use super::load::{narrowed, usable};
use super::locate::Source;
use super::output::Output;
use super::{findings, live, place};
use crate::journal::Owned;
use crate::pipeline::{self, Planned};
use crate::plan::PlanFile;
use crate::resources::Live;

/// What a look came to.
pub struct Looked {
    /// The text of the plan file.
    pub source: Source,
    /// What it wants.
    pub file: PlanFile,
    /// The live system.
    pub world: Live,
    /// What would be done.
    pub planned: Planned,
    /// Whether the store has a key, so that digests of secrets can be kept.
    pub keyed: bool,
}

/// Looks. What runs have made and the plan file no longer names is part of it, unless only some addresses are asked for.
///
/// # Errors
/// Those of the store and of the look; how the process ends when there is no usable plan file, or flaws that only the live
/// system shows.
pub async fn look(file: &PlanFileArg, args: &LiveArgs, global: &Global, output: &Output) -> Result<Looked, Ended> {
    let (source, mut file) = usable(file, global, output)?;
    file.desired = narrowed(file.desired, &args.only)?;
    let store = place::store(&source, &file, global).await?;
    let key = store.digest_key().await?;
    let world = live::world_of(&file, global, store.as_ref(), key).await?;
    let made = if args.only.is_empty() {
        pipeline::owned(&world, store.as_ref(), &file.name).await?
    } else {
        Owned::default()
    };
    let planned = pipeline::plan_with(&world, &file.desired, &made, args.parallelism).await;
    let planned = planned.map_err(|failure| findings::of_failure(output, &source, &file, failure))?;
    Ok(Looked { source, file, world, planned, keyed: key.is_some() })
}
