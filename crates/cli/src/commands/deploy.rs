//! `verdict deploy`.

use std::path::Path;

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::{SolCall, SolEvent},
};
use serde::{Deserialize, Serialize};
use verdict_codegen::key_init_code;
use verdict_contracts::{
    PROOF_SYSTEM_ID,
    bindings::{
        InferenceOracle::{
            addSubmitterCall, approveModelCall, isModelApprovedCall, isSubmitterCall,
        },
        ModelRegistry::{
            ModelCommitment, ModelRegistered, VerificationData, registerVerifiableModelCall,
        },
    },
    deploy::{
        CREATE2_DEPLOYER, create2_address, create2_calldata, inference_oracle_init_code,
        model_registry_init_code,
    },
};
use verdict_prover::artifact::{Manifest, read_file, write_file};
use verdict_relayer::SubmitRequest;

use super::{
    chain::{Chain, is_development},
    codegen::Contracts,
};
use crate::{
    args::Deploy,
    failure::{Failure, Outcome},
    ui::{Ui, grouped, table},
};

/// Name of the file that says where everything is.
const DEPLOYMENT: &str = "deployment.json";
/// Largest deployment file.
const MAX_DEPLOYMENT_BYTES: u64 = 1 << 20;

/// Where a setup's contracts are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deployment {
    pub(crate) chain_id: u64,
    pub(crate) registry: Address,
    pub(crate) oracle: Address,
    pub(crate) verifier: Address,
    pub(crate) key: Address,
    pub(crate) model_id: u64,
}

/// A step of a deployment and its gas; none if it was done before.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StepGas {
    pub(crate) step: &'static str,
    pub(crate) gas: Option<u64>,
}

/// What a deployment reuses and decides.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Choices {
    pub(crate) registry: Option<Address>,
    pub(crate) oracle: Option<Address>,
    pub(crate) time_to_live: u64,
}

impl Deployment {
    /// Reads a setup's deployment.
    pub(crate) fn read(setup: &Path) -> Outcome<Self> {
        let path = setup.join(DEPLOYMENT);
        if !path.is_file() {
            return Err(Failure::new(format!("{} is not deployed", setup.display()))
                .hint("run `verdict deploy` first"));
        }
        let bytes = read_file(&path, MAX_DEPLOYMENT_BYTES)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    }

    pub(crate) fn write(&self, setup: &Path) -> Outcome {
        Ok(write_file(&setup.join(DEPLOYMENT), &serde_json::to_vec_pretty(self)?)?)
    }
}

pub(crate) fn run(args: &Deploy, ui: &Ui) -> Outcome {
    let manifest = Manifest::read(&args.setup)?;
    let contracts = ui.step("compile the Solidity verifier", || {
        Contracts::new(&args.setup, &manifest, args.solc.as_deref())
    })?;
    let chain = Chain::connect(&args.chain, &args.setup)?;
    if manifest.srs.insecure && !is_development(chain.chain_id()) && !args.force_insecure_srs {
        return Err(Failure::new(format!(
            "chain {} is not a development chain, and this setup's SRS is a development one: \
             anyone who has its secret can forge proofs",
            chain.chain_id()
        ))
        .hint(
            "set the model up again with a ceremony's SRS (`verdict srs import`), or pass \
             --force-insecure-srs if nothing of value depends on it",
        ));
    }
    let choices =
        Choices { registry: args.registry, oracle: args.oracle, time_to_live: args.time_to_live };
    let (deployment, steps) = deploy(&chain, &manifest, &contracts, choices, ui)?;
    deployment.write(&args.setup)?;
    let human = table(&[
        ("chain", deployment.chain_id.to_string()),
        ("verifier", deployment.verifier.to_string()),
        ("key", deployment.key.to_string()),
        ("registry", deployment.registry.to_string()),
        ("oracle", deployment.oracle.to_string()),
        ("model id", deployment.model_id.to_string()),
    ]);
    ui.result(&serde_json::json!({ "deployment": deployment, "steps": steps }), &human)
}

