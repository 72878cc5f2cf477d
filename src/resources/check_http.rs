//! The HTTP part of kind `check`: an app answers as it should, and finishes what it was asked to do.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::Live;
use super::live::{fetch, no_span, optional_text, site_id, text};
use crate::model::{Attributes, Class, Failure, Field, SecretSource, Type, Value, duration};
use crate::probe::{Ask, Page, complaint, fill};

/// How long a follow-up may take, where the plan file does not say.
const FOLLOW_WITHIN: &str = "2m";
/// The pause between two looks of a follow-up, where the plan file does not say.
const FOLLOW_EVERY: &str = "2s";

const VALUES: Type = Type::Map(&Type::Any(&[Type::Text, Type::Bool, Type::Int]));

/// What an HTTP check is made of.
pub(super) const HTTP: &[Field] = &[
    Field::new("subscription", Type::Text, "Azure subscription id of the app."),
    Field::new("resource_group", Type::Text, "Azure resource group of the app."),
    Field::new("app", Type::Text, "The app, by its Azure name."),
    Field::new("slot", Type::Text, "A deployment slot of the app."),
    Field::new("url", Type::Text, "Where to ask, instead of an app."),
    Field::new("method", Type::Text, "The HTTP method; GET by default."),
    Field::new("path", Type::Text, "The path to ask for."),
    Field::new("headers", Type::Map(&Type::Text), "Headers to send, by name."),
    Field::new("body", Type::Text, "The body to send; JSON is sent as such."),
    Field::new("function_key", Type::Table(KEY), "A function key, sent as `x-functions-key`."),
    Field::new("token", Type::Text, "The audience of an Entra token to send; of whoever runs pgentra."),
    Field::new("expect_status", Type::Int, "The HTTP status to expect; 200 by default."),
    Field::new("expect", VALUES, "JSON path in the answer -> the value to expect."),
    Field::new("expect_text", Type::List(&Type::Text), "Texts that the answer has to contain."),
    Field::new("latency", Type::Duration, "The longest time that the answer may take."),
    Field::new("follow", Type::Table(FOLLOW), "What to look at until the app has finished what it was asked to do."),
];

const KEY: &[Field] = &[Field::new("env", Type::Text, "The environment variable that holds the key.").required()];

const FOLLOW: &[Field] = &[
    Field::new("path", Type::Text, "The path to look at; `{job_id}` is filled in from the first answer.").required(),
    Field::new("until", VALUES, "JSON path in the answer -> the value that means it is finished.").required(),
    Field::new("fail", VALUES, "JSON path in the answer -> the value that means it failed."),
    Field::new("within", Type::Duration, "How long it may take; 2m by default."),
    Field::new("every", Type::Duration, "How long to wait between two looks; 2s by default."),
];

/// What is wrong with the answer that `table` (the fields of [`HTTP`]) asks for; empty when it is as expected. An app
/// that cannot be reached is a complaint too: it may be restarting.
pub async fn complaints(live: &Live, table: &Attributes) -> Result<Vec<String>, Failure> {
    let base = base(live, table).await?;
    let ask = Ask { url: joined(&base, optional_text(table, "path").unwrap_or_default()), ..ask(live, table).await? };
    let page = match live.web.ask(&ask).await {
        Ok(page) => page,
        Err(failure) if failure.class == Class::Unreachable => return Ok(vec![failure.in_a_line()]),
        Err(failure) => return Err(failure),
    };
    let mut found = answer(&ask.url, &page, table);
    if found.is_empty()
        && let Some(follow) = table.get("follow").and_then(Value::as_map)
    {
        found.extend(followed(live, (&base, &ask, &page), follow).await?);
    }
    Ok(found)
}

/// The answer that `table` asks for, and where it was asked. Follows nothing up.
pub(super) async fn page(live: &Live, table: &Attributes) -> Result<(String, Page), Failure> {
    let base = base(live, table).await?;
    let url = joined(&base, optional_text(table, "path").unwrap_or_default());
    let ask = Ask { url: url.clone(), ..ask(live, table).await? };
    Ok((url, live.web.ask(&ask).await?))
}

/// What is wrong with one answer.
fn answer(url: &str, page: &Page, table: &Attributes) -> Vec<String> {
    let mut found = Vec::new();
    let wanted = table.get("expect_status").and_then(Value::as_int).unwrap_or(200);
    if i64::from(page.status) != wanted {
        found.push(format!("{url} answered {}, expected {wanted}", page.status));
    }
    if let Some(expect) = table.get("expect").and_then(Value::as_map).filter(|expect| !expect.is_empty()) {
        match serde_json::from_slice(&page.body) {
            Ok(body) => found.extend(expect.iter().filter_map(|(path, wanted)| complaint(&body, path, wanted))),
            Err(_) => found.push(format!("the answer of {url} is no JSON")),
        }
    }
    let body = String::from_utf8_lossy(&page.body);
    let texts = table.get("expect_text").and_then(Value::as_list).unwrap_or_default();
    for wanted in texts.iter().filter_map(Value::as_text).filter(|wanted| !body.contains(wanted)) {
        found.push(format!("the answer of {url} does not contain {wanted:?}"));
    }
    if let Some(longest) = optional_text(table, "latency").and_then(duration)
        && page.took > longest.unsigned_abs()
    {
        found.push(format!("{url} took {} ms, expected at most {} ms", page.took.as_millis(), longest.as_millis()));
    }
    found
}

