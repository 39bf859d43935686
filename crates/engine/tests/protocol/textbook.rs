//! The prover of the formulas, and its cheats.

use super::common::polynomial::{
    Poly, add, at, divide_with_rest, gate, multiply, scale, vanishing,
};
use super::{K, N, Setup};
use ff::Field;
use group::Curve;
use halo2_proofs::arithmetic::lagrange_interpolate;
use halo2_proofs::plonk::Expression;
use halo2_proofs::transcript::{
    EncodedChallenge, Transcript, TranscriptWrite, TranscriptWriterBuffer,
};
use halo2curves::bn256::{Fr, G1Affine};
use rand::rngs::StdRng;
use verdict_kzg::field::{domain_generator, powers, rotate};
use verdict_kzg::protocol::ColumnId;
use verdict_kzg::transcript::{KeccakChallenge, KeccakTranscript};

/// Changes claimed values.
pub(super) type Change<'a> = &'a dyn Fn(&mut Vec<Fr>);

/// What a dishonest prover does.
#[derive(Default)]
pub(super) struct Cheat<'a> {
    /// Changes the values that the proof claims.
    pub(super) values: Option<Change<'a>>,
    /// Adds to the coefficients of the first advice column.
    pub(super) column: Poly,
    /// Folds one column more into the first group.
    pub(super) wider: bool,
    /// Adds to the quotient once everything else of it is known, from x.
    pub(super) quotient: Poly,
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

/// A proof of the setup's circuit.
pub(super) fn prove(setup: &Setup, rng: StdRng, cheat: &Cheat<'_>) -> Vec<u8> {
    Textbook { setup, transcript: KeccakTranscript::new(Vec::new()) }.prove(rng, cheat)
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
        let protocol = vk.protocol();
        let (cs, omega, random) = (pk.get_vk().cs(), domain_generator(K), protocol.unusable_rows);
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
            for (index, group) in protocol.phases[phase].groups.iter().enumerate() {
                let column = |of: &ColumnId| match of {
                    ColumnId::Advice(column) => &advice[*column],
                    ColumnId::Fixed(..) => unreachable!("a phase has advice only"),
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
        let mut h = add(&divide_with_rest(&numerator, &zero).0, &cheat.quotient);
        let mut pieces = vec![h.clone()];
        if protocol.quotient_pieces > 1 {
            h.resize(h.len().max(protocol.quotient_pieces * (N - 1)), Fr::ZERO);
            pieces = h.chunks(N - 1).map(<[Fr]>::to_vec).collect();
            let rest = pieces.split_off(protocol.quotient_pieces);
            for i in 1..pieces.len() {
                let blind = Fr::random(&mut rng);
                pieces[i - 1].push(blind);
                pieces[i][0] -= blind;
            }
            // A cheat's higher coefficients.
            let last = pieces.last_mut().expect("a piece");
            last.resize(N - 1, Fr::ZERO);
            last.extend(rest.concat());
        }
        pieces.iter().for_each(|piece| self.commit(piece));

        // Values: every column of a group at every rotation of it.
        let x = self.squeeze();
        let point = |rotation: i32| x * rotate(omega, K, rotation);
        let polynomial = |of: &ColumnId| match of {
            ColumnId::Advice(column) => advice[*column].clone(),
            ColumnId::Fixed(column, turn) => {
                assert!(!protocol.secret_columns.contains(column));
                turned(&fixed[*column], *turn)
            }
        };
        let mut values = Vec::new();
        for group in protocol.groups() {
            for of in &group.columns {
                values.extend(group.rotations.iter().map(|r| at(&polynomial(of), point(*r))));
            }
        }
        if let Some(change) = cheat.values {
            change(&mut values);
        }
        values.iter().for_each(|value| self.transcript.write_scalar(*value).expect("written"));

        // What the gates say at x, with chosen values of the secret columns.
        let said = |chosen: Option<usize>| {
            let claimed =
                |of, rotation| values[protocol.value_index(of, rotation).expect("opened")];
            let read = |kind: char, column: usize, rotation: i32| match kind {
                'f' if protocol.secret_columns.contains(&column) => {
                    Fr::from(u64::from(chosen == Some(column)))
                }
                'f' => claimed(ColumnId::Fixed(column, 0), rotation),
                'a' => claimed(ColumnId::Advice(column), rotation),
                'i' => at(&instance, point(rotation)),
                _ => challenge,
            };
            let value = |e| gate(e, &|v| v, &read, &|a, b| a + b, &|a, b| a * b);
            gates.iter().fold(Fr::ZERO, |sum, e| sum * y + value(e))
        };
        let a = said(None);
        let (mut l, mut factor) = (vec![], Fr::ONE - x.pow_vartime([N as u64]));
        for piece in &pieces {
            l = add(&l, &scale(piece, factor));
            factor *= x.pow_vartime([N as u64 - 1]);
        }
        for s in &protocol.secret_columns {
            l = add(&l, &scale(&fixed[*s], said(Some(*s)) - a));
        }

        // SHPLONK: F_g, R_g and Z_g of every group, class by class, then the linearisation's.
        let v = self.squeeze();
        let mut rest = &values[..];
        let mut of_groups: Vec<(Poly, Poly, Poly)> = Vec::new();
        for group in protocol.groups() {
            let (own, behind) = rest.split_at(group.columns.len() * group.rotations.len());
            rest = behind;
            let points: Vec<Fr> = group.rotations.iter().map(|r| point(*r)).collect();
            let columns: Vec<Poly> = group.columns.iter().map(polynomial).collect();
            let columns: Vec<&Poly> = columns.iter().collect();
            let lows: Vec<Poly> = own
                .chunks(points.len())
                .map(|values| lagrange_interpolate(&points, values))
                .collect();
            let none = vec![];
            let mut parts = vec![&none; columns.len()];
            let z = vanishing(&points);
            parts[0] = &z;
            of_groups.push((fold(&columns), fold(&lows.iter().collect::<Vec<_>>()), fold(&parts)));
        }
        let order = protocol.classes.iter().flat_map(|class| &class.groups);
        let mut opened: Vec<_> = order.map(|index| of_groups[*index].clone()).collect();
        assert_eq!(opened.len(), of_groups.len());
        opened.push((l, vec![-a], vec![-x, Fr::ONE]));
        let (mut w, mut power) = (vec![], Fr::ONE);
        for (f, r, z) in &opened {
            let q = divide_with_rest(&add(f, &scale(r, -Fr::ONE)), z).0;
            w = add(&w, &scale(&q, power));
            power *= v;
        }
        self.commit(&w);
        let u = self.squeeze();
        let (mut rest, mut power) = (scale(&w, -Fr::ONE), Fr::ONE);
        for (f, r, z) in &opened {
            let weight = power * at(z, u).invert().expect("nonzero");
            rest = add(&rest, &scale(&add(f, &vec![-at(r, u)]), weight));
            power *= v;
        }
        self.commit(&divide_with_rest(&rest, &vec![-u, Fr::ONE]).0);
        self.transcript.finalize()
    }
}
