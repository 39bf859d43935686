//! Deploying a setup's contracts and registering its model.
//!
//! The chain is asked before every step, and again after it: what is there is not sent
//! again, and nothing counts as done because an earlier run remembers it so. Verifier,
//! key, registry and oracle have deterministic addresses; a registration is looked for in
//! the registry's own records.

use std::{future::Future, time::Duration};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};
use serde::Serialize;
use thiserror::Error;
use verdict_codegen::{key_code as deployed_key, key_init_code};
use verdict_contracts::{
    bindings::{
        InferenceOracle::{
            addSubmitterCall, approveModelCall, isModelApprovedCall, isSubmitterCall, ownerCall,
            registryCall,
        },
        ModelRegistry::{ScoreDirection as Direction, registerVerifiableModelCall},
    },
    deploy::{
        CREATE2_DEPLOYER, create2_address, create2_calldata, inference_oracle_init_code,
        model_registry_init_code,
    },
    verification_hash,
};
use verdict_relayer::{Effect, SubmitRequest};

use crate::{
    chain::{Chain, ChainError, ChainReader, is_development},
    contracts::Contracts,
    deployment::Deployment,
    error::{Error, Kind},
    progress::{Progress, step_async},
    registration::Registration,
    setup::PublicSetup,
};

/// How often a node is asked for the effect of a transaction that is final.
const EFFECT_LOOKS: u32 = 40;
/// Time between two looks.
const EFFECT_PAUSE: Duration = Duration::from_millis(500);

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
    /// Deploy to a public chain although whoever made the SRS can forge proofs.
    pub force_insecure_srs: bool,
}

impl Default for DeployOptions {
    fn default() -> Self {
        Self {
            registry: None,
            oracle: None,
            time_to_live: 86_400,
            score: ScoreDirection::default(),
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
    /// What it took.
    pub steps: Vec<DeployStep>,
}

/// Why a chain is not as a deployment needs it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeployError {
    /// A setup whose proofs are of several inferences.
    #[error(
        "the setup is for batches of {batch} inferences, and the oracle records one a proof: such \
         proofs are verified by the verifier contract alone"
    )]
    Batch {
        /// Inferences of a proof.
        batch: usize,
    },
    /// A development SRS on a public chain.
    #[error(
        "chain {chain_id} is not a development chain, and this setup's SRS is a development one: \
         anyone who has its secret can forge proofs"
    )]
    InsecureSrs {
        /// The chain.
        chain_id: u64,
    },
    /// No deterministic deployer.
    #[error("chain {chain_id} has no deterministic deployer at {CREATE2_DEPLOYER}")]
    NoDeployer {
        /// The chain.
        chain_id: u64,
    },
    /// The oracle refers to other models.
    #[error("oracle {oracle} belongs to registry {theirs}, not to {registry}")]
    ForeignOracle {
        /// The oracle.
        oracle: Address,
        /// The registry wanted.
        registry: Address,
        /// Its registry.
        theirs: Address,
    },
    /// The oracle is another account's.
    #[error("oracle {oracle} belongs to {owner}, not to the sender {sender}")]
    NotOwner {
        /// The oracle.
        oracle: Address,
        /// Its owner.
        owner: Address,
        /// The sender.
        sender: Address,
    },
    /// Other code than was compiled.
    #[error("the code at {address} is not the one that was generated for this setup")]
    ForeignCode {
        /// The contract.
        address: Address,
    },
    /// A number of the setup does not fit the contracts.
    #[error("the model has {value} {what}, the contracts hold {limit} at most")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The model's.
        value: u128,
        /// The contracts'.
        limit: u64,
    },
    /// The transaction is final, and the chain does not show what it should have done.
    #[error("{step}: sent, but the chain does not show its effect")]
    NoEffect {
        /// The step.
        step: &'static str,
    },
}

impl DeployError {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::NotOwner { .. } | Self::ForeignOracle { .. } | Self::NoEffect { .. } => {
                Kind::Rejected
            }
            _ => Kind::Failed,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::InsecureSrs { .. } => {
                    "set the model up again with a ceremony's SRS (`verdict srs import`), or pass \
                 --force-insecure-srs if nothing of value depends on it"
                }
                Self::NoDeployer { .. } => {
                    "deploy it first: github.com/Arachnid/deterministic-deployment-proxy"
                }
                Self::ForeignOracle { .. } => "give the oracle's own registry, or another oracle",
                Self::NotOwner { .. } => {
                    "send from the owner's account, or deploy an oracle of yours"
                }
                Self::NoEffect { .. } => {
                    "the node may lag behind, or the contract refused its arguments; run it again"
                }
                Self::ForeignCode { .. } => "check the node, and the chain it is on",
                Self::Batch { .. } => "set the model up without --batch",
                Self::TooLarge { .. } => return None,
            }
            .to_owned(),
        )
    }
}

