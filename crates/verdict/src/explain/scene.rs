//! The contracts in an EVM, with a model of the circuit's shape registered and approved.

use alloy::{
    primitives::{Address, B256, Bytes, I256, U256, keccak256},
    sol_types::SolCall,
};
use verdict_codegen::{
    ShapeVerifier,
    compile::Bytecode,
    explain::{CALLER, ExplainError, Machine, StandIn},
    key_hash, key_init_code,
};
use verdict_contracts::{
    InferenceRequest, PROOF_SYSTEM_ID, batch_commitment,
    bindings::{
        InferenceOracle::{
            addSubmitterCall, approveModelCall, verifyInferenceBatchCall, verifyInferenceCall,
        },
        ModelRegistry::{ModelCommitment, VerificationData, registerVerifiableModelCall},
        VerdictVerifier::verifyCall,
    },
    calldata::{encode_batch_proof, encode_output, encode_proof, pack_request},
    context_word,
    deploy::{inference_oracle_init_code, model_registry_init_code},
    inputs_hash, of_inference, verification_hash,
};
use verdict_kzg::transcript::from_be_bytes;

use super::Circuit;
use crate::{deploy::ScoreDirection, error::Error};

/// When everything happens. No byte of it is zero.
const NOW: u64 = 1_800_171_077;
/// How long a request may be answered.
const LIFETIME: u64 = 3_600;
/// How long a score stays fresh.
const TIME_TO_LIVE: u64 = 7 * 86_400;
const MODEL: u64 = 1;

/// A chain with one registry, one oracle and one approved model.
pub(super) struct Scene {
    pub(super) machine: Machine,
    pub(super) oracle: Address,
    pub(super) verifier: Address,
    data: VerificationData,
}

/// What a transaction states.
struct Statement {
    requests: Vec<InferenceRequest>,
    commitment: B256,
    words: Vec<B256>,
    outputs: Vec<I256>,
    instances: Vec<B256>,
}

impl Scene {
    pub(super) fn new(
        circuit: &Circuit<'_>,
        verifier: &ShapeVerifier,
        code: &Bytecode,
        key: &StandIn,
    ) -> Result<Self, Error> {
        let mut machine = Machine::new(NOW);
        let registry = machine.create(model_registry_init_code()?)?;
        let oracle = machine.create(inference_oracle_init_code(registry, CALLER, TIME_TO_LIVE)?)?;
        let at = machine.create(code.creation.clone().into())?;
        let values = circuit.public_values();
        let batch = circuit.statements();
        let key_hash = B256::from(key_hash(key.key_payload()));
        let commitment = ModelCommitment {
            modelHash: B256::repeat_byte(1),
            circuitHash: verifier.shape_id.into(),
            vkHash: key_hash,
            proofSystemId: PROOF_SYSTEM_ID,
            uri: String::new(),
        };
        let data = VerificationData {
            verifier: at,
            key: machine.create(key_init_code(key.key_payload()).into())?,
            keyHash: key_hash,
            publicInputs: narrow(values.inputs / batch)?,
            outputs: narrow(values.outputs / batch)?,
            batch: u8::try_from(batch).map_err(|_| too_large())?,
            outputMin: circuit.output.min,
            outputMax: circuit.output.max,
            decimals: circuit.output.decimals as u8,
            direction: ScoreDirection::HigherIsBetter.into(),
        };
        let register =
            registerVerifiableModelCall { commitment: commitment.clone(), data: data.clone() };
        machine.call(registry, register.abi_encode())?;
        let approve = approveModelCall {
            modelId: U256::from(MODEL),
            commitment: commitment.into(),
            data: data.clone().into(),
            verifierCodeHash: keccak256(&code.runtime),
        };
        machine.call(oracle, approve.abi_encode())?;
        machine.call(oracle, addSubmitterCall { submitter: CALLER }.abi_encode())?;
        Ok(Self { machine, oracle, verifier: at, data })
    }

    /// Calldata of the oracle that records a first score of each subject, and of such that
    /// records a later one.
    pub(super) fn calls(
        &self,
        circuit: &Circuit<'_>,
        key: &StandIn,
    ) -> Result<[Vec<u8>; 2], Error> {
        let [first, later] = self.statements(circuit);
        Ok([call(&first, key)?, call(&later, key)?])
    }

