//! Honest witnesses of random graphs pass, and for each constraint a witness that breaks
//! it, and nothing else where that is possible, is refused: by halo2's mock prover and by the
//! verifier of real proofs.

mod batches;
mod committed;
mod curves;
mod leading;
mod paths;
mod products;
mod random;
mod totals;
mod trees;
mod windows;

use std::{
    borrow::Cow,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{
    claims::Rows as Terms,
    committed::{Commitment, element_zero, poseidon2, salt_unit},
    curves::CurveSums,
    paths::PathSums,
    *,
};
use crate::{
    circuit::{
        self, First, Rows, interleave,
        tests::{both_accept, mock_accepts},
    },
    graph::SparseRows,
    shape::{GraphShape, Shape},
};

/// 8 bits dropped, 16 bits of a value, 24 of a pre-activation.
fn shape(limb_columns: usize, packed: usize, lanes: usize) -> Shape {
    Shape {
        limb_bits: 4,
        limbs: 6,
        shift_limbs: 2,
        lanes,
        public_inputs: false,
        graph: Some(GraphShape::new(limb_columns, packed)),
    }
}

/// The same for a batch.
fn batch_shape(limb_columns: usize, packed: usize, lanes: usize, batch: usize) -> Shape {
    let graph = Some(GraphShape { batch, ..GraphShape::new(limb_columns, packed) });
    Shape { graph, ..shape(limb_columns, packed, lanes) }
}

/// The inputs of each inference of a batch on the claims below.
fn inputs(batch: usize) -> Vec<Vec<i64>> {
    (0..batch as i64).map(|t| vec![1234 + 5000 * t, 6000 - 700 * t, 40 + t]).collect()
}

/// (z, x) of every value.
fn run(claims: &Claims<'_>, inputs: &[i64], shape: &Shape) -> Vec<(i64, i64)> {
    run_with(claims, inputs, shape, &[])
}

/// As [`run`], but that some values, in their order, are lied about: (value, x).
fn run_with(
    claims: &Claims<'_>,
    inputs: &[i64],
    shape: &Shape,
    lies: &[(usize, i64)],
) -> Vec<(i64, i64)> {
    let shift = shape.shift_bits();
    let mut integers: Vec<(i64, i64)> = inputs.iter().map(|x| (x << shift, *x)).collect();
    for (index, node) in claims.nodes.iter().enumerate() {
        let mut z: Vec<i64> = left_sides(node, &integers);
        for own in claims.curves.iter().filter(|own| own.node == index) {
            for ((z, value), of) in z.iter_mut().zip(&own.values).zip(&own.curves.of) {
                let (number, offset) = own.curves.place(integers[*value as usize].1);
                let segment = own.curves.tables[*of].segment(number).expect("a segment");
                *z += segment.base + segment.slope * offset;
            }
        }
        z.iter().for_each(|z| assert!(z >> shape.accumulator_bits() == z >> 63, "{z} fits"));
        let results: Vec<(i64, i64)> = (0..node.values())
            .map(|result| {
                let z = match &node.windows {
                    Some(windows) => windows[result].iter().map(|w| z[*w]).max().expect("some"),
                    None => z[result],
                };
                let value = integers.len() + result;
                match lies.iter().find(|(other, _)| *other == value) {
                    Some((_, x)) => (x << shift, *x),
                    None => (z, (z >> shift).max(0)),
                }
            })
            .collect();
        integers.extend(results);
    }
    integers
}

/// z of a node's equations.
fn left_sides(node: &Node<'_>, integers: &[(i64, i64)]) -> Vec<i64> {
    let left_side = |(equation, bias): (usize, &i64)| {
        let mut z = *bias;
        for map in &node.maps {
            map.row(equation, |value, weight| z += weight * integers[value as usize].1);
        }
        z
    };
    node.bias.iter().enumerate().map(left_side).collect()
}

/// How far the z of every window are below what is said to be the greatest.
fn gaps(claims: &Claims<'_>, integers: &[(i64, i64)]) -> Vec<i64> {
    let mut gaps = Vec::new();
    let mut value = claims.inputs;
    for node in &claims.nodes {
        let z = left_sides(node, integers);
        for (result, window) in node.windows.iter().flat_map(|own| own.iter().enumerate()) {
            gaps.extend(window.iter().map(|w| integers[value + result].0 - z[*w]));
        }
        value += node.values();
    }
    gaps
}

/// What the hash of committed inputs is of.
fn hashed(claims: &Claims<'_>, integers: &[(i64, i64)], shape: &Shape) -> Vec<Fr> {
    let Some(own) = &claims.commitment else { return vec![] };
    let unit = Fr::from(1 << shape.value_bits());
    let packed = |values: &[u32]| {
        let values = values.iter().rev().map(|value| field(integers[*value as usize].1));
        values.fold(Fr::zero(), |word, value| word * unit + value)
    };
    let salt = element_zero(own.count, shape.batch() / shape.statements())
        + salt_unit() * packed(&own.salt);
    std::iter::once(salt).chain(own.words.iter().map(|word| packed(word))).collect()
}

fn sparse(rows: &[&[(usize, i64)]]) -> Terms<'static> {
    let mut starts = vec![0];
    let mut terms = Vec::new();
    for row in rows {
        terms.extend_from_slice(row);
        starts.push(terms.len());
    }
    Terms::Sparse(Cow::Owned(SparseRows { starts, terms }))
}

