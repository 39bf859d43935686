//! The EVM form of a proof, and its verdict in Rust.
//!
//! EVM form = halo2 proof ‖ inverse hint. The contract divides by x^n − 1, by the
//! instance polynomial's denominators, by x and by u − point for every opening point.
//! Inverting costs 4,000 gas and more, so the proof brings the inverse of the product
//! of all denominators, which one multiplication checks. The hint is determined by
//! the rest of the proof: a proof has exactly one EVM form.

use ff::Field;
use halo2_proofs::{
    plonk::{VerifyingKey, verify_proof},
    poly::kzg::{
        commitment::{KZGCommitmentScheme, ParamsKZG},
        multiopen::VerifierSHPLONK,
        strategy::SingleStrategy,
    },
    transcript::{EncodedChallenge, Transcript, TranscriptRead, TranscriptReadBuffer},
};
use halo2curves::bn256::{Bn256, Fr, G1Affine};
use verdict_kzg::{
    protocol::Protocol,
    transcript::{KeccakChallenge, KeccakTranscript, to_be_bytes},
};

use crate::{
    error::{CodegenError, ProofError},
    key::{check_instances, rotate},
};

/// The EVM form of a halo2 proof: the proof and the inverse hint.
///
/// # Errors
/// The constraint system is not supported, or `proof` has the wrong length or holds
/// something that is not a point or scalar. Whether it verifies is not checked.
pub fn evm_proof(
    vk: &VerifyingKey<G1Affine>,
    instances: &[Fr],
    proof: &[u8],
) -> Result<Vec<u8>, CodegenError> {
    let protocol = Protocol::new(vk.cs())?;
    check_instances(&protocol, vk, instances.len())?;
    check_length(protocol.halo2_proof_length(), proof)?;
    let hint = inverse_hint(&protocol, vk, instances, proof)?;
    Ok([proof, &to_be_bytes(&hint)].concat())
}

/// Whether the contract accepts `proof`, an EVM form, for `instances` under a key made
/// for `num_instances` instances. `params` may be larger than the circuit.
///
/// # Errors
/// Says why the proof is refused.
pub fn verify_evm_proof(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    num_instances: usize,
    instances: &[Fr],
    proof: &[u8],
) -> Result<(), ProofError> {
    let protocol =
        Protocol::new(vk.cs()).map_err(|error| ProofError::Circuit(error.to_string()))?;
    if instances.len() != num_instances {
        return Err(ProofError::InstanceCount { expected: num_instances, got: instances.len() });
    }
    check_instances(&protocol, vk, num_instances)
        .map_err(|error| ProofError::Circuit(error.to_string()))?;
    check_length(protocol.proof_length(), proof)?;
    let (halo2_proof, hint) = proof.split_at(protocol.halo2_proof_length());
    // Also excludes the challenges for which halo2's verifier panics.
    let expected = inverse_hint(&protocol, vk, instances, halo2_proof)?;
    if hint != to_be_bytes(&expected) {
        return Err(ProofError::Inverse);
    }

    // The verifier needs G1, the points in G2 and n only.
    let domain = vk.get_domain();
    let generator = vec![G1Affine::generator()];
    let params =
        params.from_parts(domain.k(), generator, Some(Vec::new()), params.g2(), params.s_g2());
    let columns: &[&[Fr]] = if protocol.has_instances { &[instances] } else { &[] };
    let mut transcript = KeccakTranscript::init(halo2_proof);
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
        &params,
        vk,
        SingleStrategy::new(&params),
        &[columns],
        &mut transcript,
    )
    .map_err(ProofError::Rejected)
}

fn check_length(expected: usize, proof: &[u8]) -> Result<(), ProofError> {
    if proof.len() != expected {
        return Err(ProofError::Length { expected, got: proof.len() });
    }
    Ok(())
}

/// The challenges that the denominators depend on.
#[derive(Debug, Clone, Copy)]
struct Challenges {
    x: Fr,
    u: Fr,
}

/// Replays the transcript.
fn challenges(
    protocol: &Protocol,
    vk: &VerifyingKey<G1Affine>,
    instances: &[Fr],
    proof: &[u8],
) -> Result<Challenges, ProofError> {
    let mut transcript = KeccakTranscript::init(proof);
    transcript.common_scalar(vk.transcript_repr())?;
    for instance in instances {
        transcript.common_scalar(*instance)?;
    }
    let mut draw = |points: usize, scalars: usize, challenges: usize| {
        for _ in 0..points {
            transcript.read_point()?;
        }
        for _ in 0..scalars {
            transcript.read_scalar()?;
        }
        let mut last = Fr::zero();
        for _ in 0..challenges {
            let challenge: KeccakChallenge = transcript.squeeze_challenge();
            last = challenge.get_scalar();
        }
        Ok::<_, ProofError>(last)
    };
    for phase in &protocol.phases {
        draw(phase.columns.len(), 0, phase.challenges.len())?;
    }
    // theta, beta, gamma; the random polynomial and y; the quotient and x.
    draw(0, 0, 3)?;
    draw(1, 0, 1)?;
    let x = draw(protocol.quotient_pieces, 0, 1)?;
    // The evaluations, the opening's y and v; W and u; W'.
    draw(0, protocol.num_evaluations(), 2)?;
    let u = draw(1, 0, 1)?;
    draw(1, 0, 0)?;
    Ok(Challenges { x, u })
}

fn inverse_hint(
    protocol: &Protocol,
    vk: &VerifyingKey<G1Affine>,
    instances: &[Fr],
    proof: &[u8],
) -> Result<Fr, ProofError> {
    let challenges = challenges(protocol, vk, instances, proof)?;
    let product = denominator_product(protocol, vk, instances.len(), challenges)?;
    Option::from(product.invert()).ok_or(ProofError::DegenerateChallenge)
}

/// The product of everything the contract divides by.
fn denominator_product(
    protocol: &Protocol,
    vk: &VerifyingKey<G1Affine>,
    num_instances: usize,
    Challenges { x, u }: Challenges,
) -> Result<Fr, ProofError> {
    let domain = vk.get_domain();
    let point = |rotation| {
        rotate(domain.get_omega(), rotation)
            .map(|power| power * x)
            .map_err(|_| ProofError::DegenerateChallenge)
    };
    let mut product = x.pow_vartime([domain.get_n()]) - Fr::one();
    for rotation in &protocol.instance_queries {
        // Σ a_i/d_i with d_i = 1 − z·ω^-i
        let mut shifted = point(*rotation)?;
        for _ in 0..num_instances {
            product *= Fr::one() - shifted;
            shifted *= domain.get_omega_inv();
        }
    }
    if protocol.divides_by_x() {
        product *= x;
    }
    for rotation in protocol.opened_rotations() {
        product *= u - point(rotation)?;
    }
    Ok(product)
}