    /// Calldata of the verifier alone.
    pub(super) fn call_of_verifier(
        &self,
        circuit: &Circuit<'_>,
        key: &StandIn,
    ) -> Result<Vec<u8>, Error> {
        let [_, later] = self.statements(circuit);
        let call = verifyCall {
            key: self.data.key,
            keyHash: self.data.keyHash,
            instances: later.instances.iter().map(|word| U256::from_be_bytes(word.0)).collect(),
            proof: proof(&later, key)?,
        };
        Ok(call.abi_encode())
    }

    /// Two statements about the same subjects, whose commitments have no zero byte.
    fn statements(&self, circuit: &Circuit<'_>) -> [Statement; 2] {
        let of = |seed: u8| [1, 2].map(|nonce| self.statement(circuit, seed, nonce));
        let full = |[first, later]: &[Statement; 2]| {
            !first.commitment.contains(&0) && !later.commitment.contains(&0)
        };
        // The first one will do three times in four.
        (1..u8::MAX).map(of).find(full).unwrap_or_else(|| of(u8::MAX))
    }

    fn statement(&self, circuit: &Circuit<'_>, seed: u8, nonce: u64) -> Statement {
        let batch = circuit.statements();
        let words = circuit.word_bits().into_iter().flat_map(|bits| vec![word(bits); batch]);
        let words: Vec<B256> = words.collect();
        let request = |index: usize| {
            let mut subject = [seed; 20];
            subject[19] = 1 + index as u8;
            InferenceRequest {
                chain_id: 1,
                oracle: self.oracle,
                model_id: MODEL,
                verification_hash: verification_hash(&self.data),
                subject: subject.into(),
                nonce,
                deadline: NOW + LIFETIME,
                inputs: inputs_hash(&of_inference(&words, batch, index)),
            }
        };
        let requests: Vec<_> = (0..batch).map(request).collect();
        let commitment = match &requests[..] {
            [request] => request.commitment(),
            requests => batch_commitment(requests),
        };
        let count = circuit.public_values().outputs;
        // The earlier record says something else: what stands there is overwritten.
        let earlier = i64::from(nonce == 1 && circuit.output.max > circuit.output.min);
        let value = circuit.output.max - earlier;
        let outputs = vec![I256::unchecked_from(value); count];
        let shifted = value.abs_diff(circuit.output.min);
        let instances = [B256::from(context_word(commitment))].into_iter().chain(words.clone());
        let instances = instances.chain(vec![B256::from(U256::from(shifted)); count]).collect();
        Statement { requests, commitment, words, outputs, instances }
    }
}

/// A word of which so many bits are used, no byte of them zero. A hash is below the field's modulus.
fn word(bits: u32) -> B256 {
    let pattern = U256::from_be_bytes([0x11; 32]);
    let mask = match bits {
        256.. => U256::MAX,
        _ => (U256::from(1) << bits) - U256::from(1),
    };
    B256::from(pattern & mask)
}

fn proof(statement: &Statement, key: &StandIn) -> Result<Bytes, Error> {
    let scalar = |word: &B256| from_be_bytes(&word.0);
    let instances: Option<Vec<_>> = statement.instances.iter().map(scalar).collect();
    let instances = instances.ok_or(ExplainError::Circuit("an instance is no field element"))?;
    Ok(key.proof(&instances)?.into())
}

fn call(statement: &Statement, key: &StandIn) -> Result<Vec<u8>, Error> {
    let model_id = U256::from(MODEL);
    let output = encode_output(&statement.outputs);
    let zk_proof = proof(statement, key)?;
    if let [request] = &statement.requests[..] {
        let call = verifyInferenceCall {
            modelId: model_id,
            inputCommitment: statement.commitment,
            output,
            proof: encode_proof(request, &statement.words, &zk_proof),
        };
        return Ok(call.abi_encode());
    }
    let packed = statement.requests.iter().enumerate();
    let packed: Result<Vec<_>, _> =
        packed.map(|(index, request)| pack_request(index, request)).collect();
    let call = verifyInferenceBatchCall {
        modelId: model_id,
        inputCommitment: statement.commitment,
        output,
        proof: encode_batch_proof(&packed?, &statement.words, &zk_proof),
    };
    Ok(call.abi_encode())
}

fn narrow(value: usize) -> Result<u16, Error> {
    u16::try_from(value).map_err(|_| too_large())
}

fn too_large() -> Error {
    ExplainError::Circuit("it has more values than a registry can hold").into()
}
