//! Statements of data providers about a subject's inputs.
//!
//! A provider needs the public part of a setup and its own key, and talks to no chain: the
//! statement names the registry where the key counts. Who takes a proof to the chain takes the
//! statements with it; what the chain would refuse is refused before, where it can be known.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolCall, SolValue},
};
use thiserror::Error as ThisError;
use verdict_contracts::{
    AttestationError, InferenceRequest, ProofBundle,
    attestation::{Attestation, MAX_ATTESTATION_BYTES, Statement},
    bindings::{
        INPUT_SOURCE_INTERFACE,
        InputSource::{inputWordsOfCall, supportsInterfaceCall},
        SignerRegistry::{
            SIGNER_DELAYCall, Signer, acceptSignerCall, signerAtCall, signerIndexOfCall,
        },
    },
    inputs_hash,
};
use verdict_prover::bounded::{ReadError, read_bounded};
use verdict_relayer::{Effect, RelayerSigner, SubmitRequest, TxReceipt, signer::SignerError};

use crate::{
    chain::{Chain, ChainError, ChainReader},
    commitment::Salt,
    coverage::Coverage,
    deployment::{AttestationPolicy, Deployment},
    error::{Error, Kind},
    files::{self, Access},
    progress::{Progress, step_async},
    setup::PublicSetup,
};

/// Seconds by which a statement is dated back: a chain's clock is that of its last block.
const CLOCK_LAG: u64 = 120;
/// Longest time in seconds from now for which a registry believes a statement: its
/// `MAX_VALIDITY`, 30 days, from the time that the statement says it was issued at.
const MAX_VALID_FOR: u64 = 30 * 86_400 - CLOCK_LAG;
/// Seconds in which a proposed signer has to accept: a registry's `OFFER_PERIOD`.
const OFFER_PERIOD: u64 = 30 * 86_400;

/// Why nothing is attested, or what is attested does not do.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum AttestError {
    /// No statement is asked for.
    #[error("model {model_id} of oracle {oracle} demands no attestations")]
    NotDemanded {
        /// The model.
        model_id: u64,
        /// The oracle.
        oracle: Address,
    },
    /// Inputs that no proof states.
    #[error("the model's inputs are private: nobody can vouch for them")]
    PrivateInputs,
    /// Inputs of which a proof states some.
    #[error("a statement cannot cover all inputs: {0}")]
    SomeInputsPrivate(Coverage),
    /// A proof of a batch has no place for statements.
    #[error("the setup is for batches, of which nobody can vouch for the inputs")]
    Batch,
    /// More signers demanded than given.
    #[error("the model demands attestations of {threshold} providers, {given} are given")]
    TooFew {
        /// How many have to vouch.
        threshold: u8,
        /// How many do.
        given: usize,
    },
    /// A statement about something else.
    #[error("the attestation of {signer} is for another {what} than the proof")]
    Other {
        /// Who signed it.
        signer: Address,
        /// What differs.
        what: &'static str,
    },
    /// A source reads the inputs itself.
    #[error(
        "the oracle reads the inputs of model {model_id} at {source_contract}: nobody attests them"
    )]
    FromSource {
        /// The model.
        model_id: u64,
        /// The source.
        source_contract: Address,
    },
    /// No source is there to read from.
    #[error("no source of inputs is named for model {model_id} of oracle {oracle}")]
    NoSource {
        /// The model.
        model_id: u64,
        /// The oracle.
        oracle: Address,
    },
    /// What the source says is nothing that the model can be run on.
    #[error("what {source_contract} says of {subject} are no inputs of this model: {words} words")]
    NoInputs {
        /// The source.
        source_contract: Address,
        /// The subject.
        subject: Address,
        /// How many words it says.
        words: usize,
    },
    /// The source says something else than what was proven.
    #[error("the proof is of other inputs than {source_contract} says of {subject} now")]
    Outdated {
        /// The source.
        source_contract: Address,
        /// The subject.
        subject: Address,
    },
    /// No time at all, or longer than a registry believes a statement.
    #[error("a statement cannot be valid for {0} seconds: 1 to {MAX_VALID_FOR}")]
    ValidFor(u64),
    /// The key.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is no attestation.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        cause: AttestationError,
    },
}

