//! Ends the process with the exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    pgentra::cli::run(std::env::args_os()).into()
}
