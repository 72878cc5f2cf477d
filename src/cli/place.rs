//! Which store a plan file has, and who takes its lock.

use std::path::Path;

use jiff::Timestamp;

use super::locate::Source;
use crate::model::{Class, Failure};
use crate::plan::PlanFile;
use crate::store::{Directory, LockNote};

/// The store of a plan file: what `[store]` says, or `.pgentra/<name>` beside the file.
///
/// # Errors
/// `Input`: a kind of store that this version does not have.
pub fn store(source: &Source, plan: &PlanFile) -> Result<Directory, Failure> {
    let beside = source.path.parent().unwrap_or(Path::new(""));
    match plan.store.as_deref() {
        None => Ok(Directory::new(beside.join(".pgentra").join(file_name(&plan.name)))),
        Some(url) if url.contains("://") => {
            Err(Failure::new(Class::Input, format!("this version has no store for {url:?}"))
                .remedy("name a directory: [store] url = \"path/to/directory\""))
        }
        Some(path) => Ok(Directory::new(beside.join(path))),
    }
}

/// In CI a directory beside the plan file is gone after the job, and with it the journal; so it has to be meant.
///
/// # Errors
/// `Input`, with what to write instead.
pub fn refuse_forgetful(plan: &PlanFile, ci: bool) -> Result<(), Failure> {
    if !ci || plan.store.is_some() {
        return Ok(());
    }
    Err(Failure::new(Class::Input, "no store is named, and this runs in CI")
        .detail(
            "the default store is a directory beside the plan file; a CI job throws it away, and the journal with it",
        )
        .remedy("name a directory that is kept: [store] url = \"path/to/directory\""))
}

/// A plan's name as a file name.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.trim_matches('.').is_empty() { "plan".to_owned() } else { name }
}

/// The note that this process leaves in the lock.
pub fn lock_note(operation: &str) -> LockNote {
    let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name);
    LockNote {
        who: user.unwrap_or_else(|| "unknown".to_owned()),
        host: host.unwrap_or_else(|| "unknown".to_owned()),
        pid: std::process::id(),
        operation: operation.to_owned(),
        since: Timestamp::now(),
    }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_cannot_leave_the_directory() {
        assert_eq!(file_name("rmhazuregeoapi"), "rmhazuregeoapi");
        assert_eq!(file_name("../../etc/x y"), ".._.._etc_x_y");
        assert_eq!((file_name(".."), file_name("")), ("plan".to_owned(), "plan".to_owned()));
    }
}
