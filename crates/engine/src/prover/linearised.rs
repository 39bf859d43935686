//! Verdict's own protocol: secret columns and the quotient are not opened, one opening of
//! their linearisation takes their place; columns are committed to in groups.
//!
//! What is committed, drawn and opened when is read from [`Protocol`]; randomness is drawn
//! in this order: per phase the blinded rows of each column, then the blinds between the
//! quotient's pieces if there are several.

use super::advice::AdviceState;
use super::groups::{self, Combined, Turned};
use super::witness::{self, WitnessSource};
use crate::columns::{FixedColumn, FixedColumns};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::options::Stage;
use crate::poly::{evaluate, linear_combination};
use crate::quotient::expr::{Arena, Columns, Sum};
use crate::quotient::program::Program;
use crate::quotient::{Source, quotient};
use ff::Field;
use halo2_proofs::plonk::{Circuit, ConstraintSystem};
use halo2_proofs::transcript::{TranscriptWrite, TranscriptWriterBuffer};
use halo2curves::bn256::Fr;
use rand::RngCore;
use rayon::prelude::*;
use std::borrow::Cow;
use verdict_kzg::field::{powers, rotate};
use verdict_kzg::key::VerifyingKey;
use verdict_kzg::protocol::{ColumnId, Protocol};
use verdict_kzg::transcript::{KeccakChallenge, KeccakTranscript};
use verdict_kzg::verify::Linearisation;

type Transcript = KeccakTranscript<Vec<u8>>;
type State<'a, R> = AdviceState<'a, R, Transcript, KeccakChallenge>;

impl Engine {
    /// Proves what `source` gives as advice: the proof's bytes, for
    /// [`verdict_kzg::verify::verify`].
    ///
    /// `fixed` are the columns that `vk` is of. A witness that breaks a constraint gives a proof
    /// that is refused.
    ///
    /// # Errors
    ///
    /// See [`EngineError`].
    pub fn prove(
        &self,
        vk: &VerifyingKey,
        fixed: &FixedColumns,
        source: &mut dyn WitnessSource,
        instances: &[Fr],
        rng: impl RngCore,
    ) -> Result<Vec<u8>, EngineError> {
        self.prove_linearised(vk, fixed, instances, rng, |state| witness::run_source(state, source))
    }

    /// Like [`Self::prove`], with the advice that a circuit assigns.
    ///
    /// # Errors
    ///
    /// See [`EngineError`].
    pub fn prove_circuit<C: Circuit<Fr>>(
        &self,
        vk: &VerifyingKey,
        fixed: &FixedColumns,
        circuit: &C,
        instances: &[Fr],
        rng: impl RngCore,
    ) -> Result<Vec<u8>, EngineError> {
        let columns = vec![instances; fixed.cs.num_instance_columns()];
        self.prove_linearised(vk, fixed, instances, rng, |state| {
            witness::run_circuit(state, circuit, &columns)
        })
    }

