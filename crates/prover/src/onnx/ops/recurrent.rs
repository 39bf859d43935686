//! RNN, GRU and LSTM, unrolled over their constant sequence lengths.
//!
//! All gates of a step are one linear map of what comes in and of the state, so that a step
//! costs its functions and its products.

use super::{activation::apply, arithmetic::add, curves, products, smooth};
use crate::{
    graph::{Curve, Element, Function, Linear, LinearMap, Op, Test},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
        tensor::{Data, Tensor},
    },
};

/// Most steps of all directions and rows.
const MAX_STEPS: usize = 1 << 14;
/// Most elements of a state: of more, one step's weights would be over what is read of a file.
const MAX_HIDDEN: usize = 1 << 14;

/// Which of the three.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Cell {
    Rnn,
    Gru,
    Lstm,
}

impl Cell {
    fn gates(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// The functions of a direction, where the file names none.
    fn defaults(self) -> &'static [&'static str] {
        match self {
            Self::Rnn => &["Tanh"],
            Self::Gru => &["Sigmoid", "Tanh"],
            Self::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        }
    }
}

/// A function with its two parameters.
#[derive(Clone)]
struct Activation {
    name: String,
    alpha: f64,
    beta: f64,
}

/// A direction's weights.
struct Weights {
    /// gates·hidden × inputs, row-major.
    inputs: Vec<f64>,
    /// gates·hidden × hidden.
    state: Vec<f64>,
    /// Biases of both, one a row each.
    biases: [Vec<f64>; 2],
    /// Of the state of an LSTM to its gates i, o and f; none where all are 0.
    peepholes: Option<[Vec<f64>; 3]>,
}

/// What does not change from step to step.
struct Unit {
    cell: Cell,
    inputs: usize,
    hidden: usize,
    clip: Option<f64>,
    /// GRU: whether the state's linear map comes before its reset.
    linear_before_reset: bool,
    /// LSTM: whether forgetting is what is not let in.
    input_forget: bool,
}

pub(super) fn lower(node: &mut Node<'_>, cell: Cell) -> Result<Vec<Value>, OnnxError> {
    let x = node.take_real(0)?;
    let batch_first = node.flag("layout", false)?;
    let &[a, b, inputs] = x.shape() else {
        return Err(node.mismatch(format!("{:?} where sequences are needed", x.shape())));
    };
    let (steps, batch) = if batch_first { (b, a) } else { (a, b) };
    let hidden = usize::try_from(node.int("hidden_size").unwrap_or(0)).unwrap_or(0);
    let direction = node.text("direction", "forward");
    let reversed: &[bool] = match direction.as_str() {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => return Err(node.malformed(format!("its direction is {other:?}"))),
    };
    let count = reversed.len();
    if hidden == 0
        || hidden > MAX_HIDDEN
        || steps == 0
        || batch == 0
        || count * steps * batch > MAX_STEPS
    {
        return Err(node.unsupported(format!(
            "{steps} steps of {batch} sequences with a state of {hidden}, in {count} directions"
        )));
    }
    let unit = Unit {
        cell,
        inputs,
        hidden,
        clip: node.bound("clip").filter(|clip| *clip > 0.0),
        linear_before_reset: node.int("linear_before_reset").unwrap_or(0) != 0,
        input_forget: node.int("input_forget").unwrap_or(0) != 0,
    };
    let weights = weights(node, &unit, count)?;
    let activations = activations(node, cell, count)?;
    let lengths = match node.take_ints(4)? {
        None => vec![steps; batch],
        Some(lengths) => {
            let length = |l: &i64| usize::try_from(*l).ok().filter(|l| *l <= steps);
            let lengths: Option<Vec<usize>> = lengths.iter().map(length).collect();
            lengths.filter(|lengths| lengths.len() == batch).ok_or_else(|| {
                node.malformed(format!("its sequences' lengths are not {batch} of up to {steps}"))
            })?
        }
    };
    let states =
        [5, 6].map(|index| if index == 6 && cell != Cell::Lstm { None } else { Some(index) });
    let mut first = [None, None];
    for (first, index) in first.iter_mut().zip(states) {
        if let Some(index) = index {
            *first = node.take_optional(index)?;
        }
    }
    for value in first.iter().flatten() {
        if value.len() != count * batch * hidden {
            return Err(node.mismatch(format!("a state of {:?}", value.shape())));
        }
    }
    let dtype = x.dtype();
    // Where a direction's state of a row stands in [directions, batch, hidden].
    let stands = |d: usize, row: usize| match batch_first {
        true => (row * count + d) * hidden,
        false => (d * batch + row) * hidden,
    };
    let mut outputs: Vec<Vec<Option<Value>>> = vec![vec![None; steps]; count * batch];
    let mut last: Vec<[Option<Value>; 2]> = Vec::new();
    for (d, reverse) in reversed.iter().enumerate() {
        for row in 0..batch {
            let zeros = Value::Const(Tensor {
                shape: vec![1, hidden],
                dtype,
                data: Data::Float(vec![0.0; hidden]),
            });
            let mut state = [zeros.clone(), zeros];
            for (state, first) in state.iter_mut().zip(&first) {
                if let Some(first) = first {
                    let at: Vec<usize> = (0..hidden).map(|h| stands(d, row) + h).collect();
                    *state = node.pick(first.clone(), vec![1, hidden], &at)?;
                }
            }
            for step in 0..lengths[row] {
                let time = if *reverse { lengths[row] - 1 - step } else { step };
                let start = if batch_first { row * steps + time } else { time * batch + row };
                let at: Vec<usize> = (0..inputs).map(|i| start * inputs + i).collect();
                let own = node.pick(x.clone(), vec![1, inputs], &at)?;
                state = unit.step(node, own, state, &weights[d], &activations[d])?;
                outputs[d * batch + row][time] = Some(state[0].clone());
            }
            let [h, c] = state;
            last.push([Some(h), Some(c)]);
        }
    }
    // Y: every step's state, zeros beyond a sequence's end.
    let whole = match batch_first {
        true => vec![batch, steps, count, hidden],
        false => vec![steps, count, batch, hidden],
    };
    let len = node.pay(&whole)?;
    let place = |at: usize| {
        let (h, rest) = (at % hidden, at / hidden);
        let (time, d, row) = match batch_first {
            true => (rest / count % steps, rest % count, rest / count / steps),
            false => (rest / batch / count, rest / batch % count, rest % batch),
        };
        (outputs[d * batch + row][time].as_ref(), h)
    };
    let all = gathered(node, (0..len).map(place), whole, dtype)?;
    let shape = match batch_first {
        true => vec![batch, count, hidden],
        false => vec![count, batch, hidden],
    };
    let mut made = vec![all];
    let states: &[usize] = if cell == Cell::Lstm { &[0, 1] } else { &[0] };
    for &which in states {
        let place = |at: usize| {
            let (h, rest) = (at % hidden, at / hidden);
            let (d, row) = match batch_first {
                true => (rest % count, rest / count),
                false => (rest / batch, rest % batch),
            };
            (last[d * batch + row][which].as_ref(), h)
        };
        let own = gathered(node, (0..count * batch * hidden).map(place), shape.clone(), dtype)?;
        made.push(own);
    }
    Ok(made)
}

