//! Our verifier: reads a proof in the protocol's order and checks one pairing equation.

use ff::Field;
use group::{Curve, Group};
use halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptRead};
use halo2curves::{
    bn256::{Bn256, Fr, G1, G1Affine, G2Affine, Gt},
    group::prime::PrimeCurveAffine,
    msm::msm_serial,
    pairing::{MillerLoopResult, MultiMillerLoop},
};

use crate::{
    expression::Leaf,
    field::{domain_generator, interpolate, rotate},
    key::VerifyingKey,
    protocol::{Commitment, Evaluation, Protocol},
    transcript::{KeccakChallenge, KeccakTranscript},
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
    /// Combines the polynomials of a rotation set.
    pub opening_y: Fr,
    /// Combines the rotation sets.
    pub opening_v: Fr,
    /// Where the combination is opened.
    pub opening_u: Fr,
}

/// A proof with its challenges.
#[derive(Debug, Clone)]
pub struct ReadProof {
    /// Commitments to the advice columns, by column.
    pub advice: Vec<G1Affine>,
    /// Commitments to the quotient's pieces.
    pub quotient: Vec<G1Affine>,
    /// Values of the advice queries.
    pub advice_values: Vec<Fr>,
    /// Values of the structural fixed queries.
    pub fixed_values: Vec<Fr>,
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
    transcript.common_scalar(vk.digest())?;
    for instance in instances {
        transcript.common_scalar(*instance)?;
    }
    let draw = |transcript: &mut KeccakTranscript<&[u8]>| {
        let challenge: KeccakChallenge = transcript.squeeze_challenge();
        challenge.get_scalar()
    };
    let mut advice = vec![G1Affine::identity(); protocol.num_advice_columns()];
    let challenges = protocol.phases.iter().map(|phase| phase.challenges.len()).sum();
    let mut circuit = vec![Fr::ZERO; challenges];
    for phase in &protocol.phases {
        for column in &phase.columns {
            advice[*column] = transcript.read_point()?;
        }
        for challenge in &phase.challenges {
            circuit[*challenge] = draw(&mut transcript);
        }
    }
    let y = draw(&mut transcript);
    let quotient =
        (0..protocol.quotient_pieces).map(|_| transcript.read_point()).collect::<Result<_, _>>()?;
    let x = draw(&mut transcript);
    let mut scalars = |count: usize| -> Result<Vec<Fr>, std::io::Error> {
        (0..count).map(|_| transcript.read_scalar()).collect()
    };
    let advice_values = scalars(protocol.advice_queries.len())?;
    let fixed_values = scalars(protocol.fixed_queries.len())?;
    let opening_y = draw(&mut transcript);
    let opening_v = draw(&mut transcript);
    let w = transcript.read_point()?;
    let opening_u = draw(&mut transcript);
    let w_prime = transcript.read_point()?;
    let challenges = Challenges { circuit, y, x, opening_y, opening_v, opening_u };
    Ok(ReadProof { advice, quotient, advice_values, fixed_values, w, w_prime, challenges })
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
pub(crate) fn instance_value(k: u32, instances: &[Fr], point: Fr) -> Result<Fr, VerifyError> {
    let n = 1u64 << k;
    let omega = domain_generator(k);
    let mut root = Fr::ONE;
    let mut sum = Fr::ZERO;
    for instance in instances {
        let inverse = Option::<Fr>::from((point - root).invert());
        sum += *instance * root * inverse.ok_or(VerifyError::DegenerateChallenge)?;
        root *= omega;
    }
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
    let Challenges { x, y, opening_y, opening_v, opening_u, .. } = proof.challenges;
    let omega = domain_generator(vk.k());
    let point = |rotation: i32| x * rotate(omega, vk.k(), rotation);
    let instance_values = protocol
        .instance_queries
        .iter()
        .map(|rotation| instance_value(vk.k(), instances, point(*rotation)))
        .collect::<Result<Vec<_>, _>>()?;
    let values = [&proof.advice_values[..], &proof.fixed_values, &instance_values];
    let linear = Linearisation::new(protocol, &proof.challenges.circuit, y, values);

    // The linearisation's commitment.
    let x_to_n = x.pow_vartime([1u64 << vk.k()]);
    let inverse_of_x = Option::<Fr>::from(x.invert()).ok_or(VerifyError::DegenerateChallenge)?;
    let secret = linear.secret.iter();
    let mut linearisation: Vec<(G1Affine, Fr)> =
        secret.map(|(column, factor)| (vk.fixed_commitments()[*column], *factor)).collect();
    let mut power = Fr::ONE - x_to_n;
    for piece in &proof.quotient {
        linearisation.push((*piece, power));
        power *= x_to_n * inverse_of_x;
    }

    // F = Σ v^i·Z_0/Z_i·(Σ y^j·C_ij − r_i(u)·G) − Z_0·W + u·W', Z at u.
    let vanishing = |rotations: &[i32]| {
        rotations.iter().fold(Fr::ONE, |product, at| product * (opening_u - point(*at)))
    };
    let first = protocol.sets.first().map_or(Fr::ONE, |set| vanishing(&set.rotations));
    let mut terms: Vec<(G1Affine, Fr)> = Vec::with_capacity(protocol.multiplications() + 1);
    let mut opened = Fr::ZERO;
    let mut power_of_v = Fr::ONE;
    for set in &protocol.sets {
        let divisor = Option::<Fr>::from(vanishing(&set.rotations).invert());
        let weight = power_of_v * first * divisor.ok_or(VerifyError::DegenerateChallenge)?;
        let mut values = vec![Fr::ZERO; set.rotations.len()];
        let mut power_of_y = Fr::ONE;
        for member in &set.members {
            let factor = weight * power_of_y;
            match member.commitment {
                Commitment::Advice(column) => terms.push((proof.advice[column], factor)),
                Commitment::Fixed(column) => terms.push((vk.fixed_commitments()[column], factor)),
                Commitment::Linearisation => {
                    terms.extend(linearisation.iter().map(|(point, own)| (*point, *own * factor)));
                }
            }
            for (value, evaluation) in values.iter_mut().zip(&member.evaluations) {
                *value += power_of_y
                    * match evaluation {
                        Evaluation::Advice(query) => proof.advice_values[*query],
                        Evaluation::Fixed(query) => proof.fixed_values[*query],
                        Evaluation::Linearisation => -linear.constant,
                    };
            }
            power_of_y *= opening_y;
        }
        let points: Vec<Fr> = set.rotations.iter().map(|at| point(*at)).collect();
        let low = interpolate(&points, &values).ok_or(VerifyError::DegenerateChallenge)?;
        opened += weight * low.iter().rev().fold(Fr::ZERO, |sum, c| sum * opening_u + c);
        power_of_v *= opening_v;
    }
    terms.push((G1Affine::generator(), -opened));
    terms.push((proof.w, -first));
    terms.push((proof.w_prime, opening_u));
    pairing_holds(tau_g2, &proof.w_prime, terms)
}

/// Whether `e(W', τ·G2) = e(Σ factor·point, G2)`.
pub(crate) fn pairing_holds(
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
