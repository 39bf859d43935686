//! The steps of a deployment: what each sends, and how the chain shows that it has happened.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolCall,
};
use verdict_contracts::{
    bindings::{
        InferenceOracle::{
            addSubmitterCall, approveAttestedModelCall, approveModelCall, attestationPolicyOfCall,
            isModelApprovedCall, isSubmitterCall,
        },
        ModelRegistry::registerVerifiableModelCall,
        SignerRegistry::{proposeSignerCall, signerAtCall, signerIndexOfCall},
    },
    deploy::{CREATE2_DEPLOYER, create2_address, create2_calldata, signer_registry_init_code},
};
use verdict_relayer::{Effect, SubmitRequest};

use super::{DeployError, DeployStep, ensure::ensure};
use crate::{
    attest::is_proposed,
    chain::{Chain, ChainError, ChainReader},
    contracts::Contracts,
    deployment::AttestationPolicy,
    error::Error,
    progress::Progress,
    registration::Registration,
};

/// A deployment being made.
pub(super) struct Work<'a> {
    chain: &'a Chain,
    progress: &'a dyn Progress,
    pub(super) steps: Vec<DeployStep>,
}

impl<'a> Work<'a> {
    pub(super) fn new(chain: &'a Chain, progress: &'a dyn Progress) -> Self {
        Self { chain, progress, steps: Vec::new() }
    }

    /// A step with an effect that the relayer can see by itself.
    async fn ensure(
        &mut self,
        step: &'static str,
        request: SubmitRequest,
        effect: &Effect,
    ) -> Result<(), Error> {
        let request = request.with_effect(effect.clone());
        let look = |chain: ChainReader| async move { Ok(chain.shows(effect).await?.then_some(())) };
        let ((), done) = ensure(self.chain, self.progress, step, request, look).await?;
        self.steps.push(done);
        Ok(())
    }

    /// Creates a contract at the address that its code and salt decide.
    pub(super) async fn create(
        &mut self,
        step: &'static str,
        salt: B256,
        code: &[u8],
    ) -> Result<Address, Error> {
        let address = create2_address(salt, code);
        let calldata = create2_calldata(salt, code);
        let request = SubmitRequest::call(CREATE2_DEPLOYER, calldata, format!("create:{address}"));
        let ensured = self.ensure(step, request, &Effect::CodeAt { address }).await;
        if let Err(Error::Chain(error)) = &ensured
            && matches!(**error, ChainError::Reverted { .. })
        {
            // The deployer does not hand on what a constructor says.
            self.chain.create(code.to_vec().into(), step).await?;
        }
        ensured?;
        self.progress.note(&address.to_string());
        Ok(address)
    }

    /// The model's id: of one that the oracle does not hold to another demand than `policy`, or
    /// a new one. Says with a new one beside which model it is, if there is such a one.
    pub(super) async fn register(
        &mut self,
        registry: Address,
        oracle: Address,
        model: &Registration,
        policy: Option<&AttestationPolicy>,
    ) -> Result<(u64, Option<u64>), Error> {
        let call = registerVerifiableModelCall {
            commitment: model.commitment.clone(),
            data: model.data.clone(),
        };
        let demand = AttestationPolicy::demand(policy);
        // For each demand once.
        let key = format!("register:{registry}:{}:{oracle}:{demand}", keccak256(call.abi_encode()));
        // Only the registry chooses the id, so that the event has to be looked for: after the
        // block in which no such model is found, or one that was deprecated would count.
        let from_block = self.chain.head().await?.saturating_add(1);
        let request = SubmitRequest::call(registry, encode(&call), key)
            .with_effect(model.registered(registry, from_block));
        let owner = self.chain.sender();
        let suits = Some((oracle, demand));
        let look =
            |chain: ChainReader| async move { model.find(&chain, registry, owner, suits).await };
        let mut beside = None;
        if look(self.chain.newest()).await?.is_none() {
            beside = model.find(&self.chain.newest(), registry, owner, None).await?;
        }
        if let Some(other) = beside {
            self.progress.warn(&format!(
                "oracle {oracle} holds model {other} to another demand for attestations, for good, \
                 since records are read by it: the model is registered anew, and model {other} \
                 stays as it is"
            ));
        }
        let step = "register the model";
        let (id, done) = ensure(self.chain, self.progress, step, request, look).await?;
        self.steps.push(done);
        self.progress.note(&format!("model id {id}"));
        Ok((id, beside))
    }