/// A node of single equations.
fn node<'a>(bias: &[i64], maps: Vec<Map<'a>>) -> Node<'a> {
    Node {
        bias: Cow::Owned(bias.to_vec()),
        maps,
        windows: None,
        order: None,
        alike: 1,
        making: Making::Rescaled,
    }
}

fn map<'a>(values: &[u32], rows: Terms<'a>) -> Map<'a> {
    Map { values: values.to_vec(), rows }
}

/// Words other than those that are stated are refused.
fn refuses_other_words(settings: Vec<Setting>) {
    for mut setting in settings {
        for index in 1..setting.instances.len() {
            setting.instances[index] += Fr::one();
            assert!(!setting.accepts(), "{} word {index}", setting.layout.shape);
            setting.instances[index] -= Fr::one();
        }
    }
}

/// Three inputs (0 to 2), a dense layer of five results (3 to 7), one node that adds
/// inputs to some of them (8 to 10), one that reads the same value twice (11, 12); the
/// words state two inputs in one word, a hidden value, and both results.
fn claims() -> Claims<'static> {
    let dense: &'static [i64] = &[30, -20, 7, -5, 11, 0, 1, 1, -100, 9, -8, 3, 64, 64, 64];
    Claims {
        inputs: 3,
        nodes: vec![
            node(&[128, -300, 128, 5000, 128], vec![map(&[0, 1, 2], Terms::Dense(dense))]),
            node(
                &[128, 128, -70_000],
                vec![
                    map(&[0, 1, 2], sparse(&[&[(0, 256)], &[(1, 256)], &[(2, 256)]])),
                    map(&[3, 4, 5, 6, 7], sparse(&[&[(0, 256)], &[(2, -256), (4, 90)], &[(1, 9)]])),
                ],
            ),
            Node {
                order: Some(vec![1, 0]),
                ..node(
                    &[1000, 2000],
                    vec![
                        map(&[8, 9, 10, 3], Terms::Dense(&[-3, 50, 4, 90, 17, -60, 2, -9])),
                        map(&[8, 8], sparse(&[&[(0, 2), (1, 3)], &[]])),
                    ],
                )
            },
        ],
        words: vec![vec![0, 2], vec![9], vec![11], vec![12]],
        ..Claims::default()
    }
}

#[derive(Clone)]
struct Setting {
    layout: Layout,
    first: FirstPhase,
    instances: Vec<Fr>,
}

