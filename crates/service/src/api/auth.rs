//! Who asks, what they may, and how often.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, StatusCode, header};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::problem::Problem;
use crate::{
    config::ServiceConfig,
    store::{Scope, Store, Token, hash},
};

/// How long the tokens are believed without asking the database: so long works a revoked one at most.
const BELIEVED: Duration = Duration::from_secs(5);
/// How often the database is asked for all of them because of one that is not among them.
const ASKED: Duration = Duration::from_millis(250);

/// The door. It knows every valid token: guesses, however many, cost the database nothing and nobody
/// else his turn.
pub(crate) struct Door {
    authenticate: bool,
    limiter: DefaultKeyedRateLimiter<String>,
    tokens: RwLock<Known>,
    /// Held by who asks the database.
    asking: tokio::sync::Mutex<()>,
}

/// The valid tokens by their hashes, and since when.
#[derive(Default)]
struct Known {
    tokens: HashMap<String, Token>,
    since: Option<Instant>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("authenticate", &self.authenticate).finish_non_exhaustive()
    }
}

/// The name under which anyone asks where nobody needs a token.
const ANYONE: &str = "anyone";

impl Door {
    pub(crate) fn new(config: &ServiceConfig) -> Self {
        let rate = NonZeroU32::new(config.rate).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rate)
            .allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(1)));
        Self {
            authenticate: config.authenticate,
            limiter: RateLimiter::keyed(quota),
            tokens: RwLock::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// The client that asks, if it may do what `scope` says, and does not ask too often.
    pub(crate) async fn admit(
        &self,
        store: &Store,
        headers: &HeaderMap,
        scope: Scope,
    ) -> Result<String, Problem> {
        let client = self.known(store, headers, scope).await?;
        self.limit(&client)?;
        Ok(client)
    }

    /// The same, for a question that goes on.
    pub(crate) async fn known(
        &self,
        store: &Store,
        headers: &HeaderMap,
        scope: Scope,
    ) -> Result<String, Problem> {
        if !self.authenticate {
            check_host(headers)?;
            return Ok(ANYONE.to_owned());
        }
        let denied = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
        let secret = secret_of(headers).ok_or_else(|| {
            denied("send a token in the Authorization header: Bearer vdt_…; `verdict token create`")
        })?;
        let token = self.token(store, secret).await?;
        let token = token.ok_or_else(|| denied("this token is unknown or was revoked"))?;
        if !token.scopes.contains(&scope) {
            let detail = format!("token {} lacks the scope {scope}", token.name);
            return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
        }
        Ok(token.id)
    }

    /// Whether whoever asks was admitted before, as far as is known without asking the database. It
    /// gives no rights.
    pub(crate) fn has_seen(&self, headers: &HeaderMap) -> bool {
        if !self.authenticate {
            return check_host(headers).is_ok();
        }
        let Some(hash) = secret_of(headers).map(hash) else { return false };
        let known = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        known.tokens.contains_key(&hash)
    }

    async fn token(&self, store: &Store, secret: &str) -> Result<Option<Token>, Problem> {
        // Found by its hash: how long that takes says nothing about the secret.
        let hash = hash(secret);
        {
            let known = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
            if known.since.is_some_and(|since| since.elapsed() < BELIEVED)
                && let Some(token) = known.tokens.get(&hash)
            {
                return Ok(Some(token.clone()));
            }
        }
        // It may be new. One asks for all who wait, and not again at once: whoever came before the
        // answer has it.
        let came = Instant::now();
        let _asking = self.asking.lock().await;
        let since = self.tokens.read().unwrap_or_else(PoisonError::into_inner).since;
        if since.is_none_or(|since| since < came) {
            if let Some(since) = since {
                tokio::time::sleep(ASKED.saturating_sub(since.elapsed())).await;
            }
            let (since, tokens) = (Some(Instant::now()), store.valid_tokens().await?);
            *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Known { tokens, since };
        }
        let known = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        Ok(known.tokens.get(&hash).cloned())
    }

    fn limit(&self, client: &str) -> Result<(), Problem> {
        self.limiter.check_key(&client.to_owned()).map_err(|_| {
            let detail = "too many requests; slow down";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail).retry_after(1)
        })
    }
}

/// What a request's token is.
fn secret_of(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// Without tokens, a page from elsewhere must not reach the service through the user's browser, not
/// even by a name that leads here.
fn check_host(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let site = headers.get("sec-fetch-site");
    let own = site.is_none_or(|site| site == "same-origin" || site == "none");
    if own && ["localhost", "127.0.0.1", "[::1]"].contains(&name) {
        return Ok(());
    }
    let detail =
        "without tokens, only requests to localhost from the service's own page are answered";
    Err(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), value.parse().expect("one"))
            })
            .collect()
    }

    #[test]
    fn who_was_never_admitted_has_not_been_seen() {
        let bearer = headers(&[("host", "localhost"), ("authorization", "Bearer vdt_a")]);
        let mut door = Door::new(&ServiceConfig::default());
        assert!(!door.has_seen(&bearer) && !door.has_seen(&headers(&[])));
        let id = "a".to_owned();
        let (name, scopes) = ("a".to_owned(), Scope::ALL.to_vec());
        let token = Token { id, name, scopes, created_ms: 0, revoked_ms: None };
        let tokens = HashMap::from([(hash("vdt_a"), token)]);
        *door.tokens.write().expect("the tokens") = Known { tokens, since: None };
        assert!(door.has_seen(&bearer));
        door.authenticate = false;
        assert!(door.has_seen(&headers(&[("host", "localhost")])));
        assert!(!door.has_seen(&headers(&[("host", "evil.example")])));
    }

    #[test]
    fn without_tokens_other_origins_are_refused() {
        for good in [
            headers(&[("host", "127.0.0.1:7878")]),
            headers(&[("host", "[::1]:7878")]),
            headers(&[("host", "[::1]")]),
            headers(&[("host", "localhost"), ("sec-fetch-site", "same-origin")]),
        ] {
            check_host(&good).expect("admitted");
        }
        for bad in [
            headers(&[("host", "evil.example:7878")]),
            headers(&[("host", "[::1].evil.example:7878")]),
            headers(&[("host", "[::2]")]),
            headers(&[("host", "localhost:7878"), ("sec-fetch-site", "cross-site")]),
            headers(&[("host", "evil.example"), ("sec-fetch-site", "same-origin")]),
            headers(&[]),
        ] {
            assert!(check_host(&bad).is_err(), "{bad:?}");
        }
    }
}
