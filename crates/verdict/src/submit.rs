//! Taking a proof to its oracle.
//!
//! A submission is done when the record on chain is the one that the proof states: its
//! subject, model, nonce and output. Whatever else stands there is a failure that says so,
//! also when the transaction succeeded or the contract answers that it has the request.

use alloy::{
    primitives::{Address, B256, Bytes, I256, U256, keccak256},
    sol_types::{SolCall, SolEvent, SolValue},
};
use serde::Serialize;
use thiserror::Error;
use verdict_contracts::{
    InferenceRequest, ProofBundle,
    bindings::InferenceOracle::{InferenceVerified, ScoreRecord, scoreOfCall},
    calldata::verify_inference_call,
    idempotency_key,
};
use verdict_relayer::{Effect, SubmitRequest, TxReceipt};

use crate::{
    chain::{Chain, ChainError, ChainReader},
    deployment::Deployment,
    error::{Error, Kind},
    progress::{Progress, step, step_async},
    setup::PublicSetup,
    verify::verify,
};

/// A record on chain, and what brought it there.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// The record, which is the one that the proof states.
    pub record: Record,
    /// The transaction that recorded it; `None` if somebody else's did, or an earlier one
    /// that this database does not know.
    pub receipt: Option<TxReceipt>,
}

/// What an oracle holds about a subject and a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Whom it is about.
    pub subject: Address,
    /// The model that made the score.
    pub model_id: u64,
    /// Nonce of the request; 0 if there is no record.
    pub nonce: u64,
    /// First output of the model, in units of its last decimal.
    pub score: i64,
    /// Time of recording, seconds since 1970.
    pub updated_at: u64,
}

/// Why a score is not recorded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The proof is for no chain.
    #[error("the proof answers no request, so no oracle can record it")]
    NoRequest,
    /// The proof is for other contracts.
    #[error(
        "the proof is for oracle {oracle} on chain {chain_id}, the setup is deployed at \
         {deployed} on chain {deployed_chain_id}"
    )]
    OtherOracle {
        /// The proof's oracle.
        oracle: Address,
        /// The proof's chain.
        chain_id: u64,
        /// The deployment's oracle.
        deployed: Address,
        /// The deployment's chain.
        deployed_chain_id: u64,
    },
    /// The proof is for another model of the oracle.
    #[error(
        "the proof is for model {model_id} with verification data {verification_hash}, the setup \
         is deployed as model {deployed} with {deployed_hash}"
    )]
    OtherModel {
        /// The proof's model.
        model_id: u64,
        /// Hash of the verification data that the proof is bound to.
        verification_hash: B256,
        /// The deployment's model.
        deployed: u64,
        /// Hash of its verification data.
        deployed_hash: B256,
    },
    /// Another score stands where this one should.
    #[error(
        "the proof states output {stated} for request {nonce} about {}, but what stands on chain \
         is {}: it was {what}", found.subject, found.words()
    )]
    OtherRecord {
        /// The first output that the proof states.
        stated: i128,
        /// Its request's nonce.
        nonce: u64,
        /// What stands there.
        found: Record,
        /// What the record says about this proof.
        what: &'static str,
    },
    /// The first output is the one stated, another is not.
    #[error(
        "request {nonce} about {subject} is recorded with the first output that the proof states, \
         but no event on chain has all of its outputs: it was made with other inputs"
    )]
    OtherOutputs {
        /// The request's nonce.
        nonce: u64,
        /// The subject.
        subject: Address,
    },
    /// There is no record.
    #[error("the oracle has no record about {subject}, although it was sent")]
    NoRecord {
        /// The subject.
        subject: Address,
    },
}

impl SubmitError {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::OtherRecord { .. } | Self::OtherOutputs { .. } | Self::NoRecord { .. } => {
                Kind::Rejected
            }
            _ => Kind::Failed,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRequest => "prove with --subject, after `verdict deploy`".into(),
            Self::OtherOracle { .. } | Self::OtherModel { .. } => {
                "prove again for this deployment, or use the setup the proof was made with".into()
            }
            Self::OtherRecord { found, .. } => {
                format!("prove again with a nonce above {}", found.nonce)
            }
            Self::OtherOutputs { nonce, .. } => format!("prove again with a nonce above {nonce}"),
            Self::NoRecord { .. } => "the node may lag behind; run it again".into(),
        })
    }
}

impl Record {
    fn words(&self) -> String {
        format!("output {} of model {} for request {}", self.score, self.model_id, self.nonce)
    }
}