impl Setting {
    fn of(claims: &Claims<'_>, inputs: &[Vec<i64>], shape: Shape) -> Self {
        let runs: Vec<_> = inputs.iter().map(|inputs| run(claims, inputs, &shape)).collect();
        Self::with(claims, &runs, shape)
    }

    /// With (z, x) of every value of each inference as they are given, and words that say so.
    fn with(claims: &Claims<'_>, runs: &[Vec<(i64, i64)>], shape: Shape) -> Self {
        shape.validate().expect("supported");
        let layout = Layout::new(claims, shape).expect("small");
        assert_eq!(Layout::required_k(claims, shape), Ok(layout.k));
        let words = |integers: &Vec<(i64, i64)>| -> Vec<Fr> {
            let unit = Fr::from(1 << shape.value_bits());
            let word = |values: &Vec<u32>| {
                let values = values.iter().rev().map(|value| field(integers[*value as usize].1));
                values.fold(Fr::zero(), |word, value| word * unit + value)
            };
            claims.words.iter().map(word).collect()
        };
        let hashed: Vec<_> = runs.iter().map(|integers| hashed(claims, integers, &shape)).collect();
        let each = shape.batch() / shape.statements();
        let words = runs.chunks(each).zip(hashed.chunks(each)).map(|(runs, hashed)| {
            let add = |sums: Vec<Fr>, own: Vec<Fr>| -> Vec<Fr> {
                sums.into_iter().zip(own).map(|(a, b)| a + b).collect()
            };
            let words = runs.iter().map(words).reduce(add);
            let mut words = words.expect("a run");
            let elements = hashed.iter().enumerate().flat_map(|(t, own)| own.iter().skip(t.min(1)));
            let hash = elements.copied().reduce(poseidon2);
            hash.into_iter().for_each(|hash| words[0] = hash);
            words
        });
        let words = interleave(&words.collect::<Vec<_>>());
        let instances = [Fr::from(77)].into_iter().chain(words).collect();
        let gaps: Vec<_> = runs.iter().map(|integers| gaps(claims, integers)).collect();
        let first = FirstPhase::new(&layout, &interleave(runs), &interleave(&gaps), &hashed);
        Self { first, layout, instances }
    }

    fn new(shape: Shape) -> Self {
        Self::of(&claims(), &inputs(shape.batch()), shape)
    }

    /// What halo2's mock prover says, and the verifier of a real proof, which agree. Of a
    /// test's many witnesses the first few are proven, and one in twenty of the others.
    fn verdict(&self, tamper: impl Fn(&mut SecondPhase) + Send + Sync + 'static) -> bool {
        static TRIED: AtomicUsize = AtomicUsize::new(0);
        let (layout, witness) = self.circuit();
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        if tried < 4 || tried % 20 == 7 {
            return both_accept(layout, witness, on_columns(tamper));
        }
        mock_accepts(layout, witness, on_columns(tamper))
    }

    fn circuit(&self) -> (circuit::Layout, circuit::Witness) {
        let layout = self.layout.clone();
        let (shape, k, count) = (layout.shape, layout.k, layout.instances);
        let facade =
            circuit::Layout { shape, k, instances: count, rows: Rows::Graph(Box::new(layout)) };
        let (instances, first) = (self.instances.clone(), First::Graph(self.first.clone()));
        (facade, circuit::Witness { instances, outputs: vec![], first })
    }

    fn accepts(&self) -> bool {
        self.verdict(|_| {})
    }

    /// Recounts the multiplicities after limbs or cells were changed.
    fn recount(&mut self) {
        let count = |entry: u64| {
            let limbs = self.first.limbs.iter().flatten();
            Fr::from(limbs.filter(|limb| **limb == Fr::from(entry)).count() as u64)
        };
        let table: Vec<(usize, Fr)> =
            self.layout.table.iter().map(|(row, entry)| (*row, count(*entry))).collect();
        let zeros = count(0);
        let cells = &mut self.first.cells;
        table.into_iter().for_each(|(row, count)| cells[row] = count);
        let batch = self.layout.shape.batch();
        let rows = self.layout.value_rows.iter().flat_map(|row| *row..row + 2 * batch);
        let rows = rows.chain(self.layout.gaps().flat_map(|row| row..row + batch));
        let rows = rows.chain(self.layout.evaluations().flat_map(|row| row..row + batch));
        cells[self.layout.zero_row] = zeros - rows.map(|row| cells[row]).sum::<Fr>();
    }

