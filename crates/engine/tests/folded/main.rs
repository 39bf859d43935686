//! Folding once more, straight from the formulas of docs/protocol.md: slow, on plain
//! polynomials, with τ in hand. The engine's folded proofs are its proofs, byte for byte,
//! and no cheat of its prover passes.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod privacy;

use common::polynomial::{Poly, add, at, divide_with_rest, gate, multiply, scale, vanishing};
use common::{Shape, Synthetic};
use ff::Field;
use group::Curve;
use halo2_proofs::arithmetic::lagrange_interpolate;
use halo2_proofs::plonk::{Expression, ProvingKey};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptWrite, TranscriptWriterBuffer,
};
use halo2curves::bn256::{Bn256, Fr, G1Affine};
use rand::{SeedableRng, rngs::StdRng};
use std::sync::Arc;
use verdict_engine::{Engine, EngineError, FoldedBases, Options};
use verdict_kzg::blinding::Blinding;
use verdict_kzg::field::{domain_generator, lagrange_basis, powers, rotate};
use verdict_kzg::folding::{FoldedKey, FoldedProtocol, read_folded, verify_folded};
use verdict_kzg::protocol::{Commitment, Protocol};
use verdict_kzg::transcript::{KeccakChallenge, KeccakTranscript};
use verdict_kzg::verify::{Linearisation, VerifyError};

const K: u32 = 5;
const N: usize = 1 << K;

struct Setup {
    params: ParamsKZG<Bn256>,
    engine: Engine,
    bases: FoldedBases,
    circuit: Synthetic,
    pk: ProvingKey<G1Affine>,
    vk: FoldedKey,
    tau: Fr,
}

fn shape(degree: usize, weights: usize) -> Shape {
    Shape { k: K, data: 3, products: 2, degree, weights, instances: 2, permuted: 0 }
}

/// Fixed columns are: active, public, then weights, the last `secret` of which are secret.
fn setup(shape: Shape, secret: usize, max_fold: usize, blinding: u64) -> Setup {
    let params = ParamsKZG::<Bn256>::setup(K + 3, StdRng::seed_from_u64(1));
    let options = Options { threads: 1, ..Options::default() };
    let columns: Vec<usize> = (2 + shape.weights - secret..2 + shape.weights).collect();
    let circuit = Synthetic::new(shape, 2);
    let engine = Engine::with_powers(&params, K, N, options.clone()).expect("engine");
    let unblinded = engine.keygen(&circuit, false).expect("keys");
    let cs = unblinded.get_vk().cs();
    let protocol = Arc::new(Protocol::new(cs, &columns).expect("linear"));
    let folded = Arc::new(FoldedProtocol::new(protocol.clone(), max_fold));
    let limit = N - folded.unusable_rows();
    let mut fixed: Vec<Vec<Fr>> =
        unblinded.fixed_values().iter().map(|column| column[..][..limit].to_vec()).collect();
    if secret > 0 {
        Blinding::random(&protocol, StdRng::seed_from_u64(blinding))
            .apply(&protocol, K, limit, &mut fixed)
            .expect("a free row");
    }
    let powers = folded.powers_needed(K);
    let engine = Engine::with_powers(&params, K, powers, options).expect("engine");
    let pk = engine.keygen_from(cs.clone(), fixed).expect("keys");
    let bases = FoldedBases::new(&engine, &params, &folded).expect("bases");
    let vk = engine.folded_key(folded, &bases, &pk).expect("a key");
    Setup { params, engine, bases, circuit, pk, vk, tau: Fr::random(StdRng::seed_from_u64(1)) }
}

/// Changes claimed values.
type Change<'a> = &'a dyn Fn(&mut Vec<Fr>);

/// What a dishonest prover does.
#[derive(Default)]
struct Cheat<'a> {
    /// Changes the values that the proof claims.
    values: Option<Change<'a>>,
    /// Adds to the coefficients of the first advice column.
    column: Poly,
    /// Folds one column more into the first group.
    wider: bool,
    /// Adds to the quotient once everything else of it is known, from x.
    quotient: Poly,
}

