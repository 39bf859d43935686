//! Our verifier: reads a proof in the protocol's order and checks one pairing equation.

use ff::Field;
use group::{Curve, Group};
use halo2curves::{
    bn256::{Bn256, Fr, G1, G1Affine, G2Affine, Gt},
    msm::msm_serial,
    pairing::{MillerLoopResult, MultiMillerLoop},
};

use crate::{
    expression::Leaf,
    field::{domain_generator, interpolate, invert_chunk, rotate},
    key::VerifyingKey,
    protocol::{Class, Group as Columns, Protocol},
    transcript::KeccakTranscript,
};

/// Why a proof is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Not as many bytes as the protocol asks for.
    #[error("invalid proof length: expected {expected} bytes, got {got}")]
    Length {
        /// By the protocol.
        expected: usize,
        /// In the proof.
        got: usize,
    },
    /// Instances for a circuit without an instance column, or more than rows.
    #[error("the circuit takes at most {limit} public values, got {got}")]
    Instances {
        /// The circuit's limit.
        limit: usize,
        /// The number given.
        got: usize,
    },
    /// A point off the curve or a scalar that is not below the modulus.
    #[error("malformed proof: {0}")]
    Malformed(#[from] std::io::Error),
    /// A challenge is a root of unity or an opening point (probability below 2^-220).
    #[error("a challenge of this proof has no inverse: prove again")]
    DegenerateChallenge,
    /// The pairing equation does not hold.
    #[error("the proof does not prove these public values under this key")]
    Rejected,
}

/// The challenges of a proof.
#[derive(Debug, Clone)]
pub struct Challenges {
    /// The constraint system's.
    pub circuit: Vec<Fr>,
    /// Weights the constraints.
    pub y: Fr,
    /// Where the polynomials are evaluated.
    pub x: Fr,
    /// Combines the groups.
    pub v: Fr,
    /// Where the combination is opened.
    pub u: Fr,
}

/// A proof with its challenges.
#[derive(Debug, Clone)]
pub struct ReadProof {
    /// Commitments to the groups of all phases.
    pub groups: Vec<G1Affine>,
    /// Commitments to the quotient's pieces.
    pub quotient: Vec<G1Affine>,
    /// Values by group, column, rotation; the key's groups last.
    pub values: Vec<Fr>,
    /// First opening proof.
    pub w: G1Affine,
    /// Second opening proof.
    pub w_prime: G1Affine,
    /// All challenges.
    pub challenges: Challenges,
}

/// Reads a proof, drawing each challenge where the protocol says.
///
/// # Errors
/// Another length than the protocol's; something that is not a point or a scalar.
pub fn read_proof(
    vk: &VerifyingKey,
    instances: &[Fr],
    proof: &[u8],
) -> Result<ReadProof, VerifyError> {
    let protocol = vk.protocol();
    let expected = protocol.proof_length();
    if proof.len() != expected {
        return Err(VerifyError::Length { expected, got: proof.len() });
    }
    let mut transcript = KeccakTranscript::new(proof);
    transcript.absorb_scalar(vk.digest());
    for instance in instances {
        transcript.absorb_scalar(*instance);
    }
    let drawn = protocol.phases.iter().map(|phase| phase.challenges.len()).sum();
    let mut circuit = vec![Fr::ZERO; drawn];
    let mut groups = Vec::with_capacity(protocol.num_advice_groups());
    for phase in &protocol.phases {
        for _ in &phase.groups {
            groups.push(transcript.next_point()?);
        }
        for challenge in &phase.challenges {
            circuit[*challenge] = transcript.draw();
        }
    }
    let y = transcript.draw();
    let quotient =
        (0..protocol.quotient_pieces).map(|_| transcript.next_point()).collect::<Result<_, _>>()?;
    let x = transcript.draw();
    let values = (0..protocol.num_evaluations())
        .map(|_| transcript.next_scalar())
        .collect::<Result<_, _>>()?;
    let v = transcript.draw();
    let w = transcript.next_point()?;
    let u = transcript.draw();
    let w_prime = transcript.next_point()?;
    let challenges = Challenges { circuit, y, x, v, u };
    Ok(ReadProof { groups, quotient, values, w, w_prime, challenges })
}

