//! Which store a plan file has, how it is opened, and who takes its lock.

use std::path::Path;

use jiff::Timestamp;

use super::args::Global;
use super::live;
use super::locate::Source;
use crate::azure::{environment, http_client};
use crate::model::{Auth, BlobPlace, Class, Failure, StoreUrl, Target};
use crate::plan::PlanFile;
use crate::store::{AzBlob, Directory, LockNote, Postgres, Store};

/// The store of a plan file: what `[store]` says, or `.pgentra/<name>` beside the file.
///
/// # Errors
/// What [`open`] meets.
pub async fn store(source: &Source, plan: &PlanFile, global: &Global) -> Result<Box<dyn Store>, Failure> {
    open(&place(source, plan)?, &plan.target, global).await
}

/// Where that store is, as a text that [`open`] takes whatever directory a later process starts in.
///
/// # Errors
/// When the current directory is gone.
pub fn place(source: &Source, plan: &PlanFile) -> Result<String, Failure> {
    let beside = source.path.parent().unwrap_or(Path::new(""));
    let directory = match plan.store.as_deref() {
        None => beside.join(".pgentra").join(file_name(&plan.name)),
        Some(url) if url.contains("://") => return Ok(url.to_owned()),
        Some(path) => beside.join(path),
    };
    Ok(Directory::new(directory).root()?.display().to_string())
}

/// The store in a container.
///
/// # Errors
/// What finding out the cloud's endpoints meets.
pub async fn blobs(place: &BlobPlace, target: &Target, global: &Global) -> Result<AzBlob, Failure> {
    let (_, tokens) = live::tokens(target, global).await?;
    AzBlob::new(place, &live::cloud_of(target), tokens, http_client(&environment())?)
}

/// Opens a store. A directory needs nothing, the others sign in when they are first used.
///
/// # Errors
/// `Input`: it is the place of no store. What finding out the cloud's endpoints meets.
pub async fn open(place: &str, target: &Target, global: &Global) -> Result<Box<dyn Store>, Failure> {
    if !place.contains("://") {
        return Ok(Box::new(Directory::new(place)));
    }
    let url: StoreUrl = place.parse().map_err(|why: String| {
        let (what, remedy) = why.split_once("; ").unwrap_or((&why, "name a directory: [store] url = \"directory\""));
        Failure::new(Class::Input, "this cannot be the place of a store").detail(what).remedy(remedy)
    })?;
    Ok(match url {
        StoreUrl::Directory(path) => Box::new(Directory::new(path)),
        StoreUrl::Blobs(place) => Box::new(blobs(&place, target, global).await?),
        StoreUrl::Postgres(place) => {
            let tokens = match place.auth {
                Auth::Password(_) => None,
                Auth::Token => {
                    let (endpoints, tokens) = live::tokens(target, global).await?;
                    Some((tokens, endpoints.postgres_audience))
                }
            };
            Box::new(Postgres::new(place, tokens))
        }
    })
}

/// Whether this runs in a CI job: by convention `CI` is set there, to `true` or `1`; Azure Pipelines sets `TF_BUILD`.
pub fn in_ci(env: &dyn Fn(&str) -> Option<String>) -> bool {
    let off = |value: &str| ["", "0", "false"].iter().any(|off| value.trim().eq_ignore_ascii_case(off));
    ["CI", "TF_BUILD"].iter().any(|name| env(name).is_some_and(|value| !off(&value)))
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
        .remedy(
            "name one that is kept: [store] url = \"azblob://account/container/prefix\", \
             \"postgres://user@host/database\" or \"path/to/a/kept/directory\"",
        ))
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
    use super::{Global, Target, file_name, in_ci, open};
    use crate::model::{Class, Cloud};

    #[test]
    fn names_cannot_leave_the_directory() {
        assert_eq!(file_name("rmhazuregeoapi"), "rmhazuregeoapi");
        assert_eq!(file_name("../../etc/x y"), ".._.._etc_x_y");
        assert_eq!((file_name(".."), file_name("")), ("plan".to_owned(), "plan".to_owned()));
    }

    #[test]
    fn ci_systems_are_known() {
        let set =
            |name: &'static str, value: &'static str| move |asked: &str| (asked == name).then(|| value.to_owned());
        for (name, value) in [("CI", "true"), ("CI", "1"), ("CI", "True"), ("TF_BUILD", "True")] {
            assert!(in_ci(&set(name, value)), "{name}={value}");
        }
        for (name, value) in [("CI", ""), ("CI", "0"), ("CI", "False"), ("TF_BUILD", "False"), ("HOME", "true")] {
            assert!(!in_ci(&set(name, value)), "{name}={value}");
        }
    }

    #[tokio::test]
    async fn a_store_is_opened_by_its_place() {
        let target = Target { cloud: Cloud::China, ..Target::default() };
        for (place, shown) in [
            ("/srv/state", "/srv/state"),
            ("azblob://account/state/team/", "azblob://account/state/team"),
            ("azblob+https://127.0.0.1:1/account/state", "azblob+https://127.0.0.1:1/account/state"),
            ("postgres://me@db.example.net/ops", "postgres://me@db.example.net:5432/ops?schema=pgentra"),
            ("postgres://me@db/ops?password_env=PW&schema=s", "postgres://me@db:5432/ops?schema=s"),
        ] {
            let store = open(place, &target, &Global::default()).await.unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(store.place(), shown);
        }
        let Err(failure) = open("s3://bucket", &target, &Global::default()).await else { panic!("opened") };
        assert_eq!(failure.class, Class::Input);
        assert!(failure.remedy.is_some_and(|remedy| remedy.contains("azblob://")));
    }
}
