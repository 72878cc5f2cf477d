//! `fmt`: brings a plan file into its one layout, or says that it is not.

use std::path::Path;

use clap::Args;

use super::args::PlanFileArg;
use super::exit::Exit;
use super::findings;
use super::locate;
use super::output::Output;
use super::replace::{Readers, replace};
use crate::model::Failure;
use crate::plan::format;
use crate::report::{Line, clean};

/// Bring the plan file into its one layout
#[derive(Args, Clone, Debug, Default)]
pub struct FmtArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// Change nothing; exit with 2 and name the file when it is not formatted
    #[arg(long)]
    pub check: bool,
}

/// Runs `fmt`. A file that is not TOML has findings and stays as it is.
pub fn run(args: &FmtArgs, output: &Output) -> Result<Exit, Failure> {
    let source = locate::find(args.file.file.as_deref(), Path::new(""))?;
    let formatted = match format(&source.text) {
        Ok(Some(formatted)) => formatted,
        Ok(None) => {
            let path = source.path.display();
            let lines = [
                format!("{path} stays as it is: its keys would change places."),
                "Put the dotted keys of one table (`a.x`, `a.y`) next to each other, or into a table [a].".to_owned(),
            ];
            output.aside(&lines.iter().map(Line::plain).collect());
            return Ok(Exit::Done);
        }
        Err(findings) => return Ok(findings::report(output, &source, &findings)),
    };
    if formatted == source.text {
        return Ok(Exit::Done);
    }
    if !args.check {
        replace(&source.path, &formatted, Readers::AsBefore)?;
    }
    output.data(&format!("{}\n", clean(&source.path.display().to_string())))?;
    Ok(if args.check { Exit::Changes } else { Exit::Done })
}

#[cfg(test)]
mod tests {
    use super::{FmtArgs, run};
    use crate::cli::args::{Global, PlanFileArg};
    use crate::cli::exit::Exit;
    use crate::cli::output::Output;
    use std::fs;

    #[test]
    fn check_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.toml");
        fs::write(&path, "version=1\n").unwrap();
        let output = Output::new(&Global::default(), "fmt");
        let args = |check| FmtArgs { file: PlanFileArg { file: Some(path.clone()) }, check };
        assert_eq!(run(&args(true), &output), Ok(Exit::Changes));
        assert_eq!(fs::read_to_string(&path).unwrap(), "version=1\n");
        assert_eq!(run(&args(false), &output), Ok(Exit::Done));
        assert_eq!(fs::read_to_string(&path).unwrap(), "version = 1\n");
        assert_eq!(run(&args(true), &output), Ok(Exit::Done));
        fs::write(&path, "a.x=1\nversion=1\na.y=1\n").unwrap();
        assert_eq!((run(&args(true), &output), run(&args(false), &output)), (Ok(Exit::Done), Ok(Exit::Done)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a.x=1\nversion=1\na.y=1\n");
        fs::write(&path, "version = \n").unwrap();
        assert_eq!(run(&args(false), &output), Ok(Exit::Findings));
        assert_eq!(fs::read_to_string(&path).unwrap(), "version = \n");
    }
}
