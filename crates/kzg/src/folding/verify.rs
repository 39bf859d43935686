//! The verifier of folded proofs.

use ff::Field;
use halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptRead};
use halo2curves::bn256::{Fr, G1Affine, G2Affine};

use super::{FoldedKey, Group};
use crate::{
    field::{domain_generator, interpolate, rotate},
    transcript::{KeccakChallenge, KeccakTranscript},
    verify::{Linearisation, VerifyError, instance_value, pairing_holds},
};

/// A folded proof with its challenges.
#[derive(Debug, Clone)]
pub struct FoldedProof {
    /// Commitments to the groups of all phases.
    pub groups: Vec<G1Affine>,
    /// Commitment to the quotient.
    pub quotient: G1Affine,
    /// Values by group, column, rotation.
    pub values: Vec<Fr>,
    /// First opening proof.
    pub w: G1Affine,
    /// Second opening proof.
    pub w_prime: G1Affine,
    /// The constraint system's challenges.
    pub challenges: Vec<Fr>,
    /// Weights the constraints.
    pub y: Fr,
    /// Where the columns are evaluated.
    pub x: Fr,
    /// Combines the groups.
    pub v: Fr,
    /// Where the combination is opened.
    pub u: Fr,
}

/// Reads a proof, drawing each challenge where the protocol says.
///
/// # Errors
/// Another length than the protocol's; something that is not a point or a scalar.
pub fn read_folded(
    vk: &FoldedKey,
    instances: &[Fr],
    proof: &[u8],
) -> Result<FoldedProof, VerifyError> {
    let folded = vk.protocol();
    let expected = folded.proof_length();
    if proof.len() != expected {
        return Err(VerifyError::Length { expected, got: proof.len() });
    }
    let mut transcript = KeccakTranscript::new(proof);
    transcript.common_scalar(vk.digest())?;
    for instance in instances {
        transcript.common_scalar(*instance)?;
    }
    let draw = |transcript: &mut KeccakTranscript<&[u8]>| {
        let challenge: KeccakChallenge = transcript.squeeze_challenge();
        challenge.get_scalar()
    };
    let phases = &folded.protocol().phases;
    let mut challenges = vec![Fr::ZERO; phases.iter().map(|phase| phase.challenges.len()).sum()];
    let mut groups = Vec::new();
    for (phase, of_phase) in phases.iter().zip(folded.phases()) {
        for _ in of_phase {
            groups.push(transcript.read_point()?);
        }
        for challenge in &phase.challenges {
            challenges[*challenge] = draw(&mut transcript);
        }
    }
    let y = draw(&mut transcript);
    let quotient = transcript.read_point()?;
    let x = draw(&mut transcript);
    let values = (0..folded.num_evaluations())
        .map(|_| transcript.read_scalar())
        .collect::<Result<_, _>>()?;
    let v = draw(&mut transcript);
    let w = transcript.read_point()?;
    let u = draw(&mut transcript);
    let w_prime = transcript.read_point()?;
    Ok(FoldedProof { groups, quotient, values, w, w_prime, challenges, y, x, v, u })
}

/// What a group leaves modulo `Π_r (X^t − z_r)`, at u.
#[derive(Debug)]
pub struct Remainder<'a> {
    group: &'a Group,
    points: Vec<Fr>,
    u: Fr,
    u_to_fold: Fr,
}

impl<'a> Remainder<'a> {
    /// Of a group opened at `point(rotation)` for its rotations.
    pub fn new(group: &'a Group, point: impl Fn(i32) -> Fr, u: Fr) -> Self {
        let points = group.rotations.iter().map(|at| point(*at)).collect();
        Self { group, points, u, u_to_fold: u.pow_vartime([group.fold() as u64]) }
    }

    /// `Π (u^t − z)`.
    pub fn vanishing(&self) -> Fr {
        self.points.iter().fold(Fr::ONE, |product, z| product * (self.u_to_fold - z))
    }

    /// `Σ_r L_r(u^t)·Σ_i f_i(z_r)·u^i`; `values` are the group's. `None` when two points are
    /// equal.
    pub fn at_u(&self, values: &[Fr]) -> Option<Fr> {
        let step = self.group.rotations.len();
        let of_rotation = |r: usize| {
            let column = values.iter().skip(r).step_by(step).rev();
            column.fold(Fr::ZERO, |sum, value| sum * self.u + value)
        };
        let folded: Vec<Fr> = (0..step).map(of_rotation).collect();
        let low = interpolate(&self.points, &folded)?;
        Some(low.iter().rev().fold(Fr::ZERO, |sum, c| sum * self.u_to_fold + c))
    }
}

/// Checks a folded `proof` of `instances` under `vk`; `tau_g2` is the structured reference
/// string's τ·G2. How many instances there must be is the caller's to check.
///
/// # Errors
/// Says why the proof is refused.
pub fn verify_folded(
    vk: &FoldedKey,
    tau_g2: &G2Affine,
    instances: &[Fr],
    proof: &[u8],
) -> Result<(), VerifyError> {
    let (folded, k) = (vk.protocol(), vk.k());
    let protocol = folded.protocol();
    let limit = if protocol.has_instances { 1usize << k } else { 0 };
    if instances.len() > limit {
        return Err(VerifyError::Instances { limit, got: instances.len() });
    }
    let proof = read_folded(vk, instances, proof)?;
    let (x, u) = (proof.x, proof.u);
    let omega = domain_generator(k);
    let point = |rotation: i32| x * rotate(omega, k, rotation);
    let instance_values = protocol
        .instance_queries
        .iter()
        .map(|rotation| instance_value(k, instances, point(*rotation)))
        .collect::<Result<Vec<_>, _>>()?;
    let [advice, fixed] = folded.query_values(&proof.values);
    let values = [&advice[..], &fixed, &instance_values];
    let linear = Linearisation::new(protocol, &proof.challenges, proof.y, values);

    // F = Σ v^g·Z_0/Z_g·(F_g − R_g(u)·G) − Z_0·W + u·W', Z_g = Π (u^t − z).
    let mut terms: Vec<(G1Affine, Fr)> = Vec::with_capacity(folded.multiplications() + 1);
    let (mut opened, mut first, mut power) = (Fr::ZERO, Fr::ONE, Fr::ONE);
    let mut values = &proof.values[..];
    for (index, (group, commitment)) in
        folded.groups().zip(proof.groups.iter().chain(vk.groups())).enumerate()
    {
        let (own, rest) = values.split_at(group.num_values());
        values = rest;
        let remainder = Remainder::new(group, point, u);
        let vanishing = remainder.vanishing();
        if index == 0 {
            first = vanishing;
        }
        let inverse = Option::<Fr>::from(vanishing.invert());
        let weight = power * first * inverse.ok_or(VerifyError::DegenerateChallenge)?;
        terms.push((*commitment, weight));
        opened += weight * remainder.at_u(own).ok_or(VerifyError::DegenerateChallenge)?;
        power *= proof.v;
    }
    let inverse = Option::<Fr>::from((u - x).invert()).ok_or(VerifyError::DegenerateChallenge)?;
    let weight = power * first * inverse;
    for ((_, factor), commitment) in linear.secret.iter().zip(vk.secret()) {
        terms.push((*commitment, weight * factor));
    }
    terms.push((proof.quotient, weight * (Fr::ONE - x.pow_vartime([1u64 << k]))));
    opened -= weight * linear.constant;
    terms.push((G1Affine::generator(), -opened));
    terms.push((proof.w, -first));
    terms.push((proof.w_prime, u));
    pairing_holds(tau_g2, &proof.w_prime, terms)
}
