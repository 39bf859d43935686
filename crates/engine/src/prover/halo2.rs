//! halo2's own protocol, step by step: the reference that other people's verifiers accept.
//!
//! Advice columns by phase → permutation products → random polynomial → quotient →
//! evaluations → SHPLONK. Every value that reaches the transcript is the one that
//! halo2-axiom's `create_proof` computes from the same random numbers.

use super::advice::AdviceState;
use super::opening::{self, Opening};
use super::permutation::{self, Layout, Values};
use super::witness::{self, WitnessSource};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::options::{Options, Stage};
use crate::poly::{evaluate, linear_combination};
use crate::quotient::expr::{Arena, Columns};
use crate::quotient::program::Program;
use crate::quotient::{Source, quotient};
use ff::Field;
use halo2_proofs::plonk::{Circuit, ProvingKey};
use halo2_proofs::poly::Rotation;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::transcript::{EncodedChallenge, TranscriptWrite};
use halo2curves::bn256::{Bn256, Fr, G1Affine};
use rand::RngCore;
use rayon::prelude::*;

/// Makes a proof that the circuit's witness satisfies its constraints, for
/// parameters used once; keep an [`Engine`] to make several.
///
/// # Errors
///
/// See [`EngineError`].
pub fn create_proof<C, E, T>(
    params: &ParamsKZG<Bn256>,
    pk: &ProvingKey<G1Affine>,
    circuit: &C,
    instances: &[&[Fr]],
    rng: impl RngCore,
    transcript: &mut T,
    options: &Options,
) -> Result<(), EngineError>
where
    C: Circuit<Fr>,
    E: EncodedChallenge<G1Affine>,
    T: TranscriptWrite<G1Affine, E>,
{
    Engine::new(params, options.clone())?.create_proof(pk, circuit, instances, rng, transcript)
}

/// What a proof shows of the random polynomial: its commitment and one evaluation.
/// As many random coefficients make the two uniform and independent, so the others are
/// zero. In a KZG opening nothing else depends on it: W and W' are determined by the
/// commitments and evaluations.
const SHOWN: usize = 2;

/// Fills the random polynomial of the vanishing argument.
type Blinder<'a> = &'a mut dyn FnMut(&mut [Fr]);

impl Engine {
    /// Makes a proof from a circuit, see [`create_proof`].
    ///
    /// # Errors
    ///
    /// See [`EngineError`].
    pub fn create_proof<C, E, T>(
        &self,
        pk: &ProvingKey<G1Affine>,
        circuit: &C,
        instances: &[&[Fr]],
        rng: impl RngCore,
        transcript: &mut T,
    ) -> Result<(), EngineError>
    where
        C: Circuit<Fr>,
        E: EncodedChallenge<G1Affine>,
        T: TranscriptWrite<G1Affine, E>,
    {
        self.prove_halo2(pk, instances, rng, transcript, None, |state| {
            witness::run_circuit(state, circuit, instances)
        })
    }

    /// Makes a proof from advice columns.
    ///
    /// # Errors
    ///
    /// See [`EngineError`].
    pub fn create_proof_from<E, T>(
        &self,
        pk: &ProvingKey<G1Affine>,
        source: &mut dyn WitnessSource,
        instances: &[&[Fr]],
        rng: impl RngCore,
        transcript: &mut T,
    ) -> Result<(), EngineError>
    where
        E: EncodedChallenge<G1Affine>,
        T: TranscriptWrite<G1Affine, E>,
    {
        self.prove_halo2(pk, instances, rng, transcript, None, |state| {
            witness::run_source(state, source)
        })
    }

    /// Like [`Self::create_proof`], with the random polynomial of the vanishing
    /// argument filled by the caller. halo2-axiom draws that one from the operating
    /// system whatever generator it is given, so comparing the two provers byte by
    /// byte takes control over it. Anything but uniform randomness loses zero
    /// knowledge.
    ///
    /// # Errors
    ///
    /// See [`EngineError`].
    #[doc(hidden)]
    pub fn create_proof_with_blinder<C, E, T>(
        &self,
        pk: &ProvingKey<G1Affine>,
        circuit: &C,
        instances: &[&[Fr]],
        rng: impl RngCore,
        transcript: &mut T,
        blinder: &mut dyn FnMut(&mut [Fr]),
    ) -> Result<(), EngineError>
    where
        C: Circuit<Fr>,
        E: EncodedChallenge<G1Affine>,
        T: TranscriptWrite<G1Affine, E>,
    {
        self.prove_halo2(pk, instances, rng, transcript, Some(blinder), |state| {
            witness::run_circuit(state, circuit, instances)
        })
    }

