//! Honest witnesses pass, and for each constraint a witness that breaks it, and
//! nothing else where that is possible, is refused.

use std::{borrow::Cow, sync::Arc};

use super::*;
use crate::{
    circuit::{
        self, First, LayoutError,
        graph::{Claims, Map, Node, claims::Rows},
        tests::mock_accepts,
    },
    graph::SparseRows,
    integer::IntegerGraph,
    shape::Shape,
};

fn shape() -> Shape {
    Shape { limb_bits: 4, limbs: 6, shift_limbs: 2, lanes: 2, public_inputs: false, graph: None }
}

/// (weights, biases) of each layer, for three inputs.
fn layers() -> Vec<(Vec<i64>, Vec<i64>)> {
    vec![
        (vec![30, -20, 7, -5, 11, 0, 1, 1, -100, 9, -8, 3], vec![128, -300, 128, 5000]),
        (vec![-3, 50, 4, 90, 17, -60, 2, -9], vec![128, 70_000]),
        (vec![100, -100, 25, 256], vec![500_000, 128]),
    ]
}

fn graph() -> IntegerGraph {
    IntegerGraph::chain(16, 8, 3, layers())
}

/// The graph with the bits of `shape`.
fn fitted(shape: &Shape) -> IntegerGraph {
    let factor = 1 << (shape.shift_bits() - 8);
    let mut layers = layers();
    for (weights, bias) in &mut layers {
        weights.iter_mut().chain(bias).for_each(|weight| *weight *= factor);
    }
    let graph = IntegerGraph::chain(shape.value_bits(), shape.shift_bits(), 3, layers);
    graph.validate(shape.accumulator_bits(), shape.value_bits()).expect("fits");
    graph
}

fn layout(graph: &IntegerGraph, shape: Shape) -> Arc<Layout> {
    Arc::new(Layout::new(&Claims::graph(graph, &shape), shape).expect("small"))
}

#[derive(Clone)]
struct Witness {
    instances: Vec<Fr>,
    first: FirstPhase,
}

impl Witness {
    fn new(layout: &Layout, graph: &IntegerGraph, inputs: &[i64], context: Fr) -> Option<Self> {
        let facade = facade(layout);
        let circuit::Witness { instances, first, .. } =
            circuit::Witness::new(&facade, graph, inputs, context).ok()?;
        let First::Chain(first) = first else { return None };
        Some(Self { instances, first })
    }
}

fn facade(layout: &Layout) -> circuit::Layout {
    let (shape, k, instances) = (layout.shape, layout.k, layout.instances);
    circuit::Layout { shape, k, instances, rows: circuit::Rows::Chain(Box::new(layout.clone())) }
}

struct Setting {
    layout: Arc<Layout>,
    witness: Witness,
}

impl Setting {
    fn new(shape: Shape) -> Self {
        let graph = fitted(&shape);
        let layout = layout(&graph, shape);
        let inputs = [1234, 65_535, 40];
        let witness =
            Witness::new(&layout, &graph, &inputs, Fr::from(77)).expect("inputs in range");
        Self { layout, witness }
    }

    fn verdict(&self, tamper: impl Fn(&mut SecondPhase) + Send + Sync + 'static) -> bool {
        let Witness { instances, first } = self.witness.clone();
        let witness = circuit::Witness { instances, outputs: vec![], first: First::Chain(first) };
        mock_accepts(facade(&self.layout), witness, move |columns| {
            let mut next = || columns.remove(0);
            let mut second =
                SecondPhase { horner: next(), collected: next(), open: next(), logup: next() };
            tamper(&mut second);
            *columns = second.into_columns();
        })
    }

    fn accepts(&self) -> bool {
        self.verdict(|_| {})
    }

    fn block(&self, value: Option<u32>) -> Block {
        *self.layout.blocks.iter().find(|block| block.value == value).expect("in the layout")
    }

    fn input(&self, index: u32) -> Block {
        self.block(Some(index))
    }

