//! What a setup says about itself.

use std::{collections::BTreeMap, fmt, path::Path};

use alloy::primitives::{B256, U256, keccak256};
use halo2curves::{
    bn256::{Fr, G2Affine},
    ff::PrimeField,
    serde::SerdeObject,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use verdict_contracts::PublicValues;
use verdict_kzg::{protocol::Opening, transcript::to_be_bytes};
use verdict_prover::{
    circuit::{self, WrongBatch},
    integer::IntegerError,
    onnx::{crosscheck::Reading, measure::Measure},
    prove::ProveError,
    quantize::{Comparisons, ErrorReport, InputSchema, OutputSchema, Precision},
    samples::InputTensor,
    shape::Shape,
    srs::{Srs, ceremony_tau_g2, fingerprint, is_tau_g2},
};

use super::{FORMAT_VERSION, MANIFEST, SetupError};
use crate::{
    commitment::{CommitmentError, Salt},
    error::Error,
    measure::Figures,
    model,
};

/// What a setup is about. Everything but the precision, what was measured (the error, the
/// reading), the version and the hashes of files is its *statement*: what a proof of it means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The version of the program that wrote it.
    pub written_by: String,
    /// The model.
    pub model: ModelInfo,
    /// The circuit's shape.
    pub shape: Shape,
    /// How its columns are committed to and opened.
    pub opening: Opening,
    /// log2 of its rows.
    pub k: u32,
    /// Whether the key hides the weights.
    pub weights: Weights,
    /// How inputs become integers.
    pub input: InputSchema,
    /// How output words are read.
    pub output: OutputSchema,
    /// What the model was quantized with, besides the shape and the ranges.
    pub precision: Precision,
    /// Measured error against the float model.
    pub error: ErrorReport,
    /// How comparisons came out that are not known to be the file's; none if all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparisons: Option<Comparisons>,
    /// How the reading of the model's file was checked from outside.
    pub reading: Reading,
    /// The SRS the key was made with.
    pub srs: SrsInfo,
    /// The Solidity verifier and the key.
    pub verifier: VerifierInfo,
    /// SHA-256 of the other public files, by name.
    pub files: BTreeMap<String, String>,
}

/// More columns a commitment than any plan asks for.
const MAX_FOLD: usize = 256;

/// Whether a key hides the weights of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// Random cells make the key's commitments say nothing about the weights.
    #[default]
    Hidden,
    /// Anyone who has the ONNX file makes the same key again; see [`check`](super::check()).
    Public,
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hidden => "hidden",
            Self::Public => "public",
        })
    }
}

/// The model a circuit was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Of public weights the SHA-256 of the ONNX file; of hidden ones a hash of that and a
    /// salt of the private part, which confirms no guess.
    pub hash: B256,
    /// Its inputs, in the order in which a sample lists their elements.
    pub inputs: Vec<InputTensor>,
    /// Name of its output.
    pub output: String,
    /// How its outputs were made of one of the model's, if they say how good that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// Weights and biases.
    pub parameters: usize,
}

/// Which SRS a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SrsInfo {
    /// Fingerprint of τ·G2.
    pub fingerprint: B256,
    /// τ·G2 itself, all a verifier needs: 128 bytes, coordinates as halo2 writes them.
    pub tau_g2: String,
    /// True for a development SRS: whoever made it can forge proofs.
    pub insecure: bool,
}

impl SrsInfo {
    /// Describes an SRS.
    pub fn new(srs: &Srs) -> Self {
        Self {
            fingerprint: srs.fingerprint().into(),
            tau_g2: hex::encode(srs.s_g2().to_raw_bytes()),
            insecure: srs.is_development(),
        }
    }
}

/// The generated verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierInfo {
    /// Identifies the shape's verifier.
    pub shape_id: B256,
    /// EXTCODEHASH of the key contract.
    pub key_hash: B256,
}

/// What the id of a setup is the hash of.
#[derive(Serialize)]
struct Statement<'a> {
    domain: &'static str,
    model: &'a ModelInfo,
    shape: &'a Shape,
    opening: Opening,
    k: u32,
    weights: Weights,
    input: &'a InputSchema,
    output: &'a OutputSchema,
    srs: &'a SrsInfo,
    verifier: &'a VerifierInfo,
}

impl Manifest {
    /// Identifies the setup: the SHA-256 of its statement. Two setups with one id prove the
    /// same about the same model, under the same key. Deployments and proofs carry it.
    pub fn setup_id(&self) -> B256 {
        let statement = Statement {
            domain: "verdict.setup.v5",
            model: &self.model,
            shape: &self.shape,
            opening: self.opening,
            k: self.k,
            weights: self.weights,
            input: &self.input,
            output: &self.output,
            srs: &self.srs,
            verifier: &self.verifier,
        };
        // Structs of strings, numbers and lists always have a JSON form.
        let bytes = serde_json::to_vec(&statement).unwrap_or_default();
        B256::from_slice(&Sha256::digest(bytes))
    }

