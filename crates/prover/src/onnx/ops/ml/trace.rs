//! Thresholds behind a Scaler or an Imputer, moved before it.
//!
//! An Imputer of missing values says where these go, and leaves all others.
//!
//! A Scaler rounds twice in float32: (x − offset), then times scale. What a tree compares
//! after it is a function of x that rises (or falls) throughout, so that there is a float32
//! that x may be compared with instead, with the same result for every x. It is found by
//! bisection over all float32 numbers in their order.

use std::collections::HashMap;

use super::forest::Forest;
use crate::{
    graph::{self, Element, Function, Op, TensorId, Test},
    onnx::{
        builder::Scaled,
        error::OnnxError,
        node::{Node, Value},
    },
};

/// An element of a tensor, and what is made of it, the first one first.
#[derive(Clone, PartialEq)]
struct Origin {
    tensor: TensorId,
    index: usize,
    by: Vec<Step>,
}

/// What is made of an element.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// (x − offset)·scale.
    Scale(f32, f32),
    /// x, or this where x is missing.
    Impute(f32),
}

impl Step {
    fn apply(self, x: f32) -> f32 {
        match self {
            Self::Scale(offset, scale) => (x - offset) * scale,
            Self::Impute(value) if x.is_nan() => value,
            Self::Impute(_) => x,
        }
    }

    fn falls(self) -> bool {
        matches!(self, Self::Scale(_, scale) if scale < 0.0)
    }
}

/// Nodes by what they make.
type Makers<'a> = HashMap<TensorId, &'a graph::Node>;

/// What the trees compare, with the Scalers and Imputers before them taken into the branches.
pub(super) fn through_scalers(
    node: &mut Node<'_>,
    x: Value,
    forest: &mut Forest,
    features: usize,
) -> Result<Value, OnnxError> {
    let Value::Signal(signal) = &x else { return Ok(x) };
    let (id, len) = (signal.id, x.len());
    let ordered =
        |test: &Test| !matches!(test, Test::Equal(_) | Test::NotEqual(_) | Test::Member(_));
    let mut movable = vec![true; features];
    for branch in forest.branches.iter().filter(|branch| !ordered(&branch.test)) {
        movable[branch.feature] = false;
    }
    let (graph, scaled) = node.so_far();
    let makers: Makers<'_> = graph.nodes.iter().map(|node| (node.output, node)).collect();
    let mut origins: Vec<Origin> = Vec::with_capacity(len);
    for index in 0..len {
        let here = Origin { tensor: id, index, by: Vec::new() };
        let found = match movable[index % features] {
            true => origin(scaled, &makers, here),
            false => here,
        };
        origins.push(found);
    }
    for feature in 0..features {
        let column = || (feature..len).step_by(features);
        // One threshold serves all rows.
        if column().any(|at| origins[at].by != origins[feature].by) {
            for at in column() {
                origins[at] = Origin { tensor: id, index: at, by: Vec::new() };
            }
        }
    }
    if origins.iter().all(|origin| origin.by.is_empty()) {
        return Ok(x);
    }
    for branch in &mut forest.branches {
        let by = &origins[branch.feature].by;
        if !by.is_empty() {
            let missing = f64::from(by.iter().fold(f32::NAN, |x, step| step.apply(x)));
            branch.missing_holds = match missing.is_nan() {
                true => branch.missing_holds,
                false => branch.test.holds(missing),
            };
            if by.iter().any(|step| matches!(step, Step::Scale(..))) {
                branch.test = before(&branch.test, by);
            }
        }
    }
    let mut tensors: Vec<TensorId> = origins.iter().map(|origin| origin.tensor).collect();
    tensors.sort_unstable();
    tensors.dedup();
    let elements = origins.iter().map(|origin| Element::Input {
        input: tensors.binary_search(&origin.tensor).unwrap_or_default(),
        index: origin.index,
    });
    let elements = elements.collect();
    let operand = |tensor: &TensorId| {
        let Value::Signal(signal) = &x else { return x.clone() };
        let mut signal = signal.clone();
        let (graph, _) = node.so_far();
        signal.shape = graph.tensors[tensor.0].dims.clone();
        signal.id = *tensor;
        Value::Signal(signal)
    };
    let operands = tensors.iter().map(operand).collect();
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    node.emit(Op::Select(elements), operands, shape, dtype)
}

