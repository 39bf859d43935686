//! The attack on the weights that opening them allows: a column that is the same in every
//! proof can be interpolated from as many proofs as it has rows. So many of the logistic
//! example with private inputs, all by one key, and some to tell by whether it worked; with
//! `EXTRACTION_PROOFS` as many as it says.

use std::{collections::BTreeMap, path::Path};

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

/// What columns are at further points, from their values at as many points as they have rows.
struct Interpolation {
    rows: usize,
    /// For each further point the factors of the values: `Π_(j≠i) (z − x_j) / (x_i − x_j)`.
    further: Vec<Vec<Fr>>,
}

impl Interpolation {
    fn new(points: &[Fr], rows: usize) -> Self {
        let (own, further) = points.split_at(rows);
        let others = |i: usize| own.iter().enumerate().filter(move |(j, _)| *j != i);
        let weights = (0..rows).map(|i| others(i).map(|(_, x)| own[i] - x).product::<Fr>());
        let weights: Vec<Fr> = weights.map(|product| product.invert().expect("distinct")).collect();
        let factors = |z: &Fr| {
            let all: Fr = own.iter().map(|x| *z - x).product();
            let factor =
                |(x, weight): (&Fr, &Fr)| all * weight * (*z - x).invert().expect("another point");
            own.iter().zip(&weights).map(factor).collect()
        };
        Self { rows, further: further.iter().map(factors).collect() }
    }

    /// Whether these are the values of one column: the first give it, and it explains the
    /// others too.
    fn extracts(&self, values: &[Fr]) -> bool {
        let (own, further) = values.split_at(self.rows);
        let at = |factors: &Vec<Fr>| factors.iter().zip(own).map(|(f, v)| *f * v).sum::<Fr>();
        self.further.iter().map(at).eq(further.iter().copied())
    }
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
        let engine = engine(&srs, &protocol, k, &protocol.folds(), None, Options::default())
            .expect("an engine");
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
        let mut interpolations: BTreeMap<i32, Interpolation> = BTreeMap::new();
        for group in protocol.groups() {
            for (column, rotation) in
                group.columns.iter().flat_map(|c| group.rotations.iter().map(move |r| (*c, *r)))
            {
                let index = protocol.value_index(column, rotation).expect("a value");
                let turn = rotate(domain_generator(k), k, rotation);
                let interpolation = interpolations.entry(rotation).or_insert_with(|| {
                    let points: Vec<Fr> = openings.iter().map(|(x, _)| *x * turn).collect();
                    Interpolation::new(&points, 1 << k)
                });
                let values: Vec<Fr> = openings.iter().map(|(_, values)| values[index]).collect();
                match (column, interpolation.extracts(&values)) {
                    (ColumnId::Fixed(column, _), true) => {
                        assert!(!protocol.secret_columns.contains(&column), "column {column}");
                        structural += 1;
                    }
                    (ColumnId::Advice(_), false) => private += 1,
                    (column, _) => panic!("{column:?} at {rotation}"),
                }
            }
        }
        // The attack works where it can, and there is nothing else to try it on.
        assert!(structural > 0 && private > 0 && !protocol.secret_columns.is_empty());
        assert_eq!(structural + private, openings[0].1.len());
    }
}