    /// How good the model is by the outputs of a proof, if they are totals of a measure over
    /// samples that are committed to with all their inputs.
    pub fn figures(&self, outputs: &[f64]) -> Option<Figures> {
        let whole = self.shape.totals() && self.shape.committed() && self.input.private.is_empty();
        let measure = self.model.measure.as_ref().filter(|_| whole)?;
        Figures::new(measure, self.shape.batch(), outputs)
    }

    /// How the public values of a proof are laid out.
    pub fn public_values(&self) -> PublicValues {
        model::public_values(&self.shape, &self.input, &self.output)
    }

    /// The words in which a proof of an inference on `inputs` states them, with their salt if
    /// they are committed; none if they are private. Where totals are stated, the inputs are those
    /// of every inference of the batch, else of one.
    ///
    /// # Errors
    /// The inputs do not fit the model or its declared ranges; they are not of as many inferences;
    /// they are committed and no salt is given.
    pub fn input_words(
        &self,
        inputs: &[impl AsRef<[f64]>],
        salt: Option<Salt>,
    ) -> Result<Vec<B256>, Error> {
        let encoded = inputs.iter().map(|own| self.input.encode(own.as_ref()));
        self.words_of(&encoded.collect::<Result<Vec<_>, _>>()?, salt)
    }

    /// The same of inputs that are integers already.
    pub(crate) fn words_of(
        &self,
        inputs: &[impl AsRef<[i64]>],
        salt: Option<Salt>,
    ) -> Result<Vec<B256>, Error> {
        let stated: Vec<_> = inputs.iter().map(|own| self.input.stated(own.as_ref())).collect();
        let each = stated.first().map_or(0, Vec::len);
        let public = circuit::PublicValues::new(&self.shape, each, self.output.count);
        let (expected, got) = (public.hashed_together(), inputs.len());
        if expected != got {
            return Err(ProveError::from(IntegerError::from(WrongBatch { expected, got })).into());
        }
        let words = match (self.shape.committed(), salt, &stated[..]) {
            (true, Some(salt), stated) => vec![public.commitment(stated, salt.to_integer())],
            (true, None, _) => return Err(CommitmentError::NoSalt.into()),
            (false, _, [stated]) => public.words(stated),
            // Of totals no inputs are stated but in a commitment.
            (false, ..) => Vec::new(),
        };
        Ok(words.iter().map(|word| B256::from(to_be_bytes(word))).collect())
    }

    /// The word that commits to `inputs` with a salt: those of one inference or, where totals are
    /// stated, of every inference of the batch.
    ///
    /// # Errors
    /// The inputs do not fit the model or its declared ranges, or are not of as many inferences;
    /// the setup's proofs state no commitment.
    pub fn commitment(&self, inputs: &[impl AsRef<[f64]>], salt: Salt) -> Result<B256, Error> {
        if !self.shape.committed() {
            return Err(CommitmentError::NotCommitted.into());
        }
        let words = self.input_words(inputs, Some(salt))?;
        words.first().copied().ok_or(CommitmentError::NotCommitted.into())
    }

    /// The inputs that a proof of an inference states in these words; `None` if there are none
    /// such, or inputs are private or committed.
    pub(crate) fn inputs_of_words(&self, words: &[U256]) -> Option<Vec<f64>> {
        if !self.input.private.is_empty() || self.shape.committed() {
            return None;
        }
        let words: Option<Vec<Fr>> =
            words.iter().map(|word| Fr::from_repr(word.to_le_bytes()).into()).collect();
        let (inputs, outputs) = (self.input.ranges.len(), self.output.count);
        let public = circuit::PublicValues::new(&self.shape, inputs, outputs);
        let integers = public.unpack(&words?)?;
        let values = self.input.decode(&integers);
        // Between the points of a grid, and outside of a range, there are no inputs.
        (self.input.encode(&values).ok()? == integers).then_some(values)
    }

