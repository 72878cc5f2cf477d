//! A password that an escrow keeps: fetched, compared by digest, and found in the setting that held it.

use std::fmt;

use super::Live;
use super::live::text;
use crate::model::{Attributes, Class, Failure, Secret, SecretSource, SecretValue, Value};

/// Where a password is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    place: Attributes,
    source: SecretSource,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Kept {
    /// The place that `escrow` of these attributes names, if there is one.
    pub(super) fn of(attributes: &Attributes) -> Result<Option<Self>, Failure> {
        let Some(place) = attributes.get("escrow").and_then(Value::as_map) else { return Ok(None) };
        let (vault, secret) = (text(place, "key_vault")?.to_owned(), text(place, "secret")?.to_owned());
        Ok(Some(Self { place: place.clone(), source: SecretSource::KeyVault { vault, secret } }))
    }

    /// What is kept; `None` when nothing is.
    pub(super) async fn fetch(&self, live: &Live) -> Result<Option<Secret>, Failure> {
        match live.fetch(&self.place, &self.source).await {
            Ok(secret) => Ok(Some(secret)),
            Err(failure) if failure.class == Class::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What is kept, as a step holds it.
    pub(super) fn value(&self, live: &Live, secret: &Secret) -> Value {
        let digest = Some(live.digester.digest(secret.expose()));
        Value::Secret(SecretValue { source: Some(self.source.clone()), digest })
    }

    /// The same, fetched; `None` when nothing is kept.
    pub(super) async fn digest(&self, live: &Live) -> Result<Option<Value>, Failure> {
        Ok(self.fetch(live).await?.map(|secret| self.value(live, &secret)))
    }

    /// What is kept, if it is still what the end of a step says.
    pub(super) async fn demand(&self, live: &Live, end: &Attributes) -> Result<Secret, Failure> {
        let lacks = |why: &str| {
            Failure::new(Class::Conflict, "the password is not kept; nothing was changed")
                .detail(format!("{self} {why}"))
                .remedy("let an escrow keep it first, then plan again")
        };
        let secret = self.fetch(live).await?.ok_or_else(|| lacks("is not there"))?;
        if end.get("value").is_some_and(|wanted| crate::model::agrees(wanted, &self.value(live, &secret))) {
            return Ok(secret);
        }
        Err(lacks("holds another value").remedy("plan again"))
    }
}

/// The password in what a setting held: that of a connection string or URL, or the whole text. What an escrow keeps of a
/// connection string is JSON with its type.
pub(super) fn password_in(kept: &Secret) -> Secret {
    let text = kept.expose();
    let typed: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let inner = typed.as_ref().and_then(|typed| typed.get("value")?.as_str()).unwrap_or(text);
    Secret::new(in_url(inner).or_else(|| in_pairs(inner)).unwrap_or_else(|| inner.to_owned()))
}

fn in_url(text: &str) -> Option<String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme)?;
    if !["postgres", "postgresql", "jdbc:postgresql"].contains(&scheme) {
        return None;
    }
    let url = reqwest::Url::parse(text.trim_start_matches("jdbc:")).ok()?;
    let asked = url.query_pairs().find(|(name, _)| name == "password").map(|(_, value)| value.into_owned());
    asked.or_else(|| {
        let query = format!("p={}", url.password()?.replace('+', "%2B"));
        reqwest::Url::parse(&format!("x://x/?{query}")).ok()?.query_pairs().next().map(|(_, value)| value.into_owned())
    })
}

/// `Host=h;Username=u;Password=p`, also with blanks between the pairs as libpq has it.
fn in_pairs(text: &str) -> Option<String> {
    let separator = if text.contains(';') { ';' } else { ' ' };
    let pairs: Vec<(&str, &str)> = text.split(separator).filter_map(|pair| pair.split_once('=')).collect();
    let named = |names: &[&str]| {
        pairs
            .iter()
            .find(|(name, _)| names.contains(&name.trim().to_ascii_lowercase().as_str()))
            .map(|(_, value)| *value)
    };
    named(&["host", "server", "data source"])?;
    let value = named(&["password", "pwd"])?.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Some(quoted.unwrap_or(value).to_owned())
}

#[cfg(test)]
mod tests {
    use super::password_in;
    use crate::model::Secret;

    #[test]
    fn a_password_is_found_where_it_was_held() {
        let cases = [
            ("p w;=d", "p w;=d"),
            ("x=y;Password=z", "x=y;Password=z"),
            ("postgres://u:a%40b+c@h:5432/d?sslmode=require", "a@b+c"),
            ("jdbc:postgresql://h/d?user=u&password=a%26b", "a&b"),
            ("Server=h;User Id=u;Password=a=b", "a=b"),
            ("host=h user=u password='secret'", "secret"),
            (r#"{"type":"PostgreSQL","value":"Host=h;Pwd=x"}"#, "x"),
        ];
        for (kept, password) in cases {
            assert_eq!(password_in(&Secret::new(kept)).expose(), password, "{kept}");
        }
    }
}
