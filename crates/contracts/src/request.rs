//! What a proof answers, and how the answer is bound to the question.
//!
//! A request names the chain, the oracle, the model, the subject, a nonce, a deadline and the inputs.
//! The model is its id and the hash of its verification data, which say what its numbers mean. The
//! request's hash is ERC-7992's `inputCommitment`; reduced to 253 bits it is the circuit's first
//! public value, `context`. A proof therefore answers one request about one model to one oracle on
//! one chain.

use alloy_primitives::{Address, B256, U256, b256, fixed_bytes, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::bindings::ModelRegistry::VerificationData;

/// `keccak256("verdict.inference.v2")`, the first word under every input commitment.
pub const DOMAIN: B256 = b256!("0c7c494d8bbde05f06438ebc79d967af985d3252ce3f5dca171768fcfd286034");

/// `keccak256("verdict.batch.v1")`, the first word under a batch's input commitment.
pub const BATCH_DOMAIN: B256 =
    b256!("c13d6fdd5d450e5b01b6e675d90c0b0b5ed41b851e57adeb27cd9a42156df7dc");

/// Canonical name of the proof system (ERC-7992).
pub const PROOF_SYSTEM_NAME: &str = "halo2-kzg-bn254-v1";

/// First four bytes of the keccak hash of [`PROOF_SYSTEM_NAME`].
pub const PROOF_SYSTEM_ID: alloy_primitives::FixedBytes<4> = fixed_bytes!("301c92ec");

/// Longest time in seconds between recording and a request's deadline that the oracle allows
/// (`InferenceOracle.MAX_REQUEST_LIFETIME`): 30 days.
pub const MAX_REQUEST_LIFETIME: u64 = 30 * 24 * 60 * 60;

/// Largest distance of a request's nonce from the last one recorded for its subject and model
/// (`InferenceOracle.MAX_NONCE_STEP`).
pub const MAX_NONCE_STEP: u64 = 1000;

/// A request to score a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InferenceRequest {
    /// Chain id (EIP-155).
    pub chain_id: u64,
    /// The oracle that will record the score.
    pub oracle: Address,
    /// Id of the model in the oracle's registry.
    pub model_id: u64,
    /// [`verification_hash`] of the model's verification data.
    pub verification_hash: B256,
    /// Whom the score is about.
    pub subject: Address,
    /// Must exceed the last nonce recorded for the subject and the model, by [`MAX_NONCE_STEP`] at
    /// most.
    pub nonce: u64,
    /// Unix time of the last second in which the score may be recorded.
    pub deadline: u64,
    /// [`inputs_hash`] of the public input words; zero for private inputs.
    pub inputs: B256,
}

impl InferenceRequest {
    /// ERC-7992's `inputCommitment` of this request.
    pub fn commitment(&self) -> B256 {
        input_commitment(self)
    }

    /// The `context` instance of a proof that answers this request.
    pub fn context(&self) -> U256 {
        context_word(self.commitment())
    }
}

/// `keccak256(abi.encode(DOMAIN, chainId, oracle, modelId, verificationHash, subject, nonce, deadline,
/// inputs))`: nine words.
pub fn input_commitment(request: &InferenceRequest) -> B256 {
    let words = (
        DOMAIN,
        U256::from(request.chain_id),
        request.oracle,
        U256::from(request.model_id),
        request.verification_hash,
        request.subject,
        U256::from(request.nonce),
        U256::from(request.deadline),
        request.inputs,
    );
    keccak256(words.abi_encode())
}

/// `keccak256(abi.encode(BATCH_DOMAIN, commitments))`, `commitments` being the requests' input
/// commitments, a `bytes32[]`: what a proof of a batch answers, each of its inferences one request,
/// in their order.
pub fn batch_commitment(requests: &[InferenceRequest]) -> B256 {
    let commitments: Vec<B256> = requests.iter().map(input_commitment).collect();
    keccak256((BATCH_DOMAIN, commitments).abi_encode_params())
}

/// `keccak256(abi.encode(data))`: hash of all that gives a model's numbers their meaning.
pub fn verification_hash(data: &VerificationData) -> B256 {
    keccak256(data.abi_encode())
}

/// The commitment modulo 2^253, which is below the field's modulus.
pub fn context_word(commitment: B256) -> U256 {
    U256::from_be_bytes(commitment.0) & ((U256::from(1) << 253) - U256::from(1))
}

