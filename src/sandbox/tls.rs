//! The sandbox's certificate authority, its leaf certificate for the loopback address, and the CA bundle for clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::files;
use crate::model::{Class, Failure};

/// Where the authority's own certificate lies, below the sandbox directory.
pub const AUTHORITY: &str = "ca.pem";
/// Where the bundle of the system's authorities and ours lies.
pub const BUNDLE: &str = "ca-bundle.pem";

/// Where systems keep their authorities.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A certificate authority of one sandbox.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Class::Other, "cannot make the sandbox's certificates").detail(error.to_string())
}

impl Authority {
    /// The authority of a sandbox directory: its key and certificate are made there when missing.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
        let (key_path, path) = (dir.join("ca.key"), dir.join(AUTHORITY));
        let mut params = CertificateParams::new(Vec::<String>::new()).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, "pgentra sandbox authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = if key_path.exists() && path.exists() {
            KeyPair::from_pem(&files::read_text(&key_path)?).map_err(failed)?
        } else {
            let key = KeyPair::generate().map_err(failed)?;
            let certificate = params.self_signed(&key).map_err(failed)?;
            files::write_secret(&key_path, key.serialize_pem().as_bytes())?;
            files::write(&path, certificate.pem().as_bytes())?;
            key
        };
        let authority = files::read_text(&path)?;
        let system = SYSTEM.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        files::write(&dir.join(BUNDLE), format!("{authority}\n{system}").as_bytes())?;
        Ok(Self { issuer: Issuer::new(params, key) })
    }

    /// TLS as a server of these names and addresses, with these protocols in ALPN.
    pub fn server(&self, names: &[String], protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, Failure> {
        let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, "pgentra sandbox");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(failed)?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// The path of the bundle of a sandbox directory.
pub fn bundle(dir: &Path) -> PathBuf {
    dir.join(BUNDLE)
}
