//! The protocol once more, straight from the formulas of docs/protocol.md: slow, on plain
//! polynomials, with τ in hand. The engine's proofs are its proofs, byte for byte.
#![allow(missing_docs)]

mod common;

use common::polynomial::{Poly, add, at, divide, gate, multiply, scale, vanishing};
use common::{Shape, Synthetic};
use ff::Field;
use group::Curve;
use halo2_proofs::arithmetic::lagrange_interpolate;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptWrite, TranscriptWriterBuffer,
};
use halo2curves::bn256::{Bn256, Fr, G1Affine};
use rand::{SeedableRng, rngs::StdRng};
use std::sync::Arc;
use verdict_engine::{Engine, Options};
use verdict_kzg::field::{domain_generator, powers, rotate};
use verdict_kzg::key::VerifyingKey;
use verdict_kzg::protocol::Protocol;
use verdict_kzg::transcript::{KeccakChallenge, KeccakTranscript};
use verdict_kzg::verify::verify;

struct Textbook<'a> {
    k: u32,
    tau: Fr,
    cs: &'a ConstraintSystem<Fr>,
    secret: &'a [usize],
    fixed: Vec<Poly>,
    transcript: KeccakTranscript<Vec<u8>>,
}

impl Textbook<'_> {
    fn squeeze(&mut self) -> Fr {
        let challenge: KeccakChallenge = self.transcript.squeeze_challenge();
        challenge.get_scalar()
    }

    fn commit(&mut self, polynomial: &Poly) {
        assert!(polynomial.len() <= 1 << self.k, "degree above the bound");
        let point = (G1Affine::generator() * at(polynomial, self.tau)).to_affine();
        self.transcript.write_point(point).expect("written");
    }

    fn interpolate(&self, values: &[Fr]) -> Poly {
        lagrange_interpolate(&powers(Fr::ONE, domain_generator(self.k), values.len()), values)
    }

    /// All gates, those that read a secret column last.
    fn gates(&self) -> Vec<Expression<Fr>> {
        let gates = self.cs.gates().iter().flat_map(|gate| gate.polynomials()).cloned();
        let secret = |e: &Expression<Fr>| {
            let or = |a: bool, b: bool| a || b;
            let read = |kind, column, _| kind == 'f' && self.secret.contains(&column);
            gate(e, &|_| false, &read, &or, &or)
        };
        let (last, first): (Vec<_>, Vec<_>) = gates.partition(secret);
        [first, last].concat()
    }

    fn prove(mut self, digest: Fr, circuit: &Synthetic, mut rng: StdRng, random: usize) -> Vec<u8> {
        let (n, omega) = (1usize << self.k, domain_generator(self.k));
        let instances = circuit.instances().concat();
        self.transcript.common_scalar(digest).expect("absorbed");
        instances.iter().for_each(|v| self.transcript.common_scalar(*v).expect("absorbed"));
        let mut advice = Vec::new();
        let mut commit_phase = |this: &mut Self, columns: Vec<Vec<Fr>>| {
            let count = columns.len();
            for mut column in columns {
                column.resize(n, Fr::ZERO);
                column[n - random..].fill_with(|| Fr::random(&mut rng));
                advice.push(this.interpolate(&column));
            }
            // The engine draws one number a column that no proof depends on.
            (0..count).for_each(|_| {
                let _ = Fr::random(&mut rng);
            });
            for column in &advice[advice.len() - count..] {
                this.commit(column);
            }
        };
        commit_phase(&mut self, [circuit.data(), circuit.products()].concat());
        let challenge = self.squeeze();
        commit_phase(&mut self, vec![circuit.sum(circuit.data(), challenge)]);
        let y = self.squeeze();
        let mut column = instances.clone();
        column.resize(n, Fr::ZERO);
        let instance = self.interpolate(&column);

        // N and H.
        let gates = self.gates();
        let turned = |p: &Poly, rotation: i32| -> Poly {
            let shift = powers(Fr::ONE, rotate(omega, self.k, rotation), p.len());
            p.iter().zip(shift).map(|(c, power)| *c * power).collect()
        };
        let read = |kind: char, column: usize, rotation: i32| match kind {
            'a' => turned(&advice[column], rotation),
            'f' => turned(&self.fixed[column], rotation),
            'i' => turned(&instance, rotation),
            _ => vec![challenge],
        };
        let numerator = gates.iter().fold(vec![], |sum, e| {
            let g = gate(e, &|v| vec![v], &read, &|a, b| add(&a, &b), &|a, b| multiply(&a, &b));
            add(&scale(&sum, y), &g)
        });
        let mut domain = vec![Fr::ZERO; n + 1];
        (domain[0], domain[n]) = (-Fr::ONE, Fr::ONE);
        let mut h = divide(&numerator, &domain);
        let count = self.cs.degree() - 1;
        while h.len() > count * (n - 1) {
            assert_eq!(h.pop(), Some(Fr::ZERO), "the quotient's degree");
        }
        h.resize(count * (n - 1), Fr::ZERO);
        let mut pieces: Vec<Poly> = h.chunks(n - 1).map(<[Fr]>::to_vec).collect();
        for i in 1..count {
            let blind = Fr::random(&mut rng);
            pieces[i - 1].push(blind);
            pieces[i][0] -= blind;
        }
        pieces.iter().for_each(|piece| self.commit(piece));

        // Values, and the linearisation.
        let x = self.squeeze();
        let k = self.k;
        let point = |rotation: i32| x * rotate(omega, k, rotation);
        let fixed = self.fixed.clone();
        let queries: Vec<(&Poly, char, usize, i32)> = {
            let of = |(c, r): (usize, i32)| (&advice[c], 'a', c, r);
            let advice = self.cs.advice_queries().iter().map(|(c, r)| (c.index(), r.0)).map(of);
            let structural = self.cs.fixed_queries().iter().map(|(c, r)| (c.index(), r.0));
            let structural = structural.filter(|(c, _)| !self.secret.contains(c));
            advice.chain(structural.map(|(c, r)| (&fixed[c], 'f', c, r))).collect()
        };
        let values: Vec<Fr> = queries.iter().map(|(p, _, _, r)| at(p, point(*r))).collect();
        values.iter().for_each(|value| self.transcript.write_scalar(*value).expect("written"));
        // Σ y^… g_j at x with chosen values of the secret columns.
        let folded = |chosen: Option<usize>| {
            let read = |kind: char, column: usize, rotation: i32| match kind {
                'f' if self.secret.contains(&column) => Fr::from(u64::from(chosen == Some(column))),
                'f' => at(&self.fixed[column], point(rotation)),
                'a' => at(&advice[column], point(rotation)),
                'i' => at(&instance, point(rotation)),
                _ => challenge,
            };
            let value = |e| gate(e, &|v| v, &read, &|a, b| a + b, &|a, b| a * b);
            gates.iter().fold(Fr::ZERO, |sum, e| sum * y + value(e))
        };
        let a = folded(None);
        let mut l = self
            .secret
            .iter()
            .fold(vec![], |sum, s| add(&sum, &scale(&self.fixed[*s], folded(Some(*s)) - a)));
        let mut factor = Fr::ONE - x.pow_vartime([n as u64]);
        for piece in &pieces {
            l = add(&l, &scale(piece, factor));
            factor *= x.pow_vartime([n as u64 - 1]);
        }
        assert_eq!(at(&l, x), -a);

        // SHPLONK.
        let (opening_y, v) = (self.squeeze(), self.squeeze());
        let mut opened: Vec<(char, usize, &Poly, Vec<i32>)> = Vec::new();
        for (polynomial, kind, column, rotation) in queries.into_iter().chain([(&l, 'l', 0, 0)]) {
            match opened.iter_mut().find(|(k, c, ..)| (*k, *c) == (kind, column)) {
                Some((.., rotations)) => rotations.push(rotation),
                None => opened.push((kind, column, polynomial, vec![rotation])),
            }
        }
        let mut sets: Vec<(Vec<i32>, Vec<&Poly>)> = Vec::new();
        for (.., polynomial, mut rotations) in opened {
            rotations.sort_unstable();
            match sets.iter_mut().find(|(known, _)| *known == rotations) {
                Some((_, members)) => members.push(polynomial),
                None => sets.push((rotations, vec![polynomial])),
            }
        }
        let (mut w, mut parts, mut power_of_v) = (vec![], Vec::new(), Fr::ONE);
        for (rotations, members) in &sets {
            let points: Vec<Fr> = rotations.iter().map(|r| point(*r)).collect();
            let f = members.iter().rev().fold(vec![], |sum, p| add(&scale(&sum, opening_y), p));
            let values: Vec<Fr> = points.iter().map(|p| at(&f, *p)).collect();
            let r = lagrange_interpolate(&points, &values);
            let q = divide(&add(&f, &scale(&r, -Fr::ONE)), &vanishing(&points));
            w = add(&w, &scale(&q, power_of_v));
            parts.push((points, f, r, power_of_v));
            power_of_v *= v;
        }
        self.commit(&w);
        let u = self.squeeze();
        let first = at(&vanishing(&parts[0].0), u);
        let mut rest = scale(&w, -first);
        for (points, f, r, power) in &parts {
            let weight = *power * first * at(&vanishing(points), u).invert().expect("nonzero");
            rest = add(&rest, &scale(&add(f, &vec![-at(r, u)]), weight));
        }
        self.commit(&divide(&rest, &vec![-u, Fr::ONE]));
        self.transcript.finalize()
    }
}