/// Checks a bundle and takes it to its oracle, unless it is recorded there already.
///
/// # Errors
/// The bundle is not of this setup or does not verify; the deployment is another setup's;
/// the chain refuses; or the record on chain is not the one that the proof states.
pub async fn submit(
    setup: &PublicSetup,
    bundle: &ProofBundle,
    chain: &Chain,
    progress: &dyn Progress,
) -> Result<Submitted, Error> {
    let deployment = setup.deployment()?;
    let request = request_for(&deployment, bundle)?;
    step(progress, "check the proof", || verify(setup, bundle))?;
    check_model(&deployment, request)?;
    chain.expect(deployment.chain_id)?;
    let stated = Stated::new(&deployment, request, bundle);
    // A record that bars this one is found before anything is sent. One that is this one
    // may not be final yet: the relayer waits for it.
    stated.compare(&stated.read(chain).await?)?;
    let transaction = transaction(request, bundle)?.with_effect(stated.effect());
    let title = "submit and wait until final";
    let sent = step_async(progress, title, chain.send(transaction)).await;
    let sent = match sent {
        Err(error) if matches!(error.kind(), Kind::Pending | Kind::Unreachable) => {
            return Err(error.into());
        }
        sent => sent,
    };
    // Whatever became of the transaction, what the chain holds decides.
    match stated.compare(&stated.read(chain).await?)? {
        Standing::Recorded(record) => {
            let receipt = sent.unwrap_or_default();
            stated.check_outputs(chain, bundle, &record).await?;
            Ok(Submitted { record, receipt })
        }
        Standing::Before => {
            sent?;
            Err(SubmitError::NoRecord { subject: stated.subject }.into())
        }
    }
}

/// The request of a bundle, if it is to this deployment.
fn request_for<'a>(
    deployment: &Deployment,
    bundle: &'a ProofBundle,
) -> Result<&'a InferenceRequest, SubmitError> {
    let request = bundle.request.as_ref().ok_or(SubmitError::NoRequest)?;
    if request.oracle != deployment.oracle || request.chain_id != deployment.chain_id {
        return Err(SubmitError::OtherOracle {
            oracle: request.oracle,
            chain_id: request.chain_id,
            deployed: deployment.oracle,
            deployed_chain_id: deployment.chain_id,
        });
    }
    Ok(request)
}

/// The model of a request is the deployed one. Asked after the proof was verified: a proof of
/// another setup is that first of all.
fn check_model(deployment: &Deployment, request: &InferenceRequest) -> Result<(), SubmitError> {
    if request.model_id == deployment.model_id
        && request.verification_hash == deployment.verification_hash
    {
        return Ok(());
    }
    Err(SubmitError::OtherModel {
        model_id: request.model_id,
        verification_hash: request.verification_hash,
        deployed: deployment.model_id,
        deployed_hash: deployment.verification_hash,
    })
}

fn transaction(request: &InferenceRequest, bundle: &ProofBundle) -> Result<SubmitRequest, Error> {
    let model_id = U256::from(request.model_id);
    let calldata = Bytes::from(verify_inference_call(bundle)?.abi_encode());
    let commitment = request.commitment();
    let job = idempotency_key(request.chain_id, request.oracle, model_id, commitment);
    // Two proofs may answer one request with different outputs: they are two jobs.
    let key = format!("{job}:{}", keccak256(&calldata));
    Ok(SubmitRequest {
        label: "verifyInference".into(),
        ..SubmitRequest::call(request.oracle, calldata, key)
    })
}

/// The record that a proof states.
struct Stated {
    oracle: Address,
    subject: Address,
    model_id: u64,
    nonce: u64,
    output: i128,
}

/// How the record on chain stands to the one that a proof states.
enum Standing {
    /// It is that one.
    Recorded(Record),
    /// It is none or an earlier one, so that this one may follow.
    Before,
}

impl Stated {
    fn new(deployment: &Deployment, request: &InferenceRequest, bundle: &ProofBundle) -> Self {
        Self {
            oracle: deployment.oracle,
            subject: request.subject,
            model_id: deployment.model_id,
            nonce: request.nonce,
            output: bundle.outputs.first().copied().unwrap_or_default(),
        }
    }

    fn call(&self) -> scoreOfCall {
        scoreOfCall { subject: self.subject, modelId: U256::from(self.model_id) }
    }

