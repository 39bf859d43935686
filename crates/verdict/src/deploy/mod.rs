//! Deploying a setup's contracts and registering its model.
//!
//! The chain is asked before every step, and again after it: what is there is not sent
//! again, and nothing counts as done because an earlier run remembers it so, or before a
//! final block has it. Verifier, key, registry and oracle have deterministic addresses; a
//! registration is looked for in the registry's own records. What to look for is in `work`,
//! how it is brought about in `ensure`.

mod ensure;
mod error;
mod work;

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256};
use serde::Serialize;
use verdict_codegen::{key_code as deployed_key, key_init_code};
use verdict_contracts::{
    bindings::{
        InferenceOracle::{ownerCall, registryCall},
        InputSource::schemaCall,
        ModelRegistry::{ScoreDirection as Direction, modelCountCall},
        SignerRegistry::signerCountCall,
    },
    deploy::{CREATE2_DEPLOYER, inference_oracle_init_code, model_registry_init_code},
    verification_hash,
};

pub use self::error::DeployError;
use self::work::Work;
use crate::{
    attest::{check_attestable, is_source},
    chain::{Chain, ChainReader, is_development},
    contracts::Contracts,
    coverage::Coverage,
    deployment::{AttestationPolicy, Deployment},
    error::Error,
    progress::Progress,
    registration::Registration,
    setup::PublicSetup,
};

/// Which way a model's first output is to be read as a score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ScoreDirection {
    /// Not said, or the outputs are no score: contracts that rank by it refuse the model.
    #[default]
    Unspecified,
    /// For example the probability of a good credit.
    HigherIsBetter,
    /// For example the probability of a default.
    LowerIsBetter,
}

impl From<ScoreDirection> for Direction {
    fn from(direction: ScoreDirection) -> Self {
        match direction {
            ScoreDirection::Unspecified => Self::Unspecified,
            ScoreDirection::HigherIsBetter => Self::HigherIsBetter,
            ScoreDirection::LowerIsBetter => Self::LowerIsBetter,
        }
    }
}

/// What a deployment reuses and decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployOptions {
    /// A registry that exists already.
    pub registry: Option<Address>,
    /// An oracle of the sender's that exists already.
    pub oracle: Option<Address>,
    /// Seconds for which a recorded score counts as fresh.
    pub time_to_live: u64,
    /// Which way the first output is to be read; registered with the model for good.
    pub score: ScoreDirection,
    /// The data providers who have to vouch for inputs, if any.
    pub attestors: Option<Attestors>,
    /// The source where the oracle reads the inputs, if any; not with `attestors`.
    pub source: Option<Address>,
    /// Take attestors or a source although some inputs are private beside those that proofs
    /// state: nobody vouches for these.
    pub partial: bool,
    /// Deploy to a public chain although whoever made the SRS can forge proofs.
    pub force_insecure_srs: bool,
}

/// Data providers, so many of whom have to vouch for an input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attestors {
    /// A registry of signers that exists already; `None`: the sender's own.
    pub signers: Option<Address>,
    /// Accounts to propose as signers. Each has to accept, and counts two days later.
    pub propose: Vec<Address>,
    /// How many have to vouch.
    pub threshold: u8,
    /// What public input words mean; `None`: [`crate::Manifest::schema_id`].
    pub schema: Option<B256>,
}

impl Default for DeployOptions {
    fn default() -> Self {
        Self {
            registry: None,
            oracle: None,
            time_to_live: 86_400,
            score: ScoreDirection::default(),
            attestors: None,
            source: None,
            partial: false,
            force_insecure_srs: false,
        }
    }
}

/// A step of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeployStep {
    /// What was done.
    pub step: &'static str,
    /// Gas paid by this run; none if the chain had it already.
    pub gas: Option<u64>,
}

/// A finished deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployed {
    /// Where everything is.
    pub deployment: Deployment,
    /// What attestors or a source vouch for, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered: Option<Coverage>,
    /// The setup's model that the oracle holds to another demand for attestations, if the
    /// model had to be registered anew beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<u64>,
    /// What it took.
    pub steps: Vec<DeployStep>,
}

