//! The folder that a setup leaves behind, in two parts.
//!
//! | file | content |
//! |---|---|
//! | `public/manifest.json` | what the model is, its circuit, its schema, hashes of the public files |
//! | `public/vk.bin` | the verifying key |
//! | `public/verifier.bin` | the same with its protocol and τ·G2: all that checking proofs takes, in a browser too |
//! | `public/Verifier.sol`, `public/key.hex` | the Solidity verifier of the shape, the key contract's payload |
//! | `public/deployment.json` | where the contracts are, once deployed |
//! | `private/manifest.json` | which setup the part belongs to, hashes of its files |
//! | `private/circuit.bin` | the integer graph |
//! | `private/blinding.bin` | what hides the graph in the verifying key, if it is hidden |
//! | `private/srs.bin` | the development SRS, if the setup uses one |
//! | `private/columns.json` | the columns that the Python package fills inputs with, if it made the setup |
//!
//! The public part is all that verifying, deploying and submitting take, and may be given
//! to anyone; the private part holds the model and is its owner's alone (mode 0600). The
//! proving key is derived from the graph and the verifying key when it is needed.
//!
//! Reading checks versions, sizes and hashes before anything is parsed. Writing goes
//! through temporary files, the public manifest last: a folder with one is complete.

mod check;
mod error;
mod hidden;
mod make;
mod manifest;
mod part;
mod source;

use std::path::{Path, PathBuf};

use alloy::primitives::B256;
use halo2curves::bn256::G2Affine;
use verdict_codegen::{key_hash, key_payload};
use verdict_kzg::{key::VerifyingKey, portable::PortableKey};
use verdict_prover::{bounded::read_bounded, keys::read_verifying_key, plan::srs_k};

pub use self::{
    check::{CheckError, Checked, check},
    error::SetupError,
    make::{SetupReport, setup},
    manifest::{Manifest, ModelInfo, SrsInfo, VerifierInfo, Weights},
};
pub(crate) use self::{part::PrivatePart, source::Source};
use crate::{
    deployment::Deployment,
    files::{self, Access},
};

/// Version of the folder's format.
pub const FORMAT_VERSION: u32 = 6;

/// Folder of what verifies.
pub const PUBLIC: &str = "public";
/// Folder of what proves.
pub const PRIVATE: &str = "private";
/// Name of either part's manifest.
pub const MANIFEST: &str = "manifest.json";
/// Name of the verifying key.
pub const VERIFYING_KEY: &str = "vk.bin";
/// Name of the portable key: see [`verdict_kzg::portable`].
pub const PORTABLE_KEY: &str = "verifier.bin";
/// Name of the Solidity verifier.
pub const VERIFIER_SOURCE: &str = "Verifier.sol";
/// Name of the Solidity verifier's creation code, hexadecimal; `codegen` writes it.
pub const VERIFIER_CODE: &str = "Verifier.bin";
/// Name of the compiler's input that makes this code, for block explorers; `codegen` and `deploy`
/// write it.
pub const VERIFIER_INPUT: &str = "Verifier.input.json";
/// Name of the key contract's payload, hexadecimal.
pub const KEY_PAYLOAD: &str = "key.hex";
/// Name of the file that says where the contracts are.
pub const DEPLOYMENT: &str = "deployment.json";
/// Name of the integer graph.
pub const GRAPH: &str = "circuit.bin";
/// Name of what hides the graph in the verifying key.
pub const BLINDING: &str = "blinding.bin";
/// Name of the Python package's columns. A setup that is written removes those of an earlier one.
pub const COLUMNS: &str = "columns.json";
/// Name of a development SRS.
pub const DEVELOPMENT_SRS: &str = "srs.bin";

/// Largest manifest read.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;
/// Largest verifying key read: 64 bytes a column.
const MAX_KEY_BYTES: u64 = 16 << 20;
/// Largest graph read.
const MAX_GRAPH_BYTES: u64 = 4 << 30;
/// Largest blinding read: 32 bytes a column.
const MAX_BLINDING_BYTES: u64 = 1 << 20;
/// Largest deployment file.
const MAX_DEPLOYMENT_BYTES: u64 = 1 << 20;

/// The public part of a setup, read and checked: the manifest is of this version, and the
/// key is the one whose hash it names.
#[derive(Debug)]
pub struct PublicSetup {
    folder: PathBuf,
    manifest: Manifest,
    key: VerifyingKey,
    tau_g2: G2Affine,
}

impl PublicSetup {
    /// Opens a setup folder, or the public part of one.
    ///
    /// # Errors
    /// [`SetupError`]: there is no setup, it is of another version, or its files are not
    /// those that the manifest names. The on-chain key is made again from `vk.bin`, and
    /// its hash compared.
    pub fn open(path: &Path) -> Result<Self, SetupError> {
        let folder = public_folder(path)?;
        let manifest_path = folder.join(MANIFEST);
        let bytes = read_bounded(&manifest_path, MAX_MANIFEST_BYTES)?;
        let manifest = Manifest::parse(&bytes, &manifest_path)?;
        let bytes = part::read(&folder, VERIFYING_KEY, &manifest.files, MAX_KEY_BYTES)?;
        let key = read_verifying_key(&bytes, (&manifest.shape, manifest.opening), manifest.k)?;
        let tau_g2 = manifest.tau_g2(&folder)?;
        let setup = Self { folder, manifest, key, tau_g2 };
        setup.check_key()?;
        Ok(setup)
    }

