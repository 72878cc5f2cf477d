//! What came of a call that did not succeed: a refusal, or nothing at all.

use std::time::Duration;

use crate::azure::refusal::Refusal;
use crate::azure::transport::{explain, is_certificate_error};
use crate::model::{Class, Failure};

/// A call that did not succeed.
pub(super) enum Trouble {
    /// Azure answered, with how long it asks to wait.
    Refused(Refusal, Option<Duration>),
    /// Nothing came back. `again`: nothing was sent either. The flag beside the failure: another try may help.
    Network { failure: (Failure, bool), again: bool },
}

impl Trouble {
    /// Nothing came back of this call.
    pub(super) fn network(what: &str, error: &azure_core::Error) -> Self {
        let certificate = is_certificate_error(error);
        let failure = Failure::new(Class::Unreachable, "Azure cannot be reached")
            .detail(format!("{what}: {}", explain(error)))
            .remedy(if certificate {
                "let SSL_CERT_FILE name the certificates of the proxy or private cloud"
            } else {
                "check the network, the proxy (HTTPS_PROXY) and the cloud's address"
            });
        let again = !certificate && matches!(error.kind(), azure_core::error::ErrorKind::Connection);
        Self::Network { failure: (failure, !certificate), again }
    }
}