/// What the groups of a class leave modulo `Π_r (X^t − z_r)`, at u.
#[derive(Debug)]
pub struct Remainder {
    points: Vec<Fr>,
    u: Fr,
    u_to_fold: Fr,
}

impl Remainder {
    /// Of a class opened at `point(rotation)` for its rotations.
    pub fn new(class: &Class, point: impl Fn(i32) -> Fr, u: Fr) -> Self {
        let points = class.rotations.iter().map(|at| point(*at)).collect();
        Self { points, u, u_to_fold: u.pow_vartime([class.fold as u64]) }
    }

    /// `Π (u^t − z)`.
    pub fn vanishing(&self) -> Fr {
        self.points.iter().fold(Fr::ONE, |product, z| product * (self.u_to_fold - z))
    }

    /// `Σ_r L_r(u^t)·Σ_i f_i(z_r)·u^i`; `values` are a group's. `None` when two points are
    /// equal.
    pub fn at_u(&self, values: &[Fr]) -> Option<Fr> {
        let step = self.points.len();
        let of_rotation = |r: usize| {
            let column = values.iter().skip(r).step_by(step).rev();
            column.fold(Fr::ZERO, |sum, value| sum * self.u + value)
        };
        let folded: Vec<Fr> = (0..step).map(of_rotation).collect();
        let low = interpolate(&self.points, &folded)?;
        Some(low.iter().rev().fold(Fr::ZERO, |sum, c| sum * self.u_to_fold + c))
    }
}

/// What the gates say at x: A and the B_s, from opened values.
#[derive(Debug, Clone)]
pub struct Linearisation {
    /// A.
    pub constant: Fr,
    /// Each secret column's index and its factor B_s.
    pub secret: Vec<(usize, Fr)>,
}

impl Linearisation {
    /// From the values of all queries.
    pub fn new(
        protocol: &Protocol,
        challenges: &[Fr],
        y: Fr,
        [advice, fixed, instance]: [&[Fr]; 3],
    ) -> Self {
        let values = protocol.graph.evaluate(|leaf| match leaf {
            Leaf::Advice(query) => advice[query],
            Leaf::Fixed(query) => fixed[query],
            Leaf::Instance(query) => instance[query],
            Leaf::Challenge(challenge) => challenges[challenge],
            Leaf::Y => y,
        });
        let roots = protocol.constraints.iter().map(|constraint| values[constraint.root]);
        let secret = protocol.secret_scalars.iter();
        Self {
            constant: roots.fold(Fr::ZERO, |folded, root| folded * y + root),
            secret: secret.map(|(column, root)| (*column, values[*root])).collect(),
        }
    }
}

/// Σ a_i·L_i at a point outside the domain.
fn instance_value(k: u32, instances: &[Fr], point: Fr) -> Result<Fr, VerifyError> {
    let n = 1u64 << k;
    let omega = domain_generator(k);
    let roots = std::iter::successors(Some(Fr::ONE), |root| Some(*root * omega));
    let mut inverses: Vec<Fr> =
        roots.clone().take(instances.len()).map(|root| point - root).collect();
    if inverses.contains(&Fr::ZERO) {
        return Err(VerifyError::DegenerateChallenge);
    }
    invert_chunk(&mut inverses);
    let terms = instances.iter().zip(roots).zip(&inverses);
    let sum = terms.map(|((instance, root), inverse)| *instance * root * inverse).sum::<Fr>();
    let inverse_of_n = Fr::from(n).invert().unwrap_or(Fr::ZERO);
    Ok(sum * (point.pow_vartime([n]) - Fr::ONE) * inverse_of_n)
}