    /// Rewrites a pre-activation and, consistently, its sign and value.
    fn set(&mut self, value: usize, z: i64) {
        self.set_in(0, value, z);
    }

    /// The same in one inference of a batch.
    fn set_in(&mut self, inference: usize, value: usize, z: i64) {
        let shape = self.layout.shape;
        let batch = shape.batch();
        let end = self.layout.value_rows[value] + inference + batch;
        let sign = i64::from(z >= 0);
        let a = z + ((1 - sign) << shape.accumulator_bits());
        let columns = shape.limb_columns();
        for limb in 0..shape.limbs {
            let part = a >> (shape.limb_bits as usize * limb) & (shape.table_size() as i64 - 1);
            self.first.limbs[limb % columns][end - limb / columns * batch] = field(part);
        }
        self.first.cells[end] = field(sign);
        self.first.cells[end - batch] = field((z >> shape.shift_bits()).max(0));
        self.recount();
    }

    fn z(&self, value: usize) -> i64 {
        self.z_in(0, value)
    }

    fn z_in(&self, inference: usize, value: usize) -> i64 {
        let shape = &self.layout.shape;
        run(&claims(), &inputs(shape.batch())[inference], shape)[value].0
    }
}

/// A change of the second phase as one of its columns.
fn on_columns(
    tamper: impl Fn(&mut SecondPhase) + Send + Sync + 'static,
) -> impl Fn(&mut Vec<Vec<Fr>>) + Send + Sync + 'static {
    move |columns| {
        let mut next = || columns.remove(0);
        let mut second = SecondPhase {
            coefficient: next(),
            reading: next(),
            balance: next(),
            logup: next(),
            inverses: vec![],
            paths: PathSums::default(),
            curves: CurveSums::default(),
        };
        second.inverses = std::mem::take(columns);
        tamper(&mut second);
        *columns = second.into_columns();
    }
}

fn settings() -> Vec<Setting> {
    [(1, 1, 1), (1, 4, 2), (2, 10, 1), (3, 5, 3), (6, 2, 2), (4, 3, 8)]
        .into_iter()
        .map(|(columns, packed, lanes)| Setting::new(shape(columns, packed, lanes)))
        .collect()
}

#[test]
fn honest_witnesses_pass_in_every_kind_of_shape() {
    for setting in settings() {
        assert!(setting.accepts(), "{}", setting.layout.shape);
    }
}

#[test]
fn a_word_other_than_what_its_values_say_is_refused() {
    for mut setting in settings() {
        assert_eq!(setting.instances[1], Fr::from(1234 + (40 << 16)));
        for index in 1..setting.instances.len() {
            for change in [Fr::one(), -Fr::one(), Fr::from(1 << 16), Fr::from(1 << 32)] {
                setting.instances[index] += change;
                assert!(!setting.accepts(), "{} word {index}", setting.layout.shape);
                setting.instances[index] -= change;
            }
        }
        setting.instances.swap(3, 4);
        assert!(!setting.accepts());
    }
}

#[test]
fn a_public_input_has_one_word_also_with_a_remainder_or_a_sign() {
    // The input is private in its pre-activation: what computes as 1234 says 1234.
    let mut setting = Setting::new(shape(2, 4, 2));
    setting.set(0, (1234 << 8) + 77);
    assert!(setting.accepts());
    setting.set(0, 1235 << 8);
    assert!(!setting.accepts());
    setting.set(0, -5);
    assert!(!setting.accepts());
}

