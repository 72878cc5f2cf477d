//! Transport: the one HTTP client that everything in Azure is reached through, and whom it trusts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Class, Failure};

/// The variables of this process's environment whose names and values are Unicode.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The shared HTTP client: rustls with the platform's roots plus [`extra_certificates`]. It follows no redirects, so
/// that no token can be carried to another host.
pub fn http_client(variables: &BTreeMap<String, String>) -> Result<reqwest::Client, Failure> {
    let builder = reqwest::Client::builder()
        .tls_certs_merge(extra_certificates(variables)?)
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_mins(1))
        .redirect(reqwest::redirect::Policy::none());
    builder.build().map_err(|error| {
        Failure::new(Class::Other, "cannot set up the HTTP client")
            .remedy("check the proxy (HTTPS_PROXY) and the certificates of this machine")
            .detail(explain(&error))
    })
}

/// The certificates in `SSL_CERT_FILE`, if that is set. On Linux the platform's verifier reads it too; elsewhere it
/// does not.
pub fn extra_certificates(variables: &BTreeMap<String, String>) -> Result<Vec<reqwest::Certificate>, Failure> {
    let Some(path) = variables.get("SSL_CERT_FILE").filter(|path| !path.is_empty()) else { return Ok(Vec::new()) };
    let failure = |detail: String| {
        Failure::new(Class::Input, "cannot use the certificates in SSL_CERT_FILE")
            .detail(format!("{path}: {detail}"))
            .remedy("let SSL_CERT_FILE name a readable file of PEM certificates, or unset it")
    };
    let pem = std::fs::read(path).map_err(|error| failure(error.to_string()))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| failure(explain(&error)))
}

/// An error with all its causes in one line; reqwest's own text leaves the causes out.
pub(crate) fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.is_empty() && !texts.iter().any(|seen| seen.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

/// Whether a certificate is why a call failed. Another try cannot help then.
pub(crate) fn is_certificate_error(error: &(dyn std::error::Error + 'static)) -> bool {
    let text = explain(error).to_ascii_lowercase();
    text.contains("certificate") || text.contains("unknownissuer")
}

#[cfg(test)]
mod tests {
    use super::http_client;
    use crate::model::Class;
    use std::collections::BTreeMap;

    #[test]
    fn an_unreadable_certificate_file_is_said_at_once() {
        let variables = BTreeMap::from([("SSL_CERT_FILE".to_owned(), "/nonexistent/ca.pem".to_owned())]);
        let failure = http_client(&variables).unwrap_err();
        assert_eq!(failure.class, Class::Input);
        assert!(failure.first_cause().contains("/nonexistent/ca.pem"), "{failure}");
    }
}
