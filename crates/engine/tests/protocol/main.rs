//! Verdict's protocol once more, straight from the formulas of docs/protocol.md: slow, on
//! plain polynomials, with τ in hand. The engine's proofs are its proofs, byte for byte,
//! and no cheat of its prover passes.
#![allow(missing_docs)]

mod cheats;
#[path = "../common/mod.rs"]
mod common;
mod keys;
mod privacy;
mod textbook;

use common::{Shape, Synthetic};
use ff::Field;
use halo2_proofs::plonk::ProvingKey;
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2curves::bn256::{Bn256, Fr, G1Affine};
use rand::{SeedableRng, rngs::StdRng};
use std::sync::Arc;
use textbook::Cheat;
use verdict_engine::{Engine, FixedColumns, Options, SrsPoints};
use verdict_kzg::blinding::Blinding;
use verdict_kzg::key::VerifyingKey;
use verdict_kzg::protocol::{Opening, Protocol};
use verdict_kzg::verify::{VerifyError, verify};

const K: u32 = 5;
const N: usize = 1 << K;
/// Groups of some columns each, and single columns.
const OPENINGS: [Opening; 2] = [Opening::folded(4), Opening::COLUMNS];

struct Setup {
    params: ParamsKZG<Bn256>,
    engine: Engine,
    circuit: Synthetic,
    pk: ProvingKey<G1Affine>,
    fixed: FixedColumns,
    vk: VerifyingKey,
    tau: Fr,
}

fn shape(degree: usize, weights: usize) -> Shape {
    Shape { k: K, data: 3, products: 2, degree, weights, instances: 2, permuted: 0 }
}

/// Fixed columns are: active, public, then weights, the last `secret` of which are secret.
fn setup(shape: Shape, secret: usize, opening: Opening, blinding: u64) -> Setup {
    let params = ParamsKZG::<Bn256>::setup(K + 3, StdRng::seed_from_u64(1));
    let options = Options { threads: 1, ..Options::default() };
    let columns: Vec<usize> = (2 + shape.weights - secret..2 + shape.weights).collect();
    let circuit = Synthetic::new(shape, 2);
    let cs = common::constraint_system(&circuit);
    let protocol = Arc::new(Protocol::new(&cs, &columns, opening).expect("linear"));
    let points = SrsPoints::new(params.get_g(), K, &protocol).expect("long enough");
    let engine = Engine::from_points(&points, options).expect("engine");
    let unblinded = engine.keygen(&circuit, false).expect("keys");
    let limit = N - protocol.unusable_rows;
    let mut fixed: Vec<Vec<Fr>> =
        unblinded.fixed_values().iter().map(|column| column[..][..limit].to_vec()).collect();
    if secret > 0 {
        Blinding::random(&protocol, StdRng::seed_from_u64(blinding))
            .apply(&protocol, K, limit, &mut fixed)
            .expect("a free row");
    }
    let pk = engine.keygen_from(unblinded.get_vk().cs().clone(), fixed).expect("keys");
    let fixed = FixedColumns::from(&pk);
    let vk = engine.verifying_key(protocol, &fixed).expect("a key");
    let fixed = engine.prepare(fixed, vk.protocol()).expect("of its size");
    Setup { params, engine, circuit, pk, fixed, vk, tau: Fr::random(StdRng::seed_from_u64(1)) }
}

fn small(opening: Opening) -> Setup {
    setup(shape(3, 2), 2, opening, 5)
}

/// The same model under another blinding.
fn blinded_otherwise(opening: Opening) -> Setup {
    setup(shape(3, 2), 2, opening, 6)
}

impl Setup {
    fn instances(&self) -> Vec<Fr> {
        self.circuit.instances().concat()
    }

    fn verify(&self, proof: &[u8]) -> Result<(), VerifyError> {
        verify(&self.vk, &self.params.s_g2(), &self.instances(), proof)
    }

    fn prove(&self, seed: u64) -> Vec<u8> {
        let (instances, rng) = (self.instances(), StdRng::seed_from_u64(seed));
        self.engine
            .prove_circuit(&self.vk, &self.fixed, &self.circuit, &instances, rng)
            .expect("a proof")
    }

    fn textbook(&self, seed: u64, cheat: &Cheat<'_>) -> Vec<u8> {
        textbook::prove(self, StdRng::seed_from_u64(seed), cheat)
    }

    /// The cheat's proof is well formed and refused.
    fn refuses(&self, cheat: &Cheat<'_>) {
        let proof = self.textbook(0, cheat);
        assert!(matches!(self.verify(&proof), Err(VerifyError::Rejected)));
    }
}

#[test]
fn the_engines_proofs_are_those_of_the_formulas() {
    let folded = Opening::folded;
    for (degree, weights, secret, opening) in [
        (3, 1, 1, folded(8)),
        (3, 3, 3, folded(2)),
        (4, 2, 1, folded(5)),
        (5, 2, 2, folded(1)),
        (3, 0, 0, folded(3)),
        (3, 1, 1, Opening::COLUMNS),
        (4, 2, 1, Opening::COLUMNS),
        (5, 3, 3, Opening::COLUMNS),
        (3, 2, 0, Opening::COLUMNS),
        (3, 2, 2, Opening { max_fold: 3, whole_quotient: false }),
    ] {
        let setup = setup(shape(degree, weights), secret, opening, 5);
        assert!(setup.vk.protocol().max_fold() <= opening.max_fold);
        for seed in 0..2 {
            let proof = setup.prove(seed);
            assert_eq!(proof.len(), setup.vk.protocol().proof_length());
            setup.verify(&proof).expect("accepted");
            let expected = setup.textbook(seed, &Cheat::default());
            assert!(proof == expected, "degree {degree}, {secret} secret columns, {opening:?}");
        }
    }
}

#[test]
fn a_folded_proof_has_one_point_a_group() {
    let [folded, columns] = [Opening::folded(16), Opening::COLUMNS].map(small);
    let (folded, columns) = (folded.vk.protocol(), columns.vk.protocol());
    assert!(folded.num_points() < columns.num_points());
    assert!(folded.multiplications() + 4 <= columns.multiplications());
    assert!(columns.groups().all(|group| group.fold() == 1));
    assert_eq!(folded.unusable_rows, columns.unusable_rows);
}