    fn prove_linearised<R: RngCore>(
        &self,
        vk: &VerifyingKey,
        fixed: &FixedColumns,
        instances: &[Fr],
        mut rng: R,
        witness: impl FnOnce(&mut State<'_, R>) -> Result<(), EngineError>,
    ) -> Result<Vec<u8>, EngineError> {
        let protocol = vk.protocol();
        let cs = &fixed.cs;
        self.check(cs, fixed.k, &vec![instances; cs.num_instance_columns()])?;
        let (expected, got) = (protocol.num_fixed_columns, fixed.columns().len());
        if expected != got {
            return Err(EngineError::FixedColumns { expected, got });
        }
        self.check_string(protocol, protocol.advice_groups())?;
        let n = self.domain.size();
        let mut transcript = Transcript::new(Vec::new());
        common(&mut transcript, vk.digest())?;
        for value in instances {
            common(&mut transcript, *value)?;
        }

        // Advice, phase by phase.
        let commit = |phase: u8, indices: &[usize], columns: &[Vec<Fr>]| {
            let column = |of| {
                let ColumnId::Advice(of) = of else { return &[][..] };
                indices.iter().position(|index| *index == of).map_or(&[][..], |at| &columns[at][..])
            };
            self.commit_groups(&protocol.phases[usize::from(phase)].groups, column)
        };
        let mut state = AdviceState::new(self, cs, &mut rng, &mut transcript);
        state.commit_by(&commit);
        state.blind_at_least(protocol.unusable_rows);
        self.options.enter(Stage::Witness(0))?;
        witness(&mut state)?;
        let mut advice = std::mem::take(&mut state.columns);
        let challenges: Vec<Fr> = state.challenges.iter().map(|c| c.unwrap_or(Fr::ZERO)).collect();
        let y = squeeze(&mut transcript);

        // To coefficients, then the quotient.
        self.options.enter(Stage::Quotient)?;
        let mut instance = Vec::new();
        if protocol.has_instances {
            instance = instances.to_vec();
            instance.resize(n, Fr::ZERO);
        }
        // Secret columns, which are not opened, stay as they are.
        let fixed_polys: Vec<Cow<'_, [Fr]>> = self.pool.install(|| {
            let polynomial = |index| match &fixed.columns()[index] {
                FixedColumn::Values(_) if protocol.secret_columns.contains(&index) => {
                    Cow::Borrowed(&[][..])
                }
                _ => fixed.coefficients(self, index),
            };
            (0..fixed.columns().len()).into_par_iter().map(polynomial).collect()
        });
        let pieces = self.pool.install(|| {
            let instances = instance.par_chunks_mut(n);
            advice
                .par_iter_mut()
                .map(Vec::as_mut_slice)
                .chain(instances)
                .for_each_init(Vec::new, |scratch, column| self.domain.inverse(column, scratch));
            let fixed = fixed.columns().iter().zip(&fixed_polys);
            let fixed = fixed.map(|(column, polynomial)| match column {
                FixedColumn::Values(values) if polynomial.is_empty() => Source::Values(values),
                _ => Source::Coefficients(polynomial),
            });
            let fixed = fixed.collect();
            let columns = Polynomials { cs, fixed, advice: &advice, instance: &instance };
            self.constraint_quotient(protocol, columns, &challenges, y)
        });
        let pieces = match protocol.quotient_pieces {
            1 => {
                let mut whole = pieces.concat();
                // The degree of a constraint's quotient; the rest is zero.
                whole.truncate(protocol.quotient_degree * (n - 1));
                vec![whole]
            }
            _ => split(pieces, n, &mut rng),
        };
        self.options.enter(Stage::QuotientCommitments)?;
        let commitments =
            self.pool.install(|| self.commit_coefficients(pieces.par_iter().map(Vec::as_slice)));
        for commitment in commitments {
            transcript.write_point(commitment)?;
        }
        let x = squeeze(&mut transcript);

        // Evaluations.
        self.options.enter(Stage::Evaluations)?;
        let omega = self.domain.omega();
        let point = |rotation: i32| x * rotate(omega, self.k(), rotation);
        // f(ω^turn·X).
        let turned = self.pool.install(|| {
            Turned::new(protocol, |column, turn| {
                let factors = powers(Fr::ONE, rotate(omega, self.k(), turn), n);
                fixed_polys[column].iter().zip(factors).map(|(c, power)| c * power).collect()
            })
        });
        let column = |of: ColumnId| match of {
            ColumnId::Advice(column) => &advice[column][..],
            ColumnId::Fixed(column, 0) => &fixed_polys[column][..],
            ColumnId::Fixed(column, turn) => turned.get(column, turn),
        };
        let opened = protocol.groups().flat_map(|group| {
            let rotations = group.rotations.iter();
            group.columns.iter().flat_map(move |of| rotations.clone().map(move |at| (*of, *at)))
        });
        let opened: Vec<(&[Fr], Fr)> = opened.map(|(of, at)| (column(of), point(at))).collect();
        let (values, instance_values): (Vec<Fr>, Vec<Fr>) = self.pool.install(|| {
            let at = |(polynomial, point): &(&[Fr], Fr)| evaluate(self.backend, polynomial, *point);
            let instances = protocol.instance_queries.iter();
            let instances = instances.map(|at| evaluate(self.backend, &instance, point(*at)));
            (opened.par_iter().map(at).collect(), instances.collect())
        });
        for value in &values {
            transcript.write_scalar(*value)?;
        }

        // The linearisation.
        self.options.enter(Stage::Opening)?;
        let [advice_values, fixed_values] = protocol.query_values(&values);
        let query_values = [&advice_values[..], &fixed_values, &instance_values];
        let linear = Linearisation::new(protocol, &challenges, y, query_values);
        let x_to_n = x.pow_vartime([n as u64]);
        let step = x_to_n * x.invert().unwrap_or(Fr::ZERO);
        let secret = self.pool.install(|| {
            let terms = linear.secret.iter().map(|(at, b)| (fixed.values(self, *at), *b));
            let (columns, factors): (Vec<_>, Vec<Fr>) = terms.unzip();
            let columns: Vec<&[Fr]> = columns.iter().map(|column| &column[..]).collect();
            let mut sum = vec![Fr::ZERO; n];
            linear_combination(self.backend, &columns, &factors, &mut sum);
            self.domain.inverse(&mut sum, &mut Vec::new());
            sum
        });
        let (mut terms, mut factors) = (vec![&secret[..]], vec![Fr::ONE]);
        let mut factor = Fr::ONE - x_to_n;
        for piece in &pieces {
            terms.push(piece);
            factors.push(factor);
            factor *= step;
        }
        let length = pieces.iter().map(Vec::len).max().unwrap_or(n).max(n);
        let mut linearisation = vec![Fr::ZERO; length];
        self.pool
            .install(|| linear_combination(self.backend, &terms, &factors, &mut linearisation));
        drop(terms);
        drop(pieces);