/// Keccak hash of the concatenated public input words, or zero when there are none (private inputs).
pub fn inputs_hash(words: &[B256]) -> B256 {
    if words.is_empty() {
        return B256::ZERO;
    }
    keccak256(words.iter().flat_map(|word| word.0).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, hex};

    fn request() -> InferenceRequest {
        InferenceRequest {
            chain_id: 31337,
            oracle: address!("00000000000000000000000000000000000000aa"),
            model_id: 3,
            verification_hash: B256::repeat_byte(0xdd),
            subject: address!("00000000000000000000000000000000000000bb"),
            nonce: 7,
            deadline: 1_700_000_000,
            inputs: B256::ZERO,
        }
    }

    #[test]
    fn constants_are_the_hashes_of_their_names() {
        assert_eq!(DOMAIN, keccak256("verdict.inference.v2"));
        assert_eq!(BATCH_DOMAIN, keccak256("verdict.batch.v1"));
        assert_eq!(PROOF_SYSTEM_ID, keccak256(PROOF_SYSTEM_NAME)[..4]);
    }

    #[test]
    fn commitment_hashes_nine_words_in_the_documented_order() {
        let mut bytes = Vec::new();
        bytes.extend(DOMAIN.0);
        bytes.extend(U256::from(31337).to_be_bytes::<32>());
        bytes.extend(hex!("00000000000000000000000000000000000000000000000000000000000000aa"));
        bytes.extend(U256::from(3).to_be_bytes::<32>());
        bytes.extend([0xdd; 32]);
        bytes.extend(hex!("00000000000000000000000000000000000000000000000000000000000000bb"));
        bytes.extend(U256::from(7).to_be_bytes::<32>());
        bytes.extend(U256::from(1_700_000_000u64).to_be_bytes::<32>());
        bytes.extend([0; 32]);
        assert_eq!(input_commitment(&request()), keccak256(bytes));
    }

    #[test]
    fn every_part_of_a_request_changes_its_commitment() {
        let base = request();
        let other = Address::repeat_byte(9);
        let variants = [
            InferenceRequest { chain_id: 1, ..base.clone() },
            InferenceRequest { oracle: other, ..base.clone() },
            InferenceRequest { model_id: 4, ..base.clone() },
            InferenceRequest { verification_hash: B256::ZERO, ..base.clone() },
            InferenceRequest { subject: other, ..base.clone() },
            InferenceRequest { nonce: 8, ..base.clone() },
            InferenceRequest { deadline: 1, ..base.clone() },
            InferenceRequest { inputs: B256::with_last_byte(1), ..base.clone() },
        ];
        for variant in variants {
            assert_ne!(variant.commitment(), base.commitment(), "{variant:?}");
        }
    }

    #[test]
    fn a_batch_is_bound_to_its_requests_their_order_and_their_number() {
        let (a, b) = (request(), InferenceRequest { nonce: 8, ..request() });
        let mut bytes = BATCH_DOMAIN.to_vec();
        for word in [64u64, 2] {
            bytes.extend(U256::from(word).to_be_bytes::<32>());
        }
        bytes.extend(a.commitment().0);
        bytes.extend(b.commitment().0);
        assert_eq!(batch_commitment(&[a.clone(), b.clone()]), keccak256(bytes));
        let all = [
            batch_commitment(&[]),
            batch_commitment(std::slice::from_ref(&a)),
            batch_commitment(&[b.clone(), a.clone()]),
            batch_commitment(&[a.clone(), b.clone()]),
            batch_commitment(&[a.clone(), b, a.clone()]),
            a.commitment(),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
    }

    #[test]
    fn context_keeps_the_low_253_bits_only() {
        assert_eq!(context_word(B256::repeat_byte(0xff)), (U256::from(1) << 253) - U256::from(1));
        assert_eq!(context_word(B256::with_last_byte(5)), U256::from(5));
    }

    #[test]
    fn private_inputs_hash_to_zero_and_public_ones_to_their_keccak_hash() {
        assert_eq!(inputs_hash(&[]), B256::ZERO);
        let words = [B256::with_last_byte(1), B256::with_last_byte(2)];
        assert_eq!(inputs_hash(&words), keccak256((words[0], words[1]).abi_encode()));
    }
}
