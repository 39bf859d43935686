//! The EVM form of a proof, and its verdict in Rust.
//!
//! EVM form = proof ‖ inverse hint. The contract divides by the instance polynomial's
//! denominators, by x and by u^t − point for every opening point of groups of t. Inverting costs 4,000 gas
//! and more, so the proof brings the inverse of the product of all denominators, which one
//! multiplication checks. The hint is determined by the rest of the proof: a proof has
//! exactly one EVM form.

use ff::Field;
use halo2curves::bn256::{Fr, G2Affine};

use super::{ProofError, check_instances};
use crate::{
    field::{domain_generator, rotate},
    key::VerifyingKey,
    protocol::{Class, Protocol},
    transcript::to_be_bytes,
    verify::{Challenges, VerifyError, read_proof, verify},
};

/// The EVM form of a proof: the proof and the inverse hint.
///
/// # Errors
/// The instances do not fit, or `proof` has the wrong length or holds something that is
/// not a point or scalar. Whether it verifies is not checked.
pub fn evm_proof(vk: &VerifyingKey, instances: &[Fr], proof: &[u8]) -> Result<Vec<u8>, ProofError> {
    check_instances(vk, instances.len())?;
    let hint = inverse_hint(vk, instances, proof)?;
    Ok([proof, &to_be_bytes(&hint)].concat())
}

/// Whether the contract accepts `proof`, an EVM form, for `instances` under a key made
/// for `num_instances` instances; `tau_g2` is the structured reference string's τ·G2.
///
/// # Errors
/// Says why the proof is refused.
pub fn verify_evm_proof(
    tau_g2: &G2Affine,
    vk: &VerifyingKey,
    num_instances: usize,
    instances: &[Fr],
    proof: &[u8],
) -> Result<(), ProofError> {
    if instances.len() != num_instances {
        return Err(ProofError::InstanceCount { expected: num_instances, got: instances.len() });
    }
    check_instances(vk, num_instances)?;
    let expected = vk.protocol().proof_length() + 32;
    let Some((proof, hint)) =
        proof.split_last_chunk::<32>().filter(|(proof, _)| proof.len() + 32 == expected)
    else {
        return Err(VerifyError::Length { expected, got: proof.len() }.into());
    };
    if *hint != to_be_bytes(&inverse_hint(vk, instances, proof)?) {
        return Err(ProofError::Inverse);
    }
    Ok(verify(vk, tau_g2, instances, proof)?)
}

fn inverse_hint(vk: &VerifyingKey, instances: &[Fr], proof: &[u8]) -> Result<Fr, ProofError> {
    let challenges = read_proof(vk, instances, proof)?.challenges;
    let product = denominator_product(vk, instances.len(), &challenges);
    Option::from(product.invert()).ok_or(ProofError::Invalid(VerifyError::DegenerateChallenge))
}

/// The product of everything the contract divides by.
fn denominator_product(vk: &VerifyingKey, num_instances: usize, challenges: &Challenges) -> Fr {
    let (protocol, x) = (vk.protocol(), challenges.x);
    let omega = domain_generator(vk.k());
    let point = |rotation| x * rotate(omega, vk.k(), rotation);
    let inverse_of_omega = rotate(omega, vk.k(), -1);
    let mut product = Fr::one();
    for rotation in &protocol.instance_queries {
        // Σ a_i/d_i with d_i = 1 − z·ω^-i
        let mut shifted = point(*rotation);
        for _ in 0..num_instances {
            product *= Fr::one() - shifted;
            shifted *= inverse_of_omega;
        }
    }
    if protocol.divides_by_x() {
        product *= x;
    }
    for (fold, rotation) in opening_points(protocol) {
        product *= challenges.u.pow_vartime([fold as u64]) - point(rotation);
    }
    product
}

/// Columns of a group and rotation of everything opened, ascending; the linearisation is
/// opened like a single column at x.
pub fn opening_points(protocol: &Protocol) -> Vec<(usize, i32)> {
    let mut points = Vec::new();
    for fold in protocol.folds() {
        for rotation in protocol.rotations() {
            let of = |class: &Class| class.fold == fold && class.rotations.contains(&rotation);
            if (fold, rotation) == (1, 0) || protocol.classes.iter().any(of) {
                points.push((fold, rotation));
            }
        }
    }
    points
}