/// Deploys what is not there yet, registers the model, and writes `deployment.json`.
///
/// # Errors
/// The chain is a public one and the SRS a development one; a contract given is not what
/// it should be; a transaction fails or is not final in time.
pub async fn deploy(
    setup: &PublicSetup,
    contracts: &Contracts,
    chain: &Chain,
    options: &DeployOptions,
    progress: &dyn Progress,
) -> Result<Deployed, Error> {
    let chain_id = chain.chain_id();
    let batch = setup.manifest().shape.batch();
    if batch > 1 {
        return Err(DeployError::Batch { batch }.into());
    }
    if setup.is_insecure() && !is_development(chain_id) && !options.force_insecure_srs {
        return Err(DeployError::InsecureSrs { chain_id }.into());
    }
    if !chain.has_code(CREATE2_DEPLOYER).await? {
        return Err(DeployError::NoDeployer { chain_id }.into());
    }
    let mut work = Work { chain, progress, steps: Vec::new() };
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
    let model = Registration::new(setup.manifest(), verifier, key, options.score)?;
    let model_id = work.register(registry, &model).await?;
    work.approve(oracle, model_id, &model, contracts).await?;
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
    };
    setup.save_deployment(&deployment)?;
    Ok(Deployed { deployment, steps: work.steps })
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

/// A deployment being made.
struct Work<'a> {
    chain: &'a Chain,
    progress: &'a dyn Progress,
    steps: Vec<DeployStep>,
}

impl Work<'_> {
    /// Looks for what a step brings about, sends it if it is not there, looks again.
    async fn ensure<T, F>(
        &mut self,
        step: &'static str,
        request: SubmitRequest,
        look: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Option<T>, ChainError>>,
    {
        if let Some(found) = look().await? {
            self.progress.note(&format!("{step}: there already"));
            self.steps.push(DeployStep { step, gas: None });
            return Ok(found);
        }
        let request = SubmitRequest { label: step.to_owned(), ..request };
        let sending = send(self.chain, step, request, look);
        let (found, gas) = step_async(self.progress, step, sending).await?;
        self.steps.push(DeployStep { step, gas });
        Ok(found)
    }

    /// The same for what the relayer can see by itself.
    async fn ensure_effect(
        &mut self,
        step: &'static str,
        request: SubmitRequest,
        effect: Effect,
    ) -> Result<(), Error> {
        let (chain, request) = (self.chain, request.with_effect(effect.clone()));
        let effect = &effect;
        self.ensure(step, request, || async move { Ok(chain.shows(effect).await?.then_some(())) })
            .await
    }

    /// Creates a contract at the address that its code and salt decide.
    async fn create(
        &mut self,
        step: &'static str,
        salt: B256,
        code: &[u8],
    ) -> Result<Address, Error> {
        let address = create2_address(salt, code);
        let calldata = create2_calldata(salt, code);
        let request = SubmitRequest::call(CREATE2_DEPLOYER, calldata, format!("create:{address}"));
        self.ensure_effect(step, request, Effect::CodeAt { address }).await?;
        self.progress.note(&address.to_string());
        Ok(address)
    }

    async fn register(&mut self, registry: Address, model: &Registration) -> Result<u64, Error> {
        let call = registerVerifiableModelCall {
            commitment: model.commitment.clone(),
            data: model.data.clone(),
        };
        let key = format!("register:{registry}:{}", hash_of(&call));
        // Only the registry chooses the id, so that the event has to be looked for: after the
        // block in which no such model is found, or one that was deprecated would count.
        let from_block = self.chain.head().await?.saturating_add(1);
        let request = SubmitRequest::call(registry, encode(&call), key)
            .with_effect(model.registered(registry, from_block));
        let (chain, owner) = (self.chain, self.chain.sender());
        let find = || async move { model.find(chain, registry, owner).await };
        let id = self.ensure("register the model", request, find).await?;
        self.progress.note(&format!("model id {id}"));
        Ok(id)
    }

    async fn approve(
        &mut self,
        oracle: Address,
        model_id: u64,
        model: &Registration,
        contracts: &Contracts,
    ) -> Result<(), Error> {
        let id = U256::from(model_id);
        // All of it from the setup, nothing from the registry that it will be compared with.
        let call = approveModelCall {
            modelId: id,
            commitment: model.commitment.clone().into(),
            data: model.data.clone().into(),
            verifierCodeHash: contracts.verifier_code_hash(),
        };
        let key = format!("approve:{oracle}:{model_id}");
        let request = SubmitRequest::call(oracle, encode(&call), key);
        let approved = Effect::is_set(oracle, encode(&isModelApprovedCall { modelId: id }));
        self.ensure_effect("approve the model", request, approved).await
    }

    async fn allow(&mut self, oracle: Address) -> Result<(), Error> {
        let submitter = self.chain.sender();
        let key = format!("allow:{oracle}:{submitter}");
        let request = SubmitRequest::call(oracle, encode(&addSubmitterCall { submitter }), key);
        let allowed = Effect::is_set(oracle, encode(&isSubmitterCall { submitter }));
        self.ensure_effect("allow the submitter", request, allowed).await
    }
}

/// Sends, and waits until what it brings about is seen.
async fn send<T, F>(
    chain: &Chain,
    step: &'static str,
    request: SubmitRequest,
    look: impl Fn() -> F,
) -> Result<(T, Option<u64>), Error>
where
    F: Future<Output = Result<Option<T>, ChainError>>,
{
    let gas = chain.send(request).await?.map(|receipt| receipt.gas_used);
    // Nodes behind one address do not all have the newest block.
    for round in 0..EFFECT_LOOKS {
        if round > 0 {
            tokio::time::sleep(EFFECT_PAUSE).await;
        }
        if let Some(found) = look().await? {
            return Ok((found, gas));
        }
    }
    Err(DeployError::NoEffect { step }.into())
}

fn encode(call: &impl SolCall) -> Bytes {
    call.abi_encode().into()
}

fn hash_of(call: &impl SolCall) -> B256 {
    alloy::primitives::keccak256(call.abi_encode())
}
