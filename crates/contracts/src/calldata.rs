//! Calldata of `verifyInference`, in the one encoding that the oracle accepts.

use alloy_primitives::{Address, B256, Bytes, I256, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};

use crate::bindings::InferenceOracle::{checkInferenceCall, verifyInferenceCall};
use crate::bundle::ProofBundle;
use crate::error::CalldataError;
use crate::request::InferenceRequest;

/// ERC-7992's `output`: `abi.encode(int256[] values)`.
pub fn encode_output(values: &[I256]) -> Bytes {
    values.to_vec().abi_encode().into()
}

/// ERC-7992's `proof`:
/// `abi.encode(address subject, uint256 nonce, uint64 deadline, uint256[] inputWords, bytes zkProof)`.
pub fn encode_proof(request: &InferenceRequest, input_words: &[B256], zk_proof: &Bytes) -> Bytes {
    let words: Vec<U256> = input_words.iter().map(|word| U256::from_be_bytes(word.0)).collect();
    let nonce = U256::from(request.nonce);
    (request.subject, nonce, request.deadline, words, zk_proof.clone()).abi_encode_params().into()
}

/// The call that makes the oracle verify and record a bundle's proof.
pub fn verify_inference_call(bundle: &ProofBundle) -> Result<verifyInferenceCall, CalldataError> {
    bundle.validate()?;
    let (Some(request), Some(commitment)) = (&bundle.request, bundle.input_commitment) else {
        return Err(CalldataError::NoRequest);
    };
    let mut outputs = Vec::with_capacity(bundle.outputs.len());
    for (index, &value) in bundle.outputs.iter().enumerate() {
        let value =
            i64::try_from(value).map_err(|_| CalldataError::OutputTooLarge { index, value })?;
        outputs.push(I256::unchecked_from(value));
    }
    Ok(verifyInferenceCall {
        modelId: U256::from(request.model_id),
        inputCommitment: commitment,
        output: encode_output(&outputs),
        proof: encode_proof(request, bundle.input_words(), &bundle.evm_proof),
    })
}

/// Calldata of [`verify_inference_call`].
pub fn verify_inference_calldata(bundle: &ProofBundle) -> Result<Bytes, CalldataError> {
    Ok(verify_inference_call(bundle)?.abi_encode().into())
}

/// Calldata of `checkInference`, which anyone may call and which records nothing.
pub fn check_inference_calldata(bundle: &ProofBundle) -> Result<Bytes, CalldataError> {
    let call = verify_inference_call(bundle)?;
    let check = checkInferenceCall {
        modelId: call.modelId,
        inputCommitment: call.inputCommitment,
        output: call.output,
        proof: call.proof,
    };
    Ok(check.abi_encode().into())
}

/// Names a recording once and for all: two jobs with equal keys are the same job.
///
/// `keccak256(abi.encode(chainId, oracle, modelId, inputCommitment))`.
pub fn idempotency_key(
    chain_id: u64,
    oracle: Address,
    model_id: U256,
    input_commitment: B256,
) -> B256 {
    keccak256((U256::from(chain_id), oracle, model_id, input_commitment).abi_encode())
}
