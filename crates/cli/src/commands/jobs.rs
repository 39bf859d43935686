//! `verdict jobs`, `status`, `retry` and `cancel`: what was sent, and what is to become of it.

use std::path::PathBuf;

use verdict_relayer::{
    DropReason, JobId, JobState, JobStatus, Storage,
    storage::place::{databases, state_dir},
};

use super::chain::{chain_error, connect, runtime};
use crate::{
    failure::{Failure, Outcome},
    limits::{Change, Jobs, Status, Which},
    ui::{Ui, grouped, table},
};

/// Most jobs of one file that are listed.
const MOST: u32 = 1000;

/// The files that may hold the jobs that are meant.
fn files(which: &Which) -> Outcome<Vec<PathBuf>> {
    if let Some(file) = &which.database {
        if !file.is_file() {
            return Err(Failure::new(format!("there is no file {}", file.display())));
        }
        return Ok(vec![file.clone()]);
    }
    let folder = state_dir().ok_or_else(|| {
        Failure::new("neither XDG_STATE_HOME nor HOME is set").hint("give a file with --database")
    })?;
    Ok(databases(&folder)?)
}

/// Opens each file in turn, and keeps the jobs that are meant.
fn collect(
    which: &Which,
    look: impl AsyncFn(&Storage) -> Result<Vec<JobStatus>, verdict_relayer::StorageError>,
) -> Outcome<Vec<JobStatus>> {
    let files = files(which)?;
    let mut found = runtime()?.block_on(async {
        let mut found = Vec::new();
        for file in files {
            let storage = Storage::open(&file).await?;
            let jobs = look(&storage).await;
            storage.close().await;
            found.extend(jobs?);
        }
        Ok::<_, Failure>(found)
    })?;
    found.retain(|job| {
        which.chain_id.is_none_or(|id| id == job.chain_id)
            && which.sender.is_none_or(|sender| sender == job.sender)
    });
    Ok(found)
}

/// `verdict jobs`.
pub(crate) fn list(args: &Jobs, ui: &Ui) -> Outcome {
    let mut jobs = collect(&args.which, async |storage| storage.list(MOST).await)?;
    jobs.retain(|job| args.all || !job.state.is_terminal());
    let mut human: Vec<String> = jobs.iter().map(line).collect();
    if human.is_empty() {
        let which = if args.all { "" } else { " pending" };
        human.push(format!("there are no{which} jobs"));
    }
    ui.result(&serde_json::json!({ "jobs": jobs }), &human)
}

fn line(job: &JobStatus) -> String {
    let held = job.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    let JobStatus { id, chain_id, sender, label, .. } = job;
    format!("  {id}  {label}: {}{held}; chain {chain_id}, sender {sender}", state(job))
}

fn state(job: &JobStatus) -> String {
    match job.cancelling {
        true => format!("{}, being cancelled", job.state),
        false => job.state.to_string(),
    }
}

/// `verdict status`.
pub(crate) fn status(args: &Status, ui: &Ui) -> Outcome {
    let id = JobId(args.id);
    let found =
        collect(&args.which, async |storage| Ok(storage.find(id).await?.into_iter().collect()))?;
    match found.as_slice() {
        [] => Err(Failure::new(format!("there is no job {id}")).hint("see `verdict jobs --all`")),
        [job] => ui.result(job, &described(job)),
        several => {
            let those: Vec<String> = several
                .iter()
                .map(|job| format!("chain {} sender {}", job.chain_id, job.sender))
                .collect();
            Err(Failure::new(format!("there are several jobs {id}: {}", those.join(", ")))
                .hint("say which with --chain-id or --sender"))
        }
    }
}

fn described(job: &JobStatus) -> Vec<String> {
    let mut rows = vec![
        ("job", job.id.to_string()),
        ("what", job.label.clone()),
        ("state", state(job)),
        ("chain", job.chain_id.to_string()),
        ("sender", job.sender.to_string()),
    ];
    if let Some(note) = &job.note {
        rows.push(("held up", note.clone()));
    }
    if let Some(nonce) = job.nonce {
        rows.push(("nonce", nonce.to_string()));
    }
    if let Some(receipt) = &job.receipt {
        rows.push(("block", receipt.block_number.to_string()));
        rows.push(("gas", grouped(receipt.gas_used)));
    }
    for attempt in &job.attempts {
        let what = if attempt.cancels { "cancellation" } else { "transaction" };
        rows.push((what, format!("{} at nonce {}", attempt.hash, attempt.nonce)));
    }
    table(&rows)
}

/// `verdict retry`.
pub(crate) fn retry(args: &Change, ui: &Ui) -> Outcome {
    let runtime = runtime()?;
    let chain = connect(&runtime, &args.chain, None)?;
    let (id, relayer) = (JobId(args.id), chain.relayer());
    runtime.block_on(relayer.retry(id, None)).map_err(chain_error)?;
    let job = ui.step("send and wait until final", || {
        runtime.block_on(relayer.run_to_completion(id)).map_err(chain_error)
    })?;
    match &job.state {
        JobState::Finalized => ui.result(&job, &described(&job)),
        other => {
            let failure = Failure::new(format!("job {id}, {}: {other}", job.label));
            Err(failure.kind(verdict::Kind::Rejected))
        }
    }
}

/// `verdict cancel`.
pub(crate) fn cancel(args: &Change, ui: &Ui) -> Outcome {
    let runtime = runtime()?;
    let chain = connect(&runtime, &args.chain, None)?;
    let (id, relayer) = (JobId(args.id), chain.relayer());
    runtime.block_on(relayer.cancel(id)).map_err(chain_error)?;
    let job = ui.step("cancel and wait until final", || {
        runtime.block_on(relayer.run_to_completion(id)).map_err(chain_error)
    })?;
    match &job.state {
        JobState::Dropped(DropReason::Cancelled) => ui.result(&job, &described(&job)),
        other => Err(Failure::new(format!(
            "job {id}, {}, could not be cancelled any more: {other}",
            job.label
        ))),
    }
}
