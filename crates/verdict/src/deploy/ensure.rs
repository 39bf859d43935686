//! One step of a deployment: looked for, sent if it is not there, waited for.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use verdict_relayer::SubmitRequest;

use super::{DeployError, DeployStep};
use crate::{
    chain::{Chain, ChainError, ChainReader},
    error::Error,
    progress::{Progress, step_async},
};

/// How long nodes may take to show the effect of a transaction that is final: those behind
/// one address do not all have the newest block.
const EFFECT_TIME: Duration = Duration::from_secs(20);

/// Makes sure of a step: `look` finds, in a state of the chain, what it brings about.
///
/// # Errors
/// The step cannot be sent, has no effect, or is in no final block in time.
pub(super) async fn ensure<T, F>(
    chain: &Chain,
    progress: &dyn Progress,
    step: &'static str,
    request: SubmitRequest,
    look: impl Fn(ChainReader) -> F,
) -> Result<(T, DeployStep), Error>
where
    T: PartialEq,
    F: Future<Output = Result<Option<T>, ChainError>>,
{
    let request = SubmitRequest { label: step.to_owned(), ..request };
    let title = match look(chain.newest()).await? {
        Some(found) if is_final(chain, &found, &look).await? => {
            progress.note(&format!("{step}: there already"));
            return Ok((found, DeployStep { step, gas: None }));
        }
        Some(_) => format!("{step}: there already, wait until it is final"),
        None => step.to_owned(),
    };
    let bringing = bring_about(chain, step, request, look);
    let (found, gas) = step_async(progress, &title, bringing).await?;
    Ok((found, DeployStep { step, gas }))
}

/// Sends what the newest block does not have, and waits until a final one has it.
async fn bring_about<T, F>(
    chain: &Chain,
    step: &'static str,
    request: SubmitRequest,
    look: impl Fn(ChainReader) -> F,
) -> Result<(T, Option<u64>), Error>
where
    T: PartialEq,
    F: Future<Output = Result<Option<T>, ChainError>>,
{
    let start = Instant::now();
    let (mut sent, mut gas) = (None, None);
    loop {
        match (look(chain.newest()).await?, sent) {
            (Some(found), _) if is_final(chain, &found, &look).await? => return Ok((found, gas)),
            // It may be undone yet, and then it is sent.
            (Some(_), _) => {}
            (None, None) => {
                gas = chain.send(request.clone()).await?.map(|receipt| receipt.gas_used);
                sent = Some(Instant::now());
                continue;
            }
            (None, Some(at)) if at.elapsed() >= EFFECT_TIME => {
                return Err(DeployError::NoEffect { step }.into());
            }
            (None, Some(_)) => {}
        }
        let waited = start.elapsed();
        if chain.patience().is_some_and(|limit| waited >= limit) {
            return Err(DeployError::NotFinal { step, seconds: waited.as_secs() }.into());
        }
        tokio::time::sleep(chain.poll_interval()).await;
    }
}

/// Whether the newest final block has what was found in the newest one.
async fn is_final<T, F>(
    chain: &Chain,
    found: &T,
    look: impl Fn(ChainReader) -> F,
) -> Result<bool, ChainError>
where
    T: PartialEq,
    F: Future<Output = Result<Option<T>, ChainError>>,
{
    let Some(settled) = chain.settled().await? else { return Ok(false) };
    match look(settled).await {
        Ok(settled) => Ok(settled.as_ref() == Some(found)),
        // The contract that is asked is not final itself.
        Err(ChainError::NotTheContract { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
