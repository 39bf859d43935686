//! Taking up an oracle that somebody else deployed.
//!
//! Whoever has a setup's public part and an oracle's address can prove and submit to it. What
//! the oracle approved is compared with the setup before anything is proven for it: the
//! registry's records, the verifier's code, the key's code. Nothing is sent.

use std::path::Path;

use alloy::primitives::{Address, U256};
use thiserror::Error;
use verdict_codegen::key_code;
use verdict_contracts::{
    bindings::InferenceOracle::{attestationPolicyOfCall, isModelApprovedCall, registryCall},
    verification_hash,
};

use crate::{
    attest::is_source,
    chain::{ChainReader, is_development},
    contracts::Contracts,
    deploy::{ScoreDirection, check_code},
    deployment::{AttestationPolicy, Deployment},
    error::{Error, Kind},
    progress::{Progress, step},
    registration::{Registration, model, search, verification},
    setup::PublicSetup,
    srs::INSECURE,
};

/// Why an oracle cannot be taken up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttachError {
    /// None of its models is the setup's.
    #[error("oracle {oracle} approved no model of registry {registry} that is this setup's")]
    NoModel {
        /// The oracle.
        oracle: Address,
        /// Its registry.
        registry: Address,
    },
    /// Several are: the same model, with another word on how its score is to be read, or on who
    /// has to vouch for its inputs.
    #[error("models {} of oracle {oracle} are all this setup's", list(ids))]
    Several {
        /// The oracle.
        oracle: Address,
        /// The ids, newest first.
        ids: Vec<u64>,
    },
    /// The model asked for is another one.
    #[error("model {id} of registry {registry} is not this setup's: {what} differs")]
    Differs {
        /// The model.
        id: u64,
        /// The registry.
        registry: Address,
        /// What of it.
        what: &'static str,
    },
    /// The model is this setup's, but its proofs are not recorded.
    #[error("model {id} is this setup's, but {why}")]
    NotAccepted {
        /// The model.
        id: u64,
        /// Why not.
        why: &'static str,
    },
}

fn list(ids: &[u64]) -> String {
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

impl AttachError {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Several { .. } => Kind::Usage,
            _ => Kind::Rejected,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoModel { .. } => "ask the oracle's owner to register and approve the model \
                                     (`verdict deploy --registry … --oracle …`); --model-id says \
                                     what differs about one"
                .into(),
            Self::Several { .. } => "say which with --model-id".into(),
            Self::Differs { .. } => "use the setup that the model was deployed with".into(),
            Self::NotAccepted { .. } => "ask the oracle's owner".into(),
        })
    }
}

/// Finds a setup's model at an oracle, checks it, and writes `deployment.json`.
///
/// # Errors
/// There is no such oracle; it has not approved this setup's model, or several that fit and
/// `model_id` does not say which; the verifier's or the key's code is another; there is no
/// solc to make the verifier's with (give its path as `solc`).
pub async fn attach(
    setup: &PublicSetup,
    chain: &ChainReader,
    oracle: Address,
    model_id: Option<u64>,
    solc: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Deployment, Error> {
    let registry = chain.call(oracle, &registryCall {}).await?;
    let nowhere = Address::ZERO;
    let unsaid = ScoreDirection::default();
    let wanted = Registration::new(setup.manifest(), nowhere, nowhere, unsaid)?;
    let id = match model_id {
        Some(id) => id,
        None => the_one(&wanted, chain, oracle, registry).await?,
    };
    let found = model(chain, registry, id).await?;
    let data = verification(chain, registry, id).await?;
    let data = data.ok_or(AttachError::NotAccepted { id, why: "it has no verifier" })?;
    if let Some(what) = wanted.difference(&found.commitment, &data) {
        return Err(AttachError::Differs { id, registry, what }.into());
    }
    if !approves(chain, oracle, id).await? {
        return Err(AttachError::NotAccepted { id, why: "the oracle does not approve it" }.into());
    }
    if found.deprecated {
        return Err(AttachError::NotAccepted { id, why: "its owner deprecated it" }.into());
    }
    let policy = chain.call(oracle, &attestationPolicyOfCall { modelId: U256::from(id) }).await?;
    let sourced = policy.threshold == 1 && is_source(chain, policy.signers).await?;
    check_code(chain, data.key, &key_code(&setup.key_payload()?)).await?;
    // What takes long comes last.
    let contracts =
        step(progress, "compile the Solidity verifier", || Contracts::new(setup, solc))?;
    check_code(chain, data.verifier, &contracts.verifier.runtime).await?;
    if setup.is_insecure() && !is_development(chain.chain_id()) {
        progress.warn(INSECURE);
    }
    let deployment = Deployment {
        setup_id: setup.id(),
        chain_id: chain.chain_id(),
        registry,
        oracle,
        verifier: data.verifier,
        key: data.key,
        model_id: id,
        verification_hash: verification_hash(&data),
        attestations: AttestationPolicy::of(&policy, sourced),
    };
    setup.save_deployment(&deployment)?;
    Ok(deployment)
}

async fn approves(chain: &ChainReader, oracle: Address, id: u64) -> Result<bool, Error> {
    Ok(chain.call(oracle, &isModelApprovedCall { modelId: U256::from(id) }).await?)
}

/// The one approved model of the registry that is the setup's and may be used.
async fn the_one(
    wanted: &Registration,
    chain: &ChainReader,
    oracle: Address,
    registry: Address,
) -> Result<u64, Error> {
    let fits = |id: u64| {
        let (wanted, chain) = (wanted.clone(), chain.clone());
        async move {
            // Few are approved.
            let approved = isModelApprovedCall { modelId: U256::from(id) };
            if !chain.call(oracle, &approved).await? {
                return Ok(false);
            }
            let found = model(&chain, registry, id).await?;
            let data = verification(&chain, registry, id).await?;
            let same =
                data.is_some_and(|data| wanted.difference(&found.commitment, &data).is_none());
            Ok(same && !found.deprecated)
        }
    };
    match search(chain, registry, false, fits).await?.as_slice() {
        [] => Err(AttachError::NoModel { oracle, registry }.into()),
        [id] => Ok(*id),
        ids => Err(AttachError::Several { oracle, ids: ids.to_vec() }.into()),
    }
}
