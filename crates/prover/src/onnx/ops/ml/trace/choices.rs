//! Where, by a comparison of an element, of what is made of the same element and constants.

use super::{
    Origin, is_wide, notes, origin,
    steps::{Choice, Does, Step},
};
use crate::{
    graph::{Child, Element, LinearMap, Op, TensorId, Test, TreeEnsemble},
    onnx::{
        builder::Builder,
        node::{Node, Signal, Value},
        shape,
    },
};

/// Most elements of what is chosen.
const MAX_CHOSEN: usize = 1 << 12;

/// A condition: a test of an element.
struct Asked {
    tensor: TensorId,
    index: usize,
    test: Test,
    missing_holds: bool,
    /// Whether it is true where the test does not hold.
    turned: bool,
}

/// What a Where makes of which element of one tensor, element by element, if it is made of these
/// alone.
pub(super) fn chosen(node: &Node<'_>) -> Option<(Signal, Vec<(usize, Does)>)> {
    let (Value::Signal(condition), a, b) = (node.peek(0)?, node.peek(1)?, node.peek(2)?) else {
        return None;
    };
    let builder = node.built();
    let shape = shape::broadcast(&shape::broadcast(&condition.shape, a.shape())?, b.shape())?;
    if a.dtype() != b.dtype() || shape::size(&shape)? > MAX_CHOSEN {
        return None;
    }
    let wide = is_wide(a.dtype());
    let places = |from: &[usize]| shape::broadcast_positions(from, &shape);
    let (conditions, in_a, in_b) = (places(&condition.shape), places(a.shape()), places(b.shape()));
    let mut all = Vec::with_capacity(conditions.len());
    let mut source = None;
    for ((at, a_at), b_at) in conditions.into_iter().zip(in_a).zip(in_b) {
        let asked = asked(builder, condition.id, at)?;
        if *source.get_or_insert(asked.tensor) != asked.tensor {
            return None;
        }
        let (yes, no) =
            (side(builder, a, a_at, &asked, wide)?, side(builder, b, b_at, &asked, wide)?);
        let (holds, fails) = if asked.turned { (no, yes) } else { (yes, no) };
        let Asked { index, test, missing_holds, .. } = asked;
        let choice = Choice { test, missing_holds, holds, fails };
        all.push((index, Does::Choose(Box::new(choice))));
    }
    let id = source?;
    let (shape, dtype) = (builder.graph.tensors[id.0].dims.clone(), builder.dtypes[id.0]);
    Some((Signal { id, shape, dtype }, all))
}

/// What a side is of the element that the condition asks about.
fn side(
    builder: &Builder,
    value: &Value,
    index: usize,
    asked: &Asked,
    wide: bool,
) -> Option<Vec<Step>> {
    let step = |does| Step { does, wide, fits: None };
    let signal = match value {
        Value::Signal(signal) => signal,
        Value::Const(tensor) => {
            let value = *notes::numbers(tensor)?.get(index)?;
            return Some(vec![step(Does::Constant(value))]);
        }
    };
    let at = Origin { tensor: signal.id, index, by: Vec::new(), wide, behind: None };
    let found = origin(builder, at, signal.dtype);
    let same = (found.tensor, found.index) == (asked.tensor, asked.index);
    if !same || found.behind.is_some() || found.by.iter().any(|step| step.fits.is_some()) {
        return None;
    }
    let mut by = found.by;
    if by.last().map_or(found.wide, |last| last.wide) != wide {
        by.push(step(Does::Nothing));
    }
    Some(by)
}

/// The comparison that makes a condition, which nothing is to doubt about.
fn asked(builder: &Builder, mut tensor: TensorId, mut index: usize) -> Option<Asked> {
    let mut turned = false;
    loop {
        let maker = builder.maker(tensor)?;
        match &maker.op {
            Op::Select(elements) => {
                let Element::Input { input, index: of } = *elements.get(index)? else {
                    return None;
                };
                (tensor, index) = (*maker.inputs.get(input)?, of);
            }
            // Not.
            Op::Linear(linear) => {
                let [LinearMap::Diagonal(factors)] = &linear.maps[..] else { return None };
                if (*factors.get(index)?, *linear.bias.get(index)?) != (-1.0, 1.0) {
                    return None;
                }
                turned = !turned;
                tensor = *maker.inputs.first()?;
            }
            Op::Trees(trees) => {
                let (test, missing_holds, is) = compared(trees, index)?;
                let (tensor, index) = read(builder, *maker.inputs.first()?, index)?;
                // What was rounded before it was compared is another number.
                if !trees.double && is_wide(builder.dtypes[tensor.0]) {
                    return None;
                }
                return Some(Asked { tensor, index, test, missing_holds, turned: turned == is });
            }
            _ => return None,
        }
    }
}

/// The only comparison of a feature, and whether what it makes is 1 where it holds, and 0 where it
/// does not, or the other way around.
fn compared(trees: &TreeEnsemble, feature: usize) -> Option<(Test, bool, bool)> {
    let mut own = trees.branches.iter().filter(|branch| branch.feature == feature);
    let (branch, None) = (own.next()?, own.next()) else { return None };
    if trees.positions != 1 || trees.features != trees.outputs || trees.doubt.is_some() {
        return None;
    }
    let made = |child: Child| {
        let Child::Leaf(leaf) = child else { return None };
        let weights = &trees.leaves.get(leaf)?.weights;
        let own = weights.iter().filter(|(output, _)| *output == feature).map(|(_, w)| w);
        Some(trees.base.get(feature)? + own.sum::<f64>())
    };
    match (made(branch.holds)?, made(branch.fails)?) {
        (1.0, 0.0) => Some((branch.test.clone(), branch.missing_holds, true)),
        (0.0, 1.0) => Some((branch.test.clone(), branch.missing_holds, false)),
        _ => None,
    }
}

/// The element that an ensemble reads.
fn read(builder: &Builder, mut tensor: TensorId, mut index: usize) -> Option<(TensorId, usize)> {
    while let Some(maker) = builder.maker(tensor) {
        let Op::Select(elements) = &maker.op else { break };
        let Element::Input { input, index: of } = *elements.get(index)? else { return None };
        (tensor, index) = (*maker.inputs.get(input)?, of);
    }
    Some((tensor, index))
}