struct Textbook<'a> {
    setup: &'a Setup,
    transcript: KeccakTranscript<Vec<u8>>,
}

/// `Σ X^i·f_i(X^t)`.
fn fold(columns: &[&Poly]) -> Poly {
    let stretched = columns.iter().enumerate().map(|(i, column)| {
        let last = column.len().checked_sub(1).map(|last| i + columns.len() * last);
        let mut out = vec![Fr::ZERO; last.map_or(0, |last| last + 1)];
        for (j, c) in column.iter().enumerate() {
            out[i + columns.len() * j] = *c;
        }
        out
    });
    stretched.fold(vec![], |sum, p| add(&sum, &p))
}

impl Setup {
    fn instances(&self) -> Vec<Fr> {
        self.circuit.instances().concat()
    }

    fn verify(&self, proof: &[u8]) -> Result<(), VerifyError> {
        verify_folded(&self.vk, &self.params.s_g2(), &self.instances(), proof)
    }

    fn prove(&self, seed: u64) -> Vec<u8> {
        let (instances, rng) = (self.instances(), StdRng::seed_from_u64(seed));
        self.engine
            .prove_folded_circuit((&self.vk, &self.bases), &self.pk, &self.circuit, &instances, rng)
            .expect("a proof")
    }

    fn textbook(&self, seed: u64, cheat: &Cheat<'_>) -> Vec<u8> {
        let transcript = KeccakTranscript::new(Vec::new());
        Textbook { setup: self, transcript }.prove(StdRng::seed_from_u64(seed), cheat)
    }

    /// The cheat's proof is well formed and refused.
    fn refuses(&self, cheat: &Cheat<'_>) {
        let proof = self.textbook(0, cheat);
        assert!(matches!(self.verify(&proof), Err(VerifyError::Rejected)));
    }
}

