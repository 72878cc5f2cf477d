//! `fmt`: brings a plan file into its one layout, or says that it is not.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::args::PlanFileArg;
use super::exit::Exit;
use super::findings;
use super::locate;
use super::output::{Output, unwritten};
use crate::model::Failure;
use crate::plan::format;
use crate::report::clean;

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
        Ok(formatted) => formatted,
        Err(findings) => return Ok(findings::report(output, &source, &findings)),
    };
    if formatted == source.text {
        return Ok(Exit::Done);
    }
    if !args.check {
        replace(&source.path, &formatted)?;
    }
    output.data(&format!("{}\n", clean(&source.path.display().to_string())))?;
    Ok(if args.check { Exit::Changes } else { Exit::Done })
}

/// Writes a file so that a crash leaves the old text or the new one, never half of it.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| unwritten(path, &error);
    // Through a symbolic link the file that it names is replaced, not the link.
    let path: PathBuf = path.canonicalize().map_err(failed)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let permissions = std::fs::metadata(&path).map_err(failed)?.permissions();
    file.as_file().set_permissions(permissions).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
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
        fs::write(&path, "version = \n").unwrap();
        assert_eq!(run(&args(false), &output), Ok(Exit::Findings));
        assert_eq!(fs::read_to_string(&path).unwrap(), "version = \n");
    }
}
