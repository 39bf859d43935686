//! Statements of data providers about a subject's inputs.
//!
//! A provider signs the EIP-712 digest of a [`Statement`]; the registry of signers knows which
//! providers count, and the oracle demands as many as a model's approval says.

use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use serde::{Deserialize, Serialize};

use crate::bindings::InferenceOracle::verifyAttestedInferenceCall;
use crate::bundle::ProofBundle;
use crate::calldata::verify_inference_call;
use crate::error::CalldataError;

/// `keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")`.
pub const DOMAIN_TYPEHASH: B256 =
    b256!("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f");

/// Type of a statement under EIP-712.
pub const STATEMENT_TYPE: &str =
    "Attestation(address subject,bytes32 schema,bytes32 inputs,uint64 issuedAt,uint64 validUntil)";

/// What a data provider states: the subject has these public inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Chain id (EIP-155).
    pub chain_id: u64,
    /// The registry of signers.
    pub registry: Address,
    /// Whom it is about.
    pub subject: Address,
    /// What the public input words mean.
    pub schema: B256,
    /// [`crate::inputs_hash`] of the public input words.
    pub inputs: B256,
    /// Unix time from which it is valid.
    pub issued_at: u64,
    /// Unix time of the last second in which it is valid.
    pub valid_until: u64,
}

impl Statement {
    /// The EIP-712 digest that a provider signs.
    pub fn digest(&self) -> B256 {
        let (name, version) = (keccak256("Verdict"), keccak256("1"));
        let chain_id = U256::from(self.chain_id);
        let domain = (DOMAIN_TYPEHASH, name, version, chain_id, self.registry).abi_encode();
        let statement = (
            keccak256(STATEMENT_TYPE),
            self.subject,
            self.schema,
            self.inputs,
            U256::from(self.issued_at),
            U256::from(self.valid_until),
        );
        let hashes = [keccak256(domain), keccak256(statement.abi_encode())];
        keccak256([&[0x19, 0x01], hashes[0].as_slice(), hashes[1].as_slice()].concat())
    }
}

/// A statement with its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// What is stated.
    pub statement: Statement,
    /// The provider's index in the registry.
    pub index: u8,
    /// r, s and v of a key's signature, 65 bytes; of a contract, whatever it takes (ERC-1271).
    pub signature: Bytes,
}

/// `attestations` as the registry takes them: by ascending index, each as index (1 byte), issuedAt
/// (8), validUntil (8), length of the signature (2), signature.
///
/// # Errors
/// A provider stands twice, or a signature is longer than 65,535 bytes.
pub fn encode_attestations(attestations: &[Attestation]) -> Result<Bytes, CalldataError> {
    let mut sorted: Vec<_> = attestations.iter().collect();
    sorted.sort_by_key(|attestation| attestation.index);
    let mut bytes = Vec::new();
    let mut last = None;
    for Attestation { statement, index, signature } in sorted {
        if last.replace(index) == Some(index) {
            return Err(CalldataError::SignerTwice { index: *index });
        }
        let length = u16::try_from(signature.len())
            .map_err(|_| CalldataError::SignatureTooLong { index: *index })?;
        bytes.push(*index);
        bytes.extend(statement.issued_at.to_be_bytes());
        bytes.extend(statement.valid_until.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(signature);
    }
    Ok(bytes.into())
}

/// Calldata that makes the oracle record a bundle's proof with these attestations.
///
/// # Errors
/// As [`verify_inference_call`] and [`encode_attestations`]; an attestation is about another subject,
/// other inputs, or for another chain than the bundle's request.
pub fn verify_attested_inference_calldata(
    bundle: &ProofBundle,
    attestations: &[Attestation],
) -> Result<Bytes, CalldataError> {
    let call = verify_inference_call(bundle)?;
    for request in bundle.answered() {
        for Attestation { statement, index, .. } in attestations {
            let what = [
                ("chain", statement.chain_id == request.chain_id),
                ("subject", statement.subject == request.subject),
                ("inputs", statement.inputs == request.inputs),
            ];
            if let Some((what, _)) = what.into_iter().find(|(_, same)| !same) {
                return Err(CalldataError::OtherStatement { index: *index, what });
            }
        }
    }
    let attested = verifyAttestedInferenceCall {
        modelId: call.modelId,
        inputCommitment: call.inputCommitment,
        output: call.output,
        proof: call.proof,
        attestations: encode_attestations(attestations)?,
    };
    Ok(attested.abi_encode().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_the_hashes_of_their_names() {
        let domain =
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
        assert_eq!(DOMAIN_TYPEHASH, keccak256(domain));
    }
}