impl Textbook<'_> {
    fn squeeze(&mut self) -> Fr {
        let challenge: KeccakChallenge = self.transcript.squeeze_challenge();
        challenge.get_scalar()
    }

    fn commit(&mut self, polynomial: &Poly) {
        let point = (G1Affine::generator() * at(polynomial, self.setup.tau)).to_affine();
        self.transcript.write_point(point).expect("written");
    }

    fn prove(mut self, mut rng: StdRng, cheat: &Cheat<'_>) -> Vec<u8> {
        let Setup { circuit, vk, pk, .. } = self.setup;
        let folded = vk.protocol();
        let protocol = folded.protocol();
        let (cs, omega, random) = (pk.get_vk().cs(), domain_generator(K), folded.unusable_rows());
        let instances = self.setup.instances();
        self.transcript.common_scalar(vk.digest()).expect("absorbed");
        instances.iter().for_each(|v| self.transcript.common_scalar(*v).expect("absorbed"));
        let domain = powers(Fr::ONE, omega, N);
        let mut advice: Vec<Poly> = Vec::new();
        let mut challenge = Fr::ZERO;
        let has_sum = circuit.shape.weights > 0;
        for phase in 0..1 + usize::from(has_sum) {
            let columns = match phase {
                0 => [circuit.data(), circuit.products()].concat(),
                _ => vec![circuit.sum(circuit.data(), challenge)],
            };
            let count = columns.len();
            for mut column in columns {
                column.resize(N, Fr::ZERO);
                column[N - random..].fill_with(|| Fr::random(&mut rng));
                advice.push(lagrange_interpolate(&domain, &column));
            }
            // The engine draws one number a column that no proof depends on.
            (0..count).for_each(|_| {
                let _ = Fr::random(&mut rng);
            });
            if phase == 0 {
                advice[0] = add(&advice[0], &cheat.column);
            }
            for (index, group) in folded.phases()[phase].iter().enumerate() {
                let column = |of: &Commitment| match of {
                    Commitment::Advice(column) => &advice[*column],
                    _ => unreachable!("a phase has advice only"),
                };
                let mut columns: Vec<&Poly> = group.columns.iter().map(column).collect();
                if cheat.wider && (phase, index) == (0, 0) {
                    columns.push(&advice[0]);
                }
                self.commit(&fold(&columns));
            }
            if phase == 0 && has_sum {
                challenge = self.squeeze();
            }
        }
        let y = self.squeeze();
        let mut column = instances.clone();
        column.resize(N, Fr::ZERO);
        let instance = lagrange_interpolate(&domain, &column);
        let fixed: Vec<Poly> = pk.fixed_polys().iter().map(|p| p[..].to_vec()).collect();

        // N and H, constraints with secret columns last.
        let is_secret = |e: &&Expression<Fr>| {
            let or = |a: bool, b: bool| a || b;
            let read = |kind, column, _| kind == 'f' && protocol.secret_columns.contains(&column);
            gate(e, &|_| false, &read, &or, &or)
        };
        let gates = cs.gates().iter().flat_map(|gate| gate.polynomials());
        let (last, first): (Vec<_>, Vec<_>) = gates.partition(is_secret);
        let gates = [first, last].concat();
        let turned = |p: &Poly, rotation: i32| -> Poly {
            let shift = powers(Fr::ONE, rotate(omega, K, rotation), p.len());
            p.iter().zip(shift).map(|(c, power)| *c * power).collect()
        };
        let read = |kind: char, column: usize, rotation: i32| match kind {
            'a' => turned(&advice[column], rotation),
            'f' => turned(&fixed[column], rotation),
            'i' => turned(&instance, rotation),
            _ => vec![challenge],
        };
        let numerator = gates.iter().fold(vec![], |sum, e| {
            let g = gate(e, &|v| vec![v], &read, &|a, b| add(&a, &b), &|a, b| multiply(&a, &b));
            add(&scale(&sum, y), &g)
        });
        let mut zero = vec![Fr::ZERO; N + 1];
        (zero[0], zero[N]) = (-Fr::ONE, Fr::ONE);
        let h = add(&divide_with_rest(&numerator, &zero).0, &cheat.quotient);
        self.commit(&h);

        // Values: every column of a group at every rotation of it.
        let x = self.squeeze();
        let point = |rotation: i32| x * rotate(omega, K, rotation);
        let polynomial = |of: &Commitment| match of {
            Commitment::Advice(column) => &advice[*column],
            Commitment::Fixed(column) => {
                assert!(!protocol.secret_columns.contains(column));
                &fixed[*column]
            }
            Commitment::Linearisation => unreachable!("in no group"),
        };
        let mut values = Vec::new();
        for group in folded.groups() {
            for of in &group.columns {
                values.extend(group.rotations.iter().map(|r| at(polynomial(of), point(*r))));
            }
        }
        if let Some(change) = cheat.values {
            change(&mut values);
        }
        values.iter().for_each(|value| self.transcript.write_scalar(*value).expect("written"));

        // What the gates say at x, with chosen values of the secret columns.
        let said = |chosen: Option<usize>| {
            let claimed = |of, rotation| values[folded.value_index(of, rotation).expect("opened")];
            let read = |kind: char, column: usize, rotation: i32| match kind {
                'f' if protocol.secret_columns.contains(&column) => {
                    Fr::from(u64::from(chosen == Some(column)))
                }
                'f' => claimed(Commitment::Fixed(column), rotation),
                'a' => claimed(Commitment::Advice(column), rotation),
                'i' => at(&instance, point(rotation)),
                _ => challenge,
            };
            let value = |e| gate(e, &|v| v, &read, &|a, b| a + b, &|a, b| a * b);
            gates.iter().fold(Fr::ZERO, |sum, e| sum * y + value(e))
        };
        let a = said(None);
        let mut l = scale(&h, Fr::ONE - x.pow_vartime([N as u64]));
        for s in &protocol.secret_columns {
            l = add(&l, &scale(&fixed[*s], said(Some(*s)) - a));
        }

        // SHPLONK: F_g, R_g and Z_g of every group, then the linearisation's.
        let v = self.squeeze();
        let mut rest = &values[..];
        let mut opened: Vec<(Poly, Poly, Poly)> = Vec::new();
        for group in folded.groups() {
            let (own, behind) = rest.split_at(group.columns.len() * group.rotations.len());
            rest = behind;
            let points: Vec<Fr> = group.rotations.iter().map(|r| point(*r)).collect();
            let columns: Vec<&Poly> = group.columns.iter().map(polynomial).collect();
            let lows: Vec<Poly> = own
                .chunks(points.len())
                .map(|values| lagrange_interpolate(&points, values))
                .collect();
            let none = vec![];
            let mut parts = vec![&none; columns.len()];
            let z = vanishing(&points);
            parts[0] = &z;
            opened.push((fold(&columns), fold(&lows.iter().collect::<Vec<_>>()), fold(&parts)));
        }
        opened.push((l, vec![-a], vec![-x, Fr::ONE]));
        let (mut w, mut power) = (vec![], Fr::ONE);
        for (f, r, z) in &opened {
            let q = divide_with_rest(&add(f, &scale(r, -Fr::ONE)), z).0;
            w = add(&w, &scale(&q, power));
            power *= v;
        }
        self.commit(&w);
        let u = self.squeeze();
        let first = at(&opened[0].2, u);
        let (mut rest, mut power) = (scale(&w, -first), Fr::ONE);
        for (f, r, z) in &opened {
            let weight = power * first * at(z, u).invert().expect("nonzero");
            rest = add(&rest, &scale(&add(f, &vec![-at(r, u)]), weight));
            power *= v;
        }
        self.commit(&divide_with_rest(&rest, &vec![-u, Fr::ONE]).0);
        self.transcript.finalize()
    }
}

