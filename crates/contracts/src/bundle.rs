//! A proof as a file: everything a verifier or a relayer needs, in JSON.
//!
//! Reading checks size, format, version and that the fields agree with each other; it does not check
//! the proof. Writing goes to a temporary file beside the target and renames it, so a bundle is
//! either whole or absent.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use alloy_primitives::{B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::error::BundleError;
use crate::public_values::{Parts, PublicValues, of_inference};
use crate::request::{
    InferenceRequest, batch_commitment, context_word, input_commitment, inputs_hash,
};

/// Value of [`ProofBundle::format`].
pub const FORMAT: &str = "verdict-proof";
/// Value of [`ProofBundle::version`].
pub const VERSION: u32 = 2;
/// Largest file that is read as a bundle.
pub const MAX_BUNDLE_BYTES: u64 = 16 * 1024 * 1024;
/// Largest proof in bytes.
pub const MAX_PROOF_BYTES: usize = 1024 * 1024;
/// Largest number of instances.
pub const MAX_INSTANCES: usize = 65_536;

/// Largest number of decimals that a 64-bit output can have.
const MAX_DECIMALS: u8 = 18;
/// Longest model name in bytes.
const MAX_NAME_BYTES: usize = 256;

/// A proof with its public values and where they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofBundle {
    /// Always [`FORMAT`].
    pub format: String,
    /// Always [`VERSION`].
    pub version: u32,
    /// The model that was run.
    pub model: ModelRef,
    /// Public values: the context, the public inputs if any, the outputs. 32-byte big-endian words.
    pub instances: Vec<B256>,
    /// Outputs as integers; each is its instance word plus the model's smallest output.
    #[serde(with = "decimal_strings")]
    pub outputs: Vec<i128>,
    /// Outputs are fixed-point numbers with this many decimals.
    pub decimals: u8,
    /// Outputs as numbers, for people.
    pub decoded: Vec<f64>,
    /// Proof bytes as the prover made them.
    pub proof: Bytes,
    /// Proof bytes for the Solidity verifier: `proof` followed by the inverse hints.
    pub evm_proof: Bytes,
    /// The structured reference string under the proof.
    pub srs: SrsRef,
    /// The request that the proof answers, if it is meant for a chain.
    pub request: Option<InferenceRequest>,
    /// The requests that a proof of a batch answers, one an inference, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<InferenceRequest>,
    /// ERC-7992's commitment of the request, or the [`batch_commitment`] of the requests.
    pub input_commitment: Option<B256>,
}

/// Which model a proof is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// The setup that the proof was made with: model, key, shape and how outputs are read.
    pub setup_id: B256,
    /// The model's name, for people.
    pub name: String,
    /// Hash of the model's weights and architecture.
    pub model_hash: B256,
    /// Id of the circuit shape, which names the verifier.
    pub shape_id: B256,
    /// Code hash of the key's data contract.
    pub key_hash: B256,
}

/// Which structured reference string a proof relies on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SrsRef {
    /// Hash of its public parameters.
    pub fingerprint: B256,
    /// True for a development string, whose secret is known: such a proof proves nothing.
    pub insecure: bool,
}

/// The two fields that say whether the rest can be understood.
#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    format: String,
    #[serde(default)]
    version: u32,
}

impl ProofBundle {
    /// Reads a bundle and checks it as [`validate`](Self::validate) does.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let io = |source| BundleError::Io { action: "read", path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(io)?;
        file.take(MAX_BUNDLE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
        Self::from_json(&bytes)
    }

