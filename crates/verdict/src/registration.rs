//! What a registry holds about a setup's model, and where in it.

use std::future::Future;

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::{SolEvent, SolValue},
};
use tokio::task::JoinSet;
use verdict_contracts::{
    PROOF_SYSTEM_ID,
    bindings::{
        InferenceOracle::demandOfCall,
        ModelRegistry::{
            ModelCommitment, VerificationAttached, VerificationData, getModelCall, getModelReturn,
            modelCountCall, verificationOfCall,
        },
    },
};
use verdict_relayer::Effect;

use crate::{
    chain::{ChainError, ChainReader},
    deploy::{DeployError, ScoreDirection},
    setup::Manifest,
};

/// Models of a registry among which one is looked for.
const MAX_MODELS: u64 = 100_000;
/// Models asked for at once.
const MODELS_AT_ONCE: u64 = 16;

/// What a registry is told about a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registration {
    pub(crate) commitment: ModelCommitment,
    pub(crate) data: VerificationData,
}

impl Registration {
    pub(crate) fn new(
        manifest: &Manifest,
        verifier: Address,
        key: Address,
        score: ScoreDirection,
    ) -> Result<Self, DeployError> {
        let key_hash = manifest.verifier.key_hash;
        let (layout, output) = (manifest.public_values(), &manifest.output);
        // Of one inference; the manifest counts those of all. Totals are recorded like one.
        let batch = manifest.shape.statements();
        let narrow = |what, value: usize| {
            let limit = u64::from(u16::MAX);
            u16::try_from(value).map_err(|_| DeployError::TooLarge {
                what,
                value: value as u128,
                limit,
            })
        };
        let byte = |what, value: u128| {
            let limit = u64::from(u8::MAX);
            u8::try_from(value).map_err(|_| DeployError::TooLarge { what, value, limit })
        };
        Ok(Self {
            commitment: ModelCommitment {
                modelHash: manifest.model.hash,
                circuitHash: manifest.verifier.shape_id,
                vkHash: key_hash,
                proofSystemId: PROOF_SYSTEM_ID,
                uri: String::new(),
            },
            data: VerificationData {
                verifier,
                key,
                keyHash: key_hash,
                publicInputs: narrow("public inputs", layout.inputs / batch)?,
                outputs: narrow("outputs", layout.outputs / batch)?,
                batch: byte("inferences of a proof", batch as u128)?,
                outputMin: output.min,
                outputMax: output.max,
                decimals: byte("decimals", u128::from(output.decimals))?,
                direction: score.into(),
            },
        })
    }

    /// The event by which the registry says, in `from_block` or later, that it has a model
    /// with these data.
    pub(crate) fn registered(&self, registry: Address, from_block: u64) -> Effect {
        let topics = [
            Some(VerificationAttached::SIGNATURE_HASH),
            None,
            Some(self.data.verifier.into_word()),
            Some(self.data.key.into_word()),
        ];
        let data = self.data.abi_encode().into();
        Effect::Logged { address: registry, topics, data, from_block }
    }

    /// The newest model of `owner` that the registry holds with exactly these records; with an
    /// oracle and a demand, that this oracle does not hold to another one.
    pub(crate) async fn find(
        &self,
        chain: &ChainReader,
        registry: Address,
        owner: Address,
        suits: Option<(Address, B256)>,
    ) -> Result<Option<u64>, ChainError> {
        let found = search(chain, registry, true, |id| {
            let (wanted, chain) = (self.clone(), chain.clone());
            async move {
                if !wanted.is(&chain, registry, owner, id).await? {
                    return Ok(false);
                }
                let Some((oracle, demand)) = suits else { return Ok(true) };
                let call = demandOfCall { modelId: U256::from(id) };
                let first = chain.call(oracle, &call).await?;
                Ok(first.is_zero() || first == demand)
            }
        });
        Ok(found.await?.first().copied())
    }

    /// Whether model `id` is an active one of `owner` with exactly these records.
    async fn is(
        &self,
        chain: &ChainReader,
        registry: Address,
        owner: Address,
        id: u64,
    ) -> Result<bool, ChainError> {
        let found = model(chain, registry, id).await?;
        if found.owner != owner || found.deprecated || found.commitment != self.commitment {
            return Ok(false);
        }
        Ok(verification(chain, registry, id).await?.as_ref() == Some(&self.data))
    }

    /// What of a model that somebody registered is not this setup's; `None` if all is. Where
    /// the contracts are, where to read more and how the score is to be read, is the
    /// registrant's to say.
    pub(crate) fn difference(
        &self,
        commitment: &ModelCommitment,
        data: &VerificationData,
    ) -> Option<&'static str> {
        let (ours, mine) = (&self.commitment, &self.data);
        [
            ("the model's hash", commitment.modelHash == ours.modelHash),
            ("the shape's id", commitment.circuitHash == ours.circuitHash),
            ("the key's hash", commitment.vkHash == ours.vkHash && data.keyHash == mine.keyHash),
            ("the proof system", commitment.proofSystemId == ours.proofSystemId),
            ("the number of public inputs", data.publicInputs == mine.publicInputs),
            ("the number of outputs", data.outputs == mine.outputs),
            ("the number of inferences of a proof", data.batch == mine.batch),
            (
                "the range of the outputs",
                (data.outputMin, data.outputMax) == (mine.outputMin, mine.outputMax),
            ),
            ("the decimals", data.decimals == mine.decimals),
        ]
        .into_iter()
        .find_map(|(what, same)| (!same).then_some(what))
    }
}

/// A registry's record of a model.
pub(crate) async fn model(
    chain: &ChainReader,
    registry: Address,
    id: u64,
) -> Result<getModelReturn, ChainError> {
    chain.call(registry, &getModelCall { modelId: U256::from(id) }).await
}

/// A model's verification data, if it has any.
pub(crate) async fn verification(
    chain: &ChainReader,
    registry: Address,
    id: u64,
) -> Result<Option<VerificationData>, ChainError> {
    match chain.call(registry, &verificationOfCall { modelId: U256::from(id) }).await {
        Ok(found) => Ok(Some(found.data)),
        Err(ChainError::Reverted { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Ids of a registry's models that pass a test, newest first; `one` is enough, or all are
/// wanted.
pub(crate) async fn search<F>(
    chain: &ChainReader,
    registry: Address,
    one: bool,
    passes: impl Fn(u64) -> F,
) -> Result<Vec<u64>, ChainError>
where
    F: Future<Output = Result<bool, ChainError>> + Send + 'static,
{
    let count = chain.call(registry, &modelCountCall {}).await?;
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    if count > MAX_MODELS {
        return Err(ChainError::TooManyModels { registry, count, limit: MAX_MODELS });
    }
    // Ids run from 1 without gaps: each is a registration somebody paid for.
    let mut found = Vec::new();
    let mut newest = count;
    while newest > 0 && (!one || found.is_empty()) {
        let oldest = newest.saturating_sub(MODELS_AT_ONCE).saturating_add(1).max(1);
        let mut asked = JoinSet::new();
        for id in oldest..=newest {
            let answer = passes(id);
            asked.spawn(async move { Ok::<_, ChainError>(answer.await?.then_some(id)) });
        }
        while let Some(answer) = asked.join_next().await {
            // A task ends early only if this future is dropped.
            found.extend(answer.unwrap_or(Ok(None))?);
        }
        newest = oldest - 1;
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}
