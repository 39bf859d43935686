//! Scores that are made again before they go stale: subjects and inputs come from a command or a
//! URL, on a schedule, and are submitted like a client's.

use std::{
    process::Stdio,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use croner::Cron;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::{io::AsyncReadExt, sync::watch};
use verdict::{Attestation, Salt};

use crate::{
    accept::{AcceptError, Acceptance, Order},
    config::{HiddenUrl, RefreshConfig},
    job::Kind,
    stopped,
    store::IntakeError,
};

/// Most bytes that a source may answer.
const MAX_ANSWER: u64 = 64 << 20;
/// How long a source may take.
const MAX_TIME: Duration = Duration::from_secs(300);

/// How long what a command said is counted after its end.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Seconds that an entry waits for room in the queue.
const PATIENCE: u32 = 600;

/// A subject and what the model is to be run on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    subject: Address,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    salt: Option<Salt>,
    #[serde(default)]
    attestations: Vec<Attestation>,
}

/// Why a schedule submitted nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The source did not answer.
    #[error("the source of {model} failed: {why}")]
    Source {
        /// The model.
        model: String,
        /// Why; not what it answered, which are inputs.
        why: String,
    },
}

/// A cron expression.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(schedule: &str) -> Result<Cron, String> {
    let wrong = |error: String| {
        format!("is no cron expression of five fields, for example \"0 3 * * *\"{error}")
    };
    if schedule.split_whitespace().count() != 5 && !schedule.starts_with('@') {
        return Err(wrong(String::new()));
    }
    Cron::from_str(schedule).map_err(|error| wrong(format!(": {error}")))
}

/// A schedule's next time after `ms`, in milliseconds since 1970.
pub(crate) fn next_after(schedule: &Cron, ms: u64) -> Option<u64> {
    let after = DateTime::<Utc>::from_timestamp_millis(i64::try_from(ms).ok()?)?;
    let next = schedule.find_next_occurrence(&after, false).ok()?;
    u64::try_from(next.timestamp_millis()).ok()
}

/// One schedule.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// What it does.
    pub config: RefreshConfig,
    /// Where jobs go.
    pub acceptance: Arc<Acceptance>,
}

impl Refresh {
    /// Submits on schedule until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let Ok(schedule) = parse(&self.config.schedule) else { return };
        let clock = self.acceptance.store().clock().clone();
        let mut last = clock.now_ms();
        while !*stop.borrow() {
            // Never a time again, also of a clock that was set back.
            let Some(next) = next_after(&schedule, last.max(clock.now_ms())) else {
                tracing::error!(model = self.config.model, "the schedule has no next time");
                return stopped(&mut stop).await;
            };
            while clock.now_ms() < next {
                let wait = Duration::from_millis(next.saturating_sub(clock.now_ms()));
                tokio::select! {
                    () = clock.sleep(wait) => {}
                    () = stopped(&mut stop) => return,
                }
            }
            last = next;
            // Of several processes with one schedule, the first one's jobs are all of theirs.
            match self.once(next / 60_000, &mut stop).await {
                Ok(_) if *stop.borrow() => {
                    tracing::warn!(
                        model = self.config.model,
                        "the service ends while it refreshes"
                    );
                }
                Ok(submitted) => {
                    tracing::info!(model = self.config.model, submitted, "scores are refreshed");
                }
                Err(error) => tracing::error!(%error, "scores are not refreshed"),
            }
        }
    }

    /// Asks the source, and submits what it answers as round `round`, of which each subject has one
    /// job. How many there are. Ends early where `stop` says so.
    ///
    /// # Errors
    /// The source does not answer, or not with a list of subjects and inputs. An entry that is no
    /// job is passed over, and logged without its input.
    pub async fn once(
        &self,
        round: u64,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<usize, RefreshError> {
        let model = self.config.model.clone();
        let fail = |why: String| RefreshError::Source { model: model.clone(), why };
        let answer = async {
            match &self.config.url {
                Some(HiddenUrl(url)) => fetch(url).await,
                None => run(&self.config.command, &self.config.env).await,
            }
        };
        let answer = tokio::select! {
            answer = answer => answer,
            () = stopped(stop) => return Ok(0),
        };
        let answer = answer.map_err(fail)?;
        let fail = |why: String| RefreshError::Source { model: model.clone(), why };
        // The parser's words could quote an input; its place says enough.
        let entries: Vec<Entry> = serde_json::from_slice(&answer).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            fail(format!("at {place} it is no list of {{\"subject\", \"input\"}}"))
        })?;
        let mut submitted = 0;
        for entry in entries {
            let order = Order {
                subject: Some(entry.subject),
                salt: entry.salt,
                attestations: entry.attestations,
                priority: self.config.priority,
                idempotency_key: Some(format!("{model}:{round}:{}", entry.subject)),
                ..Order::new(Kind::Score, &self.config.model, entry.input, "refresh")
            };
            let mut answer = self.acceptance.accept(order.clone()).await;
            // A queue that is full empties; a source's list may be longer than it.
            let clock = self.acceptance.store().clock();
            for _ in 0..PATIENCE {
                if !matches!(
                    answer,
                    Err(AcceptError::Intake(IntakeError::Full | IntakeError::Failed(_)))
                ) {
                    break;
                }
                tokio::select! {
                    () = clock.sleep(Duration::from_secs(1)) => {}
                    () = stopped(stop) => return Ok(submitted),
                }
                answer = self.acceptance.accept(order.clone()).await;
            }
            match answer {
                Ok(_) => submitted += 1,
                Err(error) => tracing::warn!(
                    subject = %entry.subject, code = error.code(), "an entry is no job"
                ),
            }
        }
        Ok(submitted)
    }
}

