//! The HTTP part of kind `check`: an app answers as it should.

use super::Live;
use super::live::{optional_text, site_id, text};
use crate::model::{Attributes, Class, Failure, Value};
use crate::probe::complaint;

/// What is wrong with the answer that `table` (fields `subscription`, `resource_group`, `app` and perhaps `slot`, or
/// `url`; `path`, `expect_status`, `expect`) asks for; empty when it is as expected. An app that cannot be reached is
/// a complaint too: it may be restarting.
pub async fn complaints(live: &Live, table: &Attributes) -> Result<Vec<String>, Failure> {
    let url = address(live, table).await?;
    let page = match live.web.get(&url).await {
        Ok(page) => page,
        Err(failure) if failure.class == Class::Unreachable => return Ok(vec![failure.to_string()]),
        Err(failure) => return Err(failure),
    };
    let mut complaints = Vec::new();
    let wanted = table.get("expect_status").and_then(Value::as_int).unwrap_or(200);
    if i64::from(page.status) != wanted {
        complaints.push(format!("{url} answered {}, expected {wanted}", page.status));
    }
    let expect = table.get("expect").and_then(Value::as_map).filter(|expect| !expect.is_empty());
    if let Some(expect) = expect {
        match serde_json::from_slice(&page.body) {
            Ok(body) => complaints.extend(expect.iter().filter_map(|(path, wanted)| complaint(&body, path, wanted))),
            Err(_) => complaints.push(format!("the answer of {url} is no JSON")),
        }
    }
    Ok(complaints)
}

/// The address to ask: the given one, or `https://` and the app's default host name; the path is added to either.
async fn address(live: &Live, table: &Attributes) -> Result<String, Failure> {
    let path = optional_text(table, "path").unwrap_or_default();
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    if let Some(url) = optional_text(table, "url") {
        let url = if path.is_empty() { url } else { url.trim_end_matches('/') };
        return Ok(format!("{url}{slash}{path}"));
    }
    text(table, "app")?;
    let id = site_id(table)?;
    let site = live.arm.site(&id).await?;
    let host = site.host().ok_or_else(|| Failure::new(Class::Other, format!("{id} has no host name")))?;
    Ok(format!("https://{host}{slash}{path}"))
}

#[cfg(test)]
mod tests {
    use super::{address, complaints};
    use crate::azure::double::{Reply, reply};
    use crate::resources::arm_testing::{attributes, live};
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn the_address_is_the_apps_own() {
        let (live, _) = live(|seen| {
            assert!(seen.path.ends_with("/sites/app/slots/blue"));
            reply(200, json!({ "properties": { "defaultHostName": "app-blue.localhost:8443" } }))
        });
        let table =
            json!({ "subscription": "s", "resource_group": "rg", "app": "app", "slot": "blue", "path": "api/x" });
        assert_eq!(address(&live, &attributes(table)).await.unwrap(), "https://app-blue.localhost:8443/api/x");
        for (url, path, full) in [("http://h/", "/p", "http://h/p"), ("http://h/q", "", "http://h/q")] {
            let table = attributes(json!({ "url": url, "path": path }));
            assert_eq!(address(&live, &table).await.unwrap(), full);
        }
    }

    #[tokio::test]
    async fn status_and_values_are_compared() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let body = r#"{"status":"healthy","database":{"auth_method":"password"}}"#;
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        let (live, _) = live(|_| Reply::Broken);
        let expect = json!({ "status": "healthy", "database.auth_method": "managed_identity" });
        let found = complaints(&live, &attributes(json!({ "url": url, "expect": expect }))).await.unwrap();
        assert_eq!(found, [r#"database.auth_method is "password", expected "managed_identity""#]);
        let found = complaints(&live, &attributes(json!({ "url": url, "expect_status": 503 }))).await.unwrap();
        assert_eq!(found, [format!("{url} answered 200, expected 503")]);
        assert!(complaints(&live, &attributes(json!({ "url": url }))).await.unwrap().is_empty());
        let closed = complaints(&live, &attributes(json!({ "url": "http://127.0.0.1:1" }))).await.unwrap();
        assert!(closed[0].contains("cannot be reached"), "{closed:?}");
    }
}
