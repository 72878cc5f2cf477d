//! Endpoints: which addresses and token audiences a cloud has, known for three and discovered for any other.

use serde_json::Value;

use crate::azure::transport::explain;
use crate::model::{Class, Cloud, Endpoints, Failure};

/// The endpoints of a cloud. Custom ones are asked for over `http`.
pub async fn endpoints(cloud: &Cloud, http: &reqwest::Client) -> Result<Endpoints, Failure> {
    let known = |authority: &str, suffix: &str, database: &str| Endpoints {
        authority: format!("https://{authority}"),
        resource_manager: format!("https://management.{suffix}"),
        resource_manager_audience: format!("https://management.{suffix}"),
        postgres_audience: format!("https://ossrdbms-aad.database.{database}"),
    };
    match cloud {
        Cloud::Public => Ok(known("login.microsoftonline.com", "azure.com", "windows.net")),
        Cloud::UsGov => Ok(known("login.microsoftonline.us", "usgovcloudapi.net", "usgovcloudapi.net")),
        Cloud::China => Ok(known("login.chinacloudapi.cn", "chinacloudapi.cn", "chinacloudapi.cn")),
        Cloud::Custom(url) => discover(url, http).await,
    }
}

/// Asks a Resource Manager for its cloud: `GET <url>/metadata/endpoints?api-version=2022-09-01`, without a token.
pub async fn discover(url: &str, http: &reqwest::Client) -> Result<Endpoints, Failure> {
    let base = url.trim_end_matches('/');
    let failure = |class, detail: String| {
        Failure::new(class, "cannot find out the endpoints of the cloud")
            .detail(format!("{base}: {detail}"))
            .remedy("check the cloud's address, the network and the proxy (HTTPS_PROXY)")
    };
    let answer = http
        .get(format!("{base}/metadata/endpoints?api-version=2022-09-01"))
        .send()
        .await
        .map_err(|error| failure(Class::Unreachable, explain(&error)))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| failure(Class::Unreachable, explain(&error)))?;
    if !status.is_success() {
        return Err(failure(Class::Other, format!("HTTP {}", status.as_u16())));
    }
    let body: Value = serde_json::from_slice(&body).map_err(|error| failure(Class::Other, error.to_string()))?;
    from_metadata(base, &body).map_err(|lacking| failure(Class::Other, format!("the answer has no {lacking}")))
}

/// Reads one metadata object, or the one of a list whose Resource Manager is `base`.
fn from_metadata(base: &str, body: &Value) -> Result<Endpoints, &'static str> {
    let trimmed = |value: &Value| value.as_str().map(|text| text.trim_end_matches('/').to_owned());
    let of_base = |cloud: &&Value| trimmed(&cloud["resourceManager"]).is_some_and(|url| url.eq_ignore_ascii_case(base));
    let cloud = match body {
        Value::Array(clouds) => clouds.iter().find(of_base).or(clouds.first()).ok_or("cloud")?,
        one => one,
    };
    let sign_in = &cloud["authentication"];
    let audiences: Vec<&str> =
        sign_in["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let manager = trimmed(&cloud["resourceManager"]).unwrap_or_else(|| base.to_owned());
    // The classic audience (management.core...) is listed first; the Resource Manager's own is preferred.
    let own = audiences.iter().find(|audience| audience.trim_end_matches('/').eq_ignore_ascii_case(&manager));
    Ok(Endpoints {
        authority: trimmed(&sign_in["loginEndpoint"]).ok_or("authentication.loginEndpoint")?,
        resource_manager_audience: own
            .or(audiences.first())
            .map(|audience| (*audience).trim_end_matches('/').to_owned())
            .ok_or("authentication.audiences")?,
        resource_manager: manager,
        postgres_audience: trimmed(&cloud["ossrdbmsResourceId"])
            .or_else(|| trimmed(&cloud["ossrDbmsResourceId"]))
            .ok_or("ossrdbmsResourceId")?,
    })
}

#[cfg(test)]
mod tests {
    use super::from_metadata;
    use serde_json::json;

    #[test]
    fn one_object_or_a_list_is_read() {
        let one = json!({
            "resourceManager": "https://management.local:8443/",
            "authentication": {
                "loginEndpoint": "https://login.local/",
                "audiences": ["https://management.core.local/", "https://management.local:8443/"],
            },
            "ossrdbmsResourceId": "https://ossrdbms-aad.local",
        });
        let read = from_metadata("https://management.local:8443", &one).unwrap();
        assert_eq!(read.authority, "https://login.local");
        assert_eq!(read.resource_manager, "https://management.local:8443");
        assert_eq!(read.resource_manager_audience, "https://management.local:8443");
        assert_eq!(read.postgres_audience, "https://ossrdbms-aad.local");
        let list = json!([{ "resourceManager": "https://other/" }, one]);
        assert_eq!(from_metadata("https://management.local:8443", &list).unwrap(), read);
    }

    #[test]
    fn what_is_lacking_is_named() {
        let body = json!({ "authentication": { "loginEndpoint": "https://l", "audiences": ["https://a"] } });
        assert_eq!(from_metadata("https://m", &body), Err("ossrdbmsResourceId"));
    }
}
