//! LinearAttention: a state of keys and values that is read by queries, step by step.
//!
//! ```text
//! S ← exp(g)·S,  v ← β·(v − Sᵀ·k),  S ← S + k·vᵀ,  y = scale·Sᵀ·q
//! ```
//!
//! The first where the rule is gated, the second where it corrects (delta).

use super::{activation::apply, arithmetic::add, layout::permute, products};
use crate::{
    graph::{Curve, Element, Function, Op, Product},
    onnx::{
        error::OnnxError,
        node::{Node, Value},
    },
};

/// Most steps that are unrolled.
const MAX_STEPS: usize = 1 << 12;

/// Batch, steps, and the size of a head.
struct Heads {
    batch: usize,
    steps: usize,
    size: usize,
}

pub(super) fn lower(node: &mut Node<'_>) -> Result<Vec<Value>, OnnxError> {
    let inputs = [node.take_real(0)?, node.take_real(1)?, node.take_real(2)?];
    let count = |name: &str| node.int(name).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let (queries, own) = (count("q_num_heads"), count("kv_num_heads"));
    if own == 0 || queries == 0 || queries % own != 0 {
        return Err(node.malformed(format!("{queries} heads of queries and {own} of keys")));
    }
    let (gated, delta) = match node.text("update_rule", "gated_delta").as_str() {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => return Err(node.malformed(format!("its rule is {}", other.escape_debug()))),
    };
    let past = node.take_optional(3)?;
    let (decay, beta) = (node.take_optional(4)?, node.take_optional(5)?);
    if decay.is_some() != gated || beta.is_some() != delta {
        return Err(node.malformed("its decay or beta does not go with its rule".into()));
    }
    let [q, k, v] = inputs;
    let (q, of_q) = by_step(node, q, queries)?;
    let (k, of_k) = by_step(node, k, own)?;
    let (v, of_v) = by_step(node, v, own)?;
    let Heads { batch, steps, size, .. } = of_k;
    let width = of_v.size;
    let agree =
        of_q.size == size && [&of_q, &of_v].iter().all(|h| (h.batch, h.steps) == (batch, steps));
    if !agree || steps > MAX_STEPS || batch * steps * size * width == 0 {
        return Err(node.mismatch(format!("queries, keys and values of {steps} steps")));
    }
    let rows = batch * own;
    let dtype = q.dtype();
    let spread = |node: &mut Node<'_>, value: Option<Value>, most: usize| match value {
        None => Ok(None),
        Some(value) => factors(node, value, (batch, steps, own), most).map(Some),
    };
    let decay = spread(node, decay, size)?;
    let beta = spread(node, beta, 1)?;
    let scale = match node.float("scale", 0.0)? {
        0.0 => 1.0 / (size as f64).sqrt(),
        scale => scale,
    };
    let mut state = match past {
        Some(past) if past.shape() == [batch, own, size, width] => {
            Some(node.reshape(past, vec![rows * size * width])?)
        }
        Some(past) => return Err(node.mismatch(format!("a state of {:?}", past.shape()))),
        None => None,
    };
    let mut made = Vec::with_capacity(steps);
    for step in 0..steps {
        let k = at_step(node, &k, step, rows * size)?;
        let mut v = at_step(node, &v, step, rows * width)?;
        if let (Some(before), Some((decay, each))) = (&state, &decay) {
            let g = at_step(node, decay, step, rows * each)?;
            let factor = apply(node, Function::Curve(Curve::Exp), g)?;
            let factor = node.pick(factor, vec![rows * size * width], &{
                let of = |at: usize| at / width / (size / each);
                (0..rows * size * width).map(of).collect::<Vec<_>>()
            })?;
            state = Some(products::multiply(node, before.clone(), factor)?);
        }
        if let Some((beta, _)) = &beta {
            if let Some(state) = &state {
                // What the state says of the key.
                let said = sums(node, [state, &k], rows * width, size, |at, d| {
                    let (row, m) = (at / width, at % width);
                    [(row * size + d) * width + m, row * size + d]
                })?;
                v = add(node, vec![(v, 1.0), (said, -1.0)])?;
            }
            let beta = at_step(node, beta, step, rows)?;
            let of: Vec<usize> = (0..rows * width).map(|at| at / width).collect();
            let beta = node.pick(beta, vec![rows * width], &of)?;
            v = products::multiply(node, v, beta)?;
        }
        let written = sums(node, [&k, &v], rows * size * width, 1, |at, _| {
            let (row, d, m) = (at / width / size, at / width % size, at % width);
            [row * size + d, row * width + m]
        })?;
        let now = match state {
            Some(state) => add(node, vec![(state, 1.0), (written, 1.0)])?,
            None => written,
        };
        let q = at_step(node, &q, step, batch * queries * size)?;
        let read = sums(node, [&now, &q], batch * queries * width, size, |at, d| {
            let (head, m) = (at / width, at % width);
            let row = head / queries * own + head % queries / (queries / own);
            [(row * size + d) * width + m, head * size + d]
        })?;
        made.push(node.scale(read, |_| (scale, 0.0))?);
        state = Some(now);
    }
    // [steps][batch, heads, width] to [batch, steps, heads·width].
    let to = vec![batch, steps, queries * width];
    let each = queries * width;
    let element = |at: usize| {
        let (row, rest) = (at / each, at % each);
        Element::Input { input: row % steps, index: row / steps * each + rest }
    };
    let len = node.pay(&to)?;
    let elements = (0..len).map(element).collect();
    let output = node.emit(Op::Select(elements), made, to, dtype)?;
    let state = state.ok_or_else(|| node.malformed("it has no steps".into()))?;
    Ok(vec![output, node.reshape(state, vec![batch, own, size, width])?])
}

