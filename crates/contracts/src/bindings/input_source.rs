//! Of contracts that know inputs.

use alloy_sol_types::{SolCall, sol};

sol! {
    /// Inputs that are on chain.
    #[derive(Debug, PartialEq, Eq)]
    #[sol(abi)]
    contract InputSource {
        /// A source takes no statements.
        error AttestationsNotTaken();
        /// The source's words mean something else.
        error SchemaMismatch(bytes32 expected, bytes32 given);
        /// The subject has other inputs by now than the proof was made on; hashes of both.
        error InputsDiffer(address subject, bytes32 expected, bytes32 given);
        /// There is one signer, the source, at index 0.
        error SignerUnknownAt(uint256 index);

        /// What the words mean.
        function schema() external view returns (bytes32);
        /// The public input words of a subject as they are now.
        function inputWordsOf(address subject) external view returns (uint256[] words);
        /// Whether the contract has the interface (ERC-165).
        function supportsInterface(bytes4 interfaceId) external view returns (bool);
    }
}

/// ERC-165's id of the interface that sources of inputs have.
pub const INPUT_SOURCE_INTERFACE: [u8; 4] = {
    let (schema, words) =
        (InputSource::schemaCall::SELECTOR, InputSource::inputWordsOfCall::SELECTOR);
    [schema[0] ^ words[0], schema[1] ^ words[1], schema[2] ^ words[2], schema[3] ^ words[3]]
};
