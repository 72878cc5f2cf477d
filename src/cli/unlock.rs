//! `unlock`: who holds the store's lock and since when; and takes it away from a holder that is gone.

use clap::Args;

use super::args::{Global, PlanFileArg};
use super::exit::Exit;
use super::load::load;
use super::output::Output;
use super::place;
use super::prompt::{self, Prompt};
use crate::model::{Class, Failure};
use crate::report::{Line, Text};
use crate::resources::schemas;

/// Show who holds the store's lock, and take it away
#[derive(Args, Clone, Debug)]
pub struct UnlockArgs {
    /// The plan file, which says where the store is.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// Do not ask before taking the lock away
    #[arg(long)]
    pub yes: bool,
}

const EXPLANATION: &str =
    "If that run is still going on, it will fail at its next step, and has to be resumed or rolled back.";
const REMEDY: &str = "pass --yes when you are sure that the holder is gone";

/// Runs `unlock`.
pub async fn run(args: &UnlockArgs, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (source, file) = match load(&args.file, global, &schemas())?.usable(output) {
        Ok(usable) => usable,
        Err(exit) => return Ok(exit),
    };
    let store = place::store(&source, &file, global).await?;
    let Some(holder) = store.holder().await? else {
        say(output, &format!("The store {} is not locked.", store.place()));
        return Ok(Exit::Done);
    };
    say(output, &format!("The store {} is locked by {holder}.", store.place()));
    let ask = |prompt: &mut Prompt<'_>| prompt.confirm("Do you want to take the lock away?", EXPLANATION, REMEDY);
    if !args.yes && !prompt::with_terminal(ask)? {
        return Ok(Exit::Error);
    }
    if store.holder().await?.as_ref() != Some(&holder) {
        let changed = Failure::new(Class::Locked, "meanwhile the lock has gone from that holder; nothing was done");
        return Err(changed.remedy("look again with `pgentra unlock`"));
    }
    store.break_lock().await?;
    say(output, "The lock is free. See what that run did with `pgentra show last`.");
    Ok(Exit::Done)
}

fn say(output: &Output, line: &str) {
    output.aside(&[Line::plain(line)].into_iter().collect::<Text>());
}