/// [batch, steps, heads·size] with the steps first.
fn by_step(node: &mut Node<'_>, x: Value, heads: usize) -> Result<(Value, Heads), OnnxError> {
    let &[batch, steps, all] = x.shape() else {
        return Err(node.mismatch(format!("{:?} where steps of heads are needed", x.shape())));
    };
    if all % heads != 0 || x.len() == 0 {
        return Err(node.mismatch(format!("{all} elements of {heads} heads")));
    }
    let x = permute(node, x, &[1, 0, 2])?;
    Ok((x, Heads { batch, steps, size: all / heads }))
}

/// Factors of each head, or of each element of its keys, with the steps first; and how many of
/// them a head has.
fn factors(
    node: &mut Node<'_>,
    x: Value,
    (batch, steps, heads): (usize, usize, usize),
    most: usize,
) -> Result<(Value, usize), OnnxError> {
    let &[b, t, all] = x.shape() else {
        return Err(node.mismatch(format!("{:?} where factors of heads are needed", x.shape())));
    };
    let each = match all {
        all if all == heads => 1,
        all if all == heads * most => most,
        1 => 0,
        _ => return Err(node.mismatch(format!("{all} factors of {heads} heads"))),
    };
    if (b, t) != (batch, steps) {
        return Err(node.mismatch(format!("factors of {:?}", x.shape())));
    }
    let x = permute(node, x, &[1, 0, 2])?;
    match each {
        // One for all heads.
        0 => Ok((node.expand(x, &[steps, batch, heads])?, 1)),
        each => Ok((x, each)),
    }
}

/// The elements of one step.
fn at_step(node: &mut Node<'_>, x: &Value, step: usize, len: usize) -> Result<Value, OnnxError> {
    let of: Vec<usize> = (step * len..(step + 1) * len).collect();
    node.pay(&[len, 2])?;
    node.pick(x.clone(), vec![len], &of)
}

/// Σ a·b over `terms` pairs of elements each.
fn sums(
    node: &mut Node<'_>,
    [a, b]: [&Value; 2],
    len: usize,
    terms: usize,
    pair: impl Fn(usize, usize) -> [usize; 2],
) -> Result<Value, OnnxError> {
    node.pay(&[len, 2 * terms + 1])?;
    let starts = (0..=len).map(|at| at * terms).collect();
    let pairs = (0..len).flat_map(|at| (0..terms).map(move |d| (at, d)));
    let pairs = pairs.map(|(at, d)| pair(at, d)).collect();
    products::contract(node, [a.clone(), b.clone()], Product { starts, pairs }, vec![len])
}