/// Follows an element back through selections, Scalers and Imputers to the last of these on the
/// way.
fn origin(scaled: &HashMap<TensorId, Scaled>, makers: &Makers<'_>, mut at: Origin) -> Origin {
    let mut found = at.clone();
    loop {
        if let Some(Scaled { source, by }) = scaled.get(&at.tensor) {
            let (offset, scale) = by[at.index];
            if scale == 0.0 || !scale.is_finite() || !offset.is_finite() {
                return found;
            }
            at.by.insert(0, Step::Scale(offset, scale));
            at.tensor = *source;
            found = at.clone();
            continue;
        }
        let Some(maker) = makers.get(&at.tensor) else { return found };
        if let Op::Function(Function::Impute { values }) = &maker.op {
            at.by.insert(0, Step::Impute(values[at.index] as f32));
            at.tensor = maker.inputs[0];
            found = at.clone();
            continue;
        }
        let Op::Select(elements) = &maker.op else { return found };
        let Element::Input { input, index } = elements[at.index] else { return found };
        at.tensor = maker.inputs[input];
        at.index = index;
    }
}

/// The test of x that holds where `test` holds for x scaled.
fn before(test: &Test, by: &[Step]) -> Test {
    let scaled = |x: f32| by.iter().fold(x, |x, step| step.apply(x));
    let falls = by.iter().filter(|step| step.falls()).count() % 2 == 1;
    // Where it falls, −x is what is searched.
    let sign = if falls { -1.0 } else { 1.0 };
    let least = |property: &dyn Fn(f64) -> bool| {
        sign * f64::from(first(|x| property(f64::from(scaled(x * sign as f32)))))
    };
    // With x' = ±x: scaled ≥ t where x' ≥ a, scaled > t where x' ≥ b.
    match (test, falls) {
        (Test::AtMost(t), false) => Test::Below(least(&|y| y > *t)),
        (Test::Below(t), false) => Test::Below(least(&|y| y >= *t)),
        (Test::AtLeast(t), false) => Test::AtLeast(least(&|y| y >= *t)),
        (Test::Above(t), false) => Test::AtLeast(least(&|y| y > *t)),
        (Test::AtMost(t), true) => Test::Above(least(&|y| y > *t)),
        (Test::Below(t), true) => Test::Above(least(&|y| y >= *t)),
        (Test::AtLeast(t), true) => Test::AtMost(least(&|y| y >= *t)),
        (Test::Above(t), true) => Test::AtMost(least(&|y| y > *t)),
        (other, _) => other.clone(),
    }
}

/// The least finite float32 from which a property holds; infinity if there is none, minus
/// infinity if it holds for all.
fn first(property: impl Fn(f32) -> bool) -> f32 {
    // The order of floats is that of these integers.
    let float = |key: i32| f32::from_bits(if key < 0 { !key as u32 | 1 << 31 } else { key as u32 });
    let key = |x: f32| {
        if x.is_sign_negative() { !((x.to_bits() & !(1 << 31)) as i32) } else { x.to_bits() as i32 }
    };
    let (mut before, mut behind) = (i64::from(key(f32::MIN)) - 1, i64::from(key(f32::MAX)) + 1);
    let (least, most) = (before, behind);
    while behind - before > 1 {
        let middle = before + (behind - before) / 2;
        if property(float(middle as i32)) { behind = middle } else { before = middle }
    }
    match behind {
        behind if behind == most => f32::INFINITY,
        behind if behind - 1 == least => f32::NEG_INFINITY,
        behind => float(behind as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_float_of_a_property_is_found_among_all() {
        for t in [0.1f32, -0.1, 1e-40, -1e-40, 3e38, -3e38, 1.0] {
            assert_eq!(first(|x| x >= t), t);
            assert_eq!(first(|x| x > t).to_bits(), t.next_up().to_bits());
        }
        assert_eq!(first(|_| true), f32::NEG_INFINITY);
        assert_eq!(first(|_| false), f32::INFINITY);
    }

    #[test]
    fn a_threshold_before_a_scaler_decides_as_one_behind_it() {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        for round in 0..200 {
            let by = [Step::Scale(random(), random() * 3.0), Step::Scale(random(), random())];
            let scaled = |x: f32| by.iter().fold(x, |x, step| step.apply(x));
            let t = f64::from(scaled(random()));
            let test = [Test::AtMost(t), Test::Below(t), Test::AtLeast(t), Test::Above(t)];
            let test = &test[round % 4];
            let moved = before(test, &by);
            let at = moved.constants()[0] as f32;
            let near = std::iter::successors(Some(at), |x| Some(x.next_up())).take(4);
            let near = near.chain(std::iter::successors(Some(at), |x| Some(x.next_down())).take(4));
            for x in near.chain((0..50).map(|_| random())) {
                let expected = test.holds(f64::from(scaled(x)));
                assert_eq!(moved.holds(f64::from(x)), expected, "{x} {by:?} {test:?} {moved:?}");
            }
        }
    }
}
