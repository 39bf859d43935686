//! A setup's contracts as bytes.

use std::path::{Path, PathBuf};

use alloy::primitives::{B256, keccak256};
use verdict_codegen::{
    compile::{Bytecode, SOLC_VERSION, Settings, Solc, StandardInput},
    shape_verifier,
};

use crate::{
    error::Error,
    files::{self, Access},
    setup::{KEY_PAYLOAD, PublicSetup, SetupError, VERIFIER_CODE, VERIFIER_INPUT, VERIFIER_SOURCE},
};

/// The Solidity verifier of a setup's shape, and its key.
#[derive(Debug, Clone)]
pub struct Contracts {
    /// Name of the verifier contract.
    pub name: String,
    /// Its Solidity source.
    pub source: String,
    /// Identifies the shape.
    pub shape_id: B256,
    /// What the compiler was given.
    pub input: StandardInput,
    /// The compiled verifier.
    pub verifier: Bytecode,
    /// Payload of the key contract.
    pub key: Vec<u8>,
}

impl Contracts {
    /// Generates a setup's verifier and key, and compiles the verifier.
    ///
    /// # Errors
    /// There is no solc (give its path as `solc`), or it refuses the source.
    pub fn new(setup: &PublicSetup, solc: Option<&Path>) -> Result<Self, Error> {
        let solc = Solc::find(solc)?;
        let verifier = shape_verifier(setup.key().protocol())?;
        let input = StandardInput::new(&verifier.source, Settings::default());
        let code = solc.compile(&input, &verifier.contract_name)?;
        Ok(Self {
            name: verifier.contract_name,
            source: verifier.source,
            shape_id: verifier.shape_id.into(),
            input,
            verifier: code,
            key: setup.key_payload()?,
        })
    }

    /// EXTCODEHASH of the deployed verifier.
    pub fn verifier_code_hash(&self) -> B256 {
        keccak256(&self.verifier.runtime)
    }

    /// Writes the compiler's input for block explorers, and says how they take it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_input(&self, folder: &Path) -> Result<String, Error> {
        let path = folder.join(VERIFIER_INPUT);
        let input = self.input.to_json();
        files::write(&path, input.as_bytes(), Access::Public).map_err(SetupError::from)?;
        Ok(format!(
            "to verify the verifier's source at a block explorer, choose \"standard JSON input\" and solc \
             {SOLC_VERSION}, and upload {} (contract {}); contracts/standard-input.json of a checkout \
             is that of registry and oracle",
            path.display(),
            self.name
        ))
    }

    /// Writes source, creation code, the compiler's input and key payload into a folder. Returns
    /// the source's path.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, Error> {
        self.write_files(folder).map_err(SetupError::from)?;
        self.write_input(folder)?;
        Ok(folder.join(VERIFIER_SOURCE))
    }

    fn write_files(&self, folder: &Path) -> Result<(), files::FileError> {
        files::create_folder(folder, Access::Public)?;
        let key = hex::encode(&self.key);
        let code = hex::encode(&self.verifier.creation);
        files::write(&folder.join(VERIFIER_SOURCE), self.source.as_bytes(), Access::Public)?;
        files::write(&folder.join(KEY_PAYLOAD), key.as_bytes(), Access::Public)?;
        files::write(&folder.join(VERIFIER_CODE), code.as_bytes(), Access::Public)
    }
}