/// Looks again and again until the app has finished, failed, or had its time.
async fn followed(
    live: &Live,
    (base, first, page): (&str, &Ask, &Page),
    follow: &Attributes,
) -> Result<Vec<String>, Failure> {
    let Ok(body) = serde_json::from_slice::<Json>(&page.body) else {
        return Ok(vec![format!("the answer of {} is no JSON, so that nothing can be followed", first.url)]);
    };
    let path = match fill(text(follow, "path")?, &body) {
        Ok(path) => path,
        Err(why) => return Ok(vec![format!("{}: {why}", first.url)]),
    };
    let ask = Ask { method: String::new(), url: joined(base, &path), body: None, ..first.clone() };
    let within = span(follow, "within", FOLLOW_WITHIN)?;
    let every = span(follow, "every", FOLLOW_EVERY)?;
    let values = |name: &str| follow.get(name).and_then(Value::as_map);
    let start = Instant::now();
    loop {
        let seen = match live.web.ask(&ask).await {
            Ok(page) if page.status == 200 => {
                serde_json::from_slice::<Json>(&page.body).map_err(|_| "no JSON".to_owned())
            }
            Ok(page) => Err(format!("HTTP {}", page.status)),
            Err(failure) if failure.class == Class::Unreachable => Err(failure.in_a_line()),
            Err(failure) => return Err(failure),
        };
        let missing = match &seen {
            Ok(json) => {
                let differs = |(path, wanted): (&String, &Value)| complaint(json, path, wanted);
                if let Some(failed) = values("fail").filter(|fail| !fail.is_empty())
                    && failed.iter().all(|entry| differs(entry).is_none())
                {
                    return Ok(vec![format!("{path} says that it failed")]);
                }
                values("until").into_iter().flatten().filter_map(differs).collect::<Vec<_>>()
            }
            Err(why) => vec![why.clone()],
        };
        if missing.is_empty() {
            return Ok(missing);
        }
        if start.elapsed() + every > within {
            return Ok(vec![format!("{path} was not finished within {} s: {}", within.as_secs(), missing.join(", "))]);
        }
        tokio::time::sleep(every).await;
    }
}

fn span(table: &Attributes, name: &str, default: &str) -> Result<Duration, Failure> {
    let text = optional_text(table, name).unwrap_or(default);
    let length = duration(text).ok_or_else(|| no_span(name, text, default))?;
    Ok(length.unsigned_abs())
}

/// The request without its address.
async fn ask(live: &Live, table: &Attributes) -> Result<Ask, Failure> {
    let mut ask = Ask { method: optional_text(table, "method").unwrap_or_default().to_owned(), ..Ask::default() };
    for (name, value) in table.get("headers").and_then(Value::as_map).into_iter().flatten() {
        ask.headers.push((name.clone(), value.as_text().unwrap_or_default().to_owned()));
    }
    ask.body = optional_text(table, "body").map(str::to_owned);
    let typed = ask.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if !typed && ask.body.as_deref().is_some_and(|body| serde_json::from_str::<Json>(body).is_ok()) {
        ask.headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    if let Some(key) = table.get("function_key").and_then(Value::as_map) {
        let key = fetch(&SecretSource::Env(text(key, "env")?.to_owned()))?;
        ask.credentials.push(("x-functions-key".to_owned(), key));
    }
    if let Some(audience) = optional_text(table, "token") {
        let token = live.arm.tokens().token(audience).await?;
        let bearer = crate::model::Secret::new(format!("Bearer {}", token.secret.expose()));
        ask.credentials.push(("authorization".to_owned(), bearer));
    }
    Ok(ask)
}

/// Where the app is: the given address, or `https://` and the app's default host name.
async fn base(live: &Live, table: &Attributes) -> Result<String, Failure> {
    if let Some(url) = optional_text(table, "url") {
        return Ok(url.to_owned());
    }
    text(table, "app")?;
    let id = site_id(table)?;
    let site = live.arm.site(&id).await?;
    let host = site.host().ok_or_else(|| {
        Failure::new(Class::Other, "the app has no host name")
            .detail(id.to_string())
            .remedy("write `url` in the plan file, the address where it is reached")
    })?;
    Ok(format!("https://{host}"))
}

/// An address with a path.
fn joined(base: &str, path: &str) -> String {
    if path.is_empty() {
        return base.to_owned();
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{}{slash}{path}", base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests;