#[test]
fn the_engines_folded_proofs_are_those_of_the_formulas() {
    for (degree, weights, secret, max_fold) in
        [(3, 1, 1, 8), (3, 3, 3, 2), (4, 2, 1, 5), (5, 2, 2, 1), (3, 0, 0, 3)]
    {
        let setup = setup(shape(degree, weights), secret, max_fold, 5);
        assert!(setup.vk.protocol().max_fold() <= max_fold);
        for seed in 0..2 {
            let proof = setup.prove(seed);
            assert_eq!(proof.len(), setup.vk.protocol().proof_length());
            setup.verify(&proof).expect("accepted");
            let expected = setup.textbook(seed, &Cheat::default());
            assert!(proof == expected, "degree {degree}, {secret} secret columns, {max_fold}");
        }
    }
}

fn small() -> Setup {
    setup(shape(3, 2), 2, 4, 5)
}

#[test]
fn a_folded_proof_has_one_point_a_group() {
    let setup = setup(shape(3, 2), 2, 16, 5);
    let folded = setup.vk.protocol();
    let unfolded = folded.protocol();
    assert!(folded.num_points() < unfolded.num_points());
    assert!(folded.multiplications() + 4 <= unfolded.multiplications());
}

#[test]
fn values_of_two_columns_or_two_rotations_do_not_change_places() {
    let setup = small();
    let folded = setup.vk.protocol();
    let group = folded.groups().find(|g| g.fold() > 1 && g.rotations.len() > 1);
    let group = group.expect("a group of several columns and rotations");
    let place = |column: usize, rotation: usize| {
        folded
            .value_index(group.columns[column], group.rotations[rotation])
            .expect("a value of the proof")
    };
    for (a, b) in [(place(0, 0), place(1, 0)), (place(0, 0), place(0, 1))] {
        setup.refuses(&Cheat { values: Some(&|values| values.swap(a, b)), ..Cheat::default() });
    }
}

/// Every value is bound, those included that no gate reads.
#[test]
fn no_value_can_be_chosen() {
    let setup = small();
    for index in 0..setup.vk.protocol().num_evaluations() {
        let change = |values: &mut Vec<Fr>| values[index] += Fr::ONE;
        setup.refuses(&Cheat { values: Some(&change), ..Cheat::default() });
    }
}

