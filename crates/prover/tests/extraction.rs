//! The attack on the weights that opening them allows: a column that is the same in every
//! proof can be interpolated from as many proofs as it has rows. So many of the logistic
//! example with private inputs, all by one key, and some to tell by whether it worked; with
//! `EXTRACTION_PROOFS` as many as it says.

use std::path::Path;

use halo2_proofs::arithmetic::lagrange_interpolate;
use halo2curves::bn256::Fr;
use rand::{Rng, SeedableRng, rngs::StdRng};
use verdict_engine::Options;
use verdict_kzg::{
    field::{domain_generator, rotate},
    protocol::ColumnId,
    verify::read_proof,
};
use verdict_prover::{
    keys::{Keys, engine, protocol},
    onnx::{self, LoadOptions},
    plan::{Objective, Plan, PlanOptions, srs_k},
    prove::prove,
    samples::{InputTensor, read_ranges},
    srs::Srs,
};

/// Proofs beyond the rows of a column.
const SURPLUS: usize = 16;

/// The column whose values at those points these are, if `rows` of them give it and it
/// explains the others too.
fn extract(openings: &[(Fr, Fr)], rows: usize) -> Option<Vec<Fr>> {
    let (points, values): (Vec<Fr>, Vec<Fr>) = openings[..rows].iter().copied().unzip();
    let column = lagrange_interpolate(&points, &values);
    let at = |point: Fr| column.iter().rev().fold(Fr::zero(), |sum, c| sum * point + c);
    openings[rows..].iter().all(|(point, value)| at(*point) == *value).then_some(column)
}

#[test]
fn more_proofs_than_rows_give_away_no_column_of_weights_in_either_opening() {
    let asked = std::env::var("EXTRACTION_PROOFS").ok();
    let asked: Option<usize> = asked.map(|count| count.parse().expect("a number of proofs"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/credit");
    let graph = onnx::load(&folder.join("logistic.onnx"), &LoadOptions::default()).expect("read");
    let (ranges, _) =
        read_ranges(&folder.join("ranges.json"), &InputTensor::of(&graph)).expect("ranges");
    for objective in [Objective::Time, Objective::Balanced] {
        let options = PlanOptions { objective, ..PlanOptions::default() };
        let Plan { shape, opening, k, quantized, .. } =
            Plan::new(&graph, &ranges, &options).expect("a plan");
        let proofs = asked.unwrap_or(SURPLUS + (1 << k));
        assert!(!shape.public_inputs && proofs > 1 << k, "2^{k} rows");
        let protocol = protocol(&shape, opening).expect("supported");
        assert_eq!(protocol.max_fold() > 1, objective == Objective::Balanced);
        let mut rng = StdRng::seed_from_u64(1);
        let srs = Srs::development_from_seed(srs_k(&protocol, k), [1; 32]).expect("a string");
        let engine = engine(&srs, &protocol, k, None, Options::default()).expect("an engine");
        let keys = Keys::new(&engine, quantized.graph, (shape, opening), &mut rng).expect("keys");

        let mut openings = Vec::new();
        for _ in 0..proofs {
            let largest = (1 << quantized.input.bits) - 1;
            let inputs: Vec<i64> =
                quantized.input.ranges.iter().map(|_| rng.gen_range(0..=largest)).collect();
            let proof = prove(&engine, &keys, &inputs, &[7; 32], &mut rng).expect("a proof");
            let read = read_proof(keys.verifying(), &proof.instances, &proof.bytes);
            let read = read.expect("its values");
            openings.push((read.challenges.x, read.values));
        }

        let (mut structural, mut private) = (0, 0);
        for group in protocol.groups() {
            for (column, rotation) in
                group.columns.iter().flat_map(|c| group.rotations.iter().map(move |r| (*c, *r)))
            {
                let index = protocol.value_index(column, rotation).expect("a value");
                let turn = rotate(domain_generator(k), k, rotation);
                let of: Vec<(Fr, Fr)> =
                    openings.iter().map(|(x, values)| (*x * turn, values[index])).collect();
                match (column, extract(&of, 1 << k)) {
                    (ColumnId::Fixed(column, _), Some(_)) => {
                        assert!(!protocol.secret_columns.contains(&column), "column {column}");
                        structural += 1;
                    }
                    (ColumnId::Advice(_), None) => private += 1,
                    (column, _) => panic!("{column:?} at {rotation}"),
                }
            }
        }
        // The attack works where it can, and there is nothing else to try it on.
        assert!(structural > 0 && private > 0 && !protocol.secret_columns.is_empty());
        assert_eq!(structural + private, openings[0].1.len());
    }
}
