//! The folder that a setup leaves behind.
//!
//! | file | content |
//! |---|---|
//! | `manifest.json` | what the model is, its circuit, its schema, hashes of the other files |
//! | `circuit.bin` | the integer network |
//! | `vk.bin` | the verifying key |
//! | `Verifier.sol`, `key.hex` | the Solidity verifier of the shape and the key contract's payload |
//!
//! The proving key is derived from `circuit.bin` and `vk.bin` when it is needed.
//! Reading checks versions, sizes and hashes before anything is parsed; writing
//! goes through a temporary file, the manifest last, so that a folder with a
//! manifest is complete.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use halo2_proofs::{plonk::VerifyingKey, poly::kzg::commitment::ParamsKZG};
use halo2curves::{
    CurveAffine,
    bn256::{Bn256, G1Affine, G2Affine},
    serde::SerdeObject,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use verdict_engine::Engine;

use crate::{
    keys::{KeyError, Keys, read_verifying_key, verifying_key_bytes},
    network::Network,
    quantize::{ErrorReport, InputSchema, OutputSchema},
    shape::Shape,
    srs::{Srs, fingerprint},
    verify::verifier_params,
};

/// Version of the folder's format.
pub const FORMAT_VERSION: u32 = 1;
/// Name of the manifest.
pub const MANIFEST: &str = "manifest.json";
/// Name of the network's file.
pub const CIRCUIT: &str = "circuit.bin";
/// Name of the verifying key's file.
pub const VERIFYING_KEY: &str = "vk.bin";

/// Largest manifest read.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;
/// Largest network read.
const MAX_CIRCUIT_BYTES: u64 = 4 << 30;

/// What a setup folder holds.
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
    /// log2 of its rows.
    pub k: u32,
    /// Number of instances.
    pub instances: usize,
    /// How inputs become integers.
    pub input: InputSchema,
    /// How output words are read.
    pub output: OutputSchema,
    /// Measured error against the float model.
    pub error: ErrorReport,
    /// The SRS the key was made with.
    pub srs: SrsInfo,
    /// The Solidity verifier, once generated.
    pub verifier: Option<VerifierInfo>,
    /// SHA-256 of the other files, by name.
    pub files: BTreeMap<String, String>,
}

/// The model a circuit was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// SHA-256 of the ONNX file, hexadecimal.
    pub sha256: String,
    /// Name of its input.
    pub input: String,
    /// Name of its output.
    pub output: String,
    /// Weights and biases.
    pub parameters: usize,
}

/// Which SRS a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SrsInfo {
    /// Fingerprint of τ·G2, hexadecimal.
    pub fingerprint: String,
    /// τ·G2 itself, all a verifier needs: 128 bytes, coordinates as halo2 writes them.
    pub tau_g2: String,
    /// True for a development SRS: whoever made it can forge proofs.
    pub insecure: bool,
}

impl SrsInfo {
    /// Describes an SRS.
    pub fn new(srs: &Srs) -> Self {
        Self {
            fingerprint: hex::encode(srs.fingerprint()),
            tau_g2: hex::encode(srs.s_g2().to_raw_bytes()),
            insecure: srs.is_development(),
        }
    }
}

/// The generated verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierInfo {
    /// Identifies the shape's verifier, hexadecimal.
    pub shape_id: String,
    /// EXTCODEHASH of the key contract, hexadecimal.
    pub key_hash: String,
}

/// Why a folder cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// No manifest.
    #[error("{} is not a setup folder: it has no {MANIFEST}; make one with `verdict setup`", .0.display())]
    NotASetup(PathBuf),
    /// The manifest is not one.
    #[error("{} is not a manifest: {cause}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// Another version wrote the folder.
    #[error(
        "{} has format version {got}, this program reads version {FORMAT_VERSION}; run \
         `verdict setup` again", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        got: u64,
    },
    /// A file is not the one the manifest names.
    #[error(
        "{} does not match the manifest (it was truncated, changed or belongs to another setup); \
         run `verdict setup` again", .0.display()
    )]
    Hash(PathBuf),
    /// A file is larger than any setup's.
    #[error("{} has {size} bytes, the limit is {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The network cannot be read.
    #[error("{} does not hold a network: {cause}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The SRS is not the one the key was made with.
    #[error(
        "the SRS is not the one this setup was made with (fingerprint {got}, expected {expected}); \
         give the SRS used for `verdict setup`, or run it again"
    )]
    Srs {
        /// The setup's.
        expected: String,
        /// The SRS's.
        got: String,
    },
    /// The key does not belong to the circuit.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Reads at most `limit` bytes of a file.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, ArtifactError> {
    let io = |source| ArtifactError::Io { action: "read", path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(io)?.len();
    if size > limit {
        return Err(ArtifactError::TooLarge { path: path.to_owned(), size, limit });
    }
    std::fs::read(path).map_err(io)
}

