//! Calldata of `verifyInference` and `verifyInferenceBatch`, in the one encoding that the oracle accepts.

use alloy_primitives::{Address, B256, Bytes, I256, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};

use crate::bindings::InferenceOracle::{
    checkInferenceCall, verifyInferenceBatchCall, verifyInferenceCall,
};
use crate::bundle::ProofBundle;
use crate::error::CalldataError;
use crate::request::InferenceRequest;

/// ERC-7992's `output`: `abi.encode(int256[] values)`.
pub fn encode_output(values: &[I256]) -> Bytes {
    values.to_vec().abi_encode().into()
}

/// What the oracle keeps of an inference's `values` beside the first one (`OutputWords`): zero of one
/// value; of two or three, their number above bit 192 and each in 64 bits from the lowest on; of more,
/// the keccak hash of their words.
pub fn outputs_word(values: &[I256]) -> B256 {
    match values.len() {
        0 | 1 => B256::ZERO,
        count @ 2..=3 => {
            let low = U256::from(u64::MAX);
            let packed = values
                .iter()
                .enumerate()
                .map(|(index, value)| (value.into_raw() & low) << (64 * index));
            B256::from(packed.fold(U256::from(count) << 192, |word, value| word | value))
        }
        _ => keccak256(
            values.iter().flat_map(|value| value.to_be_bytes::<32>()).collect::<Vec<u8>>(),
        ),
    }
}

/// ERC-7992's `proof`:
/// `abi.encode(address subject, uint256 nonce, uint64 deadline, uint256[] inputWords, bytes zkProof)`.
pub fn encode_proof(request: &InferenceRequest, input_words: &[B256], zk_proof: &Bytes) -> Bytes {
    let words: Vec<U256> = input_words.iter().map(|word| U256::from_be_bytes(word.0)).collect();
    let nonce = U256::from(request.nonce);
    (request.subject, nonce, request.deadline, words, zk_proof.clone()).abi_encode_params().into()
}

/// ERC-7992's `proof` of a batch:
/// `abi.encode(uint256[] requests, uint256[] inputWords, bytes zkProof)`, the requests packed by
/// [`pack_request`].
pub fn encode_batch_proof(requests: &[U256], input_words: &[B256], zk_proof: &Bytes) -> Bytes {
    let words: Vec<U256> = input_words.iter().map(|word| U256::from_be_bytes(word.0)).collect();
    (requests.to_vec(), words, zk_proof.clone()).abi_encode_params().into()
}

/// What is a request's own in a batch, as one word; from the top: subject (160 bits), nonce (56),
/// deadline (40). `index` is the request's in its batch, for the error.
pub fn pack_request(index: usize, request: &InferenceRequest) -> Result<U256, CalldataError> {
    for (what, value, bits) in [("nonce", request.nonce, 56), ("deadline", request.deadline, 40)] {
        let limit = (1 << bits) - 1;
        if value > limit {
            return Err(CalldataError::TooWide { what, index, value, limit });
        }
    }
    let subject = U256::from_be_bytes(request.subject.into_word().0);
    Ok((subject << 96) | (U256::from(request.nonce) << 40) | U256::from(request.deadline))
}

/// The call that makes the oracle verify and record a bundle's proof of one inference.
pub fn verify_inference_call(bundle: &ProofBundle) -> Result<verifyInferenceCall, CalldataError> {
    let (model_id, commitment, output) = statement(bundle)?;
    let [request] = bundle.answered() else {
        return Err(CalldataError::Requests { requests: bundle.answered().len() });
    };
    Ok(verifyInferenceCall {
        modelId: model_id,
        inputCommitment: commitment,
        output,
        proof: encode_proof(request, bundle.input_words(), &bundle.evm_proof),
    })
}

/// The call that makes the oracle verify and record a bundle's proof of a batch.
pub fn verify_inference_batch_call(
    bundle: &ProofBundle,
) -> Result<verifyInferenceBatchCall, CalldataError> {
    let (model_id, commitment, output) = statement(bundle)?;
    let requests = bundle.answered();
    if requests.len() < 2 {
        return Err(CalldataError::Requests { requests: requests.len() });
    }
    let pack = |(index, request)| pack_request(index, request);
    let packed = requests.iter().enumerate().map(pack).collect::<Result<Vec<_>, _>>()?;
    Ok(verifyInferenceBatchCall {
        modelId: model_id,
        inputCommitment: commitment,
        output,
        proof: encode_batch_proof(&packed, bundle.input_words(), &bundle.evm_proof),
    })
}

/// Model id, commitment and encoded outputs of a checked bundle.
fn statement(bundle: &ProofBundle) -> Result<(U256, B256, Bytes), CalldataError> {
    bundle.validate()?;
    let (Some(request), Some(commitment)) = (bundle.answered().first(), bundle.input_commitment)
    else {
        return Err(CalldataError::NoRequest);
    };
    let mut outputs = Vec::with_capacity(bundle.outputs.len());
    for (index, &value) in bundle.outputs.iter().enumerate() {
        let value =
            i64::try_from(value).map_err(|_| CalldataError::OutputTooLarge { index, value })?;
        outputs.push(I256::unchecked_from(value));
    }
    Ok((U256::from(request.model_id), commitment, encode_output(&outputs)))
}

/// Calldata of [`verify_inference_call`], or of [`verify_inference_batch_call`] for a proof of
/// several inferences.
pub fn verify_inference_calldata(bundle: &ProofBundle) -> Result<Bytes, CalldataError> {
    if bundle.answered().len() > 1 {
        return Ok(verify_inference_batch_call(bundle)?.abi_encode().into());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_packed_or_hashed_as_the_contract_does() {
        let values: Vec<I256> =
            [-6, 3, 1, 9].map(|value| I256::try_from(value).expect("small")).into();
        assert_eq!(outputs_word(&values[..1]), B256::ZERO);
        // OutputWords.t.sol has the same words.
        let two = (U256::from(2) << 192) | (U256::from(3) << 64) | U256::from(u64::MAX - 5);
        assert_eq!(outputs_word(&values[..2]), B256::from(two));
        assert_eq!(outputs_word(&values[..3])[7], 3);
        assert_eq!(outputs_word(&values), keccak256(values.abi_encode_packed()));
    }
}