#[test]
fn a_value_other_than_its_equation_gives_is_refused() {
    for setting in settings() {
        for value in 3..13 {
            for change in [1, -1, 256, -256, 1 << 20] {
                let mut cheating = setting.clone();
                cheating.set(value, setting.z(value) + change);
                assert!(!cheating.accepts(), "{} value {value}", setting.layout.shape);
            }
        }
    }
}

#[test]
fn differences_that_cancel_within_a_packed_group_are_refused() {
    // z_0 + d and z_1 − d/S would cancel if d were a multiple of S = 2^25: no two integers
    // of 24 bits do. The nearest a prover comes is off by less than S, and by something.
    let setting = Setting::new(shape(2, 10, 1));
    for (first, second) in [(3, 4), (4, 5), (8, 9), (11, 12)] {
        for (a, b) in [(1, -1), (1 << 23, -1), (-(1 << 23), 1), (256, -1)] {
            let mut cheating = setting.clone();
            cheating.set(first, (setting.z(first) + a).clamp(-(1 << 24), (1 << 24) - 1));
            cheating.set(second, setting.z(second) + b);
            assert!(!cheating.accepts(), "{first} {a}, {second} {b}");
        }
    }
}

#[test]
fn values_of_two_equations_exchanged_are_refused() {
    // Of one group, of two lanes of a stripe, and of two stripes.
    for (packed, lanes) in [(5, 1), (1, 5), (1, 1)] {
        let setting = Setting::new(shape(1, packed, lanes));
        let mut cheating = setting.clone();
        cheating.set(3, setting.z(5));
        cheating.set(5, setting.z(3));
        assert!(!cheating.accepts());
    }
}

#[test]
fn a_value_cell_other_than_the_rescaled_pre_activation_is_refused() {
    for setting in settings() {
        for value in [0, 4, 9] {
            let mut cheating = setting.clone();
            let row = setting.layout.value_rows[value];
            cheating.first.cells[row] += Fr::one();
            cheating.recount();
            assert!(!cheating.accepts());
        }
    }
}

#[test]
fn a_sign_on_the_wrong_side_or_no_bit_is_refused() {
    for setting in settings() {
        for value in 0..13 {
            let row = setting.layout.value_rows[value];
            let mut cheating = setting.clone();
            cheating.first.cells[row + 1] = Fr::one() - cheating.first.cells[row + 1];
            cheating.first.cells[row] = Fr::zero();
            cheating.recount();
            assert!(!cheating.accepts());
        }
    }
    // An unread input could take any sign, were it not for the bit: s = 2, x = 2q.
    let mut claims = claims();
    claims.inputs = 4;
    for node in &mut claims.nodes {
        let shift = |value: &mut u32| *value += u32::from(*value >= 3);
        node.maps.iter_mut().flat_map(|map| &mut map.values).for_each(shift);
    }
    claims.words = vec![vec![12], vec![13]];
    let mut setting = Setting::of(&claims, &[vec![1234, 6000, 40, 500]], shape(2, 4, 2));
    assert!(setting.accepts());
    let row = setting.layout.value_rows[3];
    setting.first.cells[row + 1] = Fr::from(2);
    setting.first.cells[row] = Fr::from(1000);
    setting.recount();
    assert!(!setting.accepts());
}

#[test]
fn a_limb_outside_the_table_is_refused_in_every_column() {
    for setting in settings() {
        for column in 0..setting.first.limbs.len() {
            // 16 in a limb, 1 less in the next: the same pre-activation.
            let mut cheating = setting.clone();
            let end = cheating.layout.value_rows[1] + 1;
            let columns = cheating.first.limbs.len();
            let next = column + 1;
            if next < 6 {
                cheating.first.limbs[column][end] += Fr::from(16);
                cheating.first.limbs[next % columns][end - next / columns] -= Fr::one();
                cheating.recount();
                assert!(!cheating.accepts(), "{} column {column}", setting.layout.shape);
            }
            // On an idle row, too.
            let mut cheating = setting.clone();
            let last = cheating.layout.active_rows() - 1;
            cheating.first.limbs[column][last] = field(-1);
            cheating.recount();
            assert!(!cheating.accepts());
            cheating.first.limbs[column][last] = Fr::from(15);
            cheating.recount();
            assert!(cheating.accepts(), "an idle limb inside the table is harmless");
        }
    }
}