    fn prove_halo2<R, E, T>(
        &self,
        pk: &ProvingKey<G1Affine>,
        instances: &[&[Fr]],
        mut rng: R,
        transcript: &mut T,
        blinder: Option<Blinder<'_>>,
        witness: impl FnOnce(&mut AdviceState<'_, R, T, E>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError>
    where
        R: RngCore,
        E: EncodedChallenge<G1Affine>,
        T: TranscriptWrite<G1Affine, E>,
    {
        let vk = pk.get_vk();
        let cs = vk.cs();
        self.check(cs, vk.get_domain().k(), instances)?;
        let n = self.domain.size();
        vk.hash_into(transcript)?;
        for value in instances.iter().copied().flatten() {
            transcript.common_scalar(*value)?;
        }

        // Advice, phase by phase.
        let mut state = AdviceState::new(self, cs, &mut rng, transcript);
        self.options.enter(Stage::Witness(0))?;
        witness(&mut state)?;
        let mut advice = std::mem::take(&mut state.columns);
        let challenges: Vec<Fr> = state.challenges.iter().map(|c| c.unwrap_or(Fr::ZERO)).collect();
        let mut instance: Vec<Vec<Fr>> = instances
            .iter()
            .map(|values| {
                let mut column = values.to_vec();
                column.resize(n, Fr::ZERO);
                column
            })
            .collect();

        // Permutation products. The challenge theta serves lookups only.
        transcript.squeeze_challenge_scalar::<()>();
        let beta = *transcript.squeeze_challenge_scalar::<()>();
        let gamma = *transcript.squeeze_challenge_scalar::<()>();
        let mut products = Vec::new();
        if permutation::sets(cs) > 0 {
            self.options.enter(Stage::Permutation)?;
            let values = Values {
                fixed: pk.fixed_values().iter().map(|column| &column[..]).collect(),
                advice: advice.iter().map(Vec::as_slice).collect(),
                instance: instance.iter().map(Vec::as_slice).collect(),
            };
            let blinds = permutation::draw_blinds(cs, &mut rng);
            let commitments = self.pool.install(|| {
                products = permutation::products(self, pk, &values, beta, gamma, &blinds);
                self.commit_values(products.par_iter().map(Vec::as_slice))
            });
            for commitment in commitments {
                transcript.write_point(commitment)?;
            }
        }

        // The random polynomial.
        self.options.enter(Stage::Blinding)?;
        let mut random = vec![Fr::ZERO; n];
        match blinder {
            Some(fill) => fill(&mut random),
            None => random[..SHOWN].fill_with(|| Fr::random(&mut rng)),
        }
        let commitments = self.pool.install(|| self.commit_coefficients([random.as_slice()]));
        for commitment in commitments {
            transcript.write_point(commitment)?;
        }
        let y = *transcript.squeeze_challenge_scalar::<()>();

        // To coefficients, then the quotient.
        self.options.enter(Stage::Quotient)?;
        self.pool.install(|| {
            let columns = advice.par_iter_mut().chain(&mut instance).chain(&mut products);
            columns.for_each_init(Vec::new, |scratch, column| self.domain.inverse(column, scratch));
        });
        let pieces = self.pool.install(|| {
            self.quotient_pieces(pk, &advice, &instance, &products, &challenges, [beta, gamma, y])
        });
        self.options.enter(Stage::QuotientCommitments)?;
        let commitments =
            self.pool.install(|| self.commit_coefficients(pieces.par_iter().map(Vec::as_slice)));
        for commitment in commitments {
            transcript.write_point(commitment)?;
        }

        // Evaluations.
        self.options.enter(Stage::Evaluations)?;
        let x = *transcript.squeeze_challenge_scalar::<()>();
        let mut quotient = vec![Fr::ZERO; n];
        let xn = x.pow_vartime([n as u64]);
        let powers: Vec<Fr> =
            std::iter::successors(Some(Fr::ONE), |p| Some(*p * xn)).take(pieces.len()).collect();
        let slices: Vec<&[Fr]> = pieces.iter().map(Vec::as_slice).collect();
        self.pool.install(|| linear_combination(self.backend, &slices, &powers, &mut quotient));
        drop(pieces);

        let mut polynomials: Vec<&[Fr]> = Vec::new();
        let advice_at = polynomials.len();
        polynomials.extend(advice.iter().map(Vec::as_slice));
        let products_at = polynomials.len();
        polynomials.extend(products.iter().map(Vec::as_slice));
        let fixed_at = polynomials.len();
        polynomials.extend(pk.fixed_polys().iter().map(|p| &p[..]));
        let sigma_at = polynomials.len();
        polynomials.extend(pk.permutation().polys().iter().map(|p| &p[..]));
        let (quotient_at, random_at) = (polynomials.len(), polynomials.len() + 1);
        polynomials.extend([quotient.as_slice(), random.as_slice()]);

        let at = |rotation: i32| vk.get_domain().rotate_omega(x, Rotation(rotation));
        let last = at(-(cs.blinding_factors() as i32 + 1));
        // In the order of the opening argument; `written` is the transcript's.
        let advice_queries: Vec<(usize, Fr)> = cs
            .advice_queries()
            .iter()
            .map(|(column, rotation)| (advice_at + column.index(), at(rotation.0)))
            .collect();
        let fixed_queries: Vec<(usize, Fr)> = cs
            .fixed_queries()
            .iter()
            .map(|(column, rotation)| (fixed_at + column.index(), at(rotation.0)))
            .collect();
        let sigma_queries: Vec<(usize, Fr)> =
            (sigma_at..quotient_at).map(|sigma| (sigma, x)).collect();
        let sets = products.len();
        let mut written = advice_queries.clone();
        written.extend(&fixed_queries);
        written.push((random_at, x));
        written.extend(&sigma_queries);
        for set in 0..sets {
            written.extend([(products_at + set, x), (products_at + set, at(1))]);
            if set + 1 < sets {
                written.push((products_at + set, last));
            }
        }
        let mut queries = advice_queries;
        for set in 0..sets {
            queries.extend([(products_at + set, x), (products_at + set, at(1))]);
        }
        queries.extend((0..sets.saturating_sub(1)).rev().map(|set| (products_at + set, last)));
        queries.extend(fixed_queries);
        queries.extend(sigma_queries);
        queries.extend([(quotient_at, x), (random_at, x)]);

        let openings: Vec<Opening> = self.pool.install(|| {
            queries
                .par_iter()
                .map(|&(polynomial, point)| {
                    let value = evaluate(self.backend, polynomials[polynomial], point);
                    Opening { polynomial, point, value }
                })
                .collect()
        });
        for (polynomial, point) in written {
            let value = openings
                .iter()
                .find(|opening| opening.polynomial == polynomial && opening.point == point)
                .map_or(Fr::ZERO, |opening| opening.value);
            transcript.write_scalar(value)?;
        }

        self.options.enter(Stage::Opening)?;
        opening::open(self, &polynomials, &openings, transcript)
    }

    fn quotient_pieces(
        &self,
        pk: &ProvingKey<G1Affine>,
        advice: &[Vec<Fr>],
        instance: &[Vec<Fr>],
        products: &[Vec<Fr>],
        challenges: &[Fr],
        [beta, gamma, y]: [Fr; 3],
    ) -> Vec<Vec<Fr>> {
        let cs = pk.get_vk().cs();
        let mut identity = vec![Fr::ZERO; self.domain.size()];
        identity[1] = Fr::ONE;
        let mut columns: Vec<&[Fr]> = Vec::new();
        let fixed = columns.len();
        columns.extend(pk.fixed_polys().iter().map(|p| &p[..]));
        let advice_at = columns.len();
        columns.extend(advice.iter().map(Vec::as_slice));
        let instance_at = columns.len();
        columns.extend(instance.iter().map(Vec::as_slice));
        let sigma = columns.len();
        columns.extend(pk.permutation().polys().iter().map(|p| &p[..]));
        let product = columns.len();
        columns.extend(products.iter().map(Vec::as_slice));
        let l_first = columns.len();
        columns.extend([&pk.l0()[..], &pk.l_last()[..], &pk.l_active_row()[..], &identity]);
        let layout = Layout {
            columns: Columns { fixed, advice: advice_at, instance: instance_at },
            sigma,
            product,
            l_first,
            l_last: l_first + 1,
            l_active: l_first + 2,
            identity: l_first + 3,
        };

        let mut arena = Arena::default();
        let gates = cs.gates().iter().flat_map(|gate| gate.polynomials());
        let mut constraints: Vec<_> =
            gates.map(|gate| arena.convert(gate, &layout.columns, challenges)).collect();
        constraints.extend(permutation::constraints(&mut arena, cs, &layout, beta, gamma));
        let mut total = crate::quotient::expr::Sum::default();
        let mut power = Fr::ONE;
        for constraint in constraints.iter().rev() {
            total = total.add_scaled(constraint, power);
            power *= y;
        }
        let total = arena.group(total);
        let total = arena.intern(total);
        let program = Program::new(&arena, total, columns.len(), self.backend);
        let columns: Vec<_> = columns.into_iter().map(Source::Coefficients).collect();
        quotient(self.backend, &self.domain, &program, &columns, cs.degree() - 1)
    }
}
