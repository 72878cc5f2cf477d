//! Writes a file so that a crash leaves the old text or the new one, never half of it, and says who may read it.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::output::unwritten;
use crate::model::Failure;

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Whoever could read the file that is replaced; there has to be one.
    AsBefore,
    /// Its owner alone, whoever could read what was there before.
    Owner,
}

/// Writes a file in the place of another, or a new one.
///
/// # Errors
/// `Input`: it cannot be written.
pub fn replace(path: &Path, text: &str, readers: Readers) -> Result<(), Failure> {
    let failed = |error: std::io::Error| unwritten(path, &error);
    // Through a symbolic link the file that it names is replaced, not the link.
    let real: PathBuf = if path.exists() { path.canonicalize().map_err(failed)? } else { path.to_owned() };
    if readers == Readers::Owner && real.exists() && !real.is_file() {
        // A pipe or a device has no text that could be replaced.
        return std::fs::write(&real, text).map_err(failed);
    }
    let directory = real.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let permissions = match readers {
        Readers::AsBefore => std::fs::metadata(&real).map_err(failed)?.permissions(),
        Readers::Owner => Permissions::from_mode(0o600),
    };
    file.as_file().set_permissions(permissions).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&real).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Readers, replace};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn the_owner_alone_reads_what_is_private_whoever_could_before() {
        let directory = tempfile::tempdir().unwrap();
        let (new, old, link) = ["new", "old", "link"].map(|name| directory.path().join(name)).into();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::write(&old, "old").unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o644)).unwrap();
        symlink(&old, &link).unwrap();
        replace(&old, "kept", Readers::AsBefore).unwrap();
        assert_eq!((fs::read_to_string(&old).unwrap().as_str(), mode(&old)), ("kept", 0o644));
        for path in [&new, &link] {
            replace(path, "private", Readers::Owner).unwrap();
            assert_eq!((fs::read_to_string(path).unwrap().as_str(), mode(path)), ("private", 0o600));
        }
        assert!(link.is_symlink() && mode(&old) == 0o600);
        assert!(replace(&directory.path().join("no/file"), "", Readers::Owner).is_err());
        replace(std::path::Path::new("/dev/null"), "private", Readers::Owner).unwrap();
    }
}