impl AttestError {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::NotDemanded { .. }
            | Self::TooFew { .. }
            | Self::FromSource { .. }
            | Self::NoSource { .. } => Kind::Usage,
            Self::Outdated { .. } => Kind::Rejected,
            _ => Kind::Failed,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::NotDemanded { .. } => {
                    "leave --attestation out, or deploy with --attestor; `verdict attach` takes up \
                     what an oracle demands by now"
                }
                Self::PrivateInputs => "set the model up with --public-inputs",
                Self::SomeInputsPrivate(_) => {
                    "set the model up with --public-inputs or --commit-inputs, or say --partial if \
                     the others may be anything in range"
                }
                Self::Batch => "set the model up without --batch",
                Self::FromSource { .. } => "leave --attestation out",
                Self::NoSource { .. } => "give the inputs with --input",
                Self::NoInputs { .. } => {
                    "the source packs words for another encoding; compare its bits, ranges and \
                     decimals with the setup's manifest"
                }
                Self::Outdated { .. } => "prove again with --from-source",
                Self::TooFew { .. } => "give each provider's file with --attestation",
                Self::Other { .. } => {
                    "ask the provider for one about this deployment, subject and input"
                }
                Self::File { .. } => "give a file that `verdict attest` wrote",
                _ => return None,
            }
            .to_owned(),
        )
    }
}

/// What a provider is asked to vouch for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttestRequest<'a> {
    /// Whom the inputs are about.
    pub subject: Address,
    /// The model's inputs.
    pub input: &'a [f64],
    /// The salt of the commitment to them, if that is what proofs state.
    pub salt: Option<Salt>,
    /// Seconds from now for which the statement is valid.
    pub valid_for: u64,
    /// The contract in whose name the key signs (ERC-1271); `None`: the key's own account.
    pub account: Option<Address>,
    /// Vouch for the inputs that proofs state although others are private.
    pub partial: bool,
}

/// Refuses a setup whose proofs say nothing of their inputs, or of some only unless that is
/// asked for (`partial`), or are of batches.
pub(crate) fn check_attestable(
    setup: &PublicSetup,
    partial: bool,
) -> Result<Coverage, AttestError> {
    let shape = &setup.manifest().shape;
    if !shape.public_inputs {
        return Err(AttestError::PrivateInputs);
    }
    if shape.batch() > 1 {
        return Err(AttestError::Batch);
    }
    let coverage = Coverage::of(setup.manifest());
    if !partial && !coverage.is_whole() {
        return Err(AttestError::SomeInputsPrivate(coverage));
    }
    Ok(coverage)
}

/// Signs that a subject has these inputs, as far as proofs state them.
///
/// # Errors
/// The setup is not deployed, or its model demands no attestations; proofs state some of the
/// inputs only, and that is not asked for; the input does not fit the model; the key does not
/// sign.
pub async fn attest(
    setup: &PublicSetup,
    request: &AttestRequest<'_>,
    key: &RelayerSigner,
) -> Result<Attestation, Error> {
    let deployment = setup.deployment()?;
    let policy = demanded(&deployment)?;
    check_attestable(setup, request.partial)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    if !(1..=MAX_VALID_FOR).contains(&request.valid_for) {
        return Err(AttestError::ValidFor(request.valid_for).into());
    }
    let statement = Statement {
        chain_id: deployment.chain_id,
        registry: policy.signers,
        signer: request.account.unwrap_or(key.address()),
        subject: request.subject,
        schema: policy.schema,
        inputs: inputs_hash(&setup.manifest().input_words(&[request.input], request.salt)?),
        issued_at: now.saturating_sub(CLOCK_LAG),
        valid_until: now.saturating_add(request.valid_for),
    };
    let signature = key.sign_hash(&statement.digest()).await.map_err(AttestError::Signer)?;
    Ok(Attestation::new(statement, signature))
}

