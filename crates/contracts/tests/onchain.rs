//! The checked-in bytecode in an EVM, called with this crate's calldata.
//!
//! The verifier here is a stub that accepts every proof: what is tested is that both sides encode
//! and decode alike, down to the oracle's refusals.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::SolCall;
use revm::context::result::ExecutionResult;
use revm::context::{BlockEnv, CfgEnv, Context, Journal, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::handler::MainnetContext;
use revm::primitives::TxKind;
use revm::{ExecuteCommitEvm, MainBuilder, MainContext, MainnetEvm};
use verdict_contracts::attestation::{
    Attestation, Statement, encode_attestations, verify_attested_inference_calldata,
};
use verdict_contracts::bindings::InferenceOracle::AttestationPolicy;
use verdict_contracts::bindings::{InferenceOracle, ModelRegistry, SignerRegistry};
use verdict_contracts::{
    FORMAT, InferenceRequest, MAX_NONCE_STEP, MAX_REQUEST_LIFETIME, ModelRef, PROOF_SYSTEM_ID,
    ProofBundle, Revert, SrsRef, VERSION, batch_commitment, calldata, context_word, decode_revert,
    deploy, inputs_hash, of_inference, verification_hash, verify_inference_calldata,
};

type Db = CacheDB<EmptyDB>;
type Evm = MainnetEvm<Context<BlockEnv, TxEnv, CfgEnv, Db, Journal<Db>>>;

const OWNER: Address = Address::repeat_byte(0x0a);
const BORROWER: Address = Address::repeat_byte(0x0b);
const NOW: u64 = 1_800_000_000;
const CHAIN: u64 = 31337;
/// Runtime code of a contract that answers every call with one: `true`.
const YES: [u8; 8] = hex!("60015f5260205ff3");
/// Creation code for eight bytes of runtime code.
const LOADER: [u8; 9] = hex!("60088060095f395ff3");

/// A chain with one registry, one oracle and one approved model.
struct Chain {
    evm: Evm,
    nonces: std::collections::HashMap<Address, u64>,
    registry: Address,
    oracle: Address,
    verification_hash: B256,
    model_id: u64,
    commitment: Option<ModelRegistry::ModelCommitment>,
    data: Option<ModelRegistry::VerificationData>,
}

impl Chain {
    fn new() -> Self {
        Self::of_batch(1)
    }

    /// With a model whose proofs are of `batch` inferences.
    fn of_batch(batch: u8) -> Self {
        let context: MainnetContext<Db> =
            Context::mainnet().with_db(CacheDB::new(EmptyDB::default()));
        let context = context
            .modify_block_chained(|block| block.timestamp = U256::from(NOW))
            .modify_cfg_chained(|cfg| cfg.chain_id = CHAIN);
        let mut chain = Self {
            evm: context.build_mainnet(),
            nonces: Default::default(),
            registry: Address::ZERO,
            oracle: Address::ZERO,
            verification_hash: B256::ZERO,
            model_id: 0,
            commitment: None,
            data: None,
        };
        chain.set_up(batch);
        chain
    }

    fn set_up(&mut self, batch: u8) {
        self.registry = self.create(deploy::model_registry_init_code().unwrap());
        let init = deploy::inference_oracle_init_code(self.registry, OWNER, 86_400).unwrap();
        self.oracle = self.create(init);
        let verifier = self.create([LOADER.as_slice(), &YES].concat().into());
        // PUSH3 6 · DUP1 · PUSH1 11 · PUSH0 · CODECOPY · PUSH0 · RETURN · STOP "a key"
        let key = self.create(hex!("620000068060 0b5f395ff3 00 61206b6579").into());
        let key_hash = keccak256(hex!("00 61206b6579"));
        let commitment = ModelRegistry::ModelCommitment {
            modelHash: B256::repeat_byte(1),
            circuitHash: B256::repeat_byte(2),
            vkHash: key_hash,
            proofSystemId: PROOF_SYSTEM_ID,
            uri: "ipfs://model-card".into(),
        };
        let data = ModelRegistry::VerificationData {
            verifier,
            key,
            keyHash: key_hash,
            publicInputs: 2,
            outputs: 2,
            batch,
            outputMin: -10,
            outputMax: 1_000_000,
            decimals: 6,
            direction: ModelRegistry::ScoreDirection::HigherIsBetter,
        };
        self.verification_hash = verification_hash(&data);
        (self.commitment, self.data) = (Some(commitment), Some(data));
        self.register();
        self.approve(None).unwrap();
        let add = InferenceOracle::addSubmitterCall { submitter: OWNER };
        self.call(OWNER, self.oracle, add.abi_encode()).unwrap();
    }

    /// Registers the model under a new id.
    fn register(&mut self) {
        let (commitment, data) = (self.commitment.clone().unwrap(), self.data.clone().unwrap());
        let register = ModelRegistry::registerVerifiableModelCall { commitment, data };
        let answer = self.call(OWNER, self.registry, register.abi_encode()).unwrap();
        let id = ModelRegistry::registerVerifiableModelCall::abi_decode_returns(&answer).unwrap();
        self.model_id = id.to();
    }

    /// Approves the model, with or without a demand for attestations.
    fn approve(&mut self, policy: Option<AttestationPolicy>) -> Result<Bytes, Revert> {
        let (commitment, data) = (self.commitment.clone().unwrap(), self.data.clone().unwrap());
        let (commitment, data) = (commitment.into(), data.into());
        let (model_id, code_hash) = (U256::from(self.model_id), keccak256(YES));
        let call = match policy {
            None => InferenceOracle::approveModelCall {
                modelId: model_id,
                commitment,
                data,
                verifierCodeHash: code_hash,
            }
            .abi_encode(),
            Some(policy) => InferenceOracle::approveAttestedModelCall {
                modelId: model_id,
                commitment,
                data,
                verifierCodeHash: code_hash,
                policy,
            }
            .abi_encode(),
        };
        self.call(OWNER, self.oracle, call)
    }

    fn transact(&mut self, from: Address, kind: TxKind, data: Bytes) -> ExecutionResult {
        let nonce = self.nonces.entry(from).or_default();
        let tx = TxEnv::builder()
            .caller(from)
            .kind(kind)
            .data(data)
            .nonce(*nonce)
            .gas_limit(10_000_000)
            .chain_id(Some(CHAIN))
            .build()
            .unwrap();
        *nonce += 1;
        self.evm.transact_commit(tx).unwrap()
    }

    fn create(&mut self, code: Bytes) -> Address {
        let result = self.transact(OWNER, TxKind::Create, code);
        result.created_address().unwrap_or_else(|| panic!("{result:?}"))
    }

    fn call(&mut self, from: Address, to: Address, data: Vec<u8>) -> Result<Bytes, Revert> {
        match self.transact(from, TxKind::Call(to), data.into()) {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            ExecutionResult::Revert { output, .. } => Err(decode_revert(&output)),
            halt => panic!("{halt:?}"),
        }
    }

    fn submit(&mut self, from: Address, bundle: &ProofBundle) -> Result<Bytes, Revert> {
        let data = verify_inference_calldata(bundle).unwrap();
        self.call(from, self.oracle, data.into())
    }

    fn bundle(&self, nonce: u64, lifetime: u64) -> ProofBundle {
        let word = |value: u64| B256::from(U256::from(value));
        let inputs = [word(3), word(4)];
        let request = InferenceRequest {
            chain_id: CHAIN,
            oracle: self.oracle,
            model_id: self.model_id,
            verification_hash: self.verification_hash,
            subject: BORROWER,
            nonce,
            deadline: NOW + lifetime,
            inputs: inputs_hash(&inputs),
        };
        ProofBundle {
            format: FORMAT.into(),
            version: VERSION,
            model: ModelRef {
                setup_id: B256::repeat_byte(7),
                name: "credit".into(),
                model_hash: word(1),
                shape_id: word(2),
                key_hash: keccak256(hex!("00 61206b6579")),
            },
            instances: vec![request.context().into(), inputs[0], inputs[1], word(5), word(500_010)],
            outputs: vec![-5, 500_000],
            decimals: 6,
            decoded: vec![-0.000005, 0.5],
            proof: Bytes::from(vec![7; 64]),
            evm_proof: Bytes::from([vec![7; 64], vec![8; 32]].concat()),
            srs: SrsRef { fingerprint: word(9), insecure: true },
            input_commitment: Some(request.commitment()),
            request: Some(request),
            requests: vec![],
        }
    }
}

/// A batch of one inference for each nonce, about one subject each.
fn batch(chain: &Chain, nonces: &[u64]) -> ProofBundle {
    let word = |value: u64| B256::from(U256::from(value));
    let size = nonces.len();
    // Two input words and two outputs of each, word by word.
    let inputs: Vec<_> = (0..2 * size as u64).map(|index| word(100 + index)).collect();
    let one = chain.bundle(1, 600);
    let mut requests = vec![];
    for (index, &nonce) in nonces.iter().enumerate() {
        requests.push(InferenceRequest {
            subject: Address::repeat_byte(0x20 + index as u8),
            nonce,
            deadline: NOW + 600 + index as u64,
            inputs: inputs_hash(&of_inference(&inputs, size, index)),
            ..one.request.clone().unwrap()
        });
    }
    let outputs: Vec<i128> = (0..2 * size as i128).map(|index| index - 5).collect();
    let words = outputs.iter().map(|output| word((output + 10) as u64));
    let commitment = batch_commitment(&requests);
    let context = B256::from(context_word(commitment));
    ProofBundle {
        instances: [context].into_iter().chain(inputs.clone()).chain(words).collect(),
        decoded: outputs.iter().map(|&output| output as f64 / 1e6).collect(),
        outputs,
        input_commitment: Some(commitment),
        request: None,
        requests,
        ..one
    }
}

#[test]
fn the_oracle_records_each_inference_of_a_batch_that_this_crate_encodes() {
    let mut chain = Chain::of_batch(3);
    let bundle = batch(&chain, &[1, 7, 1000]);
    chain.submit(OWNER, &bundle).unwrap();
    let subjects = bundle.requests.iter().map(|request| request.subject).collect();
    let read = InferenceOracle::scoresOfCall { subjects, modelId: U256::from(chain.model_id) };
    let answer = chain.call(BORROWER, chain.oracle, read.abi_encode()).unwrap();
    let records = InferenceOracle::scoresOfCall::abi_decode_returns(&answer).unwrap();
    for (index, (record, request)) in records.iter().zip(&bundle.requests).enumerate() {
        assert_eq!(i128::from(record.score), bundle.outputs[index]);
        assert_eq!((record.nonce, record.prover), (request.nonce, OWNER));
        assert_eq!(record.deadline.to::<u64>(), request.deadline);
    }
    assert_eq!(records.len(), 3);

    // Once more: the first request that is stale is named.
    let revert = chain.submit(OWNER, &bundle).unwrap_err();
    let Revert::Inference { index, reason } = &revert else { panic!("{revert}") };
    assert_eq!((index.to::<u64>(), reason.name()), (0, "NonceAlreadyUsed"));
    let revert = chain.submit(OWNER, &batch(&chain, &[2, 8, 2001])).unwrap_err();
    assert!(revert.to_string().starts_with("InferenceRefused(index: 2, reason: NonceTooFar("));
    let other = Chain::of_batch(1).bundle(1, 600);
    let revert = chain.submit(OWNER, &other).unwrap_err();
    assert_eq!(revert.to_string(), "BatchSizeMismatch(expected: 3, given: 1)");
}

#[test]
fn a_request_that_is_wider_than_its_word_is_never_encoded() {
    let chain = Chain::of_batch(2);
    let mut bundle = batch(&chain, &[1, 1 << 56]);
    let told = verify_inference_calldata(&bundle).unwrap_err().to_string();
    assert!(told.contains("nonce of request 1 is 72057594037927936"), "{told}");
    bundle = batch(&chain, &[1, (1 << 56) - 1]);
    bundle.requests[0].deadline = 1 << 40;
    bundle.input_commitment = Some(batch_commitment(&bundle.requests));
    bundle.instances[0] = context_word(bundle.input_commitment.unwrap()).into();
    let told = verify_inference_calldata(&bundle).unwrap_err().to_string();
    assert!(told.contains("deadline of request 0"), "{told}");
    // Neither call takes what is the other's.
    let single = chain.bundle(1, 600);
    assert!(calldata::verify_inference_batch_call(&single).is_err());
    assert!(calldata::verify_inference_call(&batch(&chain, &[1, 2])).is_err());
}

#[test]
fn the_oracle_accepts_and_records_what_this_crate_encodes() {
    let mut chain = Chain::new();
    let bundle = chain.bundle(1, 600);
    chain.submit(OWNER, &bundle).unwrap();

    let read =
        InferenceOracle::scoreOfCall { subject: BORROWER, modelId: U256::from(chain.model_id) }
            .abi_encode();
    let answer = chain.call(BORROWER, chain.oracle, read).unwrap();
    let record = InferenceOracle::scoreOfCall::abi_decode_returns(&answer).unwrap();
    assert_eq!(record.score, -5);
    assert_eq!(record.nonce, 1);
    assert_eq!(record.updatedAt.to::<u64>(), NOW);
    assert_eq!(record.deadline.to::<u64>(), NOW + 600);
    assert_eq!(record.prover, OWNER);
}

#[test]
fn both_sides_compute_the_same_input_commitment() {
    let mut chain = Chain::new();
    let request = chain.bundle(77, 600).request.unwrap();
    let ask = InferenceOracle::inputCommitmentOfCall {
        modelId: U256::from(request.model_id),
        subject: request.subject,
        nonce: U256::from(request.nonce),
        deadline: request.deadline,
        inputs: request.inputs,
    };
    let answer = chain.call(BORROWER, chain.oracle, ask.abi_encode()).unwrap();
    assert_eq!(answer, Bytes::from(request.commitment().to_vec()));
}

#[test]
fn a_check_records_nothing_and_is_open_to_everyone() {
    let mut chain = Chain::new();
    let bundle = chain.bundle(1, 600);
    let data = calldata::check_inference_calldata(&bundle).unwrap();
    let answer = chain.call(BORROWER, chain.oracle, data.into()).unwrap();
    let checked = InferenceOracle::checkInferenceCall::abi_decode_returns(&answer).unwrap();
    assert_eq!((checked.subject, checked.score.as_i64()), (BORROWER, -5));
    chain.submit(OWNER, &bundle).unwrap();
}

#[test]
fn a_replay_is_decoded_as_already_recorded() {
    let mut chain = Chain::new();
    let (first, second) = (chain.bundle(1, 600), chain.bundle(2, 600));
    chain.submit(OWNER, &first).unwrap();
    let again = chain.submit(OWNER, &first).unwrap_err();
    assert!(again.is_already_recorded(), "{again}");
    chain.submit(OWNER, &second).unwrap();
    let overtaken = chain.submit(OWNER, &first).unwrap_err();
    assert_eq!(overtaken.name(), "NonceAlreadyUsed");
    assert!(!overtaken.is_already_recorded(), "{overtaken}");
}

#[test]
fn a_nonce_beyond_the_bound_is_decoded_with_the_largest_allowed() {
    let mut chain = Chain::new();
    let far = chain.bundle(MAX_NONCE_STEP + 1, 600);
    let revert = chain.submit(OWNER, &far).unwrap_err();
    assert_eq!(revert.name(), "NonceTooFar");
    assert_eq!(revert.argument("largest"), Some(MAX_NONCE_STEP.to_string().as_str()));
    assert!(revert.hint().is_some());
    chain.submit(OWNER, &chain.bundle(MAX_NONCE_STEP, 600)).unwrap();
}

#[test]
fn refusals_are_decoded_with_their_arguments() {
    let mut chain = Chain::new();
    let bundle = chain.bundle(1, 600);
    let revert = chain.submit(BORROWER, &bundle).unwrap_err();
    assert_eq!(revert.to_string(), format!("SubmitterNotAllowed(caller: {BORROWER})"));

    let far = chain.bundle(1, MAX_REQUEST_LIFETIME + 1);
    let revert = chain.submit(OWNER, &far).unwrap_err();
    let latest = NOW + MAX_REQUEST_LIFETIME;
    assert_eq!(
        revert.to_string(),
        format!("DeadlineTooFar(deadline: {}, latest: {latest})", latest + 1)
    );
    chain.submit(OWNER, &chain.bundle(1, MAX_REQUEST_LIFETIME)).unwrap();

    let mut large = chain.bundle(2, 600);
    large.outputs = vec![-5, 1_000_001];
    large.decoded = vec![-0.000005, 1.000001];
    large.instances[4] = B256::from(U256::from(1_000_011));
    let revert = chain.submit(OWNER, &large).unwrap_err();
    assert_eq!(
        revert.to_string(),
        "OutputOutOfRange(index: 1, value: 1000001, min: -10, max: 1000000)"
    );

    let mut data = verify_inference_calldata(&chain.bundle(2, 600)).unwrap().to_vec();
    data.push(0);
    let revert = chain.call(OWNER, chain.oracle, data).unwrap_err();
    assert_eq!(revert.to_string(), "MalformedCalldata()");
}

/// Creation code of a contract that accepts to be a signer of `registry` and then calls every
/// signature valid (ERC-1271).
fn signer_init_code(registry: Address) -> Bytes {
    let accept = SignerRegistry::acceptSignerCall::SELECTOR;
    // PUSH4 · PUSH1 224 · SHL · PUSH0 · MSTORE, then CALL(gas, registry, 0, 0, 4, 0, 0), POP.
    let call =
        [&hex!("63")[..], &accept, &hex!("60e01b5f52 5f5f60045f5f73"), &registry.0.0].concat();
    let call = [&call[..], &hex!("5af150")].concat();
    // PUSH4 0x1626ba7e · PUSH1 224 · SHL · PUSH0 · MSTORE · PUSH1 32 · PUSH0 · RETURN.
    let runtime = hex!("631626ba7e 60e01b5f52 60205ff3");
    let at = (call.len() + 9) as u8;
    let head = [0x60, runtime.len() as u8, 0x80, 0x60, at, 0x5f, 0x39, 0x5f, 0xf3];
    [&call[..], &head, &runtime].concat().into()
}

#[test]
fn a_provider_s_statement_is_checked_as_this_crate_makes_it() {
    let mut chain = Chain::new();
    let registry = chain.create(deploy::signer_registry_init_code(OWNER).unwrap());
    // The signers' addresses are known before they are there: they have to be proposed first.
    let nonce = chain.nonces[&OWNER];
    for offset in 2..4 {
        let account = OWNER.create(nonce + offset);
        let propose = SignerRegistry::proposeSignerCall { account };
        chain.call(OWNER, registry, propose.abi_encode()).unwrap();
    }
    for offset in 2..4 {
        assert_eq!(chain.create(signer_init_code(registry)), OWNER.create(nonce + offset));
    }
    let revoke = InferenceOracle::revokeModelCall { modelId: U256::from(chain.model_id) };
    chain.call(OWNER, chain.oracle, revoke.abi_encode()).unwrap();
    let schema = B256::repeat_byte(0x5c);
    let policy = AttestationPolicy { signers: registry, threshold: 2, schema };
    // Nothing was demanded of the model, which stays so; under another id something may be.
    let revert = chain.approve(Some(policy.clone())).unwrap_err();
    assert_eq!(revert.to_string(), "OtherPolicyBefore(modelId: 1)");
    assert!(revert.hint().is_some());
    chain.register();
    chain.approve(Some(policy)).unwrap();

    let bundle = chain.bundle(1, 3 * 86_400);
    let request = bundle.request.clone().unwrap();
    let statement = Statement {
        chain_id: CHAIN,
        registry,
        signer: OWNER.create(nonce + 2),
        subject: BORROWER,
        schema,
        inputs: request.inputs,
        issued_at: NOW - 10,
        valid_until: NOW + 3 * 86_400,
    };
    let ask = SignerRegistry::attestationDigestCall {
        signer: statement.signer,
        subject: BORROWER,
        schema,
        inputs: request.inputs,
        issuedAt: statement.issued_at,
        validUntil: statement.valid_until,
    };
    let digest = chain.call(BORROWER, registry, ask.abi_encode()).unwrap();
    assert_eq!(digest, Bytes::from(statement.digest().to_vec()), "both sides' digest");

    let by = |index: u8, length| {
        let signer = OWNER.create(nonce + 2 + u64::from(index));
        Attestation::new(Statement { signer, ..statement.clone() }, vec![0x77; length].into())
    };
    // In any order; signatures of a contract may have any length.
    let (alice, bob) = (by(0, 70), by(1, 3));
    let both = [(1, &bob), (0, &alice)];
    let data = verify_attested_inference_calldata(&bundle, &both).unwrap().to_vec();
    let revert = chain.call(OWNER, chain.oracle, data.clone()).unwrap_err();
    assert_eq!(revert.to_string(), "SignerNotCounting(index: 0)", "the delay is not over");
    chain.evm.ctx.block.timestamp = U256::from(NOW + 2 * 86_400);
    let alone = verify_attested_inference_calldata(&bundle, &both[..1]).unwrap();
    let revert = chain.call(OWNER, chain.oracle, alone.to_vec()).unwrap_err();
    assert_eq!(revert.to_string(), "TooFewAttestations(demanded: 2, given: 1)");
    assert!(revert.hint().is_some());
    let revert = chain.submit(OWNER, &bundle).unwrap_err();
    assert_eq!(revert.name(), "AttestationsRequired");
    chain.call(OWNER, chain.oracle, data).unwrap();
    let read =
        InferenceOracle::scoreOfCall { subject: BORROWER, modelId: U256::from(chain.model_id) };
    let answer = chain.call(BORROWER, chain.oracle, read.abi_encode()).unwrap();
    assert_eq!(InferenceOracle::scoreOfCall::abi_decode_returns(&answer).unwrap().signers, 3);

    // What the contract would refuse is refused before.
    assert!(encode_attestations(&[(1, &bob), (1, &by(1, 4))]).is_err(), "twice");
    assert!(encode_attestations(&[(1, &by(1, 1 << 16))]).is_err(), "a long signature");
    assert_eq!(alice.difference(&statement), None);
    for (change, what) in [
        (|statement: &mut Statement| statement.subject = OWNER) as fn(&mut Statement),
        |statement: &mut Statement| statement.inputs = B256::ZERO,
        |statement: &mut Statement| statement.chain_id = 1,
        |statement: &mut Statement| statement.schema = B256::ZERO,
        |statement: &mut Statement| statement.registry = OWNER,
    ]
    .into_iter()
    .zip(["subject", "list of inputs", "chain", "schema", "registry of signers"])
    {
        let mut other = by(0, 65);
        change(&mut other.statement);
        assert_eq!(other.difference(&statement), Some(what));
    }

    // A file says what it is.
    let json = serde_json::to_vec(&alice).unwrap();
    assert_eq!(Attestation::from_json(&json).unwrap(), alice);
    let text = String::from_utf8(json).unwrap();
    for wrong in [
        text.replace("attestation-v2", "attestation-v1"),
        text.replace("\"signer\"", "\"by\""),
        text.replace('}', ",\"more\":1}"),
        format!("{}{text}", " ".repeat(1 << 18)),
        "{}".into(),
        String::new(),
    ] {
        Attestation::from_json(wrong.as_bytes()).expect_err(&wrong[..wrong.len().min(80)]);
    }
}