/// Checks `proof` of `instances` under `vk`; `tau_g2` is the structured reference
/// string's τ·G2. How many instances there must be is the caller's to check.
///
/// # Errors
/// Says why the proof is refused.
pub fn verify(
    vk: &VerifyingKey,
    tau_g2: &G2Affine,
    instances: &[Fr],
    proof: &[u8],
) -> Result<(), VerifyError> {
    let protocol = vk.protocol();
    let limit = if protocol.has_instances { 1usize << vk.k() } else { 0 };
    if instances.len() > limit {
        return Err(VerifyError::Instances { limit, got: instances.len() });
    }
    let proof = read_proof(vk, instances, proof)?;
    let Challenges { circuit, x, y, v, u } = &proof.challenges;
    let omega = domain_generator(vk.k());
    let point = |rotation: i32| *x * rotate(omega, vk.k(), rotation);
    let instance_values = protocol
        .instance_queries
        .iter()
        .map(|rotation| instance_value(vk.k(), instances, point(*rotation)))
        .collect::<Result<Vec<_>, _>>()?;
    let [advice, fixed] = protocol.query_values(&proof.values);
    let values = [&advice[..], &fixed, &instance_values];
    let linear = Linearisation::new(protocol, circuit, *y, values);
    let invert = |value: Fr| Option::<Fr>::from(value.invert());
    let invert = |value| invert(value).ok_or(VerifyError::DegenerateChallenge);

    // F = Σ v^e/Z_c·(F_e − R_e(u)·G) − W + u·W'.
    let groups: Vec<(&Columns, &G1Affine)> =
        protocol.groups().zip(proof.groups.iter().chain(vk.groups())).collect();
    let mut terms: Vec<(G1Affine, Fr)> = Vec::with_capacity(protocol.multiplications() + 1);
    let (mut opened, mut power) = (Fr::ZERO, Fr::ONE);
    for class in &protocol.classes {
        let remainder = Remainder::new(class, point, *u);
        let inverse = invert(remainder.vanishing())?;
        for index in &class.groups {
            let (group, commitment) = groups[*index];
            let before: usize = groups[..*index].iter().map(|(group, _)| group.num_values()).sum();
            let own = &proof.values[before..before + group.num_values()];
            let weight = power * inverse;
            terms.push((*commitment, weight));
            opened += weight * remainder.at_u(own).ok_or(VerifyError::DegenerateChallenge)?;
            power *= v;
        }
    }
    let mut weight = power * invert(*u - x)?;
    opened -= weight * linear.constant;
    for ((_, factor), commitment) in linear.secret.iter().zip(vk.secret()) {
        terms.push((*commitment, weight * factor));
    }
    let x_to_n = x.pow_vartime([1u64 << vk.k()]);
    let step = if protocol.divides_by_x() { x_to_n * invert(*x)? } else { Fr::ZERO };
    weight *= Fr::ONE - x_to_n;
    for piece in &proof.quotient {
        terms.push((*piece, weight));
        weight *= step;
    }
    terms.push((G1Affine::generator(), -opened));
    terms.push((proof.w, -Fr::ONE));
    terms.push((proof.w_prime, *u));
    pairing_holds(tau_g2, &proof.w_prime, terms)
}

/// Whether `e(W', τ·G2) = e(Σ factor·point, G2)`.
fn pairing_holds(
    tau_g2: &G2Affine,
    w_prime: &G1Affine,
    terms: Vec<(G1Affine, Fr)>,
) -> Result<(), VerifyError> {
    let (points, factors): (Vec<_>, Vec<_>) = terms.into_iter().unzip();
    let mut sum = G1::identity();
    // Not the parallel one, which starts a thread for each core.
    msm_serial(&factors, &points, &mut sum);
    let (tau_g2, g2) = ((*tau_g2).into(), (-G2Affine::generator()).into());
    let product = Bn256::multi_miller_loop(&[(w_prime, &tau_g2), (&sum.to_affine(), &g2)]);
    if product.final_exponentiation() == Gt::identity() {
        Ok(())
    } else {
        Err(VerifyError::Rejected)
    }
}