/// Accepts the registry's offer to be one of its signers, unless that is done.
///
/// # Errors
/// The setup is not deployed, or its model demands no attestations; the registry's owner has not
/// proposed the sender; the chain refuses.
pub async fn accept_signer(
    setup: &PublicSetup,
    chain: &Chain,
    progress: &dyn Progress,
) -> Result<Accepted, Error> {
    let deployment = setup.deployment()?;
    let registry = demanded(&deployment)?.signers;
    chain.expect(deployment.chain_id)?;
    let account = chain.sender();
    let index = index_of(chain, registry, account).await?;
    let call = signerAtCall { index: U256::from(index) };
    let mut signer = chain.call(registry, &call).await?;
    let mut receipt = None;
    if signer.countsFrom.is_zero() {
        let delay = chain.call(registry, &SIGNER_DELAYCall {}).await?;
        let accepted =
            Signer { countsFrom: (signer.proposedAt.to::<U256>() + delay).to(), ..signer };
        let words = accepted.abi_encode();
        let (words, _) = words.as_chunks::<32>();
        let effect = Effect::CallReturns {
            to: registry,
            calldata: encode(&call),
            returns: words.iter().map(|word| Some(B256::from(*word))).collect(),
        };
        // Once for each proposal.
        let key = format!("accept-signer:{registry}:{account}:{}", signer.proposedAt);
        let request = SubmitRequest {
            label: "acceptSigner".into(),
            ..SubmitRequest::call(registry, encode(&acceptSignerCall {}), key)
        }
        .with_effect(effect);
        receipt = step_async(progress, "accept to be a signer", chain.send(request)).await?;
        signer = chain.call(registry, &call).await?;
    }
    Ok(Accepted { registry, account, index, counts_from: signer.countsFrom.to(), receipt })
}

/// A provider that has accepted to be one.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The registry.
    pub registry: Address,
    /// The provider.
    pub account: Address,
    /// Its index in the registry.
    pub index: u8,
    /// Unix time from which its statements count.
    pub counts_from: u64,
    /// The transaction; `None` if it had accepted before.
    pub receipt: Option<TxReceipt>,
}

/// Reads an attestation.
///
/// # Errors
/// The file cannot be read, or is none.
pub fn read_attestation(path: &Path) -> Result<Attestation, Error> {
    let bytes = read_bounded(path, MAX_ATTESTATION_BYTES).map_err(AttestError::Read)?;
    let malformed = |cause| AttestError::File { path: path.to_owned(), cause };
    Ok(Attestation::from_json(&bytes).map_err(malformed)?)
}

/// Writes an attestation, whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn write_attestation(attestation: &Attestation, path: &Path) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec_pretty(attestation).map_err(Error::json)?;
    bytes.push(b'\n');
    Ok(files::write(path, &bytes, Access::Public)?)
}

/// What the deployed model demands.
fn demanded(deployment: &Deployment) -> Result<&AttestationPolicy, AttestError> {
    let &Deployment { model_id, oracle, .. } = deployment;
    match &deployment.attestations {
        Some(policy) if policy.source => {
            Err(AttestError::FromSource { model_id, source_contract: policy.signers })
        }
        Some(policy) => Ok(policy),
        None => Err(AttestError::NotDemanded { model_id, oracle }),
    }
}

/// Checks what can be checked without a chain: the attestations are as many as the model
/// demands, each of another signer, and about what the proof states.
pub(crate) fn check_attestations(
    deployment: &Deployment,
    bundle: &ProofBundle,
    attestations: &[Attestation],
) -> Result<(), AttestError> {
    let policy = match demanded(deployment) {
        Ok(policy) => policy,
        Err(_) if attestations.is_empty() => return Ok(()),
        Err(error) => return Err(error),
    };
    for request in bundle.answered() {
        for attestation in attestations {
            let signer = attestation.statement.signer;
            if let Some(what) = attestation.difference(&wanted(policy, request, signer)) {
                return Err(AttestError::Other { signer, what });
            }
        }
    }
    let (threshold, given) = (policy.threshold, attestations.len());
    if given < usize::from(threshold) {
        return Err(AttestError::TooFew { threshold, given });
    }
    Ok(())
}

/// Checks that a source says by now what a proof states.
pub(crate) async fn check_source(
    chain: &ChainReader,
    deployment: &Deployment,
    bundle: &ProofBundle,
) -> Result<(), Error> {
    let Some(policy) = deployment.attestations.as_ref().filter(|policy| policy.source) else {
        return Ok(());
    };
    for request in bundle.answered() {
        let (subject, source_contract) = (request.subject, policy.signers);
        let words = chain.call(source_contract, &inputWordsOfCall { subject }).await?;
        let words = words.into_iter().map(B256::from);
        if !words.eq(bundle.input_words().iter().copied()) {
            return Err(AttestError::Outdated { source_contract, subject }.into());
        }
    }
    Ok(())
}