        // SHPLONK: classes of groups, then the linearisation.
        let v = squeeze(&mut transcript);
        let combined = self.pool.install(|| {
            let mut combined = groups::combine(self.backend, protocol, column, &values, v);
            let power = v.pow_vartime([protocol.groups().count() as u64]);
            combined.push(Combined::of_one(linearisation, power, -linear.constant));
            combined
        });
        let points = protocol.classes.iter().map(|class| class.rotations.clone()).chain([vec![0]]);
        let points: Vec<Vec<Fr>> =
            points.map(|rotations| rotations.into_iter().map(point).collect()).collect();
        let w = self.pool.install(|| groups::quotient(self.backend, &combined, &points))?;
        self.commit_to(&w, &mut transcript)?;
        let u = squeeze(&mut transcript);
        let w_prime =
            self.pool.install(|| groups::opening(self.backend, &combined, &points, &w, u))?;
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

    /// The pieces of `Σ y^(m−1−j)·g_j / (X^n − 1)`, each of n coefficients.
    fn constraint_quotient(
        &self,
        protocol: &Protocol,
        polynomials: Polynomials<'_>,
        challenges: &[Fr],
        y: Fr,
    ) -> Vec<Vec<Fr>> {
        let Polynomials { cs, fixed: mut columns, advice, instance } = polynomials;
        let advice_at = columns.len();
        columns.extend(advice.iter().map(|column| Source::Coefficients(column)));
        let instance_at = columns.len();
        if !instance.is_empty() {
            columns.push(Source::Coefficients(instance));
        }
        let layout = Columns { fixed: 0, advice: advice_at, instance: instance_at };

        let gates: Vec<_> = cs.gates().iter().flat_map(|gate| gate.polynomials()).collect();
        let mut arena = Arena::default();
        let mut total = Sum::default();
        let mut power = Fr::ONE;
        for constraint in protocol.constraints.iter().rev() {
            let gate = arena.convert(gates[constraint.position], &layout, challenges);
            total = total.add_scaled(&gate, power);
            power *= y;
        }
        let total = arena.group(total);
        let total = arena.intern(total);
        let program = Program::new(&arena, total, columns.len(), self.backend);
        let pieces = protocol.quotient_degree;
        quotient(self.backend, &self.domain, &program, &columns, pieces)
    }
}

/// All columns.
struct Polynomials<'a> {
    cs: &'a ConstraintSystem<Fr>,
    fixed: Vec<Source<'a>>,
    /// Coefficients.
    advice: &'a [Vec<Fr>],
    instance: &'a [Fr],
}

/// Splits the quotient `Σ X^(i·n)·pieces_i` into `Σ X^(i·(n−1))·H_i`. A quotient of degree
/// d gates has (d−1)(n−1) coefficients, so each H_i takes n−1 and has one more to spare:
/// a random multiple of `X^(n−1)` is added to each and taken from the next, which makes
/// all commitments but one uniformly random, and that one what the sum demands.
fn split(pieces: Vec<Vec<Fr>>, n: usize, mut rng: impl RngCore) -> Vec<Vec<Fr>> {
    let count = pieces.len();
    let coefficients = pieces.concat();
    let mut split: Vec<Vec<Fr>> = coefficients
        .chunks(n - 1)
        .take(count)
        .map(|chunk| {
            let mut piece = chunk.to_vec();
            piece.resize(n, Fr::ZERO);
            piece
        })
        .collect();
    for index in 1..count {
        let blind = Fr::random(&mut rng);
        split[index - 1][n - 1] += blind;
        split[index][0] -= blind;
    }
    split
}

fn common(transcript: &mut Transcript, value: Fr) -> Result<(), EngineError> {
    use halo2_proofs::transcript::Transcript as _;
    Ok(transcript.common_scalar(value)?)
}

fn squeeze(transcript: &mut Transcript) -> Fr {
    use halo2_proofs::transcript::{EncodedChallenge as _, Transcript as _};
    transcript.squeeze_challenge().get_scalar()
}