    fn output(&self, layer: usize, index: u32) -> Block {
        let before: usize = layers()[..layer].iter().map(|(_, bias)| bias.len()).sum();
        self.block(Some(3 + before as u32 + index))
    }

    /// Recounts the multiplicities after limbs or signs were changed.
    fn recount(&mut self) {
        let first = &mut self.witness.first;
        let count = |entry: u64| {
            Fr::from(first.limbs.iter().filter(|limb| **limb == Fr::from(entry)).count() as u64)
        };
        for (row, entry) in &self.layout.table {
            first.signs[*row] = count(*entry);
        }
        let mut elsewhere = [Fr::zero(), Fr::zero()];
        for block in &self.layout.blocks {
            let end = self.layout.end_row(block);
            elsewhere[0] += first.signs[block.value_row];
            elsewhere[usize::from(self.layout.public_ends.contains(&end))] += first.signs[end];
        }
        first.signs[self.layout.zero_row] = count(0) - elsewhere[0];
        let one_row = self.layout.table.iter().find(|(_, entry)| *entry == 1).expect("an entry");
        first.signs[one_row.0] -= elsewhere[1];
    }

    /// Rewrites a pre-activation, its sign and, if told, its value, consistently.
    fn set_magnitude(&mut self, block: Block, magnitude: u64, sign: u64) {
        let shape = self.layout.shape;
        let end = self.layout.end_row(&block);
        for i in 0..shape.limbs {
            let limb =
                magnitude >> (shape.limb_bits as usize * i) & (shape.table_size() as u64 - 1);
            self.witness.first.limbs[end - i] = Fr::from(limb);
        }
        self.witness.first.signs[end] = Fr::from(sign);
        self.witness.first.signs[block.value_row] =
            Fr::from(sign * (magnitude >> shape.shift_bits()));
        self.recount();
    }
}

fn settings() -> Vec<Setting> {
    vec![
        Setting::new(shape()),
        Setting::new(Shape { lanes: 1, public_inputs: true, ..shape() }),
        Setting::new(Shape { limb_bits: 8, limbs: 4, shift_limbs: 2, lanes: 5, ..shape() }),
        Setting::new(Shape { lanes: 1, ..shape() }),
    ]
}

#[test]
fn honest_witnesses_pass_in_every_kind_of_shape() {
    for setting in settings() {
        assert!(setting.accepts(), "{}", setting.layout.shape);
    }
}

#[test]
fn a_changed_output_instance_is_refused() {
    for mut setting in settings() {
        let last = setting.witness.instances.len() - 1;
        for index in [last - 1, last] {
            setting.witness.instances[index] += Fr::one();
            assert!(!setting.accepts());
            setting.witness.instances[index] -= Fr::one();
        }
        setting.witness.instances.swap(last - 1, last);
        assert!(!setting.accepts());
    }
}

#[test]
fn a_changed_public_input_is_refused() {
    let mut setting = public();
    assert_eq!(setting.witness.instances[1..=3], [1234, 65_535, 40].map(Fr::from));
    for index in 1..=3 {
        for change in [Fr::one(), -Fr::one(), Fr::from(1 << 16)] {
            setting.witness.instances[index] += change;
            assert!(!setting.accepts(), "input {index}");
            setting.witness.instances[index] -= change;
        }
    }
    assert!(setting.accepts());
}

fn public() -> Setting {
    Setting::new(Shape { lanes: 1, public_inputs: true, ..shape() })
}

impl Setting {
    /// Claims the word `z / 2^n` for an input whose pre-activation is `z`, everything
    /// else being consistent: the word that the combination of pre-activations gives.
    fn claim(&mut self, index: usize, magnitude: u64, sign: u64) {
        let block = self.input(index as u32);
        self.set_magnitude(block, magnitude, sign);
        let z = if sign == 1 { Fr::from(magnitude) } else { -Fr::from(magnitude) - Fr::one() };
        let unit = Fr::from(1u64 << self.layout.shape.shift_bits());
        self.witness.instances[1 + index] = z * unit.invert().expect("a power of two");
    }
}