/// The inputs of a subject as the source of a deployed model says.
///
/// # Errors
/// The setup is not deployed, or its model has no source; the node does not answer; what the
/// source says are no inputs of the model.
pub async fn source_inputs(
    setup: &PublicSetup,
    chain: &ChainReader,
    subject: Address,
) -> Result<Vec<f64>, Error> {
    let deployment = setup.deployment()?;
    chain.expect(deployment.chain_id)?;
    let Deployment { model_id, oracle, .. } = deployment;
    let policy = deployment.attestations.filter(|policy| policy.source);
    let policy = policy.ok_or(AttestError::NoSource { model_id, oracle })?;
    let source_contract = policy.signers;
    let words = chain.call(source_contract, &inputWordsOfCall { subject }).await?;
    let inputs = setup.manifest().inputs_of_words(&words);
    let words = words.len();
    Ok(inputs.ok_or(AttestError::NoInputs { source_contract, subject, words })?)
}

/// Whether a contract is a source of inputs.
pub(crate) async fn is_source(chain: &ChainReader, address: Address) -> Result<bool, ChainError> {
    let call = supportsInterfaceCall { interfaceId: INPUT_SOURCE_INTERFACE.into() };
    match chain.call(address, &call).await {
        Ok(answer) => Ok(answer),
        // A registry of signers says nothing of what it is.
        Err(ChainError::Reverted { .. } | ChainError::NotTheContract { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The statement about a request that the policy demands of a signer, its times apart.
fn wanted(policy: &AttestationPolicy, request: &InferenceRequest, signer: Address) -> Statement {
    Statement {
        chain_id: request.chain_id,
        registry: policy.signers,
        signer,
        subject: request.subject,
        schema: policy.schema,
        inputs: request.inputs,
        issued_at: 0,
        valid_until: 0,
    }
}

/// Attestations with their signers' indices.
pub(crate) async fn indexed<'a>(
    chain: &ChainReader,
    policy: &AttestationPolicy,
    attestations: &'a [Attestation],
) -> Result<Vec<(u8, &'a Attestation)>, ChainError> {
    let mut indexed = Vec::with_capacity(attestations.len());
    for attestation in attestations {
        let signer = attestation.statement.signer;
        indexed.push((index_of(chain, policy.signers, signer).await?, attestation));
    }
    Ok(indexed)
}

async fn index_of(
    chain: &ChainReader,
    registry: Address,
    account: Address,
) -> Result<u8, ChainError> {
    let index = chain.call(registry, &signerIndexOfCall { account }).await?;
    let not_one =
        ChainError::NotTheContract { address: registry, signature: signerIndexOfCall::SIGNATURE };
    u8::try_from(index).map_err(|_| not_one)
}

/// The accounts of a record's bitmap of signers.
pub(crate) async fn vouchers(
    chain: &ChainReader,
    registry: Address,
    bitmap: u32,
) -> Result<Vec<Address>, ChainError> {
    let mut accounts = Vec::new();
    for index in (0..u32::BITS).filter(|index| bitmap >> index & 1 == 1) {
        let call = signerAtCall { index: U256::from(index) };
        accounts.push(chain.call(registry, &call).await?.account);
    }
    Ok(accounts)
}

/// The signer of an index, unless it was removed, as a state of the chain has it.
pub(crate) async fn known(
    chain: &ChainReader,
    registry: Address,
    account: Address,
) -> Result<Option<Signer>, ChainError> {
    let index = match chain.call(registry, &signerIndexOfCall { account }).await {
        Ok(index) => index,
        Err(ChainError::Reverted { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    chain.call(registry, &signerAtCall { index }).await.map(Some)
}

/// Whether an account is a signer, or may still accept to be one.
pub(crate) async fn is_proposed(
    chain: &ChainReader,
    registry: Address,
    account: Address,
) -> Result<bool, ChainError> {
    let Some(signer) = known(chain, registry, account).await? else { return Ok(false) };
    let offered = signer.proposedAt.to::<u64>().saturating_add(OFFER_PERIOD);
    let open = !signer.countsFrom.is_zero() || chain.time().await? <= offered;
    Ok(open && !signer.removed)
}

fn encode(call: &impl SolCall) -> Bytes {
    call.abi_encode().into()
}
