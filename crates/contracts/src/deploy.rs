//! Deploying: creation bytecode, and addresses known before the transaction.
//!
//! Verifiers and keys are deployed through the deterministic deployer that exists at the same
//! address on almost every chain (and on anvil from the start). Its calldata is the salt followed
//! by the creation bytecode. Equal bytecode and salt mean an equal address, so a verifier or key
//! that is already there need not be deployed again.

use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_sol_types::SolConstructor;

use crate::artifacts;
use crate::bindings::{InferenceOracle, SignerRegistry};
use crate::error::DeployError;

/// The deterministic deployer.
pub const CREATE2_DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

/// Calldata for [`CREATE2_DEPLOYER`] that deploys `init_code` under `salt`.
pub fn create2_calldata(salt: B256, init_code: &[u8]) -> Bytes {
    [salt.as_slice(), init_code].concat().into()
}

/// Where [`CREATE2_DEPLOYER`] puts `init_code` under `salt`.
pub fn create2_address(salt: B256, init_code: &[u8]) -> Address {
    CREATE2_DEPLOYER.create2_from_code(salt, init_code)
}

/// Creation bytecode of the registry.
pub fn model_registry_init_code() -> Result<Bytes, DeployError> {
    artifacts::creation_code(artifacts::MODEL_REGISTRY)
}

/// Creation bytecode of a registry of data providers with its constructor argument.
pub fn signer_registry_init_code(owner: Address) -> Result<Bytes, DeployError> {
    let arguments = SignerRegistry::constructorCall { initialOwner: owner };
    let code = artifacts::creation_code(artifacts::SIGNER_REGISTRY)?;
    Ok([code.as_ref(), &arguments.abi_encode()].concat().into())
}

/// Creation bytecode of the oracle with its constructor arguments.
///
/// `time_to_live` is the time in seconds for which a recorded score counts as fresh.
pub fn inference_oracle_init_code(
    registry: Address,
    owner: Address,
    time_to_live: u64,
) -> Result<Bytes, DeployError> {
    let arguments = InferenceOracle::constructorCall {
        registry,
        initialOwner: owner,
        timeToLive: U256::from(time_to_live),
    };
    let code = artifacts::creation_code(artifacts::INFERENCE_ORACLE)?;
    Ok([code.as_ref(), &arguments.abi_encode()].concat().into())
}
