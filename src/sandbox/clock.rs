//! How far the sandbox's clock is ahead of the real one: the file that PostgreSQL (through libfaketime) and the demo app
//! follow while they run.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::files;
use crate::model::Failure;

/// Name of the file, beside PostgreSQL's data directory.
pub const FILE: &str = "clock";
/// The environment variable by which the demo app finds the file.
pub const VARIABLE: &str = "PGENTRA_SANDBOX_CLOCK";
/// What a machine lacks whose PostgreSQL cannot follow.
pub const REMEDY: &str = "apt-get install libfaketime, then pgentra sandbox down and up again";

/// Where packages put the library: Debian by architecture, others in one directory.
const PLACES: [&str; 3] = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];

/// The library that shifts the clock of a process: `PGENTRA_LIBFAKETIME`, or where packages put it. A variable that names
/// no file switches it off.
pub fn library() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("PGENTRA_LIBFAKETIME") {
        return Some(PathBuf::from(chosen)).filter(|path| path.is_file());
    }
    let below = |place: &str| std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
    let directories = PLACES.iter().flat_map(|place| below(place).chain([PathBuf::from(place)]));
    let mut candidates =
        directories.flat_map(|place| [place.join("faketime/libfaketime.so.1"), place.join("libfaketime.so.1")]);
    candidates.find(|path| path.is_file())
}

/// The environment of a process that follows the file. It is read at each look at the clock, so that no process lags
/// behind; timers and the times of files stay real.
pub fn environment(library: &Path, file: &Path) -> [(&'static str, PathBuf); 6] {
    [
        ("LD_PRELOAD", library.to_path_buf()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_path_buf()),
        ("FAKETIME_NO_CACHE", "1".into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ("NO_FAKE_STAT", "1".into()),
        ("FAKETIME_DISABLE_SHM", "1".into()),
    ]
}

/// Writes how far the clock is ahead, in the words of libfaketime.
pub fn write(file: &Path, ahead: SignedDuration) -> Result<(), Failure> {
    files::write(file, format!("+{}\n", ahead.as_secs()).as_bytes())
}

/// How far the clock is ahead by a file; not at all where there is none.
pub fn read(file: &Path) -> SignedDuration {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    SignedDuration::from_secs(text.trim().trim_start_matches('+').parse().unwrap_or(0))
}

/// Now, by a clock that is this far ahead.
pub fn shifted(ahead: SignedDuration) -> Timestamp {
    let now = Timestamp::now();
    now.checked_add(ahead).unwrap_or(now)
}

/// A moment as HTTP writes it in `Date`.
pub fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::{FILE, http_date, read, write};

    #[test]
    fn the_file_is_in_the_words_of_libfaketime() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        assert_eq!(read(&file), SignedDuration::ZERO);
        write(&file, SignedDuration::from_hours(8 * 24)).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "+691200\n");
        assert_eq!(read(&file), SignedDuration::from_hours(8 * 24));
    }

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(http_date("2026-12-02T09:05:07Z".parse().unwrap()), "Wed, 02 Dec 2026 09:05:07 GMT");
    }
}
