//! Plans a plan file from Rust, and changes nothing: what would be done, and whether it could be undone.
//!
//! ```sh
//! cargo run --example plan_only -- plans/rmhazuregeoapi.toml              # against the live system, signed in as usual
//! cargo run --example plan_only -- plans/rmhazuregeoapi.toml --in-memory  # against a made-up one, without any network
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::collections::BTreeMap;
use std::error::Error;

use pgentra::cli::{args::Global, live};
use pgentra::model::Undo;
use pgentra::pipeline;
use pgentra::plan::{PlanFile, load};
use pgentra::resources::{MemoryWorld, World, schemas};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: plan_only PLAN_FILE [--in-memory]")?;
    let in_memory = arguments.next().is_some_and(|argument| argument == "--in-memory");

    // 1. The text becomes resources, or findings that say what is wrong with it.
    let (file, findings) = load(&std::fs::read_to_string(&path)?, &BTreeMap::new(), &schemas());
    for finding in &findings {
        println!("{:?}: {}", finding.severity, finding.title);
    }
    let file: PlanFile = file.ok_or("the plan file has errors")?;

    // 2. A world to look at: the live one, or one in memory.
    let world: Box<dyn World> = if in_memory {
        Box::new(MemoryWorld::around(&file.desired))
    } else {
        Box::new(live::world(&file.target, &Global::default(), None).await?)
    };

    // 3. One look at all of it, and the difference.
    let planned = pipeline::plan(world.as_ref(), &file.desired, 10).await?;
    for change in planned.changes.changes.iter().filter(|change| change.acts()) {
        let undo = match &change.undo {
            Undo::Faithful => "can be undone".to_owned(),
            Undo::Kept(why) => format!("stays when undone: {why}"),
            Undo::Lossy(what) => format!("can be undone, but {what}"),
            Undo::Never(why) => format!("cannot be undone: {why}"),
        };
        println!("{:?} {} ({undo})", change.action, change.address);
    }
    let summary = planned.changes.summary();
    println!("{} to add, {} to change, {} to destroy.", summary.add, summary.change, summary.destroy);
    if planned.frontier {
        println!("The rest can be seen once these steps are done.");
    }
    Ok(())
}
