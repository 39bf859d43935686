//! How many streams there may be: each asks the database again and again, and keeps a connection.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;

use super::problem::Problem;

/// Streams of one client.
const OF_ONE: usize = 64;
/// Streams of all.
const OF_ALL: usize = 512;
/// How long one goes on. Whoever reads it goes on with another one from its last event.
pub(super) const LIFE: Duration = Duration::from_secs(3600);

/// The streams that are open, by client.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<String, usize>>>);

/// An open stream.
#[derive(Debug)]
pub(super) struct Open {
    streams: Streams,
    client: String,
}

impl Streams {
    /// One more of a client.
    ///
    /// # Errors
    /// The client has too many, or all together have.
    pub(super) fn open(&self, client: &str) -> Result<Open, Problem> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.get(client).copied().unwrap_or_default();
        if own >= OF_ONE || all >= OF_ALL {
            let (whose, most) =
                if own >= OF_ONE { ("of one token", OF_ONE) } else { ("in all", OF_ALL) };
            let detail = format!(
                "{most} event streams {whose} are open: end some, or ask for jobs by GET /v1/jobs/ID"
            );
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail);
            return Err(problem.retry_after(10));
        }
        open.insert(client.to_owned(), own + 1);
        Ok(Open { streams: self.clone(), client: client.to_owned() })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = open.get_mut(&self.client) else { return };
        *own -= 1;
        if *own == 0 {
            open.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_and_all_have_so_many() {
        let streams = Streams::default();
        let open = |client: &str| streams.open(client);
        let mut own: Vec<Open> = (0..OF_ONE).map(|_| open("desk").expect("one")).collect();
        let refused = open("desk").expect_err("one too many");
        assert_eq!(refused.code, "too_many_streams");
        own.pop();
        own.push(open("desk").expect("there is room again"));
        let others: Vec<Open> = (OF_ONE..OF_ALL)
            .map(|index| open(&format!("other {}", index / OF_ONE)).expect("one"))
            .collect();
        open("new").expect_err("there are enough");
        drop(others);
        drop(own);
        assert!(streams.0.lock().expect("unbroken").is_empty(), "nothing is left of who is gone");
    }
}