/// Deploys what is not there yet and registers the model.
pub(crate) fn deploy(
    chain: &Chain,
    manifest: &Manifest,
    contracts: &Contracts,
    choices: Choices,
    ui: &Ui,
) -> Outcome<(Deployment, Vec<StepGas>)> {
    let mut work = Work { chain, ui, steps: Vec::new() };
    if chain.code(CREATE2_DEPLOYER)?.is_empty() {
        return Err(Failure::new(format!(
            "chain {} has no deterministic deployer at {CREATE2_DEPLOYER}",
            chain.chain_id()
        ))
        .hint("deploy it first: github.com/Arachnid/deterministic-deployment-proxy"));
    }
    let shape_id = B256::from(contracts.shape_id);
    let verifier =
        work.create("deploy the shape's verifier", shape_id, &contracts.verifier.creation)?;
    let key = work.create("deploy the key", B256::ZERO, &key_init_code(&contracts.key))?;
    let registry = match choices.registry {
        Some(registry) => registry,
        None => work.create("deploy the registry", B256::ZERO, &model_registry_init_code()?)?,
    };
    let owner = chain.sender();
    let oracle = match choices.oracle {
        Some(oracle) => oracle,
        None => {
            let code = inference_oracle_init_code(registry, owner, choices.time_to_live)?;
            work.create("deploy the oracle", B256::ZERO, &code)?
        }
    };
    let model_id = work.register(manifest, shape_id, registry, verifier, key)?;
    let id = U256::from(model_id);
    if !chain.call(oracle, &isModelApprovedCall { modelId: id })? {
        let code_hash = keccak256(chain.code(verifier)?);
        let call = approveModelCall { modelId: id, verifierCodeHash: code_hash };
        work.call("approve the model", oracle, &call, &format!("approve:{oracle}:{model_id}"))?;
    }
    if !chain.call(oracle, &isSubmitterCall { submitter: owner })? {
        let call = addSubmitterCall { submitter: owner };
        work.call("allow the submitter", oracle, &call, &format!("allow:{oracle}:{owner}"))?;
    }
    let chain_id = chain.chain_id();
    Ok((Deployment { chain_id, registry, oracle, verifier, key, model_id }, work.steps))
}

/// A deployment being made.
struct Work<'a> {
    chain: &'a Chain,
    ui: &'a Ui,
    steps: Vec<StepGas>,
}

impl Work<'_> {
    /// Creates a contract at the address that its code and salt decide, if it is not
    /// there.
    fn create(&mut self, step: &'static str, salt: B256, code: &[u8]) -> Outcome<Address> {
        let address = create2_address(salt, code);
        let mut gas = None;
        if self.chain.code(address)?.is_empty() {
            let request = SubmitRequest {
                label: step.to_owned(),
                ..SubmitRequest::call(
                    CREATE2_DEPLOYER,
                    create2_calldata(salt, code),
                    format!("create:{address}"),
                )
            };
            gas = self.send(step, request)?.map(|(_, gas)| gas);
            if self.chain.code(address)?.is_empty() {
                return Err(Failure::new(format!("{step}: nothing is at {address}"))
                    .hint("the constructor may have refused its arguments"));
            }
        }
        self.ui.note(&match gas {
            Some(gas) => format!("{address}, {} gas", grouped(gas)),
            None => format!("{address}, there already"),
        });
        self.steps.push(StepGas { step, gas });
        Ok(address)
    }

    fn call(
        &mut self,
        step: &'static str,
        to: Address,
        call: &impl SolCall,
        key: &str,
    ) -> Outcome<Option<B256>> {
        let calldata: Bytes = call.abi_encode().into();
        let request =
            SubmitRequest { label: step.to_owned(), ..SubmitRequest::call(to, calldata, key) };
        let sent = self.send(step, request)?;
        self.steps.push(StepGas { step, gas: sent.map(|(_, gas)| gas) });
        Ok(sent.map(|(hash, _)| hash))
    }

    fn send(&self, step: &str, request: SubmitRequest) -> Outcome<Option<(B256, u64)>> {
        let receipt = self.ui.step(step, || self.chain.send(request))?;
        Ok(receipt.map(|receipt| (receipt.hash, receipt.gas_used)))
    }

    /// Registers the model and returns its id.
    fn register(
        &mut self,
        manifest: &Manifest,
        shape_id: B256,
        registry: Address,
        verifier: Address,
        key: Address,
    ) -> Outcome<u64> {
        let key_hash = keccak256(self.chain.code(key)?);
        let shape = &manifest.shape;
        let public = if shape.public_inputs { manifest.input.ranges.len() } else { 0 };
        let output = &manifest.output;
        let call = registerVerifiableModelCall {
            commitment: ModelCommitment {
                modelHash: manifest.model.sha256.parse()?,
                circuitHash: shape_id,
                vkHash: key_hash,
                proofSystemId: PROOF_SYSTEM_ID,
                uri: String::new(),
            },
            data: VerificationData {
                verifier,
                key,
                keyHash: key_hash,
                publicInputs: u16::try_from(public)?,
                outputs: u16::try_from(output.count)?,
                outputMin: output.min,
                outputMax: output.max,
                decimals: u8::try_from(output.decimals)?,
            },
        };
        let job = format!("register:{registry}:{key_hash}");
        let hash = self.call("register the model", registry, &call, &job)?;
        let hash = hash.ok_or_else(|| Failure::new("the registration left no receipt"))?;
        let receipt = self.chain.receipt(hash)?;
        let registered = receipt.inner.logs().iter().find_map(|log| {
            ModelRegistered::decode_log(&log.inner).ok().filter(|_| log.address() == registry)
        });
        let event =
            registered.ok_or_else(|| Failure::new("the registry did not announce the model"))?;
        let id = u64::try_from(event.modelId)?;
        self.ui.note(&format!("model id {id}"));
        Ok(id)
    }
}
