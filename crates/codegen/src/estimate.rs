//! What a proof will cost on chain, before any key exists.

use verdict_kzg::{
    protocol::{Class, Protocol},
    transcript::SCALAR_BYTES,
};

use crate::{memory::denominators, solidity::gate_code};

/// Bytes of a proof in EVM form, the inverse hint included.
pub fn proof_length(protocol: &Protocol) -> usize {
    protocol.proof_length() + SCALAR_BYTES
}

/// Gas of a transaction that calls the verifier directly, all in: base fee, calldata
/// and execution, with a k of about 12. Within 1 % of the measured figure (tests
/// compare them).
pub fn gas_estimate(protocol: &Protocol, num_instances: usize) -> u64 {
    // 16 gas a byte, but for one zero byte in 256; instances are mostly zeros.
    let calldata = proof_length(protocol) * 16 + num_instances * 32 * 6 + 1_000;
    // ecMul, ecAdd, two warm calls and their arguments.
    let curve = protocol.multiplications() * (6_000 + 150 + 270);
    let of_class = |class: &Class| {
        let groups = class.groups.len();
        class.rotations.len() * (60 + 26 * class.fold * groups) + 40 * groups
    };
    let opened: usize = protocol.classes.iter().map(of_class).sum();
    let total = 21_000
        + 113_000
        + calldata
        + curve
        + gate_code(protocol).gas
        + opened
        + protocol.num_points() * 110
        + protocol.num_evaluations() * 20
        + protocol.secret_scalars.len() * 40
        + num_instances * protocol.instance_queries.len() * 140
        + denominators(protocol).len() * 130
        + 7_400;
    total as u64
}
