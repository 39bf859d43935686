//! Tells clients of the ends of their jobs.
//!
//! A delivery is queued in the transaction that ends its job, posted until it is answered with 2xx,
//! and given up after most of a day. It goes to configured origins only. `Verdict-Signature` is
//! `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>">`; `Verdict-Delivery` is the same at every
//! attempt, so that a receiver knows a repeated one.

use std::{collections::BTreeMap, time::Duration};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    metrics::Metrics,
    stopped,
    store::{Delivery, Store, StoreError},
};

/// Environment variable with the secret that signs.
pub const SECRET: &str = "VERDICT_WEBHOOK_SECRET";

/// Deliveries in flight to one origin.
const OF_ORIGIN: usize = 4;
/// Deliveries in flight at which no more are begun.
const IN_ALL: usize = 128;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often one is tried: about a day.
const MOST: u64 = 18;
/// How often the database is looked at, if nothing arrives.
const IDLE: Duration = Duration::from_secs(1);
/// How long what is in flight may take when the service ends.
const LAST: Duration = Duration::from_secs(2);

/// Delivers.
#[derive(Clone)]
pub struct Webhooks {
    store: Store,
    metrics: Metrics,
    secret: String,
    client: reqwest::Client,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhooks")
    }
}

/// Milliseconds before attempt `attempts + 1`: 5 s, doubled each time, two hours at most.
fn backoff_ms(attempts: u64) -> u64 {
    (5_000_u64 << attempts.min(12)).min(7_200_000)
}

/// What a receiver holds a body against.
pub fn signature(secret: &str, seconds: u64, body: &str) -> String {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

impl Webhooks {
    /// Delivers what `store` has queued, signed with `secret`.
    ///
    /// # Errors
    /// The system has no way to make connections.
    pub fn new(store: Store, metrics: Metrics, secret: String) -> Result<Self, reqwest::Error> {
        // Redirects would lead to origins that nobody configured.
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { store, metrics, secret, client })
    }

    /// Delivers until `stop` says so. Each origin has its own few in flight: one that hangs holds no
    /// other up.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut flying = JoinSet::new();
        let mut of_origin = BTreeMap::<String, usize>::new();
        while !*stop.borrow() {
            match self.due(&of_origin, flying.len()).await {
                Ok(due) => {
                    for delivery in due {
                        *of_origin.entry(delivery.origin.clone()).or_default() += 1;
                        let own = self.clone();
                        flying.spawn(async move { own.deliver(delivery).await });
                    }
                }
                Err(error) => tracing::warn!(%error, "deliveries are put off"),
            }
            tokio::select! {
                Some(landed) = flying.join_next() => {
                    let all = std::iter::once(landed).chain(std::iter::from_fn(|| flying.try_join_next()));
                    for origin in all.filter_map(Result::ok) {
                        if let Some(count) = of_origin.get_mut(&origin) {
                            *count -= 1;
                        }
                    }
                    of_origin.retain(|_, count| *count > 0);
                }
                () = self.store.clock().sleep(IDLE) => {}
                () = stopped(&mut stop) => {}
            }
        }
        // What does not arrive now does so again after the next start.
        let landed = async { while flying.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST, landed).await;
    }

    /// What is due now, while there is room.
    async fn due(
        &self,
        of_origin: &BTreeMap<String, usize>,
        flying: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        if flying >= IN_ALL {
            return Ok(vec![]);
        }
        // Longer than one may take: nobody else takes it meanwhile.
        let put_off = u64::try_from((TIMEOUT * 2).as_millis()).unwrap_or(u64::MAX);
        self.store.due_deliveries(OF_ORIGIN, of_origin, put_off).await
    }

    /// Delivers one; its origin.
    async fn deliver(&self, delivery: Delivery) -> String {
        let error = self.post(&delivery).await.err();
        let tried = delivery.attempts + 1;
        let next = (tried < MOST).then(|| self.store.now_ms() + backoff_ms(tried));
        self.metrics.webhook(if error.is_none() { "delivered" } else { "failed" });
        if let Some(error) = &error {
            tracing::warn!(delivery = delivery.id, tried, error, "a delivery failed");
        }
        if let Err(error) = self.store.delivered(&delivery.id, error.as_deref(), next).await {
            // It goes again when it is due.
            tracing::warn!(delivery = delivery.id, %error, "a delivery is not written down");
        }
        delivery.origin
    }

    async fn post(&self, delivery: &Delivery) -> Result<(), String> {
        let seconds = self.store.now_ms() / 1000;
        let answer = self
            .client
            .post(&delivery.url)
            .header("content-type", "application/json")
            .header("verdict-delivery", &delivery.id)
            .header("verdict-signature", signature(&self.secret, seconds, &delivery.body))
            .body(delivery.body.clone())
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_the_time_and_the_body() {
        // printf '7.{}' | openssl dgst -sha256 -hmac secret
        let known = "76aad9429f417882918162a1928a38769fff65cc07b6bfa344ac9c5fb1e3448e";
        assert_eq!(signature("secret", 7, "{}"), format!("t=7,v1={known}"));
        assert_ne!(signature("secret", 7, "{}"), signature("secret", 8, "{}"));
        assert_ne!(signature("secret", 7, "{}"), signature("other", 7, "{}"));
    }

    #[test]
    fn attempts_are_put_off_longer_and_longer_for_about_a_day() {
        let all: Vec<u64> = (1..MOST).map(backoff_ms).collect();
        assert!(all.is_sorted() && all[0] == 10_000);
        let hours = all.iter().sum::<u64>() as f64 / 3_600_000.0;
        assert!((12.0..=36.0).contains(&hours), "{hours}");
    }
}