/// Within a group, a value moved from one column to the next so that the remainder stays
/// the same at the point u of another transcript.
#[test]
fn values_that_agree_at_an_old_challenge_are_refused() {
    let setup = small();
    let (folded, instances) = (setup.vk.protocol(), setup.instances());
    let honest = setup.textbook(0, &Cheat::default());
    let old = read_folded(&setup.vk, &instances, &honest).expect("a proof").u;
    let group = folded.groups().find(|group| group.fold() > 1).expect("a group");
    let place = |column: usize| {
        folded.value_index(group.columns[column], group.rotations[0]).expect("a value")
    };
    let change = |values: &mut Vec<Fr>| {
        values[place(0)] += old;
        values[place(1)] -= Fr::ONE;
    };
    setup.refuses(&Cheat { values: Some(&change), ..Cheat::default() });
    // The same words in the honest proof: each challenge after them is another.
    let start = 64 * (folded.num_points() - 2);
    let mut proof = honest.clone();
    let mut words: Vec<Fr> = read_folded(&setup.vk, &instances, &honest).expect("a proof").values;
    change(&mut words);
    for (index, word) in words.iter().enumerate() {
        let bytes = verdict_kzg::transcript::to_be_bytes(word);
        proof[start + 32 * index..][..32].copy_from_slice(&bytes);
    }
    assert!(matches!(setup.verify(&proof), Err(VerifyError::Rejected)));
}

#[test]
fn a_group_with_a_column_too_many_is_refused() {
    small().refuses(&Cheat { wider: true, ..Cheat::default() });
}

/// A column may have more coefficients than rows: what counts are its values on the rows.
#[test]
fn a_higher_degree_makes_no_false_statement_true() {
    let setup = small();
    let mut high = vec![Fr::ZERO; N + 1];
    high[N] = Fr::ONE;
    // X^n is 1 on every row: a false witness.
    setup.refuses(&Cheat { column: high.clone(), ..Cheat::default() });
    // X^n − 1 is 0 on every row: the same witness.
    high[0] = -Fr::ONE;
    let proof = setup.textbook(0, &Cheat { column: high, ..Cheat::default() });
    setup.verify(&proof).expect("the statement is true");
}

#[test]
fn another_quotient_is_refused() {
    let setup = small();
    for exponent in [0, N, 4 * N] {
        let mut quotient = vec![Fr::ZERO; exponent];
        quotient.push(Fr::ONE);
        setup.refuses(&Cheat { quotient, ..Cheat::default() });
    }
}

/// A point moved from a secret column's commitment to the quotient's, so that the
/// linearisation stays what it was under the old challenges.
#[test]
fn nothing_moves_between_a_secret_column_and_the_quotient() {
    let setup = small();
    let (folded, instances) = (setup.vk.protocol(), setup.instances());
    let proof = setup.prove(0);
    let read = read_folded(&setup.vk, &instances, &proof).expect("a proof");
    let [advice, fixed] = folded.query_values(&read.values);
    let at_x: Vec<Fr> = folded
        .protocol()
        .instance_queries
        .iter()
        .map(|rotation| {
            let basis = lagrange_basis(K, read.x * rotate(domain_generator(K), K, *rotation));
            instances.iter().zip(basis).map(|(value, weight)| *value * weight).sum()
        })
        .collect();
    let linear =
        Linearisation::new(folded.protocol(), &read.challenges, read.y, [&advice, &fixed, &at_x]);
    let scale = (read.x.pow_vartime([N as u64]) - Fr::ONE).invert().expect("x is no row");
    let shift = G1Affine::generator() * Fr::from(7);
    let mut secret = setup.vk.secret().to_vec();
    secret[0] = (shift + secret[0]).to_affine();
    let quotient = (shift * (linear.secret[0].1 * scale) + read.quotient).to_affine();
    let start = 64 * read.groups.len();
    let mut moved = proof.clone();
    moved[start..start + 64].copy_from_slice(&verdict_kzg::key::g1_bytes(&quotient));
    let other = FoldedKey::new(Arc::new(folded.clone()), K, setup.vk.groups().to_vec(), secret)
        .expect("key");
    for key in [&setup.vk, &other] {
        for proof in [&proof, &moved] {
            let verdict = verify_folded(key, &setup.params.s_g2(), &instances, proof);
            let honest = std::ptr::eq(key, &setup.vk) && !std::ptr::eq(proof, &moved);
            assert_eq!(verdict.is_ok(), honest);
        }
    }
}

