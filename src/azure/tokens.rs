//! Tokens: one cache of access tokens per audience, renewed ahead of their end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::azure::claims::Claims;
use crate::model::{Failure, Secret};

/// How long before its end a token is renewed; half its life when that is shorter.
const AHEAD: Duration = Duration::from_mins(5);
/// How long an early renewal that failed is not tried again, while the old token still works.
const PAUSE: Duration = Duration::from_secs(30);
/// A token with less than this left is not given out.
const LEAST: Duration = Duration::from_secs(5);

/// An access token and when it ends.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token itself.
    pub secret: Secret,
    /// When services stop accepting it for new sessions.
    pub expires_on: Timestamp,
}

/// Where tokens come from.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A fresh token for an audience (without `/.default`).
    async fn fetch(&self, audience: &str) -> Result<AccessToken, Failure>;

    /// The credential in use, once one has given a token.
    fn credential(&self) -> Option<String> {
        None
    }
}

#[derive(Default)]
struct Slot {
    token: Option<AccessToken>,
    renew_at: Timestamp,
}

/// Tokens by audience. Clones share one cache; two tasks that need the same token ask for it once.
#[derive(Clone)]
pub struct Tokens {
    source: Arc<dyn TokenSource>,
    slots: Arc<Mutex<BTreeMap<String, Arc<Mutex<Slot>>>>>,
}

impl Tokens {
    /// A cache over a source.
    pub fn new(source: Arc<dyn TokenSource>) -> Self {
        Self { source, slots: Arc::default() }
    }

    /// A token for an audience, from the cache unless it ends soon. An early renewal that fails is forgiven while the
    /// old token still works.
    pub async fn token(&self, audience: &str) -> Result<AccessToken, Failure> {
        let slot = self.slots.lock().await.entry(audience.to_owned()).or_default().clone();
        let mut slot = slot.lock().await;
        let now = Timestamp::now();
        if let Some(token) = &slot.token
            && now < slot.renew_at
            && now + LEAST < token.expires_on
        {
            return Ok(token.clone());
        }
        match self.source.fetch(audience).await {
            Ok(token) => {
                let left = Duration::try_from(token.expires_on.duration_since(now)).unwrap_or_default();
                slot.renew_at = token.expires_on - AHEAD.min(left / 2);
                slot.token = Some(token.clone());
                Ok(token)
            }
            Err(failure) => match &slot.token {
                Some(token) if now + LEAST < token.expires_on => {
                    let token = token.clone();
                    tracing::warn!(%failure, "a token could not be renewed early; the old one still works");
                    slot.renew_at = now + PAUSE;
                    Ok(token)
                }
                _ => Err(failure),
            },
        }
    }

    /// Who the token for an audience was given to.
    pub async fn claims(&self, audience: &str) -> Result<Claims, Failure> {
        Ok(Claims::of(&self.token(audience).await?.secret))
    }

    /// The credential in use, once one has given a token.
    pub fn credential(&self) -> Option<String> {
        self.source.credential()
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessToken, TokenSource, Tokens};
    use crate::model::{Class, Failure, Secret};
    use async_trait::async_trait;
    use jiff::Timestamp;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::time::Duration;

    /// Gives tokens that live `life` seconds, and from call number `fails_from` on none.
    struct Source {
        calls: AtomicU64,
        life: u64,
        fails_from: u64,
    }

    #[async_trait]
    impl TokenSource for Source {
        async fn fetch(&self, audience: &str) -> Result<AccessToken, Failure> {
            let call = self.calls.fetch_add(1, SeqCst);
            if call >= self.fails_from {
                return Err(Failure::new(Class::NotSignedIn, "no token"));
            }
            let expires_on = Timestamp::now() + Duration::from_secs(self.life);
            Ok(AccessToken { secret: Secret::new(format!("{audience}#{call}")), expires_on })
        }
    }

    fn tokens(life: u64, fails_from: u64) -> (Tokens, Arc<Source>) {
        let source = Arc::new(Source { calls: AtomicU64::new(0), life, fails_from });
        (Tokens::new(source.clone()), source)
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_per_audience() {
        let (tokens, source) = tokens(120, 9);
        for _ in 0..3 {
            assert_eq!(tokens.token("a").await.unwrap().secret.expose(), "a#0");
        }
        assert_eq!(tokens.token("b").await.unwrap().secret.expose(), "b#1");
        assert_eq!(source.calls.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn a_token_that_ends_at_once_is_not_given_twice() {
        let (tokens, source) = tokens(3, 9);
        tokens.token("a").await.unwrap();
        tokens.token("a").await.unwrap();
        assert_eq!(source.calls.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn an_early_renewal_may_fail() {
        let (tokens, source) = tokens(12, 1);
        tokens.token("a").await.unwrap();
        // Past its half life, before its end.
        tokens.slots.lock().await["a"].lock().await.renew_at = Timestamp::now();
        assert_eq!(tokens.token("a").await.unwrap().secret.expose(), "a#0");
        assert_eq!(tokens.token("a").await.unwrap().secret.expose(), "a#0");
        assert_eq!(source.calls.load(SeqCst), 2, "a failed renewal is not repeated on every call");
    }

    #[tokio::test]
    async fn without_a_token_the_failure_is_told() {
        let (tokens, _) = tokens(60, 0);
        assert_eq!(tokens.token("a").await.unwrap_err().summary, "no token");
    }
}
