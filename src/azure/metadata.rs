//! The instance metadata service of virtual machines: where it is, and the way there when it is somewhere else.

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Url};

use crate::azure::transport::explain;

/// Its address on every Azure virtual machine. The credential of `azure_identity` knows no other.
const HOST: &str = "169.254.169.254";

/// The address to try, as `host:port`, and where calls have to be led instead: `AZURE_POD_IDENTITY_AUTHORITY_HOST`, as
/// in Azure's other SDKs, names a stand-in.
///
/// # Errors
/// When the stand-in is no URL, in one line.
pub(crate) fn metadata(stand_in: Option<&str>) -> Result<(String, Option<Url>), String> {
    let Some(text) = stand_in else { return Ok((format!("{HOST}:80"), None)) };
    let wrong = |why: &str| format!("AZURE_POD_IDENTITY_AUTHORITY_HOST is no address: {why}");
    let url = Url::parse(text).map_err(|error| wrong(&explain(&error)))?;
    let host = url.host_str().ok_or_else(|| wrong("it has no host"))?;
    let port = url.port_or_known_default().unwrap_or(80);
    Ok((format!("{host}:{port}"), Some(url)))
}

/// Leads calls of the metadata service to its stand-in; all others go where they want to.
#[derive(Debug)]
pub(crate) struct Led {
    pub(crate) http: reqwest::Client,
    pub(crate) to: Url,
}

#[async_trait]
impl HttpClient for Led {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        if request.url().host_str() != Some(HOST) {
            return self.http.execute_request(request).await;
        }
        let mut led = request.clone();
        let mut url = self.to.clone();
        url.set_path(request.url().path());
        url.set_query(request.url().query());
        *led.url_mut() = url;
        self.http.execute_request(&led).await
    }
}

#[cfg(test)]
mod tests {
    use super::metadata;

    #[test]
    fn a_stand_in_is_taken() {
        assert_eq!(metadata(None).unwrap().0, "169.254.169.254:80");
        let (address, to) = metadata(Some("http://127.0.0.12:8081/")).unwrap();
        assert_eq!((address.as_str(), to.is_some()), ("127.0.0.12:8081", true));
        assert!(metadata(Some("127.0.0.12")).unwrap_err().contains("AZURE_POD_IDENTITY_AUTHORITY_HOST"));
    }
}