#[test]
fn another_keys_secret_columns_and_other_instances_are_refused() {
    let (setup, other) = (small(), blinded_otherwise());
    assert_eq!(setup.vk.groups(), other.vk.groups());
    assert_ne!(setup.vk.secret(), other.vk.secret());
    let proof = setup.prove(0);
    assert!(matches!(other.verify(&proof), Err(VerifyError::Rejected)));
    let mut instances = setup.instances();
    instances[1] += Fr::ONE;
    let verdict = verify_folded(&setup.vk, &setup.params.s_g2(), &instances, &proof);
    assert!(matches!(verdict, Err(VerifyError::Rejected)));
}

/// The same model under another blinding.
fn blinded_otherwise() -> Setup {
    setup(shape(3, 2), 2, 4, 6)
}

/// Every word changed by one.
#[test]
fn every_word_of_a_folded_proof_counts() {
    let setup = small();
    let proof = setup.prove(0);
    for word in 0..proof.len() / 32 {
        let mut mutant = proof.clone();
        mutant[32 * word + 31] ^= 1;
        assert!(setup.verify(&mutant).is_err(), "word {word}");
    }
    assert!(matches!(setup.verify(&proof[32..]), Err(VerifyError::Length { .. })));
}

#[test]
fn groups_are_part_of_the_key() {
    let (setup, other) = (small(), setup(shape(3, 2), 2, 8, 5));
    assert_ne!(setup.vk.protocol().shape_id(), other.vk.protocol().shape_id());
    assert_ne!(setup.vk.digest(), other.vk.digest());
    let bytes = setup.vk.to_bytes();
    let protocol = Arc::new(setup.vk.protocol().clone());
    let read = FoldedKey::from_bytes(protocol.clone(), K, &bytes).expect("a key");
    assert_eq!(read.digest(), setup.vk.digest());
    assert!(FoldedKey::from_bytes(protocol.clone(), K + 1, &bytes).is_err());
    assert!(FoldedKey::from_bytes(protocol.clone(), K, &bytes[..bytes.len() - 1]).is_err());
    let mut off_curve = bytes;
    *off_curve.last_mut().expect("bytes") ^= 1;
    assert!(FoldedKey::from_bytes(protocol, K, &off_curve).is_err());
}

#[test]
fn a_string_too_short_is_said_in_words() {
    let setup = small();
    let folded = setup.vk.protocol();
    let short = ParamsKZG::<Bn256>::setup(K + 1, StdRng::seed_from_u64(1));
    let error = FoldedBases::new(&setup.engine, &short, folded).expect_err("too short");
    assert!(matches!(error, EngineError::StringTooShort { available, .. } if available == 2 * N));
    let needed = folded.powers_needed(K);
    assert!(error.to_string().contains(&format!("take {needed} powers")));
    assert!(Engine::with_powers(&short, K, needed, Options::default()).is_err());
    // An engine of too few powers, with bases that are long enough.
    let engine = Engine::with_powers(&short, K, N, Options::default()).expect("engine");
    let instances = setup.instances();
    let result = engine.prove_folded_circuit(
        (&setup.vk, &setup.bases),
        &setup.pk,
        &setup.circuit,
        &instances,
        StdRng::seed_from_u64(0),
    );
    assert!(matches!(result, Err(EngineError::StringTooShort { .. })));
}
