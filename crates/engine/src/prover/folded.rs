//! Verdict's protocol with one commitment for a group of columns.
//!
//! What is committed, drawn and opened when is read from [`FoldedProtocol`]; randomness is
//! drawn as in [`super::linearised`], without blinds of the quotient, which is one piece.

use super::advice::AdviceState;
use super::linearised::{Polynomials, State, Transcript, common, squeeze};
use super::witness::{self, WitnessSource};
use crate::engine::{Engine, affine};
use crate::error::EngineError;
use crate::options::Stage;
use crate::poly::{divide_by_linear, evaluate, linear_combination};
use crate::srs::{Lagrange, Srs};
use ff::Field;
use halo2_proofs::plonk::{Circuit, ProvingKey};
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::transcript::{TranscriptWrite, TranscriptWriterBuffer};
use halo2curves::bn256::{Bn256, Fr, G1, G1Affine};
use rand::RngCore;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use verdict_kzg::field::{interpolate, rotate};
use verdict_kzg::folding::{FoldedKey, FoldedProtocol, Group, Remainder};
use verdict_kzg::protocol::Commitment;
use verdict_kzg::verify::Linearisation;

/// Bases that commit to groups of columns given as values, for each size of group.
#[derive(Debug)]
pub struct FoldedBases {
    classes: BTreeMap<usize, Vec<Lagrange>>,
}

impl FoldedBases {
    /// Prepares the groups of a protocol of `engine`'s number of rows. Costs about a
    /// transform over curve points for each column of the largest groups.
    ///
    /// # Errors
    ///
    /// Parameters with fewer powers than the groups take.
    pub fn new(
        engine: &Engine,
        params: &ParamsKZG<Bn256>,
        folded: &FoldedProtocol,
    ) -> Result<Self, EngineError> {
        let (k, needed, available) =
            (engine.k(), folded.powers_needed(engine.k()), params.get_g().len());
        if needed > available {
            return Err(EngineError::StringTooShort { needed, available, k });
        }
        let mut classes = BTreeMap::new();
        for group in folded.groups() {
            classes.entry(group.fold()).or_insert_with(|| {
                engine
                    .pool
                    .install(|| Srs::residue_classes(params, k, group.fold(), engine.backend))
            });
        }
        Ok(Self { classes })
    }

    /// `Σ τ^i·f_i(τ^t)` from the values of the columns.
    fn commit<'a>(
        &self,
        group: &Group,
        column: impl Fn(Commitment) -> &'a [Fr] + Sync,
    ) -> Result<G1, EngineError> {
        let classes =
            self.classes.get(&group.fold()).ok_or(EngineError::FoldedBases(group.fold()))?;
        let terms = classes.par_iter().zip(&group.columns);
        Ok(terms.map(|(class, of)| class.commit(column(*of))).sum())
    }
}

impl Engine {
    /// The verifying key of folded proofs. `pk` is halo2's key of the constraint system
    /// that `folded` describes.
    ///
    /// # Errors
    ///
    /// Bases of other groups, or a key of another constraint system.
    pub fn folded_key(
        &self,
        folded: Arc<FoldedProtocol>,
        bases: &FoldedBases,
        pk: &ProvingKey<G1Affine>,
    ) -> Result<FoldedKey, EngineError> {
        let columns = pk.fixed_values();
        let expected = folded.protocol().num_fixed_columns;
        if columns.len() != expected {
            return Err(EngineError::FixedColumns { expected, got: columns.len() });
        }
        let column = |of| match of {
            Commitment::Fixed(column) => &columns[column][..],
            _ => &[],
        };
        let groups = self.pool.install(|| {
            folded.key_groups().iter().map(|group| bases.commit(group, column)).collect()
        });
        let groups: Result<Vec<G1>, EngineError> = groups;
        let groups = affine(groups?);
        let secret = folded.protocol().secret_scalars.iter().map(|(column, _)| *column);
        let secret =
            secret.map(|column| &pk.get_vk().fixed_commitments()[column]).copied().collect();
        Ok(FoldedKey::new(folded, self.k(), groups, secret)?)
    }

    /// Proves what `source` gives as advice: the proof's bytes, for
    /// [`verdict_kzg::folding::verify_folded`].
    ///
    /// # Errors
    ///
    /// See [`EngineError`].
    pub fn prove_folded(
        &self,
        (vk, bases): (&FoldedKey, &FoldedBases),
        pk: &ProvingKey<G1Affine>,
        source: &mut dyn WitnessSource,
        instances: &[Fr],
        rng: impl RngCore,
    ) -> Result<Vec<u8>, EngineError> {
        self.fold((vk, bases), pk, instances, rng, |state| witness::run_source(state, source))
    }

    /// Like [`Self::prove_folded`], with the advice that a circuit assigns.
    ///
    /// # Errors
    ///
    /// See [`EngineError`].
    pub fn prove_folded_circuit<C: Circuit<Fr>>(
        &self,
        (vk, bases): (&FoldedKey, &FoldedBases),
        pk: &ProvingKey<G1Affine>,
        circuit: &C,
        instances: &[Fr],
        rng: impl RngCore,
    ) -> Result<Vec<u8>, EngineError> {
        let columns = vec![instances; pk.get_vk().cs().num_instance_columns()];
        self.fold((vk, bases), pk, instances, rng, |state| {
            witness::run_circuit(state, circuit, &columns)
        })
    }