/// A tensor of elements of others; zeros where there is none.
fn gathered<'v>(
    node: &mut Node<'_>,
    places: impl Iterator<Item = (Option<&'v Value>, usize)>,
    to: Vec<usize>,
    dtype: crate::onnx::dtype::DType,
) -> Result<Value, OnnxError> {
    let mut operands: Vec<Value> = Vec::new();
    let mut known = std::collections::HashMap::new();
    let mut elements = Vec::new();
    for (value, index) in places {
        elements.push(match value {
            None => Element::Constant(0.0),
            Some(value) => {
                let key = std::ptr::from_ref(value);
                let input = *known.entry(key).or_insert_with(|| {
                    operands.push(value.clone());
                    operands.len() - 1
                });
                Element::Input { input, index }
            }
        });
    }
    if operands.is_empty() {
        let data = Data::Float(vec![0.0; elements.len()]);
        return Ok(Value::Const(Tensor { shape: to, dtype, data }));
    }
    node.emit(Op::Select(elements), operands, to, dtype)
}

fn weights(node: &mut Node<'_>, unit: &Unit, count: usize) -> Result<Vec<Weights>, OnnxError> {
    let rows = unit.cell.gates() * unit.hidden;
    let mut parts = [vec![], vec![], vec![], vec![]];
    let peephole = if unit.cell == Cell::Lstm { 7 } else { usize::MAX };
    for (part, index) in parts.iter_mut().zip([1, 2, 3, peephole]) {
        if index != usize::MAX {
            *part = node.take_floats(index)?.unwrap_or_default();
        }
    }
    let [w, r, b, p] = parts;
    let expected = [count * rows * unit.inputs, count * rows * unit.hidden];
    let fits = [w.len(), r.len()] == expected
        && (b.is_empty() || b.len() == count * 2 * rows)
        && (p.is_empty() || p.len() == count * 3 * unit.hidden);
    if !fits {
        return Err(node.mismatch(format!(
            "{} weights of inputs, {} of the state, {} biases for a state of {}",
            w.len(),
            r.len(),
            b.len(),
            unit.hidden
        )));
    }
    let part = |values: &[f64], d: usize| {
        let len = values.len() / count;
        values[d * len..(d + 1) * len].to_vec()
    };
    let of = |d: usize| {
        let biases = match b.is_empty() {
            true => [vec![0.0; rows], vec![0.0; rows]],
            false => {
                let both = part(&b, d);
                [both[..rows].to_vec(), both[rows..].to_vec()]
            }
        };
        let peepholes = p.iter().any(|p| *p != 0.0).then(|| {
            let own = part(&p, d);
            [0, 1, 2].map(|gate| own[gate * unit.hidden..(gate + 1) * unit.hidden].to_vec())
        });
        Weights { inputs: part(&w, d), state: part(&r, d), biases, peepholes }
    };
    Ok((0..count).map(of).collect())
}