#[test]
fn a_multiplicity_that_was_not_counted_is_refused() {
    let mut setting = Setting::new(shape(3, 4, 2));
    let rows: Vec<usize> = setting.layout.table.iter().map(|(row, _)| *row).collect();
    for row in [rows[0], rows[14], setting.layout.zero_row] {
        setting.first.cells[row] += Fr::one();
        assert!(!setting.accepts());
        setting.first.cells[row] -= Fr::one();
    }
    setting.first.cells[rows[0]] += Fr::one();
    setting.first.cells[rows[1]] -= Fr::one();
    assert!(!setting.accepts());
}

#[test]
fn an_accumulator_that_starts_elsewhere_is_refused() {
    let setting = Setting::new(shape(2, 4, 2));
    for tamper in [
        (|second| second.reading[0] += Fr::one()) as fn(&mut SecondPhase),
        |second| second.balance.iter_mut().for_each(|value| *value += Fr::one()),
        |second| second.logup.iter_mut().for_each(|value| *value += Fr::one()),
    ] {
        assert!(!setting.verdict(tamper));
    }
    // A word that is off by one, made up for by the balance's start or end.
    let mut cheating = setting.clone();
    cheating.instances[1] += Fr::one();
    for start in [true, false] {
        assert!(!cheating.verdict(move |second| {
            let off = *second.balance.last().expect("rows");
            let rows = second.balance.len();
            if start {
                second.balance.iter_mut().for_each(|value| *value -= off);
            } else {
                second.balance[rows - 1] = Fr::zero();
            }
        }));
    }
}

#[test]
fn every_second_phase_cell_is_bound() {
    for shape in [shape(2, 4, 2), batch_shape(3, 4, 2, 3)] {
        let setting = Setting::new(shape);
        let rows = setting.layout.active_rows();
        // The rows of a batch are alike, a batch at a time.
        for row in (0..=rows).step_by(if shape.batch() > 1 { 5 } else { 1 }) {
            let add = |column: fn(&mut SecondPhase) -> &mut Vec<Fr>| {
                setting.verdict(move |second| column(second)[row] += Fr::one())
            };
            assert!(!add(|second| &mut second.reading), "reading {row}");
            assert!(!add(|second| &mut second.balance), "balance {row}");
            assert!(!add(|second| &mut second.logup), "logup {row}");
            if row < rows {
                assert!(!add(|second| &mut second.coefficient), "coefficient {row}");
                assert!(!add(|second| &mut second.inverses[0]), "inverse {row}");
            }
        }
    }
}

#[test]
fn a_value_read_with_the_weights_of_another_stripe_is_refused() {
    // A value that two stripes read, its sums made as if the second's coefficient were the
    // first's: what one equation reads, another would.
    for setting in [Setting::new(shape(2, 2, 1)), Setting::new(batch_shape(2, 2, 1, 2))] {
        let layout = setting.layout.clone();
        let row = layout.value_rows[3] - 1;
        let other = layout.value_rows[1] - 1;
        assert_ne!(layout.stripes[row], layout.stripes[other]);
        assert!(!setting.verdict(move |second| {
            second.coefficient[row] = second.coefficient[other];
        }));
        // And consistently: the sums follow the wrong coefficient.
        let (layout, first) = (setting.layout.clone(), setting.first.clone());
        let instances = setting.instances.clone();
        assert!(!setting.verdict(move |second| {
            let factor = second.coefficient[other]
                * Option::<Fr>::from(second.coefficient[row].invert()).expect("not 0");
            second.coefficient[row] = second.coefficient[other];
            let step = second.reading[row + 1] * (factor - Fr::one());
            second.reading[row + 1] += step;
            second.balance = first.balance(&layout, &instances, &second.reading);
        }));
    }
}