    fn fold<R: RngCore>(
        &self,
        (vk, bases): (&FoldedKey, &FoldedBases),
        pk: &ProvingKey<G1Affine>,
        instances: &[Fr],
        mut rng: R,
        witness: impl FnOnce(&mut State<'_, R>) -> Result<(), EngineError>,
    ) -> Result<Vec<u8>, EngineError> {
        let folded = vk.protocol();
        let protocol = folded.protocol();
        let cs = pk.get_vk().cs();
        self.check(pk, &vec![instances; cs.num_instance_columns()])?;
        let n = self.domain.size();
        let (k, needed, available) =
            (self.k(), folded.powers_needed(self.k()), self.srs.monomial.len());
        if needed > available {
            return Err(EngineError::StringTooShort { needed, available, k });
        }
        let mut transcript = Transcript::new(Vec::new());
        common(&mut transcript, vk.digest())?;
        for value in instances {
            common(&mut transcript, *value)?;
        }

        // Advice, phase by phase.
        let commit = |phase: u8, indices: &[usize], columns: &[Vec<Fr>]| {
            let column = |of| {
                let Commitment::Advice(of) = of else { return &[][..] };
                indices.iter().position(|index| *index == of).map_or(&[][..], |at| &columns[at][..])
            };
            let groups = folded.phases()[usize::from(phase)].iter();
            let groups: Result<Vec<G1>, EngineError> =
                self.pool.install(|| groups.map(|group| bases.commit(group, column)).collect());
            Ok(affine(groups?))
        };
        let mut state = AdviceState::new(self, cs, &mut rng, &mut transcript);
        state.blind_at_least(folded.blinding_rows());
        state.commit_by(&commit);
        self.options.enter(Stage::Witness(0))?;
        witness(&mut state)?;
        let mut advice = std::mem::take(&mut state.columns);
        let challenges: Vec<Fr> = state.challenges.iter().map(|c| c.unwrap_or(Fr::ZERO)).collect();
        let y = squeeze(&mut transcript);

        // To coefficients, then the quotient in one piece.
        self.options.enter(Stage::Quotient)?;
        let mut instance = Vec::new();
        if protocol.has_instances {
            instance = instances.to_vec();
            instance.resize(n, Fr::ZERO);
        }
        let mut quotient = self.pool.install(|| {
            let instances = instance.par_chunks_mut(n);
            advice
                .par_iter_mut()
                .map(Vec::as_mut_slice)
                .chain(instances)
                .for_each_init(Vec::new, |scratch, column| self.domain.inverse(column, scratch));
            let columns = Polynomials { pk, advice: &advice, instance: &instance };
            self.constraint_quotient(protocol, &columns, &challenges, y).concat()
        });
        // The degree of a constraint's quotient; the rest is zero.
        quotient.truncate(protocol.quotient_pieces * (n - 1));
        self.options.enter(Stage::QuotientCommitments)?;
        self.commit_to(&quotient, &mut transcript)?;
        let x = squeeze(&mut transcript);

        // Evaluations.
        self.options.enter(Stage::Evaluations)?;
        let point = |rotation: i32| x * rotate(self.domain.omega(), k, rotation);
        let column = |of: &Commitment| match of {
            Commitment::Advice(column) => &advice[*column][..],
            Commitment::Fixed(column) => &pk.fixed_polys()[*column][..],
            Commitment::Linearisation => &[],
        };
        let wanted: Vec<(&[Fr], Fr)> = folded
            .groups()
            .flat_map(|group| {
                let rotations = || group.rotations.iter();
                group.columns.iter().flat_map(move |of| rotations().map(move |at| (of, *at)))
            })
            .map(|(of, at)| (column(of), point(at)))
            .collect();
        let (values, instance_values): (Vec<Fr>, Vec<Fr>) = self.pool.install(|| {
            let at = |(polynomial, point): &(&[Fr], Fr)| evaluate(self.backend, polynomial, *point);
            let instances = protocol.instance_queries.iter();
            let instances = instances.map(|at| evaluate(self.backend, &instance, point(*at)));
            (wanted.par_iter().map(at).collect(), instances.collect())
        });
        for value in &values {
            transcript.write_scalar(*value)?;
        }

        // The linearisation.
        self.options.enter(Stage::Opening)?;
        let [advice_values, fixed_values] = folded.query_values(&values);
        let values_of = [&advice_values[..], &fixed_values, &instance_values];
        let linear = Linearisation::new(protocol, &challenges, y, values_of);
        let (mut terms, mut factors): (Vec<&[Fr]>, Vec<Fr>) =
            linear.secret.iter().map(|(at, b)| (&pk.fixed_polys()[*at][..], *b)).unzip();
        terms.push(&quotient);
        factors.push(Fr::ONE - x.pow_vartime([n as u64]));
        let mut linearisation = vec![Fr::ZERO; quotient.len().max(n)];
        self.pool
            .install(|| linear_combination(self.backend, &terms, &factors, &mut linearisation));

        // SHPLONK: Σ v^g·(F_g − R_g)/Z_g.
        let v = squeeze(&mut transcript);
        let mut opened: Vec<Opened> = Vec::new();
        let mut rest = &values[..];
        for group in folded.groups() {
            let (own, behind) = rest.split_at(group.num_values());
            rest = behind;
            let points: Vec<Fr> = group.rotations.iter().map(|at| point(*at)).collect();
            let columns: Vec<&[Fr]> = group.columns.iter().map(column).collect();
            opened.push(self.pool.install(|| Opened::new(&columns, &points, own))?);
        }
        let at_x =
            self.pool.install(|| Opened::new(&[&linearisation], &[x], &[-linear.constant]))?;
        opened.push(at_x);
        let powers: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |power| Some(*power * v))
            .take(opened.len())
            .collect();
        let length = opened.iter().map(|group| group.polynomial.len()).max().unwrap_or(n);
        let mut w = vec![Fr::ZERO; length];
        let quotients: Vec<&[Fr]> = opened.iter().map(|group| &group.quotient[..]).collect();
        self.pool.install(|| linear_combination(self.backend, &quotients, &powers, &mut w));
        self.commit_to(&w, &mut transcript)?;
        let u = squeeze(&mut transcript);

        let (mut factors, mut constant, mut first) = (Vec::new(), Fr::ZERO, None);
        let mut rest = &values[..];
        for (group, power) in folded.groups().zip(&powers) {
            let (own, behind) = rest.split_at(group.num_values());
            rest = behind;
            let remainder = Remainder::new(group, point, u);
            let vanishing = remainder.vanishing();
            let first = *first.get_or_insert(vanishing);
            let inverse = Option::<Fr>::from(vanishing.invert());
            let factor = *power * first * inverse.ok_or(EngineError::UnluckyChallenge)?;
            constant += factor * remainder.at_u(own).ok_or(EngineError::QueryCollision)?;
            factors.push(factor);
        }
        let first = first.unwrap_or(Fr::ONE);
        let inverse = Option::<Fr>::from((u - x).invert()).ok_or(EngineError::UnluckyChallenge)?;
        let factor = powers[factors.len()] * first * inverse;
        constant -= factor * linear.constant;
        factors.extend([factor, -first]);
        let mut slices: Vec<&[Fr]> = opened.iter().map(|group| &group.polynomial[..]).collect();
        slices.push(&w);
        let mut w_prime = vec![Fr::ZERO; length];
        self.pool.install(|| linear_combination(self.backend, &slices, &factors, &mut w_prime));
        w_prime[0] -= constant;
        divide_by_linear(&mut w_prime, u);
        self.commit_to(&w_prime, &mut transcript)?;
        Ok(transcript.finalize())
    }