    /// The record has this score for this request.
    fn effect(&self) -> Effect {
        let word = |number: I256| Some(B256::from(number.into_raw()));
        let score = word(I256::try_from(self.output).unwrap_or(I256::MIN));
        let nonce = word(I256::unchecked_from(self.nonce));
        let (to, calldata) = (self.oracle, self.call().abi_encode().into());
        // When it was recorded, until when it could be, and by whom, is not the proof's to say.
        Effect::CallReturns { to, calldata, returns: vec![score, nonce, None, None, None] }
    }

    async fn read(&self, chain: &ChainReader) -> Result<Record, ChainError> {
        let (subject, model_id) = (self.subject, self.model_id);
        let record: ScoreRecord = chain.call(self.oracle, &self.call()).await?;
        Ok(Record {
            subject,
            model_id,
            nonce: record.nonce,
            score: record.score,
            updated_at: record.updatedAt.to(),
        })
    }

    /// A record holds the first output only: the others stand in the event beside it.
    async fn check_outputs(
        &self,
        chain: &ChainReader,
        bundle: &ProofBundle,
        record: &Record,
    ) -> Result<(), Error> {
        if bundle.outputs.len() < 2 {
            return Ok(());
        }
        let call = verify_inference_call(bundle)?;
        let topics = [
            Some(InferenceVerified::SIGNATURE_HASH),
            Some(B256::from(call.modelId)),
            Some(call.inputCommitment),
            None,
        ];
        let blocks = chain.blocks_of(record.updated_at).await?;
        let logs = chain.logs(self.oracle, topics, blocks).await?;
        let stated = Bytes::from(call.output.abi_encode());
        if logs.contains(&stated) {
            return Ok(());
        }
        Err(SubmitError::OtherOutputs { nonce: self.nonce, subject: self.subject }.into())
    }

    fn compare(&self, found: &Record) -> Result<Standing, SubmitError> {
        if found.updated_at == 0 || found.nonce < self.nonce {
            return Ok(Standing::Before);
        }
        let what = if found.nonce > self.nonce {
            "overtaken by a later request"
        } else if i128::from(found.score) != self.output {
            "made with other inputs"
        } else {
            return Ok(Standing::Recorded(found.clone()));
        };
        let (stated, nonce, found) = (self.output, self.nonce, found.clone());
        Err(SubmitError::OtherRecord { stated, nonce, found, what })
    }
}

/// What an oracle holds about the subject of a bundle.
///
/// # Errors
/// The node does not answer, or has no oracle there.
pub async fn recorded(
    chain: &ChainReader,
    deployment: &Deployment,
    bundle: &ProofBundle,
) -> Result<Record, Error> {
    let request = request_for(deployment, bundle)?;
    check_model(deployment, request)?;
    Ok(Stated::new(deployment, request, bundle).read(chain).await?)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::aliases::U40;

    use super::*;

    fn stated() -> Stated {
        let (oracle, subject) = (Address::ZERO, Address::repeat_byte(1));
        Stated { oracle, subject, model_id: 2, nonce: 5, output: -7 }
    }

    fn found(model_id: u64, nonce: u64, score: i64, updated_at: u64) -> Record {
        Record { subject: Address::repeat_byte(1), model_id, nonce, score, updated_at }
    }

    #[test]
    fn only_the_record_that_the_proof_states_counts_as_recorded() {
        assert!(matches!(stated().compare(&found(2, 5, -7, 9)), Ok(Standing::Recorded(_))));
        for (record, what) in
            [(found(2, 5, 7, 9), "other inputs"), (found(2, 6, -7, 9), "overtaken")]
        {
            let Err(error) = stated().compare(&record) else { panic!("{record:?} passed") };
            let text = error.to_string();
            assert!(text.contains(what) && text.contains(&record.words()), "{text}");
            assert_eq!(error.kind(), Kind::Rejected);
        }
    }

    #[test]
    fn the_effect_looked_for_is_the_record_s_score_and_nonce() {
        let Effect::CallReturns { returns, .. } = stated().effect() else { panic!("a record") };
        let (time, prover) = (U40::from(9), Address::ZERO);
        let record = ScoreRecord { score: -7, nonce: 5, updatedAt: time, deadline: time, prover };
        let words = record.abi_encode();
        let (words, _) = words.as_chunks::<32>();
        assert_eq!(returns.len(), words.len());
        assert_eq!(returns[..2], [Some(B256::from(words[0])), Some(B256::from(words[1]))]);
        assert_eq!(returns[2..], [None; 3]);
    }

    #[test]
    fn no_record_and_an_earlier_one_leave_room_for_this_one() {
        for record in [found(2, 0, 0, 0), found(2, 4, -7, 9)] {
            assert!(matches!(stated().compare(&record), Ok(Standing::Before)));
        }
    }
}