#[test]
fn a_public_word_with_a_remainder_is_refused() {
    // z = 1234·2^8 + 77 computes as 1234.
    let mut setting = public();
    setting.claim(0, 1234 << 8, 1);
    assert!(setting.accepts());
    for remainder in [1, 77, 255] {
        setting.claim(0, (1234 << 8) + remainder, 1);
        assert!(!setting.accepts(), "remainder {remainder}");
    }
}

#[test]
fn a_negative_public_word_is_refused() {
    // z = −256 computes as 0, as the word 0 does, and its own would be r − 1.
    let graph = graph();
    let layout = layout(&graph, public().layout.shape);
    let witness = Witness::new(&layout, &graph, &[0, 5, 6], Fr::one()).expect("in range");
    let mut setting = Setting { layout, witness };
    assert!(setting.accepts());
    setting.claim(0, 255, 0);
    assert_eq!(setting.witness.instances[1], -Fr::one());
    assert!(!setting.accepts());
    // The one pre-activation of sign 0 whose dropped limbs are 0: −1.
    setting.claim(0, 0, 0);
    assert!(!setting.accepts());
}

#[test]
fn a_public_word_of_one_bit_too_many_is_refused() {
    let mut setting = public();
    let block = setting.input(1);
    let end = setting.layout.end_row(&block);
    // 65,535 + 65,536: the top limb is 16 + 15, and the value says so consistently.
    setting.witness.first.limbs[end - 5] += Fr::from(16);
    setting.witness.first.signs[block.value_row] += Fr::from(1 << 16);
    setting.witness.instances[2] += Fr::from(1 << 16);
    setting.recount();
    assert!(!setting.accepts());
}

#[test]
fn a_graph_of_other_input_or_shift_bits_than_its_shape_is_refused() {
    for (input_bits, shift_bits) in [(15, 8), (17, 8), (16, 7), (16, 12), (200, 8)] {
        let graph = IntegerGraph { input_bits, shift_bits, ..graph() };
        let error = circuit::Layout::new(&graph, shape()).expect_err("another format");
        assert!(matches!(error, LayoutError::Graph(_)), "{error}");
        assert_eq!(circuit::Layout::required_k(&graph, shape()), Err(error));
    }
}

#[test]
fn a_public_input_that_differs_from_the_one_computed_with_is_refused() {
    let mut setting = Setting::new(Shape { lanes: 1, public_inputs: true, ..shape() });
    let block = setting.input(1);
    setting.set_magnitude(block, 1000 << 8, 1);
    assert!(!setting.accepts());
}

#[test]
fn an_input_other_than_the_one_computed_with_is_refused() {
    let mut setting = Setting::new(shape());
    let block = setting.input(0);
    setting.set_magnitude(block, 1235 << 8, 1);
    assert!(!setting.accepts());
}

#[test]
fn an_input_at_either_end_of_its_range_passes_and_one_above_cannot_be_written() {
    let graph = graph();
    let layout = layout(&graph, shape());
    for inputs in [[0, 0, 0], [65_535, 65_535, 65_535]] {
        let witness = Witness::new(&layout, &graph, &inputs, Fr::one()).expect("in range");
        let mut setting = Setting { layout: layout.clone(), witness };
        assert!(setting.accepts());
        // 2^16 would need a limb of 2^4 at the top.
        let block = setting.input(2);
        let end = setting.layout.end_row(&block);
        setting.witness.first.limbs[end - 5] = Fr::from(16);
        setting.recount();
        assert!(!setting.accepts());
    }
}

#[test]
fn a_hidden_value_other_than_its_layer_gives_is_refused() {
    for mut setting in settings() {
        for (layer, index) in [(0, 0), (0, 3), (1, 1)] {
            let honest = setting.witness.clone();
            let block = setting.output(layer, index);
            setting.set_magnitude(block, 54_321, 1);
            assert!(!setting.accepts(), "{} layer {layer}", setting.layout.shape);
            setting.witness = honest;
        }
    }
}

