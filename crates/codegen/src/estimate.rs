//! What a proof will cost on chain, before any key exists.

use halo2_proofs::plonk::ConstraintSystem;
use halo2curves::bn256::Fr;
use verdict_kzg::protocol::Protocol;

use crate::{
    error::CodegenError,
    memory::{denominators, leaf_name},
    yul::fold_constraints,
};

/// Bytes of a proof in EVM form, the inverse hint included.
///
/// # Errors
/// The constraint system is not supported.
pub fn proof_length(cs: &ConstraintSystem<Fr>) -> Result<usize, CodegenError> {
    Ok(Protocol::new(cs)?.proof_length())
}

/// Gas of a transaction that calls the verifier directly, all in: base fee, calldata
/// and execution, with a k of about 12. Within 1 % of the measured figure (tests
/// compare them).
///
/// # Errors
/// The constraint system is not supported.
pub fn gas_estimate(cs: &ConstraintSystem<Fr>, num_instances: usize) -> Result<u64, CodegenError> {
    let protocol = Protocol::new(cs)?;
    let roots: Vec<_> = protocol.constraints.iter().map(|constraint| constraint.root).collect();
    let gates = fold_constraints(&protocol.graph, &roots, |leaf| leaf_name(&protocol, leaf)).gas;

    // 16 gas a byte, but for one zero byte in 256; instances are mostly zeros.
    let calldata = protocol.proof_length() * 16 + num_instances * 32 * 6 + 1_000;
    // ecMul, ecAdd, two warm calls and their arguments. One commitment has scalar 1, the
    // quotient counts once for each piece, and the opening brings three terms.
    let multiplications = protocol.num_opened() + protocol.quotient_pieces + 1;
    let curve = multiplications * (6_000 + 150 + 270);
    let opened: usize =
        protocol.sets.iter().map(|set| set.rotations.len() * (60 + 26 * set.members.len())).sum();
    let total = 21_000
        + 113_000
        + calldata
        + curve
        + gates
        + opened
        + protocol.num_points() * 110
        + protocol.num_evaluations() * 20
        + num_instances * protocol.instance_queries.len() * 140
        + denominators(&protocol).len() * 130
        + 7_400;
    Ok(total as u64)
}
