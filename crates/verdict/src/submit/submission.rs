//! A proof on its way to its oracle.

use alloy::primitives::{U256, keccak256};
use verdict_contracts::{
    InferenceRequest, ProofBundle,
    attestation::{Attestation, verify_attested_inference_calldata},
    idempotency_key, verify_inference_calldata,
};
use verdict_relayer::SubmitRequest;

use super::{
    Record, SubmitError,
    stated::{Standing, Stated},
};
use crate::{
    attest::{check_attestations, check_source, indexed},
    chain::{Chain, ChainReader},
    deployment::Deployment,
    error::Error,
};

/// What a chain has of a proof for good.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// The records that it states.
    Recorded(Vec<Record>),
    /// Others, which bar it.
    Barred,
    /// None yet.
    Open,
}

/// A proof on its way to its oracle: what is sent, and what the chain holds once it has arrived.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    pub(super) deployment: &'a Deployment,
    pub(super) bundle: &'a ProofBundle,
    pub(super) attestations: &'a [Attestation],
}

impl<'a> Submission<'a> {
    /// Of a bundle that [`verify()`](crate::verify()) accepted, and of the attestations that the
    /// model's approval demands.
    ///
    /// # Errors
    /// The bundle answers no request or one to another oracle or model; the attestations are too
    /// few or about something else.
    pub fn new(
        deployment: &'a Deployment,
        bundle: &'a ProofBundle,
        attestations: &'a [Attestation],
    ) -> Result<Self, Error> {
        check_model(deployment, requests_for(deployment, bundle)?)?;
        check_attestations(deployment, bundle, attestations)?;
        Ok(Self { deployment, bundle, attestations })
    }

    pub(super) fn stated(&self) -> Stated {
        Stated::new(self.deployment, self.bundle)
    }

    /// What a relayer sends, unless the chain shows its effect.
    ///
    /// # Errors
    /// A record stands on chain that bars this one; the inputs are not those of the model's source;
    /// the node does not answer.
    pub async fn transaction(&self, chain: &ChainReader) -> Result<SubmitRequest, Error> {
        let Self { deployment, bundle, attestations } = *self;
        let stated = self.stated();
        // A record that bars this one is found before anything is sent. One that is this one
        // may not be final yet: the relayer waits for it.
        if stated.compare(&stated.read(chain).await?)? == Standing::Before {
            check_source(chain, deployment, bundle).await?;
        }
        let attested = match &deployment.attestations {
            Some(policy) => Some(indexed(chain, policy, attestations).await?),
            None => None,
        };
        Ok(transaction(deployment, bundle, attested)?.with_effect(stated.effect()))
    }

    /// What the chain has of the proof for good. A chain that is reorganized between two questions shows a
    /// record of one fork beside what is of another: what [`Self::transaction`] and [`Self::recorded`]
    /// say is to be believed only then.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn settled(&self, chain: &Chain) -> Result<Settled, Error> {
        let Some(settled) = chain.settled().await? else { return Ok(Settled::Open) };
        match self.recorded(&settled).await {
            Ok(Some(records)) => Ok(Settled::Recorded(records)),
            Ok(None) => Ok(Settled::Open),
            Err(Error::Submit(_)) => Ok(Settled::Barred),
            Err(error) => Err(error),
        }
    }

    /// The records that the proof states, in the order of [`super::Submitted::records`]; none if they
    /// are not there yet.
    ///
    /// # Errors
    /// Other records stand there; the node does not answer.
    pub async fn recorded(&self, chain: &ChainReader) -> Result<Option<Vec<Record>>, Error> {
        let stated = self.stated();
        let found = stated.read(chain).await?;
        Ok(match stated.compare(&found)? {
            Standing::Recorded => {
                stated.check_outputs(chain, self.bundle).await?;
                Some(found)
            }
            Standing::Before => None,
        })
    }
}

/// The requests of a bundle, if they are to this deployment.
pub(super) fn requests_for<'a>(
    deployment: &Deployment,
    bundle: &'a ProofBundle,
) -> Result<&'a [InferenceRequest], SubmitError> {
    let requests = bundle.answered();
    if requests.is_empty() {
        return Err(SubmitError::NoRequest);
    }
    for request in requests {
        if request.oracle != deployment.oracle || request.chain_id != deployment.chain_id {
            return Err(SubmitError::OtherOracle {
                oracle: request.oracle,
                chain_id: request.chain_id,
                deployed: deployment.oracle,
                deployed_chain_id: deployment.chain_id,
            });
        }
    }
    Ok(requests)
}

/// The model of the requests is the deployed one. Asked after the proof was verified: a proof of
/// another setup is that first of all.
pub(super) fn check_model(
    deployment: &Deployment,
    requests: &[InferenceRequest],
) -> Result<(), SubmitError> {
    for request in requests {
        if request.model_id != deployment.model_id
            || request.verification_hash != deployment.verification_hash
        {
            return Err(SubmitError::OtherModel {
                model_id: request.model_id,
                verification_hash: request.verification_hash,
                deployed: deployment.model_id,
                deployed_hash: deployment.verification_hash,
            });
        }
    }
    Ok(())
}

fn transaction(
    deployment: &Deployment,
    bundle: &ProofBundle,
    attestations: Option<Vec<(u8, &Attestation)>>,
) -> Result<SubmitRequest, Error> {
    let model_id = U256::from(deployment.model_id);
    let (calldata, label) = match attestations {
        Some(given) => {
            (verify_attested_inference_calldata(bundle, &given)?, "verifyAttestedInference")
        }
        None if bundle.answered().len() > 1 => {
            (verify_inference_calldata(bundle)?, "verifyInferenceBatch")
        }
        None => (verify_inference_calldata(bundle)?, "verifyInference"),
    };
    let commitment = bundle.input_commitment.unwrap_or_default();
    let job = idempotency_key(deployment.chain_id, deployment.oracle, model_id, commitment);
    // Two proofs may answer one request with different outputs: they are two jobs.
    let key = format!("{job}:{}", keccak256(&calldata));
    Ok(SubmitRequest {
        label: label.into(),
        ..SubmitRequest::call(deployment.oracle, calldata, key)
    })
}
