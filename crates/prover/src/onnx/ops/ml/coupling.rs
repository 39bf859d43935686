//! Probabilities of several classes from those of all pairs (Wu, Lin and Weng, "Probability
//! Estimates for Multi-class Classification by Pairwise Coupling", JMLR 5, 2004).
//!
//! With r_ij the probability of class i against j, p minimises pᵀQp over all p that add up to 1,
//! where Q_ii = Σ r_ji² over the others and Q_ij = −r_ji·r_ij; pᵀQp is Σ (r_ji·p_i − r_ij·p_j)² over all
//! pairs. onnxruntime iterates towards the minimum and stops where |(Qp)_i − pᵀQp| < 0.005 / k for
//! every class of k. What is proven is the minimum itself. How far apart they are: let d be the
//! difference, Σ d = 0, and g that of the gradients up to a constant, |g_i| < 0.005 / k; then
//! dᵀQd = dᵀg ≤ ‖d‖·‖g‖. Of d, let its largest element be 1, one of a (the others of that sign), the
//! absolute values of the opposite ones b. Of a pair of opposite signs, r_ji·d_i − r_ij·d_j is at
//! least min(|d_i|, |d_j|) in absolute value, so that dᵀQd ≥ Σ b², those beside the largest. And
//! Σ a² ≤ (Σ a)² = (Σ b)² ≤ (k − 1)·Σ b². So dᵀQd ≥ ‖d‖² / k, and ‖d‖ ≤ k·‖g‖ < 0.005·√k.
//!
//! The minimum solves a linear system: with p_k = 1 − Σ p_i, Hy = h for the first k − 1, H_ij being
//! Q_ij − Q_ik − Q_kj + Q_kk and h_i = Q_kk − Q_ik. By the above H's least eigenvalue, and so every pivot
//! of its elimination, is at least 1 / k; that keeps all quotients small.

use crate::{
    graph::{Element, Function, Linear, LinearMap, Op, Product, SparseRows},
    onnx::{
        dtype::DType,
        error::OnnxError,
        node::{Node, Value},
        ops::{activation::apply, arithmetic::add, products},
    },
};

/// The most classes.
pub(super) const MOST: usize = 16;

/// Probabilities of `classes` from a row of those of all pairs (i, j), i < j, of class i.
pub(super) fn couple(
    node: &mut Node<'_>,
    pairwise: Value,
    classes: usize,
) -> Result<Value, OnnxError> {
    let pairs = classes * (classes - 1) / 2;
    if pairwise.len() != pairs {
        return Err(node.unsupported("it has probabilities of several rows"));
    }
    node.pay(&[classes, classes, classes, 16])?;
    let pair = |i: usize, j: usize| i * (2 * classes - i - 1) / 2 + j - i - 1;
    // r_ij, then r_ji, of every pair.
    let rows = (0..2 * pairs).map(|at| Some((at % pairs, if at < pairs { 1.0 } else { -1.0 })));
    let bias = (0..2 * pairs).map(|at| if at < pairs { 0.0 } else { 1.0 }).collect();
    let linear = Linear { maps: vec![LinearMap::Sparse(SparseRows::from_rows(rows))], bias };
    let both = node.emit(Op::Linear(linear), vec![pairwise], vec![2 * pairs], DType::Float32)?;
    let r = |i: usize, j: usize| if i < j { pair(i, j) } else { pairs + pair(j, i) };
    // Q, its diagonal first, then −Q of all pairs.
    let (mut starts, mut factors) = (vec![0], Vec::new());
    for i in 0..classes {
        factors.extend((0..classes).filter(|j| *j != i).map(|j| [r(j, i), r(j, i)]));
        starts.push(factors.len());
    }
    for i in 0..classes {
        for j in i + 1..classes {
            factors.push([r(j, i), r(i, j)]);
            starts.push(factors.len());
        }
    }
    let shape = vec![classes + pairs];
    let product = Op::Product(Product { starts, pairs: factors });
    let q = node.emit(product, vec![both], shape, DType::Float32)?;
    solve(node, q, classes)
}