/// The functions of each direction, in the order of the standard.
fn activations(
    node: &Node<'_>,
    cell: Cell,
    count: usize,
) -> Result<Vec<Vec<Activation>>, OnnxError> {
    let defaults = cell.defaults();
    let named = node.strings("activations");
    let names: Vec<String> = match named.is_empty() {
        true => defaults.iter().cycle().take(defaults.len() * count).map(|s| (*s).into()).collect(),
        false => named.iter().map(|n| String::from_utf8_lossy(n).into_owned()).collect(),
    };
    if names.len() != defaults.len() * count {
        return Err(node.malformed(format!("{} activations", names.len())));
    }
    let mut alphas = node.numbers("activation_alpha").unwrap_or_default().into_iter();
    let mut betas = node.numbers("activation_beta").unwrap_or_default().into_iter();
    let one = |name: String| {
        // Those that take parameters take them from the lists in turn.
        let (alpha, beta) = match name.to_lowercase().as_str() {
            "affine" => (Some(1.0), Some(0.0)),
            "leakyrelu" => (Some(0.01), None),
            "thresholdedrelu" | "elu" => (Some(1.0), None),
            "scaledtanh" => (Some(1.0), Some(1.0)),
            "hardsigmoid" => (Some(0.2), Some(0.5)),
            _ => (None, None),
        };
        let alpha = alpha.map_or(0.0, |default| alphas.next().unwrap_or(default));
        let beta = beta.map_or(0.0, |default| betas.next().unwrap_or(default));
        Activation { name, alpha, beta }
    };
    let all: Vec<Activation> = names.into_iter().map(one).collect();
    Ok(all.chunks(defaults.len()).map(<[_]>::to_vec).collect())
}

impl Activation {
    fn apply(&self, node: &mut Node<'_>, x: Value) -> Result<Value, OnnxError> {
        let (alpha, beta) = (self.alpha, self.beta);
        match self.name.to_lowercase().as_str() {
            "relu" => apply(node, Function::Relu, x),
            "sigmoid" => apply(node, Function::Curve(Curve::Sigmoid), x),
            "tanh" => smooth::tanh(node, x),
            "softsign" => apply(node, Function::Curve(Curve::Softsign), x),
            "softplus" => curves::softplus(node, x),
            "affine" => node.scale(x, |_| (alpha, beta)),
            "leakyrelu" => apply(node, Function::LeakyRelu { slopes: vec![alpha] }, x),
            "elu" => smooth::exponential(node, x, (1.0, alpha, 1.0)),
            "scaledtanh" => {
                let inner = node.scale(x, |_| (beta, 0.0))?;
                let tanh = smooth::tanh(node, inner)?;
                node.scale(tanh, |_| (alpha, 0.0))
            }
            "hardsigmoid" => {
                let line = node.scale(x, |_| (alpha, beta))?;
                apply(node, Function::Clip { low: 0.0, high: 1.0 }, line)
            }
            "thresholdedrelu" => smooth::beyond(node, x, Test::AtLeast(alpha), (alpha, alpha)),
            other => Err(node.unsupported(format!("its activation is {other}"))),
        }
    }
}

impl Unit {
    /// The linear part of gates `from..to`: of what comes in, of a state if there is one, and
    /// of the biases named.
    fn linear(
        &self,
        node: &mut Node<'_>,
        (x, h): (Option<Value>, Option<Value>),
        weights: &Weights,
        (from, to): (usize, usize),
    ) -> Result<Value, OnnxError> {
        let rows = (to - from) * self.hidden;
        let (first, last) = (from * self.hidden, to * self.hidden);
        let mut bias = vec![0.0; rows];
        let (mut maps, mut operands) = (Vec::new(), Vec::new());
        for (value, matrix, inputs, biases) in [
            (x, &weights.inputs, self.inputs, &weights.biases[0]),
            (h, &weights.state, self.hidden, &weights.biases[1]),
        ] {
            if let Some(value) = value {
                let own = matrix[first * inputs..last * inputs].to_vec();
                node.pay(&[own.len()])?;
                maps.push(LinearMap::Dense { positions: 1, inputs, outputs: rows, weights: own });
                operands.push(value);
                bias.iter_mut().zip(&biases[first..last]).for_each(|(sum, b)| *sum += b);
            }
        }
        let dtype = operands[0].dtype();
        node.emit(Op::Linear(Linear { maps, bias }), operands, vec![1, rows], dtype)
    }

