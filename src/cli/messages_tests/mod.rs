//! Messages of the command line as somebody at a terminal sees them: each provoked by a command line or its function.

mod commands;
mod findings;
mod findings_parts;
mod live;
mod sandbox;

use std::path::Path;

use clap::Parser as _;

use super::exit::Ended;
use super::output::Output;
use super::{Cli, dispatch};
use crate::model::{Class, Failure};

use super::told::told;

/// A directory with a plan file, and command lines that name files in it.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new(plan: &str) -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        desk.put("plan.toml", &format!("version = 1\nname = \"geo\"\n[store]\nurl = \"state\"\n{plan}"));
        desk
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Why a command line fails. `DIR` is this directory.
    async fn refusal(&self, line: &[&str]) -> Failure {
        let dir = self.dir.path().display().to_string();
        let words = ["pgentra".to_owned()].into_iter().chain(line.iter().map(|word| word.replace("DIR", &dir)));
        let cli = Cli::try_parse_from(words).unwrap();
        let output = Output::new(&cli.global, line[0]);
        match dispatch(&cli, &output).await {
            Err(Ended::Failed(failure)) => failure,
            Err(Ended::Told(exit)) => panic!("{line:?} was told: {exit:?}"),
            Ok(exit) => panic!("{line:?} ended with {}", exit.code()),
        }
    }

    /// The failures as they are told, wherever the directory is.
    fn told(&self, failures: &[Failure]) -> String {
        masked(&told(failures), self.dir.path())
    }
}

fn masked(text: &str, dir: &Path) -> String {
    text.replace(&dir.display().to_string(), "DIR")
}

#[test]
fn every_class_has_a_message_that_ends_with_its_code() {
    let classes = [Class::Locked, Class::Unfit, Class::Conflict, Class::CheckFailed, Class::Interrupted];
    let failures = classes.map(|class| Failure::new(class, "it did not go").detail("why").remedy("do this\nor that"));
    insta::assert_snapshot!(told(&failures));
}