/// Eliminates, then substitutes back.
fn solve(node: &mut Node<'_>, q: Value, classes: usize) -> Result<Value, OnnxError> {
    let (order, last) = (classes - 1, classes - 1);
    let entry = |i: usize, j: usize| match i == j {
        true => (i, 1.0),
        false => {
            let (i, j) = (i.min(j), i.max(j));
            (classes + i * (2 * classes - i - 1) / 2 + j - i - 1, -1.0)
        }
    };
    // The upper triangle of H, and h; the largest that a diagonal element may be.
    let largest = 2.0 * classes as f64;
    let mut matrix: Vec<Vec<Option<Value>>> = vec![vec![None; order]; order];
    for (i, row) in matrix.iter_mut().enumerate() {
        for (j, cell) in row.iter_mut().enumerate().skip(i) {
            let (ij, ik, kj, kk) = (entry(i, j), entry(i, last), entry(last, j), entry(last, last));
            let terms = [(ij, 1.0), (ik, -1.0), (kj, -1.0), (kk, 1.0)];
            *cell = Some(sum(node, &q, &terms)?);
        }
    }
    let mut right = Vec::with_capacity(order);
    for i in 0..order {
        right.push(sum(node, &q, &[(entry(last, last), 1.0), (entry(i, last), -1.0)])?);
    }
    let missing = |node: &Node<'_>| node.malformed("its probabilities are of no classes".into());
    let clip = |node: &mut Node<'_>, low: f64, high: f64, x: Value| {
        apply(node, Function::Clip { low, high }, x)
    };
    let least = 1.0 / classes as f64;
    for pivot in 0..order {
        let diagonal = matrix[pivot][pivot].take().ok_or_else(|| missing(node))?;
        let diagonal = clip(node, least, largest, diagonal)?;
        for i in pivot + 1..order {
            let above = matrix[pivot][i].clone().ok_or_else(|| missing(node))?;
            let factor = products::quotient(node, above, diagonal.clone())?;
            let above = matrix[pivot].clone();
            for (j, own) in above.into_iter().enumerate().skip(i) {
                let own = own.ok_or_else(|| missing(node))?;
                let product = products::multiply(node, factor.clone(), own)?;
                let before = matrix[i][j].take().ok_or_else(|| missing(node))?;
                let after = add(node, vec![(before, 1.0), (product, -1.0)])?;
                let low = if i == j { 0.0 } else { -largest };
                matrix[i][j] = Some(clip(node, low, largest, after)?);
            }
            let product = products::multiply(node, factor, right[pivot].clone())?;
            let after = add(node, vec![(right[i].clone(), 1.0), (product, -1.0)])?;
            // A sum of shares times what is left of H.
            let most = largest * order as f64;
            right[i] = clip(node, -most, most, after)?;
        }
        matrix[pivot][pivot] = Some(diagonal);
    }
    let mut found: Vec<Option<Value>> = vec![None; order];
    for i in (0..order).rev() {
        let mut terms = vec![(right[i].clone(), 1.0)];
        for j in i + 1..order {
            let own = matrix[i][j].clone().ok_or_else(|| missing(node))?;
            let known = found[j].clone().ok_or_else(|| missing(node))?;
            terms.push((products::multiply(node, own, known)?, -1.0));
        }
        let over = add(node, terms)?;
        let diagonal = matrix[i][i].clone().ok_or_else(|| missing(node))?;
        // Between 0 and the pivot, as the probability is between 0 and 1.
        let over = clip(node, 0.0, largest, over)?;
        let share = products::quotient(node, over, diagonal)?;
        found[i] = Some(clip(node, 0.0, 1.0, share)?);
    }
    let parts: Vec<Value> = found.into_iter().flatten().collect();
    let elements = (0..order).map(|input| Element::Input { input, index: 0 }).collect();
    let first = node.emit(Op::Select(elements), parts, vec![order], DType::Float32)?;
    let rows = (0..classes).map(|class| match class == last {
        false => vec![(class, 1.0)],
        true => (0..order).map(|other| (other, -1.0)).collect(),
    });
    let bias = (0..classes).map(|class| f64::from(u8::from(class == last))).collect();
    let linear = Linear { maps: vec![LinearMap::Sparse(SparseRows::from_rows(rows))], bias };
    node.emit(Op::Linear(linear), vec![first], vec![1, classes], DType::Float32)
}

/// A sum of elements, each with its own factor.
fn sum(node: &mut Node<'_>, q: &Value, terms: &[((usize, f64), f64)]) -> Result<Value, OnnxError> {
    let mut row = std::collections::BTreeMap::new();
    for ((at, own), factor) in terms {
        *row.entry(*at).or_insert(0.0) += own * factor;
    }
    let maps = vec![LinearMap::Sparse(SparseRows::from_rows([row]))];
    let linear = Linear { maps, bias: vec![0.0] };
    node.emit(Op::Linear(linear), vec![q.clone()], vec![1], DType::Float32)
}