/// Writes a file through a temporary one in the same folder: it is whole or not
/// there.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
    let io = |source| ArtifactError::Io { action: "write", path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Manifest {
    /// Reads the manifest of a setup folder.
    pub fn read(folder: &Path) -> Result<Self, ArtifactError> {
        let path = folder.join(MANIFEST);
        if !path.is_file() {
            return Err(ArtifactError::NotASetup(folder.to_owned()));
        }
        let bytes = read_file(&path, MAX_MANIFEST_BYTES)?;
        let malformed = |cause: String| ArtifactError::Manifest { path: path.clone(), cause };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        let version = value.get("format_version").and_then(serde_json::Value::as_u64);
        match version {
            Some(version) if version == u64::from(FORMAT_VERSION) => {}
            Some(got) => return Err(ArtifactError::Version { path, got }),
            None => return Err(malformed("it names no format_version".into())),
        }
        let manifest: Self =
            serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        manifest.shape.validate().map_err(|error| malformed(error.to_string()))?;
        let public = if manifest.shape.public_inputs { manifest.input.ranges.len() } else { 0 };
        if manifest.k > crate::circuit::layout::MAX_K
            || manifest.input.bits != manifest.shape.value_bits()
            || manifest.instances != 1 + public + manifest.output.count
        {
            return Err(malformed("its fields contradict each other".into()));
        }
        Ok(manifest)
    }

    /// Writes the manifest into a setup folder.
    pub fn write(&self, folder: &Path) -> Result<(), ArtifactError> {
        let path = folder.join(MANIFEST);
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| ArtifactError::Manifest {
            path: path.clone(),
            cause: error.to_string(),
        })?;
        write_file(&path, &bytes)
    }

    /// Writes a file into the folder and notes its hash.
    pub fn add_file(
        &mut self,
        folder: &Path,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), ArtifactError> {
        write_file(&folder.join(name), bytes)?;
        self.files.insert(name.to_owned(), sha256_hex(bytes));
        Ok(())
    }

    /// Reads a file of the folder and compares its hash.
    pub fn read_file(&self, folder: &Path, name: &str) -> Result<Vec<u8>, ArtifactError> {
        let path = folder.join(name);
        let bytes = read_file(&path, MAX_CIRCUIT_BYTES)?;
        match self.files.get(name) {
            Some(hash) if *hash == sha256_hex(&bytes) => Ok(bytes),
            _ => Err(ArtifactError::Hash(path)),
        }
    }

    /// Checks that an SRS is the one the key was made with.
    pub fn check_srs(&self, fingerprint: &[u8; 32]) -> Result<(), ArtifactError> {
        let got = hex::encode(fingerprint);
        if got == self.srs.fingerprint {
            return Ok(());
        }
        Err(ArtifactError::Srs { expected: self.srs.fingerprint.clone(), got })
    }

    /// Writes the network and the verifying key. Call [`Manifest::write`] after.
    pub fn add_keys(&mut self, folder: &Path, keys: &Keys) -> Result<(), ArtifactError> {
        std::fs::create_dir_all(folder).map_err(|source| ArtifactError::Io {
            action: "create",
            path: folder.to_owned(),
            source,
        })?;
        let network = postcard::to_allocvec(&keys.network).map_err(|error| {
            ArtifactError::Network { path: folder.join(CIRCUIT), cause: error.to_string() }
        })?;
        self.add_file(folder, CIRCUIT, &network)?;
        self.add_file(folder, VERIFYING_KEY, &verifying_key_bytes(keys.verifying()))
    }

    /// Reads the network.
    pub fn network(&self, folder: &Path) -> Result<Network, ArtifactError> {
        let bytes = self.read_file(folder, CIRCUIT)?;
        postcard::from_bytes(&bytes).map_err(|error| ArtifactError::Network {
            path: folder.join(CIRCUIT),
            cause: error.to_string(),
        })
    }

    /// Reads the verifying key.
    pub fn verifying_key(&self, folder: &Path) -> Result<VerifyingKey<G1Affine>, ArtifactError> {
        let bytes = self.read_file(folder, VERIFYING_KEY)?;
        Ok(read_verifying_key(&bytes, &self.shape, self.k)?)
    }

    /// The part of the SRS that a verifier needs.
    pub fn verifier_params(&self, folder: &Path) -> Result<ParamsKZG<Bn256>, ArtifactError> {
        let point = hex::decode(&self.srs.tau_g2)
            .ok()
            .filter(|bytes| bytes.len() == 128)
            .and_then(|bytes| G2Affine::from_raw_bytes(&bytes))
            .filter(|point| bool::from(point.is_on_curve()));
        match point {
            Some(point) if hex::encode(fingerprint(&point)) == self.srs.fingerprint => {
                Ok(verifier_params(self.k, point))
            }
            _ => Err(ArtifactError::Manifest {
                path: folder.join(MANIFEST),
                cause: "srs.tau_g2 is not the point its fingerprint names".into(),
            }),
        }
    }

    /// Restores the keys for proving.
    pub fn keys(&self, folder: &Path, engine: &Engine) -> Result<Keys, ArtifactError> {
        let network = self.network(folder)?;
        Ok(Keys::restore(engine, network, self.shape, self.verifying_key(folder)?)?)
    }
}