    pub(super) async fn approve(
        &mut self,
        oracle: Address,
        model_id: u64,
        model: &Registration,
        contracts: &Contracts,
        policy: Option<&AttestationPolicy>,
    ) -> Result<(), Error> {
        let id = U256::from(model_id);
        // All of it from the setup, nothing from the registry that it will be compared with.
        let (commitment, data) = (model.commitment.clone().into(), model.data.clone().into());
        let code = contracts.verifier_code_hash();
        let call = match policy {
            None => {
                encode(&approveModelCall { modelId: id, commitment, data, verifierCodeHash: code })
            }
            Some(_) => encode(&approveAttestedModelCall {
                modelId: id,
                commitment,
                data,
                verifierCodeHash: code,
                policy: AttestationPolicy::bound(policy),
            }),
        };
        let approved = Effect::is_set(oracle, encode(&isModelApprovedCall { modelId: id }));
        let demand = attestationPolicyOfCall { modelId: id };
        if self.chain.shows(&approved).await? {
            let found = self.chain.call(oracle, &demand).await?;
            if found != AttestationPolicy::bound(policy) {
                return Err(DeployError::OtherPolicy { oracle, model_id }.into());
            }
        }
        let key = format!("approve:{oracle}:{model_id}:{}", keccak256(&call));
        self.ensure("approve the model", SubmitRequest::call(oracle, call, key), &approved).await
    }

    /// The sender's registry of data providers.
    pub(super) async fn signer_registry(&mut self) -> Result<Address, Error> {
        let code = signer_registry_init_code(self.chain.sender())?;
        self.create("deploy the registry of signers", B256::ZERO, &code).await
    }

    /// Offers an account to be a signer, unless it is one or may accept to be.
    pub(super) async fn propose(
        &mut self,
        registry: Address,
        account: Address,
    ) -> Result<(), Error> {
        // One whose offer has lapsed or was taken back has an entry, and is proposed once more; a signer that was removed
        // is not taken any more.
        let index = signerIndexOfCall { account };
        let last = match self.chain.call(registry, &index).await {
            Ok(index) => Some(self.chain.call(registry, &signerAtCall { index }).await?),
            Err(ChainError::Reverted { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let proposed_at = last.as_ref().map(|signer| signer.proposedAt).unwrap_or_default();
        let key = format!("propose-signer:{registry}:{account}:{proposed_at}");
        let mut request =
            SubmitRequest::call(registry, encode(&proposeSignerCall { account }), key);
        if last.is_none() {
            let (to, calldata) = (registry, encode(&index));
            request =
                request.with_effect(Effect::CallReturns { to, calldata, returns: vec![None] });
        }
        let look = |chain: ChainReader| async move {
            Ok(is_proposed(&chain, registry, account).await?.then_some(()))
        };
        let ((), done) =
            ensure(self.chain, self.progress, "propose a signer", request, look).await?;
        self.steps.push(done);
        self.progress.note(&account.to_string());
        Ok(())
    }

    pub(super) async fn allow(&mut self, oracle: Address) -> Result<(), Error> {
        let submitter = self.chain.sender();
        let key = format!("allow:{oracle}:{submitter}");
        let request = SubmitRequest::call(oracle, encode(&addSubmitterCall { submitter }), key);
        let allowed = Effect::is_set(oracle, encode(&isSubmitterCall { submitter }));
        self.ensure("allow the submitter", request, &allowed).await
    }
}

fn encode(call: &impl SolCall) -> Bytes {
    call.abi_encode().into()
}
