//! What a sandbox says of itself in `sandbox.json`: addresses, process ids, ids, paths; and as shell exports.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cluster_secrets::ClusterSecrets;
use super::{files, names, tls};
use crate::model::{Class, Failure};

/// Name of the file below the sandbox directory.
pub const FILE: &str = "sandbox.json";
/// File with the secret of `pgentra-ci`, mode 0600.
pub const CI_SECRET: &str = "client-secret";
/// File with the secret of `pgentra-reader`, mode 0600.
pub const READER_SECRET: &str = "reader-secret";

/// A sandbox as others find it. Holds no secrets, but the paths of the files that do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Process id of the sandbox while it runs.
    pub pid: Option<u32>,
    /// When that process began, in clock ticks since the machine did: tells it from another with the same id.
    pub pid_started: Option<u64>,
    /// Loopback address of everything.
    pub address: String,
    /// Address of Resource Manager and Entra: `https://ip:port`.
    pub resource_manager: String,
    /// Where managed identities get their tokens.
    pub identity_endpoint: String,
    /// Where a virtual machine's identity does.
    pub machine_identity_host: String,
    /// Host of PostgreSQL; its port is 5432.
    pub postgres_host: String,
    /// PostgreSQL's data directory.
    pub postgres_data: PathBuf,
    /// Address of the app.
    pub app_url: String,
    /// Address of its slot.
    pub slot_url: String,
    /// Tenant.
    pub tenant: String,
    /// Subscription.
    pub subscription: String,
    /// Resource group.
    pub resource_group: String,
    /// CA bundle for clients.
    pub ca_bundle: PathBuf,
}

impl Info {
    /// Reads the file of a sandbox directory; none when there was never a sandbox.
    pub fn read(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        serde_json::from_str(&files::read_text(&path)?).map(Some).map_err(|error| {
            Failure::new(Class::Input, "cannot read what the sandbox wrote")
                .detail(format!("{}: {error}", path.display()))
                .remedy("delete the directory, then begin anew with `pgentra sandbox up`")
        })
    }

    /// Writes the file.
    pub fn write(&self, dir: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| Failure::new(Class::Other, "cannot write sandbox.json").detail(error.to_string()))?;
        files::write(&dir.join(FILE), &text)
    }

    /// The process id of the sandbox, when that very process is alive.
    pub fn alive(&self) -> Option<u32> {
        let started = process_start(self.pid?)?;
        (Some(started) == self.pid_started).then_some(self.pid?)
    }
}

/// When a process began, in clock ticks since the machine did; none when it is gone or only waits to be collected.
pub fn process_start(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    if *fields.first()? == "Z" {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// Shell exports that point pgentra, `az`, the Azure SDKs and libpq at the sandbox, and hold its generated secrets.
pub fn env(dir: &Path) -> Result<String, Failure> {
    let info = Info::read(dir)?.ok_or_else(|| missing(dir))?;
    let directory = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    let secrets = ClusterSecrets::read(dir)?.ok_or_else(|| missing(dir))?;
    let azure = directory.join("azure-config");
    files::make_dir(&azure)?;
    let bundle = tls::bundle(&directory).display().to_string();
    let base = info.resource_manager.as_str();
    let pairs = [
        ("PGENTRA_CLOUD", base),
        ("SSL_CERT_FILE", &bundle),
        ("REQUESTS_CA_BUNDLE", &bundle),
        ("CURL_CA_BUNDLE", &bundle),
        ("NODE_EXTRA_CA_CERTS", &bundle),
        ("PGSSLROOTCERT", &bundle),
        ("PGSSLMODE", "verify-full"),
        ("AZURE_TENANT_ID", names::TENANT),
        ("AZURE_CLIENT_ID", names::CI_CLIENT),
        ("AZURE_CLIENT_SECRET", files::read_text(&dir.join(CI_SECRET))?.trim()),
        ("AZURE_AUTHORITY_HOST", base),
        ("AZURE_SUBSCRIPTION_ID", names::SUBSCRIPTION),
        ("AZURE_CONFIG_DIR", &azure.display().to_string()),
        ("AZURE_CORE_INSTANCE_DISCOVERY", "false"),
        ("AZURE_CORE_COLLECT_TELEMETRY", "0"),
        ("AZURE_CORE_CHECK_FOR_UPGRADE", "false"),
        ("PGENTRA_SANDBOX_DIR", &directory.display().to_string()),
        ("PGENTRA_SANDBOX_URL", base),
        ("PGENTRA_SANDBOX_APP_URL", &info.app_url),
        ("PGENTRA_SANDBOX_SLOT_URL", &info.slot_url),
        // Where Azure's SDKs look for the identity of a virtual machine.
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", &info.machine_identity_host),
        // As IDENTITY_ENDPOINT and IDENTITY_HEADER these make a process act as the app.
        ("PGENTRA_SANDBOX_IDENTITY_ENDPOINT", &info.identity_endpoint),
        ("PGENTRA_SANDBOX_IDENTITY_HEADER", &identity_header(dir)?),
        ("PGENTRA_SANDBOX_POSTGRES_HOST", &info.postgres_host),
        ("PGENTRA_SANDBOX_READER_ID", names::READER_CLIENT),
        ("PGENTRA_SANDBOX_READER_SECRET", files::read_text(&dir.join(READER_SECRET))?.trim()),
        ("GEOAPP_PASSWORD", secrets.app_password.expose()),
        ("PGADMIN_PASSWORD", secrets.admin_password.expose()),
    ]
    .map(|(name, value)| format!("export {name}={}\n", quote(value)));
    Ok(pairs.concat())
}

/// The secret by which the app gets tokens of its managed identity.
fn identity_header(dir: &Path) -> Result<String, Failure> {
    let text = files::read_text(&dir.join(super::run::STATE))?;
    let state: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let header = &state["sites"][super::state::site_key(names::APP, None)]["identity_header"];
    Ok(header.as_str().unwrap_or_default().to_owned())
}

/// The failure of a command that needs a sandbox where there is none.
pub fn missing(dir: &Path) -> Failure {
    Failure::new(Class::NotFound, "there is no sandbox here")
        .detail(dir.display().to_string())
        .remedy("start one with `pgentra sandbox up`, or name its directory with --dir")
}

fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{process_start, quote};

    #[test]
    fn values_are_quoted_for_the_shell() {
        assert_eq!(quote("https://127.0.0.11:8443"), "https://127.0.0.11:8443");
        assert_eq!(quote("a b'c"), r"'a b'\''c'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_process_is_told_by_its_start() {
        assert!(process_start(std::process::id()).is_some());
        assert!(process_start(u32::MAX).is_none());
    }
}
