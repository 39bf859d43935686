//! Of generated verifiers.

use alloy_sol_types::sol;

sol! {
    /// Generated verifier of one circuit shape.
    #[derive(Debug, PartialEq, Eq)]
    #[sol(abi)]
    contract VerdictVerifier {
        /// The proof has another length than proofs of this shape.
        error InvalidProofLength();
        /// The call's parameters are not encoded canonically.
        error NonCanonicalCalldata();
        /// The key contract does not have the registered hash, or holds no key of this shape.
        error InvalidKey();
        /// The key is for another number of instances.
        error InvalidInstanceCount();
        /// An instance is no field element.
        error InstanceOutOfRange();
        /// A point of the proof is not on the curve.
        error InvalidPoint();
        /// A scalar of the proof is no field element.
        error ScalarOutOfRange();
        /// The inverse hint at the proof's end is wrong.
        error InvalidInverse();
        /// The proof does not hold.
        error PairingFailed();

        /// Id of the circuit shape.
        function SHAPE_ID() external view returns (bytes32);
        /// Bytes of a proof, the inverse hint included.
        function PROOF_LENGTH() external view returns (uint256);

        /// Reverts with a custom error unless `proof` proves `instances` under the key stored at `key`.
        /// - `key`: Address of the key's data contract.
        /// - `keyHash`: Code hash that `key` must have.
        /// - `instances`: Public values of the proof: the context, the public inputs, the outputs.
        /// - `proof`: Proof bytes, followed by the verifier's inverse hints.
        /// Returns: Always true; failure is a revert.
        function verify(address key, bytes32 keyHash, uint256[] instances, bytes proof)
            external
            view
            returns (bool);
    }
}
