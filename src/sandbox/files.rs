//! Files of a sandbox directory: reading, writing whole, writing so that only the owner can read.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::model::{Class, Failure};

fn failure(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Class::Other, "the sandbox's files cannot be used")
        .detail(format!("cannot {verb} {}: {error}", path.display()))
}

/// The content of a file.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| failure("read", path, &error))
}

/// The content of a text file.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| failure("read", path, &error))
}

/// Writes a file whole: readers see the old content or the new one, never a part.
pub fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_mode(path, content, 0o644)
}

/// Writes a file whole that only the owner can read.
pub fn write_secret(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_mode(path, content, 0o600)
}

fn write_mode(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let written = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(new)?;
        file.write_all(content)?;
        std::fs::rename(new, path)
    };
    written().map_err(|error| failure("write", path, &error))
}

/// Makes a directory that only the owner can enter.
pub fn make_dir(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(|error| failure("make directory", path, &error))
}

/// Removes a file; one that is not there is fine.
pub fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failure("remove", path, &error)),
        _ => Ok(()),
    }
}