#[test]
fn a_value_that_is_not_the_rescaled_pre_activation_is_refused() {
    let mut setting = Setting::new(shape());
    let block = setting.output(1, 1);
    setting.witness.first.signs[block.value_row] += Fr::one();
    setting.recount();
    assert!(!setting.accepts());
}

#[test]
fn a_remainder_outside_its_range_is_refused() {
    // One unit less in the quotient, 2^n more in the remainder: a limb of 16 + l.
    let mut setting = Setting::new(shape());
    let block = setting.output(1, 1);
    let end = setting.layout.end_row(&block);
    let shift = setting.layout.shape.shift_limbs;
    setting.witness.first.limbs[end - shift] -= Fr::one();
    setting.witness.first.limbs[end - shift + 1] += Fr::from(16);
    setting.witness.first.signs[block.value_row] -= Fr::one();
    setting.recount();
    assert!(!setting.accepts());
}

#[test]
fn a_limb_below_zero_is_refused() {
    let mut setting = Setting::new(shape());
    let block = setting.output(1, 1);
    let end = setting.layout.end_row(&block);
    setting.witness.first.limbs[end] -= Fr::from(16);
    setting.witness.first.limbs[end - 1] += Fr::one();
    setting.recount();
    assert!(!setting.accepts());
}

#[test]
fn a_second_way_to_write_a_pre_activation_is_refused() {
    // 0 = +0 only: the negative branch's zero stands for −1.
    let mut setting = Setting::new(shape());
    let zero = setting.block(None);
    setting.set_magnitude(zero, 0, 0);
    assert!(!setting.accepts());
}

#[test]
fn a_relu_on_the_wrong_side_is_refused() {
    for mut setting in settings() {
        for layer in 0..2 {
            for index in 0..2 {
                let block = setting.output(layer, index);
                let end = setting.layout.end_row(&block);
                let honest = setting.witness.clone();
                setting.witness.first.signs[end] = Fr::one() - setting.witness.first.signs[end];
                setting.witness.first.signs[block.value_row] = Fr::zero();
                setting.recount();
                assert!(!setting.accepts());
                setting.witness = honest;
            }
        }
    }
}

#[test]
fn a_sign_that_is_not_a_bit_is_refused() {
    // s = 2 with the value 2q and a pre-activation of 3a + 1.
    let mut setting = Setting::new(shape());
    let block = setting.input(0);
    let end = setting.layout.end_row(&block);
    setting.witness.first.signs[end] = Fr::from(2);
    setting.witness.first.signs[block.value_row] = Fr::from(2 * 1234);
    setting.recount();
    assert!(!setting.accepts());
}

#[test]
fn a_multiplicity_that_was_not_counted_is_refused() {
    let mut setting = Setting::new(shape());
    let rows: Vec<usize> = setting.layout.table.iter().map(|(row, _)| *row).collect();
    for row in [rows[0], rows[14], setting.layout.zero_row] {
        setting.witness.first.signs[row] += Fr::one();
        assert!(!setting.accepts());
        setting.witness.first.signs[row] -= Fr::one();
    }
    // Moving counts between entries keeps their sum but not the rational function.
    setting.witness.first.signs[rows[0]] += Fr::one();
    setting.witness.first.signs[rows[1]] -= Fr::one();
    assert!(!setting.accepts());
}

#[test]
fn lookups_on_idle_rows_are_of_an_entry_of_the_table() {
    let mut setting = Setting::new(shape());
    let last = setting.layout.active_rows() - 1;
    setting.witness.first.limbs[last] = field(-1);
    setting.recount();
    assert!(!setting.accepts());
    setting.witness.first.limbs[last] = Fr::from(15);
    setting.recount();
    assert!(setting.accepts(), "an idle limb inside the table is harmless");
}