/// Deploys what is not there yet, registers the model, and writes `deployment.json`. Where the
/// oracle holds the model to another demand for attestations, the model is registered anew.
///
/// # Errors
/// The chain is a public one and the SRS a development one; a contract given is not what
/// it should be; attestors or a source are given, and proofs state no or not all inputs; a
/// transaction fails, or what is there is not final in time.
pub async fn deploy(
    setup: &PublicSetup,
    contracts: &Contracts,
    chain: &Chain,
    options: &DeployOptions,
    progress: &dyn Progress,
) -> Result<Deployed, Error> {
    let chain_id = chain.chain_id();
    if setup.is_insecure() && !is_development(chain_id) && !options.force_insecure_srs {
        return Err(DeployError::InsecureSrs { chain_id }.into());
    }
    if !chain.has_code(CREATE2_DEPLOYER).await? {
        return Err(DeployError::NoDeployer { chain_id }.into());
    }
    // What is given is looked at before anything is paid for.
    let vouched = options.attestors.is_some() || options.source.is_some();
    let covered = vouched.then(|| check_attestable(setup, options.partial)).transpose()?;
    if let Some(attestors) = &options.attestors {
        check_threshold(chain, attestors).await?;
    }
    if let Some(source) = options.source {
        check_input_source(chain, source, setup.manifest().schema_id()).await?;
    }
    match (options.registry, options.oracle) {
        (Some(registry), Some(oracle)) => check_oracle(chain, oracle, registry).await?,
        (Some(registry), None) => drop(chain.call(registry, &modelCountCall {}).await?),
        _ => {}
    }
    let mut work = Work::new(chain, progress);
    let key_code = key_init_code(&contracts.key);
    let verifier = work
        .create("deploy the shape's verifier", contracts.shape_id, &contracts.verifier.creation)
        .await?;
    check_code(chain, verifier, &contracts.verifier.runtime).await?;
    let key = work.create("deploy the key", B256::ZERO, &key_code).await?;
    check_code(chain, key, &deployed_key(&contracts.key)).await?;
    let registry = match options.registry {
        Some(registry) => registry,
        None => {
            work.create("deploy the registry", B256::ZERO, &model_registry_init_code()?).await?
        }
    };
    let oracle = match options.oracle {
        Some(oracle) => oracle,
        None => {
            let code = inference_oracle_init_code(registry, chain.sender(), options.time_to_live)?;
            work.create("deploy the oracle", B256::ZERO, &code).await?
        }
    };
    check_oracle(chain, oracle, registry).await?;
    let policy = match (&options.attestors, options.source) {
        (Some(attestors), _) => Some(provide(&mut work, setup, attestors).await?),
        (None, Some(signers)) => Some(AttestationPolicy {
            signers,
            source: true,
            threshold: 1,
            schema: setup.manifest().schema_id(),
        }),
        (None, None) => None,
    };
    let model = Registration::new(setup.manifest(), verifier, key, options.score)?;
    let (model_id, beside) = work.register(registry, oracle, &model, policy.as_ref()).await?;
    work.approve(oracle, model_id, &model, contracts, policy.as_ref()).await?;
    work.allow(oracle).await?;
    let deployment = Deployment {
        setup_id: setup.id(),
        chain_id,
        registry,
        oracle,
        verifier,
        key,
        model_id,
        verification_hash: verification_hash(&model.data),
        attestations: policy,
    };
    setup.save_deployment(&deployment)?;
    Ok(Deployed { deployment, covered, beside, steps: work.steps })
}

/// Deploys a registry of data providers if there is none, and proposes those that are new.
async fn provide(
    work: &mut Work<'_>,
    setup: &PublicSetup,
    attestors: &Attestors,
) -> Result<AttestationPolicy, Error> {
    let signers = match attestors.signers {
        Some(signers) => signers,
        None => work.signer_registry().await?,
    };
    for account in &attestors.propose {
        work.propose(signers, *account).await?;
    }
    let schema = attestors.schema.unwrap_or_else(|| setup.manifest().schema_id());
    Ok(AttestationPolicy { signers, source: false, threshold: attestors.threshold, schema })
}

/// The source is one, and its words are those of the setup's inputs.
async fn check_input_source(chain: &Chain, source: Address, schema: B256) -> Result<(), Error> {
    if !is_source(chain, source).await? {
        return Err(DeployError::NoSource { address: source }.into());
    }
    let theirs = chain.call(source, &schemaCall {}).await?;
    if theirs != schema {
        return Err(DeployError::ForeignSchema { address: source, schema, theirs }.into());
    }
    Ok(())
}

/// As many signers as are demanded can vouch, if all that are known or proposed accept, as the
/// zero address cannot.
async fn check_threshold(chain: &Chain, attestors: &Attestors) -> Result<(), Error> {
    if attestors.propose.contains(&Address::ZERO) {
        return Err(DeployError::ZeroAttestor.into());
    }
    let known = match attestors.signers {
        Some(signers) => chain.call(signers, &signerCountCall {}).await?.saturating_to(),
        None => 0,
    };
    let proposed: BTreeSet<_> = attestors.propose.iter().collect();
    let (threshold, most) = (attestors.threshold, known + proposed.len());
    if threshold == 0 || usize::from(threshold) > most {
        return Err(DeployError::Threshold { threshold, most }.into());
    }
    Ok(())
}

/// What was reviewed and compiled here is what answers there.
pub(crate) async fn check_code(
    chain: &ChainReader,
    address: Address,
    code: &[u8],
) -> Result<(), Error> {
    if chain.code(address).await?.as_ref() == code {
        return Ok(());
    }
    Err(DeployError::ForeignCode { address }.into())
}

/// The oracle is the sender's and refers to the registry.
async fn check_oracle(chain: &Chain, oracle: Address, registry: Address) -> Result<(), Error> {
    let theirs = chain.call(oracle, &registryCall {}).await?;
    if theirs != registry {
        return Err(DeployError::ForeignOracle { oracle, registry, theirs }.into());
    }
    let (owner, sender) = (chain.call(oracle, &ownerCall {}).await?, chain.sender());
    if owner != sender {
        return Err(DeployError::NotOwner { oracle, owner, sender }.into());
    }
    Ok(())
}
