//! The files of one part of a setup, and the private part.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use verdict_prover::{bounded::read_bounded, integer::IntegerGraph, keys::Keys};

use super::{
    BLINDING, DEVELOPMENT_SRS, FORMAT_VERSION, GRAPH, MANIFEST, MAX_BLINDING_BYTES,
    MAX_GRAPH_BYTES, MAX_MANIFEST_BYTES, PublicSetup, SetupError, Source, manifest::check_version,
    private_folder,
};
use crate::files::{self, Access};

/// SHA-256 of files, hexadecimal, by name.
pub(super) type Hashes = BTreeMap<String, String>;

/// Reads a file of a part and compares its hash.
pub(super) fn read(
    folder: &Path,
    name: &str,
    hashes: &Hashes,
    limit: u64,
) -> Result<Vec<u8>, SetupError> {
    let path = folder.join(name);
    let bytes = read_bounded(&path, limit)?;
    match hashes.get(name) {
        Some(hash) if *hash == sha256_hex(&bytes) => Ok(bytes),
        _ => Err(SetupError::Hash(path)),
    }
}

/// Writes a file of a part and notes its hash.
pub(super) fn write(
    folder: &Path,
    name: &str,
    bytes: &[u8],
    access: Access,
    hashes: &mut Hashes,
) -> Result<(), SetupError> {
    files::write(&folder.join(name), bytes, access)?;
    hashes.insert(name.to_owned(), sha256_hex(bytes));
    Ok(())
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The manifest of the private part. Hashes of private files stand here: in the public
/// part they would tell a right guess of the model from a wrong one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateManifest {
    format_version: u32,
    setup_id: B256,
    files: Hashes,
    /// Where the model was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

/// The private part of a setup.
#[derive(Debug)]
pub(crate) struct PrivatePart {
    folder: PathBuf,
    manifest: PrivateManifest,
}

impl PrivatePart {
    /// Opens the private part beside a public one and checks that it belongs there.
    pub(crate) fn open(public: &PublicSetup) -> Result<Self, SetupError> {
        let Some(folder) = private_folder(public.folder()) else {
            return Err(SetupError::NoPrivatePart(public.folder().to_owned()));
        };
        let path = folder.join(MANIFEST);
        let bytes = read_bounded(&path, MAX_MANIFEST_BYTES)?;
        check_version(&bytes, &path)?;
        let manifest: PrivateManifest = serde_json::from_slice(&bytes).map_err(|error| {
            SetupError::Malformed { path: path.clone(), cause: error.to_string() }
        })?;
        if manifest.setup_id != public.id() {
            return Err(SetupError::ForeignPrivatePart {
                path: folder,
                private: manifest.setup_id.to_string(),
                public: public.id().to_string(),
            });
        }
        Ok(Self { folder, manifest })
    }

    /// Writes a private part.
    pub(super) fn write(
        folder: &Path,
        setup_id: B256,
        keys: &Keys,
        source: Option<Source>,
    ) -> Result<(), SetupError> {
        let malformed =
            |name: &str, cause: String| SetupError::Malformed { path: folder.join(name), cause };
        let graph = postcard::to_allocvec(&keys.graph)
            .map_err(|error| malformed(GRAPH, error.to_string()))?;
        let mut hashes = Hashes::new();
        write(folder, GRAPH, &graph, Access::Private, &mut hashes)?;
        if keys.blinding.is_none() {
            files::remove(&folder.join(BLINDING))?;
        } else {
            let blinding = keys.blinding.to_bytes();
            write(folder, BLINDING, &blinding, Access::Private, &mut hashes)?;
        }
        let (format_version, files) = (FORMAT_VERSION, hashes);
        let manifest = PrivateManifest { format_version, setup_id, files, source };
        let bytes = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| malformed(MANIFEST, error.to_string()))?;
        Ok(files::write(&folder.join(MANIFEST), &bytes, Access::Private)?)
    }

    /// Where the model was read from, if that is known.
    pub(super) fn source(&self) -> Option<&Source> {
        self.manifest.source.as_ref()
    }

    /// Reads the integer graph.
    pub(crate) fn graph(&self) -> Result<IntegerGraph, SetupError> {
        let bytes = read(&self.folder, GRAPH, &self.manifest.files, MAX_GRAPH_BYTES)?;
        postcard::from_bytes(&bytes).map_err(|error| SetupError::Malformed {
            path: self.folder.join(GRAPH),
            cause: error.to_string(),
        })
    }

    /// Reads what hides the graph in the verifying key.
    pub(crate) fn blinding(&self) -> Result<Vec<u8>, SetupError> {
        read(&self.folder, BLINDING, &self.manifest.files, MAX_BLINDING_BYTES)
    }

    /// Where the development SRS is, if the setup uses one.
    pub(crate) fn development_srs(&self) -> PathBuf {
        self.folder.join(DEVELOPMENT_SRS)
    }
}