#[test]
fn the_engines_proofs_are_those_of_the_formulas() {
    for (degree, weights, secret) in [(3, 1, 1), (3, 3, 3), (4, 2, 1), (5, 2, 2), (3, 2, 0)] {
        let shape =
            Shape { k: 6, data: 3, products: 2, degree, weights, instances: 2, permuted: 0 };
        let params = ParamsKZG::<Bn256>::setup(6, StdRng::seed_from_u64(1));
        let circuit = Synthetic::new(shape, 2);
        let engine = Engine::new(&params, Options::default()).expect("engine");
        let pk = engine.keygen(&circuit, false).expect("keys");
        let cs = pk.get_vk().cs();
        let secret: Vec<usize> = (2 + weights - secret..2 + weights).collect();
        let protocol = Arc::new(Protocol::new(cs, &secret).expect("linear"));
        let commitments = pk.get_vk().fixed_commitments().clone();
        let vk = VerifyingKey::new(protocol.clone(), 6, commitments).expect("a key");
        let instances = circuit.instances().concat();
        for seed in 0..2 {
            let rng = StdRng::seed_from_u64(seed);
            let proof =
                engine.prove_circuit(&vk, &pk, &circuit, &instances, rng.clone()).expect("a proof");
            verify(&vk, &params.s_g2(), &instances, &proof).expect("accepted");
            let textbook = Textbook {
                k: 6,
                tau: Fr::random(StdRng::seed_from_u64(1)),
                cs,
                secret: &secret,
                fixed: pk.fixed_polys().iter().map(|p| p[..].to_vec()).collect(),
                transcript: KeccakTranscript::new(Vec::new()),
            };
            let expected = textbook.prove(vk.digest(), &circuit, rng, protocol.unusable_rows);
            assert!(proof == expected, "degree {degree}, {} secret columns", secret.len());
        }
    }
}
