//! Where the sandbox's PostgreSQL keeps its files, which user owns them, and that this user can reach them.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::clock;
use crate::model::{Class, Failure, hex};

/// The longest path of a Unix socket that every system takes, without the closing zero byte.
const SOCKET_PATH_LIMIT: usize = 103;
/// The longest name of PostgreSQL's socket, with the slash before it.
const SOCKET_NAME: &str = "/.s.PGSQL.65535.lock";

/// The user that the server runs as, where it is not the user who runs the sandbox: PostgreSQL refuses root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUser {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

/// The directories of one cluster.
#[derive(Debug)]
pub struct Files {
    /// Holds all but, where that cannot be reached by the server's user, see [`Files::prepare`], the next three.
    pub directory: PathBuf,
    /// The data directory; there may be none yet.
    pub data: PathBuf,
    /// What the server says.
    pub log: PathBuf,
    /// How far the clock is ahead.
    pub clock: PathBuf,
    /// The directory of the Unix socket, open to the server's user alone.
    pub socket: PathBuf,
    /// The user to run the server as; `None` for our own.
    pub user: Option<ServerUser>,
    /// Where the path of the socket would have been too long; deleted with the sandbox.
    _short_socket: Option<TempDir>,
    /// Held while the sandbox lives, so that no second one runs in the directory.
    _lock: File,
}

impl Files {
    /// Makes the directories and locks them. When root runs the sandbox and the server's user cannot pass through the
    /// directories above, the server's files are put below the system's temporary directory instead.
    pub fn prepare(directory: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(directory).map_err(|error| cannot("make", directory, &error))?;
        let directory = directory.canonicalize().map_err(|error| cannot("find", directory, &error))?;
        let lock = lock(&directory)?;
        let user = server_user()?;
        let base = match &user {
            None => directory.clone(),
            Some(user) => reachable(&directory, user)?,
        };
        let mut socket = base.join("run");
        private(&socket, user.as_ref())?;
        let mut short_socket = None;
        if socket.as_os_str().len() + SOCKET_NAME.len() > SOCKET_PATH_LIMIT {
            let short = short_directory(user.as_ref())?;
            socket = short.path().to_path_buf();
            short_socket = Some(short);
        }
        Ok(Self {
            data: base.join("pgdata"),
            log: base.join("postgresql.log"),
            clock: base.join(clock::FILE),
            directory,
            socket,
            user,
            _short_socket: short_socket,
            _lock: lock,
        })
    }

    /// Makes an empty directory of the server's user beside the data directory, to initialise in.
    pub fn fresh_data(&self) -> Result<PathBuf, Failure> {
        let fresh = self.data.with_extension("new");
        match fs::remove_dir_all(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot("remove", &fresh, &error)),
            _ => {}
        }
        private(&fresh, self.user.as_ref())?;
        Ok(fresh)
    }
}

fn lock(directory: &Path) -> Result<File, Failure> {
    let path = directory.join("lock");
    let file = File::create(&path).map_err(|error| cannot("make", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::new(Class::Locked, "another sandbox is running here")
            .detail(directory.display().to_string())
            .remedy("stop it, or give this one a directory of its own")),
        Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
    }
}

fn server_user() -> Result<Option<ServerUser>, Failure> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Ok(Some(user)) = User::from_name(name) {
            return Ok(Some(ServerUser { name: name.to_owned(), uid: user.uid.as_raw(), gid: user.gid.as_raw() }));
        }
    }
    Err(Failure::new(Class::Other, "PostgreSQL does not run as root, and there is no user postgres or nobody")
        .remedy("run the sandbox as another user than root"))
}

/// The directory itself when `user` can pass through it, else one for it below the temporary directory.
fn reachable(directory: &Path, user: &ServerUser) -> Result<PathBuf, Failure> {
    let above_open = directory.ancestors().skip(1).all(|above| passable(above, user));
    if above_open {
        let metadata = fs::metadata(directory).map_err(|error| cannot("read", directory, &error))?;
        if !passable(directory, user) {
            // The sandbox's own directory, whose secrets have modes of their own: let the server pass through.
            let mode = metadata.permissions().mode() | 0o011;
            fs::set_permissions(directory, fs::Permissions::from_mode(mode))
                .map_err(|error| cannot("open", directory, &error))?;
        }
        return Ok(directory.to_path_buf());
    }
    let digest = hex(&Sha256::digest(directory.as_os_str().as_encoded_bytes()));
    let elsewhere = std::env::temp_dir().join(format!("pgentra-{}", &digest[..12]));
    if !elsewhere.parent().is_some_and(|above| above.ancestors().all(|above| passable(above, user))) {
        return Err(Failure::new(Class::Other, "the user whom PostgreSQL runs as cannot reach the directory")
            .detail(format!("{}: {}", user.name, directory.display()))
            .remedy("give the sandbox a directory that every user can pass through, such as one below /var/tmp"));
    }
    private(&elsewhere, Some(user))?;
    Ok(elsewhere)
}

