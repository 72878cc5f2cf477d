//! The generated passwords of the sandbox's PostgreSQL, kept in a file that only their owner can read.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::model::{Class, Failure, Secret};

/// The file in the sandbox's directory that holds them, mode 0600.
pub const FILE: &str = "secrets.json";

/// The two password logins that exist before a migration.
#[derive(Clone, Debug)]
pub struct ClusterSecrets {
    /// The administrator login of the server.
    pub admin_login: String,
    /// Its password.
    pub admin_password: Secret,
    /// The password role of the application; owns its schemas.
    pub app_login: String,
    /// Its password.
    pub app_password: Secret,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    admin_login: String,
    admin_password: String,
    app_login: String,
    app_password: String,
}

impl ClusterSecrets {
    /// Reads them from `directory`; `None` when there are none yet.
    pub fn read(directory: &Path) -> Result<Option<Self>, Failure> {
        let path = directory.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failure(&path, &error)),
        };
        // serde_json's message would quote the text.
        let stored: Stored = serde_json::from_str(&text).map_err(|error| {
            Failure::new(Class::Input, "this is not what the sandbox wrote")
                .detail(format!("{}, line {}", path.display(), error.line()))
                .remedy(format!("delete the directory {} to begin anew", directory.display()))
        })?;
        Ok(Some(Self {
            admin_login: stored.admin_login,
            admin_password: Secret::new(stored.admin_password),
            app_login: stored.app_login,
            app_password: Secret::new(stored.app_password),
        }))
    }

    /// Makes new passwords and writes them to `directory`.
    pub fn create(directory: &Path, admin_login: &str, app_login: &str) -> Result<Self, Failure> {
        let made = Self {
            admin_login: admin_login.to_owned(),
            admin_password: generate()?,
            app_login: app_login.to_owned(),
            app_password: generate()?,
        };
        let path = directory.join(FILE);
        let text = serde_json::to_string_pretty(&Stored {
            admin_login: made.admin_login.clone(),
            admin_password: made.admin_password.expose().to_owned(),
            app_login: made.app_login.clone(),
            app_password: made.app_password.expose().to_owned(),
        })
        .map_err(|error| failure(&path, &error))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failure(&path, &error))?;
        file.write_all(text.as_bytes()).map_err(|error| failure(&path, &error))?;
        Ok(made)
    }
}

fn generate() -> Result<Secret, Failure> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Class::Other, "no random numbers for a password").detail(error.to_string()))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

fn failure(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(Class::Other, "cannot keep the sandbox's passwords").detail(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{ClusterSecrets, FILE};

    #[test]
    fn passwords_are_kept_and_private() {
        let directory = tempfile::tempdir().unwrap();
        assert!(ClusterSecrets::read(directory.path()).unwrap().is_none());
        let made = ClusterSecrets::create(directory.path(), "pgadmin", "geoapp").unwrap();
        let read = ClusterSecrets::read(directory.path()).unwrap().unwrap();
        assert_eq!(read.admin_password.expose(), made.admin_password.expose());
        assert_eq!(read.app_password.expose(), made.app_password.expose());
        assert_ne!(made.admin_password.expose(), made.app_password.expose());
        assert!(made.app_password.expose().len() >= 32);
        let metadata = std::fs::metadata(directory.path().join(FILE)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert!(!format!("{made:?}").contains(made.app_password.expose()));
    }
}
