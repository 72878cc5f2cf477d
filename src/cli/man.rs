//! `man`: the manual page, or one page per command into a directory.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;

use super::exit::Exit;
use super::output::Output;
use crate::model::{Class, Failure};

/// Write the manual page to standard output, or all pages into a directory
#[derive(Args, Clone, Debug, Default)]
pub struct ManArgs {
    /// Write one page per command here
    #[arg(long, value_name = "DIRECTORY")]
    pub into: Option<PathBuf>,
}

/// Runs `man`.
pub fn run(args: &ManArgs, command: Command, output: &Output) -> Result<Exit, Failure> {
    let place = args.into.as_ref().map_or_else(|| "standard output".to_owned(), |into| into.display().to_string());
    let failed = |error: std::io::Error| {
        Failure::new(Class::Other, "cannot write the manual")
            .detail(format!("{place}: {error}"))
            .remedy("name a directory that you may write to")
    };
    if let Some(directory) = &args.into {
        std::fs::create_dir_all(directory).map_err(failed)?;
        clap_mangen::generate_to(command, directory).map_err(failed)?;
    } else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).map_err(failed)?;
        output.data(&String::from_utf8_lossy(&page))?;
    }
    Ok(Exit::Done)
}
