//! Statements of data providers about a subject's inputs.
//!
//! A provider signs the EIP-712 digest of a [`Statement`]; the registry of signers knows which
//! providers count, and the oracle demands as many as a model's approval says.

use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use serde::{Deserialize, Serialize};

use crate::bindings::InferenceOracle::{
    Inference, verifyAttestedInferenceCall, verifyInferencesCall,
};
use crate::bundle::ProofBundle;
use crate::calldata::verify_inference_call;
use crate::error::{AttestationError, CalldataError};

/// `keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")`.
pub const DOMAIN_TYPEHASH: B256 =
    b256!("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f");

/// Value of [`Attestation::format`].
pub const ATTESTATION_FORMAT: &str = "verdict-attestation-v2";
/// Largest file that is read as an attestation: 65,535 bytes of signature, as hexadecimal, and the
/// statement.
pub const MAX_ATTESTATION_BYTES: u64 = 256 * 1024;

/// Type of a statement under EIP-712.
pub const STATEMENT_TYPE: &str = "Attestation(address signer,address subject,bytes32 schema,\
    bytes32 inputs,uint64 issuedAt,uint64 validUntil)";

/// What a data provider states: the subject has these public inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Chain id (EIP-155).
    pub chain_id: u64,
    /// The registry of signers.
    pub registry: Address,
    /// The provider: an account of the registry, for which alone the statement counts.
    pub signer: Address,
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
            self.signer,
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

/// A statement with its signature: what a provider hands over, as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// Always [`ATTESTATION_FORMAT`].
    pub format: String,
    /// What is stated.
    pub statement: Statement,
    /// r, s and v of a key's signature, 65 bytes; of a contract, whatever it takes (ERC-1271).
    pub signature: Bytes,
}

impl Attestation {
    /// A signed statement.
    pub fn new(statement: Statement, signature: Bytes) -> Self {
        Self { format: ATTESTATION_FORMAT.into(), statement, signature }
    }

    /// Parses an attestation and checks that it is one.
    ///
    /// # Errors
    /// The bytes are no JSON of this format, or too many.
    pub fn from_json(bytes: &[u8]) -> Result<Self, AttestationError> {
        if bytes.len() as u64 > MAX_ATTESTATION_BYTES {
            return Err(AttestationError::TooLarge { max: MAX_ATTESTATION_BYTES });
        }
        let attestation: Self = serde_json::from_slice(bytes)?;
        if attestation.format != ATTESTATION_FORMAT {
            let found = attestation.format.chars().take(40).collect();
            return Err(AttestationError::Format { found, expected: ATTESTATION_FORMAT });
        }
        Ok(attestation)
    }

    /// What of the statement is not what `wanted` says, signer and times apart; `None` if all is.
    pub fn difference(&self, wanted: &Statement) -> Option<&'static str> {
        let ours = &self.statement;
        [
            ("chain", ours.chain_id == wanted.chain_id),
            ("registry of signers", ours.registry == wanted.registry),
            ("subject", ours.subject == wanted.subject),
            ("schema", ours.schema == wanted.schema),
            ("list of inputs", ours.inputs == wanted.inputs),
        ]
        .into_iter()
        .find_map(|(what, same)| (!same).then_some(what))
    }
}

/// `attestations` as the registry takes them, each with its signer's index there: by ascending
/// index, each as index (1 byte), issuedAt (8), validUntil (8), length of the signature (2),
/// signature.
///
/// # Errors
/// A provider stands twice, or a signature is longer than 65,535 bytes.
pub fn encode_attestations(attestations: &[(u8, &Attestation)]) -> Result<Bytes, CalldataError> {
    let mut sorted = attestations.to_vec();
    sorted.sort_by_key(|(index, _)| *index);
    let mut bytes = Vec::new();
    let mut last = None;
    for (index, Attestation { statement, signature, .. }) in sorted {
        let signer = statement.signer;
        if last.replace(index) == Some(index) {
            return Err(CalldataError::SignerTwice { signer });
        }
        let length = u16::try_from(signature.len())
            .map_err(|_| CalldataError::SignatureTooLong { signer })?;
        bytes.push(index);
        bytes.extend(statement.issued_at.to_be_bytes());
        bytes.extend(statement.valid_until.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(signature);
    }
    Ok(bytes.into())
}

/// Calldata that makes the oracle record a bundle's proof with these attestations, each with its
/// signer's index in the registry.
///
/// # Errors
/// As [`verify_inference_call`] and [`encode_attestations`].
pub fn verify_attested_inference_calldata(
    bundle: &ProofBundle,
    attestations: &[(u8, &Attestation)],
) -> Result<Bytes, CalldataError> {
    let call = verify_inference_call(bundle)?;
    let attested = verifyAttestedInferenceCall {
        modelId: call.modelId,
        inputCommitment: call.inputCommitment,
        output: call.output,
        proof: call.proof,
        attestations: encode_attestations(attestations)?,
    };
    Ok(attested.abi_encode().into())
}

/// What a call of `verifyInferences` says of one of its proofs: that of one inference, with the
/// attestations of a model that demands them, each with its signer's index in the registry.
///
/// # Errors
/// As [`verify_inference_call`] and [`encode_attestations`].
pub fn inference(
    bundle: &ProofBundle,
    attestations: Option<&[(u8, &Attestation)]>,
) -> Result<Inference, CalldataError> {
    let call = verify_inference_call(bundle)?;
    Ok(Inference {
        modelId: call.modelId,
        inputCommitment: call.inputCommitment,
        output: call.output,
        proof: call.proof,
        attestations: match attestations {
            Some(attestations) => encode_attestations(attestations)?,
            None => Bytes::new(),
        },
    })
}

/// Calldata of `verifyInferences`: several proofs of any models of one oracle, with one pairing.
pub fn verify_inferences_calldata(inferences: Vec<Inference>) -> Bytes {
    verifyInferencesCall { inferences }.abi_encode().into()
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