fn passable(directory: &Path, user: &ServerUser) -> bool {
    fs::metadata(directory).is_ok_and(|metadata| {
        let mode = metadata.mode();
        let bit = match (metadata.uid() == user.uid, metadata.gid() == user.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        mode & bit != 0
    })
}

/// Makes a directory that only the server's user can enter; an existing one must already be his, and no link.
fn private(directory: &Path, user: Option<&ServerUser>) -> Result<(), Failure> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => give(directory, user),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(directory).map_err(|error| cannot("read", directory, &error))?;
            let owner = user.map_or_else(|| geteuid().as_raw(), |user| user.uid);
            if metadata.is_dir() && metadata.uid() == owner {
                return give(directory, user);
            }
            Err(Failure::new(Class::Conflict, "the directory does not belong to the user whom PostgreSQL runs as")
                .detail(directory.display().to_string())
                .remedy("remove it, or run the sandbox as the user who made it"))
        }
        Err(error) => Err(cannot("make", directory, &error)),
    }
}

fn give(directory: &Path, user: Option<&ServerUser>) -> Result<(), Failure> {
    let given = || -> io::Result<()> {
        if let Some(user) = user {
            chown(directory, Some(user.uid), Some(user.gid))?;
        }
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
    };
    given().map_err(|error| cannot("give away", directory, &error))
}

fn short_directory(user: Option<&ServerUser>) -> Result<TempDir, Failure> {
    let parent = Path::new("/tmp");
    let made = tempfile::Builder::new()
        .prefix("pgentra-")
        .tempdir_in(parent)
        .map_err(|error| cannot("make", parent, &error))?;
    give(made.path(), user)?;
    Ok(made)
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Class::Other, "the sandbox's files cannot be used")
        .detail(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use crate::model::Class;

    use super::{Files, SOCKET_PATH_LIMIT, ServerUser, passable};

    #[test]
    fn a_second_sandbox_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let first = Files::prepare(directory.path()).unwrap();
        assert_eq!(Files::prepare(directory.path()).unwrap_err().class, Class::Locked);
        drop(first);
        Files::prepare(directory.path()).unwrap();
    }

    #[test]
    fn a_long_path_moves_the_socket() {
        let directory = tempfile::tempdir().unwrap();
        let short = Files::prepare(directory.path()).unwrap();
        assert!(short.socket.starts_with(&short.directory));
        let long = Files::prepare(&directory.path().join("x".repeat(SOCKET_PATH_LIMIT))).unwrap();
        assert!(!long.socket.starts_with(&long.directory) && long.socket.as_os_str().len() < 60);
        assert!(long.data.starts_with(&long.directory));
    }

    #[test]
    fn only_the_servers_user_enters_the_socket_directory() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::prepare(directory.path()).unwrap();
        assert_eq!(fs::metadata(&files.socket).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn passing_through_is_judged_by_owner_group_and_others() {
        let directory = tempfile::tempdir().unwrap();
        let stranger = ServerUser { name: "stranger".into(), uid: 4_000_000, gid: 4_000_000 };
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!passable(directory.path(), &stranger));
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert!(passable(directory.path(), &stranger));
    }

    #[test]
    fn root_puts_the_data_where_the_server_can_reach_it() {
        let directory = tempfile::tempdir().unwrap();
        let closed = directory.path().join("closed");
        let files = Files::prepare(&closed.join("sandbox")).unwrap();
        assert!(files.data.starts_with(&files.directory) || files.user.is_some());
        let Some(user) = files.user.clone() else { return };
        drop(files);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let files = Files::prepare(&closed.join("sandbox")).unwrap();
        assert!(!files.data.starts_with(&files.directory));
        assert!(files.data.ancestors().skip(2).all(|above| passable(above, &user)));
        let base = files.data.parent().unwrap().to_path_buf();
        drop(files);
        fs::remove_dir_all(base).unwrap();
    }
}