    /// One gate of several side by side, its peepholes added, clipped.
    fn gate(
        &self,
        node: &mut Node<'_>,
        all: &Value,
        index: usize,
        peephole: Option<(&Value, &[f64])>,
    ) -> Result<Value, OnnxError> {
        let at: Vec<usize> = (0..self.hidden).map(|h| index * self.hidden + h).collect();
        let mut gate = node.pick(all.clone(), vec![1, self.hidden], &at)?;
        if let Some((state, weights)) = peephole {
            let own = node.scale(state.clone(), |h| (weights[h], 0.0))?;
            gate = add(node, vec![(gate, 1.0), (own, 1.0)])?;
        }
        self.clipped(node, gate)
    }

    fn clipped(&self, node: &mut Node<'_>, x: Value) -> Result<Value, OnnxError> {
        match self.clip {
            Some(clip) => apply(node, Function::Clip { low: -clip, high: clip }, x),
            None => Ok(x),
        }
    }

    fn step(
        &self,
        node: &mut Node<'_>,
        x: Value,
        [h, c]: [Value; 2],
        weights: &Weights,
        functions: &[Activation],
    ) -> Result<[Value; 2], OnnxError> {
        match self.cell {
            Cell::Rnn => {
                let gate = self.linear(node, (Some(x), Some(h)), weights, (0, 1))?;
                let gate = self.clipped(node, gate)?;
                Ok([functions[0].apply(node, gate)?, c])
            }
            Cell::Gru => {
                let update_reset =
                    self.linear(node, (Some(x.clone()), Some(h.clone())), weights, (0, 2))?;
                let update = self.gate(node, &update_reset, 0, None)?;
                let reset = self.gate(node, &update_reset, 1, None)?;
                let update = functions[0].apply(node, update)?;
                let reset = functions[0].apply(node, reset)?;
                let hidden = match self.linear_before_reset {
                    true => {
                        let own = self.linear(node, (Some(x), None), weights, (2, 3))?;
                        let state = self.linear(node, (None, Some(h.clone())), weights, (2, 3))?;
                        let kept = products::multiply(node, reset, state)?;
                        add(node, vec![(own, 1.0), (kept, 1.0)])?
                    }
                    false => {
                        let kept = products::multiply(node, reset, h.clone())?;
                        self.linear(node, (Some(x), Some(kept)), weights, (2, 3))?
                    }
                };
                let hidden = self.clipped(node, hidden)?;
                let hidden = functions[1].apply(node, hidden)?;
                // (1 − z)·h' + z·h = h' + z·(h − h').
                let change = add(node, vec![(h, 1.0), (hidden.clone(), -1.0)])?;
                let change = products::multiply(node, update, change)?;
                Ok([add(node, vec![(hidden, 1.0), (change, 1.0)])?, c])
            }
            Cell::Lstm => {
                let all = self.linear(node, (Some(x), Some(h)), weights, (0, 4))?;
                let peephole = |gate: usize| weights.peepholes.as_ref().map(|p| p[gate].as_slice());
                let input = self.gate(node, &all, 0, peephole(0).map(|p| (&c, p)))?;
                let forget = self.gate(node, &all, 2, peephole(2).map(|p| (&c, p)))?;
                let candidate = self.gate(node, &all, 3, None)?;
                let input = functions[0].apply(node, input)?;
                let forget = match self.input_forget {
                    true => node.scale(input.clone(), |_| (-1.0, 1.0))?,
                    false => functions[0].apply(node, forget)?,
                };
                let candidate = functions[1].apply(node, candidate)?;
                let kept = products::multiply(node, forget, c)?;
                let new = products::multiply(node, input, candidate)?;
                let c = add(node, vec![(kept, 1.0), (new, 1.0)])?;
                let output = self.gate(node, &all, 1, peephole(1).map(|p| (&c, p)))?;
                let output = functions[0].apply(node, output)?;
                let shown = functions[2].apply(node, c.clone())?;
                Ok([products::multiply(node, output, shown)?, c])
            }
        }
    }
}
