//! `unlock`: who holds the store's lock and since when; and takes it away from a holder that is gone.

use clap::Args;

use super::args::{Global, PlanFileArg};
use super::exit::{Ended, Exit};
use super::load::usable;
use super::output::Output;
use super::place;
use super::prompt::{self, Prompt};
use crate::model::{Class, Failure};
use crate::report::{Line, Text};
use crate::store::LockNote;

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
pub async fn run(args: &UnlockArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let (source, file) = usable(&args.file, global, output)?;
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
    let now = store.holder().await?;
    if now.as_ref() != Some(&holder) {
        return Err(passed_on(&holder, now.as_ref()).into());
    }
    store.break_lock().await?;
    say(output, "The lock is free. See what that run did with `pgentra show last`.");
    Ok(Exit::Done)
}

/// The lock is not held any more by whom the question was about.
pub(super) fn passed_on(asked: &LockNote, now: Option<&LockNote>) -> Failure {
    let now = now.map_or_else(|| "nobody".to_owned(), LockNote::to_string);
    Failure::new(Class::Locked, "meanwhile the lock has gone from that holder; nothing was done")
        .detail(format!("it was held by {asked}\nit is held by {now}"))
        .remedy("look again with `pgentra unlock`")
}

fn say(output: &Output, line: &str) {
    output.aside(&[Line::plain(line)].into_iter().collect::<Text>());
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;
    use std::time::Duration;

    use crate::cli::exit::Exit;
    use crate::cli::{place, run};
    use crate::store::{Directory, Store as _};

    fn unlock(plan: &Path, arguments: &[&str]) -> Exit {
        let words = ["pgentra", "unlock"].map(OsString::from).into_iter().chain([plan.into()]);
        run(words.chain(arguments.iter().map(OsString::from)))
    }

    #[test]
    fn a_directory_is_freed_by_the_end_of_its_holder_only() {
        let dir = tempfile::tempdir().unwrap();
        let plan = dir.path().join("plan.toml");
        std::fs::write(&plan, "version = 1\nname = \"x\"\n[store]\nurl = \"state\"\n").unwrap();
        assert_eq!(unlock(&plan, &[]), Exit::Done, "nobody holds it, nothing is asked");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = Directory::new(dir.path().join("state"));
        let held = runtime.block_on(store.lock(place::lock_note("apply"), Duration::ZERO)).unwrap();
        assert_eq!(unlock(&plan, &["--yes"]), Exit::Locked);
        drop(held);
        assert_eq!(unlock(&plan, &["--yes"]), Exit::Done);
    }
}