    fn commit_to(
        &self,
        coefficients: &[Fr],
        transcript: &mut Transcript,
    ) -> Result<(), EngineError> {
        let commitments = self.pool.install(|| self.commit_coefficients([coefficients]));
        commitments.into_iter().try_for_each(|point| Ok(transcript.write_point(point)?))
    }
}

/// F and `(F − R)/Π_r (X^t − z_r)`, where `F = Σ X^i·f_i(X^t)`.
struct Opened {
    polynomial: Vec<Fr>,
    quotient: Vec<Fr>,
}

impl Opened {
    /// `values` of each column at all `points`. Divides column by column:
    /// F − R is `Σ X^i·(f_i − r_i)(X^t)` with r_i through the i-th column's values.
    fn new(columns: &[&[Fr]], points: &[Fr], values: &[Fr]) -> Result<Self, EngineError> {
        let quotients = columns
            .par_iter()
            .zip(values.par_chunks(points.len()))
            .map(|(column, values)| {
                let low = interpolate(points, values).ok_or(EngineError::QueryCollision)?;
                let mut quotient = column.to_vec();
                quotient.iter_mut().zip(low).for_each(|(coefficient, low)| *coefficient -= low);
                points.iter().for_each(|point| divide_by_linear(&mut quotient, *point));
                Ok(quotient)
            })
            .collect::<Result<Vec<_>, EngineError>>()?;
        let quotients: Vec<&[Fr]> = quotients.iter().map(Vec::as_slice).collect();
        Ok(Self { polynomial: interleave(columns), quotient: interleave(&quotients) })
    }
}

/// `Σ X^i·f_i(X^t)` for t polynomials of equal length.
fn interleave(columns: &[&[Fr]]) -> Vec<Fr> {
    let (fold, length) = (columns.len(), columns.iter().map(|c| c.len()).max().unwrap_or(0));
    let mut out = vec![Fr::ZERO; fold * length];
    for (i, column) in columns.iter().enumerate() {
        for (target, coefficient) in out.iter_mut().skip(i).step_by(fold).zip(*column) {
            *target = *coefficient;
        }
    }
    out
}