#[test]
fn accumulators_with_a_free_first_row_are_refused() {
    // A Horner sum, a combination or a logUp sum that starts elsewhere.
    let setting = Setting::new(shape());
    let mut broken = setting.witness.clone();
    let last = broken.instances.len() - 1;
    broken.instances[last] += Fr::one();
    let dishonest = Setting { layout: setting.layout.clone(), witness: broken };
    assert!(!dishonest.verdict(|_| {}));
    // The difference on the last output's power, put into `collected` before row 1.
    assert!(!dishonest.verdict(|second| {
        let rows = second.horner.len();
        let power = second.horner[2];
        for row in 0..rows.min(3) {
            second.collected[row] -= power;
        }
    }));
    for tamper in [
        (|second| second.horner[0] += Fr::one()) as fn(&mut SecondPhase),
        |second| second.collected[0] += Fr::one(),
        |second| second.logup.iter_mut().for_each(|value| *value += Fr::one()),
    ] {
        assert!(!setting.verdict(tamper));
    }
}

#[test]
fn a_layer_that_leaves_something_open_is_refused() {
    let setting = Setting::new(shape());
    let swaps = setting.layout.swaps.clone();
    for swap in swaps {
        assert!(!setting.verdict(move |second| second.open[swap] += Fr::one()), "row {swap}");
    }
}

#[test]
fn every_second_phase_cell_is_bound() {
    let setting = Setting::new(shape());
    let rows = setting.layout.active_rows();
    for row in (0..=rows).step_by(7).chain([0, 1, rows - 1, rows]) {
        let add = |column: fn(&mut SecondPhase) -> &mut Vec<Fr>| {
            setting.verdict(move |second| column(second)[row] += Fr::one())
        };
        assert!(!add(|second| &mut second.logup), "logup {row}");
        // What leaves the last active row is read by no gate but its own.
        assert!(!add(|second| &mut second.horner), "horner {row}");
        assert!(!add(|second| &mut second.collected), "collected {row}");
        if row > 0 {
            assert!(!add(|second| &mut second.open), "open {row}");
        }
    }
}

#[test]
fn the_context_is_bound_by_the_transcript_not_by_a_gate() {
    // Any context fits any witness; a proof absorbs it before the first challenge.
    let mut setting = Setting::new(shape());
    setting.witness.instances[0] += Fr::one();
    assert!(setting.accepts());
}

#[test]
fn a_chain_of_many_outputs_and_one_lane_fits_its_own_rows() {
    let mut layers = layers();
    layers[2] =
        ((0..18).map(|i| i * 7 - 40).collect(), (0..9).map(|i| 100_000 + i * 999).collect());
    let graph = IntegerGraph::chain(16, 8, 3, layers);
    for lanes in [1, 3, 64] {
        let layout = layout(&graph, Shape { lanes, ..shape() });
        let witness =
            Witness::new(&layout, &graph, &[1, 2, 3], Fr::one()).expect("inputs in range");
        assert!(Setting { layout, witness }.accepts(), "{lanes} lanes");
    }
}

#[test]
fn terms_that_a_weight_cannot_hold_together_are_no_chain() {
    // The same value twice, by two maps and by one row.
    let half = i64::MAX / 2;
    for (weights, chain) in [([half, half + 1], true), ([half + 1, half + 1], false)] {
        let rows = |terms: &[i64]| {
            let terms: Vec<_> = terms.iter().map(|weight| (0, *weight)).collect();
            Rows::Sparse(Cow::Owned(SparseRows { starts: vec![0, terms.len()], terms }))
        };
        let map = |terms: &[i64]| Map { values: vec![0], rows: rows(terms) };
        for maps in [weights.map(|weight| map(&[weight])).to_vec(), vec![map(&weights)]] {
            let bias = Cow::Owned(vec![0]);
            let node = Node {
                making: crate::circuit::graph::Making::Rescaled,
                bias,
                maps,
                windows: None,
                order: None,
                alike: 1,
            };
            let claims =
                Claims { inputs: 1, nodes: vec![node], words: vec![vec![1]], ..Claims::default() };
            let layout = Layout::new(&claims, Shape { lanes: 1, ..shape() });
            assert_eq!(layout.is_ok(), chain);
            if let Ok(layout) = layout {
                assert!(layout.weights[0].contains(&i64::MAX));
            }
        }
    }
}