    /// The inputs that a proof of an inference states in these words, each with the number of its
    /// element; `None` if no inputs have such words, or inputs are private or committed.
    pub fn stated_inputs(&self, words: &[B256]) -> Option<Vec<(usize, f64)>> {
        if self.shape.committed() || !self.shape.public_inputs {
            return None;
        }
        let words: Option<Vec<Fr>> = words
            .iter()
            .map(|word| Fr::from_repr(U256::from_be_bytes(word.0).to_le_bytes()).into())
            .collect();
        let count = self.input.ranges.len();
        let stated = self.input.stated(&(0..count).collect::<Vec<_>>());
        let public = circuit::PublicValues::new(&self.shape, stated.len(), self.output.count);
        let integers = public.unpack(&words?)?;
        let mut all = vec![0; count];
        for (index, integer) in stated.iter().zip(integers) {
            *all.get_mut(*index)? = integer;
        }
        let values = self.input.decode(&all);
        stated.into_iter().map(|index| Some((index, *values.get(index)?))).collect()
    }

    /// Names what public input words mean: the inputs, their ranges and decimals, and how they
    /// are packed, or hashed. Every model with this schema can be run on inputs that were attested once.
    pub fn schema_id(&self) -> B256 {
        #[derive(Serialize)]
        struct Meaning<'a> {
            domain: &'static str,
            inputs: &'a [InputTensor],
            encoding: &'a InputSchema,
            packed: bool,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            committed: bool,
        }
        let meaning = Meaning {
            domain: "verdict.schema.v1",
            inputs: &self.model.inputs,
            encoding: &self.input,
            packed: self.shape.graph.is_some(),
            committed: self.shape.committed(),
        };
        // As of the statement above.
        keccak256(serde_json::to_vec(&meaning).unwrap_or_default())
    }

    /// Parses a manifest and checks that its fields agree.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self, SetupError> {
        let malformed = |cause: String| SetupError::Malformed { path: path.to_owned(), cause };
        check_version(bytes, path)?;
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        manifest.shape.validate().map_err(|error| malformed(error.to_string()))?;
        let (input, output) = (&manifest.input, &manifest.output);
        let numbers = manifest.model.inputs.iter().map(InputTensor::elements);
        let numbers = numbers.fold(0, usize::saturating_add);
        let ranges =
            input.ranges.iter().all(|[lo, hi]| lo.is_finite() && hi.is_finite() && lo < hi);
        let private = &input.private;
        let placed = private.windows(2).all(|pair| pair[0] < pair[1])
            && private.last().is_none_or(|last| *last < input.tensors.len())
            && (private.is_empty()
                || manifest.shape.public_inputs && private.len() < input.tensors.len());
        if manifest.k > verdict_prover::circuit::MAX_K
            || !(1..=MAX_FOLD).contains(&manifest.opening.max_fold)
            || input.bits != manifest.shape.value_bits()
            || !ranges
            || !placed
            || numbers != input.ranges.len()
            || output.count == 0
            || output.min > output.max
            || output.decimals > 18
        {
            return Err(malformed("its fields contradict each other".into()));
        }
        Ok(manifest)
    }

    /// Checks that an SRS is the one the key was made with, and as secure as is said.
    pub(crate) fn check_srs(&self, srs: &Srs) -> Result<(), SetupError> {
        let got = B256::from(srs.fingerprint());
        if got != self.srs.fingerprint {
            let expected = hex::encode(self.srs.fingerprint);
            return Err(SetupError::Srs { expected, got: hex::encode(got) });
        }
        let development = srs.is_development();
        if development == self.srs.insecure {
            Ok(())
        } else {
            Err(SetupError::Security { development })
        }
    }

    /// The part of the SRS that a verifier needs: τ·G2.
    pub(crate) fn tau_g2(&self, folder: &Path) -> Result<G2Affine, SetupError> {
        let point = hex::decode(&self.srs.tau_g2)
            .ok()
            .filter(|bytes| bytes.len() == 128)
            .and_then(|bytes| G2Affine::from_raw_bytes(&bytes))
            .filter(is_tau_g2);
        match point {
            Some(point) if self.srs.insecure && point == ceremony_tau_g2() => {
                Err(SetupError::Security { development: false })
            }
            Some(point) if B256::from(fingerprint(&point)) == self.srs.fingerprint => Ok(point),
            _ => Err(SetupError::Malformed {
                path: folder.join(MANIFEST),
                cause: "srs.tau_g2 is not the point its fingerprint names".into(),
            }),
        }
    }
}

/// Refuses a file of another version before anything else of it is understood.
pub(crate) fn check_version(bytes: &[u8], path: &Path) -> Result<(), SetupError> {
    #[derive(Deserialize)]
    struct Header {
        format_version: Option<u64>,
    }
    let malformed = |cause: String| SetupError::Malformed { path: path.to_owned(), cause };
    let header: Header =
        serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    match header.format_version {
        Some(version) if version == u64::from(FORMAT_VERSION) => Ok(()),
        Some(got) => Err(SetupError::Version { path: path.to_owned(), got }),
        None => Err(malformed("it names no format_version".into())),
    }
}