    /// Parses a bundle and checks it as [`validate`](Self::validate) does.
    pub fn from_json(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() as u64 > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLarge { max: MAX_BUNDLE_BYTES });
        }
        let header: Header = serde_json::from_slice(bytes)?;
        check_header(&header.format, header.version)?;
        let bundle: Self = serde_json::from_slice(bytes)?;
        bundle.validate()?;
        Ok(bundle)
    }

    /// The requests that the proof answers: one, or a batch's, or none.
    pub fn answered(&self) -> &[InferenceRequest] {
        self.request.as_ref().map_or(&self.requests, std::slice::from_ref)
    }

    /// The bundle as JSON for people and programs.
    pub fn to_json(&self) -> Result<Vec<u8>, BundleError> {
        self.validate()?;
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The public input words; empty when the inputs are private.
    pub fn input_words(&self) -> &[B256] {
        self.parts().map_or(&[], |parts| parts.inputs)
    }

    /// The public values taken apart; all that are neither context nor outputs are inputs.
    fn parts(&self) -> Option<Parts<'_, B256>> {
        let outputs = self.outputs.len();
        let inputs = self.instances.len().checked_sub(outputs.checked_add(1)?)?;
        PublicValues { inputs, outputs }.split(&self.instances)
    }

    /// Checks that all fields are within limits and agree with each other.
    pub fn validate(&self) -> Result<(), BundleError> {
        check_header(&self.format, self.version)?;
        self.check_limits()?;
        self.check_outputs()?;
        self.check_request()
    }

    fn check_limits(&self) -> Result<(), BundleError> {
        if self.model.name.len() > MAX_NAME_BYTES {
            let reason = format!("{} bytes, at most {MAX_NAME_BYTES}", self.model.name.len());
            return Err(field("model.name", reason));
        }
        for (name, bytes) in [("proof", &self.proof), ("evm_proof", &self.evm_proof)] {
            if bytes.is_empty() || bytes.len() % 32 != 0 || bytes.len() > MAX_PROOF_BYTES {
                let reason = format!(
                    "{} bytes; a proof is a positive multiple of 32 up to {MAX_PROOF_BYTES}",
                    bytes.len()
                );
                return Err(field(name, reason));
            }
        }
        if !self.evm_proof.starts_with(&self.proof) {
            return Err(field("evm_proof", "it does not begin with `proof`".into()));
        }
        if self.instances.len() > MAX_INSTANCES {
            let reason = format!("{} words, at most {MAX_INSTANCES}", self.instances.len());
            return Err(field("instances", reason));
        }
        if self.decimals > MAX_DECIMALS {
            return Err(field("decimals", format!("{}, at most {MAX_DECIMALS}", self.decimals)));
        }
        Ok(())
    }

    /// One instance for the context, one for each output, and all outputs shifted by one minimum.
    fn check_outputs(&self) -> Result<(), BundleError> {
        let (words, outputs) = (self.instances.len(), self.outputs.len());
        let Some(parts) = self.parts().filter(|_| outputs > 0) else {
            let reason = format!("{words} words for a context and {outputs} outputs");
            return Err(field("instances", reason));
        };
        if self.decoded.len() != outputs {
            let reason = format!("{} numbers for {outputs} outputs", self.decoded.len());
            return Err(field("decoded", reason));
        }
        let mut minimum = None;
        let unit = 10f64.powi(i32::from(self.decimals));
        for (index, ((&value, &decoded), word)) in
            self.outputs.iter().zip(&self.decoded).zip(parts.outputs).enumerate()
        {
            let word: i128 = U256::from_be_bytes(word.0)
                .try_into()
                .map_err(|_| field("instances", format!("word of output {index} is {word}")))?;
            let shift = value
                .checked_sub(word)
                .ok_or_else(|| field("outputs", format!("output {index} is {value}")))?;
            if *minimum.get_or_insert(shift) != shift {
                let reason = format!("output {index} is {value}, which its word {word} is not");
                return Err(field("outputs", reason));
            }
            let number = value as f64 / unit;
            if (number - decoded).abs() > 1e-9 * (1.0 + number.abs()) || !decoded.is_finite() {
                let reason = format!("output {index} is {number}, not {decoded}");
                return Err(field("decoded", reason));
            }
        }
        Ok(())
    }

    fn check_request(&self) -> Result<(), BundleError> {
        let requests = self.answered();
        let expected = match &self.request {
            Some(request) => input_commitment(request),
            None => batch_commitment(requests),
        };
        if self.requests.len() == 1 || (self.request.is_some() && !self.requests.is_empty()) {
            let reason = "a proof answers one `request`, or two or more `requests` of a batch";
            return Err(field("requests", reason.into()));
        }
        let commitment = match self.input_commitment {
            None if requests.is_empty() => return Ok(()),
            Some(commitment) if !requests.is_empty() => commitment,
            _ => {
                let reason = "`request` and `input_commitment` come together or not at all";
                return Err(field("request", reason.into()));
            }
        };
        if commitment != expected {
            let reason = format!("{commitment}, but the request's is {expected}");
            return Err(field("input_commitment", reason));
        }
        let (words, batch) = (self.input_words(), requests.len());
        if !words.len().is_multiple_of(batch) || !self.outputs.len().is_multiple_of(batch) {
            let (words, outputs) = (words.len(), self.outputs.len());
            let reason = format!("{batch} for {words} input words and {outputs} outputs");
            return Err(field("requests", reason));
        }
        for (index, request) in requests.iter().enumerate() {
            let inputs = inputs_hash(&of_inference(words, batch, index));
            if request.inputs != inputs {
                let reason = format!("{}, but the instances' is {inputs}", request.inputs);
                return Err(field("request.inputs", reason));
            }
        }
        let context = B256::from(context_word(expected));
        if self.instances.first() != Some(&context) {
            let reason = format!("the first word is not the request's context {context}");
            return Err(field("instances", reason));
        }
        Ok(())
    }
}

fn check_header(format: &str, version: u32) -> Result<(), BundleError> {
    if format != FORMAT {
        let found = format.chars().take(40).collect();
        return Err(BundleError::Format { found, expected: FORMAT });
    }
    if version != VERSION {
        return Err(BundleError::Version { found: version, expected: VERSION });
    }
    Ok(())
}

fn field(field: &'static str, reason: String) -> BundleError {
    BundleError::Field { field, reason }
}

/// Integers as decimal strings: JSON numbers lose digits in many readers.
mod decimal_strings {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &[i128], to: S) -> Result<S::Ok, S::Error> {
        values.iter().map(i128::to_string).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<i128>, D::Error> {
        Vec::<String>::deserialize(from)?
            .iter()
            .map(|text| {
                let value: i128 = text.parse().map_err(|_| {
                    D::Error::custom(format!("output \"{text}\" is not a decimal integer"))
                })?;
                if value.to_string() != *text {
                    return Err(D::Error::custom(format!(
                        "output \"{text}\" should be \"{value}\""
                    )));
                }
                Ok(value)
            })
            .collect()
    }
}