    /// The folder of the public part.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// log2 of the number of powers that an SRS must have to prove or check the setup.
    pub fn srs_k(&self) -> u32 {
        srs_k(self.key.protocol(), self.manifest.k)
    }

    /// What the setup is about.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Identifies the setup; see [`Manifest::setup_id`].
    pub fn id(&self) -> B256 {
        self.manifest.setup_id()
    }

    /// True if whoever made the SRS can forge proofs.
    pub fn is_insecure(&self) -> bool {
        self.manifest.srs.insecure
    }

    /// The verifying key.
    pub(crate) fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The part of the SRS that a verifier needs: τ·G2.
    pub(crate) fn tau_g2(&self) -> &G2Affine {
        &self.tau_g2
    }

    /// The payload of the key contract.
    pub(crate) fn key_payload(&self) -> Result<Vec<u8>, SetupError> {
        let instances = self.manifest.public_values().count();
        key_payload(&self.key, G2Affine::generator(), self.tau_g2, instances)
            .map_err(|error| self.malformed(VERIFYING_KEY, error.to_string()))
    }

    /// All that checking proofs takes, as one file.
    ///
    /// # Errors
    /// Never for a setup that was opened.
    pub fn portable_key(&self) -> Result<PortableKey, SetupError> {
        let instances = self.manifest.public_values().count();
        PortableKey::new(self.key.clone(), self.tau_g2, instances)
            .map_err(|error| self.malformed(VERIFYING_KEY, error.to_string()))
    }

    /// The key's on-chain hash and its shape are the manifest's.
    fn check_key(&self) -> Result<(), SetupError> {
        let compare = |what, expected: B256, got: B256| {
            if expected == got {
                return Ok(());
            }
            Err(SetupError::ForeignKey {
                path: self.folder.join(VERIFYING_KEY),
                what,
                expected: expected.to_string(),
                got: got.to_string(),
            })
        };
        let payload = self.key_payload()?;
        let info = &self.manifest.verifier;
        compare("the key contract's hash", info.key_hash, key_hash(&payload).into())?;
        compare("the shape's id", info.shape_id, self.key.protocol().shape_id().into())
    }

    /// Where the setup is deployed.
    ///
    /// # Errors
    /// [`SetupError::NotDeployed`], and [`SetupError::ForeignDeployment`] if what is
    /// deployed is another setup.
    pub fn deployment(&self) -> Result<Deployment, SetupError> {
        let path = self.folder.join(DEPLOYMENT);
        if !path.exists() {
            return Err(SetupError::NotDeployed(self.folder.clone()));
        }
        let bytes = read_bounded(&path, MAX_DEPLOYMENT_BYTES)?;
        let deployment: Deployment = serde_json::from_slice(&bytes)
            .map_err(|error| self.malformed(DEPLOYMENT, error.to_string()))?;
        let (deployed, setup) = (deployment.setup_id, self.id());
        if deployed != setup {
            let (deployed, setup) = (deployed.to_string(), setup.to_string());
            return Err(SetupError::ForeignDeployment { path, deployed, setup });
        }
        Ok(deployment)
    }

    /// Writes `deployment.json`.
    pub(crate) fn save_deployment(&self, deployment: &Deployment) -> Result<(), SetupError> {
        let bytes = serde_json::to_vec_pretty(deployment)
            .map_err(|error| self.malformed(DEPLOYMENT, error.to_string()))?;
        Ok(files::write(&self.folder.join(DEPLOYMENT), &bytes, Access::Public)?)
    }

    fn malformed(&self, name: &str, cause: String) -> SetupError {
        SetupError::Malformed { path: self.folder.join(name), cause }
    }
}

/// The public part that `path` is or holds.
fn public_folder(path: &Path) -> Result<PathBuf, SetupError> {
    let inner = path.join(PUBLIC);
    if inner.join(MANIFEST).is_file() {
        return Ok(inner);
    }
    let manifest = path.join(MANIFEST);
    if !manifest.is_file() {
        return Err(SetupError::NotASetup(path.to_owned()));
    }
    if path.join(GRAPH).is_file() {
        return Err(SetupError::OnlyPrivate(path.to_owned()));
    }
    // A folder of version 1 has its manifest here too.
    manifest::check_version(&read_bounded(&manifest, MAX_MANIFEST_BYTES)?, &manifest)?;
    Ok(path.to_owned())
}

/// The private part beside a public one.
pub(crate) fn private_folder(public: &Path) -> Option<PathBuf> {
    // The public part may be the working directory, whose parent has no name.
    let public = std::path::absolute(public).ok()?;
    let folder = public.parent()?.join(PRIVATE);
    folder.join(MANIFEST).is_file().then_some(folder)
}
