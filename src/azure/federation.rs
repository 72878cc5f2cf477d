//! Federation: GitHub's OpenID Connect token as a client assertion, asked for anew each time Entra is.

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;

use crate::azure::transport::explain;
use crate::model::Secret;

/// Asks GitHub Actions for the job's token. It lives for minutes only, so it is never kept.
#[derive(Debug)]
pub(crate) struct GitHub {
    http: reqwest::Client,
    url: String,
    bearer: Secret,
    audience: &'static str,
}

impl GitHub {
    /// `url` and `bearer` are the job's `ACTIONS_ID_TOKEN_REQUEST_URL` and `_TOKEN`; the audience follows the
    /// authority.
    pub(crate) fn new(http: reqwest::Client, url: &str, bearer: &str, authority: &str) -> Self {
        Self { http, url: url.to_owned(), bearer: Secret::new(bearer), audience: audience(authority) }
    }

    async fn ask(&self) -> Result<String, String> {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{mark}audience={}", self.url, self.audience.replace(':', "%3A").replace('/', "%2F"));
        let request = self.http.get(url).bearer_auth(self.bearer.expose());
        let answer = request.send().await.map_err(|error| explain(&error.without_url()))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| explain(&error.without_url()))?;
        if !status.is_success() {
            return Err(format!("GitHub answered HTTP {} to the request for the job's token", status.as_u16()));
        }
        let body: serde_json::Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        body["value"].as_str().map(str::to_owned).ok_or_else(|| "GitHub's answer holds no token".to_owned())
    }
}

/// The audience that Entra expects of federated tokens in each cloud.
fn audience(authority: &str) -> &'static str {
    match authority.trim_end_matches('/').rsplit('.').next() {
        Some("us") => "api://AzureADTokenExchangeUSGov",
        Some("cn") => "api://AzureADTokenExchangeChina",
        _ => "api://AzureADTokenExchange",
    }
}

#[async_trait]
impl ClientAssertion for GitHub {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.ask().await.map_err(|text| azure_core::Error::with_message(ErrorKind::Credential, text))
    }
}

#[cfg(test)]
mod tests {
    use super::audience;

    #[test]
    fn each_cloud_has_its_audience() {
        assert_eq!(audience("https://login.microsoftonline.com"), "api://AzureADTokenExchange");
        assert_eq!(audience("https://login.microsoftonline.us/"), "api://AzureADTokenExchangeUSGov");
        assert_eq!(audience("https://login.chinacloudapi.cn"), "api://AzureADTokenExchangeChina");
    }
}