/// The processes of a command, which end with this: the command, and what it started.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(id) = self.0 else { return };
        // The shell's own, which is wherever a command can be run; nothing else here makes signals.
        let kill = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("kill -s KILL -- -{id}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if let Err(error) = kill {
            tracing::warn!(%error, "what a command started may go on");
        }
    }
}

/// What every command has of the service's environment: what programs need to run at all. Anything else
/// may be a secret, of the service or of whatever started it.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];

/// Runs a command with what every one has of the environment, and the variables of `names`.
async fn run(command: &[String], names: &[String]) -> Result<Vec<u8>, String> {
    let (program, arguments) = command.split_first().ok_or("there is no command")?;
    let mut start = tokio::process::Command::new(program);
    start.env_clear();
    for name in PASSED_ON.into_iter().chain(names.iter().map(String::as_str)) {
        if let Some(value) = std::env::var_os(name) {
            start.env(name, value);
        }
    }
    let mut child = start
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    // Before the child is waited for: until then its number is nobody else's.
    let mut group = Group(child.id());
    let output = child.stdout.take().ok_or("it has no output")?;
    let mut words = child.stderr.take().ok_or("it has no standard error")?;
    // They may quote an input: read, so that it can go on, and counted.
    let said = Arc::new(AtomicU64::new(0));
    let count = said.clone();
    let listening = tokio::spawn(async move {
        let mut part = [0; 4096];
        while let Ok(read @ 1..) = words.read(&mut part).await {
            count.fetch_add(read as u64, Ordering::Relaxed);
        }
    });
    let work = async {
        let mut bytes = Vec::new();
        output.take(MAX_ANSWER + 1).read_to_end(&mut bytes).await.map_err(|e| e.to_string())?;
        if bytes.len() as u64 > MAX_ANSWER {
            return Err(format!("it answers more than {MAX_ANSWER} bytes"));
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        group.0 = None;
        if status.success() {
            return Ok(bytes);
        }
        // What it started may go on, and hold it open.
        let _ = tokio::time::timeout(LAST_WORDS, listening).await;
        let said = said.load(Ordering::Relaxed);
        Err(format!(
            "{program} ended with {status}; it wrote {said} bytes to standard error, unread"
        ))
    };
    let slow = |_| format!("it did not end within {} s", MAX_TIME.as_secs());
    tokio::time::timeout(MAX_TIME, work).await.map_err(slow)?
}

async fn fetch(url: &str) -> Result<Vec<u8>, String> {
    // A URL may hold a key: errors are shown without it.
    let bare = |error: reqwest::Error| error.without_url().to_string();
    let client = reqwest::Client::builder()
        .timeout(MAX_TIME)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(bare)?;
    let mut answer =
        client.get(url).send().await.map_err(bare)?.error_for_status().map_err(bare)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(bare)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > MAX_ANSWER {
            return Err(format!("it answers more than {MAX_ANSWER} bytes"));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_says_when_it_is_next() {
        let daily = parse("0 3 * * *").expect("a schedule");
        // 2001-09-09 01:46:40 UTC.
        let now = 1_000_000_000_000;
        let three = now + (3600 + 13 * 60 + 20) * 1000;
        assert_eq!(next_after(&daily, now), Some(three));
        assert_eq!(next_after(&daily, three), Some(three + 86_400_000));
        assert!(parse("0 0 3 * * *").is_err(), "six fields");
        assert!(parse("every day").expect_err("none").contains("five fields"));
    }

    #[tokio::test]
    async fn a_source_that_fails_or_says_too_little_is_told_apart() {
        let shell = |script: &str| vec!["sh".to_owned(), "-c".into(), script.into()];
        assert_eq!(run(&shell("printf '[]'"), &[]).await, Ok(b"[]".to_vec()));
        let error = run(&shell("echo '[' && exit 3"), &[]).await.expect_err("it failed");
        assert!(error.contains('3'), "{error}");
        let error = run(&["no-such-program".into()], &[]).await.expect_err("there is none");
        assert!(error.contains("no-such-program"), "{error}");
    }

    #[tokio::test]
    async fn a_command_has_what_programs_need_and_what_it_is_given_by_name() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let seen = async |names: &[String]| {
            let told = run(&["env".to_owned()], names).await.expect("it runs");
            let told = String::from_utf8(told).expect("a text");
            let seen = told.lines().filter_map(|line| line.split_once('='));
            seen.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        // The test runner's environment has more than that.
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
        let plain = seen(&[]).await;
        assert!(plain.iter().any(|name| name == "PATH"), "{plain:?}");
        assert!(plain.iter().all(|name| PASSED_ON.contains(&name.as_str())), "{plain:?}");
        let given = seen(&names(&["CARGO_PKG_NAME", "NO_SUCH_VARIABLE"])).await;
        assert!(given.iter().any(|name| name == "CARGO_PKG_NAME"), "{given:?}");
        assert_eq!(given.len(), plain.len() + 1, "{given:?}");
    }

    #[tokio::test]
    async fn what_a_command_says_beside_its_answer_is_counted_and_not_told() {
        let shell = |script: &str| vec!["sh".to_owned(), "-c".into(), script.into()];
        let error = run(&shell("printf secret >&2; exit 3"), &[]).await.expect_err("it failed");
        assert!(error.contains("6 bytes") && !error.contains("secret"), "{error}");
        // More than a pipe holds.
        let much = "head -c 1000000 /dev/zero >&2; printf '[]'";
        assert_eq!(run(&shell(much), &[]).await, Ok(b"[]".to_vec()));
        // Something that goes on in the background holds nothing up.
        let start = std::time::Instant::now();
        let error = run(&shell("sleep 5 >/dev/null & exit 3"), &[]).await.expect_err("it failed");
        assert!(start.elapsed() < Duration::from_secs(3), "{error}");
    }

    #[tokio::test]
    async fn a_command_that_is_given_up_ends_with_what_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; wait", file.display());
        let command = ["sh".to_owned(), "-c".into(), script];
        let given_up = tokio::time::timeout(Duration::from_millis(500), run(&command, &[])).await;
        assert!(given_up.is_err(), "{given_up:?}");
        let pid = std::fs::read_to_string(&file).expect("it was started");
        let start = std::time::Instant::now();
        let state = format!("/proc/{}/stat", pid.trim());
        // Nobody may be there to take note of its end.
        while std::fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") Z")) {
            assert!(start.elapsed() < Duration::from_secs(5), "it goes on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
